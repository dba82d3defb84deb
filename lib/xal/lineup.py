"""The next images as a batch: what readers are given first, chosen together where the task's batch rule asks for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import torch

from xal.errors import Refused, Unreadable
from xal.network import BATCH, read
from xal.project import Model, Project
from xal.selection import Floats, Ints, Pool, choose
from xal.task import BatchSettings

logger = logging.getLogger(__name__)

AHEAD = 100
"""So many images are chosen together; once they are read, and no new model is there, the score alone decides."""
CHOSEN_WITH = "chosen_with"
"""The setting that says by which version's scores, and with which α, the next images were chosen."""


def is_due(project: Project, version: int) -> bool:
    """Whether the next images are to be chosen anew: the task has a batch rule, and the model or α is another."""
    if project.task.acquisition.batch == BatchSettings():
        return False
    return bool(project.store.get_setting(CHOSEN_WITH) != [version, project.alpha()])


def line_up(project: Project, version: int) -> None:
    """Choose the next images by the scores of this version; without a whole set of them the score alone decides."""
    rule, store = project.task.acquisition.batch, project.store
    chosen: list[str] = []
    chosen_with = [version, project.alpha()]
    if rule != BatchSettings() and store.stale_count(version) == 0:
        try:
            chosen = _chosen(project, version, rule)
        except (Refused, Unreadable) as error:
            logger.error("no batch is chosen, the score alone decides: %s", error)
    store.line_up(chosen)
    if is_due(project, version):
        store.set_setting(CHOSEN_WITH, chosen_with, by="scoring")


def _chosen(project: Project, version: int, rule: BatchSettings) -> list[str]:
    model, candidates = project.model(), project.store.candidates(version)
    if model is None or model.version.version != version or not candidates.ids:  # another model came meanwhile
        return []
    embeddings, findings = _labelled(project, model)
    pool = Pool(
        values=candidates.scores,
        embeddings=candidates.embeddings,
        predicted=np.array([project.task.index(name) for name in candidates.predicted], np.int64),
        labelled_embeddings=embeddings,
        labelled_findings=findings,
    )
    order = choose(pool, AHEAD, rule, np.random.default_rng([project.task.training.seed, version]))
    return [candidates.ids[i] for i in order]


def _labelled(project: Project, model: Model) -> tuple[Floats, Ints]:
    """Where the settled images lie in this model's embedding, and their findings."""
    embeddings: list[Floats] = []
    findings: list[int] = []
    for tensors, names in _settled(project):
        embeddings += [reading.embedding for reading in read(model.network, torch.stack(tensors), project.task)]
        findings += [project.task.index(name) for name in names]
    width = model.network.finding_head.in_features
    return np.array(embeddings, np.float32).reshape(-1, width), np.array(findings, np.int64)


def _settled(project: Project) -> Iterator[tuple[list[torch.Tensor], list[str]]]:
    """The settled images that can be read, in batches."""
    tensors: list[torch.Tensor] = []
    names: list[str] = []
    for image in project.store.settled():
        try:
            tensors.append(project.prepared(image.image).tensor)
        except (Unreadable, Refused):  # training says so, and leaves it out, too
            continue
        names.append(image.finding)
        if len(tensors) == BATCH:
            yield tensors, names
            tensors, names = [], []
    if tensors:
        yield tensors, names
