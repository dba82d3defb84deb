"""The rivals: each chooses what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from xal.method.rivals import METHODS, Candidates, Setting
from xal.task import Task


def task(**acquisition) -> Task:
    return Task(
        name="t",
        title="t",
        findings=[{"name": "a"}, {"name": "b"}, {"name": "c"}],
        image={"dimensions": 2, "size": [32, 32]},
        network={"dropout": 0.5},
        acquisition={"batch": {"rule": "top"}, **acquisition},
    )


def candidates(n: int = 40, seed: int = 0, **given) -> Candidates:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.5] * 3, n)
    values = {
        "probabilities": probabilities,
        "predicted": given.get("probabilities", probabilities).argmax(1),
        "embeddings": rng.normal(size=(n, 8)),
        "uncertainty": -(probabilities * np.log(probabilities)).sum(1) / np.log(3),
        "misalignment": rng.random(n),
        "neutral": 0.5,
        "truth": rng.integers(0, 3, n),
        "labelled_embeddings": rng.normal(size=(5, 8)),
        "labelled_findings": np.array([0, 0, 1, 1, 2]),
        "weight": rng.normal(size=(3, 8)),
        "bias": np.zeros(3),
        "temperature": 1.0,
    }
    return Candidates(**{**values, **given})


def picked(name: str, given: Candidates, count: int = 5, seed: int = 0, **acquisition) -> list[int]:
    return METHODS[name](given, Setting(task(**acquisition), count, np.random.default_rng(seed))).tolist()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_distinct_images_and_as_many_as_wanted(name: str):
    given = candidates()
    chosen = picked(name, given)
    assert len(set(chosen)) == 5
    assert all(0 <= i < 40 for i in chosen)
    assert sorted(picked(name, given, count=40)) == list(range(40))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_the_same_for_the_same_seed(name: str):
    assert picked(name, candidates(), seed=3) == picked(name, candidates(), seed=3)


def test_uniform_does_not_look_at_the_model():
    chosen = np.bincount([picked("uniform", candidates(), 1, seed)[0] for seed in range(2000)], minlength=40)
    assert chosen.min() > 20


def test_entropy_takes_the_unsure():
    given = candidates()
    assert picked("entropy", given) == np.argsort(-given.uncertainty)[:5].tolist()


def test_margin_takes_the_close_ones():
    close = np.array([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0]])
    given = candidates(3, probabilities=close)
    assert picked("margin", given, 3) == [0, 1, 2]


def test_misalignment_takes_those_that_look_elsewhere_and_xal_weighs_both():
    given = candidates()
    assert picked("misalignment", given) == np.argsort(-given.misalignment)[:5].tolist()
    assert picked("xal", given, alpha=0.0) == picked("misalignment", given)
    assert picked("xal", given, alpha=1.0) == picked("entropy", given)
    both = 0.5 * given.uncertainty + 0.5 * given.misalignment
    assert picked("xal", given, alpha=0.5) == np.argsort(-both)[:5].tolist()


def test_a_missing_misalignment_counts_as_the_pools_middle():
    given = candidates(3, misalignment=np.array([np.nan, 0.9, 0.1]), neutral=0.5)
    assert picked("misalignment", given, 3) == [1, 0, 2]


def test_balanced_uniform_evens_out_the_true_findings():
    truth = np.array([0] * 30 + [1] * 6 + [2] * 4)
    given = candidates(truth=truth)
    chosen = truth[picked("balanced_uniform", given, 10)]
    assert np.bincount(np.concatenate([chosen, given.labelled_findings]), minlength=3).tolist() == [5, 5, 5]


def test_k_center_takes_the_outlier_whatever_the_model_says_of_it():
    embeddings = np.zeros((40, 8))
    embeddings[17] = 50.0
    assert picked("k_center", candidates(embeddings=embeddings), 1) == [17]


def test_bald_finds_an_image_on_which_dropout_disagrees():
    embeddings = np.full((40, 8), 0.01)
    embeddings[11] = [9, -9, 9, -9, 9, -9, 9, -9]
    assert picked("bald", candidates(embeddings=embeddings), 1) == [11]


def test_badge_prefers_large_gradients_and_does_not_repeat_itself():
    probabilities = np.tile([0.998, 0.001, 0.001], (40, 1))
    embeddings = np.zeros((40, 8))
    embeddings[:, 0] = 1.0
    probabilities[3], probabilities[4] = [0.4, 0.35, 0.25], [0.4, 0.35, 0.25]
    embeddings[3], embeddings[4] = np.eye(8)[1] * 4, np.eye(8)[2] * 4
    assert {3, 4} <= set(picked("badge", candidates(probabilities=probabilities, embeddings=embeddings), 3))


@pytest.mark.parametrize("method", ["entropy", "bald", "badge"])
def test_a_sure_model_still_says_where_it_is_least_sure(method: str):
    probabilities = np.tile([1 - 2e-6, 1e-6, 1e-6], (40, 1))
    probabilities[23] = [1 - 2e-5, 1e-5, 1e-5]
    uncertainty = -(probabilities * np.log(probabilities)).sum(1) / np.log(3)
    embeddings = np.tile(np.eye(8)[0], (40, 1)) * np.where(np.arange(40) == 23, 1.5, 1.0)[:, None]
    given = candidates(probabilities=probabilities, uncertainty=uncertainty, embeddings=embeddings, weight=np.eye(3, 8))
    assert picked(method, given, 1) == [23]


def test_badge_fills_up_where_all_images_are_the_same():
    same = candidates(probabilities=np.tile([0.5, 0.3, 0.2], (40, 1)), embeddings=np.ones((40, 8)))
    assert len(set(picked("badge", same, 6))) == 6
