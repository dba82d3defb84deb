"""Small files beside label files and weights, which say what only the store says otherwise.

A store that is made anew must know which annotations were withdrawn, and which version was in use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xal.errors import StoreError
from xal.pool.label_files import LABEL
from xal.pool.project import Project
from xal.store.rows import AnnotationRow, VersionRow
from xal.system.durable import write_atomically

WITHDRAWN, VERSION = ".withdrawn.json", "version.json"
AT_ONCE = 1000
PUT_ASIDE = frozenset({"withdraw", "revise"})
"""Events after which annotations do not stand any more."""


class Notes:
    """Keeps the notes of a project as its store is, for the watch to do again and again."""

    def __init__(self, project: Project) -> None:
        """Begins with all that was withdrawn before."""
        self._project = project
        self._last_event: int | None = None
        self._versions: dict[int, VersionRow] = {}
        self._left: dict[str, str] = {}
        """Images and versions whose notes could not be written, to be tried again → why."""

    def keep(self) -> None:
        """Write what is missing; StoreError, once the rest is written, for what cannot be."""
        store = self._project.store
        left = set(self._left)
        if self._last_event is None:
            last = next((event.id for event in store.events.read(1)), 0)
            self._write_all()
            self._last_event = last
        new = store.events.read(AT_ONCE, after=self._last_event)
        for image in {event.image for event in new if event.kind in PUT_ASIDE and event.image is not None} | left:
            self._left.pop(image, None)
            self._note(store.annotations.find(image, active_only=False, regions=True))
        self._last_event = new[-1].id if new else self._last_event
        if new or left or not self._versions:
            self._note_versions()
        if self._left:
            raise StoreError(f"notes cannot be written: {'; '.join(self._left.values())}")

    def _write_all(self) -> None:
        after = 0
        while rows := self._project.store.annotations.find(active_only=False, regions=True, after=after, limit=AT_ONCE):
            self._note(rows)
            after = rows[-1].id

    def _note(self, rows: Iterable[AnnotationRow]) -> None:
        """One that cannot be written does not keep the others from being."""
        for row in rows:
            try:
                note_withdrawn(self._project.workspace.labels, [row])
            except OSError as error:
                self._left[row.image] = str(error)

    def _note_versions(self) -> None:
        for row in self._project.store.versions.all():
            folder = self._project.workspace.models / f"v{row.version}"
            if self._versions.get(row.version) != row and folder.is_dir():
                self._left.pop(folder.name, None)
                try:
                    write_atomically(folder / VERSION, json.dumps(asdict(row)).encode())
                except OSError as error:
                    self._left[folder.name] = str(error)
                else:
                    self._versions[row.version] = row


def note_withdrawn(labels: Path, rows: Iterable[AnnotationRow]) -> None:
    """Note beside their label files those of the annotations that were withdrawn."""
    for row in rows:
        note = withdrawn_note(labels / row.label_path)
        if row.withdrawn_at is not None and not note.exists():
            said = {"withdrawn_at": row.withdrawn_at, "withdrawn_by": row.withdrawn_by}
            write_atomically(note, json.dumps(said).encode())


def withdrawn_note(label: Path) -> Path:
    """Where the note of a label file that does not count any more lies."""
    return label.with_name(label.name.removesuffix(LABEL) + WITHDRAWN)


def read_note(file: Path) -> dict[str, Any]:
    """What a note says; nothing if there is none, or it is damaged or cannot be read."""
    try:
        said = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
