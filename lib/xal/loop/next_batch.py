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
from xal.loop.rules import keep_neutral, method, rule
from xal.method import rivals
from xal.method.batches import choose_ahead
from xal.model.network import BATCH, predict
from xal.pool.obtaining import Ready, obtain
from xal.pool.project import Model, Project
from xal.store.rows import Candidates
from xal.task import BATCHES, Method

logger = logging.getLogger(__name__)

AHEAD = 100
"""So many images are chosen ahead; once they are read, and no new model is there, the score alone decides."""
TOGETHER = 20
"""So many of them are chosen together, about what is read before the next model; the next batch takes them as read."""
ORDERED_BY = "ordered_by"
"""The setting that says by which version, α, batch rule and method the queue is ordered; None without its batch."""


def is_due(project: Project, version: int) -> bool:
    """Whether the queue is ordered by another version, rule, α or batch rule than it should be by now."""
    ordered_by = project.store.settings.get(ORDERED_BY)
    return rescoring.is_due(project) or bool(ordered_by != _ordered_by(project, version))


def order(project: Project, version: int) -> None:
    """Order the queue by this version, the method in use and its batch rule; may take some forward passes."""
    ordered_by = _ordered_by(project, version)
    _rank(project, version)
    complete = _line_up(project, version)
    project.store.settings.set(ORDERED_BY, ordered_by if complete else None, by="scoring")


def order_at_once(project: Project, version: int) -> None:
    """Order the queue by what is kept of each image, in one statement; where more is wanted, `order` is due then."""
    ordered_by = _ordered_by(project, version)
    _rank(project, version)
    project.store.predictions.line_up([])
    project.store.settings.set(ORDERED_BY, ordered_by if _is_plain(project, method(project)) else None, by="server")


def is_lined_up(project: Project) -> bool:
    """Whether the queue is ordered by all that the method in use looks at."""
    version = project.store.versions.current()
    return version is not None and project.store.settings.get(ORDERED_BY) == _ordered_by(project, version.version)


def _ordered_by(project: Project, version: int) -> list[Any]:
    chosen = method(project)
    known = [version, project.alpha(), project.task.acquisition.batch.model_dump(mode="json")]
    return known if chosen == "xal" else [*known, chosen]


def _is_plain(project: Project, chosen: Method) -> bool:
    """Whether one value of each image says all."""
    return chosen == "uniform" or (chosen not in BATCHES and project.task.acquisition.batch.plain)


def _rank(project: Project, version: int) -> None:
    """Rank the pool anew, with the median misalignment of this version."""
    keep_neutral(project, version)
    project.store.predictions.rerank(rule(project))


def _line_up(project: Project, version: int) -> bool:
    """Choose the next images; False if what is kept of each has to decide although the method looks at more."""
    by, store = method(project), project.store
    chosen: list[str] | None = [] if _is_plain(project, by) else None
    if chosen is None and store.predictions.stale_count(version) == 0:
        try:
            chosen = _chosen(project, version, by)
        except (Refused, Unreadable) as error:
            logger.error("no batch is chosen, each image is ranked by itself: %s", error)
    store.predictions.line_up(chosen or [])
    return chosen is not None


def _chosen(project: Project, version: int, by: Method) -> list[str] | None:
    """Image ids in the order of choice; None if another model came meanwhile."""
    model, candidates = project.model(), project.store.predictions.candidates(version)
    if model is None or model.version.version != version:
        return None
    if not candidates.ids:
        return []
    known = _known(project, model, candidates)
    rng = np.random.default_rng([project.task.training.seed, version])
    setting = rivals.Setting(project.task, AHEAD, rng)
    if by in BATCHES and by != "bald":
        positions = rivals.METHODS[by](known, setting)
    else:
        values = candidates.scores
        if by == "bald":
            values = rivals.bald(known, setting)
            project.store.predictions.rank(dict(zip(candidates.ids, values.tolist(), strict=True)))
        pool = rivals.pool_of(known, values)
        positions = choose_ahead(pool, AHEAD, TOGETHER, project.task.acquisition.batch, rng)
    return [candidates.ids[i] for i in positions]


def _known(project: Project, model: Model, candidates: Candidates) -> rivals.Candidates:
    """All that any method looks at."""
    task, head = project.task, model.network.finding_head
    embeddings, findings = _labelled(project, model)
    return rivals.Candidates(
        probabilities=np.array([[one[name] for name in task.finding_names] for one in candidates.probabilities]),
        predicted=np.array([task.index(name) for name in candidates.predicted], np.int64),
        embeddings=candidates.embeddings,
        uncertainty=candidates.uncertainty,
        labelled_embeddings=embeddings,
        labelled_findings=findings,
        weight=head.weight.detach().cpu().numpy().astype(np.float64),
        bias=head.bias.detach().cpu().numpy().astype(np.float64),
        temperature=float(model.network.temperature),
    )


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
