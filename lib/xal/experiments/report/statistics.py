"""What may be concluded from paired runs: pure functions on arrays.

Every method is run with the same seeds, and a seed fixes the start set, the first weights and all other chance; the
test set is the same for all seeds. Seeds differ far more than methods do, so methods are compared within seeds: the
difference of each pair is the datum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.integrate import trapezoid

from xal.arrays import FloatArray

CONFIDENCE = 0.95
_DRAWS = 10_000
_EQUAL = 1e-12
"""Means of accuracies that differ by less are the same, added up in another order."""
_SEED = 20_230_601
"""Of the bootstrap: the same rows give the same report."""


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, with 95 % confidence; ends may be infinite."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """One arm minus another, paired by seed."""

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    mean: float
    t: Interval | None
    """Paired t interval: it decides. With few seeds the bootstrap's is too narrow (of normal values it holds the truth
    in 91 % of cases at 10 seeds and in 84 % at 5, where 95 % is claimed); the t interval keeps what it promises."""
    bootstrap: Interval | None
    """Percentile bootstrap over seeds: reported beside it, because it assumes no distribution."""
    p: float | None
    """Two-sided paired t-test, not corrected."""

    @property
    def above(self) -> bool:
        """The whole interval lies above 0."""
        return self.t is not None and self.t.low > 0

    @property
    def below(self) -> bool:
        """The whole interval lies below 0."""
        return self.t is not None and self.t.high < 0


@dataclass(frozen=True)
class Pair:
    """A cell of the win matrix: `first` − `second`."""

    first: str
    second: str
    difference: Difference
    p: float
    """Of the paired t-test, corrected by Holm for all pairs of the matrix."""


@dataclass(frozen=True)
class Reach:
    """How soon a curve reaches what the baseline reaches with the full budget."""

    target: float
    at: float
    """Where the mean curve gets there; infinite if it never does."""
    share: float
    """The same as a share of the baseline's budget."""
    interval: Interval | None
    """Of the share, by bootstrap over seeds."""
    reached: int
    """Seeds whose own curve reaches what the baseline reached with that seed."""
    seeds: int
    median: float
    """Share at which half of the seeds do; infinite if fewer ever do."""


@dataclass(frozen=True)
class Kept:
    """How much of what the oracle's ROIs gain over the baseline the proposed ROIs gain, too."""

    oracle: Difference
    proposed: Difference
    share: float | None
    """None unless the oracle's whole interval lies above 0: a share of nothing means nothing."""
    interval: Interval | None


def area_under(x: FloatArray, y: FloatArray, low: float, high: float) -> float:
    """∫ y dx / (high − low) over [low, high] by trapezoids: the mean height of the curve, an accuracy."""
    inside = (x > low) & (x < high)
    at = np.concatenate([[low], x[inside], [high]])
    return float(trapezoid(np.interp(at, x, y), at) / (high - low))


