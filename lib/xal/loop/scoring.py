"""Scoring the pool: one forward pass per image whose score is missing or out of date."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from xal.errors import Refused
from xal.loop import first_batch
from xal.loop.next_batch import order
from xal.loop.rescoring import compare_anew
from xal.loop.rules import both_ways, rule
from xal.method.attention import energy_in_roi
from xal.model.network import BATCH, Prediction, misalignment_of, predict
from xal.pool.obtaining import IN_A_ROW, Never, Patience, Ready, Why, obtain
from xal.pool.project import Model, Project
from xal.pool.quarantine import Aside
from xal.pool.rois import coarse, known_roi
from xal.store.rows import ImageRow, PredictionRow

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What a scoring run did."""

    version: int | None
    scored: int
    unreadable: int
    seconds: float


@dataclass(frozen=True)
class _Batch:
    """Some images, as far as they can be had."""

    images: list[tuple[ImageRow, str | None]]
    tensors: list[torch.Tensor]
    refused: list[str]
    """So many that the archive does not give, although it answers, that they are put aside."""
    away: Refused | None
    """Why there is no use in asking for more."""


def score_pool(
    project: Project,
    on_progress: Callable[[int, int], None],
    stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Score every image of the pool that needs it; goes on until nothing does, whatever changes meanwhile."""
    started = time.time()
    scored = 0
    left_out: set[str] = set()
    aside = put_aside(project)
    version: int | None = None
    after: str | None = None
    while not stop():
        project.space.check("the pool is not scored further")
        model = project.model()
        if model is None:
            if not first_batch.is_due(project):
                break
            first_batch.line_up(project, stop)
            continue  # a model may have come meanwhile
        if model.version.version != version:  # at the start, and when another version is published meanwhile
            version, after = model.version.version, None
            compare_anew(project, version)
            scored_before_pass = scored
        waiting = project.store.predictions.stale(version, BATCH, after)
        if not waiting:
            if scored == scored_before_pass:
                break
            after, scored_before_pass = None, scored  # once more: what changed during the pass
            continue
        not_now = aside.now()
        batch = _prepared(project, [(row, roi_key) for row, roi_key in waiting if row.id not in not_now])
        rows = _scored(project, model, batch)
        project.store.predictions.save(rows, rule(project))
        if batch.refused:
            aside.put(batch.refused)
        after = waiting[-1][0].id
        scored += len(rows)
        left_out |= {row.id for row, _ in waiting} - {row.image for row in rows}
        on_progress(scored, scored + project.store.predictions.stale_count(version))
        if batch.away is not None:  # the server asks for another run in a while
            raise batch.away
    if version is not None:
        order(project, version)
    return Summary(version, scored, len(left_out), time.time() - started)


def put_aside(project: Project) -> Aside:
    """The images that scoring does not ask for at present."""
    return Aside(project.workspace.cache / "aside.json")


def _prepared(project: Project, waiting: Sequence[tuple[ImageRow, str | None]]) -> _Batch:
    """As many of these as can be had."""
    images: list[tuple[ImageRow, str | None]] = []
    tensors: list[torch.Tensor] = []
    refused: list[str] = []
    patience = Patience(project.source, in_a_row=IN_A_ROW)
    for row, roi_key in waiting:
        answer = obtain(project, row, project.prepared, patience)
        if isinstance(answer, Ready):
            tensors.append(answer.value.tensor)
            images.append((answer.row, roi_key))
        elif isinstance(answer, Never):
            logger.warning("image %s is left out: %s", row.id, answer.error)
        elif answer.why is Why.DISK:  # the next image would meet it, too
            raise answer.error
        else:
            logger.warning("image %s is left for later: %s", row.id, answer.error)
            if answer.why is not Why.CORRECTED:
                refused.append(row.id)
            if patience.over:
                return _Batch(images, tensors, [] if patience.away else refused, answer.error)
    return _Batch(images, tensors, refused if refused and project.source.answers() else [], None)


def _scored(project: Project, model: Model, batch: _Batch) -> list[PredictionRow]:
    if not batch.images:
        return []
    predictions = predict(model.network, torch.stack(batch.tensors), project.task)
    return [
        _as_row(project, model, row, roi_key, prediction)
        for (row, roi_key), prediction in zip(batch.images, predictions, strict=True)
    ]


def _as_row(
    project: Project, model: Model, row: ImageRow, roi_key: str | None, prediction: Prediction
) -> PredictionRow:
    drawn = known_roi(project, row.id)
    found, other = (misalignment_of(prediction, drawn, project.task, settings) for settings in both_ways(project))
    return PredictionRow(
        image=row.id,
        version=model.version.version,
        fingerprint=str(row.fingerprint),
        roi_key=roi_key,
        finding=prediction.finding,
        probabilities={
            name: float(value) for name, value in zip(project.task.finding_names, prediction.probabilities, strict=True)
        },
        uncertainty=prediction.uncertainty,
        misalignment=found.value,
        other_misalignment=other.value,
        overlap=found.overlap,
        energy=None
        if drawn is None
        else energy_in_roi(prediction.attention, coarse(drawn, prediction.attention.shape)),
        roi_source=found.source,
        attention=prediction.attention.astype(np.float16),
        evidence=prediction.evidence.astype(np.float16),
        coverage=None if prediction.coverage is None else prediction.coverage.astype(np.float16),
        proposed=None if prediction.proposed is None else prediction.proposed.astype(np.float16),
        embedding=prediction.embedding.astype(np.float16),
    )
