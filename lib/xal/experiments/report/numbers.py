"""How numbers are written in a report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xal.experiments.report.statistics import Difference, Interval

_NOTHING = 1e-9
"""What is less is rounding of the computer's own."""


def signed(share: float) -> str:
    """A difference of accuracies in points: +1.2, −0.4, 0.0."""
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text[1:] == "0.0" else text


def estimate(difference: Difference, unit: str = " points") -> str:
    """A difference with its interval: +1.2 points [+0.3, +2.1]."""
    interval = f" {points(difference.t)}" if difference.t is not None else ""
    return f"{signed(difference.mean)}{unit}{interval}"


def points(interval: Interval) -> str:
    """An interval of differences: [−0.04, +1.5]."""
    return f"[{_end(interval.low)}, {_end(interval.high)}]"


def _end(share: float) -> str:
    """With more digits than one where that would hide on which side of 0 an end lies."""
    for digits in (1, 2, 3):
        text = f"{100 * share:+.{digits}f}".replace("-", "−")
        if float(text[1:]) != 0:
            return text
    return text if abs(share) > _NOTHING else "0.0"


def levels(interval: Interval | None) -> str:
    """An interval of accuracies."""
    return "" if interval is None else f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def percent(share: float, digits: int = 0) -> str:
    """As of 100."""
    return f"{100 * share:.{digits}f} %".replace("-", "−")


def share_of(share: float) -> str:
    """A share of the budget; infinite is never."""
    return "never" if math.isinf(share) else percent(share)


def p_value(p: float) -> str:
    """Three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def number(value: float, digits: int) -> str:
    """With so many digits; a dash where there is none."""
    return "–" if not math.isfinite(value) else f"{value:.{digits}f}"


def span(numbers: Sequence[int]) -> str:
    """From the lowest to the highest; one number where they are all the same."""
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
