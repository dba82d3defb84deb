"""Boxes as COCO lists them: `annotations.json` or `annotations/*.json`, with images beside them or in `images/`.

The finding of an image is the category whose boxes cover most, its ROI these boxes. What several lists say of a file
is put together. An image that no list gives a box has the finding "no finding"; one whose boxes all cannot be used is
left out. COCO knows no patients: every image is a group of its own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from xal.datasets.cases import Box, Case, Contents, Item, Problem, dominant
from xal.datasets.naming import identifiers
from xal.errors import BadInput

NO_FINDING = "no finding"
_SIDES = 4


@dataclass
class _Image:
    """What all lists say of one file."""

    boxes: dict[str, list[Box]] = field(default_factory=lambda: defaultdict(list))
    """Category → boxes."""
    unusable: list[str] = field(default_factory=list)
    """What is wrong with further boxes."""
    trouble: str | None = None
    """Why it cannot be used."""


def read_coco(source: Path) -> Contents:
    """The images of all lists."""
    lists = [file for file in (source / "annotations.json",) if file.is_file()]
    lists += sorted((source / "annotations").glob("*.json"))
    if not lists:
        raise BadInput(f"{source} has neither annotations.json nor annotations/*.json")
    images: dict[str, _Image] = defaultdict(_Image)
    problems: list[Problem] = []
    categories: dict[str, None] = {}
    for file in lists:
        _read_list(file, images, problems, categories)
    ids = identifiers(images, categories)
    items = [
        Item(name, partial(_read, source, name, ids[name], image), _said(image), [_path(source, name)])
        for name, image in images.items()
    ]
    return Contents(items, (*categories, NO_FINDING), NO_FINDING, problems)


def _read_list(file: Path, images: dict[str, _Image], problems: list[Problem], categories: dict[str, None]) -> None:
    try:
        listed: Any = json.loads(file.read_text(encoding="utf-8-sig"))
        if not isinstance(listed, dict) or "categories" not in listed:
            problems.append(Problem(file.name, "has no categories: it is no list of boxes"))
            return
        names = {entry["id"]: str(entry["name"]) for entry in listed["categories"]}
        files = _files(file, listed["images"], images)
        for entry in listed["annotations"]:
            if entry["image_id"] in files:
                for name in files[entry["image_id"]]:
                    _take(file, entry, names, images[name])
            else:
                named = f"annotation {entry.get('id', '')}".strip()
                said = f"{file.name}: it is of the image {entry['image_id']!r}, which is not listed"
                problems.append(Problem(named, said))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{file.name} cannot be read: {error!r}") from error
    categories.update(dict.fromkeys(names.values()))


def _files(file: Path, entries: Any, images: dict[str, _Image]) -> Mapping[Any, set[str]]:
    """Id → the file of this id; where there are several, none of them can be used."""
    files: dict[Any, set[str]] = defaultdict(set)
    for entry in entries:
        files[entry["id"]].add(str(entry["file_name"]))
    for number, names in files.items():
        for name in names:
            image = images[name]
            if len(names) > 1:
                image.trouble = f"{file.name} gives the id {number!r} to {', '.join(sorted(names))}"
    return files


def _take(file: Path, entry: Mapping[str, Any], names: Mapping[Any, str], image: _Image) -> None:
    """One annotation; what is wrong with it concerns its image alone."""
    category, corners = entry["category_id"], entry.get("bbox")
    if category not in names:
        image.unusable.append(f"{file.name}: unknown category {category!r}")
        return
    try:
        box = box_of(corners)
    except BadInput as error:
        image.unusable.append(f"{file.name}: {error}")
    else:
        image.boxes[names[category]].append(box)


def box_of(corners: Any) -> Box:
    """A `bbox` as COCO writes it."""
    try:
        if not isinstance(corners, list) or len(corners) != _SIDES:
            raise ValueError
        return Box(*map(float, corners))
    except (TypeError, ValueError) as error:
        raise BadInput(f"{corners!r} is not x, y, width and height") from error


def _said(image: _Image) -> str:
    """The same whatever the order of lists and boxes."""
    boxes = {category: sorted(map(repr, boxes)) for category, boxes in image.boxes.items()}
    return repr((sorted(boxes.items()), sorted(image.unusable)))


def _path(source: Path, name: str) -> Path:
    return next((folder / name for folder in (source, source / "images") if (folder / name).is_file()), source / name)


def _read(source: Path, name: str, identifier: str, image: _Image) -> Iterator[Case | Problem]:
    if image.trouble is not None:
        raise BadInput(image.trouble)
    if image.unusable and not image.boxes:
        raise BadInput("; ".join(image.unusable))
    path = _path(source, name)
    finding = dominant(image.boxes) if image.boxes else NO_FINDING
    those = image.boxes[finding] if image.boxes else None
    yield from (Problem(name, reason, kept=True) for reason in image.unusable)
    provenance = {"source": path.relative_to(source).as_posix(), "roi": f"{len(those)} boxes" if those else ""}
    yield Case(identifier, path, finding, identifier, those, provenance)
