"""An annotation as a DICOM segmentation, which every viewer lays over the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg.content import SegmentDescription
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset, FileDataset

from xal.arrays import AnyArray, FloatArray
from xal.dicom.codes import LESION, finding_code, person_name, plain_text
from xal.dicom.derived import Frame, Stamp, derived, item
from xal.imaging.dicom_planes import Plane
from xal.task import Code

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_DERIVED_BY_SEGMENTATION = CodedConcept("113076", "DCM", "Segmentation")
_FALLBACK_COLOR = (230, 120, 50)
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
"""Linear sRGB → XYZ."""


@dataclass(frozen=True)
class Outline:
    """What a reader drew."""

    mask: AnyArray
    """bool (X, Y, Z)."""
    finding: str
    code: Code | None = None
    color: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Segment:
    """A mask and what it is; `algorithm` is None for what a person drew."""

    mask: AnyArray
    label: str
    category: CodedConcept
    kind: CodedConcept
    color: tuple[int, int, int]
    tracking: str
    algorithm: AlgorithmIdentificationSequence | None = None


def segmentation(
    planes: Sequence[Plane], affine: FloatArray, outlines: Sequence[Outline], *, reader: str, stamp: Stamp
) -> FileDataset:
    """A reader's outlines, one segment each; ValueError if one of them is empty.

    `planes` are those of the volume (X, Y, Z) that was drawn on, `affine` its voxel → RAS mm.
    """
    segments = [
        Segment(
            mask=outline.mask,
            label=plain_text(outline.finding),
            category=LESION,
            kind=finding_code(outline.finding, outline.code),
            color=outline.color or _FALLBACK_COLOR,
            tracking=plain_text(f"{outline.finding} by {reader}"),
        )
        for outline in outlines
    ]
    findings = ", ".join(outline.finding for outline in outlines)
    made = of_segments(planes, affine, segments, stamp, f"xal: {findings} by {reader}")
    made.ContentCreatorName = person_name(reader)
    made.ContentLabel, made.ContentDescription = "OUTLINE", plain_text(f"Outlined by {reader}")
    return made


def of_segments(
    planes: Sequence[Plane], affine: FloatArray, segments: Sequence[Segment], stamp: Stamp, description: str
) -> FileDataset:
    """Segments with content; only planes on which there is something are stored."""
    shape = (int(planes[0].header.Columns), int(planes[0].header.Rows), len(planes))
    frames, bits = [], []
    for number, segment in enumerate(segments, start=1):
        if segment.mask.shape != shape:
            raise ValueError(f"the mask of {segment.label!r} is {segment.mask.shape}, the planes are {shape}")
        used = np.flatnonzero(segment.mask.any(axis=(0, 1)))
        if not used.size:
            raise ValueError(f"the mask of {segment.label!r} is empty: there is nothing to write")
        identification = item(ReferencedSegmentNumber=number)
        for k in used.tolist():
            frames.append(Frame(k, (number,), (("SegmentIdentificationSequence", identification),)))
            bits.append(np.asarray(segment.mask[:, :, k], dtype=bool).T.ravel())
    made = derived(
        planes, affine, frames, stamp, SEGMENTATION, "SEG", description, _DERIVED_BY_SEGMENTATION,
        dimensions=[("SegmentIdentificationSequence", "ReferencedSegmentNumber")],
    )  # fmt: skip
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.SegmentationType, made.SegmentsOverlap = "BINARY", "YES" if _overlap(segments) else "NO"
    made.SegmentSequence = [_described(number, segment, stamp) for number, segment in enumerate(segments, start=1)]
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = made.PixelRepresentation = 0
    packed = np.packbits(np.concatenate(bits), bitorder="little").tobytes()
    made.PixelData = packed + b"\0" * (len(packed) % 2)
    made["PixelData"].VR = "OB"
    return made


def _described(number: int, segment: Segment, stamp: Stamp) -> Dataset:
    description = SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=segment.category,
        segmented_property_type=segment.kind,
        algorithm_type="MANUAL" if segment.algorithm is None else "AUTOMATIC",
        algorithm_identification=segment.algorithm,
        tracking_uid=stamp.uid(f"segment {number}"),
        tracking_id=segment.tracking,
    )
    description.RecommendedDisplayCIELabValue = _cielab(segment.color)
    return description


def _cielab(color: tuple[int, int, int]) -> list[int]:
    """An sRGB colour as DICOM writes it: CIELAB, L* of 0 to 100 and a*, b* of −128 to 127 over 16 bits each."""
    share = np.array(color) / 255
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    x, y, z = _TO_XYZ @ linear / _TO_XYZ.sum(axis=1)
    fx, fy, fz = (v ** (1 / 3) if v > 216 / 24389 else (841 / 108) * v + 4 / 29 for v in (x, y, z))
    lightness, a, b = 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
    shares = (lightness / 100, (a + 128) / 255, (b + 128) / 255)
    return [round(min(max(one, 0.0), 1.0) * 65535) for one in shares]


def _overlap(segments: Sequence[Segment]) -> bool:
    return bool((np.sum([segment.mask for segment in segments], axis=0) > 1).any())
