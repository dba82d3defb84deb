"""Scores from what is stored of an image, without the network: its ROI, or the rule, is another one by now."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xal.arrays import Float32Array
from xal.errors import Refused, StoreError, Unreadable
from xal.loop.rules import COMPARED_BY, both_ways, comparing, keep_neutral, method, rule
from xal.method.attention import energy_in_roi
from xal.method.misalignment import misalignment
from xal.pool.project import Project
from xal.pool.rois import coarse, known_roi
from xal.store.rows import AnnotationRow, ImageRow, PredictionRow
from xal.task import COMPARING, REGION

logger = logging.getLogger(__name__)

AT_ONCE = 500
UNFINISHED = "unfinished"
"""In what is kept of how the pool was compared: it is not over, or was cut off."""
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
    in_use = method(project)
    while True:
        way = store.settings.get(COMPARED_BY)
        compared = _compared(project, row, prediction)
        if compared is None:
            return False
        store.predictions.save([compared], rule(project) if in_use in COMPARING else None)
        if store.settings.get(COMPARED_BY) == way:  # else the pool is compared in another way by now
            break
    if in_use in COMPARING:
        now = store.images.get(image).score
        store.predictions.move(image, risen=row.score is None or now is None or now >= row.score)
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
    """Compare the pool by the task's settings, if they changed; what lacks something for that is to be read again.

    From the start on, everybody compares in the new way: what somebody outlines meanwhile would else be the only image
    that is compared in the old one.
    """
    if not is_due(project):
        return
    store, after, settings = project.store, None, _settings(project)
    store.settings.set(COMPARED_BY, {**settings, UNFINISHED: True}, by="scoring")
    while rows := store.predictions.of_version(version, AT_ONCE, after):
        images = store.listing.image_rows([row.image for row in rows])
        known = [(row, _compared(project, images[row.image], row)) for row in rows]
        store.predictions.save([new for _, new in known if new is not None], None)
        store.predictions.forget([row.image for row, new in known if new is None])
        after = rows[-1].image
    store.predictions.forget_closed(version)
    keep_neutral(project, version)
    if method(project) in COMPARING:
        store.predictions.rerank(rule(project))
    store.settings.set(COMPARED_BY, settings, by="scoring")


def _settings(project: Project) -> dict[str, Any]:
    """As the pool is compared, and the other way: earlier programs kept one of them."""
    used = comparing(project)
    other = "dice" if used.misalignment == "evidence" else "evidence"
    return {**used.model_dump(mode="json", include=COMPARES), "other": other}


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
