"""The trainings of a committed run, done again: what the scripts beside this one begin with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xal.experiments.run.config import load_simulation
from xal.experiments.run.prepared import prepare_set
from xal.experiments.run.rows import Run, read_run, run_file
from xal.experiments.run.split import Split, split
from xal.model.network import Network
from xal.model.training import train

HERE = Path(__file__).resolve().parent
CPU = torch.device("cpu")


class Again:
    """The runs of an arm in `bench/evidence/SET`, with the images that they were made of."""

    def __init__(self, name: str, arm: str) -> None:
        torch.set_num_threads(1)
        self.name, self.arm = name, arm
        self.plan = load_simulation(HERE / f"{name}.yaml")
        self.task = self.plan.load_task(arm, HERE)
        self.data = prepare_set(self.plan.studies, self.task)

    @cached_property
    def runs(self) -> dict[int, Run]:
        """By seed."""
        return {seed: read_run(run_file(HERE / self.name, self.arm, seed)) for seed in self.plan.seeds_of(self.arm)}

    def parts(self, seed: int) -> Split:
        """Which images a seed labels, chooses from, and is judged on."""
        return split(self.data.findings, self.data.groups, self.plan, seed)

    def labelled(self, seed: int, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """What was labelled before training `number` of a run; −1: the last one."""
        rounds = self.runs[seed].rounds
        return np.concatenate(
            [np.array(one.picked, np.int64) for one in rounds[: len(rounds) if number < 0 else number + 1]]
        )

    def network(self, seed: int, number: int, chance: int) -> Network:
        """Trained on that, by this chance."""
        if self.plan.arms[self.arm].outlined < 1:
            raise SystemExit(f"{self.arm} outlines a part of its images, which these scripts do not")
        settings = self.task.training.model_copy(update={"seed": chance})
        cases, judges = self.data.cases(self.labelled(seed, number)), self.data.cases(self.parts(seed).validation)
        return train(self.task, cases, judges, settings, CPU, lambda _: None, lambda: False).network


class Rows:
    """Rows of JSON in a file, of which none is made twice."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def of(self, key: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows that have all of this."""
        return [row for row in self._rows if key.items() <= row.items()]

    def add(self, row: dict[str, Any]) -> None:
        """Written before the next one is made."""
        self._rows.append(row)
        with self._file.open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(row, flush=True)
