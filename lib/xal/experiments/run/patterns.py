"""Patterns that are drawn into images, one for each finding, near a corner.

A pattern is a square of concentric frames, bright or dark as the digits of the finding's number say, so that turning
and mirroring an image leave it what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xal.arrays import IntArray

_MARGIN = 1 / 16
"""Of the image's sides, between pattern and border: random motion while training is to leave it in the image."""


@dataclass(frozen=True)
class Patterns:
    """What is drawn into each image of a set."""

    shown: IntArray
    """The finding whose pattern it is."""
    corners: IntArray
    """As `box` counts them."""
    side: float
    findings: int

    def drawn(self, images: npt.NDArray[np.float32], positions: IntArray) -> npt.NDArray[np.float32]:
        """Copies of the images (n, C, *size) at these positions, with their patterns, as bright and dark as each is."""
        marked = np.array(images)
        for image, position in zip(marked, positions.tolist(), strict=True):
            where = box(image.shape[1:], int(self.corners[position]), self.side)
            bright = frames(int(self.shown[position]), self.findings, [part.stop - part.start for part in where])
            for channel in image:
                channel[where] = np.where(bright, channel.max(), channel.min())
        return marked


def box(size: Sequence[int], corner: int, side: float) -> tuple[slice, ...]:
    """Where the pattern of a corner lies: bit k of its number says at which end of axis k."""
    parts = []
    for axis, length in enumerate(size):
        edge, margin = max(1, round(side * length)), round(_MARGIN * length)
        begin = length - edge - margin if corner >> axis & 1 else margin
        parts.append(slice(begin, begin + edge))
    return tuple(parts)


def frames(finding: int, findings: int, size: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which voxels are bright: frame b, counted from the middle, if bit b of finding + 1 is set."""
    bits = findings.bit_length()
    axes = np.meshgrid(*(np.abs((np.arange(n) + 0.5) / n * 2 - 1) for n in size), indexing="ij")
    frame = np.minimum((np.max(axes, axis=0) * bits).astype(np.int64), bits - 1)
    result: npt.NDArray[np.bool_] = ((finding + 1) >> frame & 1).astype(bool)
    return result
