import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from xal.datasets.phantom import PLANS, plan_rows
from xal.errors import XalError
from xal.experiments.demo import arm as arms
from xal.experiments.demo import pool
from xal.experiments.demo.arm import run_arms, task_of
from xal.experiments.demo.demo import demo
from xal.experiments.demo.outcome import ALIKE, ARMS, TRAP, ArmName, Plan, Point
from xal.experiments.demo.reader import SimulatedReader
from xal.experiments.demo.verdict import caveat
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
    told: list[tuple[ArmName, Point]] = []
    runs = [run for names in ALIKE for run in run_arms(tmp_path, names, 3, plan, lambda *news: told.append(news))]
    assert [(run.arm, point) for run in runs for point in run.points] == told
    runs = {run.arm: run for run in runs}
    assert set(runs) == set(ARMS)
    for name, run in runs.items():
        assert [point.labels for point in run.points] == [16, 24]
        assert all(0 <= point.accuracy <= 1 and 0 <= point.energy <= 1 for point in run.points)
        assert len(run.looks) == 3
        counts = [point.outlines for point in run.points]
        assert counts == [0, 0] if name == "alone" else 0 < counts[0] <= counts[1] < 24
    again = run_arms(tmp_path, ["clinic"], 3, plan, lambda *news: None)[0]
    assert again.points == runs["clinic"].points, "as if it had read and learnt the start set itself"
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
    read = project.store.annotations.settled()
    assert len(read) == 48
    for settled in read:
        known, (annotation,) = images.truth[settled.image.id], settled.annotations
        assert settled.finding == known.finding
        wanted = wants_outline(project, settled.image)
        roi = known.roi()
        assert annotation.roi_voxels == (roi.sum() if wanted and roi is not None else 0)
    outlined = sum(settled.annotations[0].roi_voxels > 0 for settled in read)
    assert 4 <= outlined <= 24, "about a third of the 36 with a lesion"


@pytest.mark.usefixtures("small")
def test_an_arm_that_has_nothing_left_to_read_says_so(tmp_path: Path):
    pool.write_images(tmp_path, 0, 2)
    plan = Plan(seeds=(0,), rounds=1, labels=40, test_per_finding=2, training=TINY)
    with pytest.raises(XalError, match="nothing is left to read after 32 of 40 images"):
        run_arms(tmp_path, ["alone"], 0, plan, lambda *news: None)


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


# the whole


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
    assert [(run["arm"], run["seed"]) for run in runs] == [(name, seed) for name in ARMS for seed in (0, 1)]


def test_what_ends_a_run_ends_the_demo_and_is_told(tmp_path: Path):
    plan = Plan(seeds=(0,), rounds=1, labels=4, test_per_finding=1, training={"max_epochs": 0})
    with pytest.raises(ValueError, match="max_epochs"):
        demo(tmp_path, plan, lambda text: None)
