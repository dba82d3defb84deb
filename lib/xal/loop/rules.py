"""Which rule chooses the images, and by what it ranks them: one place for what a reviewer may change."""

from __future__ import annotations

from typing import Any

from xal.method.acquisition import neutral
from xal.pool.project import NEUTRAL_NOW, Project
from xal.store.rows import RankedBy, Rule
from xal.task import BATCHES, AcquisitionSettings, Method

METHOD = "method"
"""The setting that a reviewer may change."""
COMPARED_BY = "compared_by"
"""The setting that says by which settings of the task the pool's attention and ROIs were compared."""
NEUTRAL_OTHER = "neutral_other"
"""As `NEUTRAL_NOW`, of the other misalignment."""

_RANKED_BY: dict[Method, RankedBy] = {
    "entropy": "uncertainty",
    "margin": "margin",
    "bald": "uncertainty",
    "badge": "uncertainty",
    "uniform": "nothing",
    "k_center": "nothing",
    "coverage": "nothing",
}
"""What decides behind the line-up, by what is kept of each image."""


def method(project: Project) -> Method:
    """How images are chosen: what a reviewer set, if the task has it still, else what the task says."""
    chosen: Method | None = project.store.settings.get(METHOD)
    return chosen if chosen in project.task.methods else project.task.acquisition.method


def comparing(project: Project, chosen: Method | None = None) -> AcquisitionSettings:
    """How attention and ROI are compared where this method chooses, or the one in use.

    `xal_evidence` is the score with what the ROI alone says; all others leave it to the task.
    """
    acquisition = project.task.acquisition
    if (chosen or method(project)) != "xal_evidence":
        return acquisition
    return acquisition.model_copy(update={"misalignment": "evidence"})


def both_ways(project: Project) -> tuple[AcquisitionSettings, AcquisitionSettings]:
    """As the pool is compared at present, and the other way: both values are kept, so that any method can rank by them.

    Not as the method in use compares: that may have been another one when the rest of the pool was, and one pool is
    compared in one way. `rescoring.compare_anew` changes it.
    """
    settings = comparing(project).model_copy(update={"misalignment": compared_by(project)})
    other = "dice" if settings.misalignment == "evidence" else "evidence"
    return settings, settings.model_copy(update={"misalignment": other})


def compared_by(project: Project) -> str:
    """The comparison whose value is an image's misalignment; that of the other one is kept beside it."""
    compared: dict[str, Any] = project.store.settings.get(COMPARED_BY) or {}
    return str(compared.get("misalignment", comparing(project).misalignment))


def rule(project: Project, chosen: Method | None = None) -> Rule:
    """By what images are ranked where this method chooses, or the one in use."""
    chosen = chosen or method(project)
    by, middle = _RANKED_BY.get(chosen), project.neutral()
    if by is None:
        by = "score"
        if comparing(project, chosen).misalignment != compared_by(project):
            by, middle = "other_score", float(project.store.settings.get(NEUTRAL_OTHER, middle))
    return Rule(by, project.alpha(), middle)


def behind(project: Project, chosen: Method) -> tuple[Method, Method]:
    """How the order of this method's queue is really called: of what is lined up, and of what comes behind it.

    Before there is a model no method has anything to go by: what is lined up then stands for many others, and chance
    decides about the rest. Behind a batch of images that were chosen together, what is kept of each image decides.
    """
    if project.store.versions.current() is None:
        return "coverage", "uniform"
    alone: dict[RankedBy, Method] = {"uncertainty": "entropy", "nothing": "uniform"}
    return chosen, alone.get(_RANKED_BY[chosen], chosen) if chosen in BATCHES else chosen


def keep_neutral(project: Project, version: int) -> None:
    """Let a missing misalignment count as the median of this version's; only where the pool is then ranked by it.

    Whoever reads blind is shown what an outlined image would have without its outline, by the value that is kept here:
    if the pool were ranked by another one, that would tell which images are outlined.
    """
    store = project.store
    for key, other in ((NEUTRAL_NOW, False), (NEUTRAL_OTHER, True)):
        middle = neutral(store.predictions.misalignments(version, other=other))
        if middle != store.settings.get(key):
            store.settings.set(key, middle, by="scoring")
