"""The picture of the demo: curves with bands on the left; on the right where the last models look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import PercentFormatter

from xal.experiments.demo.band import band
from xal.experiments.demo.outcome import ARMS, TRAP, ArmName, Look, Outcome, Point, Sight
from xal.experiments.demo.verdict import caveat
from xal.experiments.report.style import (
    ACCENT,
    INK,
    NEUTRAL,
    OTHERS,
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

_COLOURS: dict[ArmName, str] = {"alone": NEUTRAL, "outlines": OTHERS[0], "clinic": ACCENT}
_SHORT: dict[ArmName, str] = {"alone": "labels alone", "outlines": "outlines", "clinic": "outlines + rule"}
_SHOWN: tuple[ArmName, ...] = ("alone", "clinic")
"""The arms whose attention is drawn."""


def draw(outcome: Outcome, path: Path) -> None:
    """Write the PNG."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(12, 7.4)
        labels, seeds = outcome.runs[0].points[-1].labels, len(outcome.plan.seeds)
        figure.text(0.035, 0.95, "What a clinic would run, beside labels alone", size=18, weight="bold")
        figure.text(
            0.035,
            0.912,
            f"Simulated readers read {labels} images and name the findings. Grey: nothing else, images by chance. "
            "Blue: they outline a third of them.\nRed: they outline a third, and the rule chooses the images.",
            size=10,
            color=SOFT,
            va="center",
            linespacing=1.4,
        )
        band_said = f"median, and the range of {seeds} seeds" if seeds > 1 else "one seed"
        figure.text(
            0.035,
            0.018,
            f"Curves: {band_said}, on {outcome.test_images} images of other patients for each. "
            f"Pictures: the first test image of each finding, models of seed {outcome.plan.seeds[0]}.\n"
            f"{TRAP}\n{caveat(seeds)}",
            size=8.5,
            color=SOFT,
            linespacing=1.5,
        )
        left, right = np.atleast_1d(np.asarray(figure.subfigures(1, 2, width_ratios=[1, 1.05])))
        _curves(left, outcome)
        _pictures(right, outcome)
        save(figure, path)


def _curves(part: SubFigure, outcome: Outcome) -> None:
    top, bottom = part.subplots(2, 1, sharex=True)
    part.subplots_adjust(left=0.12, right=0.76, top=0.83, bottom=0.19, hspace=0.3)
    charts: tuple[tuple[Axes, str, Callable[[Point], float], str, float], ...] = (
        (top, "Names the finding: balanced accuracy", lambda point: point.accuracy, "guessing", outcome.guessing),
        (
            bottom,
            "Looks at the lesion: share of attention inside the ROI",
            lambda point: point.energy,
            "spread evenly",
            outcome.even,
        ),
    )
    for axes, title, value, nothing, floor in charts:
        plain(axes)
        axes.axhline(floor, color=SOFT, lw=1, ls=(0, (4, 3)))
        axes.set_title(title)
        ends: list[tuple[str, float, float, str, bool]] = []
        highest = floor
        for name in ARMS:
            points, shown = [run.points for run in outcome.of(name)], name in _SHOWN
            labels = [point.labels for point in points[0]]
            middle, low, high = band([[value(point) for point in run] for run in points])
            colour = _COLOURS[name]
            axes.fill_between(labels, low, high, color=colour, alpha=0.16 if shown else 0.08, lw=0)
            axes.plot(labels, middle, "o-", color=colour, lw=2.4 if shown else 1.6, ms=5.5 if shown else 4)
            ends.append((f"{_SHORT[name]} {middle[-1]:.0%}", labels[-1], middle[-1], colour, name == "clinic"))
            highest = max(highest, *high)
        ends.append((f"{nothing} {floor:.0%}", labels[-1], floor, SOFT, False))
        axes.set_ylim(0, 1.1 * highest)
        name_ends(axes, ends)
        axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    bottom.set_xlabel("images read (the start set is the first point)", size=9.5)
    bottom.set_xticks([point.labels for point in outcome.runs[0].points])


def _pictures(part: SubFigure, outcome: Outcome) -> None:
    grid = part.subplots(len(outcome.sights), 1 + len(_SHOWN), squeeze=False)
    part.subplots_adjust(left=0.03, right=0.965, top=0.83, bottom=0.15, hspace=0.2, wspace=0.06)
    looks = [outcome.of(name)[0].looks for name in _SHOWN]
    for axes, head in zip(grid[0], ("what is there", *(_SHORT[name] for name in _SHOWN)), strict=True):
        axes.set_title(head, loc="center", size=10.5)
    for row, sight in zip(grid, outcome.sights, strict=True):
        for axes, look in zip(row, (None, *(one[sight.image] for one in looks)), strict=True):
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
