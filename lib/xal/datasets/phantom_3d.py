"""Draw one volume of phantom_3d: a trunk in millimetres, at most one lesion, seen by a scanner at an angle.

Everything is defined in the patient's RAS millimetres and then looked up at the voxels of a grid with its own
spacing, rotation, axis order and axis directions: a reader of the file that gets any of them wrong sees another body.
Grey values are rounded to integers at the end, as in phantom_2d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xal.arrays import FloatArray

_GRID = (38, 34, 20)
"""Voxels along the patient's left-right, front-back and head-foot, before axes are exchanged."""
_ORDERS = ((0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0))


@dataclass(frozen=True)
class Grid:
    """Where the voxels lie."""

    shape: tuple[int, int, int]
    affine: FloatArray

    def points(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """RAS millimetres of every voxel's centre."""
        i, j, k = np.indices(self.shape).astype(np.float64)
        x, y, z = (row[0] * i + row[1] * j + row[2] * k + row[3] for row in self.affine[:3])
        return x, y, z


def draw_grid(rng: np.random.Generator) -> Grid:
    """A scanner's grid: anisotropic, oblique, its axes in any order and direction; columns stay orthogonal."""
    in_plane = rng.uniform(2.0, 2.6)
    spacing = np.array([in_plane, in_plane, rng.uniform(4.0, 5.5)])
    rotation = _rotation(rng)
    order = list(_ORDERS[int(rng.integers(len(_ORDERS)))])
    signs = np.where(rng.random(3) < 0.5, -1.0, 1.0)
    axes = (rotation * spacing * signs)[:, order]
    shape = tuple(_GRID[axis] for axis in order)
    centre = rng.uniform(-40, 40, 3)
    half = (np.array(shape) - 1) / 2
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = centre - (axes * half).sum(axis=1)
    # As the file stores it, in single precision: what is drawn and what is read are then the same place.
    return Grid((shape[0], shape[1], shape[2]), affine.astype(np.float32).astype(np.float64))


def draw(patient: int, finding: str, seed: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_], FloatArray]:
    """One volume, the ROI of its finding, and the affine of both."""
    body, rng = np.random.default_rng([patient, 4]), np.random.default_rng([seed, 5])
    grid = draw_grid(rng)
    middle = grid.affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2) + grid.affine[:3, 3]
    x, y, z = (axis - centre for axis, centre in zip(grid.points(), middle, strict=True))
    wide, deep = body.uniform(33, 38), body.uniform(24, 29)
    trunk = _ellipsoid(x, y, z, (0, 0, 0), (wide, deep, 160))
    volume = np.full(grid.shape, -1000.0)
    volume = _blend(volume, -90, trunk)
    volume = _blend(volume, 45, trunk + body.uniform(3, 5))
    liver = (wide * 0.45, deep * 0.15, body.uniform(5, 15))
    volume = _blend(volume, 45 + body.uniform(8, 25), _ellipsoid(x, y, z, liver, (15, 14, 26)))
    for side in (-1, 1):
        kidney = (side * wide * 0.5, -deep * 0.45, body.uniform(-15, 5))
        volume = _blend(volume, 45 + body.uniform(15, 35), _ellipsoid(x, y, z, kidney, (6, 5, 13)))
    gas = (rng.uniform(-10, 10), deep * 0.6, rng.uniform(-20, 20))
    volume = _blend(volume, -600, _ellipsoid(x, y, z, gas, (rng.uniform(3, 7), 3, rng.uniform(4, 9))))
    volume = _blend(volume, 350, _ellipsoid(x, y, z, (0, -deep * 0.62, 0), (6.5, 6, 400)))
    volume = _blend(volume, 40, _ellipsoid(x, y, z, (0, -deep * 0.72, 0), (2.5, 2.5, 400)))
    volume = _blend(volume, 150, _ellipsoid(x, y, z, (-5, -deep * 0.3, 0), (3.5, 3.5, 400)))
    lesion, roi = _lesion(x, y, z, (wide, deep), finding, rng)
    volume = volume + lesion + rng.normal(0, rng.uniform(10, 16), volume.shape)
    return np.clip(np.rint(volume), -1024, 3071).astype(np.int16), roi, grid.affine


def _lesion(
    x: FloatArray, y: FloatArray, z: FloatArray, body: tuple[float, float], finding: str, rng: np.random.Generator
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    angle, reach = rng.uniform(0, 2 * math.pi), math.sqrt(rng.uniform(0, 1))
    place = (
        0.5 * body[0] * reach * math.cos(angle),
        0.4 * body[1] * reach * math.sin(angle) + 4,
        rng.uniform(-22, 22),
    )
    radius, contrast = rng.uniform(8, 12), rng.uniform(60, 95)
    outline = _ellipsoid(x, y, z, place, (radius, radius * rng.uniform(0.8, 1), radius * rng.uniform(0.9, 1.1)))
    if finding == "ring":
        return contrast * (_cover(outline) - 1.4 * _cover(outline + 3.6)), outline < 0
    if finding == "solid":
        return contrast * _cover(outline), outline < 0
    return np.zeros_like(x), np.zeros(x.shape, dtype=bool)


def _rotation(rng: np.random.Generator) -> FloatArray:
    """A turn of up to 25 degrees about a random axis (Rodrigues' formula)."""
    ax, ay, az = rng.uniform(-1, 1, 3)
    length = math.sqrt(ax * ax + ay * ay + az * az)
    ax, ay, az = ax / length, ay / length, az / length
    angle = math.radians(rng.uniform(5, 25))
    sin, rest = math.sin(angle), 1 - math.cos(angle)
    cross = np.array([[0, -az, ay], [az, 0, -ax], [-ay, ax, 0]])
    outer = np.array([[a * b for b in (ax, ay, az)] for a in (ax, ay, az)])
    turn: FloatArray = np.eye(3) * (1 - rest) + sin * cross + rest * outer
    return turn


def _ellipsoid(
    x: FloatArray, y: FloatArray, z: FloatArray, centre: tuple[float, float, float], axes: tuple[float, float, float]
) -> FloatArray:
    """About the signed distance to an ellipsoid, in millimetres."""
    squares = ((axis - middle) / half for axis, middle, half in zip((x, y, z), centre, axes, strict=True))
    distance: FloatArray = (np.sqrt(sum(value * value for value in squares)) - 1) * min(axes)
    return distance


def _cover(distance: FloatArray, edge: float = 2.0) -> FloatArray:
    cover: FloatArray = np.clip(0.5 - distance / edge, 0, 1)
    return cover


def _blend(volume: FloatArray, value: float, distance: FloatArray) -> FloatArray:
    cover = _cover(distance)
    painted: FloatArray = volume * (1 - cover) + value * cover
    return painted
