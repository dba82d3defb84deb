"""DICOM files → pixels, where ITK's reader (GDCM) refuses or errs.

GDCM turns MONOCHROME1 wrongly or not at all for many depths, keeps the unused bits of unusual ones, skips modality
look-up tables, and takes the frames of an enhanced object in the order in which they are stored, with the slope of
the first. Such a file is read through a stand-in: the same stored values and place, in a header without any of that
(and without the patient). What the values mean is then worked out here.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixel_data_handlers.util import apply_modality_lut
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage

from xal.arrays import AnyArray
from xal.imaging.dicom_planes import LPS, Place, Plane, functional_group, place

DAMAGED = (
    InvalidDicomError, BytesLengthException, OSError, EOFError, ValueError, TypeError, AttributeError, LookupError,
    NotImplementedError, ArithmeticError, RecursionError, struct.error, zlib.error,
)  # fmt: skip
"""What pydicom raises at a damaged file. Its texts can quote the header, and so the patient: do not show them."""

_GROUPS = "PerFrameFunctionalGroupsSequence"
_PIXEL_DATA = tag_for_keyword("PixelData")
_PIXELS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PixelData",
)  # fmt: skip
_PLACE = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "PixelAspectRatio", "SpacingBetweenSlices", "SliceThickness",
    "DetectorInformationSequence", "FrameIncrementPointer", "GridFrameOffsetVector",
)  # fmt: skip
_MEANING = (
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    _GROUPS, "SharedFunctionalGroupsSequence", "SequenceOfUltrasoundRegions", "Modality", "PatientID",
)  # fmt: skip
_READ = ("SOPClassUID", *_PIXELS, *_PLACE, *_MEANING)
_LARGE = 1 << 16
"""Bytes of an element that is left in the file until it is asked for."""
_CENTIMETRES = 3
_TURNED = 1e-3
"""How far the axes of two frames of a volume may lead apart, in millimetres a pixel."""


@dataclass(frozen=True)
class Stack:
    """How the frames of a multi-frame object lie one upon the other."""

    order: tuple[int, ...]
    """Of the frames as stored, along the normal of their plane."""
    positions: AnyArray
    """(frames, 3): LPS millimetres, in that order."""
    affine: AnyArray
    """Voxel → RAS millimetres."""


def read(path: Path, file: BinaryIO, deflated: bool) -> Dataset:
    """The elements that say what an image shows; raises one of DAMAGED.

    Large ones are read from the path when they are asked for. A deflated file is unpacked anyway, so it is read whole.
    """
    file.seek(0)
    told = pydicom.dcmread(file, force=True, defer_size=None if deflated else _LARGE, specific_tags=list(_READ))
    told.filename = str(path)
    return told


def stored_values(dataset: Dataset) -> int:
    """How many values its pixels are, all frames and samples, as the header says."""
    counts = (dataset.get(key) for key in ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames"))
    return math.prod(int(count or 1) for count in counts)


def missing_bytes(dataset: Dataset) -> int:
    """How many bytes of pixels an uncompressed file lacks: GDCM makes them up."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or (syntax is not None and syntax.is_encapsulated):
        return 0
    values = stored_values(dataset)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        values = values * 2 // 3
    element = _pixels(dataset)
    if isinstance(element, RawDataElement) and element.value is None:  # left in a file that may be cut
        there = min(element.length, Path(dataset.filename).stat().st_size - element.value_tell)
    else:
        there = len(element.value)
    return max(0, math.ceil(values * int(dataset.BitsAllocated) / 8) - int(there))


def itk_is_enough(header: Dataset) -> bool:
    """Whether ITK reads such a file right; colour it does."""
    if header.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        return True
    allocated, stored, high = (header.get(key) for key in ("BitsAllocated", "BitsStored", "HighBit"))
    whole = stored == allocated or (allocated == 16 and stored >= 8) or allocated not in (8, 16, 32)
    known = header.PhotometricInterpretation == "MONOCHROME2" and whole and high == stored - 1
    return known and "ModalityLUTSequence" not in header and _GROUPS not in header


