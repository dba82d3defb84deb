"""`xal report`: one page that needs nothing else, its pictures, and what of it may be published."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from harness.evidence import Made, round_row, write_config, write_rows
from PIL import Image

from xal.cli import main
from xal.datasets.truth import TRUTH_FOLDER, TruthRow, write_mask, write_truth
from xal.experiments.report.gather import gather, plan_arms
from xal.experiments.report.measures import seconds
from xal.experiments.report.numbers import points
from xal.experiments.report.statistics import Interval
from xal.experiments.run.config import load_simulation
from xal.experiments.run.digest import run_digest
from xal.experiments.run.prepared import set_digest
from xal.experiments.run.rows import read_runs, run_file

LABELS = (60, 120, 180)
FINDINGS = ("glioma", "meningioma", "pituitary")
PNG = b"\x89PNG\r\n\x1a\n"


def made(folder: Path, seeds: int = 3) -> Path:
    """A config whose arms have all their rows."""
    config = write_config(folder, seeds)
    rows = folder / "squares"
    write_rows(
        rows,
        {
            "uniform": Made(scores=False),
            "entropy": Made(gain=-0.02, spread=0.004),
            "xal": Made(gain=0.01, spread=0.01),
            "oracle": Made(gain=0.02, spread=0.01),
            "unguided": Made(gain=-0.05, energy=0.02, scores=False),
        },
        range(seeds),
        LABELS,
    )
    write_rows(rows, {"everything": Made()}, range(2), (2000,))
    return config


def write_images(folder: Path, count: int = 24) -> None:
    """Grey pictures with a square each, and their truth."""
    rng = np.random.default_rng(0)
    (folder / TRUTH_FOLDER).mkdir(parents=True)
    (folder / TRUTH_FOLDER / "masks").mkdir()
    truth = []
    for number in range(count):
        pixels = rng.integers(20, 90, (40, 40), np.uint8)
        roi = np.zeros((40, 40, 1), bool)
        roi[8:20, 10 : 14 + number % 12] = True
        pixels[roi[:, :, 0].T] += 120
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        truth.append(TruthRow(f"{number:03d}", FINDINGS[number % 3], f"patient {number}"))
        write_mask(folder / TRUTH_FOLDER, f"{number:03d}", roi, np.eye(4))
    write_truth(folder / TRUTH_FOLDER, truth)


def write_look(rows: Path, arm: str, count: int = 20) -> None:
    rng = np.random.default_rng(1)
    (rows / "looks").mkdir(exist_ok=True)
    np.savez_compressed(
        rows / "looks" / f"{arm}-0.npz",
        picked=rng.choice(24, count, replace=False),
        attention=rng.random((count, 4, 4)).astype(np.float16),
        score=rng.random(count),
        uncertainty=rng.random(count),
        misalignment=np.where(rng.random(count) < 0.3, np.nan, 0.5),
        predicted=np.array([FINDINGS[k % 3] for k in range(count)]),
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything is there: rows of all arms, images, the looks of three arms; and everything is asked for."""
    folder = tmp_path_factory.mktemp("full")
    config = made(folder)
    write_images(folder / "studies")
    for arm in ("uniform", "xal", "unguided"):
        write_look(folder / "squares", arm)
    (folder / "docs").mkdir()
    asked = ["--markdown", str(folder / "docs" / "EVIDENCE.md"), "--figures", str(folder / "docs" / "evidence")]
    assert main(["report", str(config), *asked]) == 0
    return folder


def page(folder: Path) -> str:
    return (folder / "squares" / "report" / "report.html").read_text()


def test_the_page_opens_offline_and_holds_its_pictures(full: Path):
    text = page(full)
    assert not re.search(r"https?://|<script|<link|url\(", text)
    sources = re.findall(r'src="([^"]{0,30})', text)
    assert len(sources) == 11
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    for heading in ("In short", "Accuracy for labels", "Acquisition and loss", "Confidence", "How this was made"):
        assert f"<h2>{heading}</h2>" in text


