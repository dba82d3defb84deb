"""Small sources in exactly the official layouts of the public sets, and the import of one through the command line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import nibabel
import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, generate_uid

from phantoms.syntaxes import encoded
from xal.cli import main
from xal.datasets.vindr_cxr import CLASSES

BRATS_AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
"""As in the official files."""
BRATS_SHAPE = (40, 44, 24)


def run_import(name: str, source: Path, studies: Path, *options: str) -> int:
    """`xal import …`; its exit status."""
    return main(["import", name, str(source), str(studies), *options])


def table(file: Path, rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as text:
        csv.writer(text).writerows(rows)
    return file


def rows_of(file: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def skipped(studies: Path) -> dict[str, str]:
    """Name → reason of what an import left out."""
    return {row["name"]: row["reason"] for row in rows_of(studies / ".truth/skipped.csv") if row["imported"] == "no"}


def noted(studies: Path) -> dict[str, str]:
    """Name → reason of what it imported all the same."""
    return {row["name"]: row["reason"] for row in rows_of(studies / ".truth/skipped.csv") if row["imported"] == "yes"}


# folder


def write_folder(source: Path, count: int, labels: Sequence[str] = ("benign", "malignant", "normal")) -> Path:
    """Pictures of 24 × 20 with a mask each, but those of "normal"; two pictures to a group."""
    rows: list[Sequence[object]] = [("image", "mask", "label", "group")]
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (source / folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        label, name = labels[number % len(labels)], f"case_{number:03d}.png"
        Image.fromarray(rng.integers(0, 255, (20, 24), np.uint8)).save(source / "images" / name)
        mask = ""
        if label != "normal":
            mask = f"masks/{name}"
            drawn = np.zeros((20, 24), bool)
            drawn[3 : 8 + number % 5, 4:15] = True
            Image.fromarray(drawn).save(source / mask)
        rows.append((f"images/{name}", mask, label, f"patient {number // 2}"))
    table(source / "labels.csv", rows)
    return source


# BraTS


def write_brats_case(
    folder: Path, regions: Mapping[int, int], endings: Sequence[str], joint: str = "_", suffix: str = ".nii.gz"
) -> Path:
    """Four scans and a segmentation; `regions` says how many slices, from the 6th on, have which value on 64 voxels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name))
    labels = np.zeros(BRATS_SHAPE, np.uint8)
    for number, (value, slices) in enumerate(regions.items()):
        labels[8 : 16 + number, 10 + 10 * number : 18 + 10 * number, 6 : 6 + slices] = value
    for number, ending in enumerate(endings):
        values = rng.integers(1, 900, BRATS_SHAPE).astype(np.int16) + np.int16(1000 * number)
        _save(folder / f"{folder.name}{joint}{ending}{suffix}", values)
    _save(folder / f"{folder.name}{joint}seg{suffix}", labels)
    return folder


def _save(file: Path, values: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(values, BRATS_AFFINE), file)


OLD = ("t1", "t1ce", "t2", "flair")
NEW = ("t1n", "t1c", "t2w", "t2f")


def write_brats_2020(source: Path, grades: Mapping[int, str]) -> Path:
    """Case number → grade, in `name_mapping.csv`."""
    for number in grades:
        write_brats_case(source / f"BraTS20_Training_{number:03d}", {1: 2, 2: 8, 4: 4}, OLD)
    header = (
        "Grade", "BraTS_2017_subject_ID", "BraTS_2018_subject_ID", "TCGA_TCIA_subject_ID", "BraTS_2019_subject_ID",
        "BraTS_2020_subject_ID",
    )  # fmt: skip
    lines = [(grade, "NA", "NA", "NA", "NA", f"BraTS20_Training_{number:03d}") for number, grade in grades.items()]
    table(source / "name_mapping.csv", [header, *lines])
    return source


# chest X-rays


STORED = (JPEG2000Lossless, JPEGLosslessSV1, ExplicitVRLittleEndian)
"""How X-rays of public sets are packed: one after the other of these."""


def write_xray(
    file: Path,
    seed: int = 0,
    size: tuple[int, int] = (60, 50),
    pixels: np.ndarray | None = None,
    syntax: str = ExplicitVRLittleEndian,
    **fields: object,
) -> Path:
    """A 12-bit X-ray in 16 bits, as detectors store them: noise of `size` (columns, rows) if no pixels are given."""
    if pixels is None:
        pixels = np.random.default_rng(seed).integers(0, 4096, size[::-1]).astype(np.uint16)
    file.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    data.is_little_endian, data.is_implicit_VR = True, False
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID, data.Modality = "1.2.3", f"1.2.3.{seed}", "DX"
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.WindowCenter, data.WindowWidth = 2048, 3000
    for name, value in fields.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    stored = data if syntax == ExplicitVRLittleEndian else encoded(data, syntax)
    stored.save_as(file, write_like_original=False)
    return file


