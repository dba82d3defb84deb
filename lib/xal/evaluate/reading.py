"""What a network says of many images of a set: the server's readings and misalignments, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from xal import acquisition
from xal.attention import area_average, soft_dice
from xal.evaluate.config import RoiKind
from xal.evaluate.prepared import Prepared
from xal.network import Network, Reading, read
from xal.task import Task

Floats = npt.NDArray[np.float64]
Coarse = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_BATCH = 64


@dataclass(frozen=True)
class PoolReading:
    """Arrays over n images; a misalignment without meaning is NaN."""

    readings: Sequence[Reading]
    probabilities: Floats
    embeddings: Floats
    uncertainty: Floats
    misalignment: Floats
    """With the ROI that the arm may use."""
    oracle: Floats
    """With the true ROI."""
    roi_dice: Floats
    """Soft Dice of the proposed ROI and the true one; NaN without either."""
    areas: Floats
    """Share of the image that is ROI."""

    @property
    def neutral(self) -> float:
        """What a missing misalignment counts."""
        return _neutral(self.misalignment)

    def scores(self, alpha: float) -> Floats:
        """As the server would score them."""
        return acquisition.score(self.uncertainty, self.misalignment, alpha, self.neutral)

    def oracle_scores(self, alpha: float) -> Floats:
        """As it would if it knew the true ROIs."""
        return acquisition.score(self.uncertainty, self.oracle, alpha, _neutral(self.oracle))


def read_pool(
    network: Network, data: Prepared, positions: Ints, kind: RoiKind, task: Task, seed: int, device: torch.device
) -> PoolReading:
    """Read the images at these positions and compare the attention with ROIs of this kind."""
    readings: list[Reading] = []
    for start in range(0, len(positions), _BATCH):
        images = torch.from_numpy(data.images[positions[start : start + _BATCH]])
        readings += read(network.to(device), images, task)
    true = _coarse(data.rois[positions], network.feature_grid)
    allowed = _rois(kind, true, data, positions, network.feature_grid, seed)
    return PoolReading(
        readings=readings,
        probabilities=_stacked([reading.probabilities for reading in readings], len(task.findings)),
        embeddings=_stacked([reading.embedding for reading in readings], network.finding_head.in_features),
        uncertainty=np.array([reading.uncertainty for reading in readings], np.float64),
        misalignment=_misalignments(readings, allowed, task),
        oracle=_misalignments(readings, true, task),
        roi_dice=np.array([_agreement(reading, roi) for reading, roi in zip(readings, true, strict=True)]),
        areas=data.areas[positions],
    )


def _neutral(misalignments: Floats) -> float:
    return acquisition.neutral(misalignments[~np.isnan(misalignments)])


def _misalignments(readings: Sequence[Reading], rois: Coarse | None, task: Task) -> Floats:
    """With these ROIs, or where they are None with the proposed ones."""
    values = []
    for i, reading in enumerate(readings):
        found = acquisition.misalignment(
            reading.attention,
            reading.evidence,
            drawn=None if rois is None else rois[i],
            coverage=reading.coverage if rois is None else None,
            predicts_absent=reading.finding == task.absent,
            settings=task.acquisition,
        )
        values.append(np.nan if found.value is None else found.value)
    return np.array(values, np.float64)


def _rois(
    kind: RoiKind, true: Coarse, data: Prepared, positions: Ints, grid: Sequence[int], seed: int
) -> Coarse | None:
    """The ROIs that the arm compares with; None for the proposed ones."""
    if kind == "proposed":
        return None
    if kind == "oracle":
        return true
    if kind == "centre":
        return np.broadcast_to(_disc(grid, float(data.areas[data.areas > 0].mean())), true.shape)
    others = np.random.default_rng(seed).permutation(len(data.ids))  # every image has the same wrong ROI in all rounds
    return _coarse(data.rois[others[positions]], grid)


def _disc(grid: Sequence[int], share: float) -> Coarse:
    """A ball in the middle that covers about this share of the grid."""
    axes = np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in grid), indexing="ij")
    distance = np.sqrt(sum(axis**2 for axis in axes))
    nearest = np.argsort(distance, axis=None)[: max(1, round(share * distance.size))]
    disc = np.zeros(distance.shape, np.float32)
    disc.flat[nearest] = 1.0
    return disc


def _coarse(rois: Coarse, grid: Sequence[int]) -> Coarse:
    if len(rois) == 0:
        return np.zeros((0, *grid), np.float32)
    averaged: Coarse = area_average(torch.from_numpy(np.ascontiguousarray(rois)), grid).numpy()
    return averaged


def _agreement(reading: Reading, roi: Coarse) -> float:
    known = reading.proposed is not None and roi.any()
    return soft_dice(reading.proposed, roi) if known and reading.proposed is not None else float("nan")


def _stacked(rows: Sequence[npt.NDArray[np.float32]], width: int) -> Floats:
    return np.array(rows, np.float64).reshape(len(rows), width)
