"""What a shortcut did: accuracy where the pattern misleads, and how often each arm chose images that contradict it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from xal.experiments.report.numbers import estimate, number, percent
from xal.experiments.report.page import Table
from xal.experiments.report.results import Arm, Results
from xal.experiments.report.sentences import difference_sentence
from xal.experiments.report.statistics import paired

CONTRADICTED = "shortcut.contradicted"
_ACCURACIES = {
    "balanced accuracy": "balanced_accuracy",
    "where it contradicts": CONTRADICTED,
    "where it agrees": "shortcut.agreeing",
}
_PREMISE = {"sure half wrong": "pool.surely_wrong", "uncertainty finds": "pool.uncertainty_finds"}


def misled(results: Results) -> list[Arm]:
    """The arms with a curve whose images had patterns; none where the simulation has no shortcut."""
    return [arm for arm in results.curves if arm.series(CONTRADICTED).notna().any(axis=None)]


def shortcut_tables(results: Results) -> list[Table]:
    """With the full budget: what each arm reached and chose, its differences to the baseline, and what its pool was."""
    arms = misled(results)
    if not arms:
        return []
    measures = {arm.name: _measures(arm) for arm in arms}
    tables = [_levels(results, arms, measures)]
    if results.base in arms and len(arms) > 1:
        tables.append(_differences(results, arms, measures))
    return [*tables, _premise(arms)]


def shortcut_sentences(results: Results) -> list[str]:
    """What each headline arm gains over the baseline where the pattern contradicts the finding."""
    arms = [arm for arm in misled(results) if arm.plan.role == "headline"]
    if results.base not in arms:
        return []
    there = f"Where the pattern contradicts the finding, with {results.base.end('labels'):.0f} labels"
    base = _end(results.base, CONTRADICTED)
    return [
        f"{there}: {difference_sentence(arm.name, results.baseline, paired(_end(arm, CONTRADICTED), base))}"
        for arm in arms
        if arm is not results.base
    ]


def _measures(arm: Arm) -> dict[str, pd.Series]:
    """By seed: accuracies with the full budget, and the share of contradicting images among the chosen ones."""
    return {**{name: _end(arm, key) for name, key in _ACCURACIES.items()}, "among the chosen": _chosen(arm)}


def _end(arm: Arm, quantity: str) -> pd.Series:
    """By seed, with the full budget."""
    return arm.series(quantity).iloc[:, -1]


def _chosen(arm: Arm) -> pd.Series:
    """By seed, of all images that were chosen after the start set: the share whose pattern is another finding's."""
    later = arm.rows.drop(0, level="round")
    counts = later["picked"].map(len)
    against = later["shortcut.chosen"].astype(float) * counts
    return against.groupby(level="seed").sum() / counts.groupby(level="seed").sum()


def _levels(results: Results, arms: list[Arm], measures: Mapping[str, Mapping[str, pd.Series]]) -> Table:
    rows = []
    for arm in arms:
        shares = [values.mean() for values in measures[arm.name].values()]
        seeds = f"{len(arm.runs)} of {len(arm.plan.seeds)}"
        rows.append([arm.name, seeds, *(_share(share) for share in (*shares, arm.mean("pool.contradicting").iloc[0]))])
    caption = (
        f"With {results.base.end('labels'):.0f} labels, mean over the complete seeds. Accuracy on test images, where "
        "the pattern says nothing: balanced, and the share of rightly named images where the pattern is another "
        "finding's and where it is the finding's own. Contradicting images among all that were chosen after the start "
        "set; beside it their share in the pool at the start, which is what images taken singly by chance would have."
    )
    head = ["arm", "seeds", *_ACCURACIES, "contradicting, of the chosen", "of the pool"]
    return Table(head, rows, caption)


def _differences(results: Results, arms: list[Arm], measures: Mapping[str, Mapping[str, pd.Series]]) -> Table:
    rows = []
    for arm in arms:
        if arm is results.base:
            continue
        found = {name: paired(values, measures[results.baseline][name]) for name, values in measures[arm.name].items()}
        seeds = max((len(difference.seeds) for difference in found.values() if difference is not None), default=0)
        shown = ["–" if difference is None else estimate(difference, "") for difference in found.values()]
        rows.append([arm.name, str(seeds), *shown])
    caption = (
        f"The same minus {results.baseline}, in points: paired by seed, with 95 % t intervals, not corrected for how "
        "many they are. An interval that contains 0 shows no difference."
    )
    return Table(["arm", "shared seeds", *_ACCURACIES, "contradicting, of the chosen"], rows, caption)


def _premise(arms: list[Arm]) -> Table:
    """Whether the pool has what choosing by attention could find: sure mistakes that uncertainty does not show."""
    rows = []
    for arm in arms:
        wrong, finds = (arm.mean(key) for key in _PREMISE.values())
        rows.append([arm.name, *(_share(wrong.iloc[k]) for k in (0, -1)), *(number(finds.iloc[k], 2) for k in (0, -1))])
    caption = (
        "What is left of the pool, by the first model and by the last one: the share of wrongly named images in the "
        "half of which the model is surer, and how well uncertainty finds the wrongly named ones (area under the ROC "
        "curve, 0.50 by chance). Where the sure half has hardly any mistakes, hardly any are left to be found by "
        "looking at attention. Means over seeds."
    )
    head = ["arm", *(f"{name}: {model} model" for name in _PREMISE for model in ("first", "last"))]
    return Table(head, rows, caption)


def _share(value: float) -> str:
    return "–" if pd.isna(value) else percent(value, 1)
