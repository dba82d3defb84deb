"""The tables of a report."""

from __future__ import annotations

import math

import pandas as pd

from xal.experiments.report.numbers import estimate, levels, number, p_value, points, share_of, signed, span
from xal.experiments.report.page import Table
from xal.experiments.report.results import Arm, Axis, Results, ignorant_maps
from xal.experiments.report.sentences import verdict
from xal.experiments.report.statistics import Reach, bootstrap_interval, paired

_GRID = {"uniform": "uniform", "entropy": "uncertainty", "misalignment": "misalignment", "xal": "both"}
"""The methods of the table acquisition × loss, and what they look at."""
_AXES: tuple[Axis, Axis] = ("labels", "cost")
_BASELINES = {"uniform": "even map", "centre": "centre Gaussian", "untrained": "untrained network"}
_KINDS = {
    "dice": "soft Dice",
    "energy": "energy in ROI",
    "pointing": "pointing game",
    "deletion": "deletion",
    "insertion": "insertion",
}
_SETS = {
    "total": "in all",
    "test": "to judge",
    "validation": "to calibrate",
    "start": "labelled at the start",
    "pool": "to choose from",
}


def runs_table(results: Results) -> Table:
    """What the arms are, and how many of their runs are complete."""
    images = [run.header.images for run in results.base.runs]  # seeds differ a little: whole groups are divided
    counted = ", ".join(
        f"{span([i[name] for i in images])} {text}" for name, text in _SETS.items() if name in images[0]
    )
    rows = [
        [
            plan.name,
            "baseline" if plan.name == results.baseline else plan.role,
            plan.method,
            "–" if plan.roi == "none" else plan.roi,
            "yes" if plan.guided else "no",
            share_of(plan.outlined) if plan.outlines else "–",
            f"{len(results.arms[plan.name].runs) if plan.name in results.arms else 0} of {len(plan.seeds)}",
        ]
        for plan in results.plans
    ]
    head = ["arm", "role", "chooses by", "ROIs of the pool", "guided training", "ROIs drawn", "complete seeds"]
    return Table(head, rows, f"Images: {counted}.", words=6)


def area_tables(results: Results) -> list[Table]:
    """Areas under the curve and differences to the baseline: headline arms, then the others."""
    head = [
        "arm",
        "seeds",
        "AUBC [95 % bootstrap]",
        f"− {results.baseline} [95 % t]",
        "[95 % bootstrap]",
        "p",
        "result",
    ]
    tables = []
    for arms, caption in (
        (
            results.headline,
            "Headline arms. The paired t interval decides: with so few seeds the bootstrap's is too narrow.",
        ),
        (results.exploratory, "Exploratory arms: hints, not corrected for how many they are."),
    ):
        rows = [_area_row(results, arm) for arm in arms if arm.rounds > 1]
        if rows:
            tables.append(Table(head, rows, caption))
    return tables


def _area_row(results: Results, arm: Arm) -> list[str]:
    areas = results.areas(arm, results.span([arm, results.base]))
    interval = bootstrap_interval(areas.to_numpy())
    row = [arm.name, str(len(areas)), f"{100 * areas.mean():.1f} {levels(interval)}".rstrip()]
    if arm is results.base:
        return [*row, "", "", "", "baseline"]
    gain = results.gain(arm)
    if gain is None:
        return [*row, "", "", "", "no shared seed"]
    if gain.t is None or gain.bootstrap is None or gain.p is None:
        return [*row, signed(gain.mean), "", "", "one seed"]
    return [*row, f"{signed(gain.mean)} {points(gain.t)}", points(gain.bootstrap), p_value(gain.p), verdict(gain)]


def reach_table(results: Results, axis: Axis) -> Table | None:
    """When each arm is where the baseline ends."""
    rows = []
    for arm in results.curves:
        reach = results.reach(arm, axis)
        if reach is not None:
            at = "never" if math.isinf(reach.at) else f"{reach.at:.0f}"
            rows.append(
                [
                    arm.name,
                    at,
                    _reached(reach),
                    f"{reach.reached} of {reach.seeds}",
                    share_of(reach.median),
                ]
            )
    if len(rows) < 2:
        return None
    end = results.base.end(axis)
    unit, there = ("labels", f"{end:.0f} labels") if axis == "labels" else ("cost", f"a cost of {end:.0f}")
    head = ["arm", unit, "share of the budget [95 % bootstrap]", "seeds that do", "half of the seeds by"]
    caption = (
        f"When the mean curve first reaches what {results.baseline} ends with ({there}); then each seed by "
        f"itself. The row of {results.baseline} says how early noise alone gets there."
    )
    return Table(head, rows, caption)


