"""How much two trainings on the same labels differ: the labels of a committed run, trained on again with other chance.

    .venv/bin/python bench/evidence/noise.py brain uniform 0 --times 5

Arm, seed and labels are of `bench/evidence/SET`; rows go to `bench/evidence/SET_noise.jsonl`, and what is there already
is not done again. Says the standard deviation of the balanced accuracy beside that between the seeds of the arm.
"""

from __future__ import annotations

import argparse
import statistics

from again import CPU, HERE, Again, Rows

from xal.experiments.run.measures import of_test
from xal.model.judging import evaluate

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
    again = Again(chosen.set, chosen.arm)
    rows = Rows(HERE / f"{chosen.set}_noise.jsonl")
    labels = len(again.labelled(chosen.seed, -1))
    key = {"arm": chosen.arm, "seed": chosen.seed, "labels": labels}
    for number in range(len(rows.of(key)), chosen.times):
        network = again.network(chosen.seed, -1, FAR + number)
        measured = of_test(evaluate(network, again.task, again.data.cases(again.parts(chosen.seed).test), CPU))
        rows.add({**key, "chance": FAR + number, "balanced_accuracy": measured["balanced_accuracy"]})
    same = [100 * row["balanced_accuracy"] for row in rows.of(key)]
    seeds = [100 * one.rounds[-1].balanced_accuracy for one in again.runs.values()]
    print(f"{len(same)} trainings on {labels} labels: {statistics.mean(same):.1f}, sd {statistics.stdev(same):.2f}")
    print(f"{len(seeds)} seeds of {chosen.arm}: {statistics.mean(seeds):.1f}, sd {statistics.stdev(seeds):.2f}")


if __name__ == "__main__":
    main()
