"""Whether an entry of a source is still what was imported: what the lists say of it, and its files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xal.datasets.cases import Item


@dataclass(frozen=True)
class File:
    """A file of the source when it was imported."""

    size: int
    modified: int
    """Nanoseconds."""
    digest: str


@dataclass(frozen=True)
class Seen:
    """An entry when it was imported."""

    listed: str
    """Digest of what the lists said."""
    files: Sequence[File]


def look(item: Item) -> Seen:
    """What an entry is now."""
    return Seen(_listed(item), [_file(path) for path in _files(item)])


def is_unchanged(item: Item, seen: Seen) -> bool:
    """Whether an entry is what it was; files are read only where size or time differ."""
    files = _files(item)
    if _listed(item) != seen.listed or len(files) != len(seen.files):
        return False
    return all(_is_same(path, then) for path, then in zip(files, seen.files, strict=True))


def _listed(item: Item) -> str:
    return hashlib.sha256(item.listed.encode()).hexdigest()


def _files(item: Item) -> list[Path]:
    """Those that exist, folders of DICOM as their files."""
    found: list[Path] = []
    for path in item.files:
        found += sorted(path.iterdir()) if path.is_dir() else [path]
    return [path for path in found if path.is_file()]


def _is_same(path: Path, then: File) -> bool:
    state = path.stat()
    if state.st_size != then.size:
        return False
    return state.st_mtime_ns == then.modified or _file(path).digest == then.digest


def _file(path: Path) -> File:
    state = path.stat()
    with path.open("rb") as content:
        return File(state.st_size, state.st_mtime_ns, hashlib.file_digest(content, "sha256").hexdigest())
