"""What an adapter tells of a source: its cases, read one at a time, and what lies in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xal.arrays import BoolArray, FloatArray
from xal.errors import BadInput
from xal.imaging.images import Volume, read_image

_GRID_TOLERANCE = 1e-2
_BRIGHT, _BRIGHTEST = 128, 255
"""The maximum of an 8-bit picture that shows brightness, not the numbers of labels."""


@dataclass(frozen=True)
class Box:
    """A rectangle on a picture, in pixels from its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class Parts:
    """Files that together outline one ROI."""

    files: Sequence[Path]


@dataclass(frozen=True)
class Case:
    """One image of a set, and what is known of it."""

    image: str
    """The id it gets."""
    pixels: Path | Volume
    """A file or DICOM folder that the app reads as it is, or what is to be written."""
    finding: str
    group: str
    """Images of one group (a patient) are never parted between training and judging."""
    roi: BoolArray | Volume | Path | Parts | Sequence[Box] | None = None
    """An array (X, Y, Z), a volume or file(s) of the image's own voxels, boxes, or None where nothing is outlined."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Where it came from: column → text."""


@dataclass(frozen=True)
class Problem:
    """Something in the source that is not as it should be."""

    name: str
    reason: str
    kept: bool = False
    """The image was imported all the same."""


@dataclass(frozen=True)
class Item:
    """One entry of the source. It becomes one image, or several (slices), or a refusal that says why."""

    name: str
    """Unique in the source: what was done under this name is not done again."""
    read: Callable[[], Iterable[Case | Problem]]
    listed: str = ""
    """What the lists of the source say of it."""
    files: Sequence[Path] = ()
    """Its image and its mask; with `listed` they tell whether it changed since it was imported."""


@dataclass(frozen=True)
class Contents:
    """What a source holds, known before any image is read."""

    items: Sequence[Item]
    findings: tuple[str, ...]
    """In the order of segments; the absent one last."""
    absent: str | None
    problems: Sequence[Problem] = ()
    """What could be seen from the lists alone."""
    task: str | None = None
    """The shipped task for these findings."""
    needs_own_task: bool = False
    """The shipped task has other findings: it is right in all else."""


def mask_of(case: Case, image: Volume) -> tuple[BoolArray | None, list[str]]:
    """The ROI on the image's own voxels, and what was wrong with parts of it; BadInput if nothing can be used."""
    if case.roi is None:
        return None, []
    if isinstance(case.roi, np.ndarray):
        return _fitting(case.roi, image, "its mask"), []
    if isinstance(case.roi, Volume):
        return _on_grid(case.roi, image, "its mask")
    if isinstance(case.roi, Path):
        return _from_file(case.roi, image)
    if isinstance(case.roi, Parts):
        read = [_from_file(file, image) for file in case.roi.files]
        return np.any([mask for mask, _ in read], axis=0), [note for _, notes in read for note in notes]
    return from_boxes(case.roi, image.shape)


def same_place(one: FloatArray, other: FloatArray) -> bool:
    """Whether two affines put the voxels in the same place, but for how files round them."""
    return np.allclose(one, other, atol=_GRID_TOLERANCE)


def covered(boxes: Iterable[Box]) -> float:
    """Square pixels under the boxes, those under several counted once; what is no rectangle covers nothing."""
    those = [box for box in boxes if math.isfinite(box.area + box.x + box.y) and box.width > 0 and box.height > 0]
    xs = np.unique([edge for box in those for edge in (box.x, box.x + box.width)])
    ys = np.unique([edge for box in those for edge in (box.y, box.y + box.height)])
    under = np.zeros((max(0, len(xs) - 1), max(0, len(ys) - 1)), bool)
    for box in those:
        under |= np.outer(
            (xs[:-1] >= box.x) & (xs[:-1] < box.x + box.width), (ys[:-1] >= box.y) & (ys[:-1] < box.y + box.height)
        )
    return float(np.diff(xs) @ under @ np.diff(ys)) if those else 0.0