VINDR_LABELS = (
    *sorted(set(CLASSES) - {"Other lesion"}), "Other lesion", "COPD", "Lung tumor", "Pneumonia", "Tuberculosis",
    "Other diseases", "No finding",
)  # fmt: skip
"""The 28 columns of PhysioNet's image labels: 1, and 0 or nothing."""
KAGGLE_CLASSES = (
    "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "ILD", "Infiltration",
    "Lung Opacity", "Nodule/Mass", "Other lesion", "Pleural effusion", "Pleural thickening", "Pneumothorax",
    "Pulmonary fibrosis", "No finding",
)  # fmt: skip
"""Kaggle's, by their number."""
VindrRow = tuple[str, str, str, tuple[float, float, float, float] | None]
"""Image, reader, class, corners."""


def write_vindr_physionet(source: Path, rows: Sequence[VindrRow], images: Sequence[str]) -> Path:
    """`train/*.dicom`, `annotations/annotations_train.csv` and `image_labels_train.csv` with all its labels."""
    assert len(VINDR_LABELS) == 28
    for number, image in enumerate(images):
        write_xray(source / "train" / f"{image}.dicom", number, syntax=STORED[number % len(STORED)])
    header = ("image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    lines = [(image, reader, name, *(corners or [""] * 4)) for image, reader, name, corners in rows]
    table(source / "annotations" / "annotations_train.csv", [header, *lines])
    said = {(image, reader, name) for image, reader, name, _ in rows}
    labels = [
        (image, reader, *(1 if (image, reader, name) in said else _unsaid(reader) for name in VINDR_LABELS))
        for image, reader in sorted({(image, reader) for image, reader, _, _ in rows})
    ]
    table(source / "annotations" / "image_labels_train.csv", [("image_id", "rad_id", *VINDR_LABELS), *labels])
    return source


def _unsaid(reader: str) -> int | str:
    """What stands where a reader found nothing: 0, and on some lines nothing."""
    return "" if reader.endswith("3") else 0


def write_vindr_kaggle(source: Path, rows: Sequence[VindrRow], images: Sequence[str]) -> Path:
    """`train/*.dicom` and `train.csv`."""
    for number, image in enumerate(images):
        write_xray(source / "train" / f"{image}.dicom", number, syntax=STORED[number % len(STORED)])
    header = ("image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max")
    numbers = {name: number for number, name in enumerate(KAGGLE_CLASSES)}
    lines = [
        (image, name, numbers.get(name, ""), reader, *(corners or [""] * 4)) for image, reader, name, corners in rows
    ]
    table(source / "train.csv", [header, *lines])
    return source


SIIM_CLASSES = (
    "Negative for Pneumonia",
    "Typical Appearance",
    "Indeterminate Appearance",
    "Atypical Appearance",
)
SiimImage = tuple[str, str, Sequence[tuple[float, float, float, float]]]
"""Image, study, boxes of x, y, width and height."""


def write_siim(source: Path, images: Sequence[SiimImage], classes: Mapping[str, str], **fields: object) -> Path:
    """`train/STUDY/SERIES/IMAGE.dcm` and both lists."""
    lines: list[Sequence[object]] = [("id", "boxes", "label", "StudyInstanceUID")]
    for number, (image, study, boxes) in enumerate(images):
        write_xray(
            source / "train" / study / f"series{number}" / f"{image}.dcm",
            number,
            syntax=STORED[number % len(STORED)],
            **fields,
        )
        listed = [dict(zip(("x", "y", "width", "height"), box, strict=True)) for box in boxes]
        label = " ".join(f"opacity 1 {x} {y} {x + w} {y + h}" for x, y, w, h in boxes) or "none 1 0 0 1 1"
        lines.append((f"{image}_image", str(listed) if listed else "", label, study))
    table(source / "train_image_level.csv", lines)
    studies = [(f"{study}_study", *(int(name == given) for name in SIIM_CLASSES)) for study, given in classes.items()]
    table(source / "train_study_level.csv", [("id", *SIIM_CLASSES), *studies])
    return source


# breast ultrasound

BUSI_FOLDER = "Dataset_BUSI_with_GT"
BUSI_SIZE = (48, 40)
"""Columns, rows; the published ones are ten times as large."""
LESION = (8, 6, 14, 9)
"""Column, row, width and height."""


def busi_picture(seed: int) -> np.ndarray:
    """Noise, (rows, columns)."""
    return np.random.default_rng(seed).integers(0, 256, BUSI_SIZE[::-1]).astype(np.uint8)


def write_busi_picture(file: Path, pixels: np.ndarray, mode: str = "RGB") -> Path:
    """A grey picture as the set stores them: in colour, some of them with an opacity."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(file)
    return file


def write_busi_mask(picture: Path, *lesions: tuple[int, int, int, int], mode: str = "1", number: int = 0) -> Path:
    """The mask of a picture, white where lesions are; further ones have a number."""
    drawn = np.zeros(BUSI_SIZE[::-1], np.uint8)
    for column, row, width, height in lesions:
        drawn[row : row + height, column : column + width] = 255
    file = picture.with_name(f"{picture.stem}_mask{f'_{number}' if number else ''}.png")
    Image.fromarray(drawn).convert(mode).save(file)
    return file


def write_busi(source: Path, counts: Mapping[str, int]) -> Path:
    """So many pictures of each finding, all of them different, the second one of a finding with a second mask."""
    seed = 0
    for finding, count in counts.items():
        for number in range(1, count + 1):
            seed += 1
            file = source / BUSI_FOLDER / finding / f"{finding} ({number}).png"
            write_busi_picture(file, busi_picture(seed), ("RGB", "RGBA")[number % 2])
            lesions = [] if finding == "normal" else [LESION]
            write_busi_mask(file, *lesions, mode=("1", "L", "RGB", "RGBA")[number % 4])
            if lesions and number == 2:
                write_busi_mask(file, (30, 20, 5, 7), number=1)
    return source


# brain tumours

MATLAB_HEAD = b"MATLAB 7.3 MAT-file, Platform: PCWIN64, Created on: Mon Jan  5 10:00:00 2015 HDF5 schema 1.00 ."
MATLAB_BLOCK = 512
"""Bytes before the HDF5 in a MATLAB 7.3 file."""


def write_tumour(
    file: Path, label: float, patient: str, image: np.ndarray, mask: np.ndarray, leave_out: str = "", **fields: object
) -> Path:
    """One slice as MATLAB saves it: pictures are (rows, columns) as it counts them; `fields` are stored as they are."""
    file.parent.mkdir(parents=True, exist_ok=True)
    border = np.array([[20.5, 10.25, 31.0, 12.5]])  # points on the border: y, x, y, x …
    record = {
        "PID": np.frombuffer(patient.encode("utf-16-le"), np.uint16)[np.newaxis],
        "image": image.astype(np.int16),
        "label": np.array([[float(label)]]),
        "tumorBorder": border,
        "tumorMask": mask.astype(np.uint8),
    }
    stored = {name: values.T for name, values in record.items()} | fields  # MATLAB counts the first axis fastest
    classes = {"PID": b"char", "image": b"int16", "label": b"double", "tumorBorder": b"double", "tumorMask": b"logical"}
    with h5py.File(file, "w", userblock_size=MATLAB_BLOCK) as content:
        group = content.create_group("cjdata")
        group.attrs["MATLAB_class"] = np.bytes_(b"struct")
        for name, values in stored.items():
            if name != leave_out:
                packed = {"compression": "gzip", "chunks": True} if np.size(values) > MATLAB_BLOCK else {}
                group.create_dataset(name, data=values, **packed).attrs["MATLAB_class"] = np.bytes_(classes[name])
    with file.open("r+b") as content:
        content.write(MATLAB_HEAD.ljust(124) + b"\x00\x02IM")
    return file


def tumour_picture(seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    """Noise with a bright upper left corner, (rows, columns)."""
    values = np.random.default_rng(seed).integers(0, 900, size).astype(np.int16)
    values[:8, :12] += 2000
    return values


def tumour_mask(size: tuple[int, int] = (40, 48)) -> np.ndarray:
    """A tumour on rows 20 to 29 and columns 5 to 19."""
    mask = np.zeros(size, np.uint8)
    mask[20:30, 5:20] = 1
    return mask


def write_brain_tumours(source: Path, labels: Sequence[int], per_patient: int = 2) -> Path:
    """A slice for each label, in the folders that the published archives unpack to; `cvind.mat` beside them."""
    for number, label in enumerate(labels, start=1):
        folder = "brainTumorDataPublic_1-766" if number % 2 else "brainTumorDataPublic_767-1532"
        patient = f"MR{(number - 1) // per_patient:05d}A"
        write_tumour(source / folder / f"{number}.mat", label, patient, tumour_picture(number), tumour_mask())
    with h5py.File(source / "cvind.mat", "w", userblock_size=MATLAB_BLOCK) as content:
        content["cvind"] = np.ones((1, len(labels)))
    return source
