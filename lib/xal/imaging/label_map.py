"""What a reader handed in: a label map and the names of its segments → one finding and its ROI.

A label map is decoded by position: value k is the k-th entry of `label_info`, because that is how 3D Slicer numbers
what it exports (the `idx` it sends counts differently). A .seg.nrrd carries its own names, values and layers, and is
decoded by these. Everything doubtful is refused with the reason; nothing is guessed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xal.arrays import AnyArray, BoolArray, FloatArray
from xal.errors import BadInput, Oversized, TooLarge, Unreadable
from xal.imaging.images import Header, LabelArray, Volume, label_as_nrrd, read_header, read_layers
from xal.imaging.integrity import Kind
from xal.system.limits import in_force
from xal.task import ALONE, ATTENTION_BANDS, REGION, Task

_TOLERANCE = 0.1
"""How far a corner of the label may lie from its place in the image, in voxels: files store geometry as float32."""
_LARGEST = 8
"""A segmentation with more than so many times the image's voxels is not of this image."""
_REPRESENTABLE = (-(2**24), 2**24)
"""Whole numbers that float32 tells apart."""
_SEGMENT_KEY = re.compile(r"Segment(\d+)_(\w+)")
_ONE_SEGMENT = {"Segment0_Name": REGION, "Segment0_Layer": "0", "Segment0_LabelValue": "1"}


@dataclass(frozen=True)
class Decoded:
    """A submission in the task's terms."""

    finding: str
    """One of the task's, or REGION where only that is painted."""
    mask: LabelArray
    """(X, Y, Z) as it is stored: 0, or task.value_of a finding or the region."""
    roi: BoolArray
    roi_voxels: int
    roi_volume: float
    """Cubic millimetres."""
    note: str | None
    """What the reader should be told about how this was understood."""


@dataclass(frozen=True)
class _Region:
    """One painted segment on the image's grid; `name` is None where nothing says what it is."""

    name: str | None
    mask: BoolArray


def decode_label(
    path: Path,
    label_info: Sequence[Mapping[str, Any]] | None,
    image: Volume,
    task: Task,
    stated_finding: str | None = None,
) -> Decoded:
    """Decode a submitted label file against its image; BadInput says in plain words why it cannot be used."""
    _check_stated(stated_finding, task)
    try:
        regions, note = _regions(path, label_info, image, stated_finding)
    except Oversized:
        raise
    except Unreadable as error:
        raise BadInput(f"the label file cannot be used: {error}") from error
    rois, said, painted = _rois(regions, stated_finding, task)
    stated_finding = _stated(stated_finding, said)
    region = rois.pop(REGION, None)
    if not rois and region is not None and stated_finding in (None, REGION):
        return _decoded(REGION, {}, image, task, note, region)
    if not rois:
        return _without_roi(image, task, stated_finding, region, stripped=painted)
    if region is not None:
        note = _joined(note, f"{REGION!r} was painted, too, and is kept beside the finding")
    finding = max(rois, key=lambda name: int(rois[name].sum()))
    if len(rois) > 1:
        counts = ", ".join(f"{name!r} ({int(roi.sum())} voxels)" for name, roi in rois.items())
        if task.multiple == "refuse":
            raise BadInput(f"more than one finding is painted: {counts}; an image has one, so clear the others")
        note = _joined(note, f"more than one finding was painted: {counts}; the largest was kept")
    if stated_finding and stated_finding != finding:
        raise BadInput(f"the finding is stated as {stated_finding!r}, but {finding!r} is painted")
    return _decoded(finding, rois, image, task, note, region)


def as_region(path: Path) -> bytes:
    """A label file in which all that another one paints is the region, whatever it was called there.

    Attention is left out, and so are marks that say a finding without an outline, be the finding of this task or not.
    It lies where the other one does, and has segments if that has some: `decode_label` tells whether it fits an image.
    """
    header = _label_header(path)
    segments = _segments(header)
    layers = read_layers(path, header)
    if layers.dtype.kind not in "iubf" or not np.isfinite(layers).all():
        raise BadInput("it holds NaN, infinite or complex values")
    mask = np.zeros(header.shape, bool)
    for number, layer in enumerate(layers):
        painted = layer != 0
        for segment in segments:
            outlines_nothing = segment.name in ATTENTION_BANDS or segment.name.endswith(ALONE)
            if segment.layer == number and outlines_nothing:
                painted &= layer != segment.value
        mask |= painted
    return label_as_nrrd(mask.astype(np.uint8), header.affine, _ONE_SEGMENT if segments else {})


