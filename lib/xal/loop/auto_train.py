"""When a training begins by itself: at a first start with labels, and after every so many new ones."""

from __future__ import annotations

from typing import Literal

from xal.loop.rounds import has_enough
from xal.pool.project import Project

Often = Literal["never", "first"] | int
"""never; first: once, where a server starts with labels and without a model; a number: and after so many new labels."""

AUTO_TRAIN = "conf_auto_train"
"""The setting that holds how often the server was last started to train, so that every process knows it."""
TRAINED_WITH = "trained_with"
"""The setting that says how many settled images there were when a training last began; each training sets it."""


def keep_conf(project: Project, often: Often) -> None:
    """Let pages know how often it is."""
    if project.store.settings.get(AUTO_TRAIN) != often:
        project.store.settings.set(AUTO_TRAIN, often, by="server")


def labels_left(project: Project) -> int | None:
    """How many images are still to be settled until a training begins; None where no number decides."""
    often, store = project.store.settings.get(AUTO_TRAIN, "never"), project.store
    if not isinstance(often, int):
        return None
    new: int = store.images.counts()["completed"] - store.settings.get(TRAINED_WITH, 0)
    return max(0, often - new)


def is_first_due(project: Project, often: Often) -> bool:
    """Whether a server that starts now, so often as said, should train: there are labels, and never was a training."""
    store = project.store
    begun = store.settings.get(TRAINED_WITH) is not None or store.versions.newest(None, 1)
    return often != "never" and not begun and has_enough(project)


def is_due(project: Project) -> bool:
    """Whether enough images were settled since the last training."""
    return labels_left(project) == 0 and has_enough(project)


def note_begun(project: Project) -> None:
    """From now on only what comes counts: a training that fails is not begun anew before there is more to learn."""
    project.store.settings.set(TRAINED_WITH, project.store.images.counts()["completed"], by="training")
