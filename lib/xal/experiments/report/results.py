"""The runs of a simulation put together: what the arms are, which belong side by side, and how they compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

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
from xal.experiments.run.rows import Attention, Run
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

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rounds that all runs have, by seed and round, with a column for `labels`, `attention.energy` and so on.

        `cost` is in no file: labels + outlines × what an ROI costs.
        """
        rounds = [(run.header.seed, row) for run in self.runs for row in run.rounds[: self.rounds]]
        rows = pd.json_normalize([{"seed": seed, **row.model_dump()} for seed, row in rounds])
        rows["cost"] = rows["labels"] + self.plan.roi_cost * rows["outlines"]
        return rows.set_index(["seed", "round"])

    def series(self, quantity: str) -> pd.DataFrame:
        """Seeds × rounds; NaN where a row does not have the quantity."""
        return self.rows.reindex(columns=[quantity])[quantity].astype(float).unstack()

    def mean(self, quantity: str) -> pd.Series:
        """By round, over the seeds that have the quantity; NaN where none has."""
        return self.series(quantity).mean()

    def end(self, quantity: str) -> float:
        """The mean with the full budget."""
        return float(self.mean(quantity).iloc[-1])


def shared_seeds(*arms: Arm) -> list[int]:
    """The seeds that all of these arms were run with."""
    return sorted(set.intersection(*(set(arm.by_seed) for arm in arms)))


def ignorant_maps(arms: Iterable[Arm]) -> pd.DataFrame:
    """What maps reach that know nothing: map × measure, means over the runs of these arms; NaN where none has it."""
    runs = [run.header.baselines for arm in arms for run in arm.runs]
    rows = [{"map": name, **found.model_dump()} for maps in runs for name, found in maps.items()]
    measures = dict.fromkeys(Attention.model_fields, float)
    return pd.DataFrame(rows, columns=["map", *measures]).astype(measures).groupby("map").mean()


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
        ratios = pd.concat([arm.rows["cost"] / arm.rows["labels"] for arm in self.curves])
        return bool(np.ptp(ratios) > 0.01 * ratios.mean())

    def span(self, arms: Sequence[Arm], axis: Axis = "labels") -> tuple[float, float]:
        """The range of labels or cost that all runs of these arms cover."""
        values = [arm.series(axis) for arm in arms]
        return max(float(v.iloc[:, 0].max()) for v in values), min(float(v.iloc[:, -1].min()) for v in values)

    def areas(self, arm: Arm, span: tuple[float, float], axis: Axis = "labels") -> pd.Series:
        """By seed, the area under balanced accuracy over the span."""
        x, y = arm.series(axis), arm.series("balanced_accuracy")
        return pd.Series({seed: area_under(x.loc[seed].to_numpy(), y.loc[seed].to_numpy(), *span) for seed in x.index})

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
        seeds = shared_seeds(arm, other)
        if not seeds:
            return None
        curves = [one.series(quantity).loc[seeds] for one in (arm, other) for quantity in (axis, "balanced_accuracy")]
        return labels_to_target(*(curve.to_numpy() for curve in curves))

    @cached_property
    def matrix(self) -> list[Pair]:
        """Every pair of headline arms."""
        arms = [arm for arm in self.headline if arm.rounds > 1]
        if not arms:
            return []
        span = self.span(arms)
        return win_matrix(pd.DataFrame({arm.name: self.areas(arm, span) for arm in arms}))

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
