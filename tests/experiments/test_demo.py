import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xal.datasets.phantom import PLANS, plan_rows
from xal.errors import XalError
from xal.experiments.demo import arm as arms
from xal.experiments.demo import pool
from xal.experiments.demo.arm import run_arm, task_of
from xal.experiments.demo.band import band
from xal.experiments.demo.demo import demo, line, table
from xal.experiments.demo.figure import draw
from xal.experiments.demo.outcome import ARMS, TRAP, Look, Outcome, Plan, Point, Run, Sight
from xal.experiments.demo.reader import SimulatedReader
from xal.experiments.demo.verdict import caveat, verdict
from xal.loop.outlining import wants_outline
from xal.pool.project import Project
from xal.task import AcquisitionSettings, TrainingSettings

TINY = {"max_epochs": 1, "min_steps": 2}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools of 48 images, four of each finding in the start set."""
    monkeypatch.setattr(pool, "_PLAN", replace(PLANS["2d"], per_finding=(12,) * 4, start=(4,) * 4))


# a run


@pytest.mark.usefixtures("small")
def test_an_arm_reads_what_it_is_asked_to_and_is_measured_after_every_round(tmp_path: Path):
    pool.write_images(tmp_path, 3, 2)
    plan = Plan(seeds=(3,), rounds=1, labels=8, test_per_finding=2, training=TINY)
    told: list[Point] = []
    runs = {name: run_arm(tmp_path, name, 3, plan, told.append) for name in ARMS}
    assert [point for run in runs.values() for point in run.points] == told
    for name, run in runs.items():
        assert [point.labels for point in run.points] == [16, 24]
        assert all(0 <= point.accuracy <= 1 and 0 <= point.energy <= 1 for point in run.points)
        assert len(run.looks) == 3
        counts = [point.outlines for point in run.points]
        assert counts == [0, 0] if name == "alone" else 0 < counts[0] <= counts[1] < 24
    assert runs["outlines"].points[0] == runs["clinic"].points[0], "both begin with the same model"
    read = {name: set(by_reader(tmp_path / name, name)) for name in ARMS}
    assert read["alone"] == read["outlines"], "chance is the same for both"


def by_reader(studies: Path, name: str) -> list[str]:
    project = Project.open(task_of(ARMS[name], 3, TINY), str(studies))
    return [image.image.id for image in project.store.annotations.settled()]


@pytest.mark.usefixtures("small")
def test_the_reader_outlines_where_it_is_wanted_and_else_names_the_finding_alone(tmp_path: Path):
    pool.write_images(tmp_path, 0, 2)
    images = pool.read_images(tmp_path, pool.POOL)
    project = Project.open(task_of(ARMS["clinic"], 0, {}), str(images.studies))
    project.sync()
    reader = SimulatedReader(project, images.truth)
    while reader.read_next():
        pass
    assert reader.read == 48
    for settled in project.store.annotations.settled():
        known, (annotation,) = images.truth[settled.image.id], settled.annotations
        assert settled.finding == known.finding
        wanted = wants_outline(project, settled.image)
        roi = known.roi()
        assert annotation.roi_voxels == (roi.sum() if wanted and roi is not None else 0)
    assert 4 <= reader.outlined <= 24, "about a third of the 36 with a lesion"


@pytest.mark.usefixtures("small")
def test_an_arm_that_has_nothing_left_to_read_says_so(tmp_path: Path):
    pool.write_images(tmp_path, 0, 2)
    plan = Plan(seeds=(0,), rounds=1, labels=40, test_per_finding=2, training=TINY)
    with pytest.raises(XalError, match="nothing is left to read after 48 images"):
        run_arm(tmp_path, "alone", 0, plan, lambda point: None)


def test_the_clinic_has_the_settings_that_ship_and_the_other_arms_differ_in_one_thing_each():
    clinic, outlines, alone = (task_of(ARMS[name], 0, {}) for name in ("clinic", "outlines", "alone"))
    assert clinic.acquisition == AcquisitionSettings()
    shipped = TrainingSettings()
    assert (clinic.training.guidance, clinic.training.guidance_kind) == (shipped.guidance, shipped.guidance_kind)
    assert (clinic.outline.share, outlines.outline.share, alone.outline.share) == (0.33, 0.33, 0)
    assert outlines.model_copy(update={"acquisition": clinic.acquisition}) == clinic
    assert (alone.training.guidance, alone.training.roi) == (0, 0)
    assert alone.acquisition == outlines.acquisition
    assert clinic.name == arms.TASK


def test_no_seed_shares_a_patient_with_another_nor_with_its_test_images():
    patients = [{row.group for row in plan_rows("2d", number)} for number in range(7)]
    assert not any(a & b for a, b in itertools.combinations(patients, 2))
    images = [{row.seed for row in plan_rows("2d", number)} for number in range(7)]
    assert not any(a & b for a, b in itertools.combinations(images, 2))


def test_on_the_test_images_the_mark_says_nothing(tmp_path: Path):
    pool.write_images(tmp_path, 0, 4)
    test = pool.read_images(tmp_path, pool.TEST)
    marks = [row.split(",") for row in (tmp_path / "test" / "truth" / "truth.csv").read_text().splitlines()[1:]]
    assert len(test.truth) == 16
    for finding in PLANS["2d"].findings:
        assert sum(mark == said == finding for _, said, _, mark in marks) == 1, "one in four, as by chance"


# what is said

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


# the whole


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_short_demo_ends_in_a_table_a_line_and_a_picture(tmp_path: Path):
    spoken: list[str] = []
    plan = Plan(seeds=(0, 1), rounds=1, labels=4, training=TINY)
    picture = demo(tmp_path, plan, spoken.append)
    text = "\n".join(spoken)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert str(picture) in text
    assert TRAP in text
    assert "[12/12]" in text, "each round is told when it is over"
    assert caveat(2) in text
    assert re.search(r"^(What made the difference|Nothing made a difference)", text, re.MULTILINE)
    runs = json.loads((tmp_path / "demo.json").read_text())["runs"]
    assert [(run["arm"], run["seed"]) for run in runs] == [(name, seed) for seed in (0, 1) for name in ARMS]


@pytest.mark.slow
def test_what_ends_a_run_ends_the_demo_and_is_told(tmp_path: Path):
    plan = Plan(seeds=(0,), rounds=1, labels=4, test_per_finding=1, training={"max_epochs": 0})
    with pytest.raises(ValueError, match="max_epochs"):
        demo(tmp_path, plan, lambda text: None)
