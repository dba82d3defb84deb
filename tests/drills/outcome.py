"""What a drill came to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One row of the table."""

    done: str
    """What was done to the server, with figures."""
    seen: str
    """What was seen, with figures."""
    failures: Sequence[str] = ()
    """What should not have been."""


def in_words(seconds: Sequence[float]) -> str:
    """The middle, the 99th of a hundred, and the longest of some durations."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered):.2f} s, p99 {late:.2f} s, longest {ordered[-1]:.2f} s"
