"""Which image to read next: where the model is unsure and where it looks in the wrong place.

score = α · uncertainty + (1 − α) · misalignment. Pure functions; the store keeps every part of the sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from xal.arrays import Float64Array, FloatArray

NEUTRAL = 0.5
"""What a missing misalignment counts while too few images have one."""
_ENOUGH_FOR_MEDIAN = 20


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


def margin(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """1 − the distance of the two likeliest findings, along the last axis: 0 certain, 1 a toss-up."""
    ordered = np.sort(np.asarray(probabilities, np.float64), axis=-1)
    result: npt.NDArray[np.float64] = 1.0 - (ordered[..., -1] - ordered[..., -2])
    return result


def score(
    uncertainty: npt.ArrayLike, misalignment: npt.ArrayLike | None, alpha: float, neutral: float = NEUTRAL
) -> npt.NDArray[np.float64]:
    """α · uncertainty + (1 − α) · misalignment, of one image or many; a missing one (None, NaN) counts as `neutral`."""
    wrong = np.asarray(misalignment, np.float64)  # None becomes NaN
    result: npt.NDArray[np.float64] = alpha * np.asarray(uncertainty, np.float64) + (1 - alpha) * np.where(
        np.isnan(wrong), neutral, wrong
    )
    return result


def roi_confidence(proposed: FloatArray) -> float:
    """Σ c² / Σ c of a proposed ROI's coverage c: how covered it believes a cell to be that it points at; 0 if empty."""
    c = np.asarray(proposed, np.float64)
    total = float(c.sum())
    return float((c * c).sum()) / total if total > 0 else 0.0


def telling(uncertainty: float, confidence: float) -> float:
    """How much a person's outline would tell: (1 − u) · (1 − c), high where a sure model proposes no sure ROI."""
    return (1 - uncertainty) * (1 - confidence)


def neutral(misalignments: npt.NDArray[np.floating[Any]]) -> float:
    """The median misalignment of a scored pool, or one half while fewer than 20 images have one."""
    return float(np.median(misalignments)) if len(misalignments) >= _ENOUGH_FOR_MEDIAN else NEUTRAL
