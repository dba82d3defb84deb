"""What a simulation is to do, read from a YAML file and validated once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from xal.datasets.registry import ADAPTERS, read_options
from xal.errors import TaskError, XalError
from xal.method.rivals import METHODS
from xal.settings import Settings, read_settings, validated
from xal.task import Task, load_task

RoiKind = Literal["proposed", "oracle", "shuffled", "centre"]


_NO_WARM_START = (
    "training.start: warm is not to be had here: a simulation resets the weights every round, so that no model profits "
    "from the chance of an earlier round; say reset"
)


class Arm(Settings):
    """One way of choosing images and of training on them."""

    method: str
    roi: RoiKind = "proposed"
    """What the pool's attention is compared with: the network's proposal (all that a clinic has), the true ROI, or as
    controls another image's ROI and a disc in the centre."""
    task: Mapping[str, Any] = Field(default_factory=dict)
    """What differs from the task file: {training: {guidance: 0}}."""
    outlined: float = Field(1.0, ge=0, le=1)
    """The share of each batch whose ROIs are drawn; of the other images training has the finding alone."""
    outline: Literal["chance", "misalignment"] = "chance"
    """Which share: any, or the images that the model before them had most misaligned (of the start set any)."""
    outlined_before: float = Field(0.0, ge=0, le=1)
    """The share of the pool's lesions that were outlined before anything is chosen: their true ROI counts as drawn."""
    regions_train: bool = False
    """Whether training learns from these, too, as the server does: from an image without a label the ROI head alone."""
    seeds: int | None = Field(None, ge=1)
    """Seeds 0, 1, …; the simulation's number unless said."""
    everything: bool = False
    """Label the whole pool at once: what could be reached at all."""

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in METHODS:
            raise ValueError(f"there is no such method; known are {', '.join(METHODS)}")
        return method

    @model_validator(mode="after")
    def _one_kind_of_roi(self) -> Arm:
        if self.outlined_before and self.roi != "proposed":
            raise ValueError(
                f"outlined_before is about true ROIs beside those that stand in, and roi: {self.roi} has none"
            )
        if self.regions_train and not self.outlined_before:
            raise ValueError("regions_train is about the ROIs of outlined_before, and there are none")
        return self

    @field_validator("task")
    @classmethod
    def _reset(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        training = task.get("training")
        if isinstance(training, Mapping) and training.get("start") == "warm":
            raise ValueError(_NO_WARM_START)
        return task


class Shortcut(Settings):
    """A pattern beside the lesion, in every image: in the test set it says nothing, in all others it mostly does."""

    agreement: float = Field(ge=0, le=1)
    """The share of images whose pattern is that of their finding; in the others it is that of another one."""
    side: float = Field(0.2, ge=0.05, le=0.4)
    """Of the pattern, in sides of the image."""


class DataSet(Settings):
    """The public set that the images are of."""

    name: str
    """As `xal import` calls it."""
    options: Mapping[str, str | int] = Field(default_factory=dict)
    """As `xal import` takes them: {slices: largest}."""

    @model_validator(mode="after")
    def _known(self) -> DataSet:
        if self.name not in ADAPTERS:
            raise ValueError(f"there is no set {self.name!r}; known are {', '.join(ADAPTERS)}")
        try:
            read_options(self.name, self.chosen)
        except XalError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def chosen(self) -> dict[str, str]:
        """The options as they would be typed."""
        return {option: str(value) for option, value in self.options.items()}


class Simulation(Settings):
    """Every arm with every seed, on one set of images."""

    title: str
    studies: Path
    """A folder that `xal import` filled; relative to the file."""
    dataset: DataSet | None = None
    """What `xal simulate --source` fills that folder with."""
    task: str
    """A task file, relative to the file, or the name of a task that comes with the app."""
    start: int = Field(ge=4)
    """Labels at the start."""
    query: int = Field(ge=1)
    """Labels per round."""
    budget: int
    """Labels at the end."""
    validation: int = Field(ge=0)
    """Labelled images beside the budget, on which the temperature is fitted."""
    validation_share: float = Field(0.1, ge=0, lt=0.5)
    """Share of the groups from which the validation images are taken; their other images are not used at all."""
    test_share: float = Field(0.3, gt=0, lt=0.8)
    """Share of the images that judge, in whole groups: the same ones for all arms and seeds."""
    shortcut: Shortcut | None = None
    """What the images are given to be misled by."""
    roi_cost: float = Field(2.0, ge=0)
    """What outlining an ROI costs, in labels."""
    seeds: int = Field(5, ge=1)
    arms: Mapping[str, Arm] = Field(min_length=1)
    headline: tuple[str, ...] = ()
    """The arms on which the claims rest; all others are exploratory."""
    baseline: str = "uniform"
    """What the others are compared with."""
    ceiling: str | None = None
    """The arm with all labels."""

    @model_validator(mode="after")
    def _consistent(self) -> Simulation:
        named = {
            "headline": self.headline,
            "baseline": (self.baseline,),
            "ceiling": (self.ceiling,) if self.ceiling else (),
        }
        for key, names in named.items():
            unknown = sorted(set(names) - set(self.arms))
            if unknown:
                raise ValueError(f"{key}: there is no arm {unknown[0]!r}; known are {', '.join(self.arms)}")
        if self.budget <= self.start:
            raise ValueError(f"budget ({self.budget}) must be more than start ({self.start})")
        if self.ceiling is not None and not self.arms[self.ceiling].everything:
            raise ValueError(f"ceiling: arm {self.ceiling!r} does not label everything (everything: true)")
        for name in self.arms:
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"arm {name!r}: names are letters, digits, - and _, since files are named after them")
        return self

    @property
    def rounds(self) -> int:
        """Rounds after the start; the last one may be smaller."""
        return -(-(self.budget - self.start) // self.query)

    def seeds_of(self, arm: str) -> range:
        """The seeds of an arm."""
        return range(self.arms[arm].seeds or self.seeds)

    def load_task(self, arm: str, tasks: Path) -> Task:
        """The task as this arm wants it; `tasks` has those that come with the app."""
        task = load_task(self.task, tasks)
        base = task.model_dump()
        if "stand_in" not in task.acquisition.model_fields_set:  # an arm's `roi: proposed` is to mean what it says
            base["acquisition"]["stand_in"] = ("proposed",)
        changed_task = validated(_merged(base, self.arms[arm].task), Task, f"arm {arm}")
        if changed_task.training.start == "warm":
            raise TaskError(f"arm {arm}: {_NO_WARM_START}")
        if self.arms[arm].method == "bald" and changed_task.network.dropout == 0:
            raise TaskError(f"arm {arm}: bald needs network.dropout above 0, or every image teaches it nothing")
        return changed_task


def load_simulation(path: Path) -> Simulation:
    """Read a simulation; its paths are relative to the file."""
    simulation = read_settings(path, Simulation)
    beside = path.parent / simulation.task
    return simulation.model_copy(
        update={
            "studies": path.parent / simulation.studies,
            "task": str(beside) if beside.suffix in {".yaml", ".yml"} else simulation.task,
        }
    )


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, mapping by mapping."""
    result = dict(base)
    for key, value in changes.items():
        deeper = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if deeper else value
    return result
