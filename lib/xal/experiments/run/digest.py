"""What decides a run, in sixteen letters: rows of other settings or other images are not comparable."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from xal.experiments.run.config import Arm, Simulation
from xal.task import Task

_DECIDES = ("start", "query", "budget", "validation", "validation_share", "test_share")
"""What of a simulation decides the result of a run, besides arm, task and data."""


def run_digest(plan: Simulation, arm: str, task: Task, data: str) -> str:
    """Of an arm's settings and of the images, of which `data` is the digest."""
    chosen = plan.arms[arm]
    decides = {
        "data": data,
        "plan": {name: getattr(plan, name) for name in _DECIDES},
        "arm": [chosen.method, chosen.roi, chosen.everything, *_outlines(chosen)],
        **_later(plan, chosen),
        "task": _task(task),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def _task(task: Task) -> dict[str, Any]:
    """In the words of the first rows: later names and settings say nothing where they change nothing."""
    decides = task.model_dump(mode="json", include={"findings", "image", "network", "training", "acquisition"})
    acquisition = decides["acquisition"]
    del acquisition["method"], acquisition["first"]  # an arm says its own method, and has a model from its start set on
    if acquisition["misalignment"] == "dice":
        acquisition["misalignment"] = "overlap"
    if acquisition["stand_in"] == ["proposed"]:
        del acquisition["stand_in"]
    if acquisition["stand_in_by"] is None:
        del acquisition["stand_in_by"]
    return decides


def _later(plan: Simulation, arm: Arm) -> dict[str, Any]:
    """What the first rows did not know, where it is used."""
    shortcut = {} if plan.shortcut is None else {"shortcut": plan.shortcut.model_dump(mode="json")}
    before = {"outlined_before": arm.outlined_before} if arm.outlined_before else {}
    return {**shortcut, **before, **({"regions_train": True} if arm.regions_train else {})}


def _outlines(arm: Arm) -> list[float | str]:
    """Nothing where all ROIs are drawn, as they were in every arm once."""
    return [] if arm.outlined == 1 else [arm.outlined, arm.outline]
