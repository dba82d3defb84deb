"""The first images, while there is no model: those that stand for the most others, by what the images look like."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch

from xal.arrays import Float64Array
from xal.errors import Refused
from xal.loop.next_batch import AHEAD
from xal.loop.rules import method
from xal.method.batches import typical
from xal.pool.obtaining import IN_A_ROW, Patience, Ready, obtain
from xal.pool.project import Project
from xal.store.rows import ImageRow

logger = logging.getLogger(__name__)

SAMPLE = 1000
"""So many images stand for the whole pool, so that the largest one takes seconds."""
DONE = "first_batch"
"""The setting that says that the first images were chosen."""
_CELLS = {2: (8, 8), 3: (4, 4, 4)}
"""An image is known by its mean brightness in so many cells."""


def is_due(project: Project) -> bool:
    """Whether the first images are still to be chosen, of a pool that has more; of an archive's none is fetched.

    Not where the method in use is chance: whoever wants that wants it from the first image on.
    """
    return (
        project.task.acquisition.first == "coverage"
        and method(project) != "uniform"
        and not project.source.fetches
        and not project.store.settings.get(DONE)
        and project.store.versions.current() is None
        and project.store.images.counts()["open"] > AHEAD
    )


def line_up(project: Project, stop: Callable[[], bool] = lambda: False) -> None:
    """Let images come next that are typical of many, and unlike what is settled already.

    Nothing is chosen where it is stopped, or where a model is there before all are looked at: that one is to choose.
    """
    store = project.store
    settled = [image.image for image in store.annotations.settled()][:SAMPLE]
    open_ones = store.queue.head(SAMPLE, "uniform")

    def ends() -> bool:
        project.space.check("the first images are not chosen")
        return stop() or store.versions.current() is not None

    waiting, points = _looks(project, open_ones, ends)
    _, known = _looks(project, settled, ends)
    if ends():
        return
    rng = np.random.default_rng(project.task.training.seed)
    chosen = [waiting[i].id for i in typical(points, known, AHEAD, rng)]
    if store.versions.current() is not None:
        return
    store.predictions.line_up(chosen)
    store.settings.set(DONE, value=True, by="scoring")
    logger.info("no model is there yet: %d images that stand for many others come first", len(chosen))


def _looks(project: Project, rows: list[ImageRow], ends: Callable[[], bool]) -> tuple[list[ImageRow], Float64Array]:
    """Those of the images that can be had, and what each looks like, unless it ends before."""
    patience = Patience(project.source, in_a_row=IN_A_ROW)
    found: list[ImageRow] = []
    looks: list[Float64Array] = []
    for row in rows:
        if ends():
            break
        answer = obtain(project, row, project.prepared, patience)
        if isinstance(answer, Ready):
            found.append(row)
            looks.append(look(answer.value.tensor))
        elif patience.over:
            assert isinstance(answer.error, Refused)
            raise answer.error
    width = project.task.image.channels * int(np.prod(_CELLS[project.task.image.dimensions]))
    return found, np.array(looks, np.float64).reshape(len(looks), width)


def look(image: torch.Tensor) -> Float64Array:
    """What an image (C, *size) looks like: its mean brightness in a few cells, whatever its contrast."""
    cells = _CELLS[image.dim() - 1]
    pool = torch.nn.AdaptiveAvgPool2d(cells) if len(cells) == 2 else torch.nn.AdaptiveAvgPool3d(cells)
    flat: Float64Array = pool(image.float()[None])[0].flatten().numpy().astype(np.float64)
    scaled: Float64Array = (flat - flat.mean()) / max(float(flat.std()), 1e-6)
    return scaled
