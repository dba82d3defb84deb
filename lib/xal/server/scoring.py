"""The scoring method `xal`."""

from __future__ import annotations

import logging
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

from xal.loop.scoring import score_pool
from xal.pool.jobs import AnotherRuns, job
from xal.pool.project import Project

logger = logging.getLogger(__name__)


class XalScoring(ScoringMethod):  # type: ignore[misc]  # monailabel has no types
    """Scores what changed: a new model version, a new ROI, a new or replaced image."""

    def __init__(self, project: Project) -> None:
        """Score the pool of `project`."""
        super().__init__("Uncertainty, and how far the model's attention lies from the ROI")
        self._project = project

    def info(self) -> dict[str, Any]:
        """What Slicer shows in its Options tab."""
        return {"description": self.description, "config": {}}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Run to the end, or leave at once if another process is scoring this pool."""
        try:
            with job(self._project.store, "score", {}) as running:

                def on_progress(done: int, total: int) -> None:
                    logger.info("scored %d of %d", done, total)
                    running.report(done=done, total=total)

                summary = score_pool(self._project, on_progress, running.stopped)
        except AnotherRuns as error:
            return {"message": str(error)}
        logger.info("scored %d images, %d unreadable, in %.1f s", summary.scored, summary.unreadable, summary.seconds)
        return {
            "model_version": summary.version,
            "scored": summary.scored,
            "unreadable": summary.unreadable,
            "seconds": round(summary.seconds, 2),
        }
