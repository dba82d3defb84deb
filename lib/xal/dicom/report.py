"""What a reader said of an image and what the model had thought of it, as a measurement report (SR, TID 1500).

Two measurement groups keep apart who said what: the reader's finding, with the outline's segment and its size, and the
model's numbers under an algorithm identification. The model's group has no finding, lest somebody takes it for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    ReferencedSegmentationFrame,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForSegmentation,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from highdicom.sr.utils import collect_evidence
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import generate_uid

from xal.arrays import FloatArray
from xal.dicom.codes import (
    AREA,
    CUBIC_MILLIMETRES,
    ONE,
    PIXEL_COUNT,
    PIXELS,
    SQUARE_MILLIMETRES,
    VOLUME,
    finding_code,
    own,
    person_name,
    plain_text,
)
from xal.dicom.derived import Stamp, begin, instances
from xal.dicom.made_by import MANUFACTURER, MODEL, SERIAL_NUMBER
from xal.imaging.dicom_planes import Plane, place
from xal.method.story import Story
from xal.task import Code, Task

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
ALGORITHM = "xal classifier"
_DEVICE_UID = str(generate_uid(entropy_srcs=[MANUFACTURER, MODEL]))
_PROCEDURE = CodedConcept("363679005", "SCT", "Imaging procedure")
_DEVICE, _PERSON = CodedConcept("121007", "DCM", "Device"), CodedConcept("121006", "DCM", "Person")
_YES, _NO = CodedConcept("373066001", "SCT", "Yes"), CodedConcept("373067005", "SCT", "No")
_LIBRARY, _LIBRARY_GROUP = (
    CodedConcept("111028", "DCM", "Image Library"),
    CodedConcept("126200", "DCM", "Image Library Group"),
)
_SOURCE = CodedConcept("260753009", "SCT", "Source")

_ANNOTATION = own("annotation", "How the finding was annotated")
_OUTLINED, _STATED, _ABSENT = (
    own("outlined", "Outlined on the image"),
    own("stated", "Stated without an outline"),
    own("absent", "Stated as absent"),
)
_PREDICTED = own("predicted", "Finding predicted by the algorithm")
_CHOSEN = own("chosen", "Image was chosen by the score")
_ROI_SOURCE = own("roi_source", "Where the ROI came from that attention was compared with")
_OF_READ = own("probability_read", "Probability of the reader's finding")
_OF_ANY = own("probability_of", "Probability of a finding")
_WHICH = own("of_finding", "Finding that a probability is of")
_NUMBERS = {
    "model_version": "Version of the model",
    "probability": "Probability of the predicted finding",
    "uncertainty": "Uncertainty: entropy of the probabilities, 0 to 1",
    "misalignment": "Misalignment of attention and ROI, 0 to 1",
    "alpha": "Alpha: weight of the uncertainty in the score",
    "score": "Score: alpha uncertainty + (1 - alpha) misalignment",
    "overlap": "Overlap of attention and the reader's outline",
    "energy": "Share of the attention in the reader's outline",
    "roi_confidence": "Confidence of the proposed ROI, 0 to 1",
}
"""Numbers of a story by their names, and what they mean."""


_Group = (
    PlanarROIMeasurementsAndQualitativeEvaluations
    | VolumetricROIMeasurementsAndQualitativeEvaluations
    | MeasurementsAndQualitativeEvaluations
)


@dataclass(frozen=True)
class Statement:
    """What a reader handed in, as the store keeps it."""

    finding: str
    reader: str
    story: Story | None = None
    """What the model had thought of the image; None if no model had looked at it."""
    segmentation: Dataset | None = None
    """The outline, as `segmentation` wrote it."""
    roi_voxels: int = 0
    """How large the outline is where no object holds it."""


def report(
    planes: Sequence[Plane], affine: FloatArray, statement: Statement, *, task: Task, stamp: Stamp
) -> FileDataset:
    """One annotation as a report that refers to the images and, where there is an outline, to its segment."""
    groups = [_read(planes, affine, statement, task, stamp)]
    if statement.story is not None:
        groups.append(_thought(planes, statement.finding, statement.story, task, stamp))
    (root,) = MeasurementReport(
        observation_context=ObservationContext(*observers(statement.reader)),
        procedure_reported=_PROCEDURE,
        imaging_measurements=groups,
    )
    root.ContentSequence.insert(len(root.ContentSequence) - 1, _library(planes))
    made = begin(planes, stamp, COMPREHENSIVE_SR, "SR", f"xal: {statement.finding}, read by {statement.reader}")
    made.ContentDate, made.ContentTime = made.SeriesDate, made.SeriesTime
    made.CompletionFlag, made.VerificationFlag, made.PreliminaryFlag = "COMPLETE", "UNVERIFIED", "FINAL"
    made.ReferencedPerformedProcedureStepSequence, made.PerformedProcedureCodeSequence = [], []
    evidence = [*instances(planes), *([] if statement.segmentation is None else [statement.segmentation])]
    made.CurrentRequestedProcedureEvidenceSequence, _ = collect_evidence(evidence, root)
    made.update(root)
    return made


def _read(planes: Sequence[Plane], affine: FloatArray, statement: Statement, task: Task, stamp: Stamp) -> _Group:
    """The reader's group."""
    known = next((finding for finding in task.findings if finding.name == statement.finding), None)
    kind = finding_code(statement.finding, known.code if known else None)
    outline = statement.segmentation
    if outline is None:
        absent = known is not None and known.absent
        how = _OUTLINED if statement.roi_voxels else _ABSENT if absent else _STATED
        return MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(f"{statement.finding} by {statement.reader}", stamp.uid("finding")),
            finding_type=kind,
            measurements=_sizes(planes, affine, statement.roi_voxels) if statement.roi_voxels else [],
            qualitative_evaluations=[QualitativeEvaluation(_ANNOTATION, how)],
            source_images=_sources(planes),
        )
    (segment,) = outline.SegmentSequence
    tracking = TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID)
    sizes = _sizes(planes, affine, int(np.unpackbits(np.frombuffer(outline.PixelData, np.uint8)).sum()))
    outlined = [QualitativeEvaluation(_ANNOTATION, _OUTLINED)]
    if len(planes) == 1:
        return PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            referenced_segment=_only_frame(planes[0], outline),
            finding_type=kind,
            measurements=sizes,
            qualitative_evaluations=outlined,
        )
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_segment=ReferencedSegment(
            outline.SOPClassUID,
            outline.SOPInstanceUID,
            segment_number=1,
            source_series=SourceSeriesForSegmentation(planes[0].header.SeriesInstanceUID),
        ),
        finding_type=kind,
        measurements=sizes,
        qualitative_evaluations=outlined,
    )