def test_a_number_is_not_parted_from_its_percent_sign_and_code_stays_as_it_was_typed(full: Path):
    assert "with 95\N{NO-BREAK SPACE}% t intervals" in page(full)
    assert "with 95 % t intervals" in (full / "docs" / "EVIDENCE.md").read_text()
    settings = (full / "squares.yaml").read_text().strip()
    assert f"<pre>{settings}</pre>" in page(full)
    assert f"```\n{settings}\n```" in (full / "docs" / "EVIDENCE.md").read_text()


def test_pictures_lie_beside_the_page(full: Path):
    names = {"curves", "gains", "exploratory", "attention", "area", "reliability", "proposed", "seconds"}
    pictures = list((full / "squares" / "report").glob("*.png"))
    assert {path.stem for path in pictures} == names | {"picks-uniform", "picks-xal", "picks-unguided"}
    assert all(path.read_bytes().startswith(PNG) for path in pictures)


def test_the_page_says_how_it_was_made_and_that_nothing_is_missing(full: Path):
    text = page(full)
    assert "xal simulate squares.yaml" in text
    assert "abc1234" in text
    assert "torch 2.13.0" in text
    assert "oracle: {method: xal, roi: oracle}" in text
    assert "not run" not in text
    assert "No pictures of first picks were kept for entropy, oracle." in text
    assert str(full) not in text


def test_first_picks_are_shown_of_exploratory_arms_too(full: Path):
    assert "unguided, seed 0: the first images that it asked for" in page(full)


def test_every_arm_with_proposed_rois_stands_beside_the_true_ones(full: Path):
    for text in (page(full), (full / "docs" / "EVIDENCE.md").read_text()):
        assert "scores: last model" in text
    # 0.5 + 0.3 · done, and done counts ten rounds of which there are three
    assert "| xal | 0.50 | 0.57 | 0.30 | 0.37 |" in text
    assert "| oracle | 0.50" not in text


@pytest.mark.usefixtures("coarse")
def test_rows_of_other_settings_than_the_config_are_named(full: Path, tmp_path: Path):
    assert "xal: its settings, or the images, are others now than those that its rows were made with." in page(full)
    config = write_config(tmp_path, 1)
    write_rows(tmp_path / "squares", {"uniform": Made(), "xal": Made()}, [0], LABELS)
    write_images(tmp_path / "studies")
    plan = load_simulation(config)
    for arm in ("uniform", "xal"):
        task = plan.load_task(arm, tmp_path)
        digest = run_digest(plan, arm, task, set_digest(plan.studies, task))
        file = run_file(tmp_path / "squares", arm, 0)
        file.write_text(file.read_text().replace(f"digest-of-{arm}", digest))
    assert main(["report", str(config)]) == 0
    assert "All rows were made with the settings below, and with the images that are here now." in page(tmp_path)
    config.write_text(config.read_text().replace("xal: {method: xal}", "xal: {method: xal, roi: shuffled}"))
    assert main(["report", str(config)]) == 0
    text = page(tmp_path)
    assert "xal: its settings, or the images, are others now" in text
    assert "uniform: its settings" not in text
    assert "All rows were made with the settings below" not in text


def test_losses_stand_where_wins_stand(full: Path):
    text = page(full)
    short = text[text.index("In short") : text.index("What was run")]
    assert "entropy − uniform: −2.0 points [−3.0, −1.0], 3 seeds: lower." in short


def test_guidance_and_acquisition_are_told_apart(full: Path):
    text = (full / "docs" / "EVIDENCE.md").read_text()
    # the baseline without guidance is 5 points below it in every seed; xal is above it by 1.0 ± 4.303 · 1.0 / √3
    assert re.search(r"\| uniform \| \d\d\.\d \| \d\d\.\d \| \+5\.0 \[\+5\.0, \+5\.0\] \|", text)
    assert "| both − uniform | – | +1.0 [−1.5, +3.5] (uniform) |  |" in text


def test_pictures_of_images_are_not_published(full: Path):
    published = full / "docs" / "evidence"
    assert (published / "curves.png").read_bytes() == (full / "squares" / "report" / "curves.png").read_bytes()
    assert not list(published.glob("picks*"))
    assert "picks" not in (full / "docs" / "EVIDENCE.md").read_text()


