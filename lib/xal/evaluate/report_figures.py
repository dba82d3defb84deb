"""The pictures of a report, drawn from numbers alone: nothing here shows an image of the set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from xal.evaluate.numbers import signed
from xal.evaluate.results import Arm, Axis, Results
from xal.evaluate.rows import Bin
from xal.evaluate.statistics import FloatArray, band
from xal.evaluate.style import ACCENT, INK, LINE, NEUTRAL, OTHERS, SOFT, name_ends, new_figure, plain

Colours = Mapping[str, str]
Drawing = Callable[[Results, Colours], Figure | None]

FEWEST_SHADED = 4
"""Seeds: the interval of fewer is so wide that it would hide the curves."""
_IGNORANT = {"uniform": "even map", "centre": "centre Gaussian", "untrained": "untrained"}
_AXES: Mapping[Axis, str] = {"labels": "labels", "cost": "annotation cost, in labels"}
_PARTS = {"train": "#0369a1", "read": "#7c3aed", "select": "#c2410c", "evaluate": "#94a3b8"}


def colours_of(results: Results) -> dict[str, str]:
    """A colour for every arm, the same in all pictures: grey for the baseline, orange for the first xal."""
    rest = sorted(
        (arm.name for arm in results.headline if arm.name != results.baseline),
        key=lambda name: results.arms[name].plan.method != "xal",
    )
    colours = dict.fromkeys((arm.name for arm in results.exploratory), OTHERS[0])
    colours |= {name: (ACCENT, *OTHERS)[k % (1 + len(OTHERS))] for k, name in enumerate(rest)}
    return colours | {results.baseline: NEUTRAL}


def budget_curves(results: Results, colours: Colours) -> Figure | None:
    """Balanced accuracy against labels, and each pair's difference to the baseline."""
    return _budget(results, colours, "labels")


def cost_curves(results: Results, colours: Colours) -> Figure | None:
    """The same against annotation cost; None where cost is the same multiple of the labels for all."""
    return _budget(results, colours, "cost") if results.cost_differs else None


def _budget(results: Results, colours: Colours, axis: Axis) -> Figure | None:
    arms = [arm for arm in results.headline if arm.rounds > 1]
    if not arms:
        return None
    figure = new_figure(12, 5)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    figure.subplots_adjust(left=0.05, right=0.875, top=0.9, bottom=0.125, wspace=0.45)
    ends = []
    for arm in _baseline_first(results, arms):
        x, values = arm.mean(axis), arm.series("balanced_accuracy")
        _line(left, x, values, colours[arm.name], bold=arm is not results.base)
        end = float(values[:, -1].mean())
        ends.append((f"{arm.name} {end:.1%}", float(x[-1]), end, colours[arm.name], arm is not results.base))
    ceiling = results.ceiling
    if ceiling is not None:
        _level(left, float(ceiling.mean("balanced_accuracy")[-1]), f"{ceiling.name}", "left")
    _percent(left.yaxis)
    left.set_title("Balanced accuracy")
    _dress(left, axis)
    name_ends(left, ends)

    names = []
    right.axhline(0, color=NEUTRAL, lw=1.8)
    for arm in arms:
        if arm is results.base:
            continue
        x, differences = _differences(results, arm, axis)
        if len(differences):
            _line(right, x, 100 * differences, colours[arm.name], bold=True)
            end = 100 * float(differences[:, -1].mean())
            names.append((f"{arm.name} {signed(end / 100)}", float(x[-1]), end, colours[arm.name], True))
    right.set_title(f"Difference to {results.baseline}, in points, paired by seed")
    _dress(right, axis)
    _in_points(right.yaxis)
    name_ends(right, names)
    return figure


def _differences(results: Results, arm: Arm, axis: Axis) -> tuple[FloatArray, FloatArray]:
    """(points,) and (seeds, points): arm − baseline at the same labels or cost."""
    low, high = results.span([arm, results.base], axis)
    own = results.base.mean("labels")
    grid = own[(own >= low) & (own <= high)] if axis == "labels" else np.linspace(low, high, 30)
    seeds = sorted(arm.by_seed.keys() & results.base.by_seed.keys()) if low < high else []
    curves = [
        [
            np.interp(grid, x, y)
            for x, y in zip(one.series(axis, seeds), one.series("balanced_accuracy", seeds), strict=True)
        ]
        for one in (arm, results.base)
    ]
    return grid, np.array(curves[0]) - np.array(curves[1])


