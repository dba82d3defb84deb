"""From an image's voxels to the network's grid and back, exactly.

An image is never rotated, only permuted and flipped (3D: so that its axes point closest to right, anterior, superior)
and resampled along its own axes. So the whole way is one straight line per axis, v = offset + step · n, and every
resampling is one small matrix per axis: exact for oblique, anisotropic and flipped images alike.

Without a spacing the field of the whole image becomes the field of the whole grid, each axis scaled on its own. With
a spacing the grid has that many millimetres per voxel and lies centred on the image, which is cropped or padded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from nibabel.orientations import io_orientation

from xal.arrays import AnyArray, FloatArray
from xal.errors import BadInput
from xal.imaging.colours import with_channels
from xal.imaging.images import Volume, Window
from xal.task import Intensity, Task


@dataclass(frozen=True)
class Prepared:
    """What the network sees of an image."""

    tensor: torch.Tensor
    """float32 (C, *size)."""
    grid: FloatArray
    """float64 4×4, network voxel → image voxel; in 2D the third axis is the image's single slice."""


@dataclass(frozen=True)
class _Axis:
    """Network axis → image axis: v = offset + step · n; a negative step runs against the image's axis."""

    image_axis: int
    voxels: int
    cells: int
    offset: float
    step: float

    @property
    def centres(self) -> FloatArray:
        """Where in the image the cells' centres lie."""
        return self.offset + self.step * np.arange(self.cells)

    def inside(self) -> slice:
        """The cells whose centre lies in the image: one run, because the grid is centred on it."""
        cells = np.flatnonzero((self.centres >= -0.5) & (self.centres <= self.voxels - 0.5))
        return slice(int(cells[0]), int(cells[-1]) + 1)

    def sampling(self) -> FloatArray:
        """(cells, voxels): linear interpolation, widened to the cell where that is larger than a voxel."""
        distance = np.abs(np.arange(self.voxels) - self.centres[:, np.newaxis])
        weights = np.maximum(0.0, 1.0 - distance / max(1.0, abs(self.step)))
        sums = weights.sum(axis=1, keepdims=True)
        return np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)

    def averaging(self) -> FloatArray:
        """(cells, voxels): the share of each cell that each voxel fills."""
        half = abs(self.step) / 2
        voxels, centres = np.arange(self.voxels), self.centres[:, np.newaxis]
        overlap = np.minimum(voxels + 0.5, centres + half) - np.maximum(voxels - 0.5, centres - half)
        return np.asarray(np.maximum(0.0, overlap) / abs(self.step), dtype=np.float64)

    def spreading(self, cells: int, order: Literal["linear", "nearest"]) -> FloatArray:
        """(voxels, `cells`): from a coarser grid of the same field to the image; zero outside of the field."""
        position = (np.arange(self.voxels) - self.offset) / self.step
        covered = (position >= -0.5) & (position <= self.cells - 0.5)
        coarse = np.clip((position + 0.5) * cells / self.cells - 0.5, 0, cells - 1)
        if order == "nearest":
            coarse = np.floor(coarse + 0.5)
        weights = np.maximum(0.0, 1.0 - np.abs(np.arange(cells) - coarse[:, np.newaxis]))
        return np.asarray(weights * covered[:, np.newaxis], dtype=np.float64)


def prepare(volume: Volume, task: Task) -> Prepared:
    """Bring an image onto the task's grid; BadInput says how it does not fit the task."""
    wanted = task.image.channels
    pixels = with_channels(volume.pixels, wanted)
    if len(pixels) != wanted:
        raise BadInput(f"the image has {len(pixels)} channel(s), task {task.name!r} wants {wanted}")
    axes = _fit(volume.shape, volume.affine, task)
    inside = tuple(axis.inside() for axis in axes)
    tensor = np.stack([_resample(channel, axes, [axis.sampling() for axis in axes]) for channel in pixels])
    for channel in tensor:
        _scale(channel, inside, task.image.intensity, volume.window)
    return Prepared(torch.from_numpy(tensor), _matrix(axes))


def roi_to_grid(mask: AnyArray, geometry: Volume | FloatArray, task: Task) -> FloatArray:
    """How much of each cell of the task's grid the mask (X, Y, Z) covers, in [0, 1].

    Averaged over the cell's whole volume, so what a small lesion occupies is neither lost nor blown up by where the
    cells' centres happen to lie. `geometry` is the image or its affine.
    """
    affine = geometry.affine if isinstance(geometry, Volume) else geometry
    axes = _fit(_shape(mask), affine, task)
    coverage = _resample(np.asarray(mask, dtype=bool), axes, [axis.averaging() for axis in axes])
    return np.clip(coverage, 0.0, 1.0)


