"""The images of one seed: a pool for readers, and test images of other patients that no pool has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xal.datasets.listing import START_LABELS
from xal.datasets.phantom import PLANS, write_phantoms
from xal.datasets.truth import Known, Truth, read_truth
from xal.imaging.geometry import prepare, roi_to_grid
from xal.imaging.images import image_id, read_image
from xal.model.judging import Case
from xal.pool.workspace import POOL_FILE
from xal.task import Task

POOL, TEST = "pool", "test"
STUDIES, TRUTH = "studies", "truth"
_PLAN = replace(PLANS["2d"], start_true=0.9, pool_true=0.9)
"""The mark in the corner is a better trap than in the sample data: it is right on most of all images that are read."""
_CHANCE = 1 / len(_PLAN.findings)


@dataclass(frozen=True)
class Images:
    """Some images, and what is on them."""

    studies: Path
    truth: Truth

    def cases(self, task: Task) -> list[Case]:
        """All of them, as models are judged on them."""
        return [as_case(self.studies, known, task) for known in self.truth.values()]


def write_images(folder: Path, seed: int, test_per_finding: int) -> None:
    """Write the pool of a seed, and its test images; on these the mark in the corner says nothing."""
    test = replace(
        _PLAN,
        per_finding=(test_per_finding,) * len(_PLAN.findings),
        start=(0,) * len(_PLAN.findings),
        pool_true=_CHANCE,
    )
    for name, number, plan in ((POOL, 2 * seed + 1, _PLAN), (TEST, 2 * seed + 2, test)):
        write_phantoms("2d", folder / name / STUDIES, folder / name / TRUTH, number, plan)


def read_images(folder: Path, name: str) -> Images:
    """The pool or the test images in the folder of a seed."""
    return Images(folder / name / STUDIES, read_truth(folder / name / TRUTH))


def start_set(pool: Images) -> list[str]:
    """The images that are read first."""
    found = (image_id(path.name) for path in (pool.studies / START_LABELS).iterdir())
    return sorted(image for image in found if image is not None)


def fix_chance(studies: Path, seed: int) -> None:
    """Name the pool, which orders it by chance, after the seed instead of after the folder: arms share their chance."""
    pool = hashlib.sha256(f"demo {seed}".encode()).hexdigest()[:16]
    (studies / ".xal").mkdir()
    (studies / ".xal" / POOL_FILE).write_text(json.dumps({"pool": pool, "studies": str(studies)}), encoding="utf-8")


def first_with_roi(images: Images, findings: Sequence[str]) -> list[Known]:
    """The first image of each of these findings."""
    return [next(known for known in images.truth.values() if known.finding == name) for name in findings]


def as_case(studies: Path, known: Known, task: Task) -> Case:
    """One image of the folder with its truth, as models are judged on it."""
    volume = read_image(next(studies.glob(f"{known.image}.*")))
    roi = known.roi()
    coverage = None if roi is None else roi_to_grid(roi, volume.affine, task)
    return Case(known.image, prepare(volume, task).tensor, known.finding, coverage)
