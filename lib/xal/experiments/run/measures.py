"""What is measured of a network in a simulation, beside the attention of something that knows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from xal.arrays import Float64Array, IntArray
from xal.experiments.run.predictions import PoolPredictions
from xal.experiments.run.prepared import Prepared
from xal.experiments.run.rows import Attention, OfPattern, Pool, Proposed, Reliability
from xal.experiments.run.shortcut import contradicting
from xal.method.attention import area_average, energy_in_roi, pointing_game, soft_dice, upsample
from xal.model.calibration import reliability
from xal.model.judging import Case, Evaluation, evaluate, roc_area
from xal.model.network import BATCH, Network, build, predict
from xal.rounding import ROUNDING, levels
from xal.task import Task

_DECILES = 10
_STEPS = 10
"""So many parts are taken away, or put back, one after the other."""
_FAITHFUL = 100
"""Deletion and insertion are measured on so many images, evenly picked; they cost twenty forward passes each."""
_FEWEST = 10
"""Correlations of fewer images say nothing."""


def of_test(evaluation: Evaluation) -> dict[str, Any]:
    """A row's figures of the test set but for attention."""
    metrics = evaluation.metrics()
    kept = ("balanced_accuracy", "auroc", "log_loss", "ece", "ece_raw", "temperature", "recall")
    said = {"raw": evaluation.raw_probabilities, "scaled": evaluation.probabilities}
    bins = {name: reliability(probabilities, evaluation.correct) for name, probabilities in said.items()}
    tuples = {name: tuple((b.count, b.confidence, b.accuracy) for b in rows) for name, rows in bins.items()}
    return {**{name: metrics[name] for name in kept}, "reliability": Reliability(**tuples)}


def attention(evaluation: Evaluation, network: Network, cases: Sequence[Case], task: Task) -> Attention | None:
    """How well attention meets the ROIs, and whether what it marks is what the network needs; None without ROIs."""
    metrics = evaluation.metrics()
    if metrics["energy_in_roi"] is None:
        return None
    deletion, insertion = faithfulness(network, cases, task)
    return Attention(
        dice=metrics["dice"],
        energy=metrics["energy_in_roi"],
        pointing=metrics["pointing"],
        deletion=deletion,
        insertion=insertion,
    )


def of_pattern(evaluation: Evaluation, test: IntArray, picked: IntArray, data: Prepared) -> OfPattern | None:
    """What the patterns did to the test set, and how many of the chosen images contradict theirs."""
    if data.patterns is None:
        return None
    against, right = contradicting(data, test), evaluation.correct
    contradicted, agreeing = (float(right[part].mean()) if part.any() else None for part in (against, ~against))
    return OfPattern(contradicted=contradicted, agreeing=agreeing, chosen=float(contradicting(data, picked).mean()))


