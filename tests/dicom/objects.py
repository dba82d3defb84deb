"""Source images as a PACS holds them, small and of every kind, and the check that all that is written must pass."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian

import phantoms

PATIENT = "Planted^Patricia"
BIRTH = "19610203"
COLUMNS, ROWS = 12, 10
ROOT = "1.2.826.0.1.3680043.10.1541.5"

CT, MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
CR, US, US_CINE = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
DX, MG = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.2"
CLASSES = {"CR": CR, "DX": DX, "MG": MG}

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
_C, _S = np.cos(0.4), np.sin(0.4)
OBLIQUE = tuple(np.round([_C, _S, 0, -_S * _C, _C * _C, -_S], 6))


@dataclass(frozen=True)
class Source:
    """A series and the volume that a reader decodes it to."""

    headers: list[Dataset]
    shape: tuple[int, int, int]
    affine: np.ndarray
    """Voxel → RAS mm."""


def instance(modality: str, sop_class: str, number: int = 1) -> FileDataset:
    """What every image has: patient, study, series, and a pixel value that tells column, row and instance."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.3.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.is_little_endian, made.is_implicit_VR = True, False
    made.SOPClassUID, made.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.2"
    made.PatientName, made.PatientID = PATIENT, "PLANTED-7"
    made.PatientBirthDate, made.PatientSex = BIRTH, "F"
    made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = "20240501", "101112", "S1", "A-77"
    made.ReferringPhysicianName, made.StudyDescription = "Planted^Doctor", "Planted study"
    made.Modality, made.SeriesNumber, made.InstanceNumber = modality, 4, number
    made.Manufacturer, made.ManufacturerModelName = "Scanner works", "Scan 3"
    made.SeriesDescription = "Source series"
    made.Rows, made.Columns = ROWS, COLUMNS
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = _pixels(number).tobytes()
    return made


def stack(
    modality: str = "CT",
    orientation: Sequence[float] = AXIAL,
    count: int = 5,
    step: float = 2.5,
    last_first: bool = False,
) -> Source:
    """Single-frame slices, each saying where it lies; the volume's k runs along the normal, as ITK sorts them."""
    spacing = (0.8, 0.6)
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(across, down)
    origin = np.array([-20.5, 31.25, 12.0])
    headers = []
    for k in range(count):
        header = instance(modality, {"CT": CT, "MR": MR}[modality], number=count - k if last_first else k + 1)
        header.ImagePositionPatient = [f"{x:.6f}" for x in origin + k * step * normal]
        header.ImageOrientationPatient = [f"{x:.6f}" for x in orientation]
        header.PixelSpacing, header.SliceThickness = list(spacing), step
        header.FrameOfReferenceUID, header.PositionReferenceIndicator = f"{ROOT}.9", ""
        headers.append(header)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = across * spacing[1], down * spacing[0], normal * step
    lps[:3, 3] = origin
    if last_first:
        headers.reverse()
    return Source(headers, (COLUMNS, ROWS, count), np.diag([-1, -1, 1, 1]) @ lps)


def enhanced(count: int = 5, last_first: bool = False, orientation: Sequence[float] = OBLIQUE) -> Source:
    """One enhanced MR instance with a position per frame; frames may be stored against the normal."""
    single = stack("MR", orientation, count)
    made = instance("MR", ENHANCED_MR)
    made.NumberOfFrames = count
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = f"{ROOT}.9", ""
    orientation_item, measures, shared = Dataset(), Dataset(), Dataset()
    orientation_item.ImageOrientationPatient = single.headers[0].ImageOrientationPatient
    measures.PixelSpacing = single.headers[0].PixelSpacing
    measures.SliceThickness = measures.SpacingBetweenSlices = single.headers[0].SliceThickness
    shared.PlaneOrientationSequence = Items([orientation_item])
    shared.PixelMeasuresSequence = Items([measures])
    made.SharedFunctionalGroupsSequence = Items([shared])
    groups = []
    order = reversed(range(count)) if last_first else range(count)
    for k in order:
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = single.headers[k].ImagePositionPatient
        group.PlanePositionSequence = Items([position])
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = Items(groups)
    made.PixelData = b"".join(_pixels(n + 1).tobytes() for n in range(count))
    return Source([made], single.shape, single.affine)


def projection(modality: str = "DX") -> Source:
    """An X-ray: one plane, which does not say where it lies."""
    made = instance(modality, CLASSES[modality])
    made.ImagerPixelSpacing = [0.2, 0.2]
    made.PatientOrientation = ["L", "F"]
    if modality == "MG":
        made.ImageLaterality, made.ViewPosition, made.BodyPartExamined = "L", "CC", "BREAST"
    else:
        made.Laterality = ""
    return Source([made], (COLUMNS, ROWS, 1), np.diag([-0.2, -0.2, 1.0, 1.0]))


def ultrasound(frames: int = 1) -> Source:
    """A still, or a cine loop, in frames without positions."""
    made = instance("US", US_CINE if frames > 1 else US)
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    if frames > 1:
        made.NumberOfFrames, made.FrameTime, made.FrameIncrementPointer = frames, 40, 0x00181063
    made.PixelData = b"".join(_pixels(n + 1).astype(np.uint8).tobytes() for n in range(frames))
    return Source([made], (COLUMNS, ROWS, frames), np.diag([-1.0, -1.0, 1.0, 1.0]))


KINDS = {
    "CT": lambda: stack("CT"),
    "CT, last slice first": lambda: stack("CT", last_first=True),
    "coronal CT": lambda: stack("CT", CORONAL),
    "CT, one slice": lambda: stack("CT", count=1),
    "oblique MR": lambda: stack("MR", OBLIQUE),
    "enhanced MR": enhanced,
    "enhanced MR, last frame first": lambda: enhanced(last_first=True),
    "CR": lambda: projection("CR"),
    "DX": lambda: projection("DX"),
    "MG": lambda: projection("MG"),
    "US": ultrasound,
    "US cine": lambda: ultrasound(4),
}
"""Every kind of source that anything written must work for."""


def _pixels(number: int) -> np.ndarray:
    """Different in every voxel: 20 · instance or frame + column + row / 2, about."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    return (20 * number + columns + rows // 2).astype(np.uint16)


def written(dataset: Dataset) -> bytes:
    """The DICOM file of a dataset."""
    return phantoms.content(dataset)


def reread(dataset: Dataset) -> Dataset:
    """The dataset as a reader of its file has it."""
    return pydicom.dcmread(BytesIO(written(dataset)))


def save(dataset: Dataset, path: Path) -> Path:
    """The dataset as a DICOM file."""
    dataset.save_as(path, write_like_original=False)
    return path


def faults(dataset: Dataset, folder: Path) -> list[str]:
    """What dciodvfy calls an error in it."""
    path = save(dataset, folder / f"{dataset.SOPInstanceUID}.dcm")
    ran = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    said = (ran.stdout + ran.stderr).splitlines()
    assert any(re.fullmatch(r"\w+", line) for line in said), f"dciodvfy did not recognise it: {said}"
    return [line for line in said if line.startswith("Error")]
