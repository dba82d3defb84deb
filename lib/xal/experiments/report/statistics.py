"""What may be concluded from paired runs: pure functions on arrays.

Every method is run with the same seeds, and a seed fixes the start set, the first weights and all other chance; the
test set is the same for all seeds. Seeds differ far more than methods do, so methods are compared within seeds: the
difference of each pair is the datum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

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
    height = np.interp(at, x, y)
    return float(np.sum(np.diff(at) * (height[1:] + height[:-1]) / 2) / (high - low))


def t_interval(values: Sequence[float] | FloatArray) -> Interval | None:
    """Mean ± t(n − 1) · s / √n; None for fewer than two values."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return None
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, array.size - 1) * array.std(ddof=1) / np.sqrt(array.size))
    mean = float(array.mean())
    return Interval(mean - half, mean + half)


def band(values: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """The t interval of every column of (seeds, points); None for a single seed."""
    if len(values) < 2:
        return None
    factor = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) / np.sqrt(len(values))
    mean, half = values.mean(axis=0), factor * values.std(axis=0, ddof=1)
    return mean - half, mean + half


def bootstrap_interval(values: Sequence[float] | FloatArray) -> Interval | None:
    """Percentiles of the means of resampled seeds; None for fewer than two values."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return None
    return _percentiles(array[_resamples(array.size)].mean(axis=1))


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    """`first` − `second` over the seeds that both have; None if they share none."""
    seeds = tuple(sorted(first.keys() & second.keys()))
    if not seeds:
        return None
    values = np.array([first[seed] - second[seed] for seed in seeds])
    values[np.abs(values) < _EQUAL] = 0  # sums of the same heights in another order are no gain
    return Difference(
        seeds,
        tuple(values.tolist()),
        float(values.mean()),
        t_interval(values),
        bootstrap_interval(values),
        _t_test(values),
    )


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction: the k-th smallest of m p-values times m − k + 1, never falling, at most 1."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1))
    return [float(value) for value in np.minimum(adjusted, 1.0)]


def win_matrix(arms: Mapping[str, Mapping[int, float]]) -> list[Pair]:
    """Every pair of arms that shares at least two seeds, in the order given."""
    found = [(a, b, paired(arms[a], arms[b])) for a, b in combinations(arms, 2)]
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
    """
    seeds = len(y)
    rows = np.arange(seeds)[np.newaxis]
    shares = _shares(x, y, base_x, base_y, rows)
    drawn = _shares(x, y, base_x, base_y, _resamples(seeds, 2000)) if seeds > 1 else None
    own = _shares(x, y, base_x, base_y, rows.T)
    return Reach(
        target=float(base_y[:, -1].mean()),
        at=float(shares[0] * base_x[:, -1].mean()),
        share=float(shares[0]),
        interval=None if drawn is None else _percentiles(drawn, "inverted_cdf"),
        reached=int(np.isfinite(own).sum()),
        seeds=seeds,
        median=float(np.percentile(own, 50, method="inverted_cdf")),
    )


def kept_share(
    proposed: Mapping[int, float], oracle: Mapping[int, float], baseline: Mapping[int, float]
) -> Kept | None:
    """(proposed − baseline) / (oracle − baseline) of the means, over the seeds that all three have."""
    common = proposed.keys() & oracle.keys() & baseline.keys()
    gains = [
        paired({seed: arm[seed] for seed in common}, {seed: baseline[seed] for seed in common})
        for arm in (proposed, oracle)
    ]
    gain, possible = gains
    if gain is None or possible is None:
        return None
    if not possible.above:
        return Kept(possible, gain, None, None)
    rows = _resamples(len(common))
    ratios = np.asarray(gain.values)[rows].mean(axis=1) / np.asarray(possible.values)[rows].mean(axis=1)
    return Kept(possible, gain, gain.mean / possible.mean, _percentiles(ratios))


def _shares(x: FloatArray, y: FloatArray, base_x: FloatArray, base_y: FloatArray, rows: npt.NDArray[Any]) -> FloatArray:
    """Per row of seeds: where their mean curve reaches the baseline's end, as a share of the baseline's budget."""
    reach = [
        first_reach(x[k].mean(axis=0), y[k].mean(axis=0), float(base_y[k, -1].mean())) / float(base_x[k, -1].mean())
        for k in rows
    ]
    return np.asarray(reach)


def _t_test(values: FloatArray) -> float | None:
    if values.size < 2:
        return None
    error = float(values.std(ddof=1)) / np.sqrt(values.size)
    if error == 0:
        return 0.0 if values.any() else 1.0
    return float(2 * stats.t.sf(abs(values.mean()) / error, values.size - 1))


def _resamples(count: int, draws: int = _DRAWS) -> npt.NDArray[np.int64]:
    return np.random.default_rng(_SEED).integers(0, count, (draws, count))


def _percentiles(drawn: FloatArray, method: Any = "linear") -> Interval:
    """The middle 95 % of what was drawn; `inverted_cdf` where values may be infinite."""
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, [tail, 100 - tail], method=method)
    return Interval(float(low), float(high))
