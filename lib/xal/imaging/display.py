"""How an image lies on a radiologist's screen: which of its axes run across and down, and what a small picture shows.

The patient's right is on the viewer's left, front and top are up; a sagittal slice faces left. Pictures without a place
in space have ITK's, with which they come out upright as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.orientations import io_orientation
from PIL import Image

from xal.arrays import AnyArray, FloatArray

_WORLD: dict[int, tuple[int, int]] = {2: (0, 1), 1: (0, 2), 0: (1, 2)}
"""Of a slice through the R, A or S axis of the body: the axes that run across and down the screen."""
_WINDOW = (1.0, 99.0)
"""Percentiles of the slice that become black and white."""


@dataclass(frozen=True)
class Screen:
    """The voxel axes as they are shown."""

    through: int
    across: int
    down: int
    flipped: tuple[bool, bool]
    """Whether the picture runs against the voxel axes, down and across."""

    def upright(self, plane: AnyArray) -> AnyArray:
        """A slice, its two axes in the image's order, as rows and columns of a picture."""
        return self._turned(plane if self.down < self.across else plane.T)

    def as_stored(self, picture: AnyArray) -> AnyArray:
        """Rows and columns of a picture as a slice again."""
        turned = self._turned(picture)
        return turned if self.down < self.across else turned.T

    def _turned(self, picture: AnyArray) -> AnyArray:
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
        return picture[steps]


def screen_of(shape: tuple[int, int, int], affine: FloatArray) -> Screen:
    """How an image is shown: a single slice as it lies, a volume in axial slices."""
    world, sign = io_orientation(affine).T
    slices = [axis for axis in (2, 0, 1) if shape[axis] == 1]
    through = slices[0] if slices else int(np.flatnonzero(world == 2)[0])
    across, down = (int(np.flatnonzero(world == axis)[0]) for axis in _WORLD[int(world[through])])
    # On the screen all three axes of RAS run against the direction of reading.
    return Screen(through, across, down, (bool(sign[down] > 0), bool(sign[across] > 0)))


def thumbnail(values: AnyArray, affine: FloatArray, side: int) -> Image.Image:
    """The middle slice of a channel (X, Y, Z), in the proportions of the body, its longer side `side` pixels."""
    x, y, z = values.shape
    screen = screen_of((x, y, z), affine)
    plane = screen.upright(np.take(values, values.shape[screen.through] // 2, axis=screen.through))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    height, width = plane.shape[0] * spacing[screen.down], plane.shape[1] * spacing[screen.across]
    longer = max(height, width)
    size = tuple(max(1, round(side * float(length / longer))) for length in (width, height))
    return Image.fromarray(_windowed(plane)).resize((size[0], size[1]), Image.Resampling.BILINEAR)


def _windowed(plane: AnyArray) -> AnyArray:
    """Grey values; where nearly all of a slice is equal, what differs is kept visible, and a constant one is black."""
    low, high = np.percentile(plane, _WINDOW)
    if high <= low:
        low, high = plane.min(), plane.max()
    if high <= low:
        return np.zeros(plane.shape, np.uint8)
    scaled = np.clip((plane.astype(np.float32) - low) / (high - low), 0, 1)
    return np.asarray(np.rint(255 * scaled), np.uint8)
