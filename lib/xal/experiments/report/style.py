"""The look that all our pictures share."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from xal.arrays import FloatArray
from xal.task import ATTENTION_LEVELS

INK, SOFT, LINE = "#1e293b", "#64748b", "#e2e8f0"
ACCENT, NEUTRAL = "#c2410c", "#64748b"
"""Of xal, and of what it is compared with."""
OTHERS = ("#0369a1", "#7c3aed", "#15803d", "#be185d", "#a16207", "#0f766e")
OUTLINE = "#22d3ee"
RIGHT, WRONG = "#15803d", "#b91c1c"
STYLE = {
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.titlepad": 8,
}


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure, inches."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """With a palette of 256 colours: a third of the size, and nobody sees it."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def plain(axes: Axes) -> None:
    """Nothing but the data, horizontal lines to read them by, and the axis they stand on."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.grid(axis="y", color=LINE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=SOFT)


def bare(axes: Axes) -> None:
    """Only the picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def apart(values: Sequence[float], distance: float) -> list[float]:
    """Positions for labels at these values: at least `distance` apart, none further off than the crowd demands."""
    order = np.argsort(values, kind="stable")
    groups: list[tuple[list[int], float]] = []
    for index in order:
        members, middle = [int(index)], float(values[index])
        while groups and middle - (len(members) + len(groups[-1][0])) / 2 * distance < groups[-1][1]:
            before, centre = groups.pop()
            middle = (centre * len(before) + middle * len(members)) / (len(before) + len(members))
            members = before + members
        groups.append((members, middle))
    placed = [0.0] * len(values)
    for members, middle in groups:
        for rank, index in enumerate(members):
            placed[index] = middle + (rank - (len(members) - 1) / 2) * distance
    return placed


def name_ends(axes: Axes, names: Sequence[tuple[str, float, float, str, bool]], size: float = 10) -> None:
    """Names beside the ends of curves, moved apart where curves meet: (text, x, y, colour, bold)."""
    low, high = axes.get_ylim()
    inches = axes.get_window_extent().height / axes.figure.dpi
    distance = (high - low) * 1.25 * size / 72 / inches
    for (text, x, _, colour, bold), at in zip(names, apart([name[2] for name in names], distance), strict=True):
        axes.annotate(
            text,
            (x, at),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            size=size,
            weight="bold" if bold else "normal",
            color=colour,
            annotation_clip=False,
        )


def picture(axes: Axes, pixels: FloatArray, roi: npt.NDArray[np.bool_] | None, bands: npt.NDArray[Any] | None) -> None:
    """An image (X, Y) as it is displayed, iso-bands of attention over it, the ROI outlined."""
    axes.imshow(pixels.T, cmap="gray", vmin=float(min(0, pixels.min())), vmax=float(np.percentile(pixels, 99.7)) or 1)
    if bands is not None:
        levels = np.asarray([0.0, *ATTENTION_LEVELS])[bands.T.astype(int)]
        axes.imshow(levels, cmap="inferno", vmin=0, vmax=1, alpha=0.62 * (levels > 0), interpolation="nearest")
    if roi is not None and roi.any():
        axes.contour(roi.T, [0.5], colors=[OUTLINE], linewidths=1.4)
    bare(axes)


def band_colours() -> list[tuple[float, ...]]:
    """How the iso-bands of `picture` look over grey, from the outermost in."""
    return [
        tuple(0.62 * c + 0.38 * 0.35 for c in matplotlib.colormaps["inferno"](level)[:3]) for level in ATTENTION_LEVELS
    ]
