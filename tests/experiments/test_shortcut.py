"""A shortcut in the images of a simulation, and ROIs that are known before anything is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from harness.simulation import write_set, write_simulation

from xal.errors import TaskError
from xal.experiments.run.config import Arm, Shortcut, Simulation, load_simulation
from xal.experiments.run.digest import run_digest
from xal.experiments.run.patterns import box, frames
from xal.experiments.run.predictions import predict_pool
from xal.experiments.run.prepared import Prepared, prepare_set
from xal.experiments.run.rows import read_run, run_file
from xal.experiments.run.run import outlined_before
from xal.experiments.run.shortcut import contradicting, with_shortcut
from xal.experiments.run.simulate import Wish, simulate
from xal.experiments.run.split import Split, split
from xal.model.network import build
from xal.task import TASKS

SHORTCUT = Shortcut(agreement=0.9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set, and a simulation on it."""
    place = tmp_path_factory.mktemp("shortcut")
    write_set(place)
    return place


@pytest.fixture(scope="module")
def plan(folder: Path) -> Simulation:
    """It has no shortcut yet."""
    return load_simulation(write_simulation(folder))


@pytest.fixture(scope="module")
def data(plan: Simulation) -> Prepared:
    """Its images."""
    return prepare_set(plan.studies, plan.load_task("uniform", TASKS))


@pytest.fixture(scope="module")
def parts(plan: Simulation, data: Prepared) -> Split:
    """What its first seed makes of them."""
    return split(data.findings, data.groups, plan, 0)


def others(data: Prepared, parts: Split) -> np.ndarray:
    return np.setdiff1d(np.arange(len(data.ids)), parts.test)


@pytest.mark.parametrize("findings", [2, 3, 7, 14])
def test_every_finding_has_a_pattern_that_no_turn_or_mirror_makes_anothers(findings: int):
    seen = [frames(finding, findings, (24, 24)) for finding in range(findings)]
    assert len({pattern.tobytes() for pattern in seen}) == findings
    for pattern in seen:
        assert pattern.any()
        for same in (pattern[::-1], pattern[:, ::-1], pattern.T):
            assert (same == pattern).all()


def test_in_all_but_the_test_set_it_agrees_as_often_as_is_said(data: Prepared, parts: Split):
    rest = others(data, parts)
    for agreement in (0.0, 1.0):
        against = contradicting(with_shortcut(data, Shortcut(agreement=agreement), parts.test), rest)
        assert against.mean() == 1 - agreement
    marked = with_shortcut(data, SHORTCUT, parts.test)
    assert 0 < contradicting(marked, rest).mean() < 0.25
    assert 0.4 < contradicting(marked, parts.test).mean() < 0.95, "of three findings two are wrong by chance"
    assert not contradicting(data, rest).any()


def test_an_image_has_the_same_pattern_in_every_run_and_nothing_else_is_changed(data: Prepared, parts: Split):
    marked = with_shortcut(data, SHORTCUT, parts.test)
    positions = np.array([7, 3, 40])
    images = marked.inputs(positions)
    assert (images == with_shortcut(data, SHORTCUT, parts.test).inputs(positions)).all()
    assert marked.patterns is not None
    for image, plain, position in zip(images, data.inputs(positions), positions, strict=True):
        where = (slice(None), *box(image.shape[1:], int(marked.patterns.corners[position]), SHORTCUT.side))
        assert not (image[where] == plain[where]).all()
        assert set(np.unique(image[where])) <= {plain.min(), plain.max()}
        image[where] = plain[where]
        assert (image == plain).all()
        assert (torch.from_numpy(plain) == data.case(int(position)).tensor).all()
    assert (marked.case(7).tensor.numpy() == marked.inputs(positions)[0]).all()


def test_the_pattern_lies_where_the_lesion_does_not(data: Prepared, parts: Split):
    rois = np.zeros_like(data.rois)
    size = rois.shape[1:]
    for corner in (0, 1, 2):
        rois[(slice(None), *box(size, corner, SHORTCUT.side))] = 1
    marked = with_shortcut(replace(data, rois=rois), SHORTCUT, parts.test)
    assert marked.patterns is not None
    assert set(marked.patterns.corners) == {3}
    free = with_shortcut(replace(data, rois=np.zeros_like(rois)), SHORTCUT, parts.test)
    assert free.patterns is not None
    assert set(free.patterns.corners) == {0, 1, 2, 3}


def test_volumes_have_eight_corners():
    places = {tuple(part.start for part in box((32, 32, 16), corner, 0.25)) for corner in range(8)}
    assert len(places) == 8
    assert frames(0, 2, (8, 8, 4)).shape == (8, 8, 4)


