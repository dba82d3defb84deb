"""Looking again at what was handed in: how far readers agree, and which annotations look wrong.

Every annotation is looked at once, in the order they came, a few at a time, so that the server can do it between other
things; the first outlines of a finding once more, when there are enough others to tell whether one lies far off. A
superseded one is looked at, too, because it stands again once its successor is withdrawn; what is found is kept for
good, and lists show only what concerns annotations that stand. That readers disagree is no doubt about one of them:
such images have the status `review`. That one says "nothing is there" where another outlined something is one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from xal.errors import Unreadable
from xal.method.agreement import dice
from xal.pool.project import Project
from xal.pool.rois import drawn_mask
from xal.rounding import ROUNDING
from xal.store.looking import Comparison, NewDoubt
from xal.store.rows import AnnotationRow
from xal.store.settling import same_pixels
from xal.task import REGION

logger = logging.getLogger(__name__)

AT_ONCE = 20
SURE = 0.8
"""From this probability on a model that names another finding than the reader is worth a second look."""
ALIGNED = 0.5
"""And from this overlap of its attention with the reader's ROI on: it looked at the same thing and saw another."""
FEWEST_OUTLINES = 10
EARLY = "early outlines compared:"
"""A setting of each finding of which that is done."""
NEWEST_OUTLINES = 1000
SPREADS = 5.0
NEARBY = 0.1


def look_again(project: Project, seconds: float) -> int:
    """Look at annotations that were not looked at yet, for about so long; how many it were."""
    until = time.monotonic() + seconds
    looked = 0
    while rows := project.store.looking.not_looked_at(AT_ONCE):
        for row in rows:
            project.store.looking.looked_at(row, _comparisons(project, row), _doubts(project, row))
            _compare_early_ones(project, row)
            looked += 1
            if time.monotonic() >= until:
                return looked
    return looked


def outlier_bound(points: npt.NDArray[np.float64]) -> float:
    """How far from the nearest of these points (n, d) another one may lie: max(NEARBY, median d + SPREADS · MAD d).

    d_i is the distance of point i from the nearest other one, MAD d = median |d_i − median d|. Medians, because some of
    these outlines may lie wrong themselves, and a mean and a deviation would stretch until nothing stands out; of
    normally spread distances 5 MAD are 3.4 standard deviations. The nearest one, because a finding may have several
    usual places, as both lungs. NEARBY, because where hundreds of outlines lie close together even a harmless step
    aside would be many times their spread.
    """
    distances = cKDTree(points).query(points, k=2)[0][:, 1]
    median = float(np.median(distances))
    return max(NEARBY, median + SPREADS * float(np.median(np.abs(distances - median))))


def model_doubt(row: AnnotationRow) -> NewDoubt | None:
    """The model was sure of another finding and looked where the reader outlined."""
    story = row.story
    if story is None or story.finding == row.finding or story.overlap is None:
        return None
    if story.probability < SURE or story.overlap < ALIGNED:
        return None
    said = {"finding": story.finding, "probability": story.probability, "overlap": story.overlap}
    return NewDoubt("model", said)


def _doubts(project: Project, row: AnnotationRow) -> list[NewDoubt]:
    if row.finding == REGION:
        outlined = _regions(project, row)
        for said in _denying(project, row):
            project.store.looking.doubt_later(said, _region_doubt(outlined))
        return []
    found = (model_doubt(row), _far_doubt(project, row), _outlined_doubt(project, row))
    return [doubt for doubt in found if doubt is not None]


def _outlined_doubt(project: Project, row: AnnotationRow) -> NewDoubt | None:
    """It says that nothing is there, where somebody outlined something."""
    if row.finding != project.task.absent:
        return None
    outlined = _regions(project, row)
    return _region_doubt(outlined) if outlined else None


def _regions(project: Project, row: AnnotationRow) -> list[AnnotationRow]:
    """What anybody outlined on the same image and pixels without naming it, this one too if it is one."""
    return [known for known in _standing(project, row) if known.finding == REGION]


def _denying(project: Project, region: AnnotationRow) -> list[AnnotationRow]:
    """The annotations that say that nothing is there, of those that were looked at before this region was."""
    absent = project.task.absent
    return [known for known in _standing(project, region) if known.finding == absent and known.id < region.id]


def _standing(project: Project, row: AnnotationRow) -> list[AnnotationRow]:
    """What was said of the same image and pixels, regions too; what is superseded may stand again."""
    known = project.store.annotations.find(row.image, active_only=False, regions=True)
    return [one for one in known if one.withdrawn_at is None and same_pixels(one.fingerprint, row.fingerprint)]


def _region_doubt(regions: Sequence[AnnotationRow]) -> NewDoubt:
    readers = list(dict.fromkeys(row.reader for row in regions))
    return NewDoubt("region", {"annotations": [row.id for row in regions], "readers": readers})


def _far_doubt(project: Project, row: AnnotationRow) -> NewDoubt | None:
    """Its ROI lies where no other one of this finding does, as far as there are enough to tell."""
    if row.centre is None or row.finding == REGION:
        return None
    known = project.store.looking.centres(row.finding, NEWEST_OUTLINES, but=row.image)
    if len(known) < FEWEST_OUTLINES:
        return None
    others = np.array(known, np.float64)
    distance = float(np.linalg.norm(others - np.array(row.centre), axis=1).min())
    bound = outlier_bound(others)
    if distance <= bound + ROUNDING:
        return None
    return NewDoubt("far", {"others": len(others), "distance": distance, "bound": bound})


def _compare_early_ones(project: Project, row: AnnotationRow) -> None:
    """Once per finding: the outlines that were looked at when there were too few others."""
    store, key = project.store, f"{EARLY}{row.finding}"
    if row.centre is None or row.finding == REGION or store.settings.get(key) is not None:
        return
    if len(store.looking.centres(row.finding, FEWEST_OUTLINES, but=row.image)) < FEWEST_OUTLINES:
        return
    for early in store.looking.early_outlines(row.finding, row.id):
        doubt = _far_doubt(project, early)
        if doubt is not None:
            store.looking.doubt_later(early, doubt)
    store.settings.set(key, True, "second look")


def _comparisons(project: Project, row: AnnotationRow) -> list[Comparison]:
    others = [] if row.finding == REGION else project.store.looking.beside(row)
    return [Comparison(other.id, row.id, _dice(project, other, row)) for other in others]


def _dice(project: Project, one: AnnotationRow, other: AnnotationRow) -> float | None:
    """None where they did not outline the same finding, or where a label file cannot be read any more."""
    if one.finding != other.finding or not (one.roi_voxels and other.roi_voxels):
        return None
    try:
        (first, _), (second, _) = drawn_mask(project, one), drawn_mask(project, other)
    except Unreadable as error:
        logger.warning("annotations %d and %d of %s are not compared: %s", one.id, other.id, one.image, error)
        return None
    return dice(first, second)