def cost_table(results: Results) -> Table | None:
    """The same comparisons against annotation cost; None where that says no more than the labels do."""
    if len(results.curves) < 2 or not results.cost_differs:
        return None
    head = ["arm", "cost at the end", f"AUBC − {results.baseline} [95 % t]", "result"]
    rows = []
    for arm in results.curves:
        gain = None if arm is results.base else results.gain(arm, "cost")
        shown = (
            ["", "baseline" if arm is results.base else "–"] if gain is None else [estimate(gain, ""), verdict(gain)]
        )
        rows.append([arm.name, f"{arm.end('cost'):.0f}", *shown])
    caption = "Over the costs that all runs of an arm and of the baseline cover."
    return Table(head, rows, caption)


def win_table(results: Results) -> Table | None:
    """Every pair of headline arms."""
    if not results.matrix:
        return None
    names = [arm.name for arm in results.headline if any(arm.name in (p.first, p.second) for p in results.matrix)]
    cells = {}
    for pair in results.matrix:
        mean = pair.difference.mean
        for a, b, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            mark = "" if pair.p >= 0.05 else "▲ " if sign * mean > 0 else "▼ "
            cells[a, b] = f"{mark}{signed(sign * mean)} (p {p_value(pair.p)})"
    rows = [[a, *("·" if a == b else cells.get((a, b), "–") for b in names)] for a in names]
    caption = (
        "Row minus column: points of AUBC, and p of the paired t-test, corrected by Holm for all pairs. "
        "▲ the row is better, ▼ it is worse, at 5 %."
    )
    return Table(["", *names], rows, caption)


def grid_table(results: Results) -> Table | str | None:
    """Acquisition × loss, so that what guidance gains is not credited to the acquisition; or why it cannot be shown."""
    cells = {(method, guided): arm for method in _GRID for guided, arm in results.cells(method).items()}
    if not any(arm.plan.guided for arm in cells.values()) or all(arm.plan.guided for arm in cells.values()):
        return None
    chances = {cell: results.chance(arm) or cells.get(("uniform", cell[1])) for cell, arm in cells.items()}
    arms = list({arm.name: arm for arm in (*cells.values(), *chances.values()) if arm is not None}.values())
    span = results.span(arms)
    areas = pd.DataFrame({arm.name: results.areas(arm, span) for arm in arms}).dropna()
    if areas.empty:
        return "The arms of acquisition × loss share no seed, so they cannot be set side by side."

    def mean(arm: Arm | None) -> str:
        return f"{100 * areas[arm.name].mean():.1f}" if arm is not None else "–"

    def gain(first: Arm | None, second: Arm | None) -> str:
        difference = paired(areas[first.name], areas[second.name]) if first is not None and second is not None else None
        return "–" if difference is None else estimate(difference, "")

    def over_chance(cell: tuple[str, bool]) -> str:
        arm, chance = cells.get(cell), chances.get(cell)
        if arm is None or chance is None:
            return "–"
        return f"{gain(arm, chance)} ({chance.name}{'' if results.chance(arm) is chance else '*'})"

    rows = [
        [looks_at, mean(cells.get((method, False))), mean(cells.get((method, True))),
         gain(cells.get((method, True)), cells.get((method, False)))]
        for method, looks_at in _GRID.items()
    ]  # fmt: skip
    rows += [
        [f"{looks_at} − uniform", over_chance((method, False)), over_chance((method, True)), ""]
        for method, looks_at in list(_GRID.items())[1:]
    ]
    rows = [row for row in rows if set(row[1:]) - {"–", ""}]
    starred = any("*)" in text for row in rows for text in row)
    caption = (
        f"AUBC over the {len(areas)} seed{'s' * (len(areas) > 1)} that all of these arms share "
        f"({', '.join(arm.name for arm in arms)}); differences in points with paired 95 % t intervals. Arms side by "
        "side differ in nothing but guidance. In brackets: the uniform arm that is subtracted, with the same batch rule"
        + (" (* there is none, so the batches or the training differ, too)." if starred else ".")
    )
    return Table(["acquisition", "without guidance", "with guidance", "gain of guidance"], rows, caption)


def outlines_table(results: Results) -> Table | None:
    """What outlines are worth to training in all: findings alone against guidance and the head that proposes ROIs."""
    rows = []
    for alone in results.curves:
        taught = results.taught(alone)
        if taught is None:
            continue
        difference = results.gain(taught, over=alone)
        rows.append(
            [
                alone.name, taught.name,
                *(f"{100 * arm.end('attention.energy'):.1f} %" for arm in (alone, taught)),
                "–" if difference is None else estimate(difference, ""),
            ]
        )  # fmt: skip
    if not rows:
        return None
    caption = (
        "Arms side by side differ in nothing but whether training learns from outlines, too (by guidance and by the "
        "head that proposes ROIs), or from findings alone (cross entropy). Energy: of the attention in held-out ROIs, "
        "with the full budget. Gain: AUBC with outlines minus without, in points, with the paired 95 % t interval."
    )
    head = ["findings alone", "and outlines", "energy in ROI, findings alone", "and outlines", "gain of outlines"]
    return Table(head, rows, caption)


