"""Which images readers are asked to outline, where the task does not want an outline of all: the one rule.

The answer is one for all readers of an image, and stays. By chance it is a hash. By misalignment it is decided for
twenty images that come next, when a reader meets the first of them, and kept in the store: whatever is drawn, scored or
trained afterwards does not change it. An image that is asked about while it is closed is decided by chance.

Readers who read blind are told it, so it must tell nothing of others' outlines, nor of the predicted finding. Images on
which somebody has outlined something, and those whose misalignment names the predicted finding, are decided by chance
therefore. Of the others it tells what Next Sample tells anyway: that the model looks far from the ROI that it proposes.
"""

from __future__ import annotations

import numpy as np

from xal.loop.blind import names_finding
from xal.pool.project import Project
from xal.rounding import levels
from xal.store.pool import chance
from xal.store.rows import ImageRow, Order, Rule

TOGETHER = 20
"""So many images are compared with each other: about what is read before the next model."""
AHEAD = 100
"""So far it is looked for images that are not decided yet."""


def wants_outline(project: Project, row: ImageRow, order: Order | Rule = "queue") -> bool:
    """Whether the readers of an image are asked for an outline beside the finding; `order` is that of their queue."""
    share, by = project.task.outline.share, project.task.outline.by
    if by == "chance" or share == 1:
        return _chance(project, row.id) < share
    if row.outline_wanted is not None:
        return row.outline_wanted
    project.store.images.decide_outlines(_decisions(project, row, order))
    return bool(project.store.images.get(row.id).outline_wanted)


def _decisions(project: Project, row: ImageRow, order: Order | Rule) -> dict[str, bool]:
    """For this image and those that are decided with it."""
    share = project.task.outline.share
    if not row.open or not _comparable(project, row):  # what is not open nobody is asked for, until it is again
        return {row.id: _chance(project, row.id) < share}
    others = [
        other
        for other in project.store.queue.head(AHEAD, order)
        if other.id != row.id
        and other.outline_wanted is None
        and other.version == row.version
        and _comparable(project, other)
    ]
    together = [row, *others[: TOGETHER - 1]]
    level = levels(np.array([one.misalignment for one in together], np.float64))
    chances = [_chance(project, one.id) for one in together]
    farthest_first = sorted(range(len(together)), key=lambda at: (-level[at], chances[at]))
    count = int(share * len(together) + chances[0])  # rounded by chance: so that few at a time are the same share
    wanted = set(farthest_first[:count])
    return {one.id: at in wanted for at, one in enumerate(together)}


def _comparable(project: Project, row: ImageRow) -> bool:
    return row.roi_source != "drawn" and not names_finding(project.task, row.misalignment)


def _chance(project: Project, image: str) -> float:
    return chance("outline", project.store.pool, project.task.name, image)
