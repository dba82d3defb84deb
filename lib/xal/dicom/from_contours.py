"""What people outlined in an RT structure set, on the voxels of an image."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from xal.arrays import FloatArray
from xal.dicom.drawing import Drawing, Drawn, Effort
from xal.dicom.series import Series
from xal.dicom.values import items, name, numbers, required_text, text, whole
from xal.errors import BadInput

_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}


def regions_of_contours(dataset: Dataset, series: Series) -> Drawn:
    """One region for each ROI with closed contours in the image; ROIs that a program made by itself are left out."""
    about = {
        required_text(named, "SeriesInstanceUID")
        for frame in items(dataset, "ReferencedFrameOfReferenceSequence")
        for study in items(frame, "RTReferencedStudySequence")
        for named in items(study, "RTReferencedSeriesSequence")
    }
    drawn, effort, origin = Drawn(), Effort(), required_text(dataset, "SOPInstanceUID")
    if about and series.uid not in about:
        return drawn
    described = _by_number(dataset, "StructureSetROISequence", "ROINumber")
    for number, contours in _by_number(dataset, "ROIContourSequence", "ReferencedROINumber").items():
        rois = described.get(number, [])
        with drawn.roi(name(rois[0], "ROIName") if rois else None):
            roi = _only(rois, number)
            if len(contours) > 1:
                raise BadInput(f"ROI {number} has contours twice")
            if text(roi, "ROIGenerationAlgorithm") == "AUTOMATIC" or not _is_here(roi, series, bool(about)):
                continue
            drawing = Drawing(series.shape, effort)
            for k, rings in _rings(contours[0], number, series).items():
                drawing.polygons(k, rings)
            region = drawing.region(text(roi, "ROIName"), origin)
            if region is not None:
                drawn.regions.append(region)
    return drawn


def _is_here(roi: Dataset, series: Series, series_is_named: bool) -> bool:
    """Whether an ROI lies in the image's space; where one of them does not say, whether the object names the series."""
    space = text(roi, "ReferencedFrameOfReferenceUID")
    if space is None or series.frame_of_reference is None:
        return series_is_named
    return space == series.frame_of_reference


def _by_number(dataset: Dataset, sequence: str, keyword: str) -> dict[int, list[Dataset]]:
    """The items of a sequence by the ROI that they say they are about."""
    found: dict[int, list[Dataset]] = {}
    for item in items(dataset, sequence):
        found.setdefault(whole(item, keyword), []).append(item)
    return found


def _only(rois: list[Dataset], number: int) -> Dataset:
    """The one description of an ROI."""
    if not rois:
        raise BadInput(f"ROI {number} has contours but is not described")
    if len(rois) > 1:
        raise BadInput(f"it describes ROI {number} twice")
    return rois[0]


def _rings(roi: Dataset, number: int, series: Series) -> dict[int, list[FloatArray]]:
    """The closed contours of an ROI by the plane they lie on, in voxel coordinates (n, 2)."""
    rings: dict[int, list[FloatArray]] = {}
    for at, contour in enumerate(items(roi, "ContourSequence"), 1):
        if required_text(contour, "ContourGeometricType") not in _CLOSED:
            continue
        what = f"contour {at} of ROI {number}"
        images = items(contour, "ContourImageSequence")
        named = set().union(*(series.named(image) for image in images))
        if images and not named:
            continue
        voxels = series.voxels(_points(contour, what))
        k = series.plane_of(voxels)
        if k is None:
            raise BadInput(f"{what} lies on no plane of the image: between them, beyond them or across them")
        if named and k not in named:
            raise BadInput(f"{what} names an image that lies elsewhere than the contour")
        rings.setdefault(k, []).append(voxels[:, :2])
    return rings


def _points(contour: Dataset, what: str) -> FloatArray:
    values = numbers(contour, "ContourData")
    count = 0 if values is None else values.size
    if values is None or count % 3 or count < 9:
        raise BadInput(f"{what} has {count} coordinates; a closed one has three for each of three or more points")
    stated = numbers(contour, "NumberOfContourPoints")
    if stated is not None and not np.array_equal(stated, [count // 3]):
        raise BadInput(f"{what} has {count // 3} points, which is not what NumberOfContourPoints says")
    return values.reshape(-1, 3)
