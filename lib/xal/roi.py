"""The ROIs that readers drew, on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import torch

from xal.attention import area_average
from xal.errors import Unreadable
from xal.geometry import roi_to_grid
from xal.project import Project
from xal.store.rows import AnnotationRow

FloatArray = npt.NDArray[np.float32]


def drawn_roi(project: Project, annotations: Sequence[AnnotationRow]) -> FloatArray | None:
    """What readers outlined, on the network's grid: the mean of their ROIs; None if nobody outlined anything."""
    outlined = [annotation for annotation in annotations if annotation.roi_voxels > 0]
    if not outlined:
        return None
    return np.mean([_on_grid(project, annotation) for annotation in outlined], axis=0, dtype=np.float32)


def coarse(roi: FloatArray, grid: Sequence[int]) -> FloatArray:
    """An ROI of the network's grid averaged onto the feature grid."""
    averaged: FloatArray = area_average(torch.from_numpy(roi)[None], grid)[0].numpy()
    return averaged


def _on_grid(project: Project, annotation: AnnotationRow) -> FloatArray:
    path = project.workspace.labels / str(annotation.label_path)
    try:
        label: Any = nibabel.load(path)
        voxels = np.asanyarray(label.dataobj)
    except (OSError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
        raise Unreadable(f"label file {annotation.label_path} cannot be read: {error}") from error
    value = project.task.roi_findings.index(annotation.finding) + 1
    return roi_to_grid(voxels == value, label.affine, project.task)
