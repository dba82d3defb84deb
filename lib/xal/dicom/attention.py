"""What a model looked at, as DICOM: bands that every viewer lays over the image, or the map itself.

Both say wherever DICOM has a place for it that an algorithm made them, and which version of the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.pm.content import RealWorldValueMapping
from pydicom.dataset import FileDataset

from xal.arrays import FloatArray
from xal.dicom.codes import ARTIFICIAL_INTELLIGENCE, ATTENTION, ONE, SPATIAL, own, plain_text
from xal.dicom.derived import Frame, Stamp, derived, item
from xal.dicom.segmentation import Segment, of_segments
from xal.imaging.dicom_planes import Plane
from xal.method.attention import bands
from xal.task import ATTENTION_BANDS, ATTENTION_LEVELS

PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
ALGORITHM = "xal attention"
_COLORS = ((66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10))
"""From little attention to much."""


def attention_bands(
    planes: Sequence[Plane], affine: FloatArray, attention: FloatArray, *, finding: str, version: int, stamp: Stamp
) -> FileDataset:
    """Iso-bands of the attention (X, Y, Z) in [0, 1] as a segmentation; ValueError where it is below all of them.

    `finding` is what the model predicted: what it looked at says something about that alone.
    """
    levels = bands(attention)
    algorithm = AlgorithmIdentificationSequence(
        name=ALGORITHM, family=ARTIFICIAL_INTELLIGENCE, version=f"model v{version}", source="xal"
    )
    segments = [
        Segment(
            mask=levels == number,
            label=name,
            category=SPATIAL,
            kind=own(name, plain_text(f"Attention of an algorithm of at least {level:g}")),
            color=color,
            tracking=plain_text(f"{name} of model v{version}, {finding}"),
            algorithm=algorithm,
        )
        for number, (name, level, color) in enumerate(
            zip(ATTENTION_BANDS, ATTENTION_LEVELS, _COLORS, strict=True), start=1
        )
        if (levels == number).any()
    ]
    if not segments:
        raise ValueError(f"the attention is below {ATTENTION_LEVELS[0]:g} everywhere: there is nothing to write")
    made = of_segments(planes, affine, segments, stamp, f"xal: attention of model v{version} (algorithm)")
    for described in made.SegmentSequence:
        described.SegmentAlgorithmName = f"{ALGORITHM}, model v{version}"
    _mark(made, finding, version)
    return made


def attention_map(
    planes: Sequence[Plane], affine: FloatArray, attention: FloatArray, *, finding: str, version: int, stamp: Stamp
) -> FileDataset:
    """The attention (X, Y, Z) itself, in 32-bit floats, on all planes."""
    shape = (int(planes[0].header.Columns), int(planes[0].header.Rows), len(planes))
    if attention.shape != shape:
        raise ValueError(f"the attention is {attention.shape}, the planes are {shape}")
    values = np.ascontiguousarray(attention.transpose(2, 1, 0), dtype="<f4")
    made = derived(
        planes, affine, [Frame(k) for k in range(len(planes))], stamp, PARAMETRIC_MAP, "OT",
        f"xal: attention of model v{version} (algorithm)", ATTENTION,
    )  # fmt: skip
    _mark(made, finding, version)
    made.Laterality = planes[0].header.get("Laterality") or ""
    made.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    made.ContentQualification, made.BurnedInAnnotation, made.RecognizableVisualFeatures = "RESEARCH", "NO", "NO"
    made.PresentationLUTShape, made.PixelPresentation = "IDENTITY", "MONOCHROME"
    made.AcquisitionContextSequence = []
    shared = made.SharedFunctionalGroupsSequence[0]
    shared.PixelValueTransformationSequence = [item(RescaleIntercept="0", RescaleSlope="1", RescaleType="US")]
    shared.FrameVOILUTSequence = [item(WindowCenter="0.5", WindowWidth="1", VOILUTFunction="LINEAR_EXACT")]
    shared.ParametricMapFrameTypeSequence = [item(FrameType=made.ImageType)]
    shared.RealWorldValueMappingSequence = [
        RealWorldValueMapping(
            lut_label="ATTENTION",
            lut_explanation=_said(finding, version),
            unit=ONE,
            value_range=(0.0, 1.0),
            slope=1.0,
            intercept=0.0,
            quantity_definition=ATTENTION,
        )
    ]
    made.BitsAllocated = 32
    made.FloatPixelData = values.tobytes()
    return made


def _mark(made: FileDataset, finding: str, version: int) -> None:
    """No person made it: it has no creator's name, and says what made it."""
    made.ContentCreatorName = ""
    made.ContentLabel, made.ContentDescription = "ATTENTION", _said(finding, version)
    made.ImageComments = f"Made by an algorithm: {_said(finding, version)}. Not a finding, and drawn by nobody."


def _said(finding: str, version: int) -> str:
    """The version first: it must survive where the finding's name is too long."""
    return plain_text(f"Grad-CAM attention of model v{version}, finding {finding}")
