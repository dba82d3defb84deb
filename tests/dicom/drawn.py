"""What others draw on a series, as their programs store it in a PACS: SEG, structure sets and reports."""

import copy
from collections.abc import Sequence

import highdicom as hd
import numpy as np
from dicom.objects import COLUMNS, ROOT, ROWS, Source
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from xal.dicom.regions import Drawn, Region, regions
from xal.errors import BadInput
from xal.imaging.dicom_planes import Plane, planes

CORNER = [(1.5, 0.5), (6.5, 0.5), (6.5, 2.5), (3.5, 2.5), (3.5, 7.5), (1.5, 7.5)]
"""An L along the edges of pixels, in column and row, that no flip or exchange of axes leaves as it is."""
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
ALGORITHM = hd.AlgorithmIdentificationSequence("net", codes.DCM.ArtificialIntelligence, "1")


def corner(*ks: int, shape: Sequence[int] = (COLUMNS, ROWS, 5)) -> np.ndarray:
    """The L as a mask (X, Y, Z) on some planes."""
    mask = np.zeros(shape, bool)
    for k in ks:
        mask[2:7, 1:3, k] = mask[2:4, 3:8, k] = True
    return mask


def found(dataset: Dataset, source: Source) -> list[Region]:
    """The regions of a dataset in a series; BadInput if anything of it cannot be used."""
    drawn = drawn_in(dataset, source)
    if drawn.unusable:
        raise BadInput(drawn.unusable[0].reason)
    return drawn.regions


def drawn_in(dataset: Dataset, source: Source) -> Drawn:
    """The same with what cannot be used."""
    where = planes(source.headers, source.shape, source.affine)
    return regions(dataset, where, source.shape, source.affine)