def grid_to_image(
    values: AnyArray | torch.Tensor, volume: Volume, task: Task, order: Literal["linear", "nearest"] = "linear"
) -> FloatArray:
    """Spread a map of the feature grid (or of any grid with the same field) over the image's own voxels (X, Y, Z).

    Voxels that the network did not see, cropped away by a spacing, are 0.
    """
    axes = _fit(volume.shape, volume.affine, task)
    spread = np.asarray(values, dtype=np.float32)
    if spread.ndim != len(axes):
        raise ValueError(f"a map of this task has {len(axes)} axes, not {spread.ndim}")
    for position, (axis, cells) in enumerate(zip(axes, spread.shape, strict=True)):
        spread = _along(axis.spreading(cells, order), spread, position)
    in_image_order = np.argsort([axis.image_axis for axis in axes])
    return np.ascontiguousarray(spread.transpose(in_image_order).reshape(volume.shape))


def _shape(mask: AnyArray) -> tuple[int, int, int]:
    x, y, z = mask.shape
    return x, y, z


def _fit(shape: tuple[int, int, int], affine: FloatArray, task: Task) -> tuple[_Axis, ...]:
    """One line per network axis, in the order of the network's axes."""
    settings = task.image
    described = "×".join(str(n) for n in shape)
    if settings.dimensions == 3:
        if min(shape) == 1:
            raise BadInput(f"the image is a single slice ({described}), task {task.name!r} wants volumes")
        orientation = io_orientation(affine)
        order = [int(axis) for axis in np.argsort(orientation[:, 0])]
        flipped = [orientation[axis, 1] < 0 for axis in order]
    else:
        if min(shape) != 1:
            raise BadInput(f"the image is a volume ({described}), task {task.name!r} wants single slices")
        through = 2 if shape[2] == 1 else shape.index(1)
        order = [axis for axis in range(3) if axis != through]
        flipped = [False, False]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = []
    for position, (axis, flip) in enumerate(zip(order, flipped, strict=True)):
        voxels, cells = shape[axis], settings.size[position]
        step = settings.spacing[position] / float(spacing[axis]) if settings.spacing else voxels / cells
        if step > voxels:
            field = f"{voxels * float(spacing[axis]):.3g} mm"
            raise BadInput(f"the image's axis {'ijk'[axis]} spans {field}, less than one voxel of the task's spacing")
        step = -step if flip else step
        axes.append(_Axis(axis, voxels, cells, (voxels - 1) / 2 - step * (cells - 1) / 2, step))
    return tuple(axes)


def _matrix(axes: tuple[_Axis, ...]) -> FloatArray:
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for position, axis in enumerate(axes):
        matrix[axis.image_axis, position] = axis.step
        matrix[axis.image_axis, 3] = axis.offset
    if len(axes) == 2:
        matrix[({0, 1, 2} - {axis.image_axis for axis in axes}).pop(), 2] = 1
    return matrix


def _resample(values: AnyArray, axes: tuple[_Axis, ...], weights: list[FloatArray]) -> FloatArray:
    """Image array (X, Y, Z) → network array: permuted, then one matrix along each axis, most shrinking first."""
    through = [axis for axis in range(3) if axis not in {axis.image_axis for axis in axes}]
    moved = values.transpose([*(axis.image_axis for axis in axes), *through])
    moved = moved.reshape(moved.shape[: len(axes)]).astype(np.float32)
    for position in sorted(range(len(axes)), key=lambda position: -axes[position].voxels / axes[position].cells):
        moved = _along(weights[position], moved, position)
    return np.ascontiguousarray(moved)


def _along(weights: FloatArray, values: FloatArray, position: int) -> FloatArray:
    """Multiply along one axis; the identity costs nothing and changes no bit."""
    if weights.shape[0] == weights.shape[1] and np.array_equal(weights, np.eye(len(weights))):
        return values
    product = np.tensordot(weights.astype(np.float32), values, axes=(1, position))
    return np.moveaxis(product, 0, position)


def _scale(channel: FloatArray, inside: tuple[slice, ...], intensity: Intensity, stored: Window | None) -> None:
    """Bring one channel to the network's range, in place; what lies outside of the image becomes its darkest value."""
    seen = channel[inside]
    if intensity.kind == "zscore":
        deviation = float(seen.std())
        scaled = (seen - seen.mean()) / deviation if deviation > 0 else np.zeros_like(seen)
    else:
        low, high = intensity.low, intensity.high
        if intensity.kind == "stored" and stored is not None:
            low, high = stored
        elif intensity.kind != "window":
            low, high = np.percentile(seen, (low, high)).tolist()
        scaled = np.clip((seen - low) / (high - low), 0, 1) if high > low else np.zeros_like(seen)
    channel[...] = min(0.0, float(scaled.min()))
    channel[inside] = scaled
