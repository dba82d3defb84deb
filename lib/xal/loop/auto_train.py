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
    """Let pages know how often it is; in a store of an earlier program what comes from now on is new."""
    store = project.store
    if store.settings.get(AUTO_TRAIN) != often:
        store.settings.set(AUTO_TRAIN, often, by="server")
    if store.settings.get(TRAINED_WITH) is None and store.versions.newest(None, 1):
        note_begun(project)


def kept_conf(project: Project) -> Often:
    """How often the server was last started to train."""
    often: Often = project.store.settings.get(AUTO_TRAIN, "never")
    return often


def labels_left(project: Project, often: Often) -> int | None:
    """How many images are still to be settled until a training begins; None where no number decides."""
    if not isinstance(often, int):
        return None
    new: int = project.store.images.counts()["completed"] - project.store.settings.get(TRAINED_WITH, 0)
    return min(often, max(0, often - new))


def is_first_due(project: Project, often: Often) -> bool:
    """Whether a server that starts now should train: there are labels, and no model was ever made."""
    return often != "never" and not project.store.versions.newest(None, 1) and has_enough(project)


def is_due(project: Project, often: Often) -> bool:
    """Whether enough images were settled since the last training began."""
    return labels_left(project, often) == 0 and has_enough(project)


def note_begun(project: Project) -> None:
    """Only what comes from now on counts: what fails begins anew at the next start, or once there is more to learn."""
    project.store.settings.set(TRAINED_WITH, project.store.images.counts()["completed"], by="training")
