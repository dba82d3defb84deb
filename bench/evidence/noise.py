"""How much two trainings on the same labels differ: the labels of a committed run, trained on again with other chance.

    .venv/bin/python bench/evidence/noise.py brain uniform 0 --times 5

Arm, seed and labels are of `bench/evidence/SET`; rows go to `bench/evidence/SET_noise.jsonl`, and what is there already
is not done again. Says the standard deviation of the balanced accuracy beside that between the seeds of the arm.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import torch

from xal.evaluate.config import load_simulation
from xal.evaluate.measures import of_test
from xal.evaluate.prepared import prepare_set
from xal.evaluate.rows import read_run, run_file
from xal.evaluate.split import split
from xal.evaluation import evaluate
from xal.training import train

HERE = Path(__file__).resolve().parent
FAR = 1_000_000
"""Seeds that no simulation uses."""


def main() -> None:
    """Train, write a row each, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set")
    parser.add_argument("arm")
    parser.add_argument("seed", type=int)
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    plan = load_simulation(HERE / f"{chosen.set}.yaml")
    task = plan.load_task(chosen.arm, HERE)
    data = prepare_set(plan.studies, task)
    parts = split(data.findings, data.groups, plan, chosen.seed)
    runs = [read_run(run_file(HERE / chosen.set, chosen.arm, seed)) for seed in plan.seeds_of(chosen.arm)]
    labelled = np.concatenate([np.array(one.picked, np.int64) for one in runs[chosen.seed].rounds])
    file = HERE / f"{chosen.set}_noise.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    key = {"arm": chosen.arm, "seed": chosen.seed, "labels": len(labelled)}
    mine = [row for row in rows if {name: row[name] for name in key} == key]
    for number in range(len(mine), chosen.times):
        settings = task.training.model_copy(update={"seed": FAR + number})
        cases, judges = data.cases(labelled), data.cases(parts.validation)
        trained = train(task, cases, judges, settings, torch.device("cpu"), lambda _: None, lambda: False)
        measured = of_test(evaluate(trained.network, task, data.cases(parts.test), torch.device("cpu")))
        mine.append({**key, "chance": FAR + number, "balanced_accuracy": measured["balanced_accuracy"]})
        with file.open("a") as out:
            out.write(json.dumps(mine[-1]) + "\n")
        print(mine[-1], flush=True)
    same = [100 * row["balanced_accuracy"] for row in mine]
    seeds = [100 * one.rounds[-1].balanced_accuracy for one in runs]
    print(
        f"{len(same)} trainings on {len(labelled)} labels: {statistics.mean(same):.1f}, sd {statistics.stdev(same):.2f}"
    )
    print(f"{len(seeds)} seeds of {chosen.arm}: {statistics.mean(seeds):.1f}, sd {statistics.stdev(seeds):.2f}")


if __name__ == "__main__":
    main()