def of_pool(pool: PoolPredictions, task: Task, left: IntArray, data: Prepared) -> Pool:
    """What the model says of the images that nobody has read: those `left`."""
    named = np.array([task.index(prediction.finding) for prediction in pool.predictions], np.int64)
    wrong = named != data.findings[left]
    sure = np.argsort(levels(pool.uncertainty), kind="stable")[: len(wrong) // 2]
    scores = pool.scores(task.acquisition.alpha)
    outlined = pool.areas > 0
    return Pool(
        size=len(scores),
        score_area=correlation(scores[outlined], pool.areas[outlined]),
        misalignment_area=correlation(pool.misalignment[outlined], pool.areas[outlined]),
        proposed_oracle=correlation(scores, pool.oracle_scores(task.acquisition.alpha)),
        roi_dice=None if np.isnan(pool.roi_dice).all() else float(np.nanmean(pool.roi_dice)),
        roi_confidence=correlation(pool.roi_confidence, pool.roi_dice),
        by_area=_by_area(scores[outlined], pool.areas[outlined]),
        surely_wrong=float(wrong[sure].mean()) if len(sure) else None,
        uncertainty_finds=roc_area(pool.uncertainty, wrong),
        contradicting=float(contradicting(data, left).mean()) if data.patterns is not None and len(left) else None,
    )


def of_proposed(test: PoolPredictions, task: Task, positions: IntArray, data: Prepared) -> Proposed | None:
    """What the ROIs that the network proposes are worth on the test set; None while it proposes none."""
    known = ~np.isnan(test.roi_dice)
    if not known.any():
        return None
    named = np.array([task.index(prediction.finding) for prediction in test.predictions], np.int64)
    wrong = (named != data.findings[positions])[known]
    stands_in = "proposed" in task.acquisition.stand_in
    scores, oracle = test.scores(task.acquisition.alpha)[known], test.oracle_scores(task.acquisition.alpha)[known]
    in_nothing = test.roi_confidence[test.areas == 0] > 0
    return Proposed(
        dice=float(test.roi_dice[known].mean()),
        score=correlation(scores, oracle) if stands_in else None,
        finds=roc_area(scores, wrong) if stands_in else None,
        oracle_finds=roc_area(oracle, wrong),
        where_nothing_is=float(in_nothing.mean()) if len(in_nothing) else None,
    )


def correlation(a: Float64Array, b: Float64Array) -> float | None:
    """Spearman's, of the images where both have a meaning; None where that says nothing."""
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < _FEWEST:
        return None
    first, second = levels(a[known]), levels(b[known])
    return float(spearmanr(first, second).statistic) if first.any() and second.any() else None


def baselines(cases: Sequence[Case], task: Task, device: torch.device) -> Mapping[str, Attention]:
    """The attention of a uniform map, of a Gaussian in the centre, and of a network that was never trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = build(task)
    grid = untrained.feature_grid
    outlined = [case for case in (cases[i] for i in range(len(cases))) if case.roi is not None]
    if not outlined:
        return {}
    metrics = evaluate(untrained, task, outlined, device).metrics()
    return {
        "uniform": _fixed(np.ones(grid), outlined),
        "centre": _fixed(_gaussian(grid), outlined),
        "untrained": Attention(dice=metrics["dice"], energy=metrics["energy_in_roi"], pointing=metrics["pointing"]),
    }


def faithfulness(network: Network, cases: Sequence[Case], task: Task) -> tuple[float | None, float | None]:
    """Mean probability of the predicted finding under deletion and under insertion.

    Deletion replaces the most attended tenths of the image by its mean, one after the other: lower is better. Insertion
    puts them into an image of that mean: higher is better.
    """
    if len(cases) == 0:
        return None, None
    chosen = np.unique(np.linspace(0, len(cases) - 1, _FAITHFUL).round().astype(int))
    parts = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    found = [_faithfulness(network, torch.stack([cases[int(i)].tensor for i in part]), task) for part in parts]
    deletion, insertion = np.concatenate(found, axis=1).mean(1).tolist()
    return deletion, insertion


def _faithfulness(network: Network, images: Tensor, task: Task) -> Float64Array:
    """(2, n): of each image the mean probability under deletion and under insertion."""
    predictions = predict(network, images, task)
    predicted = [task.index(prediction.finding) for prediction in predictions]
    maps = upsample(torch.from_numpy(np.stack([prediction.attention for prediction in predictions])), images.shape[2:])
    # Cells of equal attention (most are 0) go from the first to the last, as in any stable sort.
    order = torch.round(maps.flatten(1) / ROUNDING).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order))
    place = (rank.view(maps.shape) / order.shape[1])[:, None]
    empty = images.mean(tuple(range(2, images.dim())), keepdim=True).expand_as(images)
    results = []
    for base, added in ((images, empty), (empty, images)):
        parts = (torch.where(place < step / _STEPS, added, base) for step in range(_STEPS + 1))
        results.append(np.mean([_probabilities(network, part, predicted, task) for part in parts], axis=0))
    return np.array(results)


def _probabilities(network: Network, images: Tensor, findings: Sequence[int], task: Task) -> Float64Array:
    return np.array([r.probabilities[k] for r, k in zip(predict(network, images, task), findings, strict=True)])


def _by_area(scores: Float64Array, areas: Float64Array) -> tuple[tuple[float | None, float | None, int], ...]:
    """Deciles of area: mean area, mean score, count."""
    parts = np.array_split(np.argsort(areas, kind="stable"), _DECILES)
    return tuple(
        (float(areas[p].mean()), float(scores[p].mean()), len(p)) if len(p) else (None, None, 0) for p in parts
    )


def _fixed(attention_map: Float64Array, cases: Sequence[Case]) -> Attention:
    """The same attention for every image."""
    rois = [torch.as_tensor(case.roi) for case in cases]
    coarse = [area_average(roi[None].float(), attention_map.shape)[0].numpy() for roi in rois]
    return Attention(
        dice=float(np.mean([soft_dice(attention_map, roi) for roi in coarse])),
        energy=float(np.mean([energy_in_roi(attention_map, roi) for roi in coarse])),
        pointing=float(np.mean([pointing_game(attention_map, roi) for roi in coarse])),
    )


def _gaussian(grid: Sequence[int]) -> Float64Array:
    """Centred, with a standard deviation of a quarter of the image."""
    axes = np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in grid), indexing="ij")
    gaussian: Float64Array = np.exp(-sum(axis**2 for axis in axes) / (2 * 0.25**2))
    return gaussian
