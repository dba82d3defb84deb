"""Is this file what it claims to be, and is all of it there?

ITK fills the missing end of a cut NIfTI or JPEG file without an error, reads NaN in a NIfTI file as 0, and follows an
NRRD header to any file it names. A lesion on slices that were never transferred must not be read as healthy tissue,
so these are looked at first. PNG, TIFF and DICOM are not: ITK refuses them when they are cut.

What is compressed is unpacked here bit by bit, and no further than its voxels go: some bytes can stand for gigabytes.
A TIFF's tiles are held against its pages for the same reason.
"""

from __future__ import annotations

import gzip
import io
import math
import mmap
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from xal.errors import Oversized, Unreadable
from xal.system.limits import in_force

_CHUNK = 1 << 20
_HEAD = 348
"""Bytes of a NIfTI-1 header, enough to know every format by."""
_LARGEST_HEAD = 1 << 26
_LARGEST_NRRD_HEAD, _MOST_NRRD_LINES = 1 << 23, 4096
"""ITK compares each line of a NRRD header with all before it; a segment has about ten."""
_MOST_SCANS = 100
"""Of a JPEG file: a progressive one has about ten, and each is a pass over the whole picture."""
_PAGE, _TILE, _SAMPLES = (256, 257), (322, 323), 277
"""The tags of a TIFF file that say how wide and high these are, and how many values a pixel has."""
_MEASURES = {*_PAGE, *_TILE, _SAMPLES}
_WHOLE = {1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 16: "Q", 17: "Q"}
"""How a tag's number is written, by its type."""
_MOST_TAGS = 500_000
_SMALL_TILE = 1 << 22
"""Values of a tile that costs nothing; programs write tiles of one size, however small a page is."""
KINDS = {
    stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}  # fmt: skip
"""What else may be found where a file should be."""
_MARKER = re.compile(rb"\xff[^\x00\xff\x01\xd0-\xd8]")
"""What a JPEG segment begins with; those without a length are passed over, as is what is stuffed into a scan."""
_MOST_SEGMENTS, _MOST_CHUNKS = 10_000, 100_000
"""Of a JPEG and of a PNG file; some programs write a chunk for each line."""
_PNG_MAGIC, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"


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


def oversized(path: Path, has: str, most: str, setting: str) -> Oversized:
    """The error for a file that is not decoded because of its size; an administrator may set another limit."""
    return Oversized(f"{path.name}: {has}; this server takes {most} at most ({setting})")


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading, and nothing else: a FIFO would wait for ever, a device has no end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise unreadable(path, f"is {KINDS.get(kind, 'something else')}, not a file")
    return os.fdopen(descriptor, "rb")


def sniff(path: Path) -> Kind:
    """The format by the file's first bytes: files with the wrong suffix are common, and ITK goes by the bytes too."""
    try:
        with open_file(path) as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise unreadable(path, error.strerror or "cannot be opened") from error
    if not head:
        raise unreadable(path, "is empty (0 bytes)")
    if head.startswith(b"\x1f\x8b"):
        head = _unzipped_head(path)
    for magic, kind in (
        (b"NRRD", Kind.NRRD),
        (_PNG_MAGIC, Kind.PNG),
        (b"\xff\xd8\xff", Kind.JPEG),
        (b"II*\0", Kind.TIFF),
        (b"MM\0*", Kind.TIFF),
        (b"II+\0", Kind.TIFF),
        (b"MM\0+", Kind.TIFF),
    ):
        if head.startswith(magic):
            if kind is Kind.NRRD:
                _nrrd_encoding(path)
            return kind
    if head[128:132] == b"DICM" or path.suffix.lower() == ".dcm":
        return Kind.DICOM
    if head[344:348] == b"n+1\0":
        return Kind.NIFTI
    if head[4:8] == b"n+2\0":
        raise unreadable(path, "is NIfTI-2, which ITK and so 3D Slicer cannot open; save it as NIfTI-1")
    raise unreadable(path, "is no image that can be read here (NIfTI, NRRD, PNG, JPEG, TIFF or DICOM)")


