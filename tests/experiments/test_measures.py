"""What is measured of a network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic import make_cases, make_task

from xal.experiments.run.measures import correlation, faithfulness
from xal.model.network import build
from xal.model.training import train
from xal.task import Task

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def task() -> Task:
    return make_task(max_epochs=7, guidance=3.0)


@pytest.mark.slow
def test_what_the_network_attends_to_is_what_it_needs(task: Task):
    trained = train(task, make_cases(60), [], task.training, CPU, lambda _: None, lambda: False).network
    deletion, insertion = faithfulness(trained, [case for case in make_cases(30, seed=1) if case.roi is not None], task)
    assert 0 <= deletion < insertion <= 1


def test_images_are_taken_a_few_at_a_time_and_the_figures_stay_the_same(task: Task, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    network, cases = build(task), make_cases(7)
    at_once = faithfulness(network, cases, task)
    monkeypatch.setattr("xal.experiments.run.measures.BATCH", 2)
    assert faithfulness(network, cases, task) == pytest.approx(at_once)
    assert faithfulness(network, [], task) == (None, None)


def test_cells_of_equal_attention_go_in_the_same_order_whatever_rounding_says(
    task: Task, monkeypatch: pytest.MonkeyPatch
):
    torch.manual_seed(0)
    network, cases = build(task), make_cases(4)
    found = []
    for noise in (0.0, 1e-7):
        maps = 0.5 + noise * torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(0))
        monkeypatch.setattr("xal.experiments.run.measures.upsample", lambda _maps, _size, maps=maps: maps)
        found.append(faithfulness(network, cases, task))
    assert found[0] == pytest.approx(found[1], abs=1e-7)


def test_a_correlation_that_says_nothing_is_none():
    rising = np.arange(20.0)
    assert correlation(rising, rising**3) == pytest.approx(1)
    assert correlation(rising, np.ones(20)) is None
    assert correlation(rising, 1 + 1e-7 * rising) is None, "rounding is no order"
    assert correlation(rising[:9], rising[:9]) is None
    assert correlation(np.where(rising < 12, np.nan, rising), rising) is None