def test_markdown_points_to_the_published_pictures(full: Path):
    text = (full / "docs" / "EVIDENCE.md").read_text()
    linked = re.findall(r"\]\(([^)]+)\)", text)
    assert "evidence/curves.png" in linked
    assert all((full / "docs" / link).is_file() for link in linked)
    assert "| uniform | 3 |" in text


@pytest.mark.usefixtures("coarse")
def test_a_missing_seed_is_named_on_the_page(tmp_path: Path):
    config = write_config(tmp_path, 3)
    write_rows(tmp_path / "squares", {"uniform": Made(), "xal": Made(gain=0.01)}, range(3), LABELS)
    run_file(tmp_path / "squares", "xal", 1).unlink()
    assert main(["report", str(config)]) == 0
    text = page(tmp_path)
    assert "xal: seed 1 not run." in text
    assert "xal − uniform: " in text
    assert "2 seeds" in text


@pytest.mark.usefixtures("coarse")
def test_markdown_without_published_pictures_has_none(tmp_path: Path):
    config = write_config(tmp_path, 1)
    write_rows(tmp_path / "squares", {"uniform": Made()}, [0], LABELS)
    assert main(["report", str(config), "--markdown", str(tmp_path / "EVIDENCE.md")]) == 0
    text = (tmp_path / "EVIDENCE.md").read_text()
    assert "![" not in text
    assert not re.search(r"^###[^\n]*\n\n###", text, re.MULTILINE), "no heading without anything below it"


@pytest.mark.usefixtures("coarse")
def test_pictures_of_an_earlier_report_do_not_stay(tmp_path: Path):
    config = write_config(tmp_path, 1)
    write_rows(tmp_path / "squares", {"uniform": Made()}, [0], LABELS)
    report = tmp_path / "squares" / "report"
    report.mkdir()
    for name in ("picks-gone", "exploratory"):
        (report / f"{name}.png").write_bytes(PNG)
    assert main(["report", str(config)]) == 0
    assert not list(report.glob("picks-*"))
    assert not (report / "exploratory.png").exists()


@pytest.mark.usefixtures("coarse")
def test_images_that_are_not_here_are_said_to_be_missing(tmp_path: Path):
    config = write_config(tmp_path, 1)
    write_rows(tmp_path / "squares", {"uniform": Made()}, [0], LABELS)
    write_look(tmp_path / "squares", "uniform")
    assert main(["report", str(config)]) == 0
    assert "The images are not on this machine, so the first picks are not shown." in page(tmp_path)
    assert "Whether settings or images have changed since was not looked at" in page(tmp_path)


@pytest.mark.usefixtures("coarse")
def test_where_outlines_cost_differently_cost_has_its_own_section(tmp_path: Path):
    config = write_config(tmp_path, 3)
    write_rows(tmp_path / "squares", {"uniform": Made(), "xal": Made(gain=0.01)}, range(3), LABELS)
    for seed in range(3):
        path = run_file(tmp_path / "squares", "xal", seed)
        path.write_bytes(path.read_bytes().replace(b'"outlines":180', b'"outlines":110'))
    assert main(["report", str(config)]) == 0
    report = tmp_path / "squares" / "report"
    assert (report / "curves-cost.png").is_file()
    assert "Over the costs that all runs of an arm and of the baseline cover." in (report / "report.html").read_text()


