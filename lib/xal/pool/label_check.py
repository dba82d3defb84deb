"""Whether label files are still what readers handed in: looked at whenever one is used, and all of them once a day."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from xal.errors import Full, StoreError, Unreadable
from xal.imaging.images import read_label
from xal.pool.label_files import Damaged, checked_content, checksum
from xal.pool.project import Project
from xal.store.rows import AnnotationRow

logger = logging.getLogger(__name__)

AT_ONCE = 50
SWEEP_SECONDS = 86_400.0


def checked_label(project: Project, row: AnnotationRow) -> Path:
    """An annotation's label file; Damaged, and noted with the annotation, if it is not the one that was handed in."""
    labels = project.workspace.labels
    try:
        content = checked_content(labels, row)
        if row.file_sha256 is None:
            read_label(labels / row.label_path)  # handed in before digests were kept: if it can be read it counts
    except Unreadable as error:
        problem = str(error) if isinstance(error, Damaged) else f"the label file of annotation {row.id}: {error}"
        if problem != row.file_problem:
            logger.error("%s", problem)
            _note(project, row, problem=problem)
        raise Damaged(problem) from error
    if row.file_problem is not None or row.file_sha256 is None:
        _note(project, row, size=len(content), sha256=checksum(content))
    return labels / row.label_path


class Sweep:
    """Looks at all label files, a few at a time."""

    def __init__(self, project: Project) -> None:
        """Of `project`; begins at once."""
        self._project = project
        self._last = 0
        self._next_start = 0.0

    def go_on(self, seconds: float) -> None:
        """Look at some more, for about so long, unless all were looked at lately."""
        until = time.monotonic() + seconds
        while self._next_start < time.monotonic() < until:
            rows = self._project.store.annotations.find(
                active_only=False, regions=True, after=self._last, limit=AT_ONCE
            )
            for row in rows:
                if time.monotonic() >= until:
                    return
                _look(self._project, row)
                self._last = row.id
            if len(rows) < AT_ONCE:
                self._last, self._next_start = 0, time.monotonic() + SWEEP_SECONDS


def check_all(project: Project) -> list[AnnotationRow]:
    """Look at every label file now; the annotations whose file is damaged."""
    for row in project.store.annotations.find(active_only=False, regions=True):
        _look(project, row)
    return project.store.annotations.damaged()


def _look(project: Project, row: AnnotationRow) -> None:
    try:
        checked_label(project, row)
    except Damaged:  # noted
        return


def _note(
    project: Project,
    row: AnnotationRow,
    problem: str | None = None,
    size: int | None = None,
    sha256: str | None = None,
) -> None:
    try:
        project.store.annotations.set_label_file(row.id, problem=problem, size=size, sha256=sha256)
    except (StoreError, Full) as error:  # a full disk must not keep what can be read from being read
        logger.warning("what was found of the label file of annotation %d is not noted: %s", row.id, error)
