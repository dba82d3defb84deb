"""The ROIs that readers drew: on their images, and on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch

from xal.arrays import BoolArray, Float32Array, FloatArray
from xal.imaging.geometry import roi_to_grid
from xal.imaging.images import read_label
from xal.method.attention import area_average
from xal.pool.label_check import checked_label
from xal.pool.label_files import Damaged
from xal.pool.project import Project
from xal.store.rows import AnnotationRow, OutlineRow


def drawn_roi(project: Project, annotations: Sequence[AnnotationRow]) -> Float32Array | None:
    """What readers outlined, on the network's grid: the mean of their ROIs; None if nobody outlined anything.

    A damaged label file is noted as a problem and left out here: one of them must not keep the pool from being scored.
    """
    masks = []
    for row in annotations:
        if row.roi_voxels > 0:
            with suppress(Damaged):
                masks.append(drawn_mask(project, row))
    return _mean(project, masks)


def known_roi(project: Project, image: str) -> Float32Array | None:
    """What is known to be outlined on an image: by its readers here, else by whoever drew what an archive had of it."""
    drawn = drawn_roi(project, project.store.annotations.drawn_roi(image))
    return drawn if drawn is not None else found_roi(project, image)


def found_roi(project: Project, image: str) -> Float32Array | None:
    """The ROIs that an archive had of an image; None if it had none."""
    return _mean(project, [found_mask(project, row) for row in project.store.outlines.of(image)])


def coarse(roi: Float32Array, grid: Sequence[int]) -> Float32Array:
    """An ROI of the network's grid averaged onto the feature grid."""
    averaged: Float32Array = area_average(torch.from_numpy(roi)[None], grid)[0].numpy()
    return averaged


def drawn_mask(project: Project, annotation: AnnotationRow) -> tuple[BoolArray, FloatArray]:
    """The voxels of the image that a reader outlined as the finding, and their affine; Unreadable without its file."""
    voxels, affine = read_label(checked_label(project, annotation))
    return voxels == project.task.value_of(annotation.finding), affine


def found_mask(project: Project, outline: OutlineRow) -> tuple[BoolArray, FloatArray]:
    """The voxels of an ROI that an archive had, and their affine; Unreadable without its file."""
    voxels, affine = read_label(project.workspace.labels / outline.path)
    return voxels > 0, affine


def _mean(project: Project, masks: Sequence[tuple[BoolArray, FloatArray]]) -> Float32Array | None:
    if not masks:
        return None
    mean: Float32Array = np.mean([roi_to_grid(*mask, project.task) for mask in masks], axis=0, dtype=np.float32)
    return mean
