import math

import numpy as np
import pytest

from xal.method.acquisition import softmax
from xal.model.calibration import Bin, ece, fit_temperature, reliability


def overconfident(count, by, seed=0):
    """Logits that are `by` times as large as the chances that the truth was drawn with."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (count, 4))
    truth = np.array([rng.choice(4, p=p) for p in softmax(honest, 1.0)])
    return honest * by, truth


def right(probabilities, truth):
    return probabilities.argmax(1) == truth


@pytest.mark.parametrize("by", [0.5, 1.0, 3.0])
def test_many_images_give_the_temperature_that_undoes_the_overconfidence(by):
    assert fit_temperature(*overconfident(4000, by)) == pytest.approx(by, rel=0.08)


def test_few_images_move_the_temperature_less_than_many():
    alone, many = (fit_temperature(*overconfident(count, 6.0)) for count in (4, 4000))
    assert 1 < alone < many


def test_a_temperature_has_bounds_and_no_image_means_one():
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, np.int64)) == 1.0
    right = np.tile([900.0, 0.0], (3000, 1))
    assert fit_temperature(right, np.ones(3000, np.int64)) == pytest.approx(10, rel=1e-3)
    sure = np.tile([0.01, 0.0], (200_000, 1))
    assert fit_temperature(sure, np.zeros(200_000, np.int64)) == pytest.approx(0.25, rel=1e-3)


def test_a_temperature_lowers_the_calibration_error_of_other_images_and_keeps_what_is_named():
    logits, truth = overconfident(500, 3.0)
    fresh, fresh_truth = overconfident(500, 3.0, seed=1)
    before, after = (softmax(fresh, t) for t in (1.0, fit_temperature(logits, truth)))
    assert ece(after, right(after, fresh_truth)) < 0.5 * ece(before, right(before, fresh_truth))
    assert np.array_equal(before.argmax(1), after.argmax(1))


def test_logits_of_any_size_become_probabilities():
    extreme = softmax(np.array([[1e6, -1e6, 0.0]]), 1.0)
    assert extreme.tolist() == [[1.0, 0.0, 0.0]]


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.4, 0.6]] * 2)
    correct = np.array([True, True, True, False, True, True])
    assert ece(probabilities, correct) == pytest.approx((4 * 0.2 + 2 * 0.4) / 6)
    bins = reliability(probabilities, correct)
    assert len(bins) == 10
    assert bins[9] == Bin(4, pytest.approx(0.95), 0.75)
    assert bins[6] == Bin(2, pytest.approx(0.6), 1.0)
    assert bins[0] == Bin(0, None, None)
    assert sum(part.count for part in bins) == 6


def test_full_confidence_falls_into_the_last_bin():
    assert reliability(np.array([[1.0, 0.0]]), np.array([True]))[-1].count == 1
    assert math.isclose(ece(np.array([[1.0, 0.0]]), np.array([False])), 1.0)


def test_confidences_on_the_edge_of_two_bins_are_not_parted_by_rounding():
    edge = np.array([0.5, np.nextafter(0.5, 0), np.nextafter(np.float32(0.5), np.float32(0))])
    bins = reliability(np.stack([edge, 0.3 * edge, 0.7 * edge], axis=1), np.array([True, False, True]))
    assert [part.count for part in bins] == [0, 0, 0, 0, 0, 3, 0, 0, 0, 0]
