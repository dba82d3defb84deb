"""Several seeds as one curve with a band. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Band(NamedTuple):
    """One number for each round, and the band around it."""

    middle: list[float]
    lowest: list[float]
    highest: list[float]


def band(curves: Sequence[Sequence[float]]) -> Band:
    """Median, minimum and maximum over the curves, each (rounds,)."""
    values = np.asarray(curves, np.float64)
    middle, lowest, highest = np.median(values, 0), values.min(0), values.max(0)
    return Band(middle.tolist(), lowest.tolist(), highest.tolist())
