"""What a report says of a shortcut: accuracy where the pattern misleads, and what each arm chose."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.evidence import Made, write_config, write_rows, write_run
from matplotlib.figure import Figure

from xal.cli import main
from xal.experiments.report.curves import shortcut_curves
from xal.experiments.report.figures import colours_of
from xal.experiments.report.gather import gather, plan_arms
from xal.experiments.report.results import Results
from xal.experiments.report.sentences import seeds_sentences
from xal.experiments.report.shortcut import shortcut_sentences, shortcut_tables
from xal.experiments.run.config import load_simulation
from xal.experiments.run.rows import read_runs, run_file

LABELS = (60, 120, 180)
ARMS = {
    "uniform": Made(scores=False, chosen=0.05),
    "entropy": Made(gain=0.02, spread=0.01, chosen=0.15),
    "xal": Made(gain=-0.02, chosen=0.1),
}


def results_of(folder: Path, planned: int = 3) -> Results:
    simulation = load_simulation(write_config(folder, planned))
    return gather("Made up", plan_arms(simulation, folder), "uniform", read_runs(folder / "squares"))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Three arms with three seeds, each with a shortcut."""
    write_rows(tmp_path / "squares", ARMS, range(3), LABELS)
    return results_of(tmp_path)


def test_each_arm_says_what_it_reached_and_chose_beside_what_chance_would_have(results: Results):
    levels, _, _ = shortcut_tables(results)
    # accuracy where contradicted is balanced accuracy − 20 points here, and 5 % of the pool contradict at the start
    uniform, entropy, _ = levels.rows
    assert uniform[:2] == ["uniform", "3 of 3"]
    assert float(uniform[2].split()[0]) - float(uniform[3].split()[0]) == pytest.approx(20, abs=0.11)
    assert uniform[4:] == ["99.0 %", "5.0 %", "5.0 %"]
    assert entropy[5:] == ["15.0 %", "5.0 %"]
    assert "With 180 labels" in levels.caption


def test_the_start_set_does_not_count_as_chosen(results: Results):
    # 7.5 % of every start set contradict, in these rows
    assert [row[5] for row in shortcut_tables(results)[0].rows] == ["5.0 %", "15.0 %", "10.0 %"]


def test_differences_to_the_baseline_are_paired_and_have_intervals(results: Results):
    _, differences, _ = shortcut_tables(results)
    assert [row[0] for row in differences.rows] == ["entropy", "xal"]
    # a gain of AUBC is half of what it is at the end; by hand: 2 · 1.0 · t(2) / √3 = 2 · 4.303 / 1.732 = 4.97
    assert differences.rows[0][1:] == [
        "3",
        "+4.0 [−1.0, +9.0]",
        "+4.0 [−1.0, +9.0]",
        "0.0 [0.0, 0.0]",
        "+10.0 [+10.0, +10.0]",
    ]
    assert differences.rows[1][2:4] == ["−4.0 [−4.0, −4.0]"] * 2


def test_the_pool_says_whether_there_were_sure_mistakes_to_find(results: Results):
    _, _, premise = shortcut_tables(results)
    assert premise.rows[0] == ["uniform", "10.0 %", "7.8 %", "0.75", "0.77"]


def test_what_an_arm_gains_where_the_pattern_contradicts_is_said_with_its_seeds(results: Results):
    assert shortcut_sentences(results) == [
        "Where the pattern contradicts the finding, with 180 labels: "
        "entropy − uniform: +4.0 points [−1.0, +9.0], 3 seeds: no difference shown.",
        "Where the pattern contradicts the finding, with 180 labels: "
        "xal − uniform: −4.0 points [−4.0, −4.0], 3 seeds: lower.",
    ]


def test_fewer_seeds_than_planned_are_said_first(tmp_path: Path):
    write_rows(tmp_path / "squares", {**ARMS, "oracle": Made(chosen=0.1)}, range(3), LABELS)
    run_file(tmp_path / "squares", "xal", 2).unlink()
    results = results_of(tmp_path, planned=16)
    said = (
        "Of the 16 seeds that the config asks for, the headline arms have 2 to 3. "
        "Until all are there, all that follows is provisional."
    )
    assert seeds_sentences(results) == [said]
    levels, differences, _ = shortcut_tables(results)
    assert [row[1] for row in levels.rows] == ["3 of 16", "3 of 16", "2 of 16", "3 of 16"]
    assert [row[1] for row in differences.rows] == ["3", "2", "3"]
    assert any("2 seeds" in sentence for sentence in shortcut_sentences(results))


def test_an_arm_that_was_never_begun_has_no_seeds(tmp_path: Path):
    write_rows(tmp_path / "squares", ARMS, range(3), LABELS)
    assert "the headline arms have 0 to 3" in seeds_sentences(results_of(tmp_path))[0]


def test_nothing_is_said_of_seeds_where_all_are_there(tmp_path: Path):
    write_rows(tmp_path / "squares", {**ARMS, "oracle": Made()}, range(3), LABELS)
    assert seeds_sentences(results_of(tmp_path)) == []


def test_one_seed_shows_nothing_of_a_difference(tmp_path: Path):
    write_rows(tmp_path / "squares", ARMS, [0], LABELS)
    results = results_of(tmp_path)
    assert shortcut_tables(results)[1].rows[1][2] == "−4.0"
    assert shortcut_sentences(results)[1].endswith("xal − uniform: −4.0 points, 1 seed: a single pair shows nothing.")


def test_an_arm_without_a_seed_of_the_baseline_has_no_difference(tmp_path: Path):
    write_rows(tmp_path / "squares", {"uniform": ARMS["uniform"]}, [0], LABELS)
    write_run(tmp_path / "squares", "xal", 1, LABELS, [0.5, 0.6, 0.7], Made(chosen=0.1))
    results = results_of(tmp_path)
    assert shortcut_tables(results)[1].rows == [["xal", "0", "–", "–", "–", "–"]]
    assert "nothing can be said" in shortcut_sentences(results)[0]


def test_the_curves_are_drawn_against_labels_beside_the_differences(results: Results):
    figure = shortcut_curves(results, colours_of(results))
    assert isinstance(figure, Figure)
    left, right = figure.axes
    assert left.get_title() == "Accuracy where the pattern contradicts the finding"
    assert right.get_title() == "Difference to uniform, in points, paired by seed"
    assert [len(line.get_xdata()) for line in left.lines] == [3, 3, 3]


def test_without_a_shortcut_there_is_nothing_of_it(tmp_path: Path):
    write_rows(tmp_path / "squares", {"uniform": Made(), "xal": Made()}, range(3), LABELS)
    results = results_of(tmp_path)
    assert shortcut_tables(results) == []
    assert shortcut_sentences(results) == []
    assert shortcut_curves(results, colours_of(results)) is None


@pytest.mark.usefixtures("coarse")
def test_the_page_and_the_markdown_have_it(tmp_path: Path):
    config = write_config(tmp_path, 16)
    write_rows(tmp_path / "squares", ARMS, range(3), LABELS)
    markdown = tmp_path / "shortcut.md"
    assert main(["report", str(config), "--markdown", str(markdown), "--figures", str(tmp_path / "figures")]) == 0
    text = (tmp_path / "squares" / "report" / "report.html").read_text()
    assert "<h2>Where the pattern misleads</h2>" in text
    assert (tmp_path / "figures" / "shortcut.png").is_file()
    assert "| entropy | 3 of 16 |" in markdown.read_text()
    assert "- Of the 16 seeds that the config asks for" in markdown.read_text()
