"""From values to a batch."""

from __future__ import annotations

import numpy as np
import pytest

from xal.method.batches import Pool, apart, choose, choose_ahead
from xal.task import BatchSettings


def pool(values, embeddings=None, predicted=None, labelled=((9.0, 9.0),), labelled_findings=(0,)) -> Pool:
    n = len(values)
    return Pool(
        np.asarray(values, float),
        np.zeros((n, 2)) if embeddings is None else np.asarray(embeddings, float),
        np.zeros(n, np.int64) if predicted is None else np.asarray(predicted, np.int64),
        np.asarray(labelled, float).reshape(-1, 2),
        np.asarray(labelled_findings, np.int64),
    )


def pick(given: Pool, count: int, seed: int = 0, **settings) -> list[int]:
    return choose(given, count, BatchSettings(**{"rule": "top", **settings}), np.random.default_rng(seed)).tolist()


def test_top_takes_the_best_first_wherever_they_lie():
    together = [[0, 0], [9, 0], [0, 9], [9, 0]]
    assert pick(pool([0.1, 0.9, 0.5, 0.7], embeddings=together), 3) == [1, 3, 2]


def test_ties_fall_by_chance():
    assert {tuple(pick(pool([0.5] * 4), 1, seed)) for seed in range(40)} == {(0,), (1,), (2,), (3,)}


def test_what_is_equal_within_rounding_falls_by_chance_too():
    nearly = [0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 0), float(np.float32(0.5) + np.float32(6e-8))]
    assert {tuple(pick(pool(nearly), 1, seed)) for seed in range(40)} == {(0,), (1,), (2,), (3,)}
    assert [pick(pool(nearly), 4, seed) for seed in range(5)] == [pick(pool([0.5] * 4), 4, seed) for seed in range(5)]


def test_a_batch_larger_than_the_pool_is_the_pool():
    for rule in ("top", "power", "spread"):
        assert sorted(pick(pool([0.1, 0.9, 0.5]), 10, rule=rule)) == [0, 1, 2]


def test_power_draws_without_replacement_in_proportion_to_rank():
    given = pool([0.4, 0.1, 0.3, 0.2])  # ranks 1, 4, 2, 3
    first = np.bincount([pick(given, 1, seed, rule="power", sharpness=1.0)[0] for seed in range(4000)], minlength=4)
    expected = np.array([1, 1 / 4, 1 / 2, 1 / 3]) / (1 + 1 / 2 + 1 / 3 + 1 / 4)
    np.testing.assert_allclose(first / first.sum(), expected, atol=0.03)
    assert sorted(pick(given, 4, rule="power")) == [0, 1, 2, 3]


def test_power_becomes_top_when_it_is_sharp():
    values = np.random.default_rng(1).random(50)
    assert pick(pool(values), 5, rule="power", sharpness=500.0) == np.argsort(-values)[:5].tolist()


def test_spread_leaves_the_copy_of_what_it_took():
    twins = pool([0.9, 0.89, 0.5], embeddings=[[0, 0], [0, 0.01], [5, 0]])
    assert pick(twins, 2) == [0, 1]
    assert pick(twins, 2, rule="spread", breadth=1.5) == [0, 2]


def test_spread_looks_no_further_than_its_breadth():
    given = pool([0.9, 0.8, 0.7, 0.1], embeddings=[[0, 0], [1, 0], [2, 0], [100, 0]])
    assert 3 not in pick(given, 1, rule="spread", breadth=3.0)
    assert pick(given, 1, rule="spread", breadth=4.0) == [3]


def test_spread_keeps_away_from_what_is_labelled():
    given = pool([0.5, 0.5], embeddings=[[0, 0], [10, 0]], labelled=[[9.5, 0]])
    assert pick(given, 1, rule="spread", breadth=2.0) == [0]


def test_spread_without_anything_labelled_takes_something():
    given = pool([0.5, 0.4, 0.3], embeddings=[[0, 0], [1, 0], [9, 0]], labelled=[], labelled_findings=[])
    assert len(set(pick(given, 3, rule="spread"))) == 3


@pytest.mark.parametrize("rule", ["top", "power", "spread"])
def test_balance_takes_what_is_rarest_among_the_labelled(rule: str):
    given = pool(
        [0.9, 0.8, 0.7, 0.2, 0.1], predicted=[0, 0, 0, 1, 1], labelled=np.zeros((2, 2)), labelled_findings=[0, 0]
    )
    chosen = pick(given, 2, rule=rule, breadth=4.0, balance=True)
    assert sorted(chosen) == [3, 4]


