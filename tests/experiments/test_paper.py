"""The experiments on the public sets, the paper's and our own: one command from the official layout to the report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from harness.official import (
    NEW,
    write_brain_tumours,
    write_brats_2020,
    write_brats_case,
    write_busi,
    write_siim,
    write_vindr_kaggle,
)
from harness.simulation import TASKS, shrink, write_set, write_simulation
from harness.warm import WarmProcess

from xal.cli import main
from xal.datasets.truth import TRUTH_FOLDER, read_truth
from xal.experiments.run.config import load_simulation
from xal.experiments.run.rows import read_runs, run_file

BENCH = Path(__file__).parents[2] / "bench"
PAPER = BENCH / "paper"
PUBLIC = BENCH / "public"
BOXES = {
    "Cardiomegaly": (10.0, 20.0, 40.0, 40.0),
    "Pleural effusion": (5.0, 5.0, 20.0, 15.0),
    "No finding": None,
}
CLASSES = ("Typical Appearance", "Negative for Pneumonia", "Atypical Appearance")


def brats(source: Path) -> Path:
    return write_brats_2020(source, {number: ("HGG", "LGG")[number % 2] for number in range(1, 13)})


def brats_2023(source: Path) -> Path:
    for patient in range(30):
        regions = ({1: 1, 2: 1, 3: 4}, {2: 1, 1: 4}, {2: 3})[patient % 3]
        write_brats_case(source / f"BraTS-GLI-{patient:05d}-000", regions, NEW, joint="-")
    return source


def vindr(source: Path) -> Path:
    named = {f"{number:032x}": list(BOXES)[number % 3] for number in range(36)}
    rows = [(image, f"R{reader}", name, BOXES[name]) for image, name in named.items() for reader in (8, 9, 10)]
    return write_vindr_kaggle(source, rows, list(named))


def siim(source: Path) -> Path:
    named = {f"s{number}": CLASSES[number % 3] for number in range(36)}
    images = [(f"i{study}", study, [] if "Neg" in name else [(5, 6, 20, 12)]) for study, name in named.items()]
    return write_siim(source, images, named)


def busi(source: Path) -> Path:
    return write_busi(source, {"benign": 12, "malignant": 12, "normal": 12})


def brain_tumours(source: Path) -> Path:
    return write_brain_tumours(source, [1 + number // 2 % 3 for number in range(48)])


def command(config: Path, source: Path) -> list[str]:
    return ["simulate", str(config), "--source", str(source), "--device", "cpu", "--workers", "1"]


SLICES = {"name": "brats", "options": {"slices": 3}}
# The configs of a folder share their arms: one runs with all of them.
FEW = {"arms": {"uniform": {"method": "uniform"}, "xal": {"method": "xal"}}, "headline": ["xal"]}
VOLUMES = {"task": "brats", "dataset": {"name": "brats"}, "start": 6, "query": 2, "budget": 8, "validation": 0}


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize(
    ("shipped", "write", "changes", "images"),
    [
        (PAPER / "brats_slices.yaml", brats, {"dataset": SLICES}, 36),
        (PAPER / "brats_regions.yaml", brats_2023, FEW, 30),
        (PAPER / "vindr_cxr.yaml", vindr, FEW, 36),
        (PAPER / "brats_slices.yaml", brats, FEW | VOLUMES, 12),
        (PUBLIC / "busi.yaml", busi, {}, 36),
        (PUBLIC / "brain_tumours.yaml", brain_tumours, FEW, 48),
    ],
    ids=["brats_slices", "brats_regions", "vindr_cxr", "volumes", "busi", "brain_tumours"],
)
def test_one_command_imports_simulates_and_reports(
    tmp_path: Path, shipped: Path, write: Callable[[Path], Path], changes: dict[str, object], images: int
):
    config = shrink(shipped, tmp_path, **changes)
    assert main(command(config, write(tmp_path / "source"))) == 0
    assert len(read_truth(tmp_path / "studies" / TRUTH_FOLDER)) == images
    plan, runs = load_simulation(config), read_runs(config.with_suffix(""))
    assert {run.header.arm for run in runs} == set(plan.arms)
    assert all(run.complete for run in runs)
    assert all(run.rounds[-1].labels == plan.budget for run in runs)
    text = (config.with_suffix("") / "report" / "report.html").read_text()
    assert "Every run that the config asks for is complete." in text


@pytest.mark.usefixtures("coarse")
def test_kill_dash_nine_leaves_no_worker_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    slow = {"training": {"min_steps": 30}}  # so that it is killed on its way
    arms = {"uniform": {"method": "uniform", "task": slow}, "xal": {"method": "xal", "task": slow}}
    config, source = shrink(PAPER / "siim_covid.yaml", tmp_path, **FEW | {"arms": arms}), siim(tmp_path / "source")
    again = command(config, source)
    process = WarmProcess(["xal.cli", *again], os.environ, tmp_path / "killed.log")
    file = run_file(config.with_suffix(""), "uniform", 0)
    deadline = time.monotonic() + 600
    while not (file.exists() and file.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    workers = [child for child in children if "forkserver" in " ".join(child.cmdline())]
    assert len(workers) == 2  # what forks them, and one of them
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=240)
    assert not alive
    before = file.read_bytes()
    assert main(again) == 0
    assert file.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    said = capsys.readouterr().out
    assert "36 of 36 were imported before" in said
    assert str(config.with_suffix("") / "report" / "report.html") in said
    runs = read_runs(config.with_suffix(""))
    assert {run.header.arm for run in runs} == set(arms)
    assert all(run.complete for run in runs)


def test_a_source_that_is_not_it_is_refused_before_anything_is_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = shrink(PAPER / "brats_slices.yaml", tmp_path, dataset=SLICES)
    assert main(command(config, tmp_path / "nowhere")) == 1
    assert "nowhere is no folder" in capsys.readouterr().err
    assert main(command(config, siim(tmp_path / "siim"))) == 1
    assert "holds nothing of 'brats'" in capsys.readouterr().err
    assert main(command(config, brats_2023(tmp_path / "2023"))) == 1
    assert "task 'brats_slices' knows none of them: 'brats_regions' does" in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()


def test_too_few_images_for_the_budget_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = shrink(PAPER / "vindr_cxr.yaml", tmp_path, budget=570)
    assert main(command(config, vindr(tmp_path / "source"))) == 1
    assert (
        "budget: 570 labels are more than there are to choose from: of 36 images the test set takes 12 "
        "(test_share 0.3) and validation 6, which leaves 18"
    ) in capsys.readouterr().err
    assert not (tmp_path / "studies" / TRUTH_FOLDER / "prepared").exists(), "said before images are prepared"


def test_without_a_source_the_set_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = shrink(PAPER / "vindr_cxr.yaml", tmp_path)
    assert main(["simulate", str(config)]) == 1
    assert "is not filled yet: --source says where 'vindr_cxr' lies" in capsys.readouterr().err
    write_set(tmp_path)
    nameless = write_simulation(tmp_path)
    assert main(command(nameless, tmp_path)) == 1
    assert "names no dataset" in capsys.readouterr().err


@pytest.mark.parametrize("config", sorted(PAPER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_config_is_the_papers_budget_on_a_shipped_task(config: Path):
    plan = load_simulation(config)
    assert (plan.start, plan.query, plan.budget, plan.rounds) == (70, 100, 570, 5)
    paper = plan.load_task("xal_paper", TASKS).acquisition
    assert (paper.alpha, paper.misalignment, paper.dice, paper.batch.rule) == (0.5, "dice", "binary", "top")
    assert plan.load_task("xal", TASKS).acquisition == plan.load_task("entropy", TASKS).acquisition
    assert plan.load_task("uniform", TASKS).acquisition.batch.rule == "top"
    assert config.stem == plan.task == plan.studies.name
    assert plan.arms == load_simulation(PAPER / "brats_slices.yaml").arms
    assert all(plan.load_task(arm, TASKS) for arm in plan.arms)


@pytest.mark.parametrize(("name", "measured"), [("busi", "busi"), ("brain_tumours", "brain")])
def test_what_was_measured_on_reduced_copies_is_the_same_experiment_on_the_originals(name: str, measured: str):
    ours, theirs = load_simulation(PUBLIC / f"{name}.yaml"), load_simulation(BENCH / "evidence" / f"{measured}.yaml")
    assert ours.dataset is not None
    assert ours.dataset.name == ours.studies.name == name
    assert tuple(ours.arms) == ours.headline == theirs.headline
    assert ours.arms == load_simulation(PUBLIC / "busi.yaml").arms
    for key in ("start", "query", "budget", "validation", "validation_share", "test_share", "seeds", "baseline"):
        assert getattr(ours, key) == getattr(theirs, key), key
    for arm in ours.arms:
        assert (ours.arms[arm].method, ours.arms[arm].roi) == (theirs.arms[arm].method, theirs.arms[arm].roi)
        assert ours.seeds_of(arm) == theirs.seeds_of(arm) == range(10)
        assert ours.load_task(arm, TASKS) == theirs.load_task(arm, TASKS), arm


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({"name": "brat"}, "no set 'brat'; known are brats"),
        ({"name": "brats", "options": {"slices": 0}}, "--slices 0: it takes"),
        ({"name": "siim_covid", "options": {"slices": 3}}, "'siim_covid' has no such option"),
    ],
)
def test_a_wrong_dataset_is_refused_when_the_config_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dataset: dict[str, object], said: str
):
    config = shrink(PAPER / "brats_slices.yaml", tmp_path, dataset=dataset)
    assert main(command(config, tmp_path)) == 1
    error = capsys.readouterr().err
    assert "dataset" in error
    assert said in error
