"""What counts as equal: values that differ by rounding alone.

What a network says is a sum of thousands of float32 products, in an order that depends on processor, threads and batch;
exp and log differ in the last bit, too. What is equal by its meaning (copies of an image, a network that tells nothing
apart, a symmetric map) is then equal on one machine and not on another, and must not be told apart by that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xal.arrays import FloatArray, IntArray

ROUNDING = 1e-5
"""Of values about as large as 1 (logits, log odds, losses, scores, attention); of larger ones in proportion."""
_SMALL = 0.1
"""From here on a score's rounding is no smaller, however small the score; above it is in proportion."""


def at_least(values: FloatArray, bound: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which values are as large as the bound, or below it by rounding alone."""
    limit = np.asarray(bound, np.float64)
    result: npt.NDArray[np.bool_] = values >= limit - ROUNDING * np.maximum(1.0, np.abs(limit))
    return result


def largest(values: FloatArray) -> IntArray:
    """Along the last axis the position of the largest value; of several that are equal within rounding the first."""
    result: IntArray = at_least(values, values.max(-1, keepdims=True)).argmax(-1)
    return result


def levels(values: FloatArray) -> IntArray:
    """A whole number for each of these scores (n,), which orders them as they are and is the same for equal ones.

    A level reaches from its lowest value as far as rounding does, and no farther however densely values lie.
    """
    order = np.argsort(values, kind="stable")
    result = np.zeros(len(values), np.int64)
    level, lowest = -1, -np.inf
    for position, value in zip(order.tolist(), values[order].tolist(), strict=True):
        if level < 0 or value > lowest + ROUNDING * max(_SMALL, abs(lowest)):
            level, lowest = level + 1, value
        result[position] = level
    return result
