"""Images and label maps: read as ITK reads them, and written.

What 3D Slicer shows is what ITK reads, so ITK's geometry is the truth. It is turned once, here, from ITK's LPS and
numpy's z, y, x into RAS affines and (channel, i, j, k) arrays.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import nrrd
import numpy as np
import numpy.typing as npt
import SimpleITK
from pydicom.dataset import Dataset

from xal.arrays import AnyArray, FloatArray
from xal.imaging import dicom_files
from xal.imaging import dicom_nesting as nesting
from xal.imaging.colours import is_grey
from xal.imaging.integrity import Kind, check_complete, oversized, sniff, unreadable
from xal.imaging.nifti import FAST, compact, nifti
from xal.system.durable import write_atomically
from xal.system.limits import in_force
from xal.system.turns import decoding
from xal.task import Task

LabelArray = npt.NDArray[np.uint8]
Window = tuple[float, float]
"""The values shown black and white."""

IMAGE_SUFFIXES: tuple[str, ...] = (
    ".nii.gz", ".nii", ".nrrd", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm",
)  # fmt: skip
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SLICE_TOLERANCE = 0.1
"""How far a DICOM slice may lie from its place on the regular grid, in slice distances."""


@dataclass(frozen=True)
class Volume:
    """A decoded image: pixels float32 (C, X, Y, Z), affine voxel → RAS millimetres."""

    pixels: FloatArray
    affine: FloatArray
    window: Window | None = None
    """The values that its file wants shown black and white; None where it names none."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j and k."""
        _, x, y, z = self.pixels.shape
        return x, y, z

    @property
    def voxel_volume(self) -> float:
        """Cubic millimetres of one voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its voxels are read."""

    kind: Kind
    shape: tuple[int, int, int]
    layers: int
    affine: FloatArray
    fields: Mapping[str, str]
    itemsize: int = 1
    """Bytes of one value."""
    is_label: bool = False
    """Whether its layers are segments that overlap, and are kept in the file's own type."""
    told: Dataset | None = field(default=None, repr=False, compare=False)
    """Of a DICOM file that ITK does not read right, what pydicom found in it."""

    @property
    def values(self) -> int:
        """How many, of all voxels and layers."""
        return math.prod(self.shape) * self.layers

    @property
    def share(self) -> int:
        """Of the memory for decoding, in values of an image, which become four bytes each."""
        return -(-self.values * self.itemsize // 4) if self.is_label else self.values


def suffix_of(name: str) -> str | None:
    """The image suffix that a file name ends with, in lower case; None if it has none (a .seg.nrrd is a label)."""
    lower = name.lower()
    if lower.endswith(".seg.nrrd"):
        return None
    return next((suffix for suffix in IMAGE_SUFFIXES if lower.endswith(suffix)), None)


def image_id(name: str) -> str | None:
    """The id of an image file: its name without the suffix; None if it is not the name of an image."""
    suffix = suffix_of(name)
    if suffix is None or Path(name).name != name or name.startswith(".") or "\\" in name:
        return None
    return name[: -len(suffix)] or None


def read_image(path: Path) -> Volume:
    """Decode an image file or a folder that holds one DICOM series; Unreadable names the file and the reason.

    ITK applies rescale slope and intercept, and turns MONOCHROME1 so that high is bright.
    """
    if path.is_dir():
        pixels, affine, window = _read_series(path)
    else:
        pixels, affine, window = _read_file(path)
    if np.iscomplexobj(pixels):
        raise unreadable(path, "holds complex numbers")
    pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    if pixels.size == 0 or not np.isfinite(pixels).all():
        raise unreadable(path, "has no voxels" if pixels.size == 0 else "holds NaN or infinite values")
    return Volume(pixels, affine, window)


def read_label(path: Path) -> tuple[LabelArray, FloatArray]:
    """A label file as `write_label` stored it: values (X, Y, Z) and affine."""
    header = read_header(path, is_label=True)
    values = read_layers(path, header)
    if len(values) != 1 or values.dtype != np.uint8:
        raise unreadable(path, f"is no stored label map: {len(values)} layer(s) of {values.dtype}, not 1 of uint8")
    return np.ascontiguousarray(values[0]), header.affine


def read_header(path: Path, is_label: bool = False) -> Header:
    """Geometry and header fields, without decoding a voxel; Oversized where the voxels would be too many."""
    kind = sniff(path)
    if kind is not Kind.DICOM:
        return _checked_size(path, replace(_itk_header(path, _reader(path, kind), kind), is_label=is_label))
    return _dicom_header(path, _dicom(path))


def read_layers(path: Path, header: Header) -> AnyArray:
    """The stored values (layers, X, Y, Z) in the file's own type, after making sure that all of them are there."""
    with decoding(header.share):
        check_complete(path, header.kind, header.values * header.itemsize)
        if header.told is not None:
            return _stand_in_layers(path, header.told)
        return _itk_layers(path, _reader(path, header.kind))


def fingerprint(volume: Volume) -> str:
    """SHA-256 of shape and decoded pixels: the same for a copy saved in another lossless format, grey or as RGB."""
    pixels = volume.pixels[:1] if is_grey(volume.pixels) else volume.pixels
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels, dtype=np.float32).data)
    return digest.hexdigest()


