"""Boxes as COCO lists them: `annotations.json` or `annotations/*.json`, with images beside them or in `images/`.

The finding of an image is the category whose boxes cover most, its ROI these boxes. An image without boxes has the
finding "no finding". COCO knows no patients: every image is a group of its own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from xal.datasets.cases import Box, Case, Contents, Item, Problem
from xal.errors import BadInput
from xal.images import image_id

NO_FINDING = "no finding"
Boxes = Mapping[str, Sequence[Box]]
"""Category → boxes."""


def read_coco(source: Path) -> Contents:
    """The images of all lists."""
    lists = [file for file in (source / "annotations.json",) if file.is_file()]
    lists += sorted((source / "annotations").glob("*.json"))
    if not lists:
        raise BadInput(f"{source} has neither annotations.json nor annotations/*.json")
    items: list[Item] = []
    problems: list[Problem] = []
    categories: dict[str, None] = {}
    for file in lists:
        _read_list(source, file, items, problems, categories)
    return Contents(items, (*categories, NO_FINDING), NO_FINDING, problems)


def _read_list(
    source: Path, file: Path, items: list[Item], problems: list[Problem], categories: dict[str, None]
) -> None:
    try:
        listed: dict[str, Any] = json.loads(file.read_text(encoding="utf-8-sig"))
        names = {entry["id"]: str(entry["name"]) for entry in listed["categories"]}
        files = {entry["id"]: str(entry["file_name"]) for entry in listed["images"]}
        boxes: dict[Any, dict[str, list[Box]]] = defaultdict(lambda: defaultdict(list))
        for entry in listed["annotations"]:
            image, category = entry["image_id"], entry["category_id"]
            named = files.get(image, f"annotation {entry.get('id', '')}".strip())
            if image not in files:
                problems.append(Problem(named, f"{file.name}: it is of the image {image!r}, which is not listed"))
            elif category not in names:
                problems.append(Problem(named, f"{file.name}: unknown category {category!r}", kept=True))
            elif len(entry["bbox"]) != 4:
                problems.append(
                    Problem(named, f"{file.name}: {entry['bbox']} is not x, y, width and height", kept=True)
                )
            else:
                boxes[image][names[category]].append(Box(*map(float, entry["bbox"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{file.name} cannot be read: {error!r}") from error
    categories.update(dict.fromkeys(names.values()))
    items += [Item(name, partial(_read, source, name, boxes[image])) for image, name in files.items()]


def _read(source: Path, name: str, boxes: Boxes) -> list[Case]:
    path = next((folder / name for folder in (source, source / "images") if (folder / name).is_file()), source / name)
    identifier = image_id(PurePosixPath(name).name)
    if identifier is None:
        raise BadInput("its name is not that of an image")
    finding = max(boxes, key=lambda category: sum(box.area for box in boxes[category]), default=NO_FINDING)
    those = boxes[finding] if boxes else None
    provenance = {"source": path.relative_to(source).as_posix(), "roi": f"{len(those)} boxes" if those else ""}
    return [Case(identifier, path, finding, identifier, those, provenance)]