def _decoded(
    finding: str,
    rois: Mapping[str, BoolArray],
    image: Volume,
    task: Task,
    note: str | None,
    region: BoolArray | None = None,
) -> Decoded:
    """The mask keeps every outline; where the ROI of the finding overlaps others, it is whole."""
    mask = np.zeros(image.shape, np.uint8)
    if region is not None:
        mask[region] = task.value_of(REGION)
    for name in sorted(rois, key=lambda name: name == finding):
        mask[rois[name]] = task.value_of(name)
    outlined = region if finding == REGION else rois.get(finding)
    roi = np.zeros(image.shape, bool) if outlined is None else outlined
    voxels = int(roi.sum())
    return Decoded(
        finding=finding,
        mask=mask,
        roi=roi,
        roi_voxels=voxels,
        roi_volume=voxels * image.voxel_volume,
        note=note,
    )


def _without_roi(image: Volume, task: Task, stated: str | None, region: BoolArray | None, *, stripped: bool) -> Decoded:
    """No finding is painted: the stated one, else the absent one."""
    painted = "only attention is painted, which is no ROI" if stripped else "nothing is painted"
    if stated == REGION:
        raise BadInput(f"{painted}: a region is an outline, so paint one")
    if stated is not None and stated == task.absent and region is not None:
        raise BadInput(f"{int(region.sum())} voxels are painted as {REGION!r}, but the finding is stated as {stated!r}")
    if stated:
        note = None if stated == task.absent else f"{stated!r} was recorded without an ROI, as stated"
        if region is not None:
            note = _joined(note, f"{REGION!r} was painted, and is kept beside the finding")
        return _decoded(stated, {}, image, task, note, region)
    if task.absent is None:
        names = ", ".join(repr(name) for name in task.roi_findings)
        raise BadInput(f"{painted}, and this task has no finding for that; outline one of {names} or state the finding")
    note = f"{painted}: recorded as {task.absent!r}; withdraw it if that is not what you meant"
    return _decoded(task.absent, {}, image, task, note)


def _check_stated(stated: str | None, task: Task) -> None:
    if stated == REGION and task.regions:
        return
    if stated and stated not in task.finding_names:
        raise BadInput(f"the stated finding {stated!r} is none of this task{_closest(stated, task.finding_names)}")


def _stated(stated: str | None, said: set[str]) -> str | None:
    """The finding that the client states, or that a mark says."""
    known = sorted(said if stated is None else {*said, stated})
    if len(known) > 1:
        raise BadInput(f"more than one finding is said without an outline: {', '.join(map(repr, known))}")
    return known[0] if known else None


def _rois(regions: Iterable[_Region], stated: str | None, task: Task) -> tuple[dict[str, BoolArray], set[str], bool]:
    """The painted ROI of each finding, in the task's order, and of the region; what marks say; whether any is painted.

    Attention and empty segments fall out here.
    """
    rois: dict[str, BoolArray] = {}
    said: set[str] = set()
    painted = False
    for region in regions:
        if not region.mask.any():
            continue
        painted = True
        if region.name in ATTENTION_BANDS:
            continue
        if region.name in task.alone:
            said.add(task.alone[region.name])
            continue
        name = region.name if region.name is not None else stated
        voxels = int(region.mask.sum())
        if name is not None and name == task.absent:
            raise BadInput(f"{name!r} means that nothing is there, but {voxels} voxels are painted as it")
        if name == REGION and not task.regions:
            raise BadInput(f"{voxels} voxels are painted as {REGION!r}: this task takes no outline without a finding")
        if name != REGION and name not in task.roi_findings:
            close = _closest(str(name), task.roi_findings)
            raise BadInput(f"segment {name!r} ({voxels} voxels) is no finding of this task{close}")
        rois[name] = rois[name] | region.mask if name in rois else region.mask
    return {name: rois[name] for name in (*task.roi_findings, REGION) if name in rois}, said, painted


