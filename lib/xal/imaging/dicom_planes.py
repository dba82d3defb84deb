"""Which plane of an image's voxels is which DICOM frame.

Whoever decoded the image may have sorted and turned its planes. What DICOM says of where they lie decides; only what
does not say so (X-rays, ultrasound) is taken in the order in which it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from xal.arrays import FloatArray
from xal.errors import BadInput

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Between the RAS of affines and the LPS of DICOM, both ways."""
_TOLERANCE = 0.1
"""How far a voxel may lie from where DICOM says it does, in slice distances."""


@dataclass(frozen=True)
class Plane:
    """One z-plane of a volume."""

    header: Dataset
    """Of the instance it is in."""
    frame: int | None
    """Its number, from 1, in a multi-frame instance; None in a single-frame one."""


@dataclass(frozen=True)
class Place:
    """Where a frame lies, in LPS millimetres."""

    position: FloatArray
    """Centre of its first pixel."""
    orientation: FloatArray
    """Directions of its rows and of its columns: DICOM's six cosines."""
    spacing: FloatArray
    """Between rows, and between columns."""

    @property
    def across(self) -> FloatArray:
        """From one column to the next."""
        return np.asarray(self.orientation[:3] * self.spacing[1])

    @property
    def down(self) -> FloatArray:
        """From one row to the next."""
        return np.asarray(self.orientation[3:] * self.spacing[0])


def planes(headers: Sequence[Dataset], shape: tuple[int, int, int], affine: FloatArray) -> list[Plane]:
    """The frames behind the volume's planes, in the order of k; BadInput says how headers and volume differ.

    Voxel (i, j, k) is column i, row j of plane k. `affine` is voxel → RAS mm; the headers come in any order.
    """
    frames = [Plane(header, frame) for header in headers for frame in _frame_numbers(header)]
    if len(frames) != shape[2]:
        raise BadInput(f"the DICOM series has {len(frames)} frame(s), the image has {shape[2]} plane(s)")
    for plane in frames:
        size = (int(plane.header.Columns), int(plane.header.Rows))
        if size != tuple(shape[:2]):
            raise BadInput(
                f"a DICOM frame has {size[0]} columns and {size[1]} rows, the image has {shape[0]} and {shape[1]}"
            )
    places = [place(plane) for plane in frames]
    stated = [where for where in places if where is not None]
    if len(stated) == len(frames):
        return _by_position(frames, stated, shape, np.asarray(affine, dtype=np.float64))
    if stated or len(headers) > 1:
        silent = len(frames) - len(stated)
        raise BadInput(f"{silent} of {len(frames)} DICOM frames do not say where they lie, so their order is unknown")
    return frames


def place(plane: Plane) -> Place | None:
    """Where the frame lies; None where DICOM does not say (projection X-rays, ultrasound)."""
    position = _of_frame(plane, "PlanePositionSequence", "ImagePositionPatient")
    orientation = _of_frame(plane, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = _of_frame(plane, "PixelMeasuresSequence", "PixelSpacing")
    if position is None or orientation is None or spacing is None:
        return None
    return Place(position, orientation, spacing)


def functional_group(plane: Plane, sequence: str) -> Dataset | None:
    """The item of a functional group that applies to the frame: its own, else the shared one."""
    header = plane.header
    if plane.frame is None:
        return None
    own = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    groups = [*([own[plane.frame - 1]] if plane.frame <= len(own) else []), *shared]
    return next((items[0] for group in groups if (items := group.get(sequence))), None)


def _frame_numbers(header: Dataset) -> Sequence[int | None]:
    frames = int(header.get("NumberOfFrames") or 1)
    many = frames > 1 or bool(header.get("PerFrameFunctionalGroupsSequence"))
    return range(1, frames + 1) if many else [None]


def _of_frame(plane: Plane, sequence: str, keyword: str) -> FloatArray | None:
    holder: Any = plane.header if plane.frame is None else functional_group(plane, sequence)
    value = None if holder is None else holder.get(keyword)
    return np.array([float(number) for number in value]) if value else None


def _by_position(
    frames: Sequence[Plane], places: Sequence[Place], shape: tuple[int, int, int], affine: FloatArray
) -> list[Plane]:
    lps = LPS @ affine
    tolerance = _TOLERANCE * float(np.linalg.norm(lps[:3, 2]))
    to_voxel = np.linalg.inv(lps)
    found: dict[int, Plane] = {}
    for plane, where in zip(frames, places, strict=True):
        k = min(max(round(float((to_voxel @ [*where.position, 1.0])[2])), 0), shape[2] - 1)
        off = float(np.linalg.norm(where.position - (lps @ [0, 0, k, 1])[:3]))
        if off > tolerance:
            raise BadInput(
                f"a DICOM frame lies {off:.3g} mm from the image's nearest plane; up to {tolerance:.3g} mm would do"
            )
        turned = max(
            float(np.linalg.norm(where.across - lps[:3, 0])) * (shape[0] - 1),
            float(np.linalg.norm(where.down - lps[:3, 1])) * (shape[1] - 1),
        )
        if turned > tolerance:
            raise BadInput(
                f"rows or columns of a DICOM frame and of the image lead {turned:.3g} mm apart; "
                f"up to {tolerance:.3g} mm would do"
            )
        if k in found:
            raise BadInput(f"two DICOM frames lie in plane {k + 1} of the image")
        found[k] = plane
    return [found[k] for k in range(shape[2])]