def stand_in(dataset: Dataset) -> bytes:
    """A DICOM file in which ITK finds the stored values and their place: all bits, where they are not compressed.

    The dataset does not keep its pixels after that.
    """
    grouped, pixels = _GROUPS in dataset, _pixels(dataset)
    kept = Dataset()
    for keyword in _PIXELS if grouped else (*_PIXELS, *_PLACE):
        if keyword in dataset:
            kept.add_new(dataset[keyword].tag, dataset[keyword].VR, dataset[keyword].value)
    if pixels is not None:
        dataset[_PIXEL_DATA] = pixels
    kept.SOPClassUID = SecondaryCaptureImageStorage if grouped else dataset.SOPClassUID
    kept.SOPInstanceUID, kept.PhotometricInterpretation = "2.25.1", "MONOCHROME2"
    if _all_bits(dataset):
        kept.BitsStored, kept.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    kept.file_meta = FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    kept.is_little_endian, kept.is_implicit_VR = dataset.is_little_endian, dataset.is_implicit_VR
    file = io.BytesIO()
    pydicom.dcmwrite(file, kept, write_like_original=False)
    return file.getvalue()


def values(dataset: Dataset, stored: AnyArray) -> AnyArray:
    """What the values stored in a file (X, Y, frames) mean: float32 (X, Y, Z), high is bright.

    MONOCHROME1 becomes lowest + highest − value of what its bits can store, as ITK has it where it has it right.
    """
    exact = _meant_bits(dataset, stored)
    stack = stacking(dataset)
    order = stack.order if stack else range(exact.shape[2])
    planes = [_rescaled(dataset, exact[:, :, n], _transformation(dataset, n)) for n in order]
    return np.stack(planes, axis=2).astype(np.float32)


def stacking(dataset: Dataset) -> Stack | None:
    """Where the frames of an enhanced object lie; None where they do not say so."""
    if _GROUPS not in dataset:
        return None
    places = [place(Plane(dataset, n + 1)) for n in range(int(dataset.get("NumberOfFrames") or 1))]
    stated = [where for where in places if where is not None]
    if not stated or len(stated) != len(places):
        return None
    first = stated[0]
    normal = np.cross(first.across, first.down)
    normal = normal / np.linalg.norm(normal)
    if max(_apart(first, where) for where in stated) > _TURNED:
        raise ValueError("frames are turned against each other")
    order = np.argsort([where.position @ normal for where in stated], kind="stable")
    positions = np.array([stated[n].position for n in order])
    steps = len(order) - 1
    through = (positions[-1] - positions[0]) / steps if steps else normal * _thickness(dataset)
    lps = np.eye(4)
    lps[:3] = np.column_stack([first.across, first.down, through, positions[0]])
    return Stack(tuple(int(n) for n in order), positions, LPS @ lps)


def fields(dataset: Dataset) -> Mapping[str, str]:
    """The header as ITK lists one: "gggg|eeee" → text. A window that is not the same in all frames is left out."""
    told = (dataset[tag] for tag in sorted(dataset.keys()) if tag != _PIXEL_DATA)
    found = {_key(element.tag): _text(element.value) for element in told if element.VR not in ("SQ", "OB", "OW")}
    if "ModalityLUTSequence" in dataset and dataset.PhotometricInterpretation == "MONOCHROME1":
        found = {key: text for key, text in found.items() if not key.startswith("0028|105")}
    if _GROUPS in dataset:
        windows = {_window(dataset, n) for n in range(int(dataset.get("NumberOfFrames") or 1))}
        found |= dict(windows.pop()) if len(windows) == 1 else {}
    return found


