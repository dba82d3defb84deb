"""A simulated reader: is given images by the app, does what the app asks for, and knows what is on the images."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from xal.datasets.truth import Known, Truth
from xal.errors import XalError
from xal.imaging.images import Volume, write_label
from xal.loop.outlining import wants_outline
from xal.loop.rules import method
from xal.loop.submission import Submission, submit
from xal.pool.project import Project
from xal.store.rows import ImageRow, Order

NAME = "simulated reader"


class SimulatedReader:
    """Reads as a person at the page does: outlines where an outline is wanted, and else names the finding alone."""

    def __init__(self, project: Project, truth: Truth) -> None:
        """Read the images of `project`."""
        self._project = project
        self._truth = truth
        self._order: Order = "uniform" if method(project) == "uniform" else "queue"

    def read_start(self, image: str) -> None:
        """Read an image of the start set, which nobody chooses."""
        self._hand_in(self._project.store.images.get(image))

    def read_next(self) -> bool:
        """Read the image that the app gives next; False where nothing is left."""
        seconds = self._project.task.lease_minutes * 60
        offer = self._project.store.queue.next_sample(NAME, self._order, seconds, chosen_by=method(self._project))
        if offer is None:
            return False
        self._hand_in(offer.image)
        return True

    def _hand_in(self, row: ImageRow) -> None:
        known, task = self._truth[row.id], self._project.task
        wanted = wants_outline(self._project, row, self._order)
        segments = [{"name": name, "idx": value} for value, name in enumerate(task.roi_findings, start=1)]
        with tempfile.TemporaryDirectory() as folder:
            label = Path(folder) / "label.nii.gz"
            self._paint(self._project.volume(row), known if wanted else None, label)
            alone = None if wanted else known.finding
            receipt = submit(self._project, Submission(row.id, NAME, label, segments, finding=alone))
        if receipt.annotation.finding != known.finding:
            raise XalError(f"{row.id} was handed in as {known.finding} and stored as {receipt.annotation.finding}")

    def _paint(self, image: Volume, known: Known | None, label: Path) -> None:
        """A label map of what is there; of None an empty one."""
        roi = None if known is None else known.roi()
        painted = np.zeros(image.shape, np.uint8)
        if known is not None and roi is not None:
            painted[roi] = self._project.task.value_of(known.finding)
        write_label(label, painted, image.affine)
