"""Breast ultrasound (Al-Dhabyani 2020): pictures in folders named after their findings, and masks beside them.

Layout: `[Dataset_BUSI_with_GT/]FINDING/NAME.png` with `NAME_mask.png` and, where several lesions were outlined,
`NAME_mask_1.png` and so on, which are its ROI together. The masks of normal pictures are black. The set has copies of
pictures: of those under one finding the first is imported; those under several contradict each other, and all are left
out. Copies that were scaled, cropped or written on differ in pixels and are not found. The set says nothing of
patients: every picture is a group of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from xal.datasets.cases import Case, Contents, Item, Parts, Problem
from xal.datasets.naming import identifiers
from xal.errors import BadInput, Unreadable
from xal.imaging.images import fingerprint, read_image

NORMAL = "normal"
FINDINGS = ("benign", "malignant", NORMAL)

_FOLDER = "Dataset_BUSI_with_GT"
_MASK = re.compile(r"(?P<picture>.+)_mask(_(?P<number>\d+))?", re.IGNORECASE)
_JUNK = frozenset({"thumbs.db", "desktop.ini"})
"""What Windows leaves in folders; what other systems leave is hidden."""


@dataclass(frozen=True)
class _Picture:
    """One picture, and what outlines its lesions."""

    name: str
    """Where it lies in the set."""
    finding: str
    file: Path
    masks: Sequence[Path]
    """The one without a number first, whether it is there or not."""


def read_busi(source: Path) -> Contents:
    """The pictures of a source, which is the published folder or what that lies in."""
    within = source / _FOLDER
    folders = {finding: (within if within.is_dir() else source) / finding for finding in FINDINGS}
    found = [one for finding, folder in folders.items() if folder.is_dir() for one in _look(folder, finding)]
    pictures = [one for one in found if isinstance(one, _Picture)]
    problems = [one for one in found if isinstance(one, Problem)]
    problems += [Problem(finding, "there is no such folder") for finding, path in folders.items() if not path.is_dir()]
    copies = _Copies(pictures)
    ids = identifiers([picture.name for picture in pictures], FINDINGS)
    items = [
        Item(one.name, partial(_read, one, ids[one.name], copies), files=[one.file, *one.masks]) for one in pictures
    ]
    return Contents(items, FINDINGS, NORMAL, problems, "busi")


def _look(folder: Path, finding: str) -> Iterator[_Picture | Problem]:
    pictures: list[Path] = []
    masks: dict[str, dict[int, Path]] = defaultdict(dict)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in _JUNK:
            continue
        match = _MASK.fullmatch(path.stem)
        if path.suffix.lower() != ".png":
            yield Problem(f"{finding}/{path.name}", "is no PNG file, as pictures and masks of this set are")
        elif match is None:
            pictures.append(path)
        else:
            masks[match["picture"]][int(match["number"] or 0)] = path
    for path in pictures:
        parts = {0: path.with_name(f"{path.stem}_mask.png"), **masks.pop(path.stem, {})}
        yield _Picture(f"{finding}/{path.name}", finding, path, [parts[number] for number in sorted(parts)])
    for lonely in masks.values():
        for path in lonely.values():
            yield Problem(f"{finding}/{path.name}", "is a mask, and there is no picture for it")


class _Copies:
    """Which pictures are of the very same pixels. All are decoded for that, once one of them is asked about."""

    def __init__(self, pictures: Sequence[_Picture]) -> None:
        self._pictures = pictures

    def of(self, picture: _Picture) -> Sequence[_Picture]:
        """All that are the same, itself among them."""
        return self._same[picture.name]

    @cached_property
    def _same(self) -> Mapping[str, Sequence[_Picture]]:
        by_pixels: dict[str, list[_Picture]] = defaultdict(list)
        for picture in self._pictures:
            by_pixels[_pixels(picture)].append(picture)
        return {picture.name: those for those in by_pixels.values() for picture in those}


def _pixels(picture: _Picture) -> str:
    try:
        return fingerprint(read_image(picture.file))
    except Unreadable:
        return picture.name  # like no other; why it cannot be read is said where it would be imported


def _read(picture: _Picture, identifier: str, copies: _Copies) -> list[Case]:
    same = copies.of(picture)
    others = ", ".join(one.name for one in same if one is not picture)
    if len({one.finding for one in same}) > 1:
        raise BadInput(f"has the very same pixels as {others}: what it shows is not known, so none of them is imported")
    first = min(same, key=lambda one: not one.masks[0].exists())
    if first is not picture:
        raise BadInput(f"is a copy of {first.name}: it has the very same pixels")
    outlined = "" if picture.finding == NORMAL else "; ".join(mask.name for mask in picture.masks)
    provenance = {"source": picture.name, "roi": outlined}
    return [Case(identifier, picture.file, picture.finding, identifier, Parts(picture.masks), provenance)]
