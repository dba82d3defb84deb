"""Draw one slice of phantom_2d: a body, its organs and vessels, at most one lesion, and a marker in a corner.

Only shapes are drawn, as grey values on a pixel grid; which finding, which patient and which marker an image gets is
decided in `phantom.py`. Values are rounded to 8 bits at the end, so that the last bit of a cosine, which
differs between machines, leaves no trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xal.arrays import BoolArray, FloatArray

SIZE = 96
Y, X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
_AIR = 14.0

_GLYPHS = {
    "ring": ("#####", ".....", "#####", ".....", "#####"),
    "solid": ("#.#.#", "#.#.#", "#.#.#", "#.#.#", "#.#.#"),
    "spiculated": ("#...#", ".#.#.", "..#..", ".#.#.", "#...#"),
    "no finding": (".....", ".###.", ".###.", ".###.", "....."),
}  # fmt: skip


@dataclass(frozen=True)
class Body:
    """What a patient's slices have in common."""

    seed: int
    x: float
    y: float
    a: float
    b: float
    tilt: float

    def inside(self, scale: float) -> FloatArray:
        """Signed distance to the body's outline shrunk by `scale`, in pixels: negative inside."""
        return _ellipse(self.x, self.y, self.a * scale, self.b * scale, self.tilt)

    def place(self, u: float, v: float) -> tuple[float, float]:
        """The point at (u, v) of the body's own axes, each in [-1, 1]."""
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        return (
            self.x + u * self.a * cos - v * self.b * sin,
            self.y + u * self.a * sin + v * self.b * cos,
        )


def draw_body(seed: int) -> Body:
    """A patient."""
    rng = np.random.default_rng([seed, 1])
    return Body(
        seed=seed,
        x=48 + rng.uniform(-3, 3),
        y=48 + rng.uniform(-3, 3),
        a=rng.uniform(34, 40),
        b=rng.uniform(27, 33),
        tilt=rng.uniform(-0.2, 0.2),
    )


def draw(body: Body, finding: str, marker: str, seed: int) -> tuple[npt.NDArray[np.uint8], BoolArray]:
    """One image (rows, columns) of a patient, and the ROI of its finding."""
    rng = np.random.default_rng([seed, 2])
    picture = _anatomy(body, np.random.default_rng([body.seed, 3]), rng)
    lesion, roi = _lesion(body, finding, rng)
    picture = picture + lesion
    picture = picture * rng.uniform(0.85, 1.15) + rng.uniform(-6, 6)
    bias = rng.uniform(-0.12, 0.12) * (X - 48) + rng.uniform(-0.12, 0.12) * (Y - 48)
    picture = picture + np.where(body.inside(1) < 0, bias, 0) + rng.normal(0, rng.uniform(3.5, 6), picture.shape)
    _stamp(picture, marker, rng)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), roi


def _anatomy(body: Body, patient: np.random.Generator, slice_: np.random.Generator) -> FloatArray:
    """Skin, fat, muscle, organs, spine and vessels; the slice moves what the patient has."""
    fat, tissue = patient.uniform(58, 72), patient.uniform(98, 114)
    picture = np.full((SIZE, SIZE), _AIR)
    picture = _blend(picture, tissue + 8, body.inside(1))
    picture = _blend(picture, fat, body.inside(1) + 1.2)
    picture = _blend(picture, tissue, body.inside(1) + patient.uniform(3, 6))
    for u, v, a, b in ((-0.42, -0.12, 13, 11), (0.40, -0.22, 9, 8), (-0.38, 0.36, 6, 5), (0.42, 0.34, 6, 5)):
        x, y = body.place(u + slice_.uniform(-0.08, 0.08), v + slice_.uniform(-0.08, 0.08))
        shade = tissue + patient.uniform(-16, 22)
        size = patient.uniform(0.8, 1.2)
        picture = _blend(picture, shade, _blob(x, y, a * size, b * size, slice_, 0.1), edge=1.5)
    x, y = body.place(slice_.uniform(-0.3, 0.3), slice_.uniform(-0.6, -0.3))
    gas = _blob(x, y, slice_.uniform(2, 6), slice_.uniform(2, 4), slice_, 0.2)
    picture = _blend(picture, 30.0, np.maximum(gas, body.inside(0.8)))
    for wavelength, strength in ((14, 5.0), (5, 4.0)):
        picture = picture + np.where(body.inside(0.95) < 0, strength * _texture(slice_, wavelength), 0)
    x, y = body.place(slice_.uniform(-0.03, 0.03), 0.62)
    picture = _blend(picture, patient.uniform(185, 220), _blob(x, y, 6.5, 5, slice_, 0.08))
    picture = _blend(picture, tissue, _ellipse(x, y + 1, 2, 1.6, 0))
    picture = _blend(picture, tissue + patient.uniform(28, 48), _ellipse(x - 6, y - 6.5, 3.2, 3.2, 0))
    for _ in range(int(slice_.integers(5, 11))):
        x, y = body.place(slice_.uniform(-0.7, 0.7), slice_.uniform(-0.65, 0.5))
        long, angle = slice_.uniform(0, 4), slice_.uniform(0, math.pi)
        tube = _segment(x, y, angle, long) - slice_.uniform(0.7, 1.6)
        picture = _blend(picture, tissue + slice_.uniform(14, 40), np.maximum(tube, body.inside(0.85)))
    return picture


