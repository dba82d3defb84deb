"""`xal simulate` on a small set: what is learnt from, what is written, and what an interruption costs."""

from __future__ import annotations

import fcntl
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from harness.simulation import write_set, write_simulation

from xal.cli import main
from xal.errors import TaskError, XalError
from xal.experiments.run.config import load_simulation
from xal.experiments.run.predictions import _oracle, _wrong_rois, predict_pool
from xal.experiments.run.prepared import prepare_set
from xal.experiments.run.rows import Run, read_run, run_file
from xal.experiments.run.run import drawn_of
from xal.experiments.run.simulate import Wish, simulate
from xal.experiments.run.split import split
from xal.imaging.images import read_image
from xal.model.network import build
from xal.task import TASKS


def go(config: Path, **wish) -> int:
    return simulate(load_simulation(config), config.with_suffix(""), TASKS, Wish(device="cpu", **wish))


def run_of(config: Path, arm: str, seed: int = 0) -> Run:
    run = read_run(run_file(config.with_suffix(""), arm, seed))
    assert run is not None
    return run


MISALIGNED = {"method": "uniform", "outlined": 0.34, "outline": "misalignment"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulation of seven arms that was run to its end."""
    folder = tmp_path_factory.mktemp("simulation")
    write_set(folder)
    arms = {
        "uniform": {"method": "uniform"},
        "xal": {"method": "xal"},
        "oracle": {"method": "xal", "roi": "oracle"},
        "unguided": {"method": "uniform", "task": {"training": {"guidance": 0}}},
        "full": {"method": "uniform", "everything": True},
        "third": {"method": "uniform", "outlined": 0.34},
        "misaligned": MISALIGNED,
    }
    config = write_simulation(folder, arms=arms, ceiling="full")
    assert go(config) == 7
    return config


def test_every_round_is_written_with_its_labels(finished: Path):
    run = run_of(finished, "xal")
    assert run.complete
    assert [row.labels for row in run.rounds] == [9, 15, 21]
    assert [len(row.picked) for row in run.rounds] == [9, 6, 6]
    picked = [i for row in run.rounds for i in row.picked]
    assert len(set(picked)) == 21
    for row in run.rounds:
        assert 0 <= row.balanced_accuracy <= 1
        assert row.outlines < row.labels  # a third shows nothing


def test_what_is_picked_comes_from_the_pool_and_never_from_what_judges(finished: Path):
    plan = load_simulation(finished)
    data = prepare_set(plan.studies, plan.load_task("xal", TASKS))
    divided = split(data.findings, data.groups, plan, 0)
    for arm in ("uniform", "xal", "oracle"):
        rows = run_of(finished, arm).rounds
        assert sorted(rows[0].picked) == sorted(divided.start.tolist())
        assert {i for row in rows[1:] for i in row.picked} <= set(divided.pool.tolist())


def test_arms_that_train_alike_begin_with_the_very_same_model(finished: Path):
    uniform, xal, unguided = (run_of(finished, arm).rounds[0] for arm in ("uniform", "xal", "unguided"))
    assert uniform.picked == xal.picked == unguided.picked
    assert uniform.log_loss == xal.log_loss
    assert uniform.log_loss != unguided.log_loss
    assert uniform.pool == xal.pool


def test_the_ceiling_is_one_training_on_everything(finished: Path):
    run = run_of(finished, "full")
    assert [row.labels for row in run.rounds] == [run.header.images["pool"] + run.header.images["start"]]


def test_of_a_batch_a_share_is_outlined_and_the_images_stay_those_of_the_arm_that_outlines_all(finished: Path):
    whole, third, misaligned = (run_of(finished, arm).rounds for arm in ("uniform", "third", "misaligned"))
    for all_drawn, any_third, worst_third in zip(whole, third, misaligned, strict=True):
        assert all_drawn.picked == any_third.picked == worst_third.picked
        assert all_drawn.drawn is None
        for row in (any_third, worst_third):
            assert row.drawn is not None
            assert len(row.drawn) == round(0.34 * len(row.picked))
            assert set(row.drawn) < set(row.picked)
    assert third[0].drawn == misaligned[0].drawn, "before the first model nothing is known of the images"
    assert third[1].outlines < whole[1].outlines
    assert third[0].log_loss != whole[0].log_loss


def test_the_most_misaligned_are_outlined_first_in_the_order_of_the_batch():
    picked, wrong = np.array([40, 10, 30, 20, 50]), np.array([0.1, 0.9, 0.8, 0.2, 0.8])
    assert drawn_of(picked, 0.6, np.random.default_rng(0), wrong).tolist() == [10, 30, 50]
    by_chance = {tuple(drawn_of(picked, 0.4, np.random.default_rng(seed))) for seed in range(20)}
    assert len(by_chance) > 5
    nearly = 0.5 + np.array([0, 1e-7, 2e-7, 3e-7, 4e-7])
    assert len({tuple(drawn_of(picked, 0.4, np.random.default_rng(seed), nearly)) for seed in range(20)}) > 5
    assert drawn_of(picked, 1.0, np.random.default_rng(0)).tolist() == picked.tolist()
    assert drawn_of(picked, 0.0, np.random.default_rng(0)).tolist() == []


def test_attention_is_measured_beside_attention_that_knows_nothing(finished: Path):
    run = run_of(finished, "xal")
    assert set(run.header.baselines) == {"uniform", "centre", "untrained"}
    covered = run.header.baselines["uniform"].energy
    assert 0 < covered < 0.3
    attention = run.rounds[-1].attention
    assert attention is not None
    assert attention.deletion is not None
    assert attention.insertion is not None


def test_the_first_picks_are_kept_for_the_picture(finished: Path):
    look = np.load(finished.with_suffix("") / "looks" / "xal-0.npz")
    assert look["picked"].tolist() == list(run_of(finished, "xal").rounds[1].picked)
    assert look["attention"].shape[0] == 6


def test_a_finished_simulation_has_nothing_left_to_do(finished: Path):
    before = {path: path.read_bytes() for path in finished.with_suffix("").glob("*.jsonl")}
    assert go(finished) == 0
    assert {path: path.read_bytes() for path in finished.with_suffix("").glob("*.jsonl")} == before


def results(run: Run) -> list[dict[str, object]]:
    """All of a run that chance and clock do not change."""
    return [json.loads(row.model_dump_json(exclude={"seconds"})) for row in run.rounds]


@pytest.mark.parametrize(("arm", "lines"), [("xal", 1), ("xal", 2), ("xal", 3), ("misaligned", 3)])
def test_a_run_that_was_cut_off_goes_on_to_the_same_end(finished: Path, tmp_path: Path, arm: str, lines: int):
    write_set(tmp_path)
    arms = {"uniform": {"method": "uniform"}, "xal": {"method": "xal"}, "misaligned": MISALIGNED}
    config = write_simulation(tmp_path, arms=arms)
    whole = run_file(finished.with_suffix(""), arm, 0).read_bytes().split(b"\n")
    folder = config.with_suffix("")
    folder.mkdir()
    run_file(folder, arm, 0).write_bytes(b"\n".join(whole[:lines]) + b'\n{"kind":"rou')
    assert go(config, arms=[arm]) == 1
    assert results(run_of(config, arm)) == results(run_of(finished, arm))


def test_two_commands_do_not_write_one_run(tmp_path: Path):
    write_set(tmp_path)
    config = write_simulation(tmp_path, arms={"uniform": {"method": "uniform"}}, headline=[])
    file = run_file(config.with_suffix(""), "uniform", 0)
    file.parent.mkdir()
    with file.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(XalError, match="another process is at work"):
            go(config)


def test_rows_of_other_settings_are_not_continued(finished: Path):
    changed = finished.read_text().replace("query: 6", "query: 4")
    other = finished.with_name("changed.yaml")
    other.write_text(changed)
    other.with_suffix("").mkdir()
    rows = run_file(finished.with_suffix(""), "xal", 0)
    run_file(other.with_suffix(""), "xal", 0).write_bytes(rows.read_bytes())
    with pytest.raises(XalError, match="other settings"):
        go(other, arms=["xal"])


def test_a_simulation_that_is_wrong_names_key_and_value(tmp_path: Path):
    write_set(tmp_path, 30)
    wrong = write_simulation(tmp_path, arms={"xal": {"method": "xall"}})
    with pytest.raises(TaskError, match=r"arms\.xal\.method.*'xall'.*known are uniform"):
        load_simulation(wrong)
    with pytest.raises(TaskError, match="did you mean 'query'"):
        load_simulation(write_simulation(tmp_path, qery=3))
    with pytest.raises(TaskError, match="headline: there is no arm 'gone'"):
        load_simulation(write_simulation(tmp_path, headline=["gone"]))
    plan = load_simulation(
        write_simulation(
            tmp_path,
            arms={"xal": {"method": "xal", "task": {"training": {"guidence": 1}}}},
            headline=[],
            baseline="xal",
        )
    )
    with pytest.raises(TaskError, match="did you mean 'guidance'"):
        plan.load_task("xal", TASKS)


def test_what_cannot_be_run_is_said_before_anything_runs(tmp_path: Path):
    write_set(tmp_path)
    with pytest.raises(TaskError, match=r"budget \(9\) must be more than start"):
        load_simulation(write_simulation(tmp_path, budget=9))
    with pytest.raises(TaskError, match="'uniform' does not label everything"):
        load_simulation(write_simulation(tmp_path, ceiling="uniform"))
    dull = load_simulation(
        write_simulation(tmp_path, arms={"uniform": {"method": "uniform"}, "bald": {"method": "bald"}}, headline=[])
    )
    with pytest.raises(TaskError, match=r"bald needs network\.dropout"):
        dull.load_task("bald", TASKS)
    config = write_simulation(tmp_path)
    with pytest.raises(XalError, match="the seeds are 0 to 0"):
        go(config, seeds=[7])
    assert not list(config.with_suffix("").glob("*.jsonl"))


def test_a_warm_start_is_refused_because_every_round_begins_anew(tmp_path: Path):
    warm = {"training": {"start": "warm"}}
    arms = {"uniform": {"method": "uniform"}, "warm": {"method": "uniform", "task": warm}}
    with pytest.raises(TaskError, match=r"arms\.warm\.task.*resets the weights every round"):
        load_simulation(write_simulation(tmp_path, arms=arms, headline=[]))
    write_set(tmp_path)
    config = write_simulation(tmp_path)
    task = tmp_path / "tiny.yaml"
    task.write_text(task.read_text().replace("training:", "training:\n  start: warm"))
    with pytest.raises(TaskError, match=r"arm uniform: training\.start: warm .*resets the weights"):
        go(config)
    assert not list(config.with_suffix("").glob("*.jsonl"))


def test_an_arm_that_fails_is_named_and_the_others_run_to_their_end(tmp_path: Path):
    write_set(tmp_path)
    arms = {
        "uniform": {"method": "uniform"},
        "wild": {"method": "uniform", "task": {"training": {"learning_rate": 1e30}}},
    }
    config = write_simulation(tmp_path, arms=arms, headline=[])
    with pytest.raises(XalError, match=r"1 of 2 runs failed\nwild 0: training diverged"):
        go(config)
    assert run_of(config, "uniform").complete


def test_a_set_whose_masks_changed_is_another_set(tmp_path: Path):
    studies = write_set(tmp_path)
    plan = load_simulation(write_simulation(tmp_path))
    before = prepare_set(plan.studies, plan.load_task("xal", TASKS))
    mask = sorted((studies / ".truth" / "masks").iterdir())[0]
    mask.write_bytes(mask.read_bytes() + b"another")
    assert prepare_set(plan.studies, plan.load_task("xal", TASKS)).digest != before.digest


def test_a_shuffled_roi_is_never_the_images_own(finished: Path):
    plan = load_simulation(finished)
    data = prepare_set(plan.studies, plan.load_task("xal", TASKS))
    for seed in range(5):
        wrong = _wrong_rois("shuffled", data, (4, 4), seed)
        for position in np.flatnonzero(data.areas > 0).tolist():
            assert wrong(position).any()
            assert wrong(position).tobytes() != data.rois[position].tobytes()


def test_an_oracle_knows_where_nothing_is(finished: Path):
    plan = load_simulation(finished)
    task = plan.load_task("oracle", TASKS)
    data = prepare_set(plan.studies, task)
    positions = np.arange(len(data.ids))
    pool = predict_pool(build(task), data, positions, "oracle", task, 0, torch.device("cpu"))
    np.testing.assert_array_equal(pool.misalignment, pool.oracle)
    nothing = data.findings == task.index("nothing")
    for says, of_nothing, of_others in (("nothing", 0, 1), ("disc", 1, None)):
        predictions = [replace(prediction, finding=says) for prediction in pool.predictions]
        wrong = _oracle(predictions, data, positions, task)
        assert (wrong[nothing] == of_nothing).all()
        if of_others is None:
            assert len(set(wrong[~nothing].tolist())) > 5, "what is seen is compared with what is there"
        else:
            assert (wrong[~nothing] == of_others).all()


def test_an_unknown_arm_is_refused_by_the_command(finished: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["simulate", str(finished), "--arms", "nobody"]) == 1
    assert "no arm 'nobody'" in capsys.readouterr().err


def test_the_set_is_prepared_as_the_server_would(finished: Path):
    plan = load_simulation(finished)
    task = plan.load_task("xal", TASKS)
    data = prepare_set(plan.studies, task)
    from xal.imaging.geometry import prepare

    volume = read_image(plan.studies / f"{data.ids[3]}.png")
    np.testing.assert_array_equal(data.images[3], prepare(volume, task).tensor.numpy())
    assert data.areas[data.findings == task.index("nothing")].max() == 0
    assert data.areas[data.findings == task.index("disc")].min() > 0.02
