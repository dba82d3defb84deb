"""A project on a pool of pictures, without a server: for the parts below it."""

from __future__ import annotations

import shutil
from copy import copy
from pathlib import Path

import numpy as np

from harness.pools import FINDINGS, Picture, write_label, write_pool, write_task
from xal.loop.rules import rule
from xal.loop.submission import Receipt, Submission, submit
from xal.pool.project import Project
from xal.store.rows import PredictionRow
from xal.task import Task, load_task

INFO = [{"name": name, "idx": n} for n, name in enumerate(FINDINGS)]


class Local:
    """A pool of pictures, its truth, and the project on it."""

    def __init__(self, folder: Path, count: int, **task: object) -> None:
        self.folder = folder
        self.studies = folder / "studies"
        self.pictures: dict[str, Picture] = {picture.id: picture for picture in write_pool(self.studies, count)}
        self.task: Task = load_task(write_task(folder)).model_copy(update=task)
        self._open()

    def copied(self, folder: Path, **task: object) -> Local:
        """The same pool, with all that happened to it, in another folder and with other settings."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)  # with their times, so that nothing looks changed
        other = copy(self)
        other.folder, other.studies = folder, folder / "studies"
        other.task = self.task.model_copy(update=task)
        other._open()
        return other

    def _open(self) -> None:
        self.project = Project.open(self.task, str(self.studies))
        self.project.sync()

    @property
    def ids(self) -> list[str]:
        return sorted(self.pictures)

    def hand_in(self, image: str, reader: str = "ada", truth: str | None = None) -> Receipt:
        """Hand in the right answer (or that of another picture)."""
        label = write_label(self.folder / "label.nii.gz", self.pictures[truth or image])
        return submit(self.project, Submission(image, reader, label, INFO))

    def model_read(self, image: str, version: int = 1, finding: str = "disc", **other: object) -> PredictionRow:
        """Keep a prediction of the image, as a scoring run would; unsure, and looking at the lower left."""
        store = self.project.store
        self.project.volume(store.images.get(image))
        attention = np.zeros((6, 6), np.float32)
        attention[0, 5] = 1
        rest = (1 - 0.6) / (len(self.task.finding_names) - 1)
        values = {
            "fingerprint": str(store.images.get(image).fingerprint),
            "roi_key": None,
            "probabilities": {name: 0.6 if name == finding else rest for name in self.task.finding_names},
            "uncertainty": 0.81,
            "misalignment": 0.9,
            "overlap": 0.1,
            "energy": None,
            "roi_source": "proposed",
            "attention": attention,
        }
        row = PredictionRow(image=image, version=version, finding=finding, **{**values, **other})
        store.predictions.save([row], rule(self.project))
        return row
