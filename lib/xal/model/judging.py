"""How good a model is, case by case: does it name the finding, how surely, and does it look where the finding is?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import logit
from torch import Tensor

from xal.method.acquisition import softmax
from xal.method.attention import area_average, energy_in_roi, pointing_game, soft_dice
from xal.model import calibration
from xal.model.network import BATCH, Network, predict
from xal.rounding import ROUNDING, largest
from xal.task import Task

_SMALLEST = 1e-7
"""Probabilities are not taken below this, so that one sure mistake cannot make the log loss infinite."""
_DRAWS = 4000


@dataclass(frozen=True)
class Case:
    """One annotated image, ready for the network."""

    image_id: str
    tensor: Tensor
    """(C, *size), float32."""
    finding: str
    roi: Tensor | npt.NDArray[np.float32] | None
    """Coverage on the network's grid (*size), float32; None where nobody drew one."""


@dataclass(frozen=True)
class Evaluation:
    """A model on a set of cases; the lists run in the order of `image_ids`."""

    image_ids: tuple[str, ...]
    findings: tuple[str, ...]
    """The names of the columns of `logits`."""
    truth: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    """Before the temperature."""
    temperature: float
    energy: tuple[float | None, ...]
    """Energy in ROI of the attention of the true finding; None for a case without an ROI. The next two alike."""
    pointing: tuple[float | None, ...]
    dice: tuple[float | None, ...]

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """What the model says."""
        return softmax(self.logits, self.temperature)

    @cached_property
    def raw_probabilities(self) -> npt.NDArray[np.float64]:
        """What it would say without a temperature."""
        return softmax(self.logits, 1.0)

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Which cases got their true finding."""
        result: npt.NDArray[np.bool_] = largest(self.logits) == self.truth
        return result

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """−log of the probability of the true finding."""
        return _log_losses(self.probabilities, self.truth)

    @property
    def recall(self) -> dict[str, float | None]:
        """Of each finding the share of its cases that were named; None for one that does not occur."""
        shares = (self.correct[self.truth == k] for k in range(len(self.findings)))
        return {name: float(s.mean()) if len(s) else None for name, s in zip(self.findings, shares, strict=True)}

    @property
    def auroc(self) -> float | None:
        """Mean over the findings of the area under the ROC curve of one against the rest; None without two findings."""
        # In log odds rounding is as large where the model is sure as where it is not.
        odds = logit(self.probabilities)
        return _mean([roc_area(odds[:, k], self.truth == k) for k in range(len(self.findings))])

    def ece(self, bins: int = 15) -> float | None:
        """Expected calibration error; None without a case."""
        return calibration.ece(self.probabilities, self.correct, bins) if len(self.truth) else None

    def metrics(self) -> dict[str, Any]:
        """Everything as finite numbers for JSON; without a case, or an ROI, to judge by, a metric is None."""
        empty = len(self.truth) == 0
        balanced = 0.0 if empty else balanced_accuracy(self.truth, self.correct)
        counts = Counter(self.findings[k] for k in self.truth.tolist())
        return {
            "best_metric": balanced,
            "balanced_accuracy": None if empty else balanced,
            "recall": self.recall,
            "auroc": self.auroc,
            "log_loss": None if empty else float(self.losses.mean()),
            "log_loss_raw": None if empty else float(_log_losses(self.raw_probabilities, self.truth).mean()),
            "ece": self.ece(),
            "ece_raw": None if empty else calibration.ece(self.raw_probabilities, self.correct),
            "temperature": self.temperature,
            "energy_in_roi": _mean(self.energy),
            "pointing": _mean(self.pointing),
            "dice": _mean(self.dice),
            "counts": {
                "cases": len(self.truth),
                "with_roi": sum(value is not None for value in self.energy),
                "findings": {name: counts[name] for name in self.findings},
            },
        }


def balanced_accuracy(truth: npt.NDArray[np.int64], correct: npt.NDArray[np.bool_]) -> float:
    """The mean over the findings that occur of the share of their cases that were named."""
    return float(np.mean([correct[truth == k].mean() for k in np.unique(truth)]))


def evaluate(network: Network, task: Task, cases: Sequence[Case], device: torch.device) -> Evaluation:
    """Predict every case and judge the finding named and the attention of the true finding, in eval mode.

    The true finding's, so that a model is not said to look elsewhere only because it named another one.
    """
    network.to(device)
    logits: list[npt.NDArray[np.float32]] = []
    attention: list[tuple[float, float, float] | None] = []
    for batch in _batches(cases):
        predictions = predict(
            network, torch.stack([case.tensor for case in batch]), task, [case.finding for case in batch]
        )
        for case, prediction in zip(batch, predictions, strict=True):
            logits.append(prediction.logits)
            attention.append(_judge_attention(case, prediction.attention))
    energy, pointing, dice = (tuple(None if a is None else a[i] for a in attention) for i in range(3))
    return Evaluation(
        image_ids=tuple(case.image_id for case in cases),
        findings=task.finding_names,
        truth=np.array([task.index(case.finding) for case in cases], np.int64),
        logits=np.array(logits, np.float64).reshape(len(cases), len(task.findings)),
        temperature=float(network.temperature),
        energy=energy,
        pointing=pointing,
        dice=dice,
    )


def _log_losses(probabilities: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _SMALLEST))
    return result


def roc_area(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float | None:
    """The chance that a positive case scores above a negative one; what is equal within rounding counts one half."""
    if positive.all() or not positive.any():
        return None
    rest, own = np.sort(scores[~positive]), scores[positive]
    reach = ROUNDING * np.maximum(1.0, np.abs(own))
    below, not_above = np.searchsorted(rest, own - reach, "left"), np.searchsorted(rest, own + reach, "right")
    return float(np.mean([below, not_above])) / len(rest)


def _judge_attention(case: Case, attention: npt.NDArray[np.float32]) -> tuple[float, float, float] | None:
    roi = None if case.roi is None else torch.as_tensor(case.roi)
    if roi is None or not roi.any():
        return None
    coverage = area_average(roi[None], attention.shape)[0].numpy()
    return energy_in_roi(attention, coverage), pointing_game(attention, coverage), soft_dice(attention, coverage)


def _batches(cases: Sequence[Case]) -> Iterator[list[Case]]:
    for start in range(0, len(cases), BATCH):
        yield [cases[i] for i in range(start, min(start + BATCH, len(cases)))]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def accuracy_interval(recall: Mapping[str, float | None], counts: Mapping[str, int]) -> tuple[float, float] | None:
    """Where the balanced accuracy lies with 95 % of the probability, by what was recalled of how many of each finding.

    Each recall of x among n is believed to be Beta(x + ½, n − x + ½) (Jeffreys), which is no point even if all of few
    are right; the interval is that of the mean over the findings that occur. None where none does.
    """
    found = [(share * counts[name], counts[name]) for name, share in recall.items() if share is not None]
    if not found:
        return None
    hits, of = np.array(found).T
    draws = np.random.default_rng(0).beta(hits + 0.5, of - hits + 0.5, (_DRAWS, len(found))).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5)).tolist()
    return low, high
