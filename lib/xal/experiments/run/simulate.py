"""`xal simulate`: every arm with every seed, several at a time, to be interrupted and continued at will."""

from __future__ import annotations

import multiprocessing
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

import torch
from tqdm import tqdm

from xal.errors import XalError
from xal.experiments.run.config import Simulation
from xal.experiments.run.digest import run_digest
from xal.experiments.run.prepared import Prepared, findings_and_groups, list_set, prepare_set
from xal.experiments.run.rows import Run, read_run, run_file
from xal.experiments.run.run import Job, run
from xal.experiments.run.split import split
from xal.model.network import pick_device

_POLL_SECONDS = 0.2
_PRELOAD = ["xal.experiments.run.run", "torch._dynamo"]
"""What takes seconds to import is imported once for all workers; torch imports the latter when it first trains."""

News = tuple[str, int, float, str]
"""Run, round, how much of it is done, and what is being done."""


@dataclass(frozen=True)
class Wish:
    """What of a simulation is wanted now."""

    arms: Collection[str] = ()
    """All where none is named."""
    seeds: Collection[int] = ()
    workers: int = 0
    """Runs at a time; 0: one per core, or one on a GPU."""
    device: str | None = None


def simulate(plan: Simulation, folder: Path, tasks: Path, wish: Wish) -> int:
    """Do what is not done yet; the number of runs that were completed now."""
    device = str(pick_device(wish.device))
    folder.mkdir(parents=True, exist_ok=True)
    jobs = _jobs(plan, folder, tasks, wish, device)
    if not jobs:
        raise XalError(f"no run has seed {', '.join(map(str, wish.seeds))}: the seeds are 0 to {plan.seeds - 1}")
    known = [_known(job) for job in jobs]
    waiting = [job for job, rows in zip(jobs, known, strict=True) if rows is None or not rows.complete]
    total = sum(job.rounds + 1 for job in jobs)
    done = sum(len(rows.rounds) for rows in known if rows is not None)
    workers = wish.workers or (1 if device.startswith("cuda") else os.cpu_count() or 1)
    with _Display(total, done) as display:
        for job in _in_turn(waiting, workers, display):
            display.completed(job)
    return len(waiting)


def _jobs(plan: Simulation, folder: Path, tasks: Path, wish: Wish, device: str) -> list[Job]:
    """All runs that are wanted, seed by seed, so that arms can be compared before all seeds are done."""
    unknown = sorted(set(wish.arms) - set(plan.arms))
    if unknown:
        raise XalError(f"there is no arm {unknown[0]!r}; known are {', '.join(plan.arms)}")
    arms = [name for name in plan.arms if not wish.arms or name in wish.arms]
    commit = _commit()
    _check_numbers(plan, tasks)
    jobs = []
    for arm in arms:
        task = plan.load_task(arm, tasks)
        data = prepare_set(plan.studies, task)
        for seed in plan.seeds_of(arm):
            if not wish.seeds or seed in wish.seeds:
                job = Job(plan, arm, seed, task, folder, device, run_digest(plan, arm, task, data.digest), commit)
                _refuse_other_rows(job)
                jobs.append(job)
    return sorted(jobs, key=lambda job: job.seed)


def _check_numbers(plan: Simulation, tasks: Path) -> None:
    """Say whether the numbers fit the images before all of them are prepared, which may take an hour."""
    task = plan.load_task(plan.baseline, tasks)
    findings, groups = findings_and_groups(list_set(plan.studies, task), task)
    for seed in sorted({seed for arm in plan.arms for seed in plan.seeds_of(arm)}):
        split(findings, groups, plan, seed)


def _refuse_other_rows(job: Job) -> None:
    """Rows of other settings are neither continued nor averaged with ours."""
    known = _known(job)
    if known is not None and known.header.digest != job.digest:
        raise XalError(
            f"{run_file(job.folder, job.arm, job.seed)} was made with other settings or images "
            f"({known.header.digest}, now {job.digest}): remove it, or give the arm another name"
        )


def _known(job: Job) -> Run | None:
    """What is done of a run."""
    file = run_file(job.folder, job.arm, job.seed)
    return read_run(file) if file.exists() else None


def _in_turn(jobs: Sequence[Job], workers: int, display: _Display) -> Iterator[Job]:
    """The jobs as they are completed; one that fails does not keep the others from their end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    news: Queue[News] = context.Queue()
    pool = ProcessPoolExecutor(min(workers, max(1, len(jobs))), context, initializer=_begin, initargs=(news,))
    try:
        running: dict[Future[None], Job] = {pool.submit(_work, job): job for job in jobs}
        failed: list[str] = []
        while running:
            finished, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            display.show(_all_of(news))
            for future in finished:
                job = running.pop(future)
                try:
                    future.result()
                except XalError as error:
                    failed.append(f"{_name(job)}: {error}")
                    continue
                yield job
        if failed:
            raise XalError("\n".join([f"{len(failed)} of {len(jobs)} runs failed", *failed]))
    except BrokenProcessPool as error:
        raise XalError("a worker was killed (out of memory?); the same command goes on where it was") from error
    finally:
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _all_of(news: Queue[News]) -> Iterator[News]:
    while True:
        try:
            yield news.get_nowait()
        except queue.Empty:
            return


_NEWS: Queue[News] | None = None
_OPEN: dict[str, Prepared] = {}


def _begin(news: Queue[News]) -> None:
    """A worker: one thread, because several runs at a time use the cores better than one run on all of them."""
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


def _work(job: Job) -> None:
    assert _NEWS is not None
    tell = _NEWS
    key = job.task.model_dump_json(include={"image", "findings"})
    if key not in _OPEN:
        _OPEN[key] = prepare_set(job.plan.studies, job.task)
    run(job, _OPEN[key], lambda number, share, text: tell.put((_name(job), number, share, text)))


def _name(job: Job) -> str:
    return f"{job.arm} {job.seed}"


def _commit() -> str:
    """The commit that this code is of, marked if it was changed since; empty outside of a checkout."""
    here = Path(__file__).parents[2]
    try:
        commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True)
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "."], cwd=here, capture_output=True)
    except OSError:
        return ""
    return commit.stdout.strip() + ("+" if changed.returncode == 1 else "")


class _Display:
    """One bar over all rounds with the time left, and what each run is at; without a terminal a line per round."""

    def __init__(self, total: int, done: int) -> None:
        self._terminal = sys.stderr.isatty()
        self._bar: tqdm[None] = tqdm(
            total=total, initial=done, unit="round", dynamic_ncols=True, disable=not self._terminal, smoothing=0.1
        )
        self._at: dict[str, tuple[int, float, str]] = {}
        self._done = float(done)
        self._total = total

    def __enter__(self) -> _Display:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, news: Iterator[News]) -> None:
        """Bring the display up to date."""
        for name, number, share, text in news:
            if share == 1.0:
                self._done += 1
                tqdm.write(f"{name:<24} round {number}: {text}  [{self._done:.0f}/{self._total}]", file=sys.stderr)
                self._at.pop(name, None)
            else:
                self._at[name] = number, share, text
        self._bar.n = self._done + sum(share for _, share, _ in self._at.values())
        self._bar.set_postfix_str("; ".join(f"{name} r{number} {text}" for name, (number, _, text) in self._at.items()))

    def completed(self, job: Job) -> None:
        """A run is over."""
        self._at.pop(_name(job), None)
