"""What the demo measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xal.arrays import BoolArray, Float32Array

STRATEGIES = ("xal", "uniform")
SHOWN = STRATEGIES[0]
"""The arm whose attention is drawn."""
CAVEAT = "One run with one seed on made-up images: it shows the mechanism and proves nothing."


@dataclass(frozen=True)
class Plan:
    """How long the demo is."""

    rounds: int = 5
    labels: int = 24
    """Handed in per round."""
    test_per_finding: int = 15
    seed: int = 0
    """Chooses the test set, the order of chance, and how networks begin."""
    training: Mapping[str, object] = field(default_factory=dict)
    """Options for the trainer other than the task's."""


@dataclass(frozen=True)
class Point:
    """An arm after a round; round 0 is the start set alone."""

    round: int
    labels: int
    version: int
    """Trained on these labels; what is measured is this model's, in use or not."""
    refused: bool
    """The gate kept it out: an earlier version stays in use, and chooses what is read next."""
    accuracy: float
    """Balanced, on the test set."""
    energy: float
    seconds: float


@dataclass(frozen=True)
class Look:
    """What a model said of an image, and where it looked."""

    finding: str
    probability: float
    bands: Float32Array
    """(X, Y)."""


@dataclass(frozen=True)
class Sight:
    """An image that xal asked for, and what the first and the last model made of it."""

    image: str
    finding: str
    pixels: Float32Array
    """(X, Y), as are the ROI and the bands."""
    roi: BoolArray
    before: Look
    after: Look


@dataclass(frozen=True)
class Outcome:
    """All that was measured."""

    plan: Plan
    test_images: int
    guessing: float
    """Balanced accuracy of a model that guesses."""
    even: float
    """Energy in ROI of attention spread evenly over the image."""
    arms: Mapping[str, Sequence[Point]]
    sights: Sequence[Sight]
    seconds: float
