"""What counts as equal."""

from __future__ import annotations

import numpy as np
import pytest

from xal.rounding import ROUNDING, at_least, largest, levels

ULP = float(np.spacing(np.float32(1)))
"""Of float32, which networks calculate in."""


@pytest.mark.parametrize("size", [1e-3, 1.0, 40.0])
@pytest.mark.parametrize("steps", [-3, -1, 0, 1, 3])
def test_values_some_last_bits_apart_are_equal(size: float, steps: int):
    values = np.array([size, size * (1 + steps * ULP), 0.5 * size])
    assert largest(values) == 0
    assert at_least(values, size).tolist() == [True, True, False]
    assert levels(values).tolist() == [1, 1, 0]


def test_what_differs_by_more_is_told_apart():
    values = np.array([0.5, 0.5 + 3 * ROUNDING, 0.5 - 3 * ROUNDING])
    assert largest(values) == 1
    assert levels(values).tolist() == [1, 2, 0]
    assert at_least(values, 0.5).tolist() == [True, True, False]


def test_the_largest_is_found_in_every_row():
    assert largest(np.array([[0.0, 1.0], [1.0, 1.0 + ULP], [2.0, 1.0]])).tolist() == [1, 0, 0]


def test_levels_order_as_the_values_do_and_do_not_grow_together():
    values = np.random.default_rng(0).random(2000)
    assert (np.diff(levels(values)[np.argsort(values)]) >= 0).all()
    dense = np.arange(1000) * ROUNDING / 2
    assert levels(dense).max() > 300
    assert levels(np.empty(0)).tolist() == []
