"""What people outlined in a DICOM SEG, on the voxels of an image.

A frame goes where it lies; the instance it names has to be there, too. Where image or SEG do not say where they lie
(projection X-rays), the instance alone decides, and the pixel matrices have to be the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.frame import decode_frame
from pydicom.dataset import Dataset
from pydicom.encaps import generate_pixel_data_frame
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRLittleEndian

from xal.arrays import BoolArray, FloatArray
from xal.dicom.drawing import Drawing, Drawn, Effort
from xal.dicom.series import FARTHEST, Series
from xal.dicom.values import data, items, name, numbers, required_text, text, whole
from xal.errors import BadInput

_BY_PEOPLE = {"MANUAL", "SEMIAUTOMATIC"}
_SAME_GRID = 0.1
"""How far a pixel may lie from the image's to be the same one, in pixels."""
_SAME_DISTANCE = 0.1
"""By how much the slice distance may differ from the image's, as a share of it, where only the position tells."""
_UNDECODABLE = (
    ValueError, TypeError, AttributeError, KeyError, IndexError, RuntimeError, OSError, EOFError, struct.error,
)  # fmt: skip
"""What pydicom and its decoders raise on damaged pixel data."""

Decode = Callable[[int], BoolArray]
"""Number of a frame, from 0 → which of its pixels (row, column) are in the segment."""


def regions_of_segmentation(dataset: Dataset, series: Series) -> Drawn:
    """One region for each MANUAL or SEMIAUTOMATIC segment that has voxels in the image."""
    drawn, about = Drawn(), _named_series(dataset)
    if about and not any(series.is_meant(item) for item in about):
        return drawn
    if required_text(dataset, "SegmentationType") not in ("BINARY", "FRACTIONAL"):
        raise BadInput("SegmentationType is neither BINARY nor FRACTIONAL")
    segments = _segments(dataset)
    frames = _Frames(dataset, series, bool(about))
    unknown = set(frames.of_segment) - set(segments)
    if unknown:
        raise BadInput(f"a frame belongs to segment {min(unknown)}, which is not described")
    placed: dict[int, list[_Placed]] = {}
    for number, segment in segments.items():
        with drawn.roi(name(segment, "SegmentLabel")):
            if required_text(segment, "SegmentAlgorithmType") in _BY_PEOPLE:
                placed[number] = list(frames.of(number))
    if not any(placed.values()):
        return drawn
    decode, effort, origin = _decoder(dataset), Effort(), required_text(dataset, "SOPInstanceUID")
    for number, of_segment in placed.items():
        with drawn.roi(name(segments[number], "SegmentLabel")):
            drawing = Drawing(series.shape, effort)
            for index, k, sample in of_segment:
                if k in drawing.planes:
                    raise BadInput(f"segment {number} has two frames on plane {k + 1}")
                if isinstance(sample, _Resampling):
                    effort.spend(series.shape[0] * series.shape[1])
                    drawing.planes[k] = sample.of(decode(index))
                else:
                    drawing.planes[k] = decode(index).T
            region = drawing.region(text(segments[number], "SegmentLabel"), origin)
            if region is not None:
                drawn.regions.append(region)
    return drawn


def _named_series(dataset: Dataset) -> list[Dataset]:
    """The series that the object says it is about, with the instances that it names of them."""
    studies = [dataset, *items(dataset, "StudiesContainingOtherReferencedInstancesSequence")]
    return [item for study in studies for item in items(study, "ReferencedSeriesSequence")]


def _segments(dataset: Dataset) -> dict[int, Dataset]:
    """The descriptions of the segments by their numbers."""
    segments: dict[int, Dataset] = {}
    for item in items(dataset, "SegmentSequence"):
        number = whole(item, "SegmentNumber")
        if number in segments:
            raise BadInput(f"it has two segments with the number {number}")
        segments[number] = item
    if not segments:
        raise BadInput("SegmentSequence is missing")
    return segments


class _Resampling:
    """The nearest pixel of a frame for each pixel of the image's plane it lies on."""

    def __init__(self, corner: FloatArray, across: FloatArray, down: FloatArray, shape: Sequence[int]) -> None:
        matrix = np.column_stack([across, down])
        if abs(np.linalg.det(matrix)) < 1e-9:
            raise BadInput("a frame's rows and columns do not span a plane")
        i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
        self._at = np.linalg.inv(matrix) @ np.stack([i.ravel() - corner[0], j.ravel() - corner[1]])
        self._shape = tuple(shape[:2])

    def of(self, frame: BoolArray) -> BoolArray:
        """A decoded frame (row, column) on the image's pixels (X, Y); False where it does not reach."""
        column, row = np.floor(np.round(self._at, 6) + 0.5)
        inside = (column >= 0) & (column < frame.shape[1]) & (row >= 0) & (row < frame.shape[0])
        mask = np.zeros(inside.shape, dtype=bool)
        mask[inside] = frame[row[inside].astype(np.int64), column[inside].astype(np.int64)]
        return mask.reshape(self._shape)


