"""Scoring the pool: one forward pass per image whose score is missing or out of date."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from xal.acquisition import misalignment, neutral
from xal.attention import energy_in_roi
from xal.errors import Refused, Unavailable, Unreadable
from xal.lineup import order
from xal.network import BATCH, Reading, read
from xal.project import Model, Project
from xal.roi import coarse, known_roi
from xal.store.rows import ImageRow, ReadingRow

logger = logging.getLogger(__name__)


GIVE_UP = 3
"""So many images of a batch that the archive does not give: it is the archive, not the images."""


@dataclass(frozen=True)
class Summary:
    """What a scoring run did."""

    version: int | None
    scored: int
    unreadable: int
    seconds: float


def score_pool(
    project: Project,
    on_progress: Callable[[int, int], None],
    stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Score every image of the pool that needs it; goes on until nothing does, whatever changes meanwhile."""
    started = time.time()
    scored = 0
    left_out: set[str] = set()
    version: int | None = None
    after: str | None = None
    while not stop():
        model = project.model()
        if model is None:
            break
        if model.version.version != version:  # at the start, and when another version is published meanwhile
            version, after = model.version.version, None
            middle = neutral(project.store.misalignments(version))
            scored_before_pass = scored
        waiting = project.store.stale(version, BATCH, after)
        if not waiting:
            if scored == scored_before_pass:
                break
            after, scored_before_pass = None, scored  # once more: what changed during the pass
            continue
        rows = _score_batch(project, model, waiting)
        project.store.save_readings(rows, project.alpha(), middle)
        after = waiting[-1][0].id
        scored += len(rows)
        left_out |= {row.id for row, _ in waiting} - {row.image for row in rows}
        on_progress(scored, scored + project.store.stale_count(version))
    if version is not None:
        order(project, version)
    return Summary(version, scored, len(left_out), time.time() - started)


def _score_batch(project: Project, model: Model, waiting: Sequence[tuple[ImageRow, str | None]]) -> list[ReadingRow]:
    readable: list[tuple[ImageRow, str | None]] = []
    tensors: list[torch.Tensor] = []
    unavailable = 0
    for row, roi_key in waiting:
        try:
            tensors.append(project.prepared(row).tensor)
        except Unavailable as error:
            unavailable += 1
            if unavailable >= GIVE_UP:  # the server asks for another run in a while
                raise
            logger.warning("image %s is left for later: %s", row.id, error)
            continue
        except (Unreadable, Refused) as error:
            logger.warning("image %s is left out: %s", row.id, error)
            continue
        readable.append((project.store.image(row.id), roi_key))
    if not readable:
        return []
    readings = read(model.network, torch.stack(tensors), project.task)
    return [
        _as_row(project, model, row, roi_key, reading)
        for (row, roi_key), reading in zip(readable, readings, strict=True)
    ]


def _as_row(project: Project, model: Model, row: ImageRow, roi_key: str | None, reading: Reading) -> ReadingRow:
    drawn = known_roi(project, row.id)
    found = misalignment(
        reading.attention,
        reading.evidence,
        drawn,
        reading.coverage,
        predicts_absent=reading.finding == project.task.absent,
        settings=project.task.acquisition,
    )
    return ReadingRow(
        image=row.id,
        version=model.version.version,
        fingerprint=str(row.fingerprint),
        roi_key=roi_key,
        finding=reading.finding,
        probabilities={
            name: float(value) for name, value in zip(project.task.finding_names, reading.probabilities, strict=True)
        },
        uncertainty=reading.uncertainty,
        misalignment=found.value,
        overlap=found.overlap,
        energy=None if drawn is None else energy_in_roi(reading.attention, coarse(drawn, reading.attention.shape)),
        roi_source=found.source,
        attention=reading.attention.astype(np.float16),
        proposed=None if reading.proposed is None else reading.proposed.astype(np.float16),
        embedding=reading.embedding.astype(np.float16),
    )
