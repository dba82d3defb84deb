"""The pictures of a report that say what its models do: where they look, what scores mean, how sure they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from xal.experiments.report.figure_parts import (
    Colours,
    dress,
    in_percent,
    quantity_lines,
)
from xal.experiments.report.results import Arm, Results, ignorant_maps
from xal.experiments.report.style import INK, LINE, NEUTRAL, SOFT, name_ends, new_figure, plain
from xal.experiments.run.rows import Bin

_IGNORANT = {"uniform": "even map", "centre": "centre Gaussian", "untrained": "untrained"}
_PARTS = {"train": "#0369a1", "read": "#7c3aed", "select": "#c2410c", "evaluate": "#94a3b8"}


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
        key: text for key, text in panels.items() if any(arm.mean(f"attention.{key}").notna().any() for arm in arms)
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
    maps = ignorant_maps(arms).reindex([*_IGNORANT]).rename(_IGNORANT)
    for axes, (key, text) in zip(grid, shown.items(), strict=False):
        dress(axes, "labels")
        axes.set_title(text, size=10.5)
        in_percent(axes.yaxis)
        ends = quantity_lines(axes, arms, f"attention.{key}", palette, results)
        for name, level in maps[key].dropna().items():
            axes.axhline(level, color=SOFT, lw=1, ls=(0, (1.5, 2.5)))
            ends.append((str(name), max(end[1] for end in ends), level, SOFT, False))
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
                axes.plot(points["area"], points["score"], "o-", color=colours[arm.name], lw=2, ms=4)
                area, score = float(points["area"].iloc[-1]), float(points["score"].iloc[-1])
                ends.append((arm.name, area, score, colours[arm.name], arm is not results.base))
        axes.set_title(f"Mean score by ROI area: {said}", size=10.5)
        dress(axes, None)
        axes.set_xlabel("share of the image that the ROI covers", size=9.5)
        in_percent(axes.xaxis, 5)
        axes.set_ylim(0, max(1, axes.get_ylim()[1]))
        edge = max((end[1] for end in ends), default=0.0)  # with a pool that is all but empty no arm has deciles
        name_ends(axes, [(name, edge, y, colour, bold) for name, _, y, colour, bold in ends], size=8.5)
    dress(over, "labels")
    over.axhline(0, color=NEUTRAL, lw=1)
    ends = quantity_lines(over, arms, "pool.score_area", colours, results)
    quantity_lines(over, arms, "pool.misalignment_area", colours, results, dashed=True)
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
                axes.plot(bins["confidence"], bins["accuracy"], style, color=colour, lw=1.6, ms=0)
                axes.scatter(
                    bins["confidence"],
                    bins["accuracy"],
                    12 + 160 * bins["count"] / bins["count"].sum(),
                    inside,
                    ec=colour,
                    lw=1.4,
                    zorder=3,
                    clip_on=False,
                )
        before, after = arm.end("ece_raw"), arm.end("ece")
        axes.set_title(arm.name, size=10.5, color=colours[arm.name] if arm is not results.base else INK)
        axes.annotate(f"ECE {before:.3f} before", (0.04, 0.93), xycoords="axes fraction", size=9, color=SOFT, va="top")
        axes.annotate(f"ECE {after:.3f} after", (0.04, 0.85), xycoords="axes fraction", size=9, va="top",
                      color=colours[arm.name] if arm is not results.base else INK)  # fmt: skip
        dress(axes, None)
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
    arms = [arm for arm in arms if arm.mean("pool.proposed_oracle").notna().any()]
    if not arms:
        return None
    figure = new_figure(15, 4.1)
    figure.subplots_adjust(left=0.04, right=0.9, top=0.88, bottom=0.15, wspace=0.42)
    for axes, (quantity, text) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        dress(axes, "labels")
        axes.set_title(text, size=10.5)
        ends = quantity_lines(axes, arms, quantity, colours, results)
        axes.set_ylim(min(0, axes.get_ylim()[0]), 1)
        name_ends(axes, ends, size=9)
    return figure


def seconds(results: Results, colours: Colours) -> Figure | None:
    """What a round takes, by part: the median, since a machine that sleeps or is busy makes single rounds long."""
    arms = results.curves
    if not arms:
        return None
    height = 1.25 + 0.36 * len(arms)
    figure = new_figure(12, height)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.2, right=0.87, top=1 - 0.72 / height, bottom=0.45 / height)
    later = {arm.name: arm.rows.drop(0, level="round") for arm in arms}
    left = np.zeros(len(arms))
    for part, colour in _PARTS.items():
        width = np.array([rows[f"seconds.{part}"].median() for rows in later.values()])
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
    axes.set_title("Seconds per round, median over rounds and seeds of each part", pad=24)
    at = 0.0
    for part, colour in _PARTS.items():
        axes.annotate(f"■ {part}", (at, 1), xytext=(0, 7), xycoords="axes fraction", textcoords="offset points",
                      size=9.5, color=colour)  # fmt: skip
        at += 0.1
    return figure


def _deciles(arm: Arm, number: int) -> pd.DataFrame | None:
    """Mean `area` and mean `score` of each decile, over the seeds; a decile that a seed lacks is left out."""
    pools = [run.rounds[: arm.rounds][number].pool for run in arm.runs]
    rows = [pool.by_area for pool in pools if pool is not None and len(pool.by_area) > 0]
    if not rows or len({len(row) for row in rows}) > 1:
        return None
    deciles = pd.concat(pd.DataFrame(row, columns=["area", "score", "count"], dtype=float) for row in rows)
    means = deciles.groupby(level=0).mean(skipna=False).dropna()
    return None if means.empty else means


def _bins(arm: Arm, kind: str) -> pd.DataFrame | None:
    """`count`, `confidence` and `accuracy` of the last round's bins, all seeds together; empty bins left out."""
    found = [run.rounds[: arm.rounds][-1].reliability for run in arm.runs]
    tables: list[Sequence[Bin]] = [row.raw if kind == "raw" else row.scaled for row in found if row is not None]
    if not tables:
        return None
    bins = pd.concat(pd.DataFrame(rows, columns=["count", "confidence", "accuracy"], dtype=float) for rows in tables)
    bins[["confidence", "accuracy"]] = bins[["confidence", "accuracy"]].mul(bins["count"], axis=0)
    sums = bins.groupby(level=0).sum()
    sums = sums[sums["count"] > 0]
    return sums.assign(confidence=sums["confidence"] / sums["count"], accuracy=sums["accuracy"] / sums["count"])