def in_patient(source: Source, k: int, points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Column and row of a plane as LPS millimetres, by the plane's own header (PS3.3 C.7.6.2.1.1)."""
    plane = planes(source.headers, source.shape, source.affine)[k]
    get = _attribute(plane)
    position, orientation, spacing = (
        np.array(get(keyword), float) for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    )
    column, row = np.array(points, float).T
    return position + np.outer(column * spacing[1], orientation[:3]) + np.outer(row * spacing[0], orientation[3:])


def _attribute(plane: Plane):
    if plane.frame is None:
        return plane.header.get
    shared = plane.header.SharedFunctionalGroupsSequence[0]
    own = plane.header.PerFrameFunctionalGroupsSequence[plane.frame - 1]
    return {
        "ImagePositionPatient": own.PlanePositionSequence[0].ImagePositionPatient,
        "ImageOrientationPatient": shared.PlaneOrientationSequence[0].ImageOrientationPatient,
        "PixelSpacing": shared.PixelMeasuresSequence[0].PixelSpacing,
    }.get


def segmentation(
    source: Source, *masks: np.ndarray, kinds: Sequence[str] = ("MANUAL",), fractional: bool = False, **more: object
) -> Dataset:
    """A SEG with one segment for each mask (X, Y, Z) on the planes of the series; values from 0 to 1 if fractional."""
    where = planes(source.headers, source.shape, source.affine)
    multiframe = where[0].frame is not None
    order = sorted(range(len(where)), key=lambda k: where[k].frame) if multiframe else range(len(where))
    stored = np.stack([np.stack([mask[:, :, k].T for k in order]) for mask in masks], axis=-1)
    return hd.seg.Segmentation(
        source_images=source.headers if multiframe else [plane.header for plane in where],
        pixel_array=stored.astype(np.float64 if fractional else np.uint8),
        segmentation_type="FRACTIONAL" if fractional else "BINARY",
        segment_descriptions=[
            hd.seg.SegmentDescription(
                number, f"finding {number}", codes.SCT.Tissue, codes.SCT.Tissue, kind,
                algorithm_identification=None if kind == "MANUAL" else ALGORITHM,
            )
            for number, kind in enumerate(kinds, 1)
        ],
        series_instance_uid=generate_uid(), series_number=9, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="Somebody", manufacturer_model_name="Drawing", software_versions="1", device_serial_number="1",
        **more,
    )  # fmt: skip


def structure_set(source: Source, *rois: Sequence[tuple[int, Sequence[tuple[float, float]]]]) -> Dataset:
    """An RT structure set; each ROI is a list of contours: plane, and corners in column and row."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID, made.Manufacturer = STRUCTURE_SET, generate_uid(), "Somebody"
    series = Dataset()
    series.SeriesInstanceUID = source.headers[0].SeriesInstanceUID
    study, frame = Dataset(), Dataset()
    study.RTReferencedSeriesSequence = Items([series])
    frame.FrameOfReferenceUID = source.headers[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = Items([study])
    made.ReferencedFrameOfReferenceSequence = Items([frame])
    made.StructureSetROISequence, made.ROIContourSequence = Items(), Items()
    for number, contours in enumerate(rois, 1):
        roi, item = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = number, f"ROI {number}", "MANUAL"
        roi.ReferencedFrameOfReferenceUID = source.headers[0].FrameOfReferenceUID
        item.ReferencedROINumber = number
        item.ContourSequence = Items([contour(source, k, points) for k, points in contours])
        made.StructureSetROISequence.append(roi)
        made.ROIContourSequence.append(item)
    return made


def contour(source: Source, k: int, points: Sequence[tuple[float, float]], kind: str = "CLOSED_PLANAR") -> Dataset:
    """One contour, with the image it was drawn on."""
    plane = planes(source.headers, source.shape, source.affine)[k]
    made, image = Dataset(), Dataset()
    made.ContourGeometricType, made.NumberOfContourPoints = kind, len(points)
    made.ContourData = [f"{value:.6f}" for value in in_patient(source, k, points).ravel()]
    image.ReferencedSOPClassUID = plane.header.SOPClassUID
    image.ReferencedSOPInstanceUID = plane.header.SOPInstanceUID
    if plane.frame is not None:
        image.ReferencedFrameNumber = plane.frame
    made.ContourImageSequence = Items([image])
    return made


def on_image(
    source: Source, k: int, points: Sequence[tuple[float, float]], kind: str = "POLYLINE"
) -> hd.sr.ImageRegion:
    """A shape on a plane, as SCOORD counts: the top left corner of the image is 0, 0, the first pixel's centre 0.5."""
    plane = planes(source.headers, source.shape, source.affine)[k]
    frames = None if plane.frame is None else [plane.frame]
    image = hd.sr.SourceImageForRegion(plane.header.SOPClassUID, plane.header.SOPInstanceUID, frames)
    return hd.sr.ImageRegion(kind, np.array(points, float), image)


def in_space(source: Source, k: int, points: Sequence[tuple[float, float]], kind: str = "POLYGON"):
    """The same in patient coordinates, from column and row as pixel centres count."""
    where = in_patient(source, k, points)
    return hd.sr.ImageRegion3D(kind, where, source.headers[0].FrameOfReferenceUID)


def report(
    source: Source, *shapes, observer: str = "person", algorithm: bool = False, measured: bool = False
) -> Dataset:
    """A TID 1500 report with one planar measurement group for each shape; an algorithm outlined or measured it."""
    person = hd.sr.ObserverContext(codes.DCM.Person, hd.sr.PersonObserverIdentifyingAttributes("Planted^Reader"))
    device = hd.sr.ObserverContext(codes.DCM.Device, hd.sr.DeviceObserverIdentifyingAttributes(uid=generate_uid()))
    net = hd.sr.AlgorithmIdentification("net", "1")
    area = hd.sr.Measurement(codes.SCT.Area, 12.0, codes.UCUM.SquareMillimeter, algorithm_id=net)
    groups = [
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            hd.sr.TrackingIdentifier(generate_uid(), f"mark {number}"),
            referenced_region=shape,
            finding_type=codes.SCT.Tumor,
            algorithm_id=net if algorithm else None,
            measurements=[area] if measured else None,
        )
        for number, shape in enumerate(shapes, 1)
    ]
    return hd.sr.Comprehensive3DSR(
        evidence=source.headers,
        content=hd.sr.MeasurementReport(
            hd.sr.ObservationContext(
                observer_person_context=None if observer == "device" else person,
                observer_device_context=None if observer == "person" else device,
            ),
            codes.LN.CTUnspecifiedBodyRegion,
            imaging_measurements=groups,
        ),
        series_instance_uid=generate_uid(), series_number=8, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="Somebody",
    )  # fmt: skip


def elsewhere(source: Source) -> Source:
    """Another series of the same patient at the same place."""
    headers = copy.deepcopy(source.headers)
    for number, header in enumerate(headers):
        header.SeriesInstanceUID, header.SOPInstanceUID = f"{ROOT}.77", f"{ROOT}.78.{number}"
    return Source(headers, source.shape, source.affine)
