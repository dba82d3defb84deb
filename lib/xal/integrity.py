"""Is this file what it claims to be, and is all of it there?

ITK fills the missing end of a cut NIfTI or JPEG file without an error, and follows an NRRD header to any file it
names. A lesion on slices that were never transferred must not be read as healthy tissue, so these are looked at first.
PNG, TIFF and DICOM need no second look: ITK refuses them when they are cut.
"""

from __future__ import annotations

import gzip
import io
import zlib
from enum import Enum
from pathlib import Path
from typing import BinaryIO, cast

import nibabel
from nibabel.spatialimages import HeaderDataError

from xal.errors import Unreadable

_CHUNK = 1 << 20
_NIFTI1_SIZE, _NIFTI2_SIZE = 348, 540


class Kind(Enum):
    """A file format, and the ITK reader that it takes."""

    NIFTI = "NiftiImageIO"
    NRRD = "NrrdImageIO"
    PNG = "PNGImageIO"
    JPEG = "JPEGImageIO"
    TIFF = "TIFFImageIO"
    DICOM = "GDCMImageIO"


def unreadable(path: Path, reason: str) -> Unreadable:
    """The error for a file, by its name only: replies must not show the server's folders."""
    return Unreadable(f"{path.name}: {reason}")


def sniff(path: Path) -> Kind:
    """The format by the file's first bytes: files with the wrong suffix are common, and ITK goes by the bytes too."""
    try:
        with path.open("rb") as file:
            head = file.read(_NIFTI2_SIZE)
    except OSError as error:
        raise unreadable(path, error.strerror or "cannot be opened") from error
    if not head:
        raise unreadable(path, "is empty (0 bytes)")
    if head.startswith(b"\x1f\x8b"):
        head = _unzipped_head(path)
    for magic, kind in (
        (b"NRRD", Kind.NRRD),
        (b"\x89PNG\r\n\x1a\n", Kind.PNG),
        (b"\xff\xd8\xff", Kind.JPEG),
        (b"II*\0", Kind.TIFF),
        (b"MM\0*", Kind.TIFF),
        (b"II+\0", Kind.TIFF),
        (b"MM\0+", Kind.TIFF),
    ):
        if head.startswith(magic):
            return kind
    if head[128:132] == b"DICM" or path.suffix.lower() == ".dcm":
        return Kind.DICOM
    if head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0":
        return Kind.NIFTI
    raise unreadable(path, "is no image that can be read here (NIfTI, NRRD, PNG, JPEG, TIFF or DICOM)")


def check_complete(path: Path, kind: Kind) -> None:
    """Raise Unreadable if the file is cut, damaged as far as its checksums tell, or refers to another file."""
    if kind is Kind.NIFTI:
        _check_nifti(path)
    elif kind is Kind.NRRD:
        _check_nrrd(path)
    elif kind is Kind.JPEG:
        _check_jpeg(path)


def _unzipped_head(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(_NIFTI2_SIZE)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, f"is truncated or damaged ({error})") from error


def _drain(path: Path, stream: BinaryIO) -> int:
    """Bytes until the end; reading a gzip stream to its very end is what checks its length and CRC."""
    total = 0
    try:
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, f"is truncated or damaged ({error})") from error
    return total


def _check_nifti(path: Path) -> None:
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with cast(BinaryIO, gzip.GzipFile(path)) if zipped else path.open("rb") as stream:
        head = stream.read(_NIFTI2_SIZE)
        needed = _nifti_bytes(path, head)
        present = len(head) + _drain(path, stream)
    if present < needed:
        raise unreadable(path, f"is truncated: {present} of {needed} bytes")


def _nifti_bytes(path: Path, head: bytes) -> int:
    nifti1 = head[344:348] == b"n+1\0"
    kind = nibabel.Nifti1Header if nifti1 else nibabel.Nifti2Header
    try:
        header = kind.from_fileobj(io.BytesIO(head[:_NIFTI1_SIZE] if nifti1 else head), check=False)
        values = 1
        for length in header.get_data_shape():
            values *= int(length)
        return int(header["vox_offset"]) + values * int(header.get_data_dtype().itemsize)
    except (HeaderDataError, KeyError, ValueError) as error:
        raise unreadable(path, f"has a damaged NIfTI header ({error})") from error


def _check_nrrd(path: Path) -> None:
    with path.open("rb") as file:
        encoding = ""
        while line := file.readline(_CHUNK).strip():
            if line.startswith(b"#") or b":=" in line:
                continue
            field, _, value = line.partition(b":")
            name = field.strip().lower().replace(b" ", b"")
            if name == b"datafile":
                raise unreadable(path, "keeps its voxels in another file; send one file that holds both")
            if name == b"encoding":
                encoding = value.strip().lower().decode("ascii", "replace")
        if encoding in {"gzip", "gz"}:
            with gzip.GzipFile(fileobj=file) as stream:
                _drain(path, cast(BinaryIO, stream))


def _check_jpeg(path: Path) -> None:
    """An end-of-image marker must follow the last start of a scan (inside a scan neither can occur by chance)."""
    content = path.read_bytes()
    if content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda") or b"\xff\xda" not in content:
        raise unreadable(path, "is truncated: the picture's end is missing")
