"""The next images as a batch: what readers are given first, chosen together where the task's batch rule asks for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from xal.arrays import FloatArray, IntArray
from xal.errors import Refused, Unreadable
from xal.loop import rescoring
from xal.method.acquisition import neutral
from xal.method.batches import Pool, choose_ahead
from xal.model.network import BATCH, predict
from xal.pool.obtaining import Ready, obtain
from xal.pool.project import NEUTRAL_NOW, Model, Project
from xal.task import BatchSettings

logger = logging.getLogger(__name__)

AHEAD = 100
"""So many images are chosen ahead; once they are read, and no new model is there, the score alone decides."""
TOGETHER = 20
"""So many of them are chosen together, about what is read before the next model; the next batch takes them as read."""
ORDERED_BY = "ordered_by"
"""The setting that says by which version, α and batch rule the queue is ordered; None while its batch is missing."""


def is_due(project: Project, version: int) -> bool:
    """Whether the queue is ordered by another version, rule, α or batch rule than it should be by now."""
    ordered_by = project.store.settings.get(ORDERED_BY)
    return rescoring.is_due(project) or bool(ordered_by != _ordered_by(project, version, project.alpha()))


def order(project: Project, version: int) -> None:
    """Order the queue by the scores of this version and the task's batch rule; may take some forward passes."""
    alpha = project.alpha()
    _rank(project, version, alpha)
    complete = _line_up(project, version)
    project.store.settings.set(ORDERED_BY, _ordered_by(project, version, alpha) if complete else None, by="scoring")


def order_at_once(project: Project, version: int) -> None:
    """Order the queue by score alone, in one statement; where the task has a batch rule, `order` is due after that."""
    alpha = project.alpha()
    _rank(project, version, alpha)
    project.store.predictions.line_up([])
    plain = project.task.acquisition.batch.plain
    project.store.settings.set(ORDERED_BY, _ordered_by(project, version, alpha) if plain else None, by="server")


def _ordered_by(project: Project, version: int, alpha: float) -> list[Any]:
    return [version, alpha, project.task.acquisition.batch.model_dump(mode="json")]


def _rank(project: Project, version: int, alpha: float) -> None:
    """Score the pool anew with this α and the median misalignment of this version."""
    middle = neutral(project.store.predictions.misalignments(version))
    project.store.predictions.rerank(alpha, middle)
    if middle != project.neutral():
        project.store.settings.set(NEUTRAL_NOW, middle, by="scoring")


def _line_up(project: Project, version: int) -> bool:
    """Choose the next images; False if the score alone has to decide although the task has a batch rule."""
    rule, store = project.task.acquisition.batch, project.store
    chosen: list[str] | None = [] if rule.plain else None
    if chosen is None and store.predictions.stale_count(version) == 0:
        try:
            chosen = _chosen(project, version, rule)
        except (Refused, Unreadable) as error:
            logger.error("no batch is chosen, the score alone decides: %s", error)
    store.predictions.line_up(chosen or [])
    return chosen is not None


def _chosen(project: Project, version: int, rule: BatchSettings) -> list[str] | None:
    """Image ids in the order of choice; None if another model came meanwhile."""
    model, candidates = project.model(), project.store.predictions.candidates(version)
    if model is None or model.version.version != version:
        return None
    if not candidates.ids:
        return []
    embeddings, findings = _labelled(project, model)
    pool = Pool(
        values=candidates.scores,
        embeddings=candidates.embeddings,
        predicted=np.array([project.task.index(name) for name in candidates.predicted], np.int64),
        labelled_embeddings=embeddings,
        labelled_findings=findings,
    )
    rng = np.random.default_rng([project.task.training.seed, version])
    return [candidates.ids[i] for i in choose_ahead(pool, AHEAD, TOGETHER, rule, rng)]


def _labelled(project: Project, model: Model) -> tuple[FloatArray, IntArray]:
    """Where the settled images lie in this model's embedding, and their findings."""
    embeddings: list[FloatArray] = []
    findings: list[int] = []
    for tensors, names in _settled(project):
        embeddings += [
            prediction.embedding for prediction in predict(model.network, torch.stack(tensors), project.task)
        ]
        findings += [project.task.index(name) for name in names]
    width = model.network.finding_head.in_features
    return np.array(embeddings, np.float32).reshape(-1, width), np.array(findings, np.int64)


def _settled(project: Project) -> Iterator[tuple[list[torch.Tensor], list[str]]]:
    """The settled images that can be read, in batches."""
    tensors: list[torch.Tensor] = []
    names: list[str] = []
    for image in project.store.annotations.settled():
        answer = obtain(project, image.image, project.prepared)
        if not isinstance(answer, Ready):  # training says so, and leaves it out, too
            continue
        tensors.append(answer.value.tensor)
        names.append(image.finding)
        if len(tensors) == BATCH:
            yield tensors, names
            tensors, names = [], []
    if tensors:
        yield tensors, names
