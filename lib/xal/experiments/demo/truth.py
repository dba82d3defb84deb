"""The images of a sample pool that nobody hands in because they judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from xal.datasets.truth import Known, Truth
from xal.errors import XalError
from xal.imaging.geometry import prepare, roi_to_grid
from xal.imaging.images import read_image
from xal.model.judging import Case
from xal.task import Task


def choose_test_set(truth: Truth, started: Collection[str], per_finding: int, seed: int) -> list[str]:
    """`per_finding` images of every finding, in whole patients none of whom has an image in the start set.

    Whole patients, so that a model is judged on bodies that it has never seen.
    """
    patients: dict[str, list[str]] = {}
    for known in truth.values():
        patients.setdefault(known.group, []).append(known.image)
    count: Counter[str] = Counter()
    chosen: list[str] = []
    for patient in np.random.default_rng(seed).permutation(sorted(patients)).tolist():
        images = patients[patient]
        more = Counter(truth[image].finding for image in images)
        if not set(images) & set(started) and all(count[name] + n <= per_finding for name, n in more.items()):
            chosen += images
            count += more
    lacking = [name for name in {known.finding for known in truth.values()} if count[name] < per_finding]
    if lacking:
        raise XalError(f"there are not enough images of {', '.join(sorted(lacking))} for a test set")
    return sorted(chosen)


def as_case(studies: Path, known: Known, task: Task) -> Case:
    """One image of the folder with its truth, as models are judged on it."""
    volume = read_image(next(studies.glob(f"{known.image}.*")))
    roi = known.roi()
    coverage = None if roi is None else roi_to_grid(roi, volume.affine, task)
    return Case(known.image, prepare(volume, task).tensor, known.finding, coverage)