def check_complete(path: Path, kind: Kind, needed: int) -> None:
    """Raise Unreadable if the file is cut, damaged as far as its checksums tell, or holds what ITK would hide.

    `needed` bytes are its voxels, unpacked; what holds many more is Oversized.
    """
    if kind is Kind.NIFTI:
        _check_nifti(path)
    elif kind is Kind.NRRD:
        _check_nrrd(path, needed)
    elif kind is Kind.JPEG:
        _check_jpeg(path)
    elif kind is Kind.PNG:
        _check_png(path)
    elif kind is Kind.TIFF:
        _check_tiff(path)


def is_passing(error: Unreadable) -> bool:
    """Whether it came of the machine and is no fault of the file's, such as too many open files, or a file removed."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, PermissionError):
            return True
        cause = cause.__cause__
    return False


def check_readable(path: Path) -> None:
    """Raise OSError if a file, or one of a folder's, cannot be read to its end: ITK's errors do not tell."""
    for file in path.iterdir() if path.is_dir() else (path,):
        with open_file(file) as stream:
            while stream.read(_CHUNK):
                pass


def _read(path: Path, stream: BinaryIO, length: int) -> bytes:
    try:
        return stream.read(length)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, f"is truncated or damaged ({error})") from error


def _unzipped_head(path: Path) -> bytes:
    with gzip.GzipFile(path) as file:
        return _read(path, cast(BinaryIO, file), _HEAD)


def _chunks(path: Path, stream: BinaryIO, needed: int) -> Iterator[bytes]:
    """The rest of a stream, the voxels; only reading a gzip stream to its very end checks its length and CRC."""
    present = 0
    while chunk := _read(path, stream, _CHUNK):
        present += len(chunk)
        _check_behind(path, present - needed)
        yield chunk


def _check_nifti(path: Path) -> None:
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with cast(BinaryIO, gzip.GzipFile(path)) if zipped else path.open("rb") as stream:
        dtype, offset, needed = _nifti_layout(path, _read(path, stream, _HEAD))
        _read(path, stream, offset - _HEAD)
        present = 0
        for chunk in _chunks(path, stream, needed):
            here = chunk[: max(0, needed - present)]
            whole = len(here) // dtype.itemsize
            if dtype.kind in "fc" and not np.isfinite(np.frombuffer(here, dtype, count=whole)).all():
                raise unreadable(path, "holds NaN or infinite values")
            present += len(chunk)
    if present < needed:
        raise unreadable(path, f"is truncated: {present} of {needed} bytes of voxels")


def _nifti_layout(path: Path, head: bytes) -> tuple[np.dtype[Any], int, int]:
    """Type, start and number of bytes of the voxels."""
    try:
        header = nibabel.Nifti1Header.from_fileobj(io.BytesIO(head), check=False)
        dtype = np.dtype(header.get_data_dtype())
        offset = int(header["vox_offset"])
        if not 0 <= offset <= _LARGEST_HEAD:
            raise ValueError(f"voxels start at byte {offset}")
        return dtype, max(_HEAD, offset), math.prod(int(length) for length in header.get_data_shape()) * dtype.itemsize
    except (HeaderDataError, WrapStructError, KeyError, ValueError, OverflowError) as error:
        raise unreadable(path, f"has a damaged NIfTI header ({error})") from error


def _check_nrrd(path: Path, needed: int) -> None:
    encoding, start = _nrrd_encoding(path)
    if encoding in {"gzip", "gz"}:
        with path.open("rb") as file:
            file.seek(start)
            with gzip.GzipFile(fileobj=file) as stream:
                for _ in _chunks(path, cast(BinaryIO, stream), needed):
                    pass
    elif encoding == "raw":
        _check_behind(path, path.stat().st_size - start - needed)


def _nrrd_encoding(path: Path) -> tuple[str, int]:
    """How the voxels are encoded and where they start; refused if they are in another file."""
    encoding, lines = "", 0
    with path.open("rb") as file:
        while line := file.readline(_CHUNK).strip():
            lines += 1
            if lines > _MOST_NRRD_LINES or file.tell() > _LARGEST_NRRD_HEAD:
                largest = f"{_MOST_NRRD_LINES} lines or {_LARGEST_NRRD_HEAD >> 20} MB"
                raise unreadable(path, f"has a header of more than {largest}")
            if line.startswith(b"#") or b":=" in line:
                continue
            field, _, value = line.partition(b":")
            name = field.strip().lower().replace(b" ", b"")
            if name == b"datafile":
                raise unreadable(path, "keeps its voxels in another file; send one file that holds both")
            if name == b"encoding":
                encoding = value.strip().lower().decode("ascii", "replace")
        return encoding, file.tell()


def _check_jpeg(path: Path) -> None:
    """The picture's end must follow a scan; what cameras put behind it does not matter."""
    scans = segments = at = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        while (marker := _MARKER.search(content, at)) and marker[0] != b"\xff\xd9" and segments <= _MOST_SEGMENTS:
            segments += 1
            scans += marker[0] == b"\xff\xda"
            at = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
        if segments > _MOST_SEGMENTS:
            raise unreadable(path, f"has more than {_MOST_SEGMENTS} segments, which no camera writes")
        if marker is None or not scans:
            raise unreadable(path, "is truncated: the picture's end is missing")
    if scans > _MOST_SCANS:
        raise unreadable(path, f"has {scans} scans, which no camera writes; {_MOST_SCANS} at most are read")


