"""`make demo`: a simulated reader works through rounds on the sample data, for xal beside uniform sampling.

Two real servers, each with its own copy of the data, begin with the same start set and the same order of chance. What
is measured is measured on whole patients that both exclude before they begin. One run with one seed shows the
mechanism and proves nothing; the output says so.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xal.datasets.truth import Truth, read_truth
from xal.errors import XalError
from xal.experiments.demo.outcome import CAVEAT, SHOWN, STRATEGIES, Look, Outcome, Plan, Point, Sight
from xal.experiments.demo.process import ServerProcess
from xal.experiments.demo.progress import ArmBar
from xal.experiments.demo.reader import SimulatedReader
from xal.experiments.demo.truth import as_case, choose_test_set
from xal.imaging.images import read_image
from xal.model.judging import Case, evaluate
from xal.model.network import load
from xal.pool.workspace import POOL_FILE
from xal.task import Task, load_task

TASK = "phantom_2d"
READER = "simulated reader"


@dataclass(frozen=True)
class _Setting:
    """What both arms share."""

    task: Task
    truth: Truth
    plan: Plan
    test: Sequence[Case]
    ended: threading.Event
    """Set when an arm has failed or the user has had enough: the other arm does not go on for minutes."""
    measuring: threading.Lock


def run_demo(root: Path, folder: Path, plan: Plan) -> Outcome:
    """Run both arms side by side, afresh in `folder`, on a copy of the sample data below `root`."""
    started = time.monotonic()
    app, studies = root / "apps" / "xal_radiology", root / "sample_data" / TASK
    task = load_task(TASK)
    truth = read_truth(root / "sample_data" / "truth" / TASK)
    labelled = [path.name.split(".")[0] for path in (studies / "labels" / "final").iterdir()]
    test_ids = choose_test_set(truth, labelled, plan.test_per_finding, plan.seed)
    test = [as_case(studies, truth[image], task) for image in test_ids]
    setting = _Setting(task, truth, plan, test, threading.Event(), threading.Lock())
    with ThreadPoolExecutor(len(STRATEGIES)) as pool:
        arms = {
            strategy: pool.submit(_run_arm, setting, app, studies, folder / strategy, strategy)
            for strategy in STRATEGIES
        }
        try:
            done, _ = wait(arms.values(), return_when=FIRST_EXCEPTION)
        finally:
            setting.ended.set()
        for arm in done:
            arm.result()  # raises what ended it
        results = {strategy: arm.result() for strategy, arm in arms.items()}
    points = {strategy: result[0] for strategy, result in results.items()}
    return Outcome(
        plan=plan,
        test_images=len(test),
        guessing=1 / len(task.findings),
        even=float(np.mean([np.mean(np.asarray(case.roi)) for case in test if case.roi is not None])),
        arms=points,
        sights=results[SHOWN][1],
        seconds=time.monotonic() - started,
    )


def _run_arm(
    setting: _Setting, app: Path, studies: Path, folder: Path, strategy: str
) -> tuple[list[Point], list[Sight]]:
    """One arm from an empty folder to its figures."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    copy = folder / "studies"
    shutil.copytree(studies, copy, ignore=shutil.ignore_patterns(".xal"))
    _fix_chance(copy, setting.plan.seed)
    with ServerProcess(app, copy, folder / "server", TASK) as server:
        return _Arm(setting, server, copy, strategy).run()


def _fix_chance(studies: Path, seed: int) -> None:
    """Name the pool, which orders it by chance, after the seed instead of after the folder."""
    pool = hashlib.sha256(f"demo {seed}".encode()).hexdigest()[:16]
    (studies / ".xal").mkdir()
    (studies / ".xal" / POOL_FILE).write_text(json.dumps({"pool": pool, "studies": str(studies)}), encoding="utf-8")


