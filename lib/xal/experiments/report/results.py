"""The runs of a simulation put together: what the arms are, which belong side by side, and how they compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from xal.arrays import FloatArray
from xal.experiments.report.statistics import (
    Difference,
    Kept,
    Pair,
    Reach,
    area_under,
    kept_share,
    labels_to_target,
    paired,
    win_matrix,
)
from xal.experiments.run.rows import Round, Run
from xal.task import AcquisitionSettings, Task

Axis = Literal["labels", "cost"]
Role = Literal["headline", "exploratory", "ceiling"]

LOOKING = ("xal", "misalignment")
"""The methods that compare attention with ROIs; of all others it does not matter whose ROIs those would be."""


@dataclass(frozen=True)
class Plan:
    """What an arm was to be; the rows say what it became."""

    name: str
    role: Role
    method: str
    """How it chooses."""
    roi: str
    """Whose ROIs its misalignment is measured with."""
    task: Task
    """All other settings."""
    seeds: tuple[int, ...]
    roi_cost: float
    """What outlining an ROI costs, in labels."""
    outlined: float = 1.0
    """The share of the labelled images whose ROI is drawn."""
    outline: str = "chance"
    """Which share."""

    def chooses_as(self, other: Plan) -> bool:
        """Whether the arm takes images, and has them outlined, as another one does."""
        return (self.method, self.roi) == (other.method, other.roi) and self.outlines_as(other)

    def outlines_as(self, other: Plan) -> bool:
        """Whether the same part of what is labelled is outlined."""
        return (self.outlined, self.outline) == (other.outlined, other.outline)

    @property
    def guided(self) -> bool:
        """Whether attention is pulled towards the ROIs in training."""
        return self.task.training.guidance > 0

    @property
    def outlines(self) -> bool:
        """Whether training learns anything from ROIs: by guidance, or by the head that proposes them."""
        return self.guided or self.task.training.roi > 0


@dataclass(frozen=True)
class Arm:
    """A method with all the seeds it was run with to the end."""

    plan: Plan
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """As the config calls it."""
        return self.plan.name

    @cached_property
    def by_seed(self) -> dict[int, Run]:
        """The complete runs."""
        return {run.header.seed: run for run in self.runs}

    @cached_property
    def rounds(self) -> int:
        """How many rounds every run has."""
        return min(len(run.rounds) for run in self.runs)

    def series(self, quantity: str, seeds: Iterable[int] | None = None) -> FloatArray:
        """(seeds, rounds) of a quantity such as `labels` or `attention.energy`; NaN where a row has none.

        `cost` is in no row: labels + outlines × what an ROI costs.
        """
        if quantity == "cost":
            return self.series("labels", seeds) + self.plan.roi_cost * self.series("outlines", seeds)
        runs = [self.by_seed[seed] for seed in (self.by_seed if seeds is None else seeds)]
        return np.array([[_value(row, quantity) for row in run.rounds[: self.rounds]] for run in runs])

    def mean(self, quantity: str) -> FloatArray:
        """(rounds,): the mean over the seeds that have the quantity; NaN where none has."""
        values = self.series(quantity)
        known = np.isfinite(values)
        total = np.where(known, values, 0.0).sum(axis=0)
        return np.divide(total, known.sum(axis=0), out=np.full(self.rounds, np.nan), where=known.any(axis=0))

    def ends(self, quantity: str) -> dict[int, float]:
        """Per seed, what is reached with the full budget; seeds without the quantity are left out."""
        values = self.series(quantity)[:, -1]
        return {seed: float(value) for seed, value in zip(self.by_seed, values, strict=True) if np.isfinite(value)}


@dataclass(frozen=True)
class Results:
    """All arms of a simulation that have at least one complete run, in the order of the config."""

    title: str
    plans: tuple[Plan, ...]
    """All arms of the config, also those without a complete run."""
    arms: Mapping[str, Arm]
    baseline: str
    problems: tuple[str, ...]
    """What is missing, unfinished or not comparable: sentences."""

    @property
    def base(self) -> Arm:
        """What all others are compared with."""
        return self.arms[self.baseline]

    @property
    def headline(self) -> list[Arm]:
        """The arms that decide, the baseline among them."""
        return [arm for arm in self.arms.values() if arm.plan.role == "headline"]

    @property
    def exploratory(self) -> list[Arm]:
        """The arms that only give hints."""
        return [arm for arm in self.arms.values() if arm.plan.role == "exploratory"]

    @property
    def curves(self) -> list[Arm]:
        """Every arm that has a curve."""
        return [arm for arm in (*self.headline, *self.exploratory) if arm.rounds > 1]

    @property
    def ceiling(self) -> Arm | None:
        """Trained on the whole pool."""
        return next((arm for arm in self.arms.values() if arm.plan.role == "ceiling"), None)

    @property
    def measured(self) -> list[Arm]:
        """Every arm: the headline arms first, the ceiling last."""
        return [*self.headline, *self.exploratory, *([self.ceiling] if self.ceiling else [])]

    @property
    def cost_differs(self) -> bool:
        """Whether arms pay differently for the same number of labels."""
        if not self.curves:
            return False
        ratios = np.concatenate([(arm.series("cost") / arm.series("labels")).ravel() for arm in self.curves])
        return bool(np.ptp(ratios) > 0.01 * ratios.mean())

    def span(self, arms: Sequence[Arm], axis: Axis = "labels") -> tuple[float, float]:
        """The range of labels or cost that all runs of these arms cover."""
        values = [arm.series(axis) for arm in arms]
        return max(float(v[:, 0].max()) for v in values), min(float(v[:, -1].min()) for v in values)

    def areas(self, arm: Arm, span: tuple[float, float], axis: Axis = "labels") -> dict[int, float]:
        """Per seed, the area under balanced accuracy over the span."""
        curves = zip(arm.by_seed, arm.series(axis), arm.series("balanced_accuracy"), strict=True)
        return {seed: area_under(x, y, *span) for seed, x, y in curves}

    def gain(self, arm: Arm, axis: Axis = "labels", over: Arm | None = None) -> Difference | None:
        """The arm's area minus the baseline's (or another arm's), over the range that both cover; None without one."""
        other = over or self.base
        span = self.span([arm, other], axis)
        if span[0] >= span[1]:
            return None
        return paired(self.areas(arm, span, axis), self.areas(other, span, axis))

    def reach(self, arm: Arm, axis: Axis = "labels", over: Arm | None = None) -> Reach | None:
        """How soon the arm reaches what the baseline (or another arm) ends with; None if they share no seed."""
        other = over or self.base
        seeds = sorted(arm.by_seed.keys() & other.by_seed.keys())
        if not seeds:
            return None
        curves = [one.series(quantity, seeds) for one in (arm, other) for quantity in (axis, "balanced_accuracy")]
        return labels_to_target(*curves)

    @cached_property
    def matrix(self) -> list[Pair]:
        """Every pair of headline arms."""
        arms = [arm for arm in self.headline if arm.rounds > 1]
        if not arms:
            return []
        span = self.span(arms)
        return win_matrix({arm.name: self.areas(arm, span) for arm in arms})

    def kept(self) -> list[tuple[Arm, Arm, Kept]]:
        """Each arm with proposed ROIs beside its twin with oracle ROIs."""
        found = []
        for arm in (arm for arm in self.curves if arm.plan.roi == "proposed"):
            oracle = self._oracle(arm)
            if oracle is not None:
                span = self.span([arm, oracle, self.base])
                kept = kept_share(*(self.areas(one, span) for one in (arm, oracle, self.base)))
                if kept is not None:
                    found.append((arm, oracle, kept))
        return found

    def guidance(self) -> tuple[Arm, Arm] | None:
        """The baseline with guidance in training, and without: what guidance alone does."""
        twin = self._twin(self.base)
        if twin is None:
            return None
        return (self.base, twin) if self.base.plan.guided else (twin, self.base)

    def cells(self, method: str) -> dict[bool, Arm]:
        """The method's place in the table of acquisition × loss: without guidance (False) and with it (True).

        Two arms are twins in all but guidance, with proposed ROIs; where there are none, one arm stands alone.
        """
        fitting = [
            arm
            for arm in self._ranked
            if arm.plan.method == method and arm.plan.roi in ("proposed", "none") and arm.plan.outlined == 1
        ]
        pairs = [(arm, twin) for arm in fitting if (twin := self._twin(arm)) is not None]
        return {arm.plan.guided: arm for arm in (pairs[0] if pairs else fitting[:1])}

    def chance(self, arm: Arm) -> Arm | None:
        """The arm that takes images by chance and otherwise batches and trains as this arm does.

        A gain over it is the score's own: what the batch rule does for any score, such as diversity, is in both.
        """
        if arm.plan.method == "uniform":
            return None
        wanted = _apart_from_score(arm.plan.task)
        uniform = [other for other in self._ranked if other.plan.method == "uniform"]
        alike = [other for other in uniform if other.plan.outlines_as(arm.plan)]
        return next((other for other in alike if _apart_from_score(other.plan.task) == wanted), None)

    @property
    def _ranked(self) -> list[Arm]:
        """Every arm that has a curve: the baseline, the headline arms, the others."""
        return sorted(self.curves, key=lambda arm: arm is not self.base)

    def _twin(self, arm: Arm) -> Arm | None:
        """The arm that differs in nothing but guidance."""
        return self._counterpart(arm, _apart_from_guidance, guided=not arm.plan.guided)

    def taught(self, arm: Arm) -> Arm | None:
        """For an arm that trains from findings alone, the guided one that differs in nothing else; None without one."""
        return None if arm.plan.outlines else self._counterpart(arm, _apart_from_outlines, guided=True)

    def _counterpart(self, arm: Arm, apart: Callable[[Task], Task], *, guided: bool) -> Arm | None:
        """The arm, guided or not, that chooses as this one and is the same apart from some settings of its task."""
        wanted = apart(arm.plan.task)
        fitting = [other for other in self._ranked if other.plan.chooses_as(arm.plan) and other.plan.guided == guided]
        return next((other for other in fitting if apart(other.plan.task) == wanted), None)

    @property
    def conventional(self) -> Arm | None:
        """The arm that labels by chance and learns from findings alone, as one does without this method."""
        return next((arm for arm in self.curves if self.taught(arm) is self.base), None)

    @property
    def priced(self) -> list[Arm]:
        """The conventional arm, those that outline a part of their images, and the headline arms; none without it."""
        old = self.conventional
        part = [arm for arm in self.curves if arm.plan.outlined < 1]
        return [] if old is None else [old, *part, *(arm for arm in self.headline if arm in self.curves)]

    def _oracle(self, arm: Arm) -> Arm | None:
        """The arm that differs in nothing but oracle ROIs."""
        wanted = replace(arm.plan, roi="oracle")
        return next(
            (other for other in self.curves if other.plan.chooses_as(wanted) and other.plan.task == wanted.task), None
        )


def _apart_from_guidance(task: Task) -> Task:
    return task.model_copy(update={"training": task.training.model_copy(update={"guidance": 0.0})})


def _apart_from_outlines(task: Task) -> Task:
    return task.model_copy(update={"training": task.training.model_copy(update={"guidance": 0.0, "roi": 0.0})})


def _apart_from_score(task: Task) -> Task:
    return task.model_copy(update={"acquisition": AcquisitionSettings(batch=task.acquisition.batch)})


def _value(row: Round, quantity: str) -> float:
    value: object = row
    for part in quantity.split("."):
        value = None if value is None else value.get(part) if isinstance(value, Mapping) else getattr(value, part)
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]
