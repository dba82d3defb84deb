"""Whether a model's confidence can be believed, and the one temperature that makes it more believable.

p = softmax(logits / T) with T fitted on images that were not trained on (Guo et al., 2017). T changes how sure the
model is, never what it names, nor where it looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from xal.arrays import Float64Array
from xal.rounding import ROUNDING

LOWEST, HIGHEST = 0.25, 10.0
"""Bounds of a fitted temperature."""
_SPREAD = 0.5
"""Standard deviation of log T that is believed in before any image is seen: some twenty images alone say too little."""


@dataclass(frozen=True)
class Bin:
    """The cases whose confidence lies in one part of [0, 1]; without a case the means are None."""

    count: int
    confidence: float | None
    """Mean probability of the named finding."""
    accuracy: float | None


def fit_temperature(logits: npt.NDArray[np.floating[Any]], truth: npt.NDArray[np.int64]) -> float:
    """The T with the least Σ −log p(truth) + (log T)² / (2 · 0.5²); without a case 1."""
    if len(truth) == 0:
        return 1.0
    exact, cases = logits.astype(np.float64), np.arange(len(truth))

    def cost(log_t: float) -> float:
        losses = -log_softmax(exact / math.exp(log_t), axis=1)[cases, truth]
        return float(losses.sum()) + log_t**2 / (2 * _SPREAD**2)

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    return math.exp(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)


def reliability(probabilities: Float64Array, correct: npt.NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Confidence beside accuracy in `bins` equal parts of [0, 1]; what is on an edge within rounding lies above it."""
    confidence = probabilities.max(1)
    place = np.minimum(((confidence + ROUNDING) * bins).astype(int), bins - 1)
    inside = [place == k for k in range(bins)]
    return [Bin(int(i.sum()), _mean(confidence[i]), _mean(correct[i])) for i in inside]


def ece(probabilities: Float64Array, correct: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error: Σ over bins of their share of the cases · |confidence − accuracy|."""
    gaps = [
        part.count * abs(part.confidence - part.accuracy)
        for part in reliability(probabilities, correct, bins)
        if part.confidence is not None and part.accuracy is not None
    ]
    return sum(gaps) / len(correct)


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
