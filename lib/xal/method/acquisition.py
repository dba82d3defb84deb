"""Which image to read next: where the model is unsure and where it looks in the wrong place.

score = α · uncertainty + (1 − α) · misalignment. Pure functions; the store keeps every part of the sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from xal.arrays import Float64Array, FloatArray
from xal.method.attention import overlap, support
from xal.task import AcquisitionSettings

RoiSource = Literal["drawn", "proposed", "none"]

NEUTRAL = 0.5
"""What a missing misalignment counts while too few images have one."""
_BACKGROUND = 0.2
"""A proposed ROI is empty where its coverage stays below this."""
_ENOUGH_FOR_MEDIAN = 20


@dataclass(frozen=True)
class Misalignment:
    """How far the attention is from the ROI; `value` and `overlap` are None where that has no meaning."""

    value: float | None
    source: RoiSource
    overlap: float | None


def softmax(logits: FloatArray, temperature: float) -> Float64Array:
    """Probabilities (N, F) of logits (N, F)."""
    result: Float64Array = np.exp(log_softmax(logits.astype(np.float64) / temperature, axis=1))
    return result


def uncertainty(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Entropy of the findings / log(number of findings), along the last axis: 0 certain, 1 no idea."""
    p = np.asarray(probabilities, dtype=np.float64)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    result: npt.NDArray[np.float64] = np.clip(-terms.sum(axis=-1) / np.log(p.shape[-1]), 0.0, 1.0)
    return result


def misalignment(
    attention: FloatArray,
    evidence: FloatArray,
    drawn: FloatArray | None,
    coverage: FloatArray | None,
    *,
    predicts_absent: bool,
    settings: AcquisitionSettings,
) -> Misalignment:
    """1 − the agreement of what the network sees with the drawn ROI, or else with the one that `coverage` proposes.

    Agreement is Dice with the predicted finding's attention, or what the ROI alone says for that finding. An ROI
    without voxels is no ROI. Without any the value is None, the absent finding predicted or not: there is nothing to
    compare with. The absent finding predicted against an ROI is as wrong as can be: 1.
    """
    for source, roi in _rois(drawn, coverage):
        if predicts_absent:
            return Misalignment(1.0, source, 0.0)
        shared = overlap(attention, roi, settings)
        if settings.misalignment == "overlap":
            return Misalignment(1.0 - shared, source, shared)
        weights = coverage if source == "proposed" and coverage is not None else roi
        return Misalignment(1.0 - support(evidence, weights), source, shared)
    return Misalignment(None, "none", None)


def proposed_roi(coverage: FloatArray) -> FloatArray:
    """The ROI that the network proposes: where it is sure enough, because a sigmoid never says zero."""
    roi: FloatArray = np.where(coverage < _BACKGROUND, np.zeros_like(coverage), coverage)
    return roi


def roi_confidence(proposed: FloatArray) -> float:
    """Σ c² / Σ c of a proposed ROI's coverage c: how covered it believes a cell to be that it points at; 0 if empty."""
    c = np.asarray(proposed, np.float64)
    total = float(c.sum())
    return float((c * c).sum()) / total if total > 0 else 0.0


def _rois(drawn: FloatArray | None, coverage: FloatArray | None) -> Iterator[tuple[RoiSource, FloatArray]]:
    """What there is to compare with, the best first."""
    if drawn is not None and drawn.any():
        yield "drawn", drawn
    if coverage is not None and (coverage >= _BACKGROUND).any():
        yield "proposed", proposed_roi(coverage)


def score(
    uncertainty: npt.ArrayLike, misalignment: npt.ArrayLike | None, alpha: float, neutral: float = NEUTRAL
) -> npt.NDArray[np.float64]:
    """α · uncertainty + (1 − α) · misalignment, of one image or many; a missing one (None, NaN) counts as `neutral`."""
    wrong = np.asarray(misalignment, np.float64)  # None becomes NaN
    result: npt.NDArray[np.float64] = alpha * np.asarray(uncertainty, np.float64) + (1 - alpha) * np.where(
        np.isnan(wrong), neutral, wrong
    )
    return result


def neutral(misalignments: npt.NDArray[np.floating[Any]]) -> float:
    """The median misalignment of a scored pool, or one half while fewer than 20 images have one."""
    return float(np.median(misalignments)) if len(misalignments) >= _ENOUGH_FOR_MEDIAN else NEUTRAL
