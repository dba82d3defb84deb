"""One arm with one seed: read, train, score and measure, with the parts that a server works with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from xal.errors import XalError
from xal.experiments.demo.outcome import ARMS, Arm, ArmName, Look, Plan, Point, Run
from xal.experiments.demo.pool import POOL, TEST, Images, first_with_roi, fix_chance, read_images, start_set
from xal.experiments.demo.reader import SimulatedReader
from xal.imaging.geometry import grid_to_image
from xal.imaging.images import read_image
from xal.loop.rounds import train_round
from xal.loop.scoring import score_pool
from xal.method.attention import bands
from xal.model.judging import Case, evaluate
from xal.model.network import Network, load, predict
from xal.pool.project import Project
from xal.task import Task, load_task

TASK = "phantom_2d"


def task_of(arm: Arm, seed: int, training: Mapping[str, object]) -> Task:
    """The sample task without what it sets to show its rule at work: a clinic's task, with the settings that ship.

    Gone are the stand-in ROIs, the batch rule and the guidance of the sample task. Labels alone learn no outlines.
    """
    content: dict[str, Any] = load_task(TASK).model_dump()
    for name in ("guidance", "guidance_kind"):
        del content["training"][name]
    content["training"] |= {"seed": seed, **training}
    if not arm.guided:
        content["training"] |= {"guidance": 0.0, "roi": 0.0}
    content["acquisition"] = {"method": arm.method}
    content["outline"] = {"share": arm.outlined}
    return Task.model_validate(content)


def run_arm(folder: Path, name: ArmName, seed: int, plan: Plan, tell: Callable[[Point], None]) -> Run:
    """Work through all rounds in the folder of the seed, from the start."""
    work = folder / name
    if work.exists():
        shutil.rmtree(work)
    pool = read_images(folder, POOL)
    shutil.copytree(pool.studies, work)
    fix_chance(work, seed)
    task = task_of(ARMS[name], seed, plan.training)
    project = Project.open(task, str(work))
    project.sync()
    arm = _Arm(project, SimulatedReader(project, pool.truth), read_images(folder, TEST).cases(task))
    points = []
    for number in range(plan.rounds + 1):
        if number == 0:
            arm.read_start(start_set(pool))
        else:
            arm.read(plan.labels)
        points.append(arm.learn(number, last=number == plan.rounds))
        tell(points[-1])
    return Run(name, seed, points, arm.looks(read_images(folder, TEST)))


class _Arm:
    """A project at work."""

    def __init__(self, project: Project, reader: SimulatedReader, test: Sequence[Case]) -> None:
        self._project = project
        self._reader = reader
        self._test = test
        self._network: Network | None = None

    def read_start(self, images: Sequence[str]) -> None:
        """The start set."""
        for image in images:
            self._reader.read_start(image)

    def read(self, count: int) -> None:
        """So many images as the app gives them."""
        for _ in range(count):
            if not self._reader.read_next():
                raise XalError(f"nothing is left to read after {self._reader.read} images: read fewer per round")

    def learn(self, number: int, *, last: bool) -> Point:
        """Train, measure, and let the model choose, where it does and is asked again."""
        project, task = self._project, self._project.task
        version = train_round(project, task.training, lambda progress: None, lambda: False).version
        if task.acquisition.method != "uniform" and not last:
            score_pool(project, lambda done, total: None)
        weights = project.workspace.models / f"v{version.version}" / "weights.pt"
        self._network = load(weights, task, project.device)
        metrics = evaluate(self._network, task, self._test, project.device).metrics()
        return Point(
            round=number,
            labels=self._reader.read,
            outlines=self._reader.outlined,
            refused=version.state != "published",
            accuracy=float(metrics["balanced_accuracy"]),
            energy=float(metrics["energy_in_roi"]),
        )

    def looks(self, test: Images) -> dict[str, Look]:
        """What the last model makes of the first test image of each finding."""
        assert self._network is not None  # there is a round, so that something was learnt
        task, looks = self._project.task, {}
        tensors = {case.image_id: case.tensor for case in self._test}
        for known in first_with_roi(test, task.roi_findings):
            said = predict(self._network, torch.stack([tensors[known.image]]), task)[0]
            volume = read_image(next(test.studies.glob(f"{known.image}.*")))
            on_image = grid_to_image(said.attention, volume, task, "linear")
            probability = float(said.probabilities[task.index(said.finding)])
            looks[known.image] = Look(said.finding, probability, bands(on_image)[:, :, 0].astype("float32"))
        return looks
