"""Lists of what is outlined on pictures: a CSV file of boxes, or boxes and polygons as COCO lists them.

Coordinates are pixels of the picture as it is shown, from its upper left corner. All that a list says of a picture is
one region, whatever it is called: what is wrong with a part of it is wrong with the whole.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xal.arrays import BoolArray
from xal.datasets.cases import Box, from_boxes
from xal.datasets.coco import box_of
from xal.datasets.tables import number, read_table
from xal.dicom.drawing import Drawing, Effort
from xal.errors import BadInput

SUFFIXES = (".csv", ".json")
COLUMNS = ("image", "x", "y", "width", "height")
BEYOND = 1.0
"""So many pixels a shape may reach beyond the picture, as rounding makes it; more, and it is of another picture."""
_CORNERS = 3


@dataclass(frozen=True)
class Polygon:
    """A closed line, its corners in pixels from the picture's upper left corner."""

    corners: tuple[tuple[float, float], ...]


@dataclass
class Listed:
    """What a list says of one picture."""

    shapes: list[Box | Polygon] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    """Width and height that the list gives it."""
    trouble: str | None = None
    """Why it cannot be used."""

    def said(self) -> str:
        """All of it; the same whatever the order of the list."""
        return repr((sorted(map(repr, self.shapes)), sorted(self.sizes)))


def read_list(file: Path) -> dict[str, Listed]:
    """What a list outlines, by the names that it gives the pictures; BadInput if it is no list of these kinds.

    What belongs to no picture has the name of its annotation, and a trouble.
    """
    return _boxes(file) if file.suffix.lower() == ".csv" else _coco(file)


def painted(listed: Listed, width: int, height: int) -> BoolArray:
    """What is outlined on a picture of this size (rows, columns)."""
    for size in listed.sizes - {(width, height)}:
        raise BadInput(f"the list says {size[0]} × {size[1]} pixels, the image has {width} × {height}")
    drawing = Drawing((width, height, 1), Effort())
    mask = drawing.plane(0)
    for shape in listed.shapes:
        _check_inside(shape, width, height)
        if isinstance(shape, Box):
            mask |= from_boxes([shape], drawing.shape)[0][:, :, 0]
        else:  # one by one: as one drawing, a polygon inside of another would be a hole
            drawing.polygons(0, [np.asarray(shape.corners) - 0.5])
    if not mask.any():
        raise BadInput("what is outlined holds the centre of no pixel")
    return mask.T


def _boxes(file: Path) -> dict[str, Listed]:
    found: dict[str, Listed] = defaultdict(Listed)
    for line in read_table(file, COLUMNS):
        listed = found[line["image"]]
        if not line["image"]:
            listed.trouble = "a line names no image"
        try:
            listed.shapes.append(Box(*(number(line[side]) for side in COLUMNS[1:])))
        except BadInput as error:
            listed.trouble = f"its box cannot be read: {error}"
    return found


def _coco(file: Path) -> dict[str, Listed]:
    found: dict[str, Listed] = defaultdict(Listed)
    names: dict[Any, dict[str, None]] = defaultdict(dict)
    sizes: dict[str, set[tuple[int, int]]] = defaultdict(set)
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8-sig"))
        for entry in content["images"]:
            name = str(entry["file_name"])
            names[entry["id"]][name] = None
            if entry.get("width") and entry.get("height"):
                sizes[name].add((int(entry["width"]), int(entry["height"])))
        for entry in content["annotations"]:
            of = names.get(entry["image_id"], {})
            if not of:
                lost = found[f"annotation {entry.get('id', '')}".strip()]
                lost.trouble = f"it is of the image {entry['image_id']!r}, which is not listed"
            for name in of:
                _take(entry, found[name])
                found[name].sizes = sizes[name]
                if len(of) > 1:
                    found[name].trouble = f"the id {entry['image_id']!r} is given to {', '.join(sorted(of))}"
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"cannot be read: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"is no list of images and annotations as COCO has them: {error!r}") from error
    return found


def _take(entry: dict[str, Any], listed: Listed) -> None:
    """One annotation: its polygons, which are finer, else its box."""
    drawn = entry.get("segmentation")
    try:
        if isinstance(drawn, dict):
            raise BadInput("its segmentation is run lengths, not polygons: save it as a mask")
        listed.shapes += [_polygon(corners) for corners in drawn] if drawn else [box_of(entry.get("bbox"))]
    except BadInput as error:
        listed.trouble = str(error)


def _polygon(corners: Any) -> Polygon:
    try:
        flat = [float(value) for value in corners]
        if len(flat) % 2 or len(flat) < 2 * _CORNERS:
            raise ValueError
    except (TypeError, ValueError) as error:
        raise BadInput(f"a polygon is {_CORNERS} or more pairs of numbers, not {str(corners)[:80]}") from error
    return Polygon(tuple(zip(flat[::2], flat[1::2], strict=True)))


def _check_inside(shape: Box | Polygon, width: int, height: int) -> None:
    if isinstance(shape, Box):
        said = f"box x {shape.x:g}, y {shape.y:g}, width {shape.width:g}, height {shape.height:g}"
        xs, ys = (shape.x, shape.x + shape.width), (shape.y, shape.y + shape.height)
    else:
        said = "polygon"
        xs, ys = zip(*shape.corners, strict=True)
    if not all(map(math.isfinite, (*xs, *ys))):
        raise BadInput(f"{said}: not all of it are numbers")
    if _reach(xs, width) > BEYOND or _reach(ys, height) > BEYOND:
        raise BadInput(f"{said} reaches beyond the image of {width} × {height}")


def _reach(values: Sequence[float], size: int) -> float:
    """How far some of them lie beyond 0 or the size."""
    return max(-min(values), max(values) - size)
