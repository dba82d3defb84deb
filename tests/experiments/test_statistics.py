"""The statistics of a report, against numbers worked out by hand and by scipy."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xal.experiments.report.statistics import (
    Interval,
    area_under,
    band,
    bootstrap_interval,
    first_reach,
    holm,
    kept_share,
    labels_to_target,
    paired,
    win_matrix,
)

INFINITE = math.inf


def test_area_reads_as_a_mean_accuracy():
    flat = area_under(np.array([60.0, 100, 600]), np.array([0.7, 0.7, 0.7]), 60, 600)
    assert flat == pytest.approx(0.7)
    # trapezoids by hand: 10 · (0.5 + 0.7) / 2 = 6 and 30 · (0.7 + 0.9) / 2 = 24, together 30 over 40
    assert area_under(np.array([10.0, 20, 50]), np.array([0.5, 0.7, 0.9]), 10, 50) == pytest.approx(30 / 40)


def test_area_of_a_part_of_the_range_is_cut_between_points():
    x, y = np.array([0.0, 10]), np.array([0.0, 1.0])
    assert area_under(x, y, 5, 10) == pytest.approx(0.75)


def test_paired_difference_is_scipys_paired_t_test():
    first = pd.Series({0: 0.81, 1: 0.76, 2: 0.90, 3: 0.77})
    second = pd.Series({0: 0.80, 1: 0.73, 2: 0.85, 3: 0.78})
    difference = paired(first, second)
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert difference is not None
    assert difference.mean == pytest.approx(0.02)
    assert difference.p == pytest.approx(expected.pvalue)
    assert difference.t is not None
    assert (difference.t.low, difference.t.high) == pytest.approx((interval.low, interval.high))
    assert not difference.above
    assert not difference.below


def test_only_seeds_that_both_have_are_paired():
    difference = paired(pd.Series({0: 0.9, 1: 0.8, 7: 0.1}), pd.Series({0: 0.8, 1: 0.8, 2: 0.9}))
    assert difference is not None
    assert difference.seeds == (0, 1)
    assert difference.values == pytest.approx((0.1, 0.0))
    assert paired(pd.Series({0: 0.9}), pd.Series({1: 0.8})) is None


def test_one_pair_has_no_interval_and_shows_nothing():
    difference = paired(pd.Series({3: 0.9}), pd.Series({3: 0.8}))
    assert difference is not None
    assert (difference.t, difference.bootstrap, difference.p) == (None, None, None)
    assert not difference.above


def test_equal_differences_are_certain_and_no_differences_are_none():
    sure = paired(pd.Series({0: 0.75, 1: 0.5}), pd.Series({0: 0.5, 1: 0.25}))
    none = paired(pd.Series({0: 0.75, 1: 0.5}), pd.Series({0: 0.75, 1: 0.5}))
    assert sure is not None
    assert none is not None
    assert (sure.p, sure.above) == (0.0, True)
    assert (none.p, none.above, none.below) == (1.0, False, False)


def test_a_loss_is_below():
    difference = paired(pd.Series({0: 0.5, 1: 0.6, 2: 0.7}), pd.Series({0: 0.61, 1: 0.70, 2: 0.79}))
    assert difference is not None
    assert difference.below
    assert not difference.above


def test_bootstrap_by_hand():
    # of 0, 0, 1 no one is drawn in (2/3)³ = 30 % of the draws, and three ones are in (1/3)³ = 3.7 %
    assert bootstrap_interval(np.array([0.0, 0, 1])) == Interval(0, 1)
    # of 0, 0, 0, 0, 1 five ones are drawn in 0.03 %, four in 0.6 % and three in 5 % of the draws
    assert bootstrap_interval(np.array([0.0, 0, 0, 0, 1])) == Interval(0, pytest.approx(0.6))
    assert bootstrap_interval(np.array([0.7])) is None


def test_the_same_rows_give_the_same_intervals():
    values = np.array([0.1, 0.4, 0.2, 0.9, 0.5, 0.3, 0.35, 0.6])
    drawn = values[np.random.default_rng(20_230_601).integers(0, 8, (10_000, 8))].mean(axis=1)
    interval = bootstrap_interval(values)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]))


def test_t_interval_is_wider_than_the_bootstraps_with_few_seeds():
    difference = paired(pd.Series([0.01, 0.03, -0.01, 0.02, 0.04]), pd.Series([0.0] * 5))
    assert difference is not None
    t, bootstrap = difference.t, difference.bootstrap
    assert t is not None
    assert bootstrap is not None
    assert t.low < bootstrap.low < bootstrap.high < t.high


def test_a_band_has_the_t_interval_of_every_point():
    values = np.array([[0.81, 0.5], [0.76, 0.5], [0.90, 0.5]])
    interval = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    found = band(values)
    assert found is not None
    low, high = found
    assert low == pytest.approx([interval.low, 0.5])
    assert high == pytest.approx([interval.high, 0.5])
    assert band(values[:1]) is None


def test_holm_by_hand():
    # sorted .01 .02 .03 .2 times 4 3 2 1 = .04 .06 .06 .2: never falling
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_win_matrix_has_every_pair_once_and_corrects_for_all():
    rng = np.random.default_rng(0)
    arms = pd.DataFrame({name: rng.normal(mean, 0.01, 8) for name, mean in (("a", 0.7), ("b", 0.8), ("c", 0.7))})
    pairs = win_matrix(arms)
    raw = [stats.ttest_rel(arms[p.first], arms[p.second]).pvalue for p in pairs]
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.p for pair in pairs] == pytest.approx(holm(raw))


def test_an_arm_with_a_single_shared_seed_is_not_in_the_matrix():
    pairs = win_matrix(pd.DataFrame({"a": {0: 0.7, 1: 0.8}, "b": {0: 0.6, 1: 0.65}, "c": {1: 0.5}}))
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b")]


def test_a_mean_that_rounding_left_below_the_target_reaches_it():
    x, target = np.array([10.0, 20, 30]), 0.1 + 0.2
    assert first_reach(x, np.array([0.1, 0.3, 0.3]), target) == 20 < first_reach(x, np.array([0.1, 0.2, 0.3]), target)
    assert first_reach(x, np.array([0.1, 0.2, 0.3]), target) == 30


def test_sums_that_differ_by_rounding_alone_are_no_gain():
    same = paired(pd.Series({0: 0.1 + 0.2, 1: 0.1 + 0.2}), pd.Series({0: 0.3, 1: 0.3}))
    assert same.values == (0, 0)
    assert not same.above
    assert same.p == 1


@pytest.mark.parametrize(
    ("target", "reach"), [(0.5, 10), (0.6, 15), (0.7, 20), (0.65, 17.5), (0.9, 40), (0.91, INFINITE)]
)
def test_first_reach_is_straight_between_points(target: float, reach: float):
    x, y = np.array([10.0, 20, 30, 40]), np.array([0.5, 0.7, 0.6, 0.9])
    assert first_reach(x, y, target) == pytest.approx(reach)


def test_labels_to_target_by_hand():
    x = np.tile([100.0, 200, 300], (2, 1))
    baseline = np.array([[0.5, 0.6, 0.7], [0.5, 0.6, 0.8]])  # ends at 0.75 on average
    arm = np.array([[0.5, 0.7, 0.8], [0.5, 0.7, 0.7]])  # on average 0.7 at 200 and 0.75 at 300
    reach = labels_to_target(x, arm, x, baseline)
    assert reach.target == pytest.approx(0.75)
    assert reach.at == pytest.approx(300)
    assert reach.share == pytest.approx(1.0)
    assert (reach.reached, reach.seeds) == (1, 2), "seed 0 reaches its 0.7 at 200; seed 1 never reaches its 0.8"
    assert reach.median == pytest.approx(2 / 3)
    assert reach.interval is not None
    assert reach.interval.low == pytest.approx(2 / 3)
    assert reach.interval.high == INFINITE


def test_a_target_out_of_reach_is_infinite():
    x = np.tile([100.0, 200], (3, 1))
    reach = labels_to_target(x, np.full((3, 2), 0.5), x, np.full((3, 2), 0.9))
    assert (reach.at, reach.share, reach.median, reach.reached) == (INFINITE, INFINITE, INFINITE, 0)


def test_kept_share_of_the_oracles_gain():
    baseline = pd.Series({0: 0.70, 1: 0.72, 2: 0.74})
    oracle = pd.Series({0: 0.80, 1: 0.83, 2: 0.83})  # gains .10 .11 .09
    proposed = pd.Series({0: 0.78, 1: 0.80, 2: 0.82, 9: 0.1})  # gains .08 .08 .08
    kept = kept_share(proposed, oracle, baseline)
    assert kept is not None
    assert kept.share == pytest.approx(0.8)
    assert kept.interval is not None
    assert kept.interval.low == pytest.approx(0.08 / 0.11)
    assert kept.interval.high == pytest.approx(0.08 / 0.09)


def test_a_gain_that_is_not_shown_cannot_be_kept():
    kept = kept_share(pd.Series([0.8, 0.8]), pd.Series([0.8, 0.6]), pd.Series([0.7, 0.7]))
    assert kept is not None
    assert kept.share is None
