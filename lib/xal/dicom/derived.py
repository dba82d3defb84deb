"""A multi-frame object that lies on another image's planes: what segmentations and parametric maps have in common.

highdicom writes these too, but wants a frame of reference and positions, which X-rays and ultrasound do not have, and
takes no more than one frame without them. So the frame is written here; highdicom's content items go into it.

Where the source does not say where it lies, the object gets a frame of reference of its own, in which its planes lie at
the origin with the directions that viewers assume for images without any (Cornerstone, and so OHIF: rows to the back,
columns to the feet), and one behind the other if there are several. Readers that want a geometry find one; what the
object belongs to is said by the instance and frame that each of its frames refers to.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from highdicom.sr.coding import CodedConcept
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset, validate_file_meta
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import PersonName, format_number_as_ds

from xal.arrays import FloatArray
from xal.dicom.codes import SCHEME, SCHEME_NAME, plain_text
from xal.dicom.made_by import MANUFACTURER, MODEL, SERIAL_NUMBER, SOFTWARE
from xal.imaging.dicom_planes import Plane, place

ASSUMED_ORIENTATION = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
"""What Cornerstone takes for an image that states none."""
_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""In every object, empty where the source has none."""
_STUDY_IF_THERE = (
    "IssuerOfPatientID", "StudyDescription", "PatientAge", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified",
)  # fmt: skip
_SOURCE_IMAGE = CodedConcept("121322", "DCM", "Source image for image processing operation")


@dataclass(frozen=True)
class Stamp:
    """What an object is known by; the caller gives it, so that making an object twice makes the same bytes."""

    series: str
    """SeriesInstanceUID."""
    instance: str
    """SOPInstanceUID."""
    at: datetime
    """When its content was made, in the archive's local time."""
    number: int
    """SeriesNumber: viewers list series by it."""

    def uid(self, what: str) -> str:
        """A further UID, the same whenever it is asked for."""
        return str(generate_uid(entropy_srcs=[self.instance, what]))


@dataclass(frozen=True)
class Frame:
    """One frame of the object: the plane it lies on, and what else its functional groups hold."""

    k: int
    index: tuple[int, ...] = ()
    """Its values in the dimensions that come before the position."""
    groups: tuple[tuple[str, Dataset], ...] = ()
    """Sequence and item."""


def derived(
    planes: Sequence[Plane], affine: FloatArray, frames: Sequence[Frame], stamp: Stamp, sop_class: str, modality: str,
    description: str, derivation: CodedConcept, dimensions: Sequence[tuple[str, str]] = (),
) -> FileDataset:  # fmt: skip
    """All but pixels and content; `dimensions` (functional group, attribute) come before the position."""
    made = begin(planes, stamp, sop_class, modality, description)
    made.ContentDate, made.ContentTime = made.SeriesDate, made.SeriesTime
    made.ReferencedSeriesSequence = [_referenced(planes)]
    header = planes[0].header
    made.LossyImageCompression = header.get("LossyImageCompression") or "00"
    if made.LossyImageCompression == "01":
        _copy(header, made, ("LossyImageCompressionRatio", "LossyImageCompressionMethod"))
    made.Rows, made.Columns = header.Rows, header.Columns
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.NumberOfFrames = len(frames)
    _lay(made, planes, affine, frames, derivation)
    organization = stamp.uid("dimensions")
    made.DimensionOrganizationSequence = [item(DimensionOrganizationUID=organization)]
    made.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=Tag(attribute),
            FunctionalGroupPointer=Tag(group),
            DimensionDescriptionLabel=attribute,
        )
        for group, attribute in (*dimensions, ("PlanePositionSequence", "ImagePositionPatient"))
    ]
    return made


