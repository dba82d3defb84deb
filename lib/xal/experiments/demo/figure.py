"""The picture of the demo: two curves on the left, and on the right where the model looked before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import PercentFormatter

from xal.experiments.demo.outcome import CAVEAT, SHOWN, Look, Outcome, Point, Sight
from xal.experiments.report.style import (
    ACCENT,
    INK,
    NEUTRAL,
    RIGHT,
    SOFT,
    STYLE,
    WRONG,
    name_ends,
    new_figure,
    picture,
    plain,
    save,
)

_COLOURS = {"xal": ACCENT, "uniform": NEUTRAL}


def draw(outcome: Outcome, path: Path) -> None:
    """Write the PNG."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(12, 7.4)
        labels = outcome.arms[SHOWN][-1].labels - outcome.arms[SHOWN][0].labels
        figure.text(0.035, 0.945, "Where to look next", size=18, weight="bold")
        figure.text(
            0.035,
            0.905,
            f"A simulated reader hands in {labels} labels in {outcome.plan.rounds} rounds: "
            "images chosen by xal, beside images chosen by chance.",
            size=11,
            color=SOFT,
        )
        figure.text(
            0.035,
            0.025,
            f"Curves: {outcome.test_images} images of patients that neither arm ever sees; "
            "a hollow point is a model that the gate refused. "
            f"Pictures: the first image of each finding that xal asked for.\n{CAVEAT}",
            size=8.5,
            color=SOFT,
            linespacing=1.5,
        )
        left, right = np.atleast_1d(np.asarray(figure.subfigures(1, 2, width_ratios=[1, 1.12])))
        _curves(left, outcome)
        _pictures(right, outcome)
        save(figure, path)


def _curves(part: SubFigure, outcome: Outcome) -> None:
    top, bottom = part.subplots(2, 1, sharex=True)
    part.subplots_adjust(left=0.13, right=0.86, top=0.83, bottom=0.155, hspace=0.3)
    charts: tuple[tuple[Axes, str, Callable[[Point], float], str, float], ...] = (
        (top, "Names the finding: balanced accuracy", lambda point: point.accuracy, "guessing", outcome.guessing),
        (
            bottom,
            "Looks at the lesion: share of attention inside the ROI",
            lambda point: point.energy,
            "attention spread evenly",
            outcome.even,
        ),
    )
    for axes, title, value, nothing, floor in charts:
        plain(axes)
        axes.axhline(floor, color=SOFT, lw=1, ls=(0, (4, 3)))
        axes.annotate(
            f"{nothing}: {floor:.0%}",
            (1, floor),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="right",
            size=9,
            color=SOFT,
        )
        axes.set_title(title)
        ends: list[tuple[str, float, float, str, bool]] = []
        for name, points in reversed(list(outcome.arms.items())):
            values = [value(point) for point in points]
            labels = [point.labels for point in points]
            shown = name == SHOWN
            colour, size = _COLOURS[name], 6 if shown else 5
            axes.plot(labels, values, color=colour, lw=2.6 if shown else 1.8)
            for point, at in zip(points, values, strict=True):
                inside = "white" if point.refused else colour
                axes.plot(point.labels, at, "o", ms=size, mec=colour, mew=1.6, mfc=inside, zorder=3)
            ends.append((f"{name} {values[-1]:.0%}", labels[-1], values[-1], colour, shown))
        axes.set_ylim(0, 1.15 * max(value(point) for points in outcome.arms.values() for point in points))
        name_ends(axes, ends)
        axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    bottom.set_xlabel("labels used (the start set is the first point)", size=9.5)
    bottom.set_xticks([point.labels for point in outcome.arms[SHOWN]])


def _pictures(part: SubFigure, outcome: Outcome) -> None:
    if not outcome.sights:
        return
    grid = part.subplots(len(outcome.sights), 3, squeeze=False)
    part.subplots_adjust(left=0.03, right=0.965, top=0.83, bottom=0.125, hspace=0.2, wspace=0.06)
    published = [point for point in outcome.arms[SHOWN] if not point.refused]
    first, last = published[0], published[-1]
    heads = ("outlined by the reader", f"model with {first.labels} labels", f"model with {last.labels} labels")
    for axes, head in zip(grid[0], heads, strict=True):
        axes.set_title(head, loc="center", size=10.5)
    for row, sight in zip(grid, outcome.sights, strict=True):
        for axes, look in zip(row, (None, sight.before, sight.after), strict=True):
            _picture(axes, sight, look)


def _picture(axes: Axes, sight: Sight, look: Look | None) -> None:
    """The image as it is displayed, attention over it, the ROI outlined."""
    picture(axes, sight.pixels, sight.roi, None if look is None else look.bands)
    if look is None:
        axes.set_xlabel(sight.finding, size=9.5, color=INK, labelpad=4)
    else:
        right = look.finding == sight.finding
        said = f"{'✓' if right else '✗'} {look.finding} {look.probability:.0%}"
        axes.set_xlabel(said, size=9.5, color=RIGHT if right else WRONG, labelpad=4)
