"""ROIs that already lie in the PACS: which objects are read, and which are nobody's drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydicom.dataset import Dataset

from xal.arrays import FloatArray
from xal.dicom.drawing import Drawn, Region, Unusable
from xal.dicom.from_contours import regions_of_contours
from xal.dicom.from_report import regions_of_report
from xal.dicom.from_segmentation import regions_of_segmentation
from xal.dicom.made_by import made_by_xal
from xal.dicom.series import Series
from xal.dicom.values import items, text
from xal.errors import BadInput
from xal.imaging.dicom_planes import Plane

__all__ = ["READ_CLASSES", "Drawn", "Region", "Unusable", "of_one_kind", "regions"]

_SEG = ("DICOM SEG", regions_of_segmentation)
_REPORT = ("structured report", regions_of_report)
READ_CLASSES: Mapping[str, tuple[str, Callable[[Dataset, Series], Drawn]]] = {
    "1.2.840.10008.5.1.4.1.1.66.4": _SEG,
    "1.2.840.10008.5.1.4.1.1.66.7": _SEG,  # label map SEG: refused, with the reason
    "1.2.840.10008.5.1.4.1.1.481.3": ("RT structure set", regions_of_contours),
    "1.2.840.10008.5.1.4.1.1.88.22": _REPORT,  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33": _REPORT,  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34": _REPORT,  # Comprehensive 3D SR
    "1.2.840.10008.5.1.4.1.1.88.35": _REPORT,  # Extensible SR
}
"""SOPClassUID → what it is, and what reads it."""


def may_outline(dataset: Dataset) -> bool:
    """Whether an object is of a kind that is read, and not one that this app wrote."""
    return text(dataset, "SOPClassUID") in READ_CLASSES and not made_by_xal(dataset)


def number_of_rois(dataset: Dataset) -> int:
    """How many ROIs an object says that it has, whichever image they are of; 0 where it does not list them."""
    return max(len(items(dataset, "SegmentSequence")), len(items(dataset, "StructureSetROISequence")))


def of_one_kind(dataset: Dataset) -> bool:
    """Whether all that an object outlines is what it is about, whatever each is called.

    Who draws boxes into a report marks findings; a SEG's segments are of one kind if their property types are the same.
    A structure set has organs beside the tumour, and nothing but their names tells which is which.
    """
    read = READ_CLASSES.get(text(dataset, "SOPClassUID") or "")
    if read == _REPORT:
        return True
    types = [items(segment, "SegmentedPropertyTypeCodeSequence") for segment in items(dataset, "SegmentSequence")]
    codes = {(text(one[0], "CodeValue"), text(one[0], "CodingSchemeDesignator")) if one else None for one in types}
    return read == _SEG and len(codes) == 1 and not codes & {None, (None, None)}


def regions(dataset: Dataset, planes: Sequence[Plane], shape: tuple[int, int, int], affine: FloatArray) -> Drawn:
    """What people outlined in this object, on the voxels of the image; nothing where it does not speak of the image.

    What this app wrote itself, and what a program made without a person, is nobody's outline. BadInput, and the reason
    why a single ROI is unusable, names the kind of object and what is wrong, and nothing that could be a patient's.
    """
    kind, read = READ_CLASSES.get(text(dataset, "SOPClassUID") or "", ("", None))
    if read is None or made_by_xal(dataset):
        return Drawn()
    series = Series.of(planes, shape, affine)
    try:
        drawn = read(dataset, series)
    except BadInput as error:
        raise BadInput(f"this {kind} cannot be read: {error}") from error
    told = [Unusable(one.label, f"an ROI of this {kind} cannot be read: {one.reason}") for one in drawn.unusable]
    return Drawn(drawn.regions, told)