def _only_frame(plane: Plane, outline: Dataset) -> ReferencedSegmentationFrame:
    """By its number alone: highdicom adds the segment's, which the standard allows only without a frame's."""
    header = plane.header
    source = SourceImageForSegmentation(
        header.SOPClassUID, header.SOPInstanceUID, None if plane.frame is None else [plane.frame]
    )
    made = ReferencedSegmentationFrame(
        outline.SOPClassUID, outline.SOPInstanceUID, frame_number=1, segment_number=1, source_image=source
    )
    del made[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return made


def _thought(planes: Sequence[Plane], read: str, story: Story, task: Task, stamp: Stamp) -> _Group:
    """The model's group."""
    codes = {finding.name: finding.code for finding in task.findings}
    predicted = story.finding
    numbers = {key: getattr(story, key) for key in _NUMBERS}
    measurements = [
        Measurement(own(key, _NUMBERS[key]), number, ONE) for key, number in numbers.items() if number is not None
    ]
    of_read = story.probabilities.get(read)
    if of_read is not None and read != predicted:
        measurements.append(Measurement(_OF_READ, of_read, ONE))
    measurements += [_of_any(name, codes.get(name), number) for name, number in story.probabilities.items()]
    evaluations = [QualitativeEvaluation(_PREDICTED, finding_code(predicted, codes.get(predicted)))]
    if story.chosen is not None:
        evaluations.append(QualitativeEvaluation(_CHOSEN, _YES if story.chosen else _NO))
    if story.roi_source is not None:
        evaluations.append(QualitativeEvaluation(_ROI_SOURCE, finding_code(story.roi_source, None)))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(f"model v{story.model_version} (algorithm)", stamp.uid("story")),
        algorithm_id=AlgorithmIdentification(name=ALGORITHM, version=f"model v{story.model_version}"),
        measurements=measurements,
        qualitative_evaluations=evaluations,
        source_images=_sources(planes),
    )


def _of_any(finding: str, code: Code | None, probability: float) -> Measurement:
    """A probability, and as its modifier (TID 300) which finding it is of."""
    made = Measurement(_OF_ANY, probability, ONE)
    of = CodeContentItem(_WHICH, finding_code(finding, code), RelationshipTypeValues.HAS_CONCEPT_MOD)
    made[0].ContentSequence = ContentSequence([*made[0].get("ContentSequence", []), of])
    return made


def _sizes(planes: Sequence[Plane], affine: FloatArray, pixels: int) -> list[Measurement]:
    """Volume or area of an outline; pixels alone where nothing says how large a pixel is."""
    sizes = [Measurement(PIXEL_COUNT, pixels, PIXELS)]
    header = planes[0].header
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if len(planes) == 1 and (place(planes[0]) or header.get("PixelSpacing") or header.get("ImagerPixelSpacing")):
        sizes.append(Measurement(AREA, round(pixels * float(steps[0] * steps[1]), 3), SQUARE_MILLIMETRES))
    elif len(planes) > 1 and place(planes[0]):
        volume = pixels * float(abs(np.linalg.det(affine[:3, :3])))
        sizes.append(Measurement(VOLUME, round(volume, 3), CUBIC_MILLIMETRES))
    return sizes


def observers(reader: str) -> tuple[ObserverContext, ObserverContext]:
    """The person, and this program."""
    person = ObserverContext(
        observer_type=_PERSON,
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(name=person_name(reader)),
    )
    device = ObserverContext(
        observer_type=_DEVICE,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=_DEVICE_UID,
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=MODEL,
            serial_number=SERIAL_NUMBER,
        ),
    )
    return person, device


def _library(planes: Sequence[Plane]) -> ContainerContentItem:
    """The images; highdicom's own wants spacings in all headers, which many images and all multi-frames lack."""
    contains = RelationshipTypeValues.CONTAINS
    library, group = (
        ContainerContentItem(name=name, relationship_type=contains) for name in (_LIBRARY, _LIBRARY_GROUP)
    )
    images = [
        ImageContentItem(_SOURCE, header.SOPClassUID, header.SOPInstanceUID, relationship_type=contains)
        for header in instances(planes)
    ]
    group.ContentSequence = ContentSequence(images)
    library.ContentSequence = ContentSequence([group])
    return library


def _sources(planes: Sequence[Plane]) -> list[SourceImageForMeasurementGroup]:
    return [SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID) for header in instances(planes)]


def _tracking(said: str, uid: str) -> TrackingIdentifier:
    return TrackingIdentifier(uid=uid, identifier=plain_text(said))
