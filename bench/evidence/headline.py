"""The main results of both sets: the tables of docs/EVIDENCE.md, and the picture at its head.

    .venv/bin/python bench/evidence/headline.py

Reads the rows of `bench/evidence`, prints the tables, and draws `docs/evidence/headline.png`; `--out` says where else.
A test compares the tables with the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib

from xal.experiments.report.forest import Comparison, forest
from xal.experiments.report.gather import gather, plan_arms
from xal.experiments.report.numbers import points, signed
from xal.experiments.report.results import Axis, Results
from xal.experiments.report.statistics import Difference
from xal.experiments.report.style import ACCENT, NEUTRAL, STYLE, save
from xal.experiments.run.config import load_simulation
from xal.experiments.run.rows import read_runs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SETS = {"brain": "brain MRI", "busi": "breast ultrasound"}
SIGNIFICANT = 0.05
YES, WORSE, NOT_SHOWN = "**yes**", "**no, worse**", "not shown"


class Question(NamedTuple):
    """What one arm gains over another, at equal labels or at equal cost."""

    asked: str
    arm: str
    over: str
    axis: Axis = "labels"


LATER = [
    Question("Do outlines help?", "uniform", "uniform_plain"),
    Question("Do outlines and xal's choice together help?", "xal", "uniform_plain"),
    Question("Does a third of the outlines help?", "uniform_third", "uniform_plain"),
    Question("Do all outlines help more than a third?", "uniform", "uniform_third"),
    Question("Does the ROI head help without guidance?", "uniform_unguided", "uniform_plain"),
    Question("Does guidance help beside the ROI head?", "uniform", "uniform_unguided"),
    Question("In equal time, do all outlines help?", "uniform", "uniform_plain", "cost"),
    Question("In equal time, does a third help?", "uniform_third", "uniform_plain", "cost"),
    Question("In equal time, is a third better than all?", "uniform_third", "uniform", "cost"),
]
"""Of arms that were exploratory, or added when the answers to `REGISTERED` were known."""
REGISTERED = [
    Question("Is xal better than chance?", "xal", "uniform"),
    Question("Is entropy better than chance?", "entropy", "uniform"),
    Question("Are batches of different clusters better than chance?", "uniform_cover", "uniform"),
    Question("Is xal better than entropy?", "xal", "entropy"),
    Question("Does xal's score add to these batches?", "xal", "uniform_cover"),
    Question("Does entropy add to these batches?", "entropy", "uniform_cover"),
    Question("Is xal with true ROIs better than chance?", "xal_oracle", "uniform"),
    Question("Is xal better with true ROIs?", "xal_oracle", "xal"),
]
"""Between headline arms, which stood in the configurations before they were run."""
EXPLORATORY = [
    Question("Rival: margin", "margin", "uniform"),
    Question("Rival: BALD, with dropout 0.3", "bald", "uniform"),
    Question("Rival: BADGE", "badge", "uniform"),
    Question("Rival: k-center", "k_center", "uniform"),
    Question("Rival: misalignment alone", "misalignment", "uniform"),
    Question("Rival: misalignment alone, true ROIs", "misalignment_oracle", "uniform"),
    Question("Rival: entropy, highest scores first", "entropy_top", "uniform"),
    Question("Upper control: chance, evenly over the findings", "balanced_uniform", "uniform"),
    Question("Score: soft Dice instead of evidence", "xal_soft", "uniform"),
    Question("Score: relative Dice instead of evidence", "xal_relative", "uniform"),
    Question("Score: binary Dice instead of evidence", "xal_binary", "uniform"),
    Question("Batch rule: highest scores first", "xal_top", "uniform"),
    Question("Batch rule: power", "xal_power", "uniform"),
    Question("Batch rule: spread", "xal_spread", "uniform"),
    Question("Plain rule: soft Dice, true ROIs, highest scores first", "xal_paper", "uniform"),
    Question("Control: ROIs of other images", "xal_shuffled", "uniform"),
    Question("Control: always the centre as ROI", "xal_centre", "uniform"),
    Question("A third of the outlines: the most misaligned, not any", "uniform_third_misaligned", "uniform_third"),
    Question("All outlines, not a third; xal chooses", "xal", "xal_third"),
    Question("In equal time: a third, not all; xal chooses the third", "xal_third", "uniform", "cost"),
    Question("Outlines help; entropy chooses", "entropy", "entropy_plain"),
    Question("Outlines help; misalignment with true ROIs chooses", "misalignment_oracle", "misalignment_plain"),
    Question("Outlines help; xal with true ROIs chooses", "xal_oracle", "xal_plain"),
    Question("Guidance helps; entropy chooses", "entropy", "entropy_unguided"),
    Question("Guidance helps; misalignment chooses", "misalignment", "misalignment_unguided"),
    Question("Guidance helps; xal chooses", "xal", "xal_unguided"),
    Question("Findings alone: entropy chooses", "entropy_plain", "uniform_plain"),
    Question("Findings alone: misalignment with true ROIs chooses", "misalignment_plain", "uniform_plain"),
    Question("Findings alone: xal with true ROIs chooses", "xal_plain", "uniform_plain"),
]
"""Hints only, many of them on one set."""
PICTURED = {
    "Adding outlines to findings": (LATER[0], ACCENT),
    "Adding a third of the outlines": (LATER[2], ACCENT),
    "Choosing by xal's score, not by chance": (REGISTERED[0], NEUTRAL),
    "Choosing by entropy, not by chance": (REGISTERED[1], NEUTRAL),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "evidence" / "headline.png")
    out = parser.parse_args(arguments).out
    results = {name: results_of(name) for name in SETS}
    print("\n".join([*main_table(results), "", *exploratory_table(results)]))
    comparisons = [
        Comparison(text, colour, dict(answers(results, question))) for text, (question, colour) in PICTURED.items()
    ]
    with matplotlib.rc_context(STYLE):
        drawn = forest(
            "Outlines pay. Choosing images hardly does.",
            "Balanced accuracy, averaged over all rounds of labelling. "
            "Dot: mean difference. Bar: its 95 % interval. Tick: one seed.",
            comparisons,
        )
        save(drawn, out, 130)


def results_of(name: str) -> Results:
    """The committed rows of a set."""
    config = HERE / f"{name}.yaml"
    simulation = load_simulation(config)
    plans = plan_arms(simulation, ROOT / "lib" / "xal" / "tasks")
    return gather(simulation.title, plans, simulation.baseline, read_runs(config.with_suffix("")))


def answers(results: Mapping[str, Results], question: Question) -> Iterator[tuple[str, Difference]]:
    """The name and the answer of every set that was asked."""
    for name, title in SETS.items():
        arms = results[name].arms
        if question.arm in arms and question.over in arms:
            found = results[name].gain(arms[question.arm], question.axis, arms[question.over])
            assert found is not None
            yield title, found


def main_table(results: Mapping[str, Results]) -> Iterator[str]:
    """In Markdown, one result a row."""
    yield "| question | images | difference | 95 % interval | seeds | registered | verdict |"
    yield "| --- | --- | ---: | ---: | ---: | --- | --- |"
    corrected = {
        SETS[name]: {frozenset((one.first, one.second)): one.p for one in results[name].matrix} for name in SETS
    }
    for question in LATER:
        for title, found in answers(results, question):
            yield row(question, title, found, "no", verdict(found, YES, WORSE))
    for question in REGISTERED:
        for title, found in answers(results, question):
            p = corrected[title][frozenset((question.arm, question.over))]
            said = verdict(found, YES, WORSE)
            if said != NOT_SHOWN and p >= SIGNIFICANT:
                said = f"{NOT_SHOWN} after correction (p = {p:.2f})"
            yield row(question, title, found, "yes", said)


def exploratory_table(results: Mapping[str, Results]) -> Iterator[str]:
    """The same of what only gives hints."""
    yield "| compared | images | difference | 95 % interval | seeds | hint |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for question in EXPLORATORY:
        for title, found in answers(results, question):
            yield row(question, title, found, verdict(found, "higher", "lower"))


def verdict(found: Difference, above: str, below: str) -> str:
    """One of these words where the whole interval says so."""
    return above if found.above else below if found.below else NOT_SHOWN


def row(question: Question, images: str, found: Difference, *last: str) -> str:
    """A line of a table."""
    asked = f"{question.asked} `{question.arm}` − `{question.over}`"
    interval = points(found.t) if found.t else ""
    return f"| {' | '.join((asked, images, signed(found.mean), interval, str(len(found.seeds)), *last))} |"


if __name__ == "__main__":
    main()
