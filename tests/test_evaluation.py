import math

import numpy as np
import pytest
import torch
from synthetic import BAR, DOT, NONE, make_cases, make_task

from xal.evaluation import Evaluation, evaluate
from xal.network import build

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
