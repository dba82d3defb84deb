"""What an adapter tells of a source: its cases, read one at a time, and what lies in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xal.datasets.truth import Mask
from xal.errors import BadInput
from xal.images import Volume, read_image


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
class Case:
    """One image of a set, and what is known of it."""

    image: str
    """The id it gets."""
    pixels: Path | Volume
    """A file or DICOM folder that the app reads as it is, or what is to be written."""
    finding: str
    group: str
    """Images of one group (a patient) are never parted between training and judging."""
    roi: Mask | Path | Sequence[Box] | None = None
    """An array (X, Y, Z), a file of the image's own voxels, boxes, or None where nothing is outlined."""
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


def mask_of(case: Case, image: Volume) -> tuple[Mask | None, list[str]]:
    """The ROI on the image's own voxels, and what was wrong with parts of it; BadInput if nothing can be used."""
    if case.roi is None:
        return None, []
    if isinstance(case.roi, Path):
        if not case.roi.exists():
            raise BadInput(f"its mask {case.roi.name} is missing")
        painted = read_image(case.roi).pixels
        # The fourth channel of a colour picture is its transparency, the second of a grey one, too.
        mask: Mask = np.any(painted[: 1 if len(painted) == 2 else 3] > 0, axis=0)
        return _fitting(mask, image, f"its mask {case.roi.name}"), []
    if isinstance(case.roi, np.ndarray):
        return _fitting(case.roi, image, "its mask"), []
    return _from_boxes(case.roi, image)


def _fitting(mask: Mask, image: Volume, what: str) -> Mask:
    if mask.shape != image.shape:
        has, wanted = (" × ".join(map(str, shape)) for shape in (mask.shape, image.shape))
        raise BadInput(f"{what} has {has} voxels, the image {wanted}")
    return mask


def _from_boxes(boxes: Sequence[Box], image: Volume) -> tuple[Mask, list[str]]:
    columns, rows, slices = image.shape
    if slices != 1:
        raise BadInput(f"its ROI is given as boxes, which pictures have; this is a volume of {slices} slices")
    mask: Mask = np.zeros(image.shape, bool)
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
