"""The rivals: every way of choosing the next batch that a simulation knows. A new one is a function and one line.

A method that values images one by one returns values, and the arm's batch settings make a batch of them. One that only
makes sense for whole batches (k-center, BADGE) returns the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from xal.arrays import Float64Array, IntArray
from xal.method import acquisition
from xal.method.acquisition import NEUTRAL, score, softmax, uncertainty
from xal.method.batches import Pool, apart, choose, farthest, typical
from xal.task import BatchSettings, Task

_PASSES = 20
"""Random passes of Monte Carlo dropout."""


@dataclass(frozen=True)
class Candidates:
    """What a method may look at: the predictions of the n images left in the pool, and the images labelled so far."""

    probabilities: Float64Array
    """(n, F)."""
    predicted: IntArray
    """(n,): the predicted finding's index."""
    embeddings: Float64Array
    """(n, K)."""
    uncertainty: Float64Array
    labelled_embeddings: Float64Array
    labelled_findings: IntArray
    weight: Float64Array
    """(F, K) of the finding head."""
    bias: Float64Array
    temperature: float
    misalignment: Float64Array = field(default_factory=lambda: np.empty(0))
    """(n,); NaN where it has no meaning."""
    neutral: float = NEUTRAL
    truth: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    """(n,): only for a control that knows what no active learner knows."""


@dataclass(frozen=True)
class Setting:
    """Besides the candidates: how much is wanted, how, and by which chance."""

    task: Task
    count: int
    rng: np.random.Generator


Valuation = Callable[[Candidates, Setting], Float64Array]
Method = Callable[[Candidates, Setting], IntArray]


def uniform(candidates: Candidates, setting: Setting) -> Float64Array:
    """By chance."""
    return setting.rng.random(len(candidates.uncertainty))


def entropy(candidates: Candidates, setting: Setting) -> Float64Array:
    """Where the model is unsure."""
    return candidates.uncertainty


def margin(candidates: Candidates, setting: Setting) -> Float64Array:
    """Where the two likeliest findings are close."""
    return acquisition.margin(candidates.probabilities)


def bald(candidates: Candidates, setting: Setting) -> Float64Array:
    """What a label would say of the head's weights: entropy of the mean minus mean entropy, over random dropout."""
    share = setting.task.network.dropout
    passes = []
    for _ in range(_PASSES):
        keep = setting.rng.random(candidates.embeddings.shape) >= share
        logits = (candidates.embeddings * keep / (1 - share)) @ candidates.weight.T + candidates.bias
        passes.append(softmax(logits, candidates.temperature))
    stacked = np.stack(passes)
    information: Float64Array = uncertainty(stacked.mean(0)) - uncertainty(stacked).mean(0)
    return information


def misalignment(candidates: Candidates, setting: Setting) -> Float64Array:
    """Where the model looks in the wrong place."""
    return score(candidates.uncertainty, candidates.misalignment, 0.0, candidates.neutral)


def xal(candidates: Candidates, setting: Setting) -> Float64Array:
    """α · uncertainty + (1 − α) · misalignment, with the task's α."""
    alpha = setting.task.acquisition.alpha
    return score(candidates.uncertainty, candidates.misalignment, alpha, candidates.neutral)


def balanced_uniform(candidates: Candidates, setting: Setting) -> IntArray:
    """By chance, but every finding equally often: it looks at the labels, so it is a control and no method."""
    knowing = pool_of(candidates, uniform(candidates, setting), candidates.truth)
    return choose(knowing, setting.count, BatchSettings(rule="top", balance=True), setting.rng)


def k_center(candidates: Candidates, setting: Setting) -> IntArray:
    """Far from all that is labelled, whatever the model thinks of it."""
    count = len(candidates.uncertainty)
    everything = BatchSettings(rule="spread", breadth=max(1.0, float(count)))
    return choose(pool_of(candidates, np.zeros(count)), setting.count, everything, setting.rng)


def coverage(candidates: Candidates, setting: Setting) -> IntArray:
    """The most typical image of each group without a label, the largest group first, whatever the model thinks."""
    return typical(candidates.embeddings, candidates.labelled_embeddings, setting.count, setting.rng)


def badge(candidates: Candidates, setting: Setting) -> IntArray:
    """k-means++ on the gradient of the loss with respect to the head, for the predicted finding as if it were true."""
    residual = candidates.probabilities - np.eye(candidates.probabilities.shape[1])[candidates.predicted]
    gradients = (residual[:, :, None] * candidates.embeddings[:, None, :]).reshape(len(residual), -1)
    count = min(setting.count, len(gradients))
    chosen = apart(gradients, farthest((gradients**2).sum(1)), count, setting.rng)
    others = np.setdiff1d(np.arange(len(gradients)), chosen)  # where the rest coincides, any will do
    return np.concatenate([chosen, setting.rng.permutation(others)[: count - len(chosen)]])


def valued_by(valuation: Valuation) -> Method:
    """The method that takes a batch of high values, as the task's batch settings say."""

    def method(candidates: Candidates, setting: Setting) -> IntArray:
        pool = pool_of(candidates, valuation(candidates, setting))
        return choose(pool, setting.count, setting.task.acquisition.batch, setting.rng)

    return method


METHODS: Mapping[str, Method] = {
    "uniform": valued_by(uniform),
    "balanced_uniform": balanced_uniform,
    "entropy": valued_by(entropy),
    "margin": valued_by(margin),
    "bald": valued_by(bald),
    "k_center": k_center,
    "badge": badge,
    "coverage": coverage,
    "misalignment": valued_by(misalignment),
    "xal": valued_by(xal),
}


def pool_of(candidates: Candidates, values: Float64Array, predicted: IntArray | None = None) -> Pool:
    """The candidates with these values, as batches are chosen from them."""
    return Pool(
        values,
        candidates.embeddings,
        candidates.predicted if predicted is None else predicted,
        candidates.labelled_embeddings,
        candidates.labelled_findings,
    )
