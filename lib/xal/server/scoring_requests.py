"""Scoring requests, coalesced: one runs, at most one waits."""

from __future__ import annotations

import threading
import time
from typing import Any

from monailabel.utils.async_tasks.utils import run_background_task, tasks

START_SECONDS = 60.0
"""A run that nothing holds up has begun by then; one that has not never will (its process could not be started)."""
KEPT = 20
"""So many past runs are remembered."""

_asking = threading.Lock()
_asked_at = 0.0


def request_scoring() -> dict[str, Any]:
    """Start scoring in a child process, or return the run that will cover this request anyway.

    A waiting run covers it: it will see whatever is there when it starts.
    """
    global _asked_at
    with _asking:
        waiting = _waiting()
        if waiting is not None:
            return dict(waiting)
        known = tasks("scoring")
        del known[:-KEPT]
        _asked_at = time.monotonic()
        started: dict[str, Any] = run_background_task({"method": "xal"}, "scoring")
        return dict(started)


def scoring_is_due() -> bool:
    """Whether no run is on its way already."""
    return _waiting() is None and not _with("RUNNING")


def _waiting() -> dict[str, Any] | None:
    """The run that will begin when the present one ends, or in a moment."""
    if not _with("RUNNING") and time.monotonic() > _asked_at + START_SECONDS:
        return None
    return next(iter(_with("SUBMITTED")), None)


def _with(status: str) -> list[dict[str, Any]]:
    return [task for task in tasks("scoring") if task["status"] == status]
