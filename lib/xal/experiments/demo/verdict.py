"""What made the difference, in one line. Pure functions of the balanced accuracies that the seeds ended with.

A change *added* or *cost* points only if it did so in every seed; whatever else happened is told as no difference that
all seeds share. Three seeds agree by chance in one of four comparisons, so the caveat says that, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xal.rounding import ROUNDING

_SHOWN = 0.05
"""Points below this are printed as 0.0, so they count as none."""


def verdict(alone: Sequence[float], outlines: Sequence[float], clinic: Sequence[float]) -> str:
    """The line, from what each seed of the three arms ended with, in the same order of seeds."""
    drawing, choosing, both = _points(alone, outlines), _points(outlines, clinic), _points(alone, clinic)
    parts = {"outlines": drawing, "choosing by the rule": choosing}
    count = len(both)
    mean, spread = _mean(both), _range(both)
    together = f"Both together: {mean} points of balanced accuracy{f' ({spread})' if spread else ''}."
    if any(_direction(points) for points in parts.values()):
        said = ", and ".join(_clause(name, points) for name, points in parts.items())
        return f"What made the difference: {said}. {together}"
    shared = "in the one seed" if count == 1 else f"that all {count} seeds share"
    said = ", ".join(f"{name} ({_figures(points)})" for name, points in parts.items())
    return f"Nothing made a difference {shared}: {said}. {together}"


def caveat(seeds: int) -> str:
    """How little it proves."""
    if seeds == 1:
        return "One seed on made-up images shows the mechanism and proves nothing."
    return (
        f"{seeds} seeds on made-up images show the mechanism and prove nothing: "
        f"where nothing differs, all {seeds} still agree in one of {2 ** (seeds - 1)} comparisons."
    )


def _points(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Differences in percentage points, seed by seed."""
    return [100 * (b - a) for a, b in zip(before, after, strict=True)]


def _direction(points: Sequence[float]) -> int:
    """1 if all seeds gained, −1 if all lost, else 0."""
    smallest = _SHOWN - ROUNDING
    return int(all(one >= smallest for one in points)) - int(all(one <= -smallest for one in points))


def _clause(name: str, points: Sequence[float]) -> str:
    count = len(points)
    seeds = "in the one seed" if count == 1 else f"in all {count} seeds"
    none = f"made none {seeds}" if count == 1 else "made none that all seeds share"
    said = {1: f"added points {seeds}", -1: f"cost points {seeds}", 0: none}[_direction(points)]
    return f"{name} {said} ({_figures(points)})"


def _figures(points: Sequence[float]) -> str:
    spread = _range(points)
    return f"{_mean(points)}; {spread}" if spread else _mean(points)


def _mean(points: Sequence[float]) -> str:
    return _signed(float(np.mean(points)))


def _range(points: Sequence[float]) -> str:
    """From the lowest to the highest seed; empty where there is one seed."""
    return f"{_signed(min(points))} to {_signed(max(points))}" if len(points) > 1 else ""


def _signed(value: float) -> str:
    shown = f"{value:+.1f}".replace("-", "−")
    return "0.0" if shown in ("+0.0", "−0.0") else shown