def dominant(parts: Mapping[str, BoolArray | Sequence[Box]]) -> str:
    """The finding that covers most of an image; of equals the first."""
    size = {name: float(part.sum()) if isinstance(part, np.ndarray) else covered(part) for name, part in parts.items()}
    return max(size, key=lambda name: size[name])


def _from_file(file: Path, image: Volume) -> tuple[BoolArray, list[str]]:
    if not file.exists():
        raise BadInput(f"its mask {file.name} is missing")
    return _on_grid(read_image(file), image, f"its mask {file.name}")


def _on_grid(painted: Volume, image: Volume, what: str) -> tuple[BoolArray, list[str]]:
    """What is painted, if it lies where the image does; pictures have no place in space, and grey edges."""
    mask, notes = _cut(painted, what) if painted.shape[2] == 1 else (np.any(painted.pixels > 0, axis=0), [])
    fitting = _fitting(mask, image, what)
    if image.shape[2] > 1 and not same_place(painted.affine, image.affine):
        raise BadInput(f"{what} lies elsewhere in space than the image: resample it onto the image's grid")
    return fitting, notes


def _cut(picture: Volume, what: str) -> tuple[BoolArray, list[str]]:
    """The painted pixels of a picture.

    Small values number labels: all but 0 is painted. Several brightnesses are an edge smoothed by an editor or by
    JPEG, which leaves specks all over: what is at least half as bright as the brightest is painted.
    """
    colours = painted_channels(picture.pixels)
    values = colours.max(axis=0)
    brightest = float(values.max())
    if not _BRIGHT <= brightest <= _BRIGHTEST or len(np.unique(values)) <= 2:
        return np.any(colours > 0, axis=0), []
    note = f"{what} is not two-valued: what is at least half as bright as its maximum, {brightest:g}, is its ROI"
    return values >= brightest / 2, [note]


def painted_channels(pixels: FloatArray) -> FloatArray:
    """The channels of a picture that say what is painted: its colours, or its transparency if that alone varies."""
    # The fourth channel of a colour picture is its transparency, the second of a grey one, too.
    has_alpha = len(pixels) in (2, 4)
    colours = pixels[:-1] if has_alpha else pixels
    if has_alpha and np.ptp(pixels[-1]) > 0 and all(np.ptp(colour) == 0 for colour in colours):
        return pixels[-1:]
    return colours


def _fitting(mask: BoolArray, image: Volume, what: str) -> BoolArray:
    if mask.shape != image.shape:
        has, wanted = (" × ".join(map(str, shape)) for shape in (mask.shape, image.shape))
        raise BadInput(f"{what} has {has} voxels, the image {wanted}")
    return mask


def from_boxes(boxes: Sequence[Box], shape: tuple[int, int, int]) -> tuple[BoolArray, list[str]]:
    """What boxes cover of a picture, and what is wrong with some of them; BadInput if that is nothing."""
    columns, rows, slices = shape
    if slices != 1:
        raise BadInput(f"its ROI is given as boxes, which pictures have; this is a volume of {slices} slices")
    mask: BoolArray = np.zeros(shape, bool)
    problems = []
    for box in boxes:
        x, y, width, height = box.x, box.y, box.width, box.height
        said = f"box x {x:g}, y {y:g}, w {width:g}, h {height:g}"
        if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
            problems.append(f"{said} is none: width and height must be above 0")
        elif x >= columns or y >= rows or x + width <= 0 or y + height <= 0:
            problems.append(f"{said} lies outside the image of {columns} × {rows}")
        else:
            if x < 0 or y < 0 or x + width > columns or y + height > rows:
                problems.append(f"{said} reaches beyond the image of {columns} × {rows} and is cut at its edge")
            mask[_span(x, width, columns), _span(y, height, rows), 0] = True
    if not mask.any():
        raise BadInput("; ".join(problems) or "no box is given")
    return mask, problems


def _span(start: float, length: float, size: int) -> slice:
    """The pixels whose centres lie between two edges; at least the one in the middle."""
    low, high = max(0.0, start), min(float(size), start + length)
    first, last = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if last <= first:
        first = min(size - 1, math.floor((low + high) / 2))
        last = first + 1
    return slice(first, last)
