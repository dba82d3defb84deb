"""Random variants of a whole batch: one motion moves image and ROI together, then the image's intensities vary."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_ANGLE = 0.2
"""Largest rotation about each axis, in radians."""
_ZOOM = 0.12
_SHIFT = 0.08
"""Largest shift, as a part of half the image."""
_GAIN, _OFFSET, _NOISE = 0.15, 0.15, 0.08
"""Spread of contrast, brightness and the most noise, in standard deviations of the image."""


def augment(images: Tensor, rois: Tensor, generator: torch.Generator, *, flip: bool) -> tuple[Tensor, Tensor]:
    """Images (B, C, *size) and ROIs (B, *size) in new, random positions, sizes and intensities."""
    motion = random_motion(len(images), images.shape[2:], generator, flip=flip)
    images, rois = move(images, rois, motion.to(images.device))
    return vary_intensity(images, generator), rois


def random_motion(count: int, size: torch.Size, generator: torch.Generator, *, flip: bool) -> Tensor:
    """Rotation, zoom, shift and, if wanted, mirroring as matrices (B, n, n + 1) for `affine_grid`."""
    n = len(size)
    skew = torch.triu(_uniform((count, n, n), _ANGLE, generator), diagonal=1)
    rotation = torch.linalg.matrix_exp(skew - skew.mT)
    zoom = 1 + _uniform((count, 1, 1), _ZOOM, generator)
    # affine_grid counts every axis from -1 to 1 and the last axis first: undo that, or oblong images would shear.
    lengths = torch.tensor(list(reversed(size)), dtype=torch.float32)
    linear = rotation * zoom * (lengths[None, :] / lengths[:, None])
    if flip:
        linear = linear * (1 - 2 * torch.randint(0, 2, (count, 1, n), generator=generator))
    return torch.cat([linear, _uniform((count, n, 1), _SHIFT, generator)], dim=2)


def move(images: Tensor, rois: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Apply one motion per image to the image (its border continues) and its ROI (which ends at the border)."""
    grid = functional.affine_grid(motion, [len(images), 1, *images.shape[2:]], align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved, functional.grid_sample(rois[:, None], grid, padding_mode="zeros", align_corners=False)[:, 0]


def vary_intensity(images: Tensor, generator: torch.Generator) -> Tensor:
    """Contrast, brightness and noise relative to each image's own spread; channels vary independently."""
    axes = tuple(range(2, images.dim()))
    shape = (*images.shape[:2], *(1 for _ in axes))
    mean, spread = images.mean(axes, keepdim=True), images.std(axes, keepdim=True)
    gain = 1 + _uniform(shape, _GAIN, generator).to(images.device)
    offset = _uniform(shape, _OFFSET, generator).to(images.device)
    level = torch.rand((len(images), 1, *(1 for _ in axes)), generator=generator).mul(_NOISE).to(images.device)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return mean + (images - mean) * gain + spread * (offset + level * noise)


def _uniform(shape: tuple[int, ...], limit: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * limit
