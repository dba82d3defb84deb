"""An image's series as other DICOM objects refer to it: by instance and frame, or by where something lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from xal.arrays import FloatArray
from xal.dicom.values import items, numbers, required_text, text
from xal.errors import BadInput
from xal.imaging.dicom_planes import LPS, Plane, place

_OFF_PLANE = 0.25
"""How far something drawn on a plane may lie from it, in slice distances: exporters round positions."""
FARTHEST = 1e6
"""Millimetres from the origin at which nothing of a patient lies any more."""
_DECIMALS = 3
"""Of voxel coordinates. Exporters round millimetres, and a corner on a pixel's centre must not fall to either side."""


@dataclass(frozen=True)
class Series:
    """What is needed of a series to find what others drew on it."""

    uid: str
    frame_of_reference: str | None
    shape: tuple[int, int, int]
    to_voxel: FloatArray | None
    """LPS millimetres → voxel (4×4); None where DICOM does not say where the planes lie."""
    instances: dict[str, dict[int, int]]
    """SOPInstanceUID → frame number (1 in single-frame instances) → k."""

    @classmethod
    def of(cls, planes: Sequence[Plane], shape: tuple[int, int, int], affine: FloatArray) -> Series:
        """The series behind an image, from `planes.planes` and the image's own geometry."""
        if not planes or len(planes) != shape[2]:
            raise ValueError(f"{len(planes)} plane(s) given for an image of {shape[2]}")
        instances: dict[str, dict[int, int]] = {}
        for k, plane in enumerate(planes):
            instances.setdefault(required_text(plane.header, "SOPInstanceUID"), {})[plane.frame or 1] = k
        placed = all(place(plane) is not None for plane in planes)
        return cls(
            uid=required_text(planes[0].header, "SeriesInstanceUID"),
            frame_of_reference=text(planes[0].header, "FrameOfReferenceUID"),
            shape=shape,
            to_voxel=np.linalg.inv(LPS @ affine) if placed else None,
            instances=instances,
        )

    def is_meant(self, reference: Dataset) -> bool:
        """Whether an item with SeriesInstanceUID means this image: other pictures of its series are other images."""
        if required_text(reference, "SeriesInstanceUID") != self.uid:
            return False
        listed = items(reference, "ReferencedInstanceSequence")
        return not listed or any(text(one, "ReferencedSOPInstanceUID") in self.instances for one in listed)

    def named(self, reference: Dataset) -> set[int]:
        """The planes that an item with ReferencedSOPInstanceUID means; none if it is an image of another series."""
        frames = self.instances.get(required_text(reference, "ReferencedSOPInstanceUID"))
        if frames is None:
            return set()
        wanted = numbers(reference, "ReferencedFrameNumber")
        if wanted is None:
            return set(frames.values())
        unknown = set(wanted.tolist()) - set(frames)
        if unknown:
            raise BadInput(f"it refers to a frame that the image of {len(frames)} frame(s) does not have")
        return {frames[int(number)] for number in wanted}

    def voxels(self, points: FloatArray) -> FloatArray:
        """Points (n, 3) in LPS millimetres as voxel coordinates (n, 3); a voxel's centre has whole ones."""
        if self.to_voxel is None:
            raise BadInput("it is drawn in patient coordinates, but the image does not say where it lies")
        if np.abs(points).max() > FARTHEST:
            raise BadInput(f"a point lies more than {FARTHEST:.0f} mm from the origin")
        turned = points @ self.to_voxel[:3, :3].T + self.to_voxel[:3, 3]
        return np.asarray(np.round(turned, _DECIMALS), dtype=np.float64)

    def plane_of(self, voxels: FloatArray) -> int | None:
        """The plane on which all of these voxel coordinates lie; None if there is none."""
        k = round(float(voxels[:, 2].mean()))
        near = 0 <= k < self.shape[2] and np.abs(voxels[:, 2] - k).max() <= _OFF_PLANE
        return k if near else None
