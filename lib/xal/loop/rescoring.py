"""Scores from what is stored of an image, without the network: its ROI, or the rule, is another one by now."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xal.arrays import Float32Array
from xal.errors import Refused, StoreError, Unreadable
from xal.loop.rules import COMPARED_BY, both_ways, keep_neutral, rule
from xal.method.attention import energy_in_roi
from xal.method.misalignment import misalignment
from xal.pool.project import Project
from xal.pool.rois import coarse, known_roi
from xal.store.rows import AnnotationRow, ImageRow, PredictionRow
from xal.task import REGION

logger = logging.getLogger(__name__)

AT_ONCE = 500
COMPARES = {"misalignment", "dice", "threshold", "stand_in", "stand_in_by"}


def rescore(project: Project, image: str) -> bool:
    """Compare an image with the ROI that is known by now, and move it in the queue, at once.

    False where that takes the network: the stored prediction is of another model or of other pixels, or was made by a
    program that kept less of it. A scoring run then sees to it, and to what fails here: what a reader did is done.
    """
    try:
        return _rescore(project, image)
    except (Refused, Unreadable, StoreError) as error:
        logger.warning("image %s is not compared at once with what is outlined on it by now: %s", image, error)
        return False


def _rescore(project: Project, image: str) -> bool:
    store = project.store
    row, prediction, version = store.images.get(image), store.predictions.get(image), store.versions.current()
    if prediction is None or version is None or prediction.version != version.version:
        return False
    compared = _compared(project, row, prediction)
    if compared is None:
        return False
    keep_neutral(project, version.version)
    store.predictions.save([compared], rule(project))
    store.predictions.move(image)
    return True


def withdraw(project: Project, annotation: int, by: str) -> AnnotationRow:
    """Take an annotation back; an image that was scored by that outline is scored without it."""
    row = project.store.annotations.withdraw(annotation, by)
    if row.finding == REGION:
        rescore(project, row.image)
    return row


def is_due(project: Project) -> bool:
    """Whether attention and ROIs of the pool were compared by other settings than the task has by now."""
    return bool(project.store.settings.get(COMPARED_BY) != _settings(project))


def compare_anew(project: Project, version: int) -> None:
    """Compare the pool by the task's settings, if they changed; what lacks something for that is to be read again."""
    if not is_due(project):
        return
    store, after = project.store, None
    while rows := store.predictions.of_version(version, AT_ONCE, after):
        images = store.listing.image_rows([row.image for row in rows])
        known = [(row, _compared(project, images[row.image], row)) for row in rows]
        store.predictions.save([new for _, new in known if new is not None], rule(project))
        store.predictions.forget([row.image for row, new in known if new is None])
        after = rows[-1].image
    store.predictions.forget_closed(version)
    store.settings.set(COMPARED_BY, _settings(project), by="scoring")


def _settings(project: Project) -> dict[str, Any]:
    """As the pool is compared, and the other way: earlier programs kept one of them."""
    used, other = both_ways(project)
    return {**used.model_dump(mode="json", include=COMPARES), "other": other.misalignment}


def _compared(project: Project, row: ImageRow, prediction: PredictionRow) -> PredictionRow | None:
    """The prediction with the ROI that is known by now; None where that takes more than is stored."""
    if prediction.evidence is None or prediction.fingerprint != row.fingerprint:
        return None
    roi_key, drawn = project.store.images.roi_key(row.id), known_roi(project, row.id)
    attention = prediction.attention.astype(np.float32)
    evidence, coverage = prediction.evidence.astype(np.float32), _whole(prediction.coverage)
    absent = prediction.finding == project.task.absent
    found, other = (
        misalignment(attention, evidence, drawn, coverage, predicts_absent=absent, settings=settings)
        for settings in both_ways(project)
    )
    return replace(
        prediction,
        roi_key=roi_key,
        misalignment=found.value,
        other_misalignment=other.value,
        overlap=found.overlap,
        roi_source=found.source,
        energy=None if drawn is None else energy_in_roi(attention, coarse(drawn, attention.shape)),
    )


def _whole(half: npt.NDArray[Any] | None) -> Float32Array | None:
    return None if half is None else half.astype(np.float32)
