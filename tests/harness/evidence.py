"""Made-up rows of a simulation whose statistics are known, to try the report on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xal.experiments.run.rows import (
    Attention,
    End,
    Header,
    OfPattern,
    Pool,
    Reliability,
    Round,
    Seconds,
    append,
    run_file,
)

LABELS = tuple(range(60, 601, 60))
BASELINES = {
    "uniform": Attention(dice=0.03, energy=0.017, pointing=0.02),
    "centre": Attention(dice=0.05, energy=0.04, pointing=0.06),
    "untrained": Attention(dice=0.03, energy=0.02, pointing=0.03),
}


@dataclass(frozen=True)
class Made:
    """How an arm is to come out."""

    gain: float = 0.0
    """Of AUBC over `uniform`, exactly, on average over the seeds."""
    spread: float = 0.0
    """Standard deviation of that gain between seeds."""
    energy: float = 0.2
    noise: float = 0.0
    """Of the accuracy of each round; changes the gain."""
    scores: bool = True
    """Whether it has scores, misalignment and ROIs."""
    outlined: float = 1.0
    """The share of the labels that has an ROI."""
    chosen: float | None = None
    """With a shortcut: the share of contradicting images in every batch after the start set."""


PLAIN = Made()


def header(arm: str, seed: int, commit: str = "abc1234") -> Header:
    return Header(
        arm=arm,
        seed=seed,
        digest=f"digest-of-{arm}",
        commit=commit,
        device="cpu",
        torch="2.13.0",
        started=1_700_000_000.0,
        images={"total": 3064, "pool": 2000, "test": 900, "validation": 60, "start": 60},
        baselines=BASELINES,
    )


def accuracy(labels: float, seed: int) -> float:
    """What uniform reaches: the same shape for every seed, shifted."""
    return 0.9 - 0.32 * math.exp(-(labels - 60) / 200) + 0.02 * math.sin(3.7 * seed)


def round_row(
    number: int,
    balanced_accuracy: float,
    labels: int | None = None,
    energy: float = 0.2,
    scores: bool = True,
    start: Sequence[int] = (12, 7, 30),
    outlined: float = 1.0,
    chosen: float | None = None,
) -> Round:
    labels = LABELS[number] if labels is None else labels
    done = number / max(1, len(LABELS) - 1)
    centres = [0.05 + 0.1 * k for k in range(10)]
    raw = tuple((10 * k, c if k else None, max(0.0, c - 0.22 * k / 9) if k else None) for k, c in enumerate(centres))
    scaled = tuple((10 * k, c if k else None, max(0.0, c - 0.04) if k else None) for k, c in enumerate(centres))
    deciles = tuple((0.004 + 0.006 * k, 0.62 - 0.012 * k * (1 - done), 194) for k in range(10))
    return Round(
        round=number,
        labels=labels,
        outlines=round(outlined * labels),
        picked=tuple(start) if number == 0 else tuple(range(100 * number, 100 * number + 60)),
        balanced_accuracy=balanced_accuracy,
        auroc=min(1.0, balanced_accuracy + 0.08),
        log_loss=1.2 - balanced_accuracy,
        ece=0.04,
        ece_raw=0.11,
        temperature=1.4,
        recall={"glioma": balanced_accuracy + 0.03, "meningioma": balanced_accuracy - 0.06, "pituitary": 0.9},
        attention=Attention(
            dice=0.6 * energy + 0.1 * done,
            energy=energy * (0.6 + 0.4 * done),
            pointing=min(1, 2.5 * energy * (0.7 + 0.3 * done)),
            deletion=0.5 - 0.1 * done if scores else None,
            insertion=0.6 + 0.1 * done if scores else None,
        ),
        reliability=Reliability(raw=raw, scaled=scaled),
        pool=Pool(
            size=2000 - labels,
            score_area=-0.35 + 0.2 * done if scores else None,
            misalignment_area=-0.5 + 0.2 * done if scores else None,
            proposed_oracle=0.5 + 0.3 * done if scores else None,
            roi_dice=0.3 + 0.3 * done if scores else None,
            roi_confidence=0.5 if scores else None,
            by_area=deciles if scores else (),
            surely_wrong=0.1 - 0.1 * done,
            uncertainty_finds=0.75 + 0.1 * done,
            contradicting=None if chosen is None else 0.05 - 0.01 * done,
        ),
        shortcut=None
        if chosen is None
        else OfPattern(contradicted=balanced_accuracy - 0.2, agreeing=0.99, chosen=0.075 if number == 0 else chosen),
        seconds=Seconds(train=9.0 + number, read=1.1, select=0.2 if scores else 0.0, evaluate=0.5),
        epochs=36,
    )


def write_run(
    folder: Path, arm: str, seed: int, labels: Sequence[int], accuracies: Sequence[float], made: Made = PLAIN
) -> Path:
    """A complete run with this curve."""
    folder.mkdir(parents=True, exist_ok=True)
    path = run_file(folder, arm, seed)
    append(path, header(arm, seed))
    for number, (count, value) in enumerate(zip(labels, accuracies, strict=True)):
        start = (seed, 7, 30)
        append(path, round_row(number, value, count, made.energy, made.scores, start, made.outlined, made.chosen))
    append(path, End(seconds=120.0))
    return path


def write_rows(folder: Path, arms: Mapping[str, Made], seeds: Sequence[int], labels: Sequence[int] = LABELS) -> None:
    """Complete runs of every arm with every seed; a gain grows with the labels from nothing to twice itself."""
    scores = np.random.default_rng(5).normal(size=(len(arms), len(seeds)))
    scores -= scores.mean(axis=1, keepdims=True)
    if len(seeds) > 1:
        scores /= scores.std(axis=1, ddof=1, keepdims=True)
    grown = 2 * (np.array(labels) - labels[0]) / max(1, labels[-1] - labels[0])
    for z, (arm, made) in zip(scores, arms.items(), strict=True):
        noise = made.noise * np.random.default_rng(sum(arm.encode())).normal(size=(len(seeds), len(labels)))
        for own, shakes, seed in zip(z, noise, seeds, strict=True):
            base = np.array([accuracy(count, seed) for count in labels])
            write_run(folder, arm, seed, labels, base + grown * (made.gain + made.spread * own) + shakes, made)


TASK = """
name: squares
title: Squares
findings: [{name: glioma}, {name: meningioma}, {name: pituitary}]
image: {dimensions: 2, size: [32, 32]}
network: {backbone: resnet10, width: 0.25}
training: {guidance: 1.0}
"""
CONFIG = """
title: Squares on grey
studies: studies
task: task.yaml
start: 60
query: 60
budget: 600
validation: 60
seeds: {seeds}
arms:
  uniform: {{method: uniform}}
  entropy: {{method: entropy}}
  xal: {{method: xal}}
  oracle: {{method: xal, roi: oracle}}
  unguided: {{method: uniform, task: {{training: {{guidance: 0}}}}}}
  everything: {{method: uniform, everything: true, seeds: 2}}
headline: [uniform, entropy, xal, oracle]
ceiling: everything
"""


def write_config(folder: Path, seeds: int) -> Path:
    """A simulation without rows; they belong into the folder `squares` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.yaml").write_text(TASK)
    config = folder / "squares.yaml"
    config.write_text(CONFIG.format(seeds=seeds))
    return config
