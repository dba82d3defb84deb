"""Pools to serve: small pictures with a bright disc or square, so that a tiny network learns in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its usual name

FINDINGS = ("disc", "square")
TASK = """\
name: tiny
title: Discs and squares
findings:
  - name: disc
  - name: square
  - name: nothing
    absent: true
image:
  dimensions: 2
  size: [32, 32]
network:
  backbone: resnet10
  width: 0.25
training:
  max_epochs: 4
  patience: 4
  guidance: 1.0
  guidance_kind: dice
acquisition:
  misalignment: dice
  stand_in: [proposed]
  batch: {rule: top}
readings:
  double: 0
"""


@dataclass(frozen=True)
class Picture:
    """One picture and what is really on it."""

    id: str
    finding: str
    roi: np.ndarray
    """(y, x)."""


def write_task(folder: Path, extra: str = "") -> Path:
    """The task file of these pools."""
    path = folder / "tiny.yaml"
    path.write_text(TASK + extra)
    return path


def write_pool(studies: Path, count: int, seed: int = 0) -> list[Picture]:
    """Write `count` pictures of 32×32; a third of them shows nothing."""
    studies.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        finding = ("disc", "square", "nothing")[number % 3]
        pixels = rng.normal(90, 12, (32, 32))
        roi = np.zeros((32, 32), bool)
        if finding != "nothing":
            x, y = rng.integers(8, 24, 2)
            rows, columns = np.ogrid[:32, :32]
            inside = (rows - y) ** 2 + (columns - x) ** 2 <= 25
            box = (abs(rows - y) <= 4) & (abs(columns - x) <= 4)
            roi = inside if finding == "disc" else np.broadcast_to(box, (32, 32)).copy()
            pixels[roi] += 90 if finding == "disc" else 120
        identifier = f"picture_{number:04d}"
        image = sitk.GetImageFromArray(pixels.clip(0, 255).astype(np.uint8))
        sitk.WriteImage(image, str(studies / f"{identifier}.png"))
        pictures.append(Picture(identifier, finding, roi))
    return pictures


def write_label(path: Path, picture: Picture, findings: tuple[str, ...] = FINDINGS) -> Path:
    """A label map as Slicer would export it: the picture's ROI with its finding's position as value."""
    value = findings.index(picture.finding) + 1 if picture.finding in findings else 0
    label = sitk.GetImageFromArray((picture.roi[None] * value).astype(np.uint8))
    sitk.WriteImage(label, str(path), True)
    return path
