"""Agreement: kappa against numbers worked out by hand, Dice, and pairs of readers whichever comes first."""

from __future__ import annotations

import numpy as np
import pytest

from xal.method.agreement import Pair, Together, cohens_kappa, dice, overall, pairs


def test_kappa_of_the_textbook_table():
    said = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    assert cohens_kappa(said) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_kappa_of_three_findings_of_which_one_reader_never_says_the_third():
    said = {("a", "a"): 4, ("b", "b"): 3, ("c", "a"): 2, ("c", "b"): 1}
    expected = (4 * 6 + 3 * 4 + 3 * 0) / 100
    assert cohens_kappa(said) == pytest.approx((0.7 - expected) / (1 - expected))


def test_kappa_is_one_in_full_agreement_and_minus_one_where_two_always_swap():
    assert cohens_kappa({("a", "a"): 3, ("b", "b"): 2}) == 1
    assert cohens_kappa({("a", "b"): 3, ("b", "a"): 3}) == -1


def test_kappa_is_zero_where_chance_explains_everything():
    assert cohens_kappa({("a", "a"): 5, ("a", "b"): 5}) == pytest.approx(0)


def test_without_images_there_is_no_kappa_and_one_finding_always_is_full_agreement():
    assert cohens_kappa({}) is None
    assert cohens_kappa({("a", "a"): 7}) == 1


def test_dice_of_two_masks():
    one, other = np.zeros((4, 4, 1), bool), np.zeros((4, 4, 1), bool)
    assert dice(one, other) == 1
    one[:2] = True
    assert dice(one, other) == 0
    other[1:3] = True
    assert dice(one, other) == 0.5
    assert dice(one, one) == 1


def test_a_pair_is_the_same_whoever_handed_in_first():
    rows = [Together("bob", "ann", ("x", "y"), 2, 0, 0.0), Together("ann", "bob", ("y", "x"), 3, 0, 0.0)]
    swapped = [Together("ann", "bob", ("y", "x"), 5, 0, 0.0)]
    assert pairs(rows) == pairs(swapped) == [Pair("ann", "bob", 5, 0.0, 0, None)]


def test_pairs_count_their_own_images_and_average_their_own_outlines():
    rows = [
        Together("ann", "bob", ("x", "x"), 3, 2, 1.2),
        Together("ann", "bob", ("y", "y"), 1, 1, 0.9),
        Together("bob", "cy", ("x", "y"), 4, 0, 0.0),
    ]
    first, second = pairs(rows)
    assert (first.one, first.other, first.images, first.outlined) == ("ann", "bob", 4, 3)
    assert (first.kappa, first.dice) == (1, pytest.approx(0.7))
    assert (second.one, second.other, second.images, second.dice) == ("bob", "cy", 4, None)


def test_the_whole_weighs_pairs_by_what_stands_behind_them():
    found = [Pair("a", "b", 9, 1.0, 1, 0.2), Pair("a", "c", 1, 0.0, 3, 0.6), Pair("b", "c", 5, 1.0, 0, None)]
    kappa, mean = overall(found)
    assert kappa == pytest.approx(14 / 15)
    assert mean == pytest.approx((0.2 + 1.8) / 4)
    assert overall([]) == (None, None)
