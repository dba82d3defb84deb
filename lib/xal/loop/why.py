"""Why an image was chosen, and what the model made of it: the story of an annotation, or of the stored prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xal.arrays import FloatArray
from xal.imaging.display import screen_of
from xal.imaging.images import Header
from xal.loop.location import in_body, on_picture, reached
from xal.loop.origins import roi_origin
from xal.loop.reader import Reader
from xal.loop.rules import method
from xal.loop.sentences import Against, Gaze, reason
from xal.method.acquisition import roi_confidence, score
from xal.pool.project import Project
from xal.pool.rois import coarse, drawn_roi
from xal.pool.views import header_of
from xal.store.rows import AnnotationRow, ImageRow, PredictionRow
from xal.task import COMPARING


@dataclass(frozen=True)
class Thought:
    """What the model thought of an image."""

    model_version: int
    finding: str
    probabilities: Mapping[str, float]
    uncertainty: float
    roi_source: str
    roi_origin: Sequence[str] | None = None
    """Where the ROI was drawn; None where it was not, or where an earlier version did not keep it."""
    misalignment: float | None = None
    overlap: float | None = None
    energy: float | None = None
    roi_confidence: float | None = None
    chosen: bool = False
    """Next Sample gave the image to the reader who then annotated it."""
    chosen_by: str | None = None
    """By which method, where that is known."""


@dataclass(frozen=True)
class Explanation:
    """What is said of an image to who may see it."""

    thought: Thought
    sentence: str
    score: float | None
    attention_version: int | None
    """The version whose attention can be shown, which may have read the image again since."""


def standing_prediction(project: Project, row: ImageRow) -> PredictionRow | None:
    """The stored prediction, if it is of the pixels that the image has now."""
    prediction = project.store.predictions.get(row.id)
    return prediction if prediction is not None and prediction.fingerprint == row.fingerprint else None


def explain(project: Project, reader: Reader, row: ImageRow) -> Explanation | None:
    """What the model had thought when this reader's annotation was handed in; else the latest one, else now.

    None if no model had read the image.
    """
    standing = project.store.annotations.find(row.id)
    own = [annotation for annotation in standing if annotation.reader == reader.name]
    annotation = next(reversed(own or standing), None)
    prediction = standing_prediction(project, row)
    thought = _thought_of(project, annotation, prediction)
    if thought is None:
        return None
    gaze = _gaze(project, row, thought, annotation, prediction)
    if annotation is not None and not own:
        gaze = replace(gaze, who=annotation.reader)
    sentence = reason(thought.uncertainty, gaze, chosen=thought.chosen, by=thought.chosen_by)
    return Explanation(thought, sentence, _score(project, row, thought), prediction.version if prediction else None)


def _thought_of(project: Project, annotation: AnnotationRow | None, prediction: PredictionRow | None) -> Thought | None:
    story = annotation.story if annotation else None
    if story is not None and story.uncertainty is not None and story.roi_source is not None:
        return Thought(
            model_version=story.model_version,
            finding=story.finding,
            probabilities=story.probabilities,
            uncertainty=story.uncertainty,
            roi_source=story.roi_source,
            roi_origin=story.roi_origin,
            misalignment=story.misalignment,
            overlap=story.overlap,
            energy=story.energy,
            roi_confidence=story.roi_confidence,
            chosen=bool(story.chosen),
            chosen_by=story.chosen_by,
        )
    if prediction is None:
        return None
    return Thought(
        model_version=prediction.version,
        finding=prediction.finding,
        probabilities=prediction.probabilities,
        uncertainty=prediction.uncertainty,
        misalignment=prediction.misalignment,
        overlap=prediction.overlap,
        energy=prediction.energy,
        roi_source=prediction.roi_source,
        roi_origin=roi_origin(project, prediction.roi_source, prediction.roi_key),
        roi_confidence=None if prediction.proposed is None else roi_confidence(prediction.proposed),
    )


def _score(project: Project, row: ImageRow, thought: Thought) -> float | None:
    """With α as it is now; where misalignment has no value, what the queue was ranked by, if that is still known."""
    if thought.misalignment is not None and method(project) in COMPARING:
        return float(score(thought.uncertainty, thought.misalignment, project.alpha()))
    return row.score if row.version == thought.model_version else None


def _gaze(
    project: Project,
    row: ImageRow,
    thought: Thought,
    annotation: AnnotationRow | None,
    prediction: PredictionRow | None,
) -> Gaze:
    """Where the model looked, as far as the stored prediction still is what it had thought."""
    against = _against(project, thought, annotation)
    gaze = Gaze(
        place=None,
        against=against,
        overlap=thought.overlap if against in ("outline", "proposal") else None,
        blank=thought.finding == project.task.absent,
        finding=annotation.finding if annotation else "",
    )
    if row.state != "ok" or prediction is None or gaze.blank or not _is(prediction, thought, annotation):
        return gaze
    attention = prediction.attention.astype(np.float32)
    roi = None
    if against == "proposal":
        roi = prediction.proposed
    elif against == "outline" and annotation is not None:
        roi = drawn_roi(project, [annotation])
    touched = roi is None or reached(attention, coarse(roi.astype(np.float32), attention.shape))
    return replace(gaze, place=_place(attention, header_of(project, row)), reached=touched)


def _against(project: Project, thought: Thought, annotation: AnnotationRow | None) -> Against:
    if annotation is None:
        return "proposal" if thought.roi_source == "proposed" else "nothing"
    if annotation.finding == project.task.absent:
        return "absent"
    return "outline" if annotation.roi_voxels > 0 else "no outline"


def _is(prediction: PredictionRow, thought: Thought, annotation: AnnotationRow | None) -> bool:
    """Whether the prediction is the one that was thought, of the pixels that were annotated."""
    pixels = annotation.fingerprint if annotation else None
    same = (prediction.version, prediction.finding) == (thought.model_version, thought.finding)
    return same and pixels in (None, prediction.fingerprint)


def _place(attention: FloatArray, header: Header) -> str:
    if attention.ndim == 3:
        return in_body(attention)
    return on_picture(screen_of(header.shape, header.affine).upright(attention))
