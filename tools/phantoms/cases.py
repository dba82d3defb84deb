"""The pictures of phantom_2d and the volumes of phantom_3d as devices of every kind would store them.

The same bit for bit wherever they are made. Patients are invented, and look it. Every case keeps what its files mean:
the true pixels as `xal.imaging.images.read_image` has to give them, where they lie, the finding, and its outline.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom import uid as uids
from pydicom.dataset import Dataset, FileMetaDataset

from xal.arrays import AnyArray
from xal.datasets import phantom, phantom_2d, phantom_3d

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPACING = 0.5
"""Millimetres of a pixel in the projections and the ultrasound pictures."""


@dataclass(frozen=True)
class Case:
    """One series with what it means."""

    kind: str
    instances: tuple[Dataset, ...]
    """As they come from the device: in no order of place."""
    pixels: AnyArray
    """float32 (C, X, Y, Z): rescaled, high is bright, slices along the normal of their plane."""
    affine: AnyArray
    """Voxel → RAS millimetres; of a projection only the spacing means something."""
    finding: str
    roi: npt.NDArray[np.bool_]
    """(X, Y, Z): empty without a lesion."""

    @property
    def series(self) -> str:
        """The SeriesInstanceUID: the image's id in a pool."""
        return str(self.instances[0].SeriesInstanceUID)

    @property
    def study(self) -> str:
        """The StudyInstanceUID."""
        return str(self.instances[0].StudyInstanceUID)


def case(kind: str, number: int = 0) -> Case:
    """The phantom of one kind (a key of KINDS) with that number; finding and patient follow from the number."""
    return KINDS[kind](kind, number)


def content(instance: Dataset) -> bytes:
    """The DICOM file of an instance."""
    file = io.BytesIO()
    pydicom.dcmwrite(file, instance, write_like_original=False)
    return file.getvalue()


