"""Which images judge, which fit the temperature, which are labelled at the start, and which are left to choose from.

Whole groups (patients) go to the test set and to validation, so that nothing is judged on a body it was trained on;
within that, findings keep their proportions. The test set does not depend on the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xal.arrays import IntArray
from xal.errors import XalError
from xal.experiments.run.config import Simulation

_TEST, _REST = 20260213, 1
"""The test set's own chance, and what keeps a seed's chance apart from it."""
_FEWEST = 2
"""Labels of every finding at the start: fewer cannot be trained on."""


@dataclass(frozen=True)
class Split:
    """Positions in the sorted list of images; no image is in two of them."""

    test: IntArray
    validation: IntArray
    start: IntArray
    pool: IntArray


def split(findings: IntArray, groups: npt.NDArray[np.str_], plan: Simulation, seed: int) -> Split:
    """Divide the images for one seed."""
    everything = np.arange(len(findings))
    numbered = np.unique(groups, return_inverse=True)[1]  # comparing thousands of names with all others takes long
    test = _whole_groups(everything, findings, numbered, plan.test_share, np.random.default_rng(_TEST))
    left = np.setdiff1d(everything, test)
    rng = np.random.default_rng([_REST, seed])
    closed = np.empty(0, np.int64)
    if plan.validation:
        closed = _whole_groups(left, findings, numbered, plan.validation_share, rng)
    open_ = np.setdiff1d(left, closed)
    if plan.budget > len(open_):
        raise XalError(
            f"budget: {plan.budget} labels are more than there are to choose from: of {len(findings)} images the test "
            f"set takes {len(test)} (test_share {plan.test_share:g}) and validation {len(closed)}, which leaves "
            f"{len(open_)}"
        )
    validation = _in_proportion(closed, findings, plan.validation, rng, "validation")
    start = _in_proportion(open_, findings, plan.start, rng, "start")
    return Split(test, validation, start, np.setdiff1d(open_, start))


def _whole_groups(
    images: IntArray, findings: IntArray, groups: IntArray, share: float, rng: np.random.Generator
) -> IntArray:
    """Groups drawn by chance until of every finding, the rarest first, at least this share is drawn."""
    order = rng.permutation(np.unique(groups[images]))
    chosen = np.zeros(len(findings), bool)
    inside = np.zeros(len(findings), bool)
    inside[images] = True
    counts = {int(k): int((findings[images] == k).sum()) for k in np.unique(findings[images])}
    for finding in sorted(counts, key=lambda k: (counts[k], k)):
        of_finding = inside & (findings == finding)
        for group in order:
            if (chosen & of_finding).sum() >= share * counts[finding]:
                break
            members = inside & (groups == group)
            if (members & of_finding).any():
                chosen |= members
    return np.flatnonzero(chosen)


def _in_proportion(images: IntArray, findings: IntArray, count: int, rng: np.random.Generator, key: str) -> IntArray:
    """`count` images, each finding as often as it is among `images` (largest remainders), but at least twice."""
    if count == 0:
        return np.empty(0, np.int64)
    if count > len(images):
        raise XalError(f"{key}: {count} images are wanted, and {len(images)} are there")
    present, sizes = np.unique(findings[images], return_counts=True)
    shares = count * sizes / sizes.sum()
    wanted = np.maximum(np.floor(shares).astype(np.int64), np.minimum(_FEWEST, sizes))
    for position in np.argsort(-(shares - np.floor(shares)), kind="stable"):
        if wanted.sum() < count and wanted[position] < sizes[position]:
            wanted[position] += 1
    while wanted.sum() > count:
        wanted[wanted.argmax()] -= 1
    members: Callable[[int], IntArray] = lambda k: rng.permutation(images[findings[images] == k])  # noqa: E731
    return np.concatenate([members(int(k))[:n] for k, n in zip(present, wanted, strict=True)])
