"""The picture of the demo: two curves on the left, and on the right where the model looked before and after."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import PercentFormatter
from PIL import Image

from xal.evaluate.demo import CAVEAT, SHOWN, Look, Outcome, Point, Sight
from xal.task import ATTENTION_LEVELS

_COLOURS = {"xal": "#c2410c", "uniform": "#64748b"}
_INK, _SOFT, _LINE = "#1e293b", "#64748b", "#e2e8f0"
_OUTLINE = "#22d3ee"
_RIGHT, _WRONG = "#15803d", "#b91c1c"
_STYLE = {"font.family": "DejaVu Sans", "text.color": _INK, "axes.labelcolor": _SOFT}


def draw(outcome: Outcome, path: Path) -> None:
    """Write the PNG."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(12, 7.4), facecolor="white")
        FigureCanvasAgg(figure)
        labels = outcome.arms[SHOWN][-1].labels - outcome.arms[SHOWN][0].labels
        figure.text(0.035, 0.945, "Where to look next", size=18, weight="bold")
        figure.text(
            0.035,
            0.905,
            f"A simulated reader hands in {labels} labels in {outcome.plan.rounds} rounds: "
            "images chosen by xal, beside images chosen by chance.",
            size=11,
            color=_SOFT,
        )
        figure.text(
            0.035,
            0.025,
            f"Curves: {outcome.test_images} images of patients that neither arm ever sees; "
            "a hollow point is a model that the gate refused. "
            f"Pictures: the first image of each finding that xal asked for.\n{CAVEAT}",
            size=8.5,
            color=_SOFT,
            linespacing=1.5,
        )
        left, right = np.atleast_1d(np.asarray(figure.subfigures(1, 2, width_ratios=[1, 1.12])))
        _curves(left, outcome)
        _pictures(right, outcome)
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """With a palette of 256 colours: a third of the size, and nobody sees it."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


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
        _plain(axes)
        axes.axhline(floor, color=_SOFT, lw=1, ls=(0, (4, 3)))
        axes.annotate(
            f"{nothing}: {floor:.0%}",
            (1, floor),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="right",
            size=9,
            color=_SOFT,
        )
        axes.set_title(title, loc="left", size=11, weight="bold", pad=8)
        ends = {}
        for name, points in reversed(list(outcome.arms.items())):
            values = [value(point) for point in points]
            labels = [point.labels for point in points]
            shown = name == SHOWN
            colour, size = _COLOURS[name], 6 if shown else 5
            axes.plot(labels, values, color=colour, lw=2.6 if shown else 1.8)
            for point, at in zip(points, values, strict=True):
                inside = "white" if point.refused else colour
                axes.plot(point.labels, at, "o", ms=size, mec=colour, mew=1.6, mfc=inside, zorder=3)
            ends[name] = values[-1]
        axes.set_ylim(0, 1.15 * max(value(point) for points in outcome.arms.values() for point in points))
        _name_ends(axes, outcome.arms[SHOWN][-1], ends)
        axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    bottom.set_xlabel("labels used (the start set is the first point)", size=9.5)
    bottom.set_xticks([point.labels for point in outcome.arms[SHOWN]])


def _name_ends(axes: Axes, last: Point, ends: dict[str, float]) -> None:
    """The curves' names at their ends, moved apart where the curves meet."""
    low, high = axes.get_ylim()
    apart = 0.075 * (high - low)
    (upper, a), (lower, b) = sorted(ends.items(), key=lambda item: -item[1])
    push = max(0.0, apart - (a - b)) / 2
    for name, at in ((upper, a + push), (lower, b - push)):
        axes.annotate(
            f"{name} {ends[name]:.0%}",
            (last.labels, at),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            size=10,
            weight="bold" if name == SHOWN else "normal",
            color=_COLOURS[name],
            annotation_clip=False,
        )


def _plain(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.grid(axis="y", color=_LINE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=_SOFT)


def _pictures(part: SubFigure, outcome: Outcome) -> None:
    if not outcome.sights:
        return
    grid = part.subplots(len(outcome.sights), 3, squeeze=False)
    part.subplots_adjust(left=0.03, right=0.965, top=0.83, bottom=0.125, hspace=0.2, wspace=0.06)
    published = [point for point in outcome.arms[SHOWN] if not point.refused]
    first, last = published[0], published[-1]
    heads = ("outlined by the reader", f"model with {first.labels} labels", f"model with {last.labels} labels")
    for axes, head in zip(grid[0], heads, strict=True):
        axes.set_title(head, size=10.5, weight="bold", pad=8)
    for row, sight in zip(grid, outcome.sights, strict=True):
        for axes, look in zip(row, (None, sight.before, sight.after), strict=True):
            _picture(axes, sight, look)


def _picture(axes: Axes, sight: Sight, look: Look | None) -> None:
    """The image as it is displayed, attention over it, the ROI outlined."""
    axes.imshow(sight.pixels.T, cmap="gray", vmin=0, vmax=float(np.percentile(sight.pixels, 99.7)))
    if look is not None:
        levels = np.asarray([0.0, *ATTENTION_LEVELS])[look.bands.T.astype(int)]
        axes.imshow(levels, cmap="inferno", vmin=0, vmax=1, alpha=0.62 * (levels > 0), interpolation="nearest")
    axes.contour(sight.roi.T, [0.5], colors=[_OUTLINE], linewidths=1.4)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if look is None:
        axes.set_xlabel(sight.finding, size=9.5, color=_INK, labelpad=4)
    else:
        right = look.finding == sight.finding
        said = f"{'✓' if right else '✗'} {look.finding} {look.probability:.0%}"
        axes.set_xlabel(said, size=9.5, color=_RIGHT if right else _WRONG, labelpad=4)
