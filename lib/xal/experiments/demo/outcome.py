"""What the demo compares, and what it measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from xal.arrays import BoolArray, Float32Array

ArmName = Literal["alone", "outlines", "clinic"]


@dataclass(frozen=True)
class Arm:
    """One way to work."""

    title: str
    outlined: float
    """Share of the images that readers are asked to outline."""
    guided: bool
    """Training learns from the outlines."""
    method: Literal["xal", "uniform"]


THIRD = 0.33
ARMS: Mapping[ArmName, Arm] = {
    "alone": Arm("labels alone, by chance", 0.0, guided=False, method="uniform"),
    "outlines": Arm("a third outlined, by chance", THIRD, guided=True, method="uniform"),
    "clinic": Arm("a third outlined, by the rule", THIRD, guided=True, method="xal"),
}
"""Each differs from the one before it in one thing, so that it can be told which thing made the difference."""
ALIKE: tuple[tuple[ArmName, ...], ...] = (("outlines", "clinic"), ("alone",))
"""The arms that learn alike, and so begin with the same model."""
TRAP = (
    "Made-up images with a trap: on 9 of 10 images that readers get, a mark in a corner gives the finding away. "
    "On the test images it says nothing."
)


@dataclass(frozen=True)
class Plan:
    """How long the demo is."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Each chooses patients, images, the order of chance, and how networks begin."""
    rounds: int = 2
    labels: int = 30
    """Read per round, after a start set of ten images of each finding."""
    test_per_finding: int = 40
    training: Mapping[str, object] = field(default_factory=lambda: {"max_epochs": 24})
    """Settings other than the task's."""
    workers: int = 2


@dataclass(frozen=True)
class Point:
    """A run after a round; round 0 is the start set alone."""

    round: int
    labels: int
    outlines: int
    """Of the images read so far."""
    refused: bool
    """The gate kept this model out: an earlier one stays in use, and chooses what is read next."""
    accuracy: float
    """Balanced, on the test images; of the model that was trained now, in use or not."""
    energy: float
    """Share of the attention inside the ROI, on the test images that have one."""


@dataclass(frozen=True)
class Look:
    """What the last model of a run says of a test image, and where it looks."""

    finding: str
    probability: float
    bands: Float32Array
    """(X, Y)."""


@dataclass(frozen=True)
class Run:
    """One arm with one seed."""

    arm: ArmName
    seed: int
    points: Sequence[Point]
    looks: Mapping[str, Look]
    """By test image: the first of each finding that has an ROI."""


@dataclass(frozen=True)
class Sight:
    """A test image, and what is really on it."""

    image: str
    finding: str
    pixels: Float32Array
    """(X, Y), as is the ROI."""
    roi: BoolArray


@dataclass(frozen=True)
class Outcome:
    """All that was measured."""

    plan: Plan
    test_images: int
    """Of each seed."""
    guessing: float
    """Balanced accuracy of a model that guesses."""
    even: float
    """Share of the attention inside the ROI if it were spread evenly over the image."""
    runs: Sequence[Run]
    sights: Sequence[Sight]
    """Of the first seed: they are the keys of its runs' looks."""
    seconds: float

    def of(self, arm: ArmName) -> list[Run]:
        """The runs of an arm, in the order of the plan's seeds."""
        return sorted((run for run in self.runs if run.arm == arm), key=lambda run: self.plan.seeds.index(run.seed))
