"""Names at the ends of curves stay apart and near their curves."""

from __future__ import annotations

import numpy as np
import pytest

from xal.experiments.report.style import apart


def test_values_that_are_apart_stay_where_they_are():
    assert apart([0.9, 0.1, 0.5], 0.2) == [0.9, 0.1, 0.5]


def test_a_crowd_is_spread_about_its_middle_in_its_order():
    assert apart([0.50, 0.52, 0.51], 0.1) == pytest.approx([0.41, 0.61, 0.51])


def test_a_crowd_that_grows_into_a_neighbour_takes_it_in():
    placed = apart([0.0, 0.0, 0.12], 0.1)
    assert np.diff(placed) == pytest.approx([0.1, 0.1])
    assert np.mean(placed) == pytest.approx(0.04)


def test_nothing_and_one():
    assert apart([], 1.0) == []
    assert apart([3.0], 1.0) == [3.0]
