"""What a network says of many images of a set: the server's predictions and misalignments, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from xal.arrays import Float32Array, Float64Array, IntArray
from xal.experiments.run.config import RoiKind
from xal.experiments.run.prepared import Prepared
from xal.method import acquisition
from xal.method.attention import area_average, soft_dice
from xal.model.network import BATCH, Network, Prediction, misalignment_of, predict
from xal.task import Task

_NOBODY: IntArray = np.empty(0, np.int64)


@dataclass(frozen=True)
class PoolPredictions:
    """Arrays over n images; a misalignment without meaning is NaN."""

    predictions: Sequence[Prediction]
    probabilities: Float64Array
    embeddings: Float64Array
    uncertainty: Float64Array
    misalignment: Float64Array
    """With the ROI that the arm may use."""
    oracle: Float64Array
    """With the true ROI."""
    roi_dice: Float64Array
    """Soft Dice of the proposed ROI and the true one; NaN without either."""
    roi_confidence: Float64Array
    """Of the proposed ROI, as the network says: 0 of an empty one, NaN while it proposes none."""
    areas: Float64Array
    """Share of the image that is ROI."""

    @property
    def neutral(self) -> float:
        """What a missing misalignment counts."""
        return _neutral(self.misalignment)

    def scores(self, alpha: float) -> Float64Array:
        """As the server would score them."""
        return acquisition.score(self.uncertainty, self.misalignment, alpha, self.neutral)

    def oracle_scores(self, alpha: float) -> Float64Array:
        """As it would if it knew the true ROIs."""
        return acquisition.score(self.uncertainty, self.oracle, alpha, _neutral(self.oracle))


def predict_pool(
    network: Network,
    data: Prepared,
    positions: IntArray,
    kind: RoiKind,
    task: Task,
    seed: int,
    device: torch.device,
    outlined: IntArray = _NOBODY,
) -> PoolPredictions:
    """Predict the images at these positions and compare the attention with ROIs of this kind.

    Of those that are `outlined` the true ROI counts as drawn.
    """
    network.to(device)
    predictions: list[Prediction] = []
    for start in range(0, len(positions), BATCH):
        images = torch.from_numpy(data.inputs(positions[start : start + BATCH]))
        predictions += predict(network, images, task)
    wrong = _wrong_rois(kind, data, network.feature_grid, seed)
    drawn = frozenset(outlined.tolist())
    rois = [
        wrong(position) if wrong else data.rois[position] if position in drawn else None
        for position in positions.tolist()
    ]
    oracle = _oracle(predictions, data, positions, task)
    return PoolPredictions(
        predictions=predictions,
        probabilities=_stacked([prediction.probabilities for prediction in predictions], len(task.findings)),
        embeddings=_stacked([prediction.embedding for prediction in predictions], network.finding_head.in_features),
        uncertainty=np.array([prediction.uncertainty for prediction in predictions], np.float64),
        misalignment=oracle if kind == "oracle" else _misalignments(predictions, rois, task),
        oracle=oracle,
        roi_dice=np.array([_agreement(r, data.rois[p]) for r, p in zip(predictions, positions, strict=True)]),
        roi_confidence=np.array([np.nan if r.roi_confidence is None else r.roi_confidence for r in predictions]),
        areas=data.areas[positions],
    )


def _neutral(misalignments: Float64Array) -> float:
    return acquisition.neutral(misalignments[~np.isnan(misalignments)])


def _misalignments(predictions: Sequence[Prediction], rois: Sequence[Float32Array | None], task: Task) -> Float64Array:
    """With these ROIs; where one is None, with what stands in for it."""
    values = []
    for prediction, roi in zip(predictions, rois, strict=True):
        known = prediction if roi is None else replace(prediction, coverage=None)
        found = misalignment_of(known, roi, task)
        values.append(np.nan if found.value is None else found.value)
    return np.array(values, np.float64)


def _oracle(predictions: Sequence[Prediction], data: Prepared, positions: IntArray, task: Task) -> Float64Array:
    """With the true ROIs; where it is true that nothing is there, saying so agrees with it and all else is wrong.

    Without that an image without a finding would count as the median while every missed finding counts as 1, and such
    images would never be asked for: knowing the truth would starve a finding.
    """
    values = _misalignments(predictions, [data.rois[position] for position in positions], task)
    nothing = np.array([task.finding_names[data.findings[position]] == task.absent for position in positions], bool)
    said_so = np.array([prediction.finding == task.absent for prediction in predictions], bool)
    return np.where(nothing, np.where(said_so, 0.0, 1.0), values)


def _wrong_rois(kind: RoiKind, data: Prepared, grid: Sequence[int], seed: int) -> Callable[[int], Float32Array] | None:
    """For a control: an image's wrong ROI, the same one in all rounds; None for what is no control."""
    outlined = np.flatnonzero(data.areas > 0)
    if kind == "centre":
        disc = _disc(grid, float(data.areas[outlined].mean()))
        return lambda position: disc
    if kind == "shuffled":  # a ring of the outlined images in random order: nobody gets their own
        ring = np.random.default_rng(seed).permutation(outlined)
        following = dict(zip(ring.tolist(), np.roll(ring, 1).tolist(), strict=True))
        return lambda position: data.rois[following.get(position, int(ring[position % len(ring)]))]
    return None


def _disc(grid: Sequence[int], share: float) -> Float32Array:
    """A ball in the middle that covers about this share of the grid."""
    axes = np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in grid), indexing="ij")
    distance = np.sqrt(sum(axis**2 for axis in axes))
    nearest = np.argsort(distance, axis=None, kind="stable")[: max(1, round(share * distance.size))]
    disc = np.zeros(distance.shape, np.float32)
    disc.flat[nearest] = 1.0
    return disc


def _agreement(prediction: Prediction, roi: Float32Array) -> float:
    if prediction.proposed is None or not roi.any():
        return float("nan")
    return soft_dice(
        prediction.proposed, area_average(torch.from_numpy(roi)[None], prediction.proposed.shape)[0].numpy()
    )


def _stacked(rows: Sequence[npt.NDArray[np.float32]], width: int) -> Float64Array:
    return np.array(rows, np.float64).reshape(len(rows), width)
