"""Taking objects back: a rejection note, as IHE's Imaging Object Change Management (IOCM) has it.

DICOMweb cannot delete. A key object selection with one of a few titles says which objects are not to be used; an
archive that knows the profile hides them from then on, and any other one keeps the note beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom.ko import KeyObjectSelection
from highdicom.sr import CodedConcept
from highdicom.sr.utils import collect_evidence
from pydicom.dataset import Dataset, FileDataset

from xal.dicom.derived import Stamp, begin, item
from xal.dicom.report import COMPREHENSIVE_SR, observers
from xal.imaging.dicom_planes import Plane

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
_TITLE = CodedConcept("113001", "DCM", "Rejected for Quality Reasons")
_DESCRIPTION = "The annotation that these objects were made of was withdrawn."


@dataclass(frozen=True)
class Stored:
    """An object that is in the archive."""

    sop_class: str
    series: str
    instance: str


def rejection(header: Dataset, rejected: Sequence[Stored], *, by: str, stamp: Stamp) -> FileDataset:
    """The note that rejects objects of the study of an image with this header."""
    person, device = observers(by)
    objects = [_reference(header, one) for one in rejected]
    (root,) = KeyObjectSelection(_TITLE, objects, person, device, _DESCRIPTION)
    made = begin([Plane(header, None)], stamp, KEY_OBJECTS, "KO", "xal: withdrawn")
    made.ContentDate, made.ContentTime = made.SeriesDate, made.SeriesTime
    made.ReferencedPerformedProcedureStepSequence = []
    made.CurrentRequestedProcedureEvidenceSequence, _ = collect_evidence(objects, root)
    made.update(root)
    return made


def _reference(header: Dataset, one: Stored) -> Dataset:
    """What highdicom needs to know of an object; those with rows and columns it calls images."""
    size = {} if one.sop_class == COMPREHENSIVE_SR else {"Rows": header.Rows, "Columns": header.Columns}
    return item(
        SOPClassUID=one.sop_class,
        SOPInstanceUID=one.instance,
        SeriesInstanceUID=one.series,
        StudyInstanceUID=header.StudyInstanceUID,
        **size,
    )
