"""How fast something can be done."""

from __future__ import annotations

import time
from collections.abc import Callable


def fastest(work: Callable[[], object], times: int) -> float:
    """Seconds of the quickest of so many: what else a machine does makes some slow, and none quick."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)
