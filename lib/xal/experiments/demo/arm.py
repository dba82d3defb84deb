"""Arms with one seed: read, train, score and measure, with the parts that a server works with."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
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

Tell = Callable[[ArmName, Point], None]


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


def run_arms(folder: Path, names: Sequence[ArmName], seed: int, plan: Plan, tell: Tell) -> list[Run]:
    """Work through all rounds, from the start, in the folder of the seed.

    The arms learn alike, and differ in what they choose: so the start set is read and learnt once for all of them.
    """
    pool, test = read_images(folder, POOL), read_images(folder, TEST)
    works = {name: folder / name for name in names}
    for work in works.values():
        if work.exists():
            shutil.rmtree(work)
    first = works[names[0]]
    shutil.copytree(pool.studies, first)
    fix_chance(first, seed)
    tasks = {name: task_of(ARMS[name], seed, plan.training) for name in names}
    cases = test.cases(tasks[names[0]])
    with _opened(first, tasks[names[0]]) as project:
        arm = _Arm(project, pool, cases)
        arm.read_start()
        start = arm.learn(0)
    for work in works.values():
        if work != first:
            shutil.copytree(first, work)
    runs = []
    for name, work in works.items():
        tell(name, start)
        with _opened(work, tasks[name]) as project:
            arm, points = _Arm(project, pool, cases), [start]
            for number in range(1, plan.rounds + 1):
                arm.read(plan.labels)
                points.append(arm.learn(number))
                tell(name, points[-1])
            runs.append(Run(name, seed, points, arm.looks(test)))
    return runs


@contextlib.contextmanager
def _opened(studies: Path, task: Task) -> Iterator[Project]:
    project = Project.open(task, str(studies))
    try:
        project.sync()
        yield project
    finally:
        project.store.close()


class _Arm:
    """A project at work."""

    def __init__(self, project: Project, pool: Images, test: Sequence[Case]) -> None:
        self._project = project
        self._pool = pool
        self._reader = SimulatedReader(project, pool.truth)
        self._test = test
        self._network: Network | None = None

    def read_start(self) -> None:
        """The start set."""
        for image in start_set(self._pool):
            self._reader.read_start(image)

    def read(self, count: int) -> None:
        """So many images as the app gives them, scored by the model in use if they are not chosen by chance."""
        if self._project.task.acquisition.method != "uniform":
            score_pool(self._project, lambda done, total: None)
        for number in range(count):
            if not self._reader.read_next():
                raise XalError(f"nothing is left to read after {number} of {count} images: read fewer per round")

    def learn(self, number: int) -> Point:
        """Train, and measure what came of it."""
        project, task = self._project, self._project.task
        version = train_round(project, task.training, lambda progress: None, lambda: False).version
        weights = project.workspace.models / f"v{version.version}" / "weights.pt"
        self._network = load(weights, task, project.device)
        metrics = evaluate(self._network, task, self._test, project.device).metrics()
        settled = project.store.annotations.settled()
        return Point(
            round=number,
            labels=len(settled),
            outlines=sum(any(row.roi_voxels > 0 for row in image.annotations) for image in settled),
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