def band(values: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Mean ± t(n − 1) · s / √n of every column of (seeds, points); None for a single seed."""
    if len(values) < 2:
        return None
    mean, half = values.mean(axis=0), stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values, axis=0)
    return mean - half, mean + half


def bootstrap_interval(*values: FloatArray, of: Callable[..., FloatArray] = np.mean) -> Interval | None:
    """Percentiles of the mean, or of another statistic, over resampled seeds; None for fewer than two seeds."""
    if len(values[0]) < 2:
        return None
    drawn = stats.bootstrap(
        values, of, paired=True, n_resamples=_DRAWS, confidence_level=CONFIDENCE, method="percentile", rng=_SEED
    )
    return _interval(*drawn.confidence_interval)


def paired(first: pd.Series, second: pd.Series) -> Difference | None:
    """`first` − `second`, each by seed, over the seeds that both have; None if they share none."""
    difference = (first - second).dropna()
    if difference.empty:
        return None
    values = difference.to_numpy(copy=True)
    values[np.abs(values) < _EQUAL] = 0  # sums of the same heights in another order are no gain
    t, p = _t_test(values) if len(values) > 1 else (None, None)
    seeds = tuple(difference.index.tolist())
    return Difference(seeds, tuple(values.tolist()), float(values.mean()), t, bootstrap_interval(values), p)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction: the k-th smallest of m p-values times m − k + 1, never falling, at most 1."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1))
    return [float(value) for value in np.minimum(adjusted, 1.0)]


def win_matrix(arms: pd.DataFrame) -> list[Pair]:
    """Of seeds × arms every pair of arms that shares at least two seeds, in the order given."""
    found = [(str(a), str(b), paired(arms[a], arms[b])) for a, b in combinations(arms, 2)]
    tested = [(a, b, difference) for a, b, difference in found if difference is not None and difference.p is not None]
    corrected = holm([difference.p or 0.0 for _, _, difference in tested])
    return [Pair(a, b, difference, p) for (a, b, difference), p in zip(tested, corrected, strict=True)]


def first_reach(x: FloatArray, y: FloatArray, target: float) -> float:
    """The first x at which the curve, straight between its points, is as high as `target`; infinite if none."""
    high = np.flatnonzero(y >= target - _EQUAL)
    if not high.size:
        return float("inf")
    k = int(high[0])
    if k == 0:
        return float(x[0])
    share = min(1.0, (target - y[k - 1]) / (y[k] - y[k - 1]))
    return float(x[k - 1] + (x[k] - x[k - 1]) * share)


def labels_to_target(x: FloatArray, y: FloatArray, base_x: FloatArray, base_y: FloatArray) -> Reach:
    """Arm (x, y) against baseline, each (seeds, rounds) with the same seeds in the same rows.

    Also for cost in place of labels. Noise makes a curve cross early, the baseline's own included: compare with that.
    The bootstrap is not SciPy's, which interpolates between the values drawn: here some of them are infinite.
    """
    seeds = len(y)
    rows = np.arange(seeds)[np.newaxis]
    shares = _shares(x, y, base_x, base_y, rows)
    interval = None
    if seeds > 1:
        drawn = _shares(x, y, base_x, base_y, np.random.default_rng(_SEED).integers(0, seeds, (2000, seeds)))
        tail = 50 * (1 - CONFIDENCE)
        interval = _interval(*np.percentile(drawn, [tail, 100 - tail], method="inverted_cdf"))
    own = _shares(x, y, base_x, base_y, rows.T)
    return Reach(
        target=float(base_y[:, -1].mean()),
        at=float(shares[0] * base_x[:, -1].mean()),
        share=float(shares[0]),
        interval=interval,
        reached=int(np.isfinite(own).sum()),
        seeds=seeds,
        median=float(np.percentile(own, 50, method="inverted_cdf")),
    )


def kept_share(proposed: pd.Series, oracle: pd.Series, baseline: pd.Series) -> Kept | None:
    """(proposed − baseline) / (oracle − baseline) of the means, over the seeds that all three have."""
    areas = pd.DataFrame({"proposed": proposed, "oracle": oracle, "baseline": baseline}).dropna()
    gain, possible = (paired(areas[arm], areas["baseline"]) for arm in ("proposed", "oracle"))
    if gain is None or possible is None:
        return None
    if not possible.above:
        return Kept(possible, gain, None, None)
    interval = bootstrap_interval(np.asarray(gain.values), np.asarray(possible.values), of=_ratio)
    return Kept(possible, gain, gain.mean / possible.mean, interval)


def _ratio(gain: FloatArray, possible: FloatArray, axis: int = -1) -> FloatArray:
    """Of the two means."""
    ratio: FloatArray = gain.mean(axis=axis) / possible.mean(axis=axis)
    return ratio


def _shares(x: FloatArray, y: FloatArray, base_x: FloatArray, base_y: FloatArray, rows: npt.NDArray[Any]) -> FloatArray:
    """Per row of seeds: where their mean curve reaches the baseline's end, as a share of the baseline's budget."""
    reach = [
        first_reach(x[k].mean(axis=0), y[k].mean(axis=0), float(base_y[k, -1].mean())) / float(base_x[k, -1].mean())
        for k in rows
    ]
    return np.asarray(reach)


def _t_test(values: FloatArray) -> tuple[Interval, float]:
    """Of the mean against 0. Values that are all the same leave no doubt; SciPy has no p-value for them."""
    if np.ptp(values) < _EQUAL:
        mean = float(values.mean())
        return Interval(mean, mean), 0.0 if mean else 1.0
    test = stats.ttest_1samp(values, 0)
    return _interval(*test.confidence_interval(CONFIDENCE)), float(test.pvalue)


def _interval(low: float, high: float) -> Interval:
    return Interval(float(low), float(high))
