"""One picture of a few comparisons, each made on several sets: what one arm gains over another, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xal.experiments.report.numbers import points, signed
from xal.experiments.report.statistics import Difference
from xal.experiments.report.style import INK, LINE, SOFT, new_figure, plain

_ROW, _HEADING = 0.34, 0.4
"""Their heights, in inches."""


@dataclass(frozen=True)
class Comparison:
    """A question, and the answer of each set."""

    question: str
    colour: str
    gains: Mapping[str, Difference]
    """By the name of the set; each has an interval."""


def forest(title: str, note: str, comparisons: list[Comparison]) -> Figure:
    """Every question with a line for each set: mean, 95 % t interval, seeds, and the same in figures."""
    height = 1.5 + sum(_HEADING + _ROW * len(one.gains) for one in comparisons)
    figure = new_figure(10, height)
    figure.text(0.03, 1 - 0.4 / height, title, size=15, weight="bold")
    figure.text(0.03, 1 - 0.68 / height, note, size=9.5, color=SOFT)
    axes = figure.add_axes((0.19, 0.62 / height, 0.52, 1 - 1.5 / height))
    axes.axvline(0, color=INK, lw=1.2, zorder=1)
    place = 0.0
    for one in comparisons:
        place += _HEADING
        _beside(axes, -0.31, place - _ROW / 2, one.question, color=INK, size=11, weight="bold", backgroundcolor="white")
        for name, gain in one.gains.items():
            place += _ROW
            _line(axes, place - _ROW / 2, gain, one.colour)
            _beside(axes, -0.29, place - _ROW / 2, name, color=SOFT, size=10)
            said = f"{signed(gain.mean)}  {points(gain.t) if gain.t else ''}"
            _beside(axes, 1.03, place - _ROW / 2, said, color=INK, size=10.5, weight="bold")
            _beside(axes, 1.4, place - _ROW / 2, f"{len(gain.seeds)} seeds", color=SOFT, size=10)
    axes.set_ylim(place + 0.1, 0)
    plain(axes)
    axes.set_yticks([])
    axes.grid(axis="x", color=LINE, lw=0.8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
    axes.set_xlabel("worse   ←   points of balanced accuracy   →   better", size=9.5, color=SOFT)
    return figure


def _line(axes: Axes, place: float, gain: Difference, colour: str) -> None:
    values = 100 * np.array(gain.values)
    axes.plot(values, np.full(len(values), place), "|", color=colour, alpha=0.5, ms=9, mew=1.2, zorder=2)
    if gain.t is not None:
        axes.plot([100 * gain.t.low, 100 * gain.t.high], [place, place], color=colour, lw=3, zorder=3)
    axes.plot(100 * gain.mean, place, "o", color=colour, mec="white", mew=1.2, ms=10, zorder=4)


def _beside(axes: Axes, x: float, place: float, text: str, **looks: Any) -> None:
    """Text left or right of the lines."""
    axes.annotate(text, (x, place), xycoords=("axes fraction", "data"), va="center", annotation_clip=False, **looks)
