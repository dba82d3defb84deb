"""The pictures of a report that compare its arms: accuracy against labels, and what one gains over another."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from xal.arrays import FloatArray
from xal.experiments.report.figure_parts import (
    Colours,
    baseline_first,
    dress,
    in_percent,
    in_points,
    level_line,
    mean_line,
)
from xal.experiments.report.numbers import points, signed
from xal.experiments.report.results import Arm, Axis, Results, shared_seeds
from xal.experiments.report.shortcut import CONTRADICTED
from xal.experiments.report.style import ACCENT, INK, LINE, NEUTRAL, OTHERS, SOFT, name_ends, new_figure, plain

_TICKS = 0.25
"""Room for the numbers of an axis, in inches."""


def budget_curves(results: Results, colours: Colours) -> Figure | None:
    """Balanced accuracy against labels, and each pair's difference to the baseline."""
    return _budget(results, colours, "labels")


def cost_curves(results: Results, colours: Colours) -> Figure | None:
    """The same against annotation cost; None where cost is the same multiple of the labels for all."""
    return _budget(results, colours, "cost") if results.cost_differs else None


def shortcut_curves(results: Results, colours: Colours) -> Figure | None:
    """The same of accuracy where the pattern misleads; None where there is no shortcut."""
    title = "Accuracy where the pattern contradicts the finding"
    return _budget(results, colours, "labels", CONTRADICTED, title)


def _budget(
    results: Results,
    colours: Colours,
    axis: Axis,
    quantity: str = "balanced_accuracy",
    title: str = "Balanced accuracy",
) -> Figure | None:
    """Arms and rounds without the quantity are left out; nothing is drawn where the baseline has none."""
    arms = [arm for arm in results.headline if arm.rounds > 1 and arm.series(quantity).notna().all(axis=None)]
    if results.base not in arms:
        return None
    width, margin = 12.0, 0.05
    figure = new_figure(width, 5)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    beside = max(1.6, 0.65 + 0.085 * max(len(arm.name) for arm in arms))
    figure.subplots_adjust(left=margin, right=1 - beside / width, top=0.9, bottom=0.125)
    between = beside + _TICKS
    figure.subplots_adjust(wspace=2 * between / (width * (1 - margin) - beside - between))
    ends = []
    for arm in baseline_first(results, arms):
        x, values = arm.mean(axis).to_numpy(), arm.series(quantity).to_numpy()
        mean_line(left, x, values, colours[arm.name], bold=arm is not results.base)
        end = float(values[:, -1].mean())
        ends.append((f"{arm.name} {end:.1%}", float(x[-1]), end, colours[arm.name], arm is not results.base))
    ceiling = results.ceiling
    if ceiling is not None and ceiling.mean(quantity).notna().all():
        level_line(left, ceiling.end(quantity), f"{ceiling.name}", "left")
    in_percent(left.yaxis)
    left.set_title(title)
    dress(left, axis)
    name_ends(left, ends)

    names = []
    right.axhline(0, color=NEUTRAL, lw=1.8)
    for arm in arms:
        if arm is results.base:
            continue
        x, differences = _differences(results, arm, axis, quantity)
        if len(differences):
            mean_line(right, x, 100 * differences, colours[arm.name], bold=True)
            end = 100 * float(differences[:, -1].mean())
            names.append((f"{arm.name} {signed(end / 100)}", float(x[-1]), end, colours[arm.name], True))
    right.set_title(f"Difference to {results.baseline}, in points, paired by seed")
    dress(right, axis)
    in_points(right.yaxis)
    name_ends(right, names)
    return figure


def price_curves(results: Results, colours: Colours) -> Figure | None:
    """Findings alone, a part of the outlines (by chance) and all of them, against labels and against what they cost."""
    whole = [arm for arm in results.headline if arm is results.base or colours[arm.name] == ACCENT]
    arms = [arm for arm in results.priced if arm in whole or arm not in results.headline]
    arms = [arm for arm in arms if arm.plan.outline == "chance"]
    seeds = shared_seeds(*arms) if arms else []
    if not seeds:
        return None
    figure = new_figure(12, 5)
    panels = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.05, right=0.97, top=0.9, bottom=0.125, wspace=0.4)
    shades = dict(colours) | dict(zip((arm.name for arm in arms if arm not in whole), OTHERS, strict=False))
    sides: tuple[tuple[Axis, str], ...] = (("labels", "labels"), ("cost", "annotation time"))
    ends = []
    for axes, (axis, name) in zip(panels, sides, strict=True):
        for arm in arms:
            x, values = (arm.series(quantity).loc[seeds].to_numpy() for quantity in (axis, "balanced_accuracy"))
            mean_line(axes, x.mean(axis=0), values, shades[arm.name], bold=arm is not results.base, shade=False)
            if axis == "labels":  # on both sides the names would lie on the curves
                end = float(values[:, -1].mean())
                ends.append((f"{arm.name} {end:.1%}", float(x[:, -1].mean()), end, shades[arm.name], True))
        in_percent(axes.yaxis)
        axes.set_title(f"Balanced accuracy against {name}")
        dress(axes, axis)
    name_ends(panels[0], ends)
    return figure


def _differences(results: Results, arm: Arm, axis: Axis, quantity: str) -> tuple[FloatArray, FloatArray]:
    """(points,) and (seeds, points): arm − baseline at the same labels or cost."""
    low, high = results.span([arm, results.base], axis)
    own = results.base.mean("labels").to_numpy()
    grid = own[(own >= low) & (own <= high)] if axis == "labels" else np.linspace(low, high, 30)
    seeds = shared_seeds(arm, results.base) if low < high else []
    heights = [
        np.array([np.interp(grid, x.loc[seed], y.loc[seed]) for seed in seeds])
        for x, y in ((one.series(axis), one.series(quantity)) for one in (arm, results.base))
    ]
    return grid, heights[0] - heights[1]


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
        said = signed(gain.mean) + (f"  {points(gain.t)}" if gain.t else "  one seed")
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
    in_points(axes.xaxis)
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
        shared = shared_seeds(arm, results.base)
        for one, colour in ((results.base, NEUTRAL), (arm, colours[arm.name])) if shared else ():
            x, values = (one.series(quantity).loc[shared].to_numpy() for quantity in ("labels", "balanced_accuracy"))
            mean_line(axes, x.mean(axis=0), values, colour, bold=one is arm, shade=False)
        gain = results.gain(arm)
        axes.set_title(arm.name, size=10, pad=5)
        if gain is not None:
            said = f"AUBC {signed(gain.mean)}"
            axes.annotate(said, (1, 0.06), xycoords="axes fraction", ha="right", size=9, color=colours[arm.name])
        dress(axes, None)
        in_percent(axes.yaxis)
    for axes in grid[len(arms) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(arms) - columns) : len(arms)]:
        axes.set_xlabel("labels", size=9.5)
        axes.tick_params(labelbottom=True)
    return figure
