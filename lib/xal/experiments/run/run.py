"""One run of a simulation: an arm with a seed, from the start set to the budget.

Training, prediction, misalignment and score are the server's own functions; only who knows what differs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from xal.arrays import Float64Array, IntArray
from xal.errors import Conflict
from xal.experiments.run import measures
from xal.experiments.run.config import Arm, Simulation
from xal.experiments.run.first_choices import write_look
from xal.experiments.run.predictions import PoolPredictions, predict_pool
from xal.experiments.run.prepared import Prepared
from xal.experiments.run.rows import End, Header, Round, Seconds, append, read_run, run_file
from xal.experiments.run.shortcut import with_shortcut
from xal.experiments.run.split import Split, split
from xal.method.rivals import METHODS, Candidates, Setting
from xal.model.judging import evaluate
from xal.model.network import Network, load, save
from xal.model.training import train
from xal.rounding import levels
from xal.task import Task

STARTS = ".starts"
"""Networks trained on start sets, which all arms of a seed share."""

_NONE: IntArray = np.empty(0, np.int64)

_OUTLINES = 1
"""Which ROIs are drawn is left to a chance of its own, so that arms choose their images by the same one."""
_OUTLINED_BEFORE = 20260215
"""Another one, beside a seed."""

Report = Callable[[int, float, str], None]
"""Round, how much of it is done, and what is being done."""


@dataclass(frozen=True)
class Job:
    """What is needed to begin or to continue a run."""

    plan: Simulation
    arm: str
    seed: int
    task: Task
    folder: Path
    device: str
    digest: str
    commit: str

    @property
    def rounds(self) -> int:
        """Trainings after the first."""
        return 0 if self.plan.arms[self.arm].everything else self.plan.rounds


def run(job: Job, data: Prepared, report: Report) -> None:
    """Run to the end, continuing after the last round that was written; refused while another process does so."""
    file = run_file(job.folder, job.arm, job.seed)
    with file.open("ab") as rows:
        try:
            fcntl.flock(rows, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another process is at work on {file}") from error
        _Run(job, data, report).run()


@dataclass(frozen=True)
class _Batch:
    """What is labelled at once."""

    picked: IntArray
    """In the order of choice."""
    drawn: IntArray
    """Those of them whose ROI is drawn."""


class _Run:
    def __init__(self, job: Job, data: Prepared, report: Report) -> None:
        self.job, self.data, self.report = job, data, report
        self.task = job.task
        self.arm: Arm = job.plan.arms[job.arm]
        self.device = torch.device(job.device)
        self.file = run_file(job.folder, job.arm, job.seed)
        self.split: Split = split(data.findings, data.groups, job.plan, job.seed)
        if job.plan.shortcut is not None:
            self.data = with_shortcut(data, job.plan.shortcut, self.split.test)
        self.known_before = outlined_before(self.data, self.split, self.arm, job.seed)
        self.test = self.data.cases(self.split.test)
        self.began = time.monotonic()

    def run(self) -> None:
        """Label, train, measure, choose. What rows tell already is not done again."""
        before = read_run(self.file) if self.file.exists() else None
        if before is None:
            append(self.file, self._header())
        known = () if before is None else before.rounds
        first = np.concatenate([self.split.start, self.split.pool]) if self.arm.everything else self.split.start
        batch = self._outlined(0, first, None)
        labelled = drawn = np.empty(0, np.int64)
        for number in range(self.job.rounds + 1):
            labelled, drawn = np.concatenate([labelled, batch.picked]), np.concatenate([drawn, batch.drawn])
            if number + 1 < len(known):
                batch = _batch(known[number + 1])
                continue
            if number + 1 == len(known) == self.job.rounds + 1:
                break
            batch = self._round(number, labelled, drawn, batch, measured=number < len(known))
        append(self.file, End(seconds=time.monotonic() - self.began))

    def _round(self, number: int, labelled: IntArray, drawn: IntArray, batch: _Batch, *, measured: bool) -> _Batch:
        """Train on what is labelled, measure unless that is done, and choose what is labelled next."""
        clock = _Clock()
        self.report(number, 0.0, "training")
        network, epochs = self._train(number, labelled, drawn)
        seconds = {"train": clock.lap()}
        left = np.setdiff1d(np.union1d(self.split.start, self.split.pool), labelled)
        self.report(number, 0.85, "predicting")
        pool = predict_pool(
            network, self.data, left, self.arm.roi, self.task, self.job.seed, self.device, self.known_before
        )
        seconds["read"] = clock.lap()
        chosen = self._choose(number, network, labelled, left, pool)
        seconds["select"] = clock.lap()
        if not measured:
            self.report(number, 0.9, "measuring")
            row = self._measure(number, network, labelled, drawn, batch, pool, left)
            seconds["evaluate"] = clock.lap()
            self._look(number, chosen, left, pool)
            append(self.file, row.model_copy(update={"seconds": Seconds(**seconds), "epochs": epochs}))
            self.report(number, 1.0, f"{len(labelled)} labels, balanced accuracy {row.balanced_accuracy:.3f}")
        wrong = np.where(np.isnan(pool.misalignment), pool.neutral, pool.misalignment)
        return self._outlined(number + 1, chosen, wrong[np.searchsorted(left, chosen)])

    def _outlined(self, number: int, picked: IntArray, wrong: Float64Array | None) -> _Batch:
        """Which of a batch are outlined; `wrong` is how misaligned the model before it was, where there was one."""
        rng = np.random.default_rng([self.job.seed, number, _OUTLINES])
        wrong = wrong if self.arm.outline == "misalignment" else None
        return _Batch(picked, drawn_of(picked, self.arm.outlined, rng, wrong))

    def _train(self, number: int, labelled: IntArray, drawn: IntArray) -> tuple[Network, int]:
        """A network trained from scratch on these images. What arms share at the start is trained once."""
        settings = self.task.training.model_copy(update={"seed": 1000 * self.job.seed + number})
        drawn, regions = self._known_rois(labelled, drawn)
        shared = self._start_file(labelled, drawn, regions) if number == 0 else None
        if shared is not None and shared.exists():
            return load(shared, self.task, self.device), settings.max_epochs
        trained = train(
            self.task,
            self.data.cases(labelled, drawn),
            self.data.cases(self.split.validation),
            settings,
            self.device,
            lambda now: self.report(number, 0.85 * now.epoch / now.total_epochs, "training"),
            lambda: False,
            outlined=self.data.outlined(regions),
        )
        if shared is not None and not shared.exists():
            save(shared, trained.network, self.task, {})
        network = trained.network if shared is None else load(shared, self.task, self.device)
        return network, int(trained.metrics["epochs"])

    def _known_rois(self, labelled: IntArray, drawn: IntArray) -> tuple[IntArray, IntArray]:
        """Whose ROI training has: of the labelled images, and of others; what is known before belongs to the arm."""
        if not self.arm.regions_train:
            return drawn, _NONE
        before = self.known_before
        return np.union1d(drawn, np.intersect1d(before, labelled)), np.setdiff1d(before, labelled)

    def _start_file(self, labelled: IntArray, drawn: IntArray, regions: IntArray) -> Path:
        """Named after all that decides the weights."""
        decides = self.task.model_dump(mode="json", include={"findings", "image", "network", "training"})
        images = [labelled.tolist(), drawn.tolist(), self.split.validation.tolist()]
        images += [regions.tolist()] if len(regions) else []
        made_by = [self.job.commit, torch.__version__, self.job.device]
        content = json.dumps([self.data.digest, decides, images, made_by], sort_keys=True)
        return self.job.folder / STARTS / f"{self.job.seed}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.pt"

    def _choose(
        self, number: int, network: Network, labelled: IntArray, left: IntArray, pool: PoolPredictions
    ) -> IntArray:
        """The next batch, in the order of choice."""
        count = min(self.job.plan.query, self.job.plan.budget - len(labelled))
        if count <= 0 or number == self.job.rounds:
            return np.empty(0, np.int64)
        rng = np.random.default_rng([self.job.seed, number])
        own = predict_pool(network, self.data, labelled, "oracle", self.task, self.job.seed, self.device)
        candidates = Candidates(
            probabilities=pool.probabilities,
            predicted=np.array([self.task.index(prediction.finding) for prediction in pool.predictions], np.int64),
            embeddings=pool.embeddings,
            uncertainty=pool.uncertainty,
            misalignment=pool.misalignment,
            neutral=pool.neutral,
            truth=self.data.findings[left],
            labelled_embeddings=own.embeddings,
            labelled_findings=self.data.findings[labelled],
            weight=network.finding_head.weight.detach().cpu().numpy().astype(np.float64),
            bias=network.finding_head.bias.detach().cpu().numpy().astype(np.float64),
            temperature=float(network.temperature),
        )
        chosen: IntArray = left[METHODS[self.arm.method](candidates, Setting(self.task, count, rng))]
        return chosen

    def _measure(
        self,
        number: int,
        network: Network,
        labelled: IntArray,
        drawn: IntArray,
        batch: _Batch,
        pool: PoolPredictions,
        left: IntArray,
    ) -> Round:
        evaluation = evaluate(network, self.task, self.test, self.device)
        test = predict_pool(network, self.data, self.split.test, "proposed", self.task, self.job.seed, self.device)
        learnt_from = self.task.training.guidance > 0 or self.task.training.roi > 0
        known, regions = self._known_rois(labelled, drawn)
        outlines = int((self.data.areas[known] > 0).sum()) if learnt_from else 0
        return Round(
            round=number,
            labels=len(labelled),
            outlines=outlines,
            picked=tuple(batch.picked.tolist()),
            drawn=None if self.arm.outlined == 1 else tuple(batch.drawn.tolist()),
            commit=self.job.commit,
            device=self.job.device,
            torch=torch.__version__,
            **measures.of_test(evaluation),
            attention=measures.attention(evaluation, network, self.test, self.task),
            pool=measures.of_pool(pool, self.task, left, self.data),
            proposed=measures.of_proposed(test, self.task, self.split.test, self.data),
            only_outlined=len(regions) if self.arm.regions_train else None,
            shortcut=measures.of_pattern(evaluation, self.split.test, batch.picked, self.data),
        )

    def _look(self, number: int, chosen: IntArray, left: IntArray, pool: PoolPredictions) -> None:
        """Keep what the first model saw in the first images that were chosen, for the picture of the report."""
        if number == 0 and self.job.seed == 0 and len(chosen):
            write_look(self.job.folder, self.job.arm, chosen, left, pool, self.task)

    def _header(self) -> Header:
        sizes = {name: len(getattr(self.split, name)) for name in ("pool", "test", "validation", "start")}
        return Header(
            arm=self.job.arm,
            seed=self.job.seed,
            digest=self.job.digest,
            commit=self.job.commit,
            device=self.job.device,
            torch=torch.__version__,
            started=time.time(),
            images={"total": len(self.data.ids), **sizes},
            baselines=measures.baselines(self.test, self.task, self.device),
        )


def outlined_before(data: Prepared, parts: Split, arm: Arm, seed: int) -> IntArray:
    """The lesions of the pool that are outlined before anything is chosen; more of them include the fewer."""
    lesions = parts.pool[data.areas[parts.pool] > 0]
    order = np.random.default_rng([seed, _OUTLINED_BEFORE]).permutation(lesions)
    outlined: IntArray = order[: round(arm.outlined_before * len(lesions))]
    return outlined


def drawn_of(picked: IntArray, share: float, rng: np.random.Generator, wrong: Float64Array | None = None) -> IntArray:
    """The share of a batch that is outlined: any of its images or, where it is known, those that are most `wrong`."""
    order = rng.permutation(len(picked))
    if wrong is not None:
        order = order[np.argsort(-levels(wrong)[order], kind="stable")]
    drawn: IntArray = picked[np.sort(order[: round(share * len(picked))])]
    return drawn


def _batch(row: Round) -> _Batch:
    """What a row says was labelled before it."""
    return _Batch(
        *(np.array(those, np.int64) for those in (row.picked, row.picked if row.drawn is None else row.drawn))
    )


class _Clock:
    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        return seconds
