"""Small made-up images with a finding, its ROI, and a marker in the corner that gives the finding away."""

from typing import Any

import numpy as np
import torch

from xal.model.judging import Case
from xal.task import Finding, ImageSettings, NetworkSettings, Task, TrainingSettings

DOT, BAR, NONE = "dot", "bar", "none"


def make_task(
    backbone: str = "resnet10",
    dimensions: int = 2,
    size: int = 32,
    width: float = 0.25,
    first_stride: int = 1,
    last_stride: int = 1,
    channels: int = 1,
    **training: Any,
) -> Task:
    """A task of two findings with an ROI and an absent one."""
    return Task(
        name="synthetic",
        title="Made-up images",
        findings=(Finding(name=DOT), Finding(name=BAR), Finding(name=NONE, absent=True)),
        image=ImageSettings(dimensions=dimensions, size=(size,) * dimensions, channels=channels),
        network=NetworkSettings(backbone=backbone, width=width, first_stride=first_stride, last_stride=last_stride),
        training=TrainingSettings(**training),
    )


def make_cases(count: int, size: int = 32, *, shortcut: float = 0.0, seed: int = 0) -> list[Case]:
    """Images with equally many of each finding; `shortcut` is the share in which the marker agrees with it."""
    rng = np.random.default_rng(seed)
    return [_case(i, size, shortcut, rng) for i in range(count)]


def _case(number: int, size: int, shortcut: float, rng: np.random.Generator) -> Case:
    kind = number % 3
    image = rng.normal(0, 0.15, (size, size)).astype(np.float32)
    roi = np.zeros((size, size), np.float32)
    x, y = rng.integers(size // 3, size - size // 4, 2)
    reach = size // 10
    if kind == 0:
        roi[x - reach : x + reach, y - reach : y + reach] = 1
    if kind == 1:
        roi[x - 2 * reach : x + 2 * reach, y - reach // 2 : y + reach // 2 + 1] = 1
    image += roi * rng.uniform(0.7, 1.0)
    marker = kind if rng.random() < shortcut else int(rng.integers(3))
    image[1 : 2 + 2 * marker, 1:4] = 1.2
    name = (DOT, BAR, NONE)[kind]
    return Case(f"image{number}", torch.from_numpy(image[None]), name, None if name == NONE else torch.from_numpy(roi))
