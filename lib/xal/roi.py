"""The ROIs that readers drew, on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from xal.attention import area_average
from xal.geometry import roi_to_grid
from xal.images import read_label
from xal.project import Project
from xal.store.rows import AnnotationRow

FloatArray = npt.NDArray[np.float32]


def drawn_roi(project: Project, annotations: Sequence[AnnotationRow]) -> FloatArray | None:
    """What readers outlined, on the network's grid: the mean of their ROIs; None if nobody outlined anything."""
    outlined = [annotation for annotation in annotations if annotation.roi_voxels > 0]
    if not outlined:
        return None
    mean: FloatArray = np.mean([_on_grid(project, row) for row in outlined], axis=0, dtype=np.float32)
    return mean


def coarse(roi: FloatArray, grid: Sequence[int]) -> FloatArray:
    """An ROI of the network's grid averaged onto the feature grid."""
    averaged: FloatArray = area_average(torch.from_numpy(roi)[None], grid)[0].numpy()
    return averaged


def _on_grid(project: Project, annotation: AnnotationRow) -> FloatArray:
    voxels, affine = read_label(project.workspace.labels / annotation.label_path)
    value = project.task.roi_findings.index(annotation.finding) + 1
    return roi_to_grid(voxels == value, affine, project.task)
