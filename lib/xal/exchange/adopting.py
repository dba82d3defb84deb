"""Label files that no annotation names: taken up as what they tell of themselves, or put aside, never erased.

A server that is killed between a label file and its row leaves such files, and so does a store that is older than they
are. The reader who sent one may have been told that it arrived, or sends it again and is told then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from xal.errors import BadInput, Conflict, Unreadable
from xal.imaging.images import LabelArray, read_label
from xal.imaging.integrity import unreadable
from xal.loop.reader import IMPORTED
from xal.loop.submission import label_path
from xal.method.story import Story
from xal.pool.label_files import Damaged, checksum, read_record, record_of
from xal.pool.lost_store import LABEL_NAME, label_files
from xal.pool.notes import read_note, withdrawn_note
from xal.pool.workspace import ORPHANS
from xal.store import Store
from xal.store.adoption import FoundAnnotation
from xal.store.rows import AnnotationRow, NewAnnotation
from xal.system.durable import is_full
from xal.task import REGION, REGION_VALUE, Task

logger = logging.getLogger(__name__)


@dataclass
class Adopted:
    """What became of label files that no annotation named."""

    recorded: list[str] = field(default_factory=list)
    """Taken up as their records say."""
    guessed: list[str] = field(default_factory=list)
    """Taken up as path and voxels say: they have no record."""
    withdrawn: int = 0
    """Of both, those that do not stand."""
    aside: dict[str, str] = field(default_factory=dict)
    """Not taken up, and put aside → why."""
    unread: dict[str, str] = field(default_factory=dict)
    """Not taken up, and left where they are, since the disk does not give them → why."""


def adopt_leftovers(store: Store, labels: Path, task: Task) -> Adopted:
    """At a start: take up what has a record, which was about to be an annotation; put the rest aside."""
    adopted = Adopted()
    for label in unnamed(store, labels):
        _adopt(store, labels, label, task, adopted, None)
    if adopted.recorded:
        logger.warning("%d label files had no annotation and have one now: %s", *_few(adopted.recorded))
    if adopted.aside:
        logger.error(
            "%d label files have no annotation and are put aside in %s; `xal rebuild` tries to take them up: %s",
            len(adopted.aside), labels / ORPHANS, "; ".join(f"{name}: {why}" for name, why in adopted.aside.items()),
        )  # fmt: skip
    if adopted.unread:
        logger.error(
            "%d label files have no annotation and cannot be read; the next start looks again: %s",
            len(adopted.unread), "; ".join(f"{name}: {why}" for name, why in adopted.unread.items()),
        )  # fmt: skip
    return adopted


def adopt_all(store: Store, labels: Path, task: Task) -> Adopted:
    """For a store that is made anew: take up everything that can be, also what was put aside and what has no record."""
    adopted = Adopted()
    for label in orphans(labels):
        place = labels / label.relative_to(labels / ORPHANS)
        if place.exists():
            adopted.aside[label.relative_to(labels).as_posix()] = "a label file that lies in its place has its name"
        else:
            _move(label, place)
    readers = {Path(label_path("", name, 1)).name.split(".")[0]: name for name in store.adoption.reader_names()}
    for label in sorted(unnamed(store, labels), key=_time):
        _adopt(store, labels, label, task, adopted, readers)
    return adopted


def end_withdrawn(store: Store, labels: Path) -> list[str]:
    """For a store that was made of a copy: withdraw what was noted as withdrawn since; its label files."""
    ended = noted(store, labels)
    for row in ended:
        when, by = _withdrawn(labels / row.label_path)
        if when is not None:
            store.adoption.end(row.id, when, by)
    return [row.label_path for row in ended]


def noted(store: Store, labels: Path) -> list[AnnotationRow]:
    """The annotations that stand, as the store says, and were withdrawn, as notes beside their label files say."""
    known = store.annotations.find(active_only=False, regions=True)
    return [row for row in known if row.withdrawn_at is None and withdrawn_note(labels / row.label_path).exists()]


def put_unnamed_aside(store: Store, labels: Path) -> list[str]:
    """Put all label files aside that no annotation of the store names."""
    names = [label.relative_to(labels).as_posix() for label in unnamed(store, labels)]
    for name in names:
        _put_aside(labels, labels / name)
    return names


def unnamed(store: Store, labels: Path) -> list[Path]:
    """The label files that no annotation names."""
    named = store.adoption.label_paths()
    return [label for label in label_files(labels) if label.relative_to(labels).as_posix() not in named]


def orphans(labels: Path) -> list[Path]:
    """The label files that were put aside."""
    return list(label_files(labels / ORPHANS))


def _adopt(
    store: Store, labels: Path, label: Path, task: Task, adopted: Adopted, readers: dict[str, str] | None
) -> None:
    """Without `readers`, whose names may be in paths, only what has a record."""
    name = label.relative_to(labels).as_posix()
    try:
        _adopt_readable(store, labels, label, task, adopted, readers)
    except OSError as error:  # one of them must not keep the others from being taken up
        if is_full(error):
            raise
        adopted.unread[name] = str(error.strerror)


def _adopt_readable(
    store: Store, labels: Path, label: Path, task: Task, adopted: Adopted, readers: dict[str, str] | None
) -> None:
    name = label.relative_to(labels).as_posix()
    recorded = [True]

    def find() -> FoundAnnotation:
        found = _recorded(label)
        if found is None:
            recorded[0] = False
            if readers is None:
                raise Damaged("it has no record")
            found = _guessed(label, task, readers)
        return found

    try:
        row = store.adoption.adopt(name, find, task.readings)
    except (BadInput, Conflict, Unreadable) as error:
        _put_aside(labels, label)
        adopted.aside[name] = str(error)
        return
    if row is not None:
        (adopted.recorded if recorded[0] else adopted.guessed).append(name)
        adopted.withdrawn += row.withdrawn_at is not None


def _recorded(label: Path) -> FoundAnnotation | None:
    """What the record of a label file says; None if it has none."""
    record = read_record(label)
    if record is None:
        return None
    try:
        said = {part.name: record[part.name] for part in fields(NewAnnotation)}
        story = None if said["story"] is None else Story.from_json(said["story"])
        new = NewAnnotation(**{**said, "story": story})
        when, by = _withdrawn(label)
        made = int(record["revision"]), float(record["created_at"])
        return FoundAnnotation(new, *made, when, by, record.get("in_place_of"))
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{record_of(label).name} is no whole record of a label file: {error!r}") from error


def _guessed(label: Path, task: Task, readers: dict[str, str]) -> FoundAnnotation:
    """What the path and the voxels of a label file without a record say: the finding of most of the voxels."""
    parts = LABEL_NAME.fullmatch(label.name)
    assert parts is not None
    values, affine = read_label(label)
    finding, voxels = _most_of(values, label, task)
    if finding is None:
        raise unreadable(label, "is empty, and what was said of the image is not known")
    content = label.read_bytes()
    reader = readers.get(parts["reader"], parts["reader"])
    new = NewAnnotation(
        image=label.parent.name,
        reader=reader,
        finding=finding,
        roi_voxels=voxels,
        roi_volume=voxels * abs(float(np.linalg.det(affine[:3, :3]))),
        label_info=[],
        params={},
        story=None,
        digest=f"unknown:{checksum(content)}",
        source="import" if reader == IMPORTED else "reader",
        file_size=len(content),
        file_sha256=checksum(content),
    )
    return FoundAnnotation(new, int(parts["revision"]), label.stat().st_mtime, *_withdrawn(label))


def _most_of(values: LabelArray, label: Path, task: Task) -> tuple[str | None, int]:
    """The finding of most of the voxels, else a region, else the absent one; and how many voxels that are."""
    counts = np.bincount(values.ravel(), minlength=REGION_VALUE + 1)
    region = int(counts[REGION_VALUE])
    counts[[0, REGION_VALUE]] = 0
    value, voxels = int(counts.argmax()), int(counts.max())
    if value > len(task.roi_findings):
        raise unreadable(label, f"has the value {value}, and the task {len(task.roi_findings)} findings with an ROI")
    if voxels:
        return task.roi_findings[value - 1], voxels
    return (REGION, region) if region else (task.absent, 0)


def _withdrawn(label: Path) -> tuple[float | None, str | None]:
    """When and by whom it was withdrawn; by nobody known where the note is damaged."""
    note = withdrawn_note(label)
    if not note.exists():
        return None, None
    said = read_note(note)
    when = said.get("withdrawn_at")
    return float(when) if isinstance(when, int | float) else note.stat().st_mtime, said.get("withdrawn_by")


def _time(label: Path) -> float:
    """When it was handed in, so that numbers go by time."""
    with suppress(Damaged, KeyError, TypeError, ValueError, OSError):
        record = read_record(label)
        if record is not None:
            return float(record["created_at"])
    with suppress(OSError):
        return label.stat().st_mtime
    return 0.0


def _put_aside(labels: Path, label: Path) -> None:
    place = labels / ORPHANS / label.relative_to(labels)
    number = 1
    while place.exists():
        number += 1
        parts = LABEL_NAME.fullmatch(label.name)
        assert parts is not None
        place = place.with_name(f"{parts['reader']}.r{parts['revision']}-{number}.nii.gz")
    _move(label, place)


def _move(label: Path, place: Path) -> None:
    """The label file last, without which the others mean nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for beside, there in ((record_of(label), record_of(place)), (withdrawn_note(label), withdrawn_note(place))):
        if beside.exists():
            beside.rename(there)
    label.rename(place)


def _few(names: Iterable[str]) -> tuple[int, str]:
    listed = list(names)
    return len(listed), ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