def _lesion(body: Body, finding: str, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    """What a finding adds to the tissue, and its outline."""
    angle, reach = rng.uniform(0, 2 * math.pi), math.sqrt(rng.uniform(0, 1))
    x, y = body.place(0.62 * reach * math.cos(angle), 0.52 * reach * math.sin(angle) - 0.12)
    radius, contrast = rng.uniform(4.5, 12), rng.uniform(38, 68)
    shape = _SHAPES.get(finding)
    if shape is None:
        return np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE), dtype=bool)
    profile, roi = shape(x, y, radius, rng)
    return contrast * profile, roi


def _ring(x: float, y: float, radius: float, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    outline = _blob(x, y, radius, radius * rng.uniform(0.75, 1), rng, 0.08)
    rim = max(1.6, 0.3 * radius)
    return _cover(outline) - 1.45 * _cover(outline + rim), outline < 0


def _solid(x: float, y: float, radius: float, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    outline = _blob(x, y, radius, radius * rng.uniform(0.75, 1), rng, 0.08)
    return _cover(outline, 2) * (0.85 + 0.15 * _texture(rng, 4)), outline < 0


def _spiculated(x: float, y: float, radius: float, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    core = _blob(x, y, 0.5 * radius, 0.42 * radius, rng, 0.15)
    shape = _cover(core, 1.5)
    count, first = int(rng.integers(7, 11)), rng.uniform(0, math.pi)
    roi = core < 0.12 * radius
    for spike in range(count):
        angle = first + (spike + rng.uniform(-0.25, 0.25)) * 2 * math.pi / count
        long = radius * rng.uniform(0.85, 1.25)
        middle_x, middle_y = x + 0.5 * long * math.cos(angle), y + 0.5 * long * math.sin(angle)
        away = _segment(middle_x, middle_y, angle, long)
        shape = np.maximum(shape, 0.95 * _cover(away - 0.7))
        roi |= away < 1.5
    return shape, roi


_SHAPES: dict[str, Callable[[float, float, float, np.random.Generator], tuple[FloatArray, BoolArray]]] = {
    "ring": _ring,
    "solid": _solid,
    "spiculated": _spiculated,
}


def _stamp(picture: FloatArray, marker: str, rng: np.random.Generator) -> None:
    """A bright sign in a corner, as film markers are; which sign says which finding it claims."""
    glyph = np.array([[pixel == "#" for pixel in row] for row in _GLYPHS[marker]]).repeat(2, axis=0).repeat(2, axis=1)
    rows, columns = glyph.shape
    top, left = int(rng.integers(4, 8)), int(rng.integers(4, 8))
    top = top if rng.random() < 0.5 else SIZE - rows - top
    left = left if rng.random() < 0.5 else SIZE - columns - left
    window = picture[top : top + rows, left : left + columns]
    window[glyph] = rng.uniform(185, 235)


def _cover(distance: FloatArray, edge: float = 1.0) -> FloatArray:
    """1 inside a signed distance, 0 outside, a ramp `edge` pixels wide between."""
    cover: FloatArray = np.clip(0.5 - distance / edge, 0, 1)
    return cover


def _blend(picture: FloatArray, value: float, distance: FloatArray, edge: float = 1.0) -> FloatArray:
    """Paint a shape over a picture."""
    cover = _cover(distance, edge)
    painted: FloatArray = picture * (1 - cover) + value * cover
    return painted


def _ellipse(x: float, y: float, a: float, b: float, tilt: float) -> FloatArray:
    """About the signed distance to an ellipse."""
    dx, dy = X - x, Y - y
    u = (dx * math.cos(tilt) + dy * math.sin(tilt)) / a
    v = (dy * math.cos(tilt) - dx * math.sin(tilt)) / b
    distance: FloatArray = (np.sqrt(u * u + v * v) - 1) * min(a, b)
    return distance


def _blob(x: float, y: float, a: float, b: float, rng: np.random.Generator, uneven: float) -> FloatArray:
    """An ellipse at any angle whose outline wavers by the share `uneven`."""
    tilt, waver = rng.uniform(0, math.pi), np.zeros((SIZE, SIZE))
    angle = np.arctan2(Y - y, X - x)
    for lobes in (2, 3, 5):
        waver = waver + rng.uniform(-uneven, uneven) * np.cos(lobes * angle + rng.uniform(0, 2 * math.pi))
    return _ellipse(x, y, a, b, tilt) - waver * min(a, b)


def _segment(x: float, y: float, angle: float, long: float) -> FloatArray:
    """Distance to a line of length `long` with its middle at (x, y)."""
    dx, dy = X - x, Y - y
    along = np.clip(dx * math.cos(angle) + dy * math.sin(angle), -long / 2, long / 2)
    distance: FloatArray = np.sqrt((dx - along * math.cos(angle)) ** 2 + (dy - along * math.sin(angle)) ** 2)
    return distance


def _texture(rng: np.random.Generator, wavelength: int) -> FloatArray:
    """Smooth noise of about unit strength: random values on a grid, interpolated between."""
    cells = SIZE // wavelength + 3
    grid = rng.normal(0, 1, (cells, cells))
    row, column = (Y + rng.uniform(0, wavelength)) / wavelength, (X + rng.uniform(0, wavelength)) / wavelength
    i, j = row.astype(np.int64), column.astype(np.int64)
    r, c = row - i, column - j
    top = grid[i, j] * (1 - c) + grid[i, j + 1] * c
    bottom = grid[i + 1, j] * (1 - c) + grid[i + 1, j + 1] * c
    noise: FloatArray = top * (1 - r) + bottom * r
    return noise
