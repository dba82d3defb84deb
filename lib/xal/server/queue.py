"""Scoring requests, coalesced: one runs, at most one waits."""

from __future__ import annotations

import threading
from typing import Any

from monailabel.utils.async_tasks.utils import run_background_task, tasks

_asking = threading.Lock()


def request_scoring(params: dict[str, Any]) -> dict[str, Any]:
    """Start scoring in a child process, or return the run that will cover this request anyway.

    A waiting run covers it: it will see whatever is there when it starts.
    """
    with _asking:
        waiting = next((task for task in tasks("scoring") if task["status"] == "SUBMITTED"), None)
        if waiting is not None:
            return dict(waiting)
        started: dict[str, Any] = run_background_task({"method": "xal", **params}, "scoring")
        return started


def scoring_is_due() -> bool:
    """Whether no run is on its way already."""
    return not any(task["status"] in ("SUBMITTED", "RUNNING") for task in tasks("scoring"))