def _regions(
    path: Path, label_info: Sequence[Mapping[str, Any]] | None, image: Volume, stated: str | None
) -> tuple[Iterable[_Region], str | None]:
    """What is painted, by segment, made one after the other; and a note on how it was understood."""
    header = _label_header(path)
    segments = _segments(header)
    if segments:
        return _segmentation(path, header, segments, image), None
    if header.layers != 1 or header.shape != image.shape:
        layers = "" if header.layers == 1 else f" with {header.layers} values per voxel"
        raise BadInput(f"the label has {_sizes(header.shape)} voxels{layers}, the image has {_sizes(image.shape)}")
    if _offset(header, image) != (0, 0, 0):
        raise _misplaced(header, image)
    values = _whole_numbers(read_layers(path, header)[0])
    painted = _values(values)
    _check_segments(len(painted), "values are painted")
    if label_info:
        return _by_position(values, painted, _names(label_info)), None
    if not painted:
        return [], None
    if stated is None:
        raise BadInput(f"value {painted[0]} is painted, but no label_info says what it means; send it, or a finding")
    if len(painted) > 1:
        raise BadInput(f"values {_listed(painted)} are painted, but no label_info says which of them is {stated!r}")
    return [_Region(None, values == painted[0])], f"what is painted was taken as {stated!r}, as stated"


def _label_header(path: Path) -> Header:
    header = read_header(path, is_label=True)
    if header.kind not in {Kind.NIFTI, Kind.NRRD}:
        raise BadInput(f"a label map is .nii.gz, .nrrd or .seg.nrrd, not {header.kind.name}")
    return header


def _names(label_info: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in label_info]
    for position, name in enumerate(names, 1):
        if not isinstance(name, str):
            raise BadInput(f"label_info: entry {position} has no name: {label_info[position - 1]!r}")
    return [str(name) for name in names]


def _by_position(values: AnyArray, painted: list[int], names: list[str]) -> Iterable[_Region]:
    beyond = [value for value in painted if not 1 <= value <= len(names)]
    if beyond:
        listed = ", ".join(repr(name) for name in names)
        raise BadInput(f"value(s) {_listed(beyond)} are painted, but label_info has {len(names)} segment(s): {listed}")
    return (_Region(names[value - 1], values == value) for value in painted)


def _values(values: AnyArray) -> list[int]:
    """The values that are painted; few voxels are, so these alone are sorted."""
    return [int(value) for value in np.unique(values[values != 0])]


def _whole_numbers(values: AnyArray) -> AnyArray:
    if values.dtype.kind in "iub":
        return values
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise BadInput("the label map holds NaN, infinite or complex values; it must hold whole numbers")
    whole = np.clip(values, *_REPRESENTABLE).astype(np.int32)
    if not np.array_equal(whole, values):
        wrong = float(values[whole != values][0])
        raise BadInput(f"the label map holds {wrong:g}; it must hold whole numbers below {_REPRESENTABLE[1]:,}")
    return whole


@dataclass(frozen=True)
class _Segment:
    """One entry of a .seg.nrrd header."""

    name: str
    layer: int
    value: int


def _check_segments(count: int, what: str) -> None:
    """Each is a mask of the whole image."""
    most = in_force().max_layers
    if count > most:
        raise TooLarge(f"the label map is too large: {count} {what}; this server takes {most} at most (max_layers)")


