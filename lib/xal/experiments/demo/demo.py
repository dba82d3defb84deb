"""`make demo`: what a clinic would run, beside labels alone, and beside what lies between the two.

Three ways to work, with several seeds. All ways of a seed share the patients, the start set, the order of chance and
the first weights, and are measured on images of other patients. Runs go on side by side, each in a process of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xal.errors import XalError
from xal.experiments.demo.arm import TASK, run_arms
from xal.experiments.demo.band import Band, band
from xal.experiments.demo.outcome import ALIKE, ARMS, TRAP, ArmName, Outcome, Plan, Point, Run, Sight
from xal.experiments.demo.pool import TEST, first_with_roi, read_images, write_images
from xal.experiments.demo.verdict import caveat, verdict
from xal.imaging.images import read_image
from xal.task import load_task

_PRELOAD = ["xal.experiments.demo.arm", "torch._dynamo"]
"""What takes seconds to import is imported once for all workers; torch imports the latter when it first trains."""
_POLL_SECONDS = 0.2

News = tuple[ArmName, int, Point]
Say = Callable[[str], None]


def demo(folder: Path, plan: Plan, say: Say) -> Path:
    """Run, print the table and what made the difference, draw; the picture's path."""
    from xal.experiments.demo.figure import draw

    count = len(plan.seeds)
    say(
        f"{len(ARMS)} ways to read {plan.rounds} rounds of {plan.labels} images after the first 40, with {count} "
        f"seed{'s' if count > 1 else ''}; the usual length takes under 6 minutes on two cores. {TRAP}"
    )
    outcome = run_demo(folder, plan, say)
    folder.joinpath("demo.json").write_text(json.dumps(as_json(outcome), indent=1) + "\n", encoding="utf-8")
    picture = folder / "demo.png"
    draw(outcome, picture)
    say(f"\n{table(outcome)}\n\n{line(outcome)}\n\n{outcome.seconds:.0f} seconds in all. The picture is {picture}")
    return picture


def run_demo(folder: Path, plan: Plan, say: Say) -> Outcome:
    """All arms with all seeds, afresh in `folder`."""
    started = time.monotonic()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    news: Queue[News] = context.Queue()
    pool = ProcessPoolExecutor(plan.workers, context, initializer=_begin, initargs=(news,))
    try:
        places = {seed: folder / f"seed_{seed}" for seed in plan.seeds}
        for done in [pool.submit(_write, places[seed], seed, plan.test_per_finding) for seed in plan.seeds]:
            done.result()
        longest_first = [(arms, seed) for arms in ALIKE for seed in plan.seeds]
        jobs = [pool.submit(_work, places[seed], arms, seed, plan) for arms, seed in longest_first]
        runs = _watched(jobs, news, len(plan.seeds) * len(ARMS) * (plan.rounds + 1), say)
    except BrokenProcessPool as error:
        raise XalError("a process of the demo was killed (out of memory?)") from error
    finally:
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
    return _outcome(plan, places[plan.seeds[0]], runs, time.monotonic() - started)


def _outcome(plan: Plan, first: Path, runs: list[Run], seconds: float) -> Outcome:
    task, test = load_task(TASK), read_images(first, TEST)
    cases = test.cases(task)
    sights = []
    for known in first_with_roi(test, task.roi_findings):
        roi = known.roi()
        assert roi is not None  # of findings with an ROI
        pixels = read_image(next(test.studies.glob(f"{known.image}.*"))).pixels[0, :, :, 0]
        sights.append(Sight(known.image, known.finding, pixels, roi[:, :, 0]))
    return Outcome(
        plan=plan,
        test_images=len(cases),
        guessing=1 / len(task.findings),
        even=float(np.mean([np.mean(np.asarray(case.roi)) for case in cases if case.roi is not None])),
        runs=runs,
        sights=sights,
        seconds=seconds,
    )


# the processes

_NEWS: Queue[News] | None = None


def _begin(news: Queue[News]) -> None:
    """A worker with one thread: two runs at a time use two cores better than one run on both."""
    global _NEWS
    _NEWS = news
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_command, daemon=True).start()


def _end_with_command() -> None:
    """A worker whose command was killed would go on writing beside the next one."""
    command = multiprocessing.parent_process()
    assert command is not None
    command.join()
    os._exit(1)


def _write(folder: Path, seed: int, test_per_finding: int) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    write_images(folder, seed, test_per_finding)


def _work(folder: Path, arms: Sequence[ArmName], seed: int, plan: Plan) -> list[Run]:
    assert _NEWS is not None
    tell = _NEWS
    return run_arms(folder, arms, seed, plan, lambda arm, point: tell.put((arm, seed, point)))


def _watched(jobs: list[Future[list[Run]]], news: Queue[News], total: int, say: Say) -> list[Run]:
    """The runs, and a line for each round that is over."""
    waiting, told = set(jobs), 0
    while waiting:
        finished, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        for job in finished:
            job.result()  # raises what ended it
        while True:
            try:
                arm, seed, point = news.get(timeout=0.0 if waiting or told == total else 1.0)
            except queue.Empty:
                break
            told += 1
            say(f"[{told:>2}/{total}] seed {seed}, {ARMS[arm].title:<{_WIDTH}} {_told(point)}")
    return [run for job in jobs for run in job.result()]


def _told(point: Point) -> str:
    refused = " (refused by the gate)" if point.refused else ""
    return f"{point.labels:>3} labels, {point.outlines:>2} outlines: accuracy {point.accuracy:.2f}{refused}"


# what is said

_WIDTH = max(len(arm.title) for arm in ARMS.values())


def line(outcome: Outcome) -> str:
    """What made the difference, and how little it proves."""
    ends = {name: [run.points[-1].accuracy for run in outcome.of(name)] for name in ARMS}
    return f"{verdict(**ends)}\n{caveat(len(outcome.plan.seeds))}"


def table(outcome: Outcome) -> str:
    """The rounds of all arms: the median, and the lowest and the highest seed."""
    labels = [point.labels for point in outcome.runs[0].points]
    lines = [" " * _WIDTH + "".join(f"   {f'{count} labels':<16}" for count in labels).rstrip()]
    for title, value in (("balanced accuracy", "accuracy"), ("attention inside the ROI", "energy")):
        lines.append(title)
        for name, arm in ARMS.items():
            curve = band([[getattr(point, value) for point in run.points] for run in outcome.of(name)])
            lines.append(f"{arm.title:<{_WIDTH}}{_cells(curve)}")
    seeds = len(outcome.plan.seeds)
    lines.append(
        f"Median (lowest–highest of {seeds} seeds) on {outcome.test_images} images of other patients each; guessing "
        f"would have {outcome.guessing:.2f}, attention spread evenly {outcome.even:.2f}."
    )
    return "\n".join(lines)


def _cells(curve: Band) -> str:
    cells = (f"{middle:.2f} ({low:.2f}–{high:.2f})" for middle, low, high in zip(*curve, strict=True))
    return "".join(f"   {cell:<16}" for cell in cells).rstrip()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The figures, to keep beside the picture."""
    return {
        "plan": asdict(outcome.plan),
        "test_images": outcome.test_images,
        "guessing": outcome.guessing,
        "even_attention": round(outcome.even, 4),
        "seconds": round(outcome.seconds, 1),
        "runs": [
            {"arm": run.arm, "seed": run.seed, "points": [asdict(point) for point in run.points]}
            for name in ARMS
            for run in outcome.of(name)
        ],
    }
