"""The trainer `classifier`."""

from __future__ import annotations

import dataclasses
import difflib
import logging
import math
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.async_tasks.task import AsyncTask
from monailabel.utils.async_tasks.utils import tasks
from pydantic import ValidationError

from xal.errors import BadInput
from xal.loop.auto_train import note_begun
from xal.loop.rounds import train_round
from xal.model.training import Progress
from xal.pool.jobs import AnotherRuns, job
from xal.pool.project import Project
from xal.system.limits import in_force
from xal.task import TrainingSettings

logger = logging.getLogger(__name__)

OPTIONS = tuple(name for name in TrainingSettings.model_fields if name != "seed")
"""The settings a reader may change in Slicer's Options tab; `guidance` is λ."""
SENT_BY_CLIENTS = frozenset(
    {"model", "client_id", "user", "name", "device", "gpus", "multi_gpu", "local_rank", "seed", "tracking"}
)
"""What MONAI Label and its clients add to a request for training, and what means nothing here."""


def training_settings(task_settings: TrainingSettings, request: dict[str, Any]) -> TrainingSettings:
    """The task's settings with those of the request; BadInput names what is wrong."""
    unknown = sorted(set(request) - set(TrainingSettings.model_fields) - SENT_BY_CLIENTS)
    if unknown:
        close = difflib.get_close_matches(unknown[0], OPTIONS, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(OPTIONS)}"
        raise BadInput(f"no training option {unknown[0]!r}; {hint}")
    chosen = {key: value for key, value in request.items() if key in TrainingSettings.model_fields}
    try:
        return TrainingSettings.model_validate({**task_settings.model_dump(), **chosen})
    except ValidationError as error:
        detail = error.errors()[0]
        raise BadInput(f"{detail['loc'][0]} is {detail['input']!r}; {detail['msg']}") from error


class ClassifierTrain(TrainTask):  # type: ignore[misc]  # monailabel has no types
    """Trains a candidate on the settled annotations and publishes it unless it is worse."""

    def __init__(self, project: Project) -> None:
        """Train the model of `project`."""
        super().__init__("Classifier whose attention is pulled towards the outlined ROIs")
        self._project = project

    def config(self) -> dict[str, Any]:
        """What Slicer shows in its Options tab."""
        settings = self._project.task.training.model_dump()
        return {option: settings[option] for option in OPTIONS}

    def stats(self) -> dict[str, Any]:
        """What Slicer's progress and accuracy bars read; every number is finite."""
        store = self._project.store
        published = store.versions.current()
        last = next(iter(store.jobs.latest("train", limit=1)), None)
        progress = last.progress if last else {}
        total_time = (last.finished_at - last.started_at) if last and last.finished_at else 0
        stats: dict[str, Any] = {
            "best_metric": _finite(published.metrics.get("best_metric") if published else None),
            "epoch": int(progress.get("epoch", 0)),
            "total_epochs": int(progress.get("total_epochs", self._project.task.training.max_epochs)),
            "total_time": str(int(total_time)) if total_time else 0,
            "start_ts": int(last.started_at) if last else 0,
        }
        if published:
            stats["model_version"] = published.version
        if last:
            stats["state"] = last.state
            stats["message"] = last.message
        return stats

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, judge, publish or refuse."""
        settings = training_settings(self._project.task.training, request)
        note_begun(self._project)
        try:
            with job(self._project.store, "train", settings.model_dump(mode="json")) as running:

                def on_epoch(progress: Progress) -> None:
                    logger.info("epoch %d of %d: loss %.3f", progress.epoch, progress.total_epochs, progress.loss)
                    running.report(**dataclasses.asdict(progress))

                outcome = train_round(self._project, settings, on_epoch, running.stopped)
        except AnotherRuns as error:
            return {"message": str(error)}
        return {
            "model_version": outcome.version.version,
            "state": outcome.version.state,
            "reason": outcome.verdict.reason,
            "best_metric": outcome.version.metrics["best_metric"],
        }


def are_under_way() -> bool:
    """Whether a training runs or waits."""
    return any(task["status"] in ("SUBMITTED", "RUNNING") for task in tasks("train"))


def request_training() -> None:
    """Begin a training with the task's settings, as a client would."""
    AsyncTask.run("train", request={}, params={"model": "classifier"}, enqueue=True)


def check_trainings() -> None:
    """Refuse another training where enough of them run or wait."""
    waiting = sum(task["status"] in ("SUBMITTED", "RUNNING") for task in tasks("train"))
    most = in_force().max_trainings
    if waiting >= most:
        raise HTTPException(429, f"{waiting} trainings run or wait; this server takes {most} at most (max_trainings)")


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