def _segments(header: Header) -> list[_Segment]:
    """The segments that the header lists; none for a plain label map."""
    entries: dict[int, dict[str, str]] = {}
    for key, text in header.fields.items():
        if match := _SEGMENT_KEY.fullmatch(key):
            entries.setdefault(int(match[1]), {})[match[2]] = text
    segments = []
    for number, entry in sorted(entries.items()):
        # Before Slicer 4.11 every segment had a layer of its own, with value 1 and neither field written.
        own_layer = number if header.layers > 1 else 0
        try:
            layer, value = int(entry.get("Layer", own_layer)), int(entry.get("LabelValue", 1))
        except ValueError as error:
            raise BadInput(f"segment {number} of the file has a damaged layer or label value ({error})") from error
        name = entry.get("Name", "")
        if not 0 <= layer < header.layers:
            raise BadInput(f"segment {name!r} says layer {layer}, but the file has {header.layers}")
        segments.append(_Segment(name, layer, value))
    return segments


def _segmentation(path: Path, header: Header, segments: list[_Segment], image: Volume) -> Iterable[_Region]:
    """The segments of a .seg.nrrd, which may be cropped to a part of the image's grid."""
    offset = _offset(header, image)
    if offset is None:
        raise _misplaced(header, image)
    if np.prod(header.shape, dtype=np.float64) > _LARGEST * np.prod(image.shape, dtype=np.float64):
        raise BadInput(f"the label has {_sizes(header.shape)} voxels, the image has {_sizes(image.shape)}")
    _check_segments(len(segments), "segments are listed")
    layers = [_whole_numbers(values) for values in read_layers(path, header)]
    for layer, values in enumerate(layers):
        known = {segment.value for segment in segments if segment.layer == layer}
        strange = [value for value in _values(values) if value not in known]
        if strange:
            raise BadInput(f"value(s) {_listed(strange)} are painted in layer {layer}, but no segment has them")
    return (
        _Region(segment.name, _placed(layers[segment.layer] == segment.value, offset, image.shape, segment.name))
        for segment in segments
    )


def _placed(part: BoolArray, offset: tuple[int, int, int], shape: tuple[int, int, int], name: str) -> BoolArray:
    """The part at its place in the image's grid; what lies beyond the image must be empty."""
    whole = np.zeros(shape, dtype=bool)
    target = tuple(slice(max(o, 0), max(o + n, 0)) for o, n in zip(offset, part.shape, strict=True))
    source = tuple(slice(max(-o, 0), max(size - o, 0)) for o, size in zip(offset, shape, strict=True))
    whole[target] = part[source]
    outside = int(part.sum()) - int(whole.sum())
    if outside:
        raise BadInput(f"segment {name!r} has {outside} voxels outside of the image")
    return whole


def _offset(header: Header, image: Volume) -> tuple[int, int, int] | None:
    """The image voxel of the label's first voxel; None if the two grids do not coincide."""
    between = np.linalg.inv(image.affine) @ header.affine
    first = np.rint(between[:3, 3])
    ends = np.array([[x, y, z, 1.0] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    ends[:, :3] *= np.asarray(header.shape) - 1
    off = (ends @ between.T)[:, :3] - (ends[:, :3] + first)
    if not np.abs(off).max() <= _TOLERANCE:
        return None
    return int(first[0]), int(first[1]), int(first[2])


def _misplaced(header: Header, image: Volume) -> BadInput:
    return BadInput(
        "the label does not lie on the image's voxels. Label: "
        f"{_described(header.affine)}. Image: {_described(image.affine)}"
    )


def _described(affine: FloatArray) -> str:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = " ".join(_triple(affine[:3, axis] / spacing[axis]) for axis in range(3))
    return f"origin {_triple(affine[:3, 3])}, spacing {_triple(spacing)}, axes {directions} (RAS, mm)"


def _triple(numbers: Iterable[float]) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in numbers) + ")"


def _sizes(shape: Iterable[int]) -> str:
    return "×".join(str(length) for length in shape)


def _listed(values: list[int]) -> str:
    return ", ".join(str(value) for value in values[:5]) + (", …" if len(values) > 5 else "")


def _closest(name: str, known: Sequence[str]) -> str:
    folded = {entry.casefold(): entry for entry in known}
    close = difflib.get_close_matches(name.strip().casefold(), list(folded), 1)
    return f"; did you mean {folded[close[0]]!r}?" if close else f"; it has {', '.join(repr(entry) for entry in known)}"


def _joined(first: str | None, second: str) -> str:
    return f"{first}; {second}" if first else second
