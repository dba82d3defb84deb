"""Blind reading, the one rule: nothing algorithmic about an image is shown to who has not handed it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xal.loop.reader import Reader
from xal.loop.rules import method, rule
from xal.method.acquisition import score
from xal.pool.project import Project
from xal.store.listing import Point
from xal.store.rows import Blind, ImageRow
from xal.task import COMPARING, Task

BLIND = "hand this image in first: what the model thinks of it is shown afterwards"


def may_see(project: Project, reader: Reader, image: str) -> bool:
    """Whether this reader may be told what the model, or another reader, made of this image."""
    return _sees_everything(project, reader) or project.store.annotations.handed_in(image, _by(reader))


def may_see_all(project: Project, reader: Reader, images: Sequence[str]) -> set[str]:
    """Those of the images of which `may_see` is true."""
    return (
        set(images) if _sees_everything(project, reader) else project.store.listing.handed_in_among(images, _by(reader))
    )


def scores_only(project: Project, reader: Reader, images: Sequence[str]) -> set[str]:
    """Those of which this reader may be told the score, but not what it is made of.

    Somebody has read or outlined them: whether the ROI in the score was drawn, and how far from it the model looked,
    would tell whether something was found.
    """
    return project.store.listing.handed_in_among(images, None, regions=True) - may_see_all(project, reader, images)


def names_finding(task: Task, misalignment: float | None) -> bool:
    """Whether it gives away the predicted finding.

    1 is what the absent finding is given against any ROI. None is where there is no ROI: mostly because the model sees
    nothing to outline, if its own ROI could have stood in.
    """
    return "proposed" in task.acquisition.stand_in if misalignment is None else misalignment >= 1


def told_as(project: Project, reader: Reader) -> Blind | None:
    """As whom a reader is told of outlines without a finding; None: of all."""
    return None if _sees_everything(project, reader) else Blind(reader.name, _by(reader))


def score_alone(project: Project, row: ImageRow) -> ImageRow:
    """An image without what its score is made of.

    Where that has a drawn ROI, with the score that it would have without: from a score that has changed, whoever knows
    the uncertainty, or the outline, could tell how far from it the model looks.
    """
    return replace(row, score=untouched_score(project, row), uncertainty=None, misalignment=None, roi_source=None)


def untouched_score(project: Project, row: ImageRow | Point) -> float | None:
    """The score as if nobody had drawn an ROI."""
    if row.roi_source != "drawn" or row.uncertainty is None or method(project) not in COMPARING:
        return row.score
    ranked_by = rule(project)
    return float(score(row.uncertainty, None, ranked_by.alpha, ranked_by.neutral))


def _sees_everything(project: Project, reader: Reader) -> bool:
    return project.task.reveal == "always" or reader.reviewer


def _by(reader: Reader) -> str | None:
    """Whose annotations unblind this reader; None: anybody's."""
    return None if reader.never_submits else reader.name