def test_rows_tell_how_the_pattern_misled_and_old_ones_keep_their_digest(folder: Path, data: Prepared):
    config = write_simulation(folder, shortcut={"agreement": 0.9}, arms={"uniform": {"method": "uniform"}}, headline=[])
    plan = load_simulation(config)
    assert simulate(plan, config.with_suffix(""), TASKS, Wish(device="cpu")) == 1
    run = read_run(run_file(config.with_suffix(""), "uniform", 0))
    assert run is not None
    assert run.complete
    for row in run.rounds:
        assert row.shortcut is not None
        assert row.shortcut.contradicted is not None
        assert 0 <= row.shortcut.chosen <= 1
        assert row.pool is not None
        assert row.pool.contradicting is not None
        assert row.pool.surely_wrong is not None
    task = plan.load_task("uniform", TASKS)
    plain = plan.model_copy(update={"shortcut": None})
    weaker = plan.model_copy(update={"shortcut": Shortcut(agreement=0.8)})
    digests = {run_digest(one, "uniform", task, data.digest) for one in (plan, plain, weaker)}
    assert len(digests) == 3
    before = plain.model_copy(update={"arms": {"uniform": Arm(method="uniform", outlined_before=0.1)}})
    assert run_digest(before, "uniform", task, data.digest) not in digests


def test_what_is_outlined_before_counts_as_drawn_and_more_of_it_includes_the_fewer(data: Prepared, parts: Split):
    def known(share: float) -> np.ndarray:
        return outlined_before(data, parts, Arm(method="xal", outlined_before=share), 0)

    lesions = parts.pool[data.areas[parts.pool] > 0]
    assert len(known(0)) == 0
    assert sorted(known(1)) == sorted(lesions)
    assert len(known(0.5)) == round(0.5 * len(lesions))
    assert set(known(0.25)) < set(known(0.5))
    torch.manual_seed(0)
    task, device = data.task, torch.device("cpu")
    network = build(task)
    no_stand_in = task.model_copy(update={"acquisition": task.acquisition.model_copy(update={"stand_in": ()})})
    pool = predict_pool(network, data, parts.pool, "proposed", no_stand_in, 0, device, known(0.5))
    drawn = np.isin(parts.pool, known(0.5))
    assert (np.isnan(pool.misalignment) == ~drawn).all()
    true = predict_pool(network, data, parts.pool, "oracle", no_stand_in, 0, device)
    assert pool.misalignment[drawn].tolist() == true.oracle[drawn].tolist()


def test_what_is_outlined_before_trains_the_roi_head_where_the_arm_says_so(folder: Path, data: Prepared):
    before = {"method": "uniform", "outlined": 0.34, "outlined_before": 1}
    arms = {"uniform": before, "taught": {**before, "regions_train": True}}
    config = write_simulation(folder, arms=arms, headline=[])
    plan = load_simulation(config)
    rows = config.with_name("regions")
    rows.mkdir()
    assert simulate(plan, rows, TASKS, Wish(device="cpu")) == 2
    plain, taught = (read_run(run_file(rows, arm, 0)).rounds for arm in arms)
    assert [row.picked for row in plain] == [row.picked for row in taught]
    lesions = len(outlined_before(data, split(data.findings, data.groups, plan, 0), Arm(**before), 0))
    own = np.concatenate([taught[0].picked, taught[1].picked, taught[2].picked])
    known = [int((data.areas[own[:count]] > 0).sum()) for count in (9, 15, 21)]
    in_start = known[0]
    assert [row.only_outlined for row in taught] == [lesions - (count - in_start) for count in known]
    assert [row.only_outlined for row in plain] == [None] * 3
    for few, more in zip(plain[1:], taught[1:], strict=True):
        assert more.outlines > few.outlines, "what was outlined before guides once it is labelled"
    assert plain[0].log_loss != taught[0].log_loss
    assert plain[-1].proposed is None, "too few ROIs were learnt"
    proposed = taught[-1].proposed
    assert proposed is not None
    assert 0 <= proposed.dice <= 1
    assert proposed.where_nothing_is is not None
    task = plan.load_task("uniform", TASKS)
    assert len({run_digest(plan, arm, task, data.digest) for arm in arms}) == 2


def test_rois_that_nobody_drew_before_cannot_train(folder: Path):
    arms = {"uniform": {"method": "uniform", "regions_train": True}}
    with pytest.raises(TaskError, match="regions_train"):
        load_simulation(write_simulation(folder, arms=arms))


def test_an_arm_that_knows_all_rois_has_none_to_be_outlined_before(folder: Path):
    arms = {"uniform": {"method": "uniform"}, "xal": {"method": "xal", "roi": "oracle", "outlined_before": 0.5}}
    with pytest.raises(TaskError, match="outlined_before"):
        load_simulation(write_simulation(folder, arms=arms))