_Placed = tuple[int, int, _Resampling | None]
"""Index of a frame, plane, and, where the pixels are not the image's, resampling."""


class _Frames:
    """The frames of a SEG: which segment, which plane of the image."""

    def __init__(self, dataset: Dataset, series: Series, series_is_named: bool) -> None:
        self._dataset, self._series, self._series_is_named = dataset, series, series_is_named
        self._size = whole(dataset, "Columns"), whole(dataset, "Rows")
        if 0 in self._size:
            raise BadInput("its frames have no pixels")
        self._groups = items(dataset, "PerFrameFunctionalGroupsSequence")
        self._shared = items(dataset, "SharedFunctionalGroupsSequence")
        count = whole(dataset, "NumberOfFrames")
        if count != len(self._groups):
            raise BadInput(f"NumberOfFrames is {count}, but {len(self._groups)} frames are described")
        self.of_segment: dict[int, list[int]] = {}
        for index in range(count):
            self.of_segment.setdefault(self._segment(index), []).append(index)

    def of(self, segment: int) -> Iterator[_Placed]:
        """A segment's frames in this series."""
        for index in self.of_segment.get(segment, ()):
            placed = self._place(index)
            if placed is not None:
                yield index, *placed

    def _segment(self, index: int) -> int:
        group = self._group(index, "SegmentIdentificationSequence")
        if group is None:
            raise BadInput(f"frame {index + 1} does not say which segment it shows")
        return whole(group, "ReferencedSegmentNumber")

    def _group(self, index: int, sequence: str) -> Dataset | None:
        """A frame's functional group: its own, else the shared one."""
        for groups in (self._groups[index], *self._shared[:1]):
            found = items(groups, sequence)
            if found:
                return found[0]
        return None

    def _place(self, index: int) -> tuple[int, _Resampling | None] | None:
        """Plane and resampling of a frame; None if it is about another series."""
        references = self._references(index)
        named = set().union(*(self._series.named(reference) for reference in references))
        if references and not named:
            return None
        vectors = self._vectors(index)
        if vectors is None or self._series.to_voxel is None:
            return self._by_name(index, named), None
        if not (references or self._series_is_named) and not self._shares_space(index):
            return None
        origin, across, down = vectors
        corners = np.array([origin + c * across + r * down for c in (0, self._size[0]) for r in (0, self._size[1])])
        k = self._series.plane_of(self._series.voxels(corners))
        if k is None:
            raise BadInput(f"frame {index + 1} lies on no plane of the image: between them, beyond them or across them")
        if named and k not in named:
            raise BadInput(f"frame {index + 1} names an image that lies elsewhere than the frame")
        return k, self._resampling(origin, across, down)

    def _references(self, index: int) -> list[Dataset]:
        derived = self._groups[index], *self._shared[:1]
        for groups in derived:
            sources = [
                source
                for item in items(groups, "DerivationImageSequence")
                for source in items(item, "SourceImageSequence")
            ]
            if sources:
                return sources
        return []

    def _vectors(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Centre of the first pixel, step from column to column and from row to row in LPS mm; None if not said."""
        values = []
        for sequence, keyword, count in (
            ("PlanePositionSequence", "ImagePositionPatient", 3),
            ("PlaneOrientationSequence", "ImageOrientationPatient", 6),
            ("PixelMeasuresSequence", "PixelSpacing", 2),
        ):
            group = self._group(index, sequence)
            value = None if group is None else numbers(group, keyword)
            if value is None:
                return None
            if value.size != count:
                raise BadInput(f"{keyword} has {value.size} values, not {count}")
            if np.abs(value).max() > FARTHEST:
                raise BadInput(f"{keyword} holds a number beyond {FARTHEST:.0f}")
            values.append(value)
        position, orientation, spacing = values
        return position, orientation[:3] * spacing[1], orientation[3:] * spacing[0]

    def _by_name(self, index: int, named: set[int]) -> int:
        """The plane of a frame that nothing but its reference places."""
        if not named and self._series_is_named and len(self._groups) == self._series.shape[2] == 1:
            named = {0}
        if len(named) != 1:
            raise BadInput(f"frame {index + 1} names {len(named)} planes of the image and has no position to go by")
        if self._size != tuple(self._series.shape[:2]):
            raise BadInput(
                f"it has {self._size[0]} columns and {self._size[1]} rows, the image has {self._series.shape[0]} "
                f"and {self._series.shape[1]}, and without positions it is unknown how they lie"
            )
        return next(iter(named))

    def _shares_space(self, index: int) -> bool:
        """Whether a SEG that names no image may be about this one: the same space, the same slice distance."""
        space = text(self._dataset, "FrameOfReferenceUID")
        if space is None or space != self._series.frame_of_reference or self._series.to_voxel is None:
            return False
        measures = self._group(index, "PixelMeasuresSequence")
        stated = None if measures is None else numbers(measures, "SpacingBetweenSlices")
        own = float(np.linalg.norm(np.linalg.inv(self._series.to_voxel)[:3, 2]))
        if stated is not None and self._series.shape[2] > 1 and abs(abs(stated[0]) - own) > _SAME_DISTANCE * own:
            raise BadInput(f"its slices are {abs(stated[0]):.3g} mm apart, the image's {own:.3g} mm, and it names none")
        return True

    def _resampling(self, origin: FloatArray, across: FloatArray, down: FloatArray) -> _Resampling | None:
        columns, rows = self._size
        steps = np.array([origin, origin + across * columns, origin + down * rows])
        start, right, below = self._series.voxels(steps)[:, :2]
        grid = np.array([[0, 0], [columns, 0], [0, rows]])
        if self._size == tuple(self._series.shape[:2]) and np.abs([start, right, below] - grid).max() <= _SAME_GRID:
            return None
        return _Resampling(start, (right - start) / columns, (below - start) / rows, self._series.shape)


def _decoder(dataset: Dataset) -> Decode:
    """How to get at a single frame, after making sure that all of them are there."""
    kind = required_text(dataset, "SegmentationType")
    count, rows, columns = (whole(dataset, keyword) for keyword in ("NumberOfFrames", "Rows", "Columns"))
    bits, pixels = 1 if kind == "BINARY" else 8, data(dataset, "PixelData")
    if whole(dataset, "BitsAllocated") != bits:
        raise BadInput(f"BitsAllocated is not {bits}, as it should be where SegmentationType is {kind}")
    syntax = UID(getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID", ExplicitVRLittleEndian))
    full = whole(dataset, "MaximumFractionalValue") if kind == "FRACTIONAL" else 1
    if full == 0:
        raise BadInput("MaximumFractionalValue is 0")
    if syntax not in AllTransferSyntaxes or not (syntax.is_compressed or syntax.is_little_endian):
        raise BadInput("its transfer syntax is not one that can be read")
    if syntax.is_encapsulated:
        if kind == "BINARY":
            raise BadInput("it is BINARY and compressed, which cannot be read")
        return _encapsulated(pixels, str(syntax), count, (rows, columns), full)
    size = rows * columns
    expected = (count * size * bits + 7) // 8
    if not expected <= len(pixels) <= expected + 1:
        raise BadInput(f"its pixel data has {len(pixels)} bytes; {count} frames of its size take {expected}")
    if kind == "FRACTIONAL":
        values = np.frombuffer(pixels, dtype=np.uint8, count=expected).reshape(count, rows, columns)
        return lambda index: _at_least_half(values[index], full)

    def of_bits(index: int) -> BoolArray:
        first = index * size
        raw = np.frombuffer(pixels, dtype=np.uint8)[first // 8 : (first + size + 7) // 8]
        bit = np.unpackbits(raw, bitorder="little")[first % 8 : first % 8 + size]
        return bit.reshape(rows, columns).astype(bool)

    return of_bits


def _encapsulated(pixels: bytes, syntax: str, count: int, size: tuple[int, int], full: int) -> Decode:
    try:
        frames = list(generate_pixel_data_frame(pixels, count))
    except _UNDECODABLE:
        frames = []
    if len(frames) != count:
        raise BadInput(f"its compressed pixel data does not hold {count} frames")

    def of_frame(index: int) -> BoolArray:
        try:
            decoded: npt.NDArray[Any] = decode_frame(
                frames[index], syntax, *size, samples_per_pixel=1, bits_allocated=8, bits_stored=8,
                photometric_interpretation="MONOCHROME2",
            )  # fmt: skip
        except _UNDECODABLE:
            raise BadInput(f"frame {index + 1} cannot be decompressed") from None
        if decoded.shape != size:
            raise BadInput(f"frame {index + 1} has another size than the object says")
        return _at_least_half(decoded, full)

    return of_frame


def _at_least_half(values: npt.NDArray[Any], full: int) -> BoolArray:
    mask: BoolArray = values.astype(np.int64) * 2 >= full
    return mask
