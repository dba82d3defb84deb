"""What the pictures of a report share: colours, lines, marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from xal.arrays import FloatArray
from xal.experiments.report.results import Arm, Axis, Results
from xal.experiments.report.statistics import band
from xal.experiments.report.style import INK, plain

Colours = Mapping[str, str]
Drawing = Callable[[Results, Colours], Figure | None]

FEWEST_SHADED = 4
"""Seeds: the interval of fewer is so wide that it would hide the curves."""
_AXES: Mapping[Axis, str] = {"labels": "labels", "cost": "annotation cost, in labels"}


def mean_line(axes: Axes, x: FloatArray, values: FloatArray, colour: str, bold: bool, shade: bool = True) -> None:
    """The mean of (seeds, points), and where it may lie."""
    axes.plot(x, values.mean(axis=0), "o-", color=colour, lw=2.4 if bold else 1.8, ms=3.5, zorder=3 if bold else 2)
    interval = band(values) if len(values) >= FEWEST_SHADED else None
    if shade and interval is not None:
        axes.fill_between(x, *interval, color=colour, alpha=0.1, lw=0)


def quantity_lines(
    axes: Axes, arms: Sequence[Arm], quantity: str, colours: Colours, results: Results, dashed: bool = False
) -> list[tuple[str, float, float, str, bool]]:
    """The means of a quantity over the rounds; the names for the curves' ends."""
    ends = []
    for arm in baseline_first(results, arms):
        y = arm.mean(quantity).dropna()
        if not y.empty:
            x, bold = arm.mean("labels")[y.index], arm is not results.base
            axes.plot(x, y, "--" if dashed else "o-", color=colours[arm.name], lw=2.2 if bold else 1.8, ms=3.5)
            ends.append((arm.name, float(x.iloc[-1]), float(y.iloc[-1]), colours[arm.name], bold))
    return ends


def baseline_first(results: Results, arms: Sequence[Arm]) -> list[Arm]:
    """So that everything else is drawn over it."""
    return sorted(arms, key=lambda arm: arm is not results.base)


def dress(axes: Axes, axis: Axis | None) -> None:
    """Marks and names as every picture here has them."""
    plain(axes)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=axis is not None))
    if axis is not None:
        axes.set_xlabel(_AXES[axis], size=9.5)


def in_percent(axis: XAxis | YAxis, most: int = 8) -> None:
    """Marks at round shares."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))


def in_points(axis: XAxis | YAxis) -> None:
    """Marks at round differences, with their sign."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))


def level_line(axes: Axes, value: float, name: str, side: str) -> None:
    """A dashed line across, with its name and value."""
    axes.axhline(value, color=INK, lw=1, ls=(0, (4, 3)))
    axes.annotate(f"{name} {value:.1%}", (0.01, value), xycoords=("axes fraction", "data"), xytext=(0, 4),
                  textcoords="offset points", ha=side, size=9, color=INK)  # fmt: skip
