"""Label files as readers handed them in: made once, never replaced, each with a record of what its row says.

The record is a small JSON file beside the label file. Nothing reads it while the store is there; it is what the store
can be made anew from.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from xal.errors import Unreadable
from xal.store.rows import AnnotationRow
from xal.system.durable import create, give_new_name, make_folder, sync_to_disk

logger = logging.getLogger(__name__)

LABEL, RECORD = ".nii.gz", ".json"
FORMAT = 1
"""Of the record."""


class Damaged(Unreadable):
    """A label file that is not the one that was handed in."""


def checksum(content: bytes) -> str:
    """What a row keeps of its label file."""
    return hashlib.sha256(content).hexdigest()


def give_name(draft: Path, folder: Path, relative: str, record: Mapping[str, Any]) -> str:
    """Give a written and synced label file its name below `folder`, and a record beside it; the name it has got.

    A file that has that name already is one whose row was lost: it stays, and the new one is called otherwise.
    """
    make_folder((folder / relative).parent)
    for name in _names(relative):
        label = folder / name
        if record_of(label).exists() or not _named(draft, label):
            logger.error("no annotation names the label file %s: it stays, and a new one gets another name", name)
            continue
        try:
            create(record_of(label), json.dumps({"format": FORMAT, **record, "label_path": name}).encode())
        except BaseException:
            take_back(folder, name)
            raise
        return name
    raise AssertionError("there is always another name")


def _named(draft: Path, label: Path) -> bool:
    """Whether the file has got this name, which another one may have."""
    try:
        give_new_name(draft, label)
    except FileExistsError:
        return False
    return True


def take_back(folder: Path, name: str) -> None:
    """Remove a label file that did not become an annotation, and its record."""
    label = folder / name
    record_of(label).unlink(missing_ok=True)
    label.unlink(missing_ok=True)
    sync_to_disk(label.parent)


def record_of(label: Path) -> Path:
    """Where the record of a label file lies."""
    return label.with_name(label.name.removesuffix(LABEL) + RECORD)


def read_record(label: Path) -> dict[str, Any] | None:
    """What was recorded of a label file when it was handed in; None for one of a version that made no records.

    Damaged if there is a record that cannot be read.
    """
    try:
        record = json.loads(record_of(label).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Damaged(f"{record_of(label).name} is no record of a label file: {error}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise Damaged(f"{record_of(label).name} is no record of a label file that this version can read")
    return record


def checked_content(folder: Path, row: AnnotationRow) -> bytes:
    """The bytes of an annotation's label file; Damaged if it is gone, or not the one that was handed in."""
    path = folder / row.label_path
    whose = f"the label file of annotation {row.id} ({row.image}, {row.reader} r{row.revision})"
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise Damaged(f"{whose} is missing") from error
    except OSError as error:
        raise Damaged(f"{whose} cannot be read: {error.strerror}") from error
    if row.file_size not in (None, len(content)):
        raise Damaged(f"{whose} has {len(content)} bytes instead of {row.file_size}")
    if row.file_sha256 not in (None, checksum(content)):
        raise Damaged(f"{whose} has other content than was handed in")
    return content


def _names(relative: str) -> Iterator[str]:
    yield relative
    stem = relative.removesuffix(LABEL)
    yield from (f"{stem}-{number}{LABEL}" for number in count(2))