def ultrasound_spacing(header: Dataset) -> tuple[float, float] | None:
    """Millimetres of a pixel across and down, where all regions of an ultrasound picture agree on them."""
    regions = header.get("SequenceOfUltrasoundRegions") or []
    if "PixelSpacing" in header or not regions:
        return None
    said = {
        (abs(float(region.PhysicalDeltaX)) * 10, abs(float(region.PhysicalDeltaY)) * 10)
        for region in regions
        if region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == _CENTIMETRES
    }
    return said.pop() if len(said) == 1 and min(min(said)) > 0 else None


def _pixels(dataset: Dataset) -> Any:
    """The element as it was read, or left in the file, if there is one: `Dataset.get_item` would read it now."""
    return next((element for element in dataset.values() if element.tag == _PIXEL_DATA), None)


def _all_bits(dataset: Dataset) -> bool:
    """Whether the file holds every allocated bit, and not only those that its codec keeps."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return not syntax.is_encapsulated or syntax == RLELossless


def _meant_bits(dataset: Dataset, stored: AnyArray) -> AnyArray:
    """The bits from HighBit downwards, as a signed or unsigned number."""
    whole: npt.NDArray[np.int64 | np.int32] = stored.astype(np.int32 if stored.dtype.itemsize <= 2 else np.int64)
    if not _all_bits(dataset):
        return whole
    bits = int(dataset.BitsStored)
    meant = (whole >> (int(dataset.HighBit) + 1 - bits)) & (2**bits - 1)
    if dataset.PixelRepresentation == 1:
        meant = np.where(meant >= 2 ** (bits - 1), meant - 2**bits, meant)
    return np.asarray(meant)


def _transformation(dataset: Dataset, frame: int) -> Dataset:
    """What holds slope and intercept of a frame."""
    group = functional_group(Plane(dataset, frame + 1), "PixelValueTransformationSequence")
    return dataset if group is None else group


def _rescaled(dataset: Dataset, plane: AnyArray, transformation: Dataset) -> AnyArray:
    negative = dataset.PhotometricInterpretation == "MONOCHROME1"
    if "ModalityLUTSequence" in dataset:
        real = apply_modality_lut(plane, dataset)
        entries, first, _ = dataset.ModalityLUTSequence[0].LUTDescriptor
        table = apply_modality_lut(int(first) + np.arange(entries or 2**16), dataset)
        return np.asarray(float(table.min()) + float(table.max()) - real if negative else real)
    if negative:
        plane = (-1 if dataset.PixelRepresentation == 1 else 2 ** int(dataset.BitsStored) - 1) - plane
    slope, intercept = _number(transformation, "RescaleSlope", 1), _number(transformation, "RescaleIntercept", 0)
    return plane * slope + intercept


def _number(holder: Dataset, keyword: str, otherwise: float) -> float:
    """A decimal; an empty one, or a slope of 0, means nothing."""
    value = holder.get(keyword)
    return float(value or otherwise) if value not in (None, "") else otherwise


def _apart(one: Place, other: Place) -> float:
    return float(max(np.abs(one.across - other.across).max(), np.abs(one.down - other.down).max()))


def _thickness(dataset: Dataset) -> float:
    measures = functional_group(Plane(dataset, 1), "PixelMeasuresSequence") or Dataset()
    return float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1)


def _window(dataset: Dataset, frame: int) -> tuple[tuple[str, str], ...]:
    group = functional_group(Plane(dataset, frame + 1), "FrameVOILUTSequence") or Dataset()
    keys = ("WindowCenter", "WindowWidth", "VOILUTFunction")
    return tuple((_key(group[key].tag), _text(group[key].value)) for key in keys if key in group)


def _key(tag: Any) -> str:
    return f"{tag.group:04x}|{tag.element:04x}"


def _text(value: Any) -> str:
    many = isinstance(value, pydicom.multival.MultiValue)
    return "\\".join(str(part) for part in value) if many else str("" if value is None else value)