@pytest.mark.usefixtures("coarse")
def test_the_baseline_alone_makes_a_page(tmp_path: Path):
    config = write_config(tmp_path, 1)
    write_rows(tmp_path / "squares", {"uniform": Made()}, [0], LABELS)
    assert main(["report", str(config), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "report.html").read_text()
    assert "Only uniform has complete runs: nothing can be compared." in text
    assert re.search("Not run at all: .*oracle", text)
    assert "Every headline arm against every other" not in text


@pytest.mark.usefixtures("coarse")
def test_a_single_round_makes_a_page_that_says_so(tmp_path: Path):
    config = write_config(tmp_path, 2)
    write_rows(tmp_path / "squares", {"uniform": Made(), "xal": Made()}, range(2), LABELS[:1])
    assert main(["report", str(config), "--markdown", str(tmp_path / "EVIDENCE.md")]) == 0
    assert "There is only one round, that of the start set" in page(tmp_path)
    assert "| xal | 60 |" in (tmp_path / "EVIDENCE.md").read_text(), "what the start set led to is still there"


@pytest.mark.usefixtures("coarse")
def test_the_page_names_the_commits_of_all_rounds(tmp_path: Path):
    config = write_config(tmp_path, 1)
    write_rows(tmp_path / "squares", {"uniform": Made()}, [0], LABELS)
    path = run_file(tmp_path / "squares", "uniform", 0)
    head, first, *rest = path.read_text().split("\n")
    path.write_text("\n".join([head, first.replace('"commit":""', '"commit":"def5678"'), *rest]))
    assert main(["report", str(config)]) == 0
    assert "Commits: abc1234, def5678." in page(tmp_path)


@pytest.mark.usefixtures("coarse")
def test_rows_with_nothing_but_accuracy_make_a_page(tmp_path: Path):
    config = write_config(tmp_path, 2)
    write_rows(tmp_path / "squares", {"uniform": Made(), "xal": Made(gain=0.01)}, range(2), LABELS)
    for path in (tmp_path / "squares").glob("*.jsonl"):
        lines = path.read_text().splitlines()
        bare = [
            round_row(k, 0.7, count).model_copy(
                update={
                    "attention": None, "pool": None, "reliability": None, "recall": {}, "auroc": None, "ece": None,
                    "ece_raw": None, "log_loss": None, "temperature": None,
                }
            ).model_dump_json()
            for k, count in enumerate(LABELS)
        ]  # fmt: skip
        path.write_text("\n".join([lines[0], *bare, lines[-1], ""]))
    assert main(["report", str(config)]) == 0
    text = page(tmp_path)
    assert "Where the models look" not in text
    assert "xal − uniform: 0.0 points" in text


def test_a_config_without_rows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = write_config(tmp_path, 1)
    assert main(["report", str(config)]) == 1
    assert "squares does not exist" in capsys.readouterr().err


@pytest.mark.usefixtures("coarse")
def test_what_the_config_says_is_escaped(tmp_path: Path):
    config = write_config(tmp_path, 1)
    write_rows(tmp_path / "squares", {"uniform": Made()}, [0], LABELS)
    config.write_text(config.read_text().replace("Squares on grey", "Squares <b> & circles"))
    assert main(["report", str(config)]) == 0
    text = page(tmp_path)
    assert "<h1>Squares &lt;b&gt; &amp; circles</h1>" in text


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.00012, 0.015, "[+0.01, +1.5]"),
        (-0.00038, 0.022, "[−0.04, +2.2]"),
        (-0.024, -0.000004, "[−2.4, −0.000]"),
        (-0.012, 0.00003, "[−1.2, +0.003]"),
        (1e-17, 0.0, "[0.0, 0.0]"),
        (-0.0004, 0.0006, "[−0.04, +0.1]"),
    ],
)
def test_an_interval_says_on_which_side_of_zero_it_ends(low: float, high: float, said: str):
    assert points(Interval(low, high)) == said


def test_a_machine_that_slept_does_not_make_rounds_long(tmp_path: Path):
    config = write_config(tmp_path, 3)
    write_rows(tmp_path / "squares", {"uniform": Made()}, range(3), LABELS)
    file = run_file(tmp_path / "squares", "uniform", 1)
    file.write_text(file.read_text().replace('"train":10.0', '"train":36000.0'))
    plan = load_simulation(config)
    results = gather(plan.title, plan_arms(plan, tmp_path), "uniform", read_runs(tmp_path / "squares"))
    figure = seconds(results, {})
    assert figure is not None
    # training takes 10 s in round 1 and 11 s in round 2, reading 1.1, choosing 0.2, measuring 0.5
    assert "12.8 s" in [text.get_text() for text in figure.axes[0].texts]
