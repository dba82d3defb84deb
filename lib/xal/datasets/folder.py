"""Any set of images: a folder with `labels.csv`, of columns `image`, `mask`, `label` and `group`.

Paths are relative to the folder. Instead of a mask (in any format the app reads) an image may have boxes: four columns
`x`, `y`, `w`, `h`, or one column `box` with these four numbers, several boxes parted by semicolons or on lines of
their own. Without a `group` every image is a group of its own. A label none of whose images has a mask or box is the
absent finding. Where paths name labels, ids are hashes of paths: a reader would else see the answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from xal.datasets.cases import Box, Case, Contents, Item, Problem
from xal.datasets.naming import identifiers
from xal.datasets.tables import Line, number, read_table, says_nothing
from xal.errors import BadInput

LIST = "labels.csv"
_SIDES = ("x", "y", "w", "h")


@dataclass
class _Entry:
    """The lines of one image."""

    image: str
    label: str
    group: str
    mask: str
    boxes: list[Box] = field(default_factory=list)
    trouble: str | None = None
    """Why it cannot be used."""

    @property
    def outlined(self) -> bool:
        return bool(self.mask or self.boxes)


def read_folder(source: Path) -> Contents:
    """The images that `labels.csv` lists."""
    entries: dict[str, _Entry] = {}
    problems: list[Problem] = []
    for line in read_table(source / LIST, ("image", "label")):
        _take(line, entries, problems)
    outlined = Counter(entry.label for entry in entries.values() if entry.outlined)
    labels = sorted({entry.label for entry in entries.values() if entry.label})
    absent = [label for label in labels if not outlined[label]]
    if len(absent) > 1:
        raise BadInput(
            f"{LIST}: of {', '.join(map(repr, absent))} no image has a mask or a box; "
            "only one label may be without, that of images on which there is nothing to outline"
        )
    ids = identifiers(entries, labels)
    items = [
        Item(
            entry.image,
            partial(_read, source, entry, ids[entry.image], entry.label not in absent),
            repr(entry),
            [source / entry.image, *([source / entry.mask] if entry.mask else [])],
        )
        for entry in entries.values()
    ]
    findings = (*(label for label in labels if label not in absent), *absent)
    return Contents(items, findings, absent[0] if absent else None, problems)


def _take(line: Line, entries: dict[str, _Entry], problems: list[Problem]) -> None:
    """One line; a further line of an image may only add a box."""
    image = _posix(line["image"])
    mask = "" if says_nothing(line.get("mask", "")) else _posix(line["mask"])
    group = line.get("group", "")
    trouble, boxes = None, []
    try:
        boxes = _boxes(line)
    except BadInput as error:
        trouble = f"its box cannot be read: {error}"
    new = _Entry(image, line["label"], "" if says_nothing(group) else group, mask, boxes, trouble)
    known = entries.setdefault(image, new)
    if known is new:
        return
    if (known.label, known.group) != (new.label, new.group):
        known.trouble = f"{LIST} lists it twice, as {_said(known)} and as {_said(new)}"
    elif new.trouble:
        known.trouble = known.trouble or new.trouble
    elif new.boxes and not new.mask and not known.mask:
        known.boxes += new.boxes
    elif new.mask == known.mask:
        problems.append(Problem(image, f"{LIST} lists it twice; once is enough", kept=True))
    else:
        known.trouble = f"{LIST} lists it twice, with different ROIs"


def _said(entry: _Entry) -> str:
    return repr(entry.label) + (f" of group {entry.group!r}" if entry.group else "")


def _posix(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).as_posix()


def _boxes(line: Line) -> list[Box]:
    if "box" in line and not says_nothing(line["box"]):
        return [_box(re.split(r"[\s,]+", text.strip(" []()"))) for text in line["box"].split(";") if text.strip()]
    cells = [line.get(side, "") for side in _SIDES]
    return [] if all(says_nothing(cell) for cell in cells) else [_box(cells)]


def _box(numbers: Sequence[str]) -> Box:
    if len(numbers) != len(_SIDES):
        raise BadInput(f"{' '.join(numbers)!r} is not x, y, w and h")
    return Box(*map(number, numbers))


def _read(source: Path, entry: _Entry, identifier: str, has_roi: bool) -> list[Case]:
    if entry.trouble is not None:
        raise BadInput(entry.trouble)
    if not entry.label:
        raise BadInput(f"{LIST} gives it no label")
    if has_roi and not entry.outlined:
        raise BadInput(f"{LIST} gives it no mask or box, as other images of {entry.label!r} have")
    if entry.mask and entry.boxes:
        raise BadInput(f"{LIST} gives it a mask and a box; it can be one only")
    provenance = {"source": entry.image, "roi": entry.mask or ("boxes" if entry.boxes else "")}
    roi = source / entry.mask if entry.mask else entry.boxes or None
    return [Case(identifier, source / entry.image, entry.label, entry.group or identifier, roi, provenance)]
