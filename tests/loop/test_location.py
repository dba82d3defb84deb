"""Where the model looked, in words."""

from __future__ import annotations

import numpy as np
import pytest

from xal.loop.location import NOWHERE, in_body, on_picture, reached, strongest


def spot(shape: tuple[int, ...], *index: int) -> np.ndarray:
    attention = np.zeros(shape, np.float32)
    attention[index] = 1
    return attention


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        (0, 0, "at the upper left"),
        (0, 4, "at the upper edge"),
        (0, 8, "at the upper right"),
        (4, 0, "at the left edge"),
        (4, 4, "at the centre"),
        (4, 8, "at the right edge"),
        (8, 0, "at the lower left"),
        (8, 4, "at the lower edge"),
        (8, 8, "at the lower right"),
        (2, 6, "at the upper right"),
        (3, 5, "at the centre"),
    ],
)
def test_a_picture_is_told_by_rows_and_columns(row: int, column: int, said: str):
    assert on_picture(spot((9, 9), row, column)) == said


@pytest.mark.parametrize(
    ("right", "front", "top", "said"),
    [
        (4, 4, 4, "at the centre"),
        (0, 4, 4, "at the patient's left"),
        (8, 4, 4, "at the patient's right"),
        (8, 4, 8, "at the patient's upper right"),
        (0, 4, 0, "at the patient's lower left"),
        (0, 0, 0, "at the patient's lower left, towards the back"),
        (8, 8, 8, "at the patient's upper right, towards the front"),
        (4, 4, 0, "at the bottom"),
        (4, 4, 8, "at the top"),
        (4, 0, 4, "at the middle, towards the back"),
        (4, 8, 0, "at the bottom, towards the front"),
    ],
)
def test_a_volume_is_told_by_the_patients_sides(right: int, front: int, top: int, said: str):
    assert in_body(spot((9, 9, 9), right, front, top)) == said


def test_the_axes_may_differ_in_length():
    assert on_picture(spot((3, 12), 2, 5)) == "at the lower edge"
    assert in_body(spot((3, 12, 6), 0, 11, 5)) == "at the patient's upper left, towards the front"


def test_of_two_places_the_stronger_one_is_told_not_their_middle():
    attention = 0.9 * spot((9, 9), 0, 0) + spot((9, 9), 8, 8)
    assert on_picture(attention) == "at the lower right"


def test_what_is_weak_does_not_pull():
    attention = np.full((9, 9), 0.4, np.float32)
    attention[8, 0] = 1
    assert on_picture(attention) == "at the lower left"


def test_cells_that_touch_at_a_corner_are_one_place():
    attention = spot((9, 9), 3, 3) + 0.8 * spot((9, 9), 4, 4) + 0.7 * spot((9, 9), 5, 5)
    assert np.argwhere(strongest(attention)).tolist() == [[3, 3], [4, 4], [5, 5]]


@pytest.mark.parametrize("noise", [-1e-7, 0.0, 1e-7])
def test_rounding_does_not_move_the_place(noise: float):
    mirrored = spot((9, 9), 0, 0) + (1 + noise) * spot((9, 9), 0, 8)
    assert on_picture(mirrored) == "at the upper left", "of two as strong the first"
    on_the_line = spot((6, 6), 2, 3) + (1 + noise) * spot((6, 6), 2, 4)
    assert on_picture(on_the_line) == "at the centre"
    half = spot((9, 9), 8, 0) + (0.5 + noise) * spot((9, 9), 8, 1)
    assert strongest(half).sum() == 2
    assert on_picture(np.full((5, 5), 0.7) + noise * spot((5, 5), 0, 0)) == NOWHERE


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_flat_map_looks_nowhere(value: float):
    assert on_picture(np.full((5, 5), value, np.float32)) == NOWHERE
    assert in_body(np.full((5, 5, 5), value, np.float32)) == NOWHERE
    assert not reached(np.full((5, 5), value, np.float32), np.ones((5, 5), np.float32))


def test_an_roi_reaches_the_place_or_does_not():
    attention = spot((9, 9), 8, 0) + 0.3 * spot((9, 9), 8, 1)
    assert reached(attention, 0.1 * spot((9, 9), 8, 0))
    assert not reached(attention, spot((9, 9), 8, 1)), "there is attention, but not its strongest part"