class _Arm:
    """One strategy at one server."""

    def __init__(self, setting: _Setting, server: ServerProcess, studies: Path, strategy: str) -> None:
        self._setting = setting
        self._server = server
        self._studies = studies
        self._strategy = strategy
        self._reader = SimulatedReader(server.url, READER, setting.task, setting.truth, self._check)
        self._bar = ArmBar(strategy, setting.plan.rounds, setting.plan.labels, STRATEGIES.index(strategy))
        self._points: list[Point] = []
        self._asked_for: list[str] = []

    def run(self) -> tuple[list[Point], list[Sight]]:
        """All rounds, and for one of the arms the pictures."""
        with self._bar:
            began = time.monotonic()
            for case in self._setting.test:
                self._reader.exclude(case.image_id, "test set")
            self._learn(0, began)
            for number in range(1, self._setting.plan.rounds + 1):
                began = time.monotonic()
                self._read(number)
                self._learn(number, began)
            return self._points, self._sights() if self._strategy == SHOWN else []

    def _check(self) -> None:
        self._server.check()
        if self._setting.ended.is_set():
            raise XalError("the demo was ended")

    def _read(self, number: int) -> None:
        for _ in range(self._setting.plan.labels):
            sample = self._reader.read_next(self._strategy)
            if sample is None:
                raise XalError(f"nothing is left to read in round {number}: fewer labels per round are needed")
            self._asked_for.append(sample["id"])
            self._bar.read_one()

    def _learn(self, number: int, began: float) -> None:
        """Train, wait for the scores, measure."""
        version = self._reader.train(self._setting.plan.training, self._bar.training)
        status = self._reader.wait_scored(self._bar.scoring)
        accuracy, energy = self._measure(version["version"])
        point = Point(
            round=number,
            labels=status["settled"],
            version=version["version"],
            refused=version["state"] != "published",
            accuracy=accuracy,
            energy=energy,
            seconds=time.monotonic() - began,
        )
        self._points.append(point)
        self._bar.end_round(
            number,
            f"{point.labels} labels, balanced accuracy {accuracy:.2f}, energy in ROI {energy:.2f}"
            + (f" (refused by the gate, v{status['model_version']} stays)" if point.refused else ""),
        )

    def _measure(self, version: int) -> tuple[float, float]:
        """A version on the test set, from its weights."""
        task, device = self._setting.task, torch.device("cpu")
        weights = self._studies / ".xal" / task.name / "models" / f"v{version}" / "weights.pt"
        with self._setting.measuring:
            metrics = evaluate(load(weights, task, device), task, self._setting.test, device).metrics()
        return float(metrics["balanced_accuracy"]), float(metrics["energy_in_roi"])

    def _sights(self) -> list[Sight]:
        """The first image of each finding that was asked for, with what the first and the last model see in it."""
        truth, task = self._setting.truth, self._setting.task
        firsts = [next((i for i in self._asked_for if truth[i].finding == name), None) for name in task.roi_findings]
        images = [image for image in firsts if image is not None]
        published = [point.version for point in self._points if not point.refused]
        self._reader.publish(published[0])
        before = [self._look(image) for image in images]
        self._reader.publish(published[-1])
        after = [self._look(image) for image in images]
        return [self._sight(*seen) for seen in zip(images, before, after, strict=True)]

    def _look(self, image: str) -> Look:
        bands, said = self._reader.attention(image, self._server.log.parent)
        return Look(said["finding"], said["probabilities"][said["finding"]], bands[:, :, 0])

    def _sight(self, image: str, before: Look, after: Look) -> Sight:
        known = self._setting.truth[image]
        roi = known.roi()
        assert roi is not None  # images are chosen among those of findings with an ROI
        pixels = read_image(next(self._studies.glob(f"{image}.*"))).pixels[0, :, :, 0]
        return Sight(image, known.finding, pixels, roi[:, :, 0], before, after)


def table(outcome: Outcome) -> str:
    """The rounds of both arms, side by side."""
    names = list(outcome.arms)
    columns = "accuracy  energy in ROI  seconds"
    lines = [
        " " * 15 + "".join(f"   {name:<{len(columns)}}" for name in names).rstrip(),
        "round   labels " + "".join(f"   {columns}" for _ in names),
    ]
    for row in zip(*outcome.arms.values(), strict=True):
        cells = [f"{_name(row[0].round):<7}{row[0].labels:>7} "]
        for point in row:
            mark = "*" if point.refused else " "
            cells.append(f"   {point.accuracy:>8.3f}{mark} {point.energy:>13.3f}  {point.seconds:>6.0f}")
        lines.append("".join(cells).rstrip())
    if any(point.refused for points in outcome.arms.values() for point in points):
        lines.append("* refused by the gate, on the few images it judges by: the model before stays in use")
    measured = (
        f"Balanced accuracy and energy in ROI on {outcome.test_images} images of patients that neither arm sees; "
        f"guessing would have {outcome.guessing:.2f}, attention spread evenly {outcome.even:.2f}."
    )
    return "\n".join([*lines, "", measured, CAVEAT])


def _name(number: int) -> str:
    return "start" if number == 0 else str(number)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The figures, to keep beside the picture."""
    return {
        "seed": outcome.plan.seed,
        "test_images": outcome.test_images,
        "guessing": outcome.guessing,
        "even_attention": round(outcome.even, 4),
        "seconds": round(outcome.seconds, 1),
        "arms": {name: [vars(point) for point in points] for name, points in outcome.arms.items()},
    }


def demo(root: Path, folder: Path, plan: Plan, say: Callable[[str], None]) -> Path:
    """Run, print the table, draw; the picture's path."""
    from xal.experiments.demo.figure import draw

    minutes = "about five minutes on two cores"
    say(f"A simulated reader: {plan.rounds} rounds of {plan.labels} labels, {' beside '.join(STRATEGIES)}; {minutes}.")
    outcome = run_demo(root, folder, plan)
    (folder / "demo.json").write_text(json.dumps(as_json(outcome), indent=1) + "\n", encoding="utf-8")
    picture = folder / "demo.png"
    draw(outcome, picture)
    say(f"\n{table(outcome)}\n\n{outcome.seconds:.0f} seconds in all. The picture is {picture}")
    return picture