def _check_png(path: Path) -> None:
    """Little may follow the picture's end; ITK refuses a picture that has none."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(len(_PNG_MAGIC))
        for _ in range(_MOST_CHUNKS):
            length, name = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
            end = file.seek(length + 4, 1)
            if end >= size or name == _PNG_END:
                break
        else:
            raise unreadable(path, f"has more than {_MOST_CHUNKS:,} chunks")
    _check_behind(path, size - end)


def _check_tiff(path: Path) -> None:
    """A tile is unpacked whole: it may not be much larger than its page, whose size the header tells."""
    with path.open("rb") as file:
        try:
            for tags in _tiff_pages(path, file):
                page, tile = (math.prod(tags.get(tag, 1) for tag in (*size, _SAMPLES)) for size in (_PAGE, _TILE))
                if page > in_force().max_voxels:
                    has = f"has a page of {page:,} values"
                    raise oversized(path, has, f"{in_force().max_voxels:,}", "max_voxels")
                if tile > max(_SMALL_TILE, 2 * page):
                    raise unreadable(path, f"has tiles of {tile:,} values in a page of {page:,}")
        except struct.error as error:
            raise unreadable(path, "is truncated or damaged: its list of tags is not whole") from error


def _tiff_pages(path: Path, file: BinaryIO) -> Iterator[dict[int, int]]:
    """The whole numbers that the tags of each page stand for; of a tag that is there twice, the larger."""
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    number, count, entry = (order + code for code in (("Q", "Q", "HHQ") if big else ("I", "H", "HHI")))
    at, listed = struct.unpack_from(number, head, 8 if big else 4)[0], 0
    size = struct.calcsize(entry) + struct.calcsize(number)
    while at:
        file.seek(at)
        (here,) = struct.unpack(count, file.read(struct.calcsize(count)))
        listed += here
        if listed > _MOST_TAGS:
            raise unreadable(path, f"has more than {_MOST_TAGS:,} tags")
        table = file.read(here * size)
        tags: dict[int, int] = {}
        for start in range(0, here * size, size):
            tag, kind, _ = struct.unpack_from(entry, table, start)
            if tag in _MEASURES and kind in _WHOLE:
                value = struct.unpack_from(order + _WHOLE[kind], table, start + struct.calcsize(entry))[0]
                tags[tag] = max(value, tags.get(tag, 0))
        yield tags
        (at,) = struct.unpack(number, file.read(struct.calcsize(number)))


def _check_behind(path: Path, present: int) -> None:
    most = in_force().max_trailing_kb
    if present > most * 1024:
        raise oversized(path, "holds much more behind its voxels", f"{most} kB", "max_trailing_kb")