def test_balance_goes_on_where_a_finding_is_used_up():
    given = pool([0.9, 0.8, 0.7], predicted=[0, 0, 1], labelled=np.zeros((5, 2)), labelled_findings=[0] * 5)
    assert pick(given, 3, balance=True) == [2, 0, 1]


def test_cover_takes_the_best_of_every_cluster_where_nothing_is_labelled():
    embeddings = [[0, 0], [0, 0.1], [0, 0.2], [9, 0], [9, 0.1], [0, 9], [0, 9.1]]
    given = pool([0.9, 0.8, 0.7, 0.2, 0.3, 0.99, 0.98], embeddings=embeddings, labelled=[[0.1, 9.05]])
    assert pick(given, 2, rule="cover", breadth=1.0) == [0, 4]


def test_cover_takes_the_best_clusters_where_there_are_more_than_it_needs():
    embeddings = [[0, 0], [0, 0.1], [9, 0], [9, 0.1], [0, 9], [0, 9.1]]
    given = pool([0.9, 0.8, 0.2, 0.3, 0.5, 0.6], embeddings=embeddings, labelled=[], labelled_findings=[])
    assert pick(given, 2, rule="cover", breadth=1.5) == [0, 5]


def test_cover_with_a_cluster_for_every_image_is_top():
    embeddings = np.random.default_rng(2).normal(size=(12, 2))
    values = np.random.default_rng(3).random(12)
    given = pool(values, embeddings=embeddings, labelled=[], labelled_findings=[])
    assert pick(given, 3, rule="cover", breadth=4.0) == pick(given, 3)


def test_cover_goes_on_with_second_bests():
    given = pool([0.9, 0.8, 0.2, 0.3], embeddings=[[0, 0], [0, 0], [9, 0], [9, 0]], labelled=[], labelled_findings=[])
    assert pick(given, 4, rule="cover") == [0, 3, 1, 2]


def test_apart_takes_far_points_more_often_and_never_the_same_place_twice():
    points = np.array([[0.0, 0], [0, 0], [1, 0], [3, 0]])
    second = [apart(points, 0, 2, np.random.default_rng(seed))[1] for seed in range(1000)]
    np.testing.assert_allclose(np.bincount(second, minlength=4) / 1000, [0, 0, 0.1, 0.9], atol=0.03)
    assert sorted(apart(points, 0, 4, np.random.default_rng(0))) == [0, 2, 3]


def test_copies_that_differ_by_rounding_are_one_place():
    points = np.array([[3.0, 4], [3, np.nextafter(4, 5)], [3 + 1e-6, 4], [3, 4]])
    assert apart(points, 0, 4, np.random.default_rng(0)).tolist() == [0]


@pytest.mark.parametrize("off", [-1e-7, 0.0, 1e-7])
def test_spread_takes_the_better_of_two_that_are_as_far_whatever_rounding_says(off: float):
    given = pool([0.9, 0.5], embeddings=[[1, 0], [-1 - off, 0]], labelled=[[0, 0]])
    assert pick(given, 1, rule="spread", breadth=2.0) == [0]


def test_choosing_ahead_takes_everything_once_and_keeps_away_from_what_it_took():
    embeddings = [[0, 0], [0, 0.1], [9, 0], [9, 0.1], [0, 9], [0, 9.1]]
    given = pool([0.9, 0.89, 0.5, 0.4, 0.3, 0.2], embeddings=embeddings, labelled=[], labelled_findings=[])
    rng = np.random.default_rng(0)
    one_by_one = choose_ahead(given, 6, 1, BatchSettings(rule="cover", breadth=2.0), rng).tolist()
    assert one_by_one[:2] == [0, 2]
    assert sorted(one_by_one) == [0, 1, 2, 3, 4, 5]
    assert choose_ahead(given, 4, 3, BatchSettings(rule="top"), rng).tolist() == [0, 1, 2, 3]


def test_balance_counts_what_was_chosen_ahead():
    given = pool([0.9, 0.8, 0.7, 0.2, 0.1], predicted=[0, 0, 0, 1, 1], labelled=np.zeros((1, 2)), labelled_findings=[0])
    assert choose_ahead(given, 4, 1, BatchSettings(rule="top", balance=True), np.random.default_rng(0)).tolist() == [
        3,
        0,
        4,
        1,
    ]