def write(written: Case, folder: Path) -> Path:
    """Write a case's files: a folder for a series, one file for a single instance; the path to read."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{written.kind}_{n:03d}.dcm" for n in range(len(written.instances))]
    for path, instance in zip(paths, written.instances, strict=True):
        path.write_bytes(content(instance))
    return paths[0] if len(paths) == 1 else folder


# What is drawn


@dataclass(frozen=True)
class _Picture:
    grey: npt.NDArray[np.uint8]
    """(rows, columns)"""
    roi: npt.NDArray[np.bool_]
    finding: str
    patient: int


@cache
def _rows(kind: phantom.PhantomKind) -> Sequence[phantom.Row]:
    return phantom.plan_rows(kind)


def _picture(number: int) -> _Picture:
    rows = _rows("2d")
    row = rows[number % len(rows)]
    grey, roi = phantom_2d.draw(phantom_2d.draw_body(row.patient), row.finding, row.marker, row.seed)
    return _Picture(grey, roi, row.finding, row.patient)


@dataclass(frozen=True)
class _Volume:
    values: npt.NDArray[np.int16]
    """(X, Y, Z), in Hounsfield units."""
    roi: npt.NDArray[np.bool_]
    affine: AnyArray
    finding: str
    patient: int

    def position(self, k: int) -> list[str]:
        """ImagePositionPatient of a slice."""
        return _decimals((_LPS @ self.affine @ [0, 0, k, 1])[:3])

    @property
    def orientation(self) -> list[str]:
        """ImageOrientationPatient: where columns, then rows, grow to."""
        axes = (_LPS @ self.affine)[:3, :2]
        return _decimals((axes / np.linalg.norm(axes, axis=0)).T.ravel())

    @property
    def spacing(self) -> list[float]:
        """Millimetres along i, j, k."""
        return [float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0)]


def _volume(number: int) -> _Volume:
    """A volume whose slices follow the normal of their plane, the order in which DICOM readers stack them."""
    rows = _rows("3d")
    row = rows[number % len(rows)]
    values, roi, affine = phantom_3d.draw(row.patient, row.finding, row.seed)
    if np.linalg.det((_LPS @ affine)[:3, :3]) < 0:
        last = values.shape[2] - 1
        affine = affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, last], [0, 0, 0, 1]])
        values, roi = values[:, :, ::-1], roi[:, :, ::-1]
    return _Volume(values, roi, affine, row.finding, row.patient)


# Headers


def _uid(*parts: object) -> str:
    """A UID that follows from what it names (PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(str(part) for part in ("xal phantom", *parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _decimals(values: Sequence[float] | AnyArray) -> list[str]:
    """Decimal strings, of at most 16 characters."""
    return [f"{value:.9f}"[:16] for value in np.asarray(values, dtype=float)]


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _item(**fields: object) -> Dataset:
    item = Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def _header(sop_class: str, modality: str, kind: str, number: int, patient: int, instance: int = 1) -> Dataset:
    """What every object says: an invented patient, the study, the series and the device."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = sop_class, _uid(kind, number, instance)
    header.StudyInstanceUID, header.SeriesInstanceUID = _uid(kind, number, "study"), _uid(kind, number, "series")
    header.PatientName, header.PatientID = f"Phantom^Invented {patient:03d}", f"XAL-PHANTOM-{patient:03d}"
    header.PatientBirthDate, header.PatientSex = f"1900{1 + patient % 12:02d}01", "O"
    day = f"2001{1 + number // 28 % 12:02d}{1 + number % 28:02d}"
    header.StudyDate = header.SeriesDate = header.ContentDate = header.AcquisitionDate = day
    header.StudyTime = header.SeriesTime = header.ContentTime = header.AcquisitionTime = "120000"
    header.StudyID, header.AccessionNumber, header.ReferringPhysicianName = str(number), "", ""
    header.StudyDescription = header.SeriesDescription = f"xal phantom {kind}"
    header.Modality, header.SeriesNumber, header.InstanceNumber = modality, 1, instance
    header.Manufacturer, header.ManufacturerModelName = "Nobody", "Phantom"
    header.DeviceSerialNumber, header.SoftwareVersions = "0", "1"
    header.ImageType, header.AcquisitionNumber = ["ORIGINAL", "PRIMARY"], 1
    header.BurnedInAnnotation, header.LossyImageCompression = "NO", "00"
    header.PatientOrientation = []
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = sop_class
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = uids.ExplicitVRLittleEndian
    header.is_little_endian, header.is_implicit_VR = True, False
    return header


def _put(header: Dataset, stored: AnyArray, bits: int, photometric: str) -> None:
    """Store pixels: (rows, columns), or (frames, rows, columns), or (rows, columns, 3)."""
    colour = photometric == "RGB"
    frames = stored.ndim == 3 and not colour
    header.Rows, header.Columns = stored.shape[1:] if frames else stored.shape[:2]
    if frames:
        header.NumberOfFrames = len(stored)
    header.SamplesPerPixel, header.PhotometricInterpretation = 3 if colour else 1, photometric
    if colour:
        header.PlanarConfiguration = 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 8 * stored.dtype.itemsize, bits, bits - 1
    header.PixelRepresentation = int(stored.dtype.kind == "i")
    header.PixelData = np.ascontiguousarray(stored).tobytes()
    header["PixelData"].VR = "OB" if stored.dtype.itemsize == 1 else "OW"


def _frame_of_reference(header: Dataset, kind: str, number: int) -> None:
    header.FrameOfReferenceUID, header.PositionReferenceIndicator = _uid(kind, number, "frame of reference"), ""


def _flat(grey: AnyArray) -> AnyArray:
    """(rows, columns[, channels]) as (C, X, Y, 1)."""
    layers = grey[..., np.newaxis] if grey.ndim == 2 else grey
    return np.ascontiguousarray(layers.transpose(2, 1, 0)[..., np.newaxis], dtype=np.float32)


def _projection(kind: str, instance: Dataset, picture: _Picture, values: AnyArray, spacing: float = _SPACING) -> Case:
    affine = _LPS @ np.diag([spacing, spacing, 1.0, 1.0])
    return Case(kind, (instance,), _flat(values), affine, picture.finding, picture.roi.T[:, :, np.newaxis])


# One function for each kind


def _ct(kind: str, number: int) -> Case:
    """Signed, half a Hounsfield unit a step, with a window."""
    volume = _volume(number)
    instances = []
    for k in range(volume.values.shape[2]):
        header = _header(uids.CTImageStorage, "CT", kind, number, volume.patient, k + 1)
        _frame_of_reference(header, kind, number)
        header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        header.KVP, header.PatientPosition, header.BodyPartExamined = "120", "HFS", "ABDOMEN"
        _place(header, volume, k)
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = "0.5", "-24", "HU"
        header.WindowCenter, header.WindowWidth = "40", "400"
        _put(header, ((volume.values[:, :, k].T + 24) * 2).astype(np.int16), 16, "MONOCHROME2")
        instances.append(header)
    return _stack(kind, instances, volume, volume.values)


def _mr(kind: str, number: int) -> Case:
    """Unsigned, 12 of 16 bits, no rescaling."""
    volume = _volume(number)
    instances = []
    for k in range(volume.values.shape[2]):
        header = _header(uids.MRImageStorage, "MR", kind, number, volume.patient, k + 1)
        _frame_of_reference(header, kind, number)
        header.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        header.ScanningSequence, header.SequenceVariant, header.ScanOptions = "SE", "NONE", ""
        header.MRAcquisitionType, header.EchoTime, header.RepetitionTime = "2D", "10", "500"
        header.EchoTrainLength, header.PatientPosition, header.BodyPartExamined = 1, "HFS", "ABDOMEN"
        _place(header, volume, k)
        _put(header, (volume.values[:, :, k].T + 1024).astype(np.uint16), 12, "MONOCHROME2")
        instances.append(header)
    return _stack(kind, instances, volume, volume.values.astype(np.float32) + 1024)


def _place(header: Dataset, volume: _Volume, k: int) -> None:
    along_i, along_j, along_k = volume.spacing
    header.ImagePositionPatient, header.ImageOrientationPatient = volume.position(k), volume.orientation
    header.PixelSpacing = _decimals([along_j, along_i])
    header.SliceThickness = header.SpacingBetweenSlices = f"{along_k:.6f}"
    if header.SOPClassUID == uids.CTImageStorage:
        del header.SpacingBetweenSlices


def _stack(kind: str, instances: list[Dataset], volume: _Volume, values: AnyArray) -> Case:
    shuffled = np.random.default_rng(len(instances)).permutation(len(instances))
    pixels = np.ascontiguousarray(values[np.newaxis], dtype=np.float32)
    stacked = tuple(instances[n] for n in shuffled)
    return Case(kind, stacked, pixels, volume.affine, volume.finding, np.ascontiguousarray(volume.roi))


def _cr(kind: str, number: int) -> Case:
    """A plate reader's film: 12 bits, low is black."""
    picture = _picture(number)
    header = _cr_header(kind, number, picture)
    values = picture.grey.astype(np.uint16) * 16
    _put(header, values, 12, "MONOCHROME2")
    return _projection(kind, header, picture, values)


def _cr_signed(kind: str, number: int) -> Case:
    """Signed, 12 of 16 bits, low is white."""
    picture = _picture(number)
    header = _cr_header(kind, number, picture)
    values = picture.grey.astype(np.int16) * 16
    header.RescaleSlope, header.RescaleIntercept, header.RescaleType = "1", "2048", "US"
    header.WindowCenter, header.WindowWidth = "2047", "4096"
    _put(header, (2047 - values).astype(np.int16), 12, "MONOCHROME1")
    return _projection(kind, header, picture, values)


def _cr_header(kind: str, number: int, picture: _Picture) -> Dataset:
    header = _header(uids.ComputedRadiographyImageStorage, "CR", kind, number, picture.patient)
    header.BodyPartExamined, header.ViewPosition = "CHEST", "PA"
    header.ImagerPixelSpacing = [_SPACING, _SPACING]
    return header


def _dx(kind: str, number: int) -> Case:
    """A detector's picture for presentation: low is white."""
    picture = _picture(number)
    header = _dx_header(uids.DigitalXRayImageStorageForPresentation, "DX", kind, number, picture)
    header.PresentationLUTShape = "INVERSE"
    header.PositionerType, header.ViewPosition = "NONE", "PA"
    header.AnatomicRegionSequence = [_code("43799004", "SCT", "Thoracic cavity structure")]
    header.ImageLaterality, header.BodyPartExamined = "U", "CHEST"
    header.ViewCodeSequence = [_code("272479007", "SCT", "Postero-anterior")]
    values = picture.grey.astype(np.uint16) * 16
    _put(header, (4095 - values).astype(np.uint16), 12, "MONOCHROME1")
    return _projection(kind, header, picture, values)


def _mg(kind: str, number: int) -> Case:
    """A mammogram: 12 of 16 bits, side and view."""
    picture = _picture(number)
    header = _dx_header(uids.DigitalMammographyXRayImageStorageForPresentation, "MG", kind, number, picture)
    header.PresentationLUTShape, header.PositionerType = "IDENTITY", "MAMMOGRAPHIC"
    header.ImageLaterality, header.BodyPartExamined = ("L", "R")[number % 2], "BREAST"
    header.OrganExposed, header.BreastImplantPresent, header.PartialView = "BREAST", "NO", "NO"
    header.AnatomicRegionSequence = [_code("76752008", "SCT", "Breast")]
    view = _code("399162004", "SCT", "cranio-caudal")
    view.ViewModifierCodeSequence = []
    header.ViewCodeSequence = [view]
    values = picture.grey.astype(np.uint16) * 16
    _put(header, values, 12, "MONOCHROME2")
    return _projection(kind, header, picture, values)


def _dx_header(sop_class: str, modality: str, kind: str, number: int, picture: _Picture) -> Dataset:
    header = _header(sop_class, modality, kind, number, picture.patient)
    header.PresentationIntentType = "FOR PRESENTATION"
    header.ImagerPixelSpacing = [_SPACING, _SPACING]
    header.PixelIntensityRelationship, header.PixelIntensityRelationshipSign = "LOG", -1
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = "0", "1", "US"
    header.WindowCenter, header.WindowWidth = "2048", "4096"
    header.AcquisitionContextSequence, header.DetectorType = [], "DIRECT"
    header.PatientOrientation = ["L", "F"]
    return header


def _us(kind: str, number: int) -> Case:
    """Grey, stored in colour, as most ultrasound machines do."""
    picture = _picture(number)
    header = _us_header(uids.UltrasoundImageStorage, kind, number, picture)
    values = np.repeat(picture.grey[..., np.newaxis], 3, axis=2)
    _put(header, values, 8, "RGB")
    return _projection(kind, header, picture, values)


def _us_doppler(kind: str, number: int) -> Case:
    """With flow in red and blue over the middle."""
    picture = _picture(number)
    header = _us_header(uids.UltrasoundImageStorage, kind, number, picture)
    values = np.repeat(picture.grey[..., np.newaxis], 3, axis=2)
    values[40:48, 30:60], values[50:58, 30:60] = (200, 30, 20), (20, 40, 210)
    _put(header, values, 8, "RGB")
    return _projection(kind, header, picture, values)


def _us_cine(kind: str, number: int) -> Case:
    """Frames in time: the probe moves by a pixel between two."""
    picture = _picture(number)
    header = _us_header(uids.UltrasoundMultiFrameImageStorage, kind, number, picture)
    moved = range(12)
    frames = np.stack([np.roll(picture.grey, step, axis=1) for step in moved])
    header.FrameTime, header.FrameIncrementPointer = "40", pydicom.tag.Tag("FrameTime")
    _put(header, frames, 8, "MONOCHROME2")
    flat = _projection(kind, header, picture, picture.grey)
    roi = np.stack([np.roll(picture.roi, step, axis=1).T for step in moved], axis=2)
    pixels = np.ascontiguousarray(frames.transpose(2, 1, 0)[np.newaxis], dtype=np.float32)
    return replace(flat, pixels=pixels, roi=roi)


def _us_header(sop_class: str, kind: str, number: int, picture: _Picture) -> Dataset:
    header = _header(sop_class, "US", kind, number, picture.patient)
    header.ImageType, header.Laterality = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"], "R"
    region = _item(
        RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0, RegionLocationMinX0=0, RegionLocationMinY0=0,
        RegionLocationMaxX1=phantom_2d.SIZE - 1, RegionLocationMaxY1=phantom_2d.SIZE - 1,
        PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3,
        PhysicalDeltaX=_SPACING / 10, PhysicalDeltaY=_SPACING / 10,
    )  # fmt: skip
    header.SequenceOfUltrasoundRegions = [region]
    return header


def _mr_enhanced(kind: str, number: int) -> Case:
    """One multi-frame instance: its frames in no order of place, each with its own slope and intercept."""
    volume = _volume(number)
    count = volume.values.shape[2]
    header = _header(uids.EnhancedMRImageStorage, "MR", kind, number, volume.patient)
    _frame_of_reference(header, kind, number)
    header.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    header.PixelPresentation, header.VolumetricProperties = "MONOCHROME", "VOLUME"
    header.VolumeBasedCalculationTechnique, header.ComplexImageComponent = "NONE", "MAGNITUDE"
    header.AcquisitionContrast, header.ContentQualification = "UNKNOWN", "RESEARCH"
    header.PresentationLUTShape, header.AcquisitionContextSequence = "IDENTITY", []
    header.AcquisitionDateTime, header.AcquisitionDuration = header.StudyDate + "120000", 1.0
    header.ResonantNucleus, header.MagneticFieldStrength, header.KSpaceFiltering = "1H", 1.5, "NONE"
    header.ApplicableSafetyStandardAgency = "IEC"
    header.PatientPosition = "HFS"
    for keyword in ("AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "PatientOrientation"):
        delattr(header, keyword)
    dimension = _item(
        DimensionOrganizationUID=_uid(kind, number, "dimensions"),
        DimensionIndexPointer=pydicom.tag.Tag("InStackPositionNumber"),
        FunctionalGroupPointer=pydicom.tag.Tag("FrameContentSequence"),
    )
    header.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=dimension.DimensionOrganizationUID)]
    header.DimensionIndexSequence = [dimension]
    along_i, along_j, along_k = volume.spacing
    measures = _item(
        PixelSpacing=_decimals([along_j, along_i]),
        SliceThickness=f"{along_k:.6f}",
        SpacingBetweenSlices=f"{along_k:.6f}",
    )
    frame_type = _item(
        FrameType=header.ImageType, PixelPresentation="MONOCHROME", VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE", ComplexImageComponent="MAGNITUDE", AcquisitionContrast="UNKNOWN",
    )  # fmt: skip
    anatomy = _item(AnatomicRegionSequence=[_code("818983003", "SCT", "Abdomen")], FrameLaterality="U")
    shared = _item(
        PixelMeasuresSequence=[measures],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=volume.orientation)],
        MRImageFrameTypeSequence=[frame_type],
        FrameAnatomySequence=[anatomy],
        FrameVOILUTSequence=[_item(WindowCenter="1024", WindowWidth="2048")],
    )
    header.SharedFunctionalGroupsSequence = [shared]
    frames, groups = [], []
    for k in np.random.default_rng(count).permutation(count).tolist():
        slope = 1 + k % 3
        frames.append(((volume.values[:, :, k].T + 1024) // slope).astype(np.uint16))
        content_ = _item(
            FrameAcquisitionNumber=1, DimensionIndexValues=[k + 1], StackID="1", InStackPositionNumber=k + 1,
            FrameReferenceDateTime=header.AcquisitionDateTime, FrameAcquisitionDateTime=header.AcquisitionDateTime,
            FrameAcquisitionDuration=1.0,
        )  # fmt: skip
        rescale = _item(RescaleSlope=str(slope), RescaleIntercept=str(-k), RescaleType="US")
        groups.append(
            _item(
                FrameContentSequence=[content_],
                PlanePositionSequence=[_item(ImagePositionPatient=volume.position(k))],
                PixelValueTransformationSequence=[rescale],
            )
        )
    header.PerFrameFunctionalGroupsSequence = groups
    _put(header, np.stack(frames), 12, "MONOCHROME2")
    ks = np.arange(count)
    values = (volume.values.astype(np.int32) + 1024) // (1 + ks % 3) * (1 + ks % 3) - ks
    return _stack(kind, [header], volume, values)


KINDS: Mapping[str, Callable[[str, int], Case]] = {
    "ct": _ct,
    "mr": _mr,
    "cr": _cr,
    "cr_signed": _cr_signed,
    "dx": _dx,
    "mg": _mg,
    "us": _us,
    "us_doppler": _us_doppler,
    "us_cine": _us_cine,
    "mr_enhanced": _mr_enhanced,
}
"""What `case` can make."""
