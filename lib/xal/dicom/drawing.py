"""Which voxels lie inside of what others drew.

Coordinates are voxel coordinates: the centre of pixel (i, j) is at exactly (i, j). A pixel belongs to a shape if its
centre does. Objects come from anywhere, so what they may make us compute and keep is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from xal.arrays import BoolArray, FloatArray
from xal.errors import BadInput

MOST_VOXELS = 1 << 31
"""How many may be painted and kept for one object; a planning CT with sixty organs stays far below."""
MOST_CROSSINGS = 1 << 22
"""How often the outline of one ROI may cross the pixel rows of one plane."""


@dataclass(frozen=True)
class Region:
    """What somebody outlined in an image; kept as the box it fills, because one structure set may hold sixty."""

    label: str
    """What its author called it."""
    origin: str
    """SOPInstanceUID of the object it comes from."""
    shape: tuple[int, int, int]
    """Of the image."""
    corner: tuple[int, int, int]
    """First voxel of the box."""
    box: BoolArray

    @property
    def mask(self) -> BoolArray:
        """The outlined voxels of the whole image (X, Y, Z)."""
        mask = np.zeros(self.shape, dtype=bool)
        mask[tuple(slice(at, at + size) for at, size in zip(self.corner, self.box.shape, strict=True))] = self.box
        return mask


@dataclass(frozen=True)
class Unusable:
    """An ROI that cannot be used, though others of its object may be."""

    label: str
    """What its author called it, as far as that can be read."""
    reason: str


@dataclass
class Drawn:
    """What an object outlines in an image."""

    regions: list[Region] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)

    @contextmanager
    def roi(self, label: str | None) -> Iterator[None]:
        """Read one ROI: what is wrong with a couch is not the tumour's problem."""
        try:
            yield
        except BadInput as error:
            self.unusable.append(Unusable(label or "", str(error)))


class Effort:
    """Counts what an object makes us paint and keep, and refuses when it is too much."""

    def __init__(self) -> None:
        self._left = MOST_VOXELS

    def spend(self, voxels: int) -> None:
        """Say what is going to be painted or kept, before it is."""
        if voxels > self._left:
            raise BadInput(f"its outlines fill more than {MOST_VOXELS} voxels")
        self._left -= voxels


@dataclass
class Drawing:
    """One ROI while it is being put together, plane by plane."""

    shape: tuple[int, int, int]
    effort: Effort
    planes: dict[int, BoolArray] = field(default_factory=dict)
    """k → (X, Y)."""

    def plane(self, k: int) -> BoolArray:
        """The plane to draw on."""
        if k not in self.planes:
            self.planes[k] = np.zeros(self.shape[:2], dtype=bool)
        return self.planes[k]

    def polygons(self, k: int, rings: Sequence[FloatArray]) -> None:
        """Fill closed polygons (n, 2) by the even-odd rule: one inside of another is a hole.

        Of pixels whose centre lies exactly on an edge, those at the left and the top belong to the polygon.
        """
        ends = np.concatenate([np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in rings])
        x0, y0, x1, y1 = ends.T
        rows = self.shape[1]
        first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.int64)
        count = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.int64) - first
        total = int(count.sum())
        if total > MOST_CROSSINGS:
            raise BadInput(f"an outline crosses the rows of one plane {total} times, more than {MOST_CROSSINGS}")
        if total == 0:
            return
        edge = np.repeat(np.arange(len(ends)), count)
        row = np.arange(total) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        x = x0[edge] + (row - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        column = np.clip(np.ceil(np.round(x, 6)), 0, self.shape[0]).astype(np.int64)
        left, top = int(column.min()), int(row.min())
        size = int(column.max()) - left + 1, int(row.max()) - top + 1
        self.effort.spend(size[0] * size[1])
        crossed = np.bincount((column - left) * size[1] + row - top, minlength=size[0] * size[1]).reshape(size)
        inside = np.logical_xor.accumulate(crossed % 2 == 1, axis=0)[:-1]
        self.plane(k)[left : left + size[0] - 1, top : top + size[1]] |= inside

    def ellipse(self, k: int, centre: FloatArray, axis: FloatArray, other: FloatArray) -> None:
        """Fill {centre + s·axis + t·other : s² + t² ≤ 1}: two conjugate half axes, in pixels."""
        matrix = np.column_stack([axis, other])
        if abs(np.linalg.det(matrix)) < 1e-9:
            raise BadInput("a circle or ellipse has no extent")
        reach = np.linalg.norm(matrix, axis=1)
        low = np.clip(np.ceil(centre - reach), 0, self.shape[:2]).astype(np.int64)
        high = np.clip(np.floor(centre + reach) + 1, low, self.shape[:2]).astype(np.int64)
        self.effort.spend(int(np.prod(high - low)))
        i, j = np.arange(low[0], high[0])[:, np.newaxis] - centre[0], np.arange(low[1], high[1]) - centre[1]
        inverse = np.linalg.inv(matrix)
        (a, b), (_, c) = inverse.T @ inverse
        self.plane(k)[low[0] : high[0], low[1] : high[1]] |= a * i**2 + 2 * b * i * j + c * j**2 <= 1 + 1e-9

    def region(self, label: str | None, origin: str) -> Region | None:
        """What was drawn; None if that is no voxel at all."""
        drawn = {k: mask for k, mask in self.planes.items() if mask.any()}
        if not drawn:
            return None
        any_plane = np.logical_or.reduce(list(drawn.values()))
        first, last = zip(*(_ends(any_plane.any(axis=axis)) for axis in (1, 0)), strict=True)
        corner, end = (*first, min(drawn)), (*last, max(drawn) + 1)
        size = tuple(int(stop - start) for start, stop in zip(corner, end, strict=True))
        self.effort.spend(int(np.prod(size)))
        box = np.zeros(size, dtype=bool)
        for k, mask in drawn.items():
            box[:, :, k - corner[2]] = mask[first[0] : last[0], first[1] : last[1]]
        return Region((label or "")[:64], origin, self.shape, corner, box)


def _ends(used: BoolArray) -> tuple[int, int]:
    """First index that is used, and the one after the last."""
    (where,) = np.nonzero(used)
    return int(where[0]), int(where[-1]) + 1