def begin(planes: Sequence[Plane], stamp: Stamp, sop_class: str, modality: str, description: str) -> FileDataset:
    """Patient and study of the source, a series of its own, and who made it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, stamp.instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    validate_file_meta(meta, enforce_standard=True)
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.is_little_endian, made.is_implicit_VR = True, False
    made.SOPClassUID, made.SOPInstanceUID, made.SpecificCharacterSet = sop_class, stamp.instance, "ISO_IR 192"
    header = planes[0].header
    for keyword in _STUDY:
        setattr(made, keyword, None)
    _copy(header, made, (*_STUDY, *_STUDY_IF_THERE))
    made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = stamp.series, stamp.number, 1
    made.Modality, made.SeriesDescription = modality, plain_text(description)
    made.SeriesDate = made.InstanceCreationDate = stamp.at.strftime("%Y%m%d")
    made.SeriesTime = made.InstanceCreationTime = stamp.at.strftime("%H%M%S.%f")
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, MODEL
    made.DeviceSerialNumber, made.SoftwareVersions = SERIAL_NUMBER, SOFTWARE
    made.CodingSchemeIdentificationSequence = [item(CodingSchemeDesignator=SCHEME, CodingSchemeName=SCHEME_NAME)]
    return made


def item(**elements: Any) -> Dataset:
    """A dataset with these elements."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def instances(planes: Sequence[Plane]) -> list[Dataset]:
    """The headers of the planes, each instance once."""
    return list({str(plane.header.SOPInstanceUID): plane.header for plane in planes}.values())


def _lay(
    made: Dataset, planes: Sequence[Plane], affine: FloatArray, frames: Sequence[Frame], derivation: CodedConcept
) -> None:
    """Frame of reference and functional groups: where each frame lies, and what it was made from."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    places = [place(plane) for plane in planes]
    stated = [where for where in places if where is not None]
    header = planes[0].header
    if len(stated) == len(planes):
        orientation, spacing = stated[0].orientation, stated[0].spacing
        positions = [where.position for where in stated]
        frame_of_reference = header.get("FrameOfReferenceUID")
    else:
        orientation, spacing = np.array(ASSUMED_ORIENTATION), steps[[1, 0]]
        behind = np.cross(orientation[:3], orientation[3:]) * steps[2]
        positions = [k * behind for k in range(len(planes))]
        frame_of_reference = None
    made.FrameOfReferenceUID = frame_of_reference or generate_uid(entropy_srcs=[header.SeriesInstanceUID, "frame"])
    made.PositionReferenceIndicator = header.get("PositionReferenceIndicator") if frame_of_reference else ""
    measures = item(PixelSpacing=_decimals(spacing), SliceThickness=_decimals(steps[2:])[0])
    if len(planes) > 1:
        measures.SpacingBetweenSlices = measures.SliceThickness
    made.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[measures],
            PlaneOrientationSequence=[item(ImageOrientationPatient=_decimals(orientation))],
        )
    ]
    rank = {k: place + 1 for place, k in enumerate(sorted({frame.k for frame in frames}))}
    made.PerFrameFunctionalGroupsSequence = [
        item(
            FrameContentSequence=[item(DimensionIndexValues=[*frame.index, rank[frame.k]])],
            PlanePositionSequence=[item(ImagePositionPatient=_decimals(positions[frame.k]))],
            DerivationImageSequence=[
                item(DerivationCodeSequence=[derivation], SourceImageSequence=[_source(planes[frame.k])])
            ],
            **{sequence: [group] for sequence, group in frame.groups},
        )
        for frame in frames
    ]


def _source(plane: Plane) -> Dataset:
    source = reference(plane.header)
    if plane.frame is not None:
        source.ReferencedFrameNumber = plane.frame
    source.PurposeOfReferenceCodeSequence = [_SOURCE_IMAGE]
    source.SpatialLocationsPreserved = "YES"
    return source


def reference(header: Dataset) -> Dataset:
    """The item that refers to this instance."""
    return item(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)


def _referenced(planes: Sequence[Plane]) -> Dataset:
    return item(
        SeriesInstanceUID=planes[0].header.SeriesInstanceUID,
        ReferencedInstanceSequence=[reference(header) for header in instances(planes)],
    )


def _copy(source: Dataset, target: Dataset, keywords: Sequence[str]) -> None:
    """As the source has it, right or wrong: to say what is wrong with it would tell a log who the patient is.

    Texts are decoded, because the source may be in another character set.
    """
    for keyword in keywords:
        value = source.get(keyword)
        if value not in (None, "", []):
            element = source[keyword]
            plain = str(value) if isinstance(value, (str, PersonName)) else deepcopy(value)
            target.add(DataElement(element.tag, element.VR, plain, validation_mode=IGNORE))


def _decimals(numbers: FloatArray) -> list[str]:
    """As DICOM's decimal strings, of at most 16 characters; no minus before a zero."""
    return [format_number_as_ds(float(number) + 0.0) for number in numbers]
