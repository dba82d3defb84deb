"""Annotations as a table that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from xal.loop.blind import may_see_all
from xal.loop.origins import origin_of
from xal.loop.reader import Reader
from xal.method.story import Story
from xal.pool.project import Project
from xal.store.rows import AnnotationRow
from xal.task import REGION

CHUNK = 500
THOUGHT = (
    "model_version", "predicted", "probability", "uncertainty", "misalignment", "overlap", "energy", "roi_source",
    "chosen", "roi_origin", "chosen_by",
)  # fmt: skip
"""What the model had thought."""
COLUMNS = (
    "annotation", "image", "reader", "finding", "revision", "source", "active", "roi_voxels", "roi_volume_mm3",
    "created_at", "withdrawn_at", "withdrawn_by", *THOUGHT, "origin", "seconds",
)  # fmt: skip
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def annotations_csv(project: Project, asker: Reader | None = None, withdrawn: bool = False) -> Iterator[str]:
    """Annotations, oldest first, some lines at a time; with `withdrawn` also those, and older revisions.

    What was said of an image, how long that took, with what it was drawn, and what the model had thought, is left empty
    where the asker reads it blind (never one's own annotations: who handed an image in may see it); None may see all.
    """
    yield table([COLUMNS])
    last = 0
    while rows := project.store.annotations.find(active_only=not withdrawn, regions=True, after=last, limit=CHUNK):
        images = list({row.image for row in rows})
        seen = set(images) if asker is None else may_see_all(project, asker, images)
        yield table([_cells(row, row.image in seen) for row in rows if row.image in seen or row.finding != REGION])
        last = rows[-1].id


def table(rows: list[Any]) -> str:
    """Lines of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: readers, files and findings may be called anything."""
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def moment(seconds: float | None) -> str:
    """A time as ISO 8601 in UTC."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _cells(row: AnnotationRow, seen: bool) -> list[Any]:
    cells = [
        row.id,
        row.image,
        row.reader,
        row.finding if seen else "",
        row.revision,
        row.source,
        row.active,
        row.roi_voxels if seen else "",
        row.roi_volume if seen else "",
        moment(row.created_at),
        moment(row.withdrawn_at),
        row.withdrawn_by or "",
        *_thought(row.story if seen else None),
        origin_of(row) if seen else "",
        row.seconds if seen else "",
    ]
    return [harmless(cell) if isinstance(cell, str) else _plain(cell) for cell in cells]


def _thought(story: Story | None) -> list[Any]:
    """The cells of `THOUGHT`, in its order."""
    if story is None:
        return [""] * len(THOUGHT)
    return [
        story.model_version,
        story.finding,
        story.probability,
        story.uncertainty,
        story.misalignment,
        story.overlap,
        story.energy,
        story.roi_source,
        story.chosen,
        " ".join(story.roi_origin or ()),
        story.chosen_by,
    ]


def _plain(cell: Any) -> Any:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return round(cell, 6) if isinstance(cell, float) else cell
