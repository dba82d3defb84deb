"""What the demo says and draws of what it measured."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xal.experiments.demo.band import band
from xal.experiments.demo.demo import line, table
from xal.experiments.demo.figure import draw
from xal.experiments.demo.outcome import ARMS, Look, Outcome, Plan, Point, Run, Sight
from xal.experiments.demo.verdict import caveat, verdict

SIGNS = {"more": (3.0, 5.0, 7.0), "less": (-3.0, -5.0, -7.0), "mixed": (6.0, -4.0, 1.0), "none": (0.0, 0.0, 0.0)}


def said(drawing: tuple[float, ...], choosing: tuple[float, ...]) -> str:
    alone = [0.5] * len(drawing)
    outlines = [a + d / 100 for a, d in zip(alone, drawing, strict=True)]
    clinic = [a + c / 100 for a, c in zip(outlines, choosing, strict=True)]
    return verdict(alone, outlines, clinic)


@pytest.mark.parametrize(("drawing", "choosing"), list(itertools.product(SIGNS, SIGNS)))
def test_the_line_says_of_each_change_what_all_seeds_say(drawing: str, choosing: str):
    text = said(SIGNS[drawing], SIGNS[choosing])
    assert "\n" not in text
    clear = {drawing, choosing} & {"more", "less"}
    assert text.startswith(
        "What made the difference: " if clear else "Nothing made a difference that all 3 seeds share: "
    )
    if clear:
        words = {"more": "added points in all 3 seeds", "less": "cost points in all 3 seeds"}
        none = "made none that all seeds share"
        assert f"outlines {words.get(drawing, none)} (" in text
        assert f"choosing by the rule {words.get(choosing, none)} (" in text
    figures = {"more": "+5.0; +3.0 to +7.0", "less": "−5.0; −7.0 to −3.0", "mixed": "+1.0; −4.0 to +6.0"}
    for name, change in (("outlines", drawing), ("choosing by the rule", choosing)):
        assert re.search(rf"{name}[^(]*\({re.escape(figures.get(change, '0.0; 0.0 to 0.0'))}\)", text)
    both = [a + b for a, b in zip(SIGNS[drawing], SIGNS[choosing], strict=True)]
    assert f"Both together: {np.mean(both):+.1f}".replace("-", "−").replace("+0.0", "0.0") in text


def test_one_seed_that_gains_nothing_is_enough_for_no_claim():
    assert "outlines made none that all seeds share (+6.7; 0.0 to +10.0)" in said((10.0, 10.0, 0.0), (1.0, 1.0, 1.0))
    assert said((0.04, 0.04, 0.04), (0.0, 0.0, 0.0)).startswith("Nothing made a difference")


def test_of_one_seed_no_range_is_told():
    text = said((10.0,), (0.0,))
    assert (
        "outlines added points in the one seed (+10.0), and choosing by the rule made none in the one seed (0.0)"
        in text
    )
    assert said((0.0,), (0.0,)).startswith("Nothing made a difference in the one seed: outlines (0.0)")


def test_the_caveat_says_how_often_chance_alone_agrees():
    assert "all 3 still agree in one of 4 comparisons" in caveat(3)
    assert "all 5 still agree in one of 16 comparisons" in caveat(5)
    assert "One seed" in caveat(1)


def test_a_band_is_the_median_and_the_range():
    assert band([[0.1, 0.5], [0.3, 0.4], [0.2, 0.9]]) == ([0.2, 0.5], [0.1, 0.4], [0.3, 0.9])
    assert band([[0.1, 0.5]]) == ([0.1, 0.5], [0.1, 0.5], [0.1, 0.5])


def outcome(seeds: tuple[int, ...] = (0, 1, 2)) -> Outcome:
    """Labels alone stay at 0.5, 0.6, …; outlines add 0.1, and choosing adds nothing."""
    blank = np.zeros((8, 8), np.float32)
    roi = np.zeros((8, 8), bool)
    roi[2:5, 2:5] = True
    runs = [
        Run(
            name,
            seed,
            [Point(n, 40 + 30 * n, 0, False, 0.5 + 0.1 * seed + (0.1 if arm.guided and n else 0), 0.2) for n in (0, 1)],
            {"one": Look("ring", 0.7, blank)},
        )
        for seed in seeds
        for name, arm in ARMS.items()
    ]
    sights = [Sight("one", "ring", np.ones((8, 8), np.float32), roi)]
    return Outcome(Plan(seeds=seeds, rounds=1), 160, 0.25, 0.02, runs, sights, 1.0)


def test_the_table_has_the_median_and_the_range_of_the_seeds():
    rows = [row for row in table(outcome()).splitlines() if row.startswith("a third outlined, by the rule")]
    assert "0.60 (0.50–0.70)   0.70 (0.60–0.80)" in rows[0]
    assert "outlines added points in all 3 seeds (+10.0; +10.0 to +10.0)" in line(outcome())


@pytest.mark.parametrize("seeds", [(0, 1, 2), (5,)])
def test_the_picture_has_a_band_where_there_are_several_seeds(tmp_path: Path, seeds: tuple[int, ...]):
    draw(outcome(seeds), tmp_path / "demo.png")
    with Image.open(tmp_path / "demo.png") as drawn:
        grey = np.asarray(drawn.convert("RGB"))[150:350, 200:450].reshape(-1, 3)
    shades = {tuple(colour) for colour in grey.tolist()}
    assert (len(shades) > 3) or len(seeds) == 1
