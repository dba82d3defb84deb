"""What others outlined without a finding, shown to a reader to be corrected where the task says so (`show_regions`).

Of the model nothing is shown with it: blind reading goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xal.arrays import BoolArray, FloatArray
from xal.errors import NotFound, Unreadable
from xal.loop.origins import Origin, origin_of
from xal.pool.label_files import Damaged
from xal.pool.project import Project
from xal.pool.rois import drawn_mask, found_mask
from xal.store.rows import AnnotationRow, OutlineRow
from xal.store.settling import same_pixels
from xal.store.shown import Serving
from xal.task import REGION

SHOWN = "shown"
"""What it is kept under in the `params` of an annotation whose reader was shown something."""


@dataclass(frozen=True)
class Drawer:
    """Who drew what is shown."""

    reader: str | None
    """None: whoever drew what the archive has."""
    origin: Origin


@dataclass(frozen=True)
class Shown:
    """Outlines that one reader is shown as one, where any of them lies."""

    annotations: Sequence[AnnotationRow]
    found: Sequence[OutlineRow]
    """In the archive."""

    @property
    def drawers(self) -> list[Drawer]:
        """Who drew them."""
        by_readers = [Drawer(row.reader, origin_of(row)) for row in self.annotations]
        return by_readers or [Drawer(None, "archive")]


def shown_region(project: Project, reader: str, image: str) -> Shown | None:
    """What this reader is shown of an image: other readers' regions, else what the archive has; None: nothing."""
    if not project.task.shows_regions:
        return None
    store = project.store
    now = store.images.get(image).fingerprint
    others = [
        row
        for row in store.annotations.find(image, regions=True)
        if row.finding == REGION and row.reader != reader and row.roi_voxels > 0 and same_pixels(row.fingerprint, now)
    ]
    found = [] if others else store.outlines.of(image)
    return Shown(others, found) if others or found else None


def mask_of(project: Project, shown: Shown) -> tuple[BoolArray, FloatArray] | None:
    """Its voxels on the image, and their affine; None where no label file is as it was handed in."""
    masks = [found_mask(project, row) for row in shown.found]
    for row in shown.annotations:
        with suppress(Damaged):
            masks.append(drawn_mask(project, row))
    if not masks:
        return None
    return np.logical_or.reduce([mask for mask, _ in masks]), masks[0][1]


def note(project: Project, reader: str, image: str, shown: Shown) -> None:
    """Keep that this reader is sent it; before it is: what stands at hand-in may be something else."""
    found = tuple(row.origin for row in shown.found)
    project.store.shown.note(image, reader, Serving(tuple(row.id for row in shown.annotations), found))


def noted(project: Project, reader: str, image: str) -> dict[str, Any]:
    """What is kept of it with the annotation that came after it, in the order in which it was sent."""
    drawers: dict[Drawer, None] = {}
    for serving in project.store.shown.of(image, reader):
        drawers |= dict.fromkeys(_drawers(project, serving))
    return {SHOWN: [asdict(drawer) for drawer in drawers]} if drawers else {}


def drawers_of(project: Project, reader: str, image: str, region: BoolArray) -> list[Drawer]:
    """Who drew a region that is, voxel for voxel, what this reader was sent; nobody where it is anything else."""
    for serving in project.store.shown.of(image, reader):
        found = [row for row in project.store.outlines.of(image) if row.origin in serving.found]
        with suppress(Unreadable, NotFound):  # what cannot be compared any more is no obstacle
            sent = mask_of(project, Shown(_annotations(project, serving), found))
            if sent is not None and np.array_equal(sent[0], region):
                return _drawers(project, serving)
    return []


def _drawers(project: Project, serving: Serving) -> list[Drawer]:
    archive = [Drawer(None, "archive")] if serving.found else []
    return archive + [Drawer(row.reader, origin_of(row)) for row in _annotations(project, serving)]


def _annotations(project: Project, serving: Serving) -> list[AnnotationRow]:
    """As far as the store has them still: it may have been made anew."""
    rows: list[AnnotationRow] = []
    for number in serving.annotations:
        with suppress(NotFound):
            rows.append(project.store.annotations.get(number))
    return rows


def shown_before(annotation: AnnotationRow) -> list[Drawer]:
    """Who had drawn what the reader of an annotation was shown."""
    return [Drawer(**one) for one in annotation.params.get(SHOWN, ())]


def in_words(drawers: Sequence[Drawer]) -> str:
    """Who drew what was shown, in a sentence for its reader; an empty text where nothing was."""
    return f" You were shown {drawn_by(drawers)}." if drawers else ""


def drawn_by(drawers: Sequence[Drawer]) -> str:
    """What is shown, by who drew it."""
    names = list(dict.fromkeys(drawer.reader or "the archive" for drawer in drawers))
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"what {listed} {'has' if names == ['the archive'] else 'had outlined'}"
