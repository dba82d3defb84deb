"""Which part of the score finds the model's mistakes, and which finds those that it is sure of.

    .venv/bin/python bench/evidence/mistakes.py brain uniform

For the models of a committed arm (first, middle and last training of each seed, trained again by the same chance): how
often a wrongly named image of the pool is valued above a rightly named one (area under the ROC curve; 0.5: by chance),
of all images that have an ROI and in which the model sees something (to see nothing there is a mistake that needs no
score), and of the half of these that it is surer of. Rows go to `bench/evidence/SET_mistakes.jsonl`, and what is there
already is not done again. Prints the means over the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from again import CPU, HERE, Again, Rows
from scipy.stats import rankdata

from xal.experiments.run.predictions import predict_pool
from xal.method.acquisition import score
from xal.model.judging import roc_area
from xal.model.network import Network
from xal.task import AcquisitionSettings

Floats = npt.NDArray[np.float64]

KINDS: Mapping[str, AcquisitionSettings] = {
    "evidence": AcquisitionSettings(misalignment="evidence"),
    "soft Dice": AcquisitionSettings(misalignment="overlap", dice="soft"),
    "relative Dice": AcquisitionSettings(misalignment="overlap", dice="relative"),
    "binary Dice": AcquisitionSettings(misalignment="overlap", dice="binary"),
}


def main() -> None:
    """Train, write a row each, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set")
    parser.add_argument("arm")
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    again = Again(chosen.set, chosen.arm)
    rows = Rows(HERE / f"{chosen.set}_mistakes.jsonl")
    numbers = [0, again.plan.rounds // 2, again.plan.rounds]
    for seed in range(chosen.seeds):
        for number in numbers:
            key = {"arm": chosen.arm, "seed": seed, "round": number}
            if not rows.of(key):
                rows.add({**key, **_found(again, seed, number, again.network(seed, number, 1000 * seed + number))})
    _print([rows.of({"arm": chosen.arm, "round": number}) for number in numbers])


def _found(again: Again, seed: int, number: int, network: Network) -> dict[str, Any]:
    """How well each value finds the mistakes among the images of the pool that show a lesion to reader and model."""
    parts, labelled = again.parts(seed), again.labelled(seed, number)
    left = np.setdiff1d(np.union1d(parts.start, parts.pool), labelled)
    left = left[again.data.areas[left] > 0]
    pool = predict_pool(network, again.data, left, "proposed", again.task, seed, CPU)
    named = pool.probabilities.argmax(1)
    values: dict[str, Floats] = {
        "entropy": pool.uncertainty,
        "margin": -np.abs(np.diff(np.sort(pool.probabilities, axis=1)[:, -2:], axis=1)[:, 0]),
    }
    for kind, settings in KINDS.items():
        task = again.task.model_copy(update={"acquisition": settings})
        pool = predict_pool(network, again.data, left, "proposed", task, seed, CPU)
        other = predict_pool(network, again.data, left, "shuffled", task, seed, CPU)
        values[f"{kind}, proposed ROI"] = score(pool.uncertainty, pool.misalignment, 0.0, pool.neutral)
        values[f"{kind}, true ROI"] = pool.oracle
        values[f"{kind}, ROI of another image"] = other.misalignment
        values[f"entropy + {kind}, proposed ROI"] = pool.scores(0.5)
        values[f"entropy + {kind}, true ROI"] = pool.oracle_scores(0.5)
    absent = -1 if again.task.absent is None else again.task.index(again.task.absent)
    values = {name: value[named != absent] for name, value in values.items()}
    wrong = (named != again.data.findings[left])[named != absent]
    sure = rankdata(values["entropy"], method="ordinal") <= len(wrong) // 2
    return {
        "labels": len(labelled),
        "images": len(wrong),
        "wrong": float(wrong.mean()),
        "surely_wrong": float(wrong[sure].mean()),
        "all": {name: roc_area(value, wrong) for name, value in values.items()},
        "sure": {name: roc_area(value[sure], wrong[sure]) for name, value in values.items()},
    }


def _print(groups: list[list[dict[str, Any]]]) -> None:
    """A table in Markdown: a column of all and one of the sure half for each number of labels."""
    print("\n| | " + " | ".join(f"{rows[0]['labels']} labels | the sure half" for rows in groups) + " |")
    print("| --- |" + " --- | --- |" * len(groups))
    shares = [np.mean([row[half] for row in rows]) for rows in groups for half in ("wrong", "surely_wrong")]
    print("| share of mistakes | " + " | ".join(f"{100 * share:.0f} %" for share in shares) + " |")
    for name in groups[0][0]["all"]:
        areas = [[row[half][name] for row in rows] for rows in groups for half in ("all", "sure")]
        means = [np.mean([area for area in some if area is not None]) for some in areas]
        print(f"| {name} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")


if __name__ == "__main__":
    main()
