"""What outlines without a finding are worth in training: the table of docs/EVIDENCE.md.

    .venv/bin/python bench/evidence/regions.py

Reads the rows of `bench/evidence/*_regions`: of every set and number of labels what the arm without such outlines
reaches, and what those add, paired by seed, over the seeds that both arms have. A test compares table and page. There
is no interval: of two or three seeds it says less than the seeds themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from xal.experiments.report.statistics import paired
from xal.experiments.run.rows import Round, Run, read_runs

HERE = Path(__file__).resolve().parent
SETS = {"brain": "brain MRI", "busi": "breast ultrasound"}
WITHOUT, WITH = "third", "third_regions"
MEASURES: dict[str, Callable[[Round], float | None]] = {
    "proposed and true ROI, Dice": lambda row: row.proposed and row.proposed.dice,
    "an ROI is proposed where nothing is": lambda row: row.proposed and row.proposed.where_nothing_is,
    "scores by proposed and by true ROIs, correlation": lambda row: row.proposed and row.proposed.score,
    "the score finds mistakes, ROC area": lambda row: row.proposed and row.proposed.finds,
    "balanced accuracy": lambda row: row.balanced_accuracy,
    "energy of the attention in the true ROI": lambda row: row.attention and row.attention.energy,
}


def main() -> None:
    """Print the table."""
    print("\n".join(table()))


def table() -> Iterator[str]:
    """In Markdown, one measure a row."""
    yield "| measured on test images | images | labels | without | mean gain | gain of each seed |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for text, measure in MEASURES.items():
        for name, title in SETS.items():
            runs = read_runs(HERE / f"{name}_regions")
            for labels in sorted({row.labels for run in runs for row in run.rounds}):
                yield from _row(text, title, labels, *(_values(runs, arm, labels, measure) for arm in (WITHOUT, WITH)))


def _values(runs: list[Run], arm: str, labels: int, measure: Callable[[Round], float | None]) -> pd.Series:
    """By seed; those of complete runs only."""
    of_arm = [run for run in runs if run.header.arm == arm and run.complete]
    found = {run.header.seed: measure(row) for run in of_arm for row in run.rounds if row.labels == labels}
    return pd.Series({seed: value for seed, value in found.items() if value is not None}, dtype=float)


def _row(text: str, title: str, labels: int, without: pd.Series, with_them: pd.Series) -> Iterator[str]:
    found = paired(with_them, without)
    if found is not None:
        base = without[list(found.seeds)].mean()
        each = ", ".join(map(_signed, found.values))
        yield f"| {text} | {title} | {labels} | {base:.2f} | {_signed(found.mean)} | {each} |"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")  # + 0.0: no −0.00


if __name__ == "__main__":
    main()