def gains(results: Results, colours: Colours) -> Figure | None:
    """Every arm's difference to the baseline in area under the curve, with its interval and its seeds."""
    rows = [
        (arm, gain) for arm in results.curves if arm is not results.base and (gain := results.gain(arm)) is not None
    ]
    if not rows:
        return None
    height = 1.1 + 0.42 * len(rows)
    figure = new_figure(12, height)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.2, right=0.72, top=1 - 0.55 / height, bottom=0.5 / height)
    axes.axvline(0, color=NEUTRAL, lw=1.4, zorder=1)
    for place, (arm, gain) in enumerate(rows):
        headline = arm.plan.role == "headline"
        colour = colours[arm.name] if headline else SOFT
        values = 100 * np.array(gain.values)
        axes.plot(values, np.full(len(values), place), "|", color=colour, alpha=0.45, ms=8, mew=1.2, zorder=2)
        if gain.t is not None:
            axes.plot([100 * gain.t.low, 100 * gain.t.high], [place, place], color=colour, lw=3 if headline else 2)
        axes.plot(100 * gain.mean, place, "o", color=colour, mec="white", mew=1.2, ms=9 if headline else 7, zorder=4)
        said = signed(gain.mean) + (f"  [{signed(gain.t.low)}, {signed(gain.t.high)}]" if gain.t else "  one seed")
        axes.annotate(
            f"{said}   {len(gain.seeds)} seeds" if gain.t else said, (1.03, place), xycoords=("axes fraction", "data"),
            va="center", size=9.5, color=INK, annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [arm.name for arm, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    plain(axes)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=LINE, lw=0.8)
    for label, (arm, _) in zip(axes.get_yticklabels(), rows, strict=True):
        headline = arm.plan.role == "headline"
        label.set(color=colours[arm.name] if headline else SOFT, size=10, fontweight="bold" if headline else "normal")
    _in_points(axes.xaxis)
    axes.set_title(
        f"Area under balanced accuracy, difference to {results.baseline} in points: 95 % t interval, | one seed"
    )
    return figure


def exploratory_curves(results: Results, colours: Colours) -> Figure | None:
    """One small panel per exploratory arm, with the baseline behind it, both over the seeds that they share."""
    arms = [arm for arm in results.exploratory if arm.rounds > 1]
    if not arms:
        return None
    columns = min(4, len(arms))
    rows = -(-len(arms) // columns)
    figure = new_figure(12, 0.7 + 2.35 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    figure.subplots_adjust(left=0.05, right=0.985, top=1 - 0.4 / figure.get_figheight(), hspace=0.38, wspace=0.12,
                           bottom=0.55 / figure.get_figheight())  # fmt: skip
    for axes, arm in zip(grid, arms, strict=False):
        shared = sorted(arm.by_seed.keys() & results.base.by_seed.keys())
        for one, colour in ((results.base, NEUTRAL), (arm, colours[arm.name])) if shared else ():
            values = one.series("balanced_accuracy", shared)
            _line(axes, one.series("labels", shared).mean(0), values, colour, bold=one is arm, shade=False)
        gain = results.gain(arm)
        axes.set_title(arm.name, size=10, pad=5)
        if gain is not None:
            said = f"AUBC {signed(gain.mean)}"
            axes.annotate(said, (1, 0.06), xycoords="axes fraction", ha="right", size=9, color=colours[arm.name])
        _dress(axes, None)
        _percent(axes.yaxis)
    for axes in grid[len(arms) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(arms) - columns) : len(arms)]:
        axes.set_xlabel("labels", size=9.5)
        axes.tick_params(labelbottom=True)
    return figure


def attention_curves(results: Results, colours: Colours) -> Figure | None:
    """Attention on held-out ROIs over the rounds, beside maps that know nothing."""
    panels = {
        "dice": "Soft Dice with the ROI",
        "energy": "Energy in the ROI",
        "pointing": "Pointing game",
        "deletion": "Deletion (lower is better)",
        "insertion": "Insertion (higher is better)",
    }
    arms = [arm for arm in results.headline if arm.rounds > 1]
    pair = results.guidance()
    arms += [arm for arm in pair or () if arm not in arms]
    shown = {
        key: text
        for key, text in panels.items()
        if any(np.isfinite(arm.mean(f"attention.{key}")).any() for arm in arms)
    }
    if not shown:
        return None
    palette = {**colours, **{arm.name: "#334155" for arm in pair or () if arm.plan.role != "headline"}}
    columns = 3
    rows = -(-len(shown) // columns)
    figure = new_figure(13, 0.35 + 3.6 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(left=0.05, right=0.88, top=1 - 0.38 / figure.get_figheight(), hspace=0.4, wspace=0.72,
                           bottom=0.55 / figure.get_figheight())  # fmt: skip
    for axes, (key, text) in zip(grid, shown.items(), strict=False):
        _dress(axes, "labels")
        axes.set_title(text, size=10.5)
        _percent(axes.yaxis)
        ends = _quantity(axes, arms, f"attention.{key}", palette, results)
        for name, said in _IGNORANT.items():
            known = [
                getattr(run.header.baselines[name], key)
                for arm in arms
                for run in arm.runs
                if name in run.header.baselines
            ]
            known = [value for value in known if value is not None]
            if known:
                level = float(np.mean(known))
                axes.axhline(level, color=SOFT, lw=1, ls=(0, (1.5, 2.5)))
                ends.append((said, max(end[1] for end in ends), level, SOFT, False))
        axes.set_ylim(bottom=0)
        name_ends(axes, ends, size=8.5)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    return figure


def score_by_area(results: Results, colours: Colours) -> Figure | None:
    """Whether a score only ranks lesions by size: deciles at the first and last round, rank correlations over all."""
    arms = [arm for arm in results.curves if arm.plan.role == "headline" and _deciles(arm, 0) is not None]
    if not arms:
        return None
    figure = new_figure(12, 4.1)
    first, last, over = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.05, right=0.89, top=0.88, bottom=0.15, wspace=0.5)
    for axes, number, said in ((first, 0, "start set"), (last, -1, "last round")):
        ends = []
        for arm in arms:
            points = _deciles(arm, number)
            if points is not None:
                axes.plot(*points, "o-", color=colours[arm.name], lw=2, ms=4)
                ends.append(
                    (arm.name, float(points[0][-1]), float(points[1][-1]), colours[arm.name], arm is not results.base)
                )
        axes.set_title(f"Mean score by ROI area: {said}", size=10.5)
        _dress(axes, None)
        axes.set_xlabel("share of the image that the ROI covers", size=9.5)
        _percent(axes.xaxis, 5)
        axes.set_ylim(0, max(1, axes.get_ylim()[1]))
        edge = max(end[1] for end in ends)
        name_ends(axes, [(name, edge, y, colour, bold) for name, _, y, colour, bold in ends], size=8.5)
    _dress(over, "labels")
    over.axhline(0, color=NEUTRAL, lw=1)
    ends = _quantity(over, arms, "pool.score_area", colours, results)
    _quantity(over, arms, "pool.misalignment_area", colours, results, dashed=True)
    over.set_ylim(-1, 1)
    over.set_title("Rank correlation with area", size=10.5)
    over.annotate("solid: score, dashed: misalignment", (0, 0.03), xycoords="axes fraction", size=8.5, color=SOFT)
    name_ends(over, ends, size=8.5)
    return figure


def reliability(results: Results, colours: Colours) -> Figure | None:
    """Confidence against accuracy with the full budget, before and after temperature scaling."""
    arms = [arm for arm in results.curves if arm.plan.role == "headline" and _bins(arm, "raw") is not None]
    if not arms:
        return None
    columns = min(4, len(arms))
    rows = -(-len(arms) // columns)
    figure = new_figure(3 * max(columns, 2), 0.5 + 3 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.07, right=0.985, top=1 - 0.4 / height, bottom=0.6 / height, wspace=0.12, hspace=0.35)
    for axes, arm in zip(grid, arms, strict=False):
        axes.plot([0, 1], [0, 1], color=LINE, lw=1.4)
        for kind, colour, style in (("raw", NEUTRAL, "--"), ("scaled", colours[arm.name], "-")):
            bins = _bins(arm, kind)
            if bins is not None:
                inside = "white" if kind == "raw" else colour
                axes.plot(bins[1], bins[2], style, color=colour, lw=1.6, ms=0)
                axes.scatter(
                    bins[1],
                    bins[2],
                    12 + 160 * bins[0] / bins[0].sum(),
                    inside,
                    ec=colour,
                    lw=1.4,
                    zorder=3,
                    clip_on=False,
                )
        before, after = arm.mean("ece_raw")[-1], arm.mean("ece")[-1]
        axes.set_title(arm.name, size=10.5, color=colours[arm.name] if arm is not results.base else INK)
        axes.annotate(f"ECE {before:.3f} before", (0.04, 0.93), xycoords="axes fraction", size=9, color=SOFT, va="top")
        axes.annotate(f"ECE {after:.3f} after", (0.04, 0.85), xycoords="axes fraction", size=9, va="top",
                      color=colours[arm.name] if arm is not results.base else INK)  # fmt: skip
        _dress(axes, None)
        axes.set_xlabel("confidence", size=9.5)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        for direction in (axes.xaxis, axes.yaxis):
            direction.set_major_formatter(PercentFormatter(1, 0))
        axes.set_xticks([0.25, 0.5, 0.75])
    for axes in grid[len(arms) :]:
        axes.set_visible(False)
    grid[0].set_ylabel("accuracy", size=9.5)
    return figure


def proposed_rois(results: Results, colours: Colours) -> Figure | None:
    """How near scores with proposed ROIs come to those with true ones, over the rounds."""
    panels = {
        "pool.proposed_oracle": "Scores, proposed and oracle: rank correlation",
        "pool.roi_dice": "Dice of proposed ROIs",
        "pool.roi_confidence": "Their Dice and confidence: rank correlation",
    }
    arms = [arm for arm in results.curves if arm.plan.role == "headline" and arm.plan.roi == "proposed"]
    arms = [arm for arm in arms if np.isfinite(arm.mean("pool.proposed_oracle")).any()]
    if not arms:
        return None
    figure = new_figure(15, 4.1)
    figure.subplots_adjust(left=0.04, right=0.9, top=0.88, bottom=0.15, wspace=0.42)
    for axes, (quantity, text) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        _dress(axes, "labels")
        axes.set_title(text, size=10.5)
        ends = _quantity(axes, arms, quantity, colours, results)
        axes.set_ylim(min(0, axes.get_ylim()[0]), 1)
        name_ends(axes, ends, size=9)
    return figure


def seconds(results: Results, colours: Colours) -> Figure | None:
    """What a round takes, by part."""
    arms = results.curves
    if not arms:
        return None
    height = 1.25 + 0.36 * len(arms)
    figure = new_figure(12, height)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.2, right=0.87, top=1 - 0.72 / height, bottom=0.45 / height)
    left = np.zeros(len(arms))
    for part, colour in _PARTS.items():
        width = np.array([arm.series(f"seconds.{part}")[:, 1:].mean() for arm in arms])
        axes.barh(range(len(arms)), width, left=left, color=colour, height=0.62)
        left += width
    for place, total in enumerate(left):
        axes.annotate(
            f"{total:.1f} s", (total, place), xytext=(6, 0), textcoords="offset points", va="center", size=9.5
        )
    axes.set_yticks(range(len(arms)), [arm.name for arm in arms])
    axes.set_ylim(len(arms) - 0.4, -0.6)
    plain(axes)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelcolor=INK, labelsize=10)
    axes.set_title("Seconds per round, mean of all seeds", pad=24)
    at = 0.0
    for part, colour in _PARTS.items():
        axes.annotate(f"■ {part}", (at, 1), xytext=(0, 7), xycoords="axes fraction", textcoords="offset points",
                      size=9.5, color=colour)  # fmt: skip
        at += 0.1
    return figure


FIGURES: Mapping[str, Drawing] = {
    "curves": budget_curves,
    "curves-cost": cost_curves,
    "gains": gains,
    "exploratory": exploratory_curves,
    "attention": attention_curves,
    "area": score_by_area,
    "reliability": reliability,
    "proposed": proposed_rois,
    "seconds": seconds,
}


def _line(axes: Axes, x: FloatArray, values: FloatArray, colour: str, bold: bool, shade: bool = True) -> None:
    """The mean of (seeds, points), and where it may lie."""
    axes.plot(x, values.mean(axis=0), "o-", color=colour, lw=2.4 if bold else 1.8, ms=3.5, zorder=3 if bold else 2)
    interval = band(values) if len(values) >= FEWEST_SHADED else None
    if shade and interval is not None:
        axes.fill_between(x, *interval, color=colour, alpha=0.1, lw=0)


def _quantity(
    axes: Axes, arms: Sequence[Arm], quantity: str, colours: Colours, results: Results, dashed: bool = False
) -> list[tuple[str, float, float, str, bool]]:
    """The means of a quantity over the rounds; the names for the curves' ends."""
    ends = []
    for arm in _baseline_first(results, arms):
        x, y = arm.mean("labels"), arm.mean(quantity)
        known = np.isfinite(y)
        if known.any():
            bold = arm is not results.base
            axes.plot(
                x[known], y[known], "--" if dashed else "o-", color=colours[arm.name], lw=2.2 if bold else 1.8, ms=3.5
            )
            ends.append((arm.name, float(x[known][-1]), float(y[known][-1]), colours[arm.name], bold))
    return ends


def _baseline_first(results: Results, arms: Sequence[Arm]) -> list[Arm]:
    """So that everything else is drawn over it."""
    return sorted(arms, key=lambda arm: arm is not results.base)


def _dress(axes: Axes, axis: Axis | None) -> None:
    plain(axes)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=axis is not None))
    if axis is not None:
        axes.set_xlabel(_AXES[axis], size=9.5)