def label_as_nifti(mask: LabelArray, affine: FloatArray) -> bytes:
    """The content of a .nii.gz file with this label map (X, Y, Z)."""
    return nifti(np.asarray(mask, dtype=np.uint8), affine)


def label_as_nrrd(mask: LabelArray, affine: FloatArray, fields: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """The content of an .nrrd file with this label map (X, Y, Z), and further fields in its header."""
    lps = _LPS @ affine
    header = {
        "space": "left-posterior-superior",
        "space directions": lps[:3, :3].T,
        "space origin": lps[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
        **fields,
    }
    content = io.BytesIO()
    nrrd.write(content, np.asarray(mask, dtype=np.uint8), header, compression_level=FAST)
    return content.getvalue()


def write_label(path: Path, mask: LabelArray, affine: FloatArray) -> None:
    """Store a label map as compressed .nii.gz or .nrrd, by suffix; after a crash it is whole or not there."""
    make = {".nii.gz": label_as_nifti, ".nrrd": label_as_nrrd}.get(suffix_of(path.name) or "")
    if make is None:
        raise ValueError(f"{path.name}: label maps are written as .nii.gz or .nrrd")
    write_atomically(path, make(mask, affine))


def channel_as_nifti(volume: Volume, channel: int) -> bytes:
    """One channel as a client can load it; whole numbers as int16, which halves what is sent."""
    pixels = volume.pixels[channel]
    small = np.abs(pixels).max() <= np.iinfo(np.int16).max and np.array_equal(pixels, np.rint(pixels))
    return nifti(pixels.astype(np.int16 if small else np.float32), volume.affine, FAST)


def volume_as_nifti(volume: Volume) -> bytes:
    """All channels of a volume, and its window: `read_image` gives the same again."""
    channels = np.moveaxis(volume.pixels, 0, -1)
    return nifti(compact(channels[..., 0] if len(volume.pixels) == 1 else channels), volume.affine, FAST, volume.window)


def is_served_as_is(path: Path, task: Task) -> bool:
    """Whether a client can be sent the file itself, and sees in it what the network sees.

    A DICOM file cannot: Slicer would gather its neighbours of the same series into one volume, and the file names
    the patient.
    """
    plain = path.is_file() and sniff(path) is not Kind.DICOM
    return plain and read_header(path).layers == task.image.channels == 1


def _window_of(header: Header) -> Window | None:
    """What the file itself wants shown black and white; NIfTI has fields for that, too."""
    if header.kind is Kind.NIFTI:
        low, high = (float(header.fields.get(key, 0)) for key in ("cal_min", "cal_max"))
        return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None
    return stored_window(header.fields) if header.kind is Kind.DICOM else None


def stored_window(fields: Mapping[str, str]) -> Window | None:
    """The first window of a monochrome DICOM header, on the scale of the pixels as ITK gives them; None without one.

    A sigmoid's window is taken as if it were linear. ITK turns MONOCHROME1 into lowest + highest − value (of the stored
    ones), so the window turns with it. Damaged fields are no reason to refuse an image that can be decoded.
    """

    def number(key: str, other: float = math.nan) -> float:
        text = fields.get(key, "").split("\\")[0].strip()
        return float(text) if text else other

    polarity = fields.get("0028|0004", "").strip()
    try:
        centre, width = number("0028|1050"), number("0028|1051")
        slope, intercept = number("0028|1053", 1) or 1.0, number("0028|1052", 0)
        ends = {0.0: 2 ** number("0028|0101") - 1, 1.0: -1.0}.get(number("0028|0103"), math.nan)
    except (ValueError, OverflowError):
        return None
    if fields.get("0028|1056", "").strip() in ("", "LINEAR"):  # DICOM counts whole values: PS3.3 C.11.2.1.2.1
        centre, width = centre - 0.5, width - 1
    low, high = centre - width / 2, centre + width / 2
    if polarity == "MONOCHROME1":
        turned = slope * ends + 2 * intercept
        low, high = turned - high, turned - low
    usable = polarity in ("MONOCHROME1", "MONOCHROME2") and math.isfinite(low) and math.isfinite(high) and low < high
    return (low, high) if usable else None


def _reader(path: Path, kind: Kind) -> SimpleITK.ImageFileReader:
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(kind.value)
    return reader


def _reason(error: RuntimeError) -> str:
    """The last line of an ITK error, which says what happened; the lines before it name source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"^(sitk::|ITK )ERROR: (\w+\(0x\w+\): )?", "", lines[-1]) if lines else ""
    return f"cannot be decoded ({text})" if text and "/" not in text else "cannot be decoded, it may be truncated"


def _itk_header(path: Path, reader: SimpleITK.ImageFileReader, kind: Kind) -> Header:
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise unreadable(path, _reason(error)) from error
    size = reader.GetSize()
    x, y, z = (*size, 1)[:3]
    return Header(
        kind=kind,
        shape=(int(x), int(y), int(z)),
        layers=int(reader.GetNumberOfComponents() * np.prod(size[3:], dtype=np.int64)),
        affine=_affine_of(path, reader),
        fields={key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()},
        itemsize=SimpleITK.Image([1, 1], reader.GetPixelID(), 1).GetSizeOfPixelComponent(),
    )


def _checked_size(path: Path, header: Header) -> Header:
    """The header of what may be decoded."""
    limits = in_force()
    if header.layers > limits.max_layers:
        raise oversized(path, f"has {header.layers} layers or channels", str(limits.max_layers), "max_layers")
    _check_count(path, math.prod(header.shape) if header.is_label else header.values)
    if header.values * header.itemsize > limits.max_unpacked:
        has = f"has {header.values * header.itemsize >> 20} MB of voxels"
        raise oversized(path, has, f"{limits.max_unpacked_mb} MB", "max_unpacked_mb")
    return header


def _check_count(path: Path, values: int) -> None:
    if values > in_force().max_voxels:
        raise oversized(path, f"has {values:,} pixels or voxels", f"{in_force().max_voxels:,}", "max_voxels")


def _itk_layers(path: Path, reader: SimpleITK.ImageFileReader) -> AnyArray:
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise unreadable(path, _reason(error)) from error
    return _layers(image)


@contextmanager
def _damaged_as_unreadable(path: Path) -> Iterator[None]:
    """What pydicom says of a damaged file may quote its header, so it is not passed on."""
    try:
        yield
    except dicom_files.DAMAGED as error:
        raise unreadable(path, "has a damaged or incomplete DICOM header") from error


def _dicom(path: Path) -> Dataset:
    """What a file says of its image, by pydicom; refused if pixels are missing."""
    with _damaged_as_unreadable(path), _passable(path) as passed:
        told = dicom_files.read(path, passed.file, passed.deflated)
        _check_count(path, dicom_files.stored_values(told))
        missing = dicom_files.missing_bytes(told)
    if missing:
        raise unreadable(path, f"is truncated: {missing} bytes of pixels are missing")
    return told


@dataclass(frozen=True)
class _Passed:
    """A DICOM file that pydicom and GDCM can cope with, open for reading."""

    file: BinaryIO
    deflated: bool
    elements: int


@contextmanager
def _passable(path: Path) -> Iterator[_Passed]:
    """Give a DICOM file to pydicom and GDCM in here, if they can cope with it."""
    most = min(nesting.DEFLATED, in_force().max_unpacked)
    with path.open("rb") as file:
        size = nesting.unpacked_size(file, most)
        if size > most:
            has = "is deflated and unpacks to more"
            raise oversized(path, has, f"{most >> 20} MB", "of such files; send it unpacked")
        with decoding(size // 4):
            found = nesting.nesting_of(file)
            if found.depth > nesting.DEEPEST:
                raise unreadable(path, f"has sequences in each other more than {nesting.DEEPEST} deep")
            if found.elements > nesting.MOST:
                raise unreadable(path, f"has more than {nesting.MOST:,} elements")
            yield _Passed(file, size > 0, found.elements)


def _dicom_header(path: Path, told: Dataset) -> Header:
    with _damaged_as_unreadable(path):
        enough, spacing = dicom_files.itk_is_enough(told), dicom_files.ultrasound_spacing(told)
    header = _itk_header(path, _reader(path, Kind.DICOM), Kind.DICOM) if enough else _stand_in_header(path, told)
    _checked_size(path, header)
    return header if spacing is None else replace(header, affine=header.affine @ np.diag([*spacing, 1, 1]))


def _stand_in_header(path: Path, dataset: Dataset) -> Header:
    with _damaged_as_unreadable(path):
        fields, stack = dicom_files.fields(dataset), dicom_files.stacking(dataset)
        prepared = dicom_files.stand_in(dataset)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "stand_in.dcm")
        file.write_bytes(prepared)
        header = _itk_header(path, _reader(file, Kind.DICOM), Kind.DICOM)
    if stack is not None:
        _check_regular(path, stack.positions, stack.affine, "frames")
    return replace(header, fields=fields, affine=header.affine if stack is None else stack.affine, told=dataset)


def _stand_in_layers(path: Path, dataset: Dataset) -> AnyArray:
    with _damaged_as_unreadable(path):
        prepared = dicom_files.stand_in(dataset)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "stand_in.dcm")
        file.write_bytes(prepared)
        stored = _itk_layers(path, _reader(file, Kind.DICOM))
    with _damaged_as_unreadable(path):
        return dicom_files.values(dataset, stored[0])[np.newaxis]


def _layers(image: SimpleITK.Image) -> AnyArray:
    """ITK's array (…, z, y, x[, component]) as (layer, i, j, k)."""
    array: AnyArray = SimpleITK.GetArrayViewFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 1:
        array = array[..., np.newaxis]
    dimension = image.GetDimension()
    array = array.transpose(*reversed(range(dimension)), dimension)
    if dimension == 2:
        array = array[:, :, np.newaxis]
    array = array.reshape(*array.shape[:3], -1)
    layers: AnyArray = np.ascontiguousarray(np.moveaxis(array, -1, 0))
    return layers


def _affine(spacing: tuple[float, ...], origin: tuple[float, ...], direction: tuple[float, ...]) -> FloatArray:
    """Voxel → RAS from ITK's LPS geometry of any dimension; missing axes are identity, further ones are dropped."""
    n = len(spacing)
    axes = min(n, 3)
    lps = np.eye(4)
    lps[:axes, :axes] = (np.reshape(direction, (n, n)) * np.asarray(spacing))[:axes, :axes]
    lps[:axes, 3] = origin[:axes]
    return np.asarray(_LPS @ lps, dtype=np.float64)


def _affine_of(path: Path, reader: SimpleITK.ImageFileReader) -> FloatArray:
    affine = _affine(reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < np.finfo(np.float32).tiny:
        raise unreadable(path, "has no usable geometry: its voxels have no volume")
    return affine


def _read_file(path: Path) -> tuple[AnyArray, FloatArray, Window | None]:
    header = read_header(path)
    window = _window_of(header)
    return read_layers(path, header), header.affine, window


def _read_series(folder: Path) -> tuple[AnyArray, FloatArray, Window | None]:
    """Voxels, geometry, and the window, if it is the same in all slices."""
    _check_all_passable(folder)
    series = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise unreadable(folder, f"a folder is one image if it holds one DICOM series; this one holds {len(series)}")
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    if len(names) == 1:
        return _read_file(Path(names[0]))
    slices = [_dicom(Path(name)) for name in names]
    with _damaged_as_unreadable(folder):
        positions = [[float(number) for number in told.get("ImagePositionPatient") or ()] for told in slices]
    silent = sum(len(position) != 3 for position in positions)
    if silent:
        raise unreadable(folder, f"{silent} of {len(names)} files do not say where they lie, so they are no volume")
    by_itk = all(dicom_files.itk_is_enough(told) for told in slices)
    headers = _headers_of_slices(folder, names, slices, by_itk)
    with decoding(sum(header.values for header in headers)):
        if by_itk:
            layers, affine, fields = _stack_by_itk(folder, names, headers[0].layers)
        else:
            layers, affine, fields = _stack_one_by_one(folder, names, headers, positions)
    _check_regular(folder, np.array(positions), affine, "slices")
    windows = {stored_window(told) for told in fields}
    return layers, affine, windows.pop() if len(windows) == 1 else None


def _check_all_passable(folder: Path) -> None:
    elements = 0
    for file in folder.iterdir():
        if file.is_file():
            with (
                suppress(*dicom_files.DAMAGED),
                _passable(file) as passed,
            ):  # GDCM, too, passes over what is no DICOM file
                elements += passed.elements
        if elements > nesting.MOST_OF_A_SERIES:
            raise unreadable(folder, f"its files have more than {nesting.MOST_OF_A_SERIES:,} elements")


_Stacked = tuple[AnyArray, FloatArray, list[Mapping[str, str]]]


def _headers_of_slices(folder: Path, names: Sequence[str], slices: Sequence[Dataset], by_itk: bool) -> list[Header]:
    """What will be decoded, all of one size: what is compressed in a file may be larger than the file says."""
    headers = [
        _itk_header(Path(name), _reader(Path(name), Kind.DICOM), Kind.DICOM)
        if by_itk
        else _dicom_header(Path(name), told)
        for name, told in zip(names, slices, strict=True)
    ]
    _check_count(folder, sum(header.values for header in headers))
    if len({(header.shape, header.layers) for header in headers}) > 1:
        raise unreadable(folder, f"its {len(names)} files are not slices of the same size")
    return headers


def _stack_by_itk(folder: Path, names: Sequence[str], channels: int) -> _Stacked:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(names)
    # Slices can differ in rescale slope; the type of the first would round the others.
    reader.SetOutputPixelType(SimpleITK.sitkFloat32 if channels == 1 else SimpleITK.sitkVectorFloat32)
    reader.MetaDataDictionaryArrayUpdateOn()
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise unreadable(folder, _reason(error)) from error
    fields = [{key: reader.GetMetaData(i, key) for key in reader.GetMetaDataKeys(i)} for i in range(len(names))]
    return _layers(image), _affine(image.GetSpacing(), image.GetOrigin(), image.GetDirection()), list(fields)


def _stack_one_by_one(
    folder: Path, names: Sequence[str], headers: Sequence[Header], positions: Sequence[Sequence[float]]
) -> _Stacked:
    if headers[0].shape[2] > 1:
        raise unreadable(folder, f"its {len(names)} files are not slices of the same size")
    layers = np.concatenate([read_layers(Path(name), told) for name, told in zip(names, headers, strict=True)], axis=3)
    affine = headers[0].affine.copy()
    through = np.subtract(positions[-1], positions[0]) / (len(names) - 1)
    affine[:3, 2] = _LPS[:3, :3] @ through
    return layers, affine, [header.fields for header in headers]


def _check_regular(path: Path, stated: FloatArray, affine: FloatArray, what: str) -> None:
    """Refuse a series with missing, doubled or sheared slices: ITK spreads what is there evenly, in the wrong place."""
    count = len(stated)
    if count < 2:
        return
    slices = np.zeros((count, 4))
    slices[:, 2], slices[:, 3] = np.arange(count), 1
    assumed = (slices @ (_LPS @ affine).T)[:, :3]
    distance = float(np.linalg.norm(affine[:3, 2]))
    off = float(np.linalg.norm(stated - assumed, axis=1).max())
    steps = np.linalg.norm(np.diff(stated, axis=0), axis=1)
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    aside = affine[:3, 2] - normal * float(affine[:3, 2] @ normal) / float(normal @ normal)
    off = max(off, float(np.linalg.norm(aside)) * (count - 1))
    if off > _SLICE_TOLERANCE * distance or steps.min() < _SLICE_TOLERANCE * distance:
        raise unreadable(
            path,
            f"its {count} {what} are not evenly stacked (distances {steps.min():.3g} to {steps.max():.3g} mm, up to "
            f"{off:.3g} mm out of place): {what} are missing or doubled, or the gantry was tilted",
        )