def price_table(results: Results) -> Table | None:
    """What guided arms save against labelling by chance and learning from findings alone, and what that costs."""
    old = results.conventional
    if old is None:
        return None
    rows = []
    for arm in results.priced[1:]:
        gain, by_labels, by_cost = results.gain(arm, over=old), *(results.reach(arm, axis, old) for axis in _AXES)
        if gain is None or by_labels is None or by_cost is None:
            continue
        rows.append([arm.name, share_of(arm.plan.outlined), estimate(gain, ""), _reached(by_labels), _reached(by_cost)])
    if not rows:
        return None
    cost = results.base.plan.roi_cost
    caption = (
        f"Against {old.name}: images by chance, findings alone. When the mean curve reaches what that ends with, as a "
        f"share of its {old.end('labels'):.0f} labels: counted in labels, and in annotation time if an ROI costs "
        f"as much as {cost:g} labels more; with 95 % bootstrap intervals."
    )
    head = ["arm", "ROIs drawn", f"AUBC − {old.name} [95 % t]", "in labels", "in annotation time"]
    return Table(head, rows, caption)


def _reached(reach: Reach) -> str:
    """The share of the budget at which an arm is where another one ends."""
    interval = f" [{share_of(reach.interval.low)}, {share_of(reach.interval.high)}]" if reach.interval else ""
    return share_of(reach.share) + interval


def attention_table(results: Results) -> Table | None:
    """Attention on held-out ROIs with the full budget, beside maps that know nothing."""
    ends = {arm.name: {kind: arm.end(f"attention.{kind}") for kind in _KINDS} for arm in results.curves}
    measured = pd.DataFrame.from_dict(ends, orient="index", columns=[*_KINDS]).dropna(subset="dice")
    if measured.empty:
        return None
    maps = ignorant_maps([results.base]).reindex([*_BASELINES]).dropna(how="all").rename(_BASELINES)
    shown = pd.concat([measured, maps]).dropna(axis=1, how="all").rename(columns=_KINDS)
    rows = [[str(name), *(number(value, 3) for value in values)] for name, values in shown.iterrows()]
    return Table(["", *shown], rows, "With the full budget, mean over seeds; the last rows are maps that know nothing.")


def proposed_table(results: Results) -> Table | None:
    """How near each arm's proposed ROIs come to the true ones, in its scores and by themselves."""
    arms = [arm for arm in results.curves if arm.plan.roi == "proposed"]
    rows = []
    for arm in arms:
        found = [arm.mean(f"pool.{key}") for key in ("proposed_oracle", "roi_dice")]
        rows.append([arm.name, *(number(values.iloc[k], 2) for values in found for k in (0, -1))])
    rows = [row for row in rows if set(row[1:]) != {"–"}]
    if not rows:
        return None
    head = ["arm", "scores: first model", "scores: last model", "Dice: first model", "Dice: last model"]
    caption = (
        "Scores: Spearman's rank correlation, over the pool, of the scores (with the task's α, whatever the arm "
        "chooses by) with proposed ROIs and those that the same model would give with the true ones. Dice: of proposed "
        "and true ROI. Means over seeds; the first model knows the start set alone."
    )
    return Table(head, rows, caption)


def end_table(results: Results) -> Table:
    """What was measured with the full budget, but for recalls."""
    columns = [
        ("labels", "labels", 0),
        ("balanced accuracy", "balanced_accuracy", 3),
        ("AUROC", "auroc", 3),
        ("log loss", "log_loss", 3),
        ("ECE before", "ece_raw", 3),
        ("ECE after", "ece", 3),
        ("temperature", "temperature", 2),
    ]
    rows = [[arm.name, *(number(arm.end(key), digits) for _, key, digits in columns)] for arm in results.measured]
    return Table(["arm", *(name for name, _, _ in columns)], rows, "Mean over seeds.")


def recall_table(results: Results) -> Table:
    """How much of every finding is found with the full budget."""
    arms = results.measured
    findings = sorted({finding for arm in arms for run in arm.runs for finding in run.rounds[-1].recall})
    rows = [[arm.name, *(number(arm.end(f"recall.{finding}"), 3) for finding in findings)] for arm in arms]
    return Table(["recall of", *findings], rows)