def _percent(axis: XAxis | YAxis, most: int = 8) -> None:
    """Marks at round shares."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))


def _in_points(axis: XAxis | YAxis) -> None:
    """Marks at round differences, with their sign."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))


def _level(axes: Axes, value: float, name: str, side: str) -> None:
    axes.axhline(value, color=INK, lw=1, ls=(0, (4, 3)))
    axes.annotate(f"{name} {value:.1%}", (0.01, value), xycoords=("axes fraction", "data"), xytext=(0, 4),
                  textcoords="offset points", ha=side, size=9, color=INK)  # fmt: skip


def _deciles(arm: Arm, number: int) -> tuple[FloatArray, FloatArray] | None:
    """Mean area and mean score of each decile, over the seeds."""
    pools = [run.rounds[: arm.rounds][number].pool for run in arm.runs]
    rows = [pool.by_area for pool in pools if pool is not None and len(pool.by_area) > 0]
    if not rows or len({len(row) for row in rows}) > 1:
        return None
    table = np.array([[(np.nan if a is None else a, np.nan if s is None else s) for a, s, _ in row] for row in rows])
    known = np.isfinite(table).all(axis=(0, 2))
    area, mean = table[:, known].mean(axis=0).T if known.any() else np.empty((2, 0))
    return (area, mean) if area.size else None


def _bins(arm: Arm, kind: str) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Counts, confidences and accuracies of the last round's bins, all seeds together; empty bins left out."""
    found = [run.rounds[: arm.rounds][-1].reliability for run in arm.runs]
    tables: list[Sequence[Bin]] = [row.raw if kind == "raw" else row.scaled for row in found if row is not None]
    if not tables:
        return None
    table = np.array([[(n, c or 0.0, a or 0.0) for n, c, a in rows] for rows in tables])
    counts = table[:, :, 0].sum(axis=0)
    some = counts > 0
    confidence, accuracy = ((table[:, :, k] * table[:, :, 0]).sum(axis=0)[some] / counts[some] for k in (1, 2))
    return counts[some], confidence, accuracy
