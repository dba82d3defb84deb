import math

import numpy as np
import pytest
import torch
from synthetic import BAR, DOT, NONE, make_cases, make_task

from xal.model.judging import Evaluation, accuracy_interval, evaluate, roc_area
from xal.model.network import build

CPU = torch.device("cpu")


def judged(logits, truth, temperature=1.0):
    logits, nothing = np.array(logits, float).reshape(len(truth), 3), (None,) * len(truth)
    ids = tuple(str(i) for i in range(len(truth)))
    return Evaluation(ids, (DOT, BAR, NONE), np.array(truth, np.int64), logits, temperature, nothing, nothing, nothing)


def test_recall_is_given_for_each_finding_that_occurs():
    evaluation = judged([[2, 0, 0], [0, 2, 0], [0, 2, 0], [0, 2, 0]], [0, 0, 1, 1])
    assert evaluation.recall == {DOT: 0.5, BAR: 1.0, NONE: None}


def test_auroc_is_the_mean_chance_that_a_case_of_a_finding_scores_above_the_rest():
    logits = np.log([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7]])
    dot = (1 + 1 + 0 + 0.5) / 4  # .6 and .2, each against .3 and .2
    assert judged(logits, [0, 0, 1, 2]).auroc == pytest.approx((dot + 1 + 1) / 3)
    assert judged(logits[:1], [0]).auroc is None


@pytest.mark.parametrize("to", [0, 1])
def test_scores_that_differ_by_rounding_alone_are_a_tie_in_the_auroc(to):
    positive, score = np.array([True, False]), np.float64(0.3)
    for steps in range(1, 4):
        other = score
        for _ in range(steps):
            other = np.nextafter(other, to)
        assert roc_area(np.array([score, other]), positive) == 0.5
    assert roc_area(np.array([score, np.float64(np.nextafter(np.float32(score), np.float32(to)))]), positive) == 0.5


@pytest.mark.parametrize("noise", [-1e-6, 0.0, 1e-6])
def test_a_model_that_tells_nothing_apart_has_an_auroc_of_one_half_on_every_processor(noise):
    logits = np.zeros((6, 3))
    logits[::2] += [noise, 0, -noise]
    tied = judged(logits, [0, 1, 2, 0, 1, 2])
    assert tied.auroc == 0.5
    assert tied.recall == {DOT: 1.0, BAR: 0.0, NONE: 0.0}, "of findings that tie the first is named"
    assert tied.ece() == pytest.approx(0, abs=1e-6)


def test_an_auroc_tells_apart_what_a_sure_model_says_of_two_cases():
    assert judged([[18, 0, 0], [16, 0, 0]], [0, 1]).auroc == 1.0


def test_a_temperature_changes_how_sure_the_model_is_but_not_what_it_names():
    logits = [[4, 0, 0], [3, 0, 1], [0, 5, 0]]
    sharp, soft = (judged(logits, [0, 1, 1], temperature) for temperature in (1.0, 4.0))
    assert soft.probabilities.max() < sharp.probabilities.max()
    assert np.array_equal(soft.correct, sharp.correct)
    before, after = sharp.metrics(), soft.metrics()
    assert before["ece_raw"] == after["ece_raw"] == before["ece"] != after["ece"]
    assert before["log_loss_raw"] == after["log_loss_raw"] == before["log_loss"] != after["log_loss"]
    assert (before["temperature"], after["temperature"]) == (1.0, 4.0)


def test_without_a_case_there_is_nothing_to_measure():
    metrics = judged([], []).metrics()
    assert metrics["auroc"] is metrics["ece"] is metrics["ece_raw"] is metrics["log_loss_raw"] is None
    assert metrics["recall"] == {DOT: None, BAR: None, NONE: None}


def test_an_evaluation_says_what_reading_says():
    torch.manual_seed(0)
    task = make_task()
    network = build(task)
    network.temperature.fill_(2.5)
    cases = make_cases(6)
    evaluation = evaluate(network, task, cases, CPU)
    assert evaluation.temperature == 2.5
    with torch.no_grad():
        logits = network.eval()(torch.stack([case.tensor for case in cases])).logits
    assert np.allclose(evaluation.probabilities, (logits / 2.5).softmax(1), atol=1e-6)
    assert math.isclose(evaluation.losses.mean(), evaluation.metrics()["log_loss"])


def test_more_images_say_an_accuracy_more_exactly():
    few = accuracy_interval({"a": 0.8, "b": 0.6}, {"a": 5, "b": 5})
    many = accuracy_interval({"a": 0.8, "b": 0.6}, {"a": 500, "b": 500})
    assert few[0] < many[0] < 0.7 < many[1] < few[1]
    assert many[1] - many[0] == pytest.approx(2 * 1.96 * (0.8 * 0.2 + 0.6 * 0.4) ** 0.5 / 500**0.5 / 2, rel=0.05)


def test_all_of_few_right_is_not_certain():
    low, high = accuracy_interval({"a": 1.0, "b": 1.0}, {"a": 5, "b": 5})
    assert 0.6 < low < 0.9
    assert high < 1


def test_a_finding_that_does_not_occur_says_nothing():
    assert accuracy_interval({"a": None, "b": 0.5}, {"a": 0, "b": 10}) == accuracy_interval({"b": 0.5}, {"b": 10})
    assert accuracy_interval({"a": None}, {"a": 0}) is None
