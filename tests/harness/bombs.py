"""Small files that stand for large ones, made when they are needed: what a stranger would send to bring a server down.

Each is a name and some bytes, a few megabytes at most; every one of them must be refused.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable

ZEROS = bytes(1 << 20)
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def deflated(size: int, head: bytes = b"", wbits: int = 15) -> bytes:
    """`head` and at least so many zeros, in whole megabytes; zlib packs one of these, and the others are the same."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    count = max(1, -(-size // len(ZEROS)))
    body = first + block * count + b"\3\0"  # an empty last block
    if wbits < 0:
        return body
    check, of = (zlib.crc32, "<I") if wbits == 31 else (zlib.adler32, ">I")
    total = check(head)
    for _ in range(count):
        total = check(ZEROS, total)
    size = struct.pack("<I", (len(head) + count * len(ZEROS)) & 0xFFFFFFFF) if wbits == 31 else b""
    return body + struct.pack(of, total) + size


def png(side: int, lines: int | None = None) -> bytes:
    """A black square picture, of which so many lines are there."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return (
        PNG_HEAD
        + head
        + chunk(b"IDAT", deflated((side if lines is None else lines) * (1 + side)))
        + chunk(b"IEND", b"")
    )


def nifti_header(*shape: int, code: int = 2, bits: int = 8) -> bytes:
    """The 352 bytes before the voxels."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<2h", head, 70, code, bits)
    struct.pack_into("<8f", head, 76, *[1.0] * 8)
    struct.pack_into("<f", head, 108, 352.0)
    struct.pack_into("<2f", head, 112, 1.0, 0.0)
    head[344:348] = b"n+1\0"
    return bytes(head)


def nifti(shape: tuple[int, ...], trailing: int = 0, **voxels: int) -> bytes:
    """Voxels of 0, and at least so many zeros behind them."""
    return deflated(math.prod(shape) * voxels.get("bits", 8) // 8 + trailing, nifti_header(*shape, **voxels), 31)


def seg_nrrd(layers: int, side: int, segments: int | None = None, trailing: int = 0) -> bytes:
    """A segmentation as Slicer writes it, of one slice."""
    listed = "".join(
        f"Segment{n}_ID:=s{n}\nSegment{n}_Name:=disc\nSegment{n}_Layer:={n % layers}\nSegment{n}_LabelValue:=1\n"
        for n in range(min(layers, 100) if segments is None else segments)
    )
    listing, axes, none = ("list ", f"{layers} ", "none ") if layers > 1 else ("", "", "")
    space = (
        f"dimension: {4 if layers > 1 else 3}\nspace: left-posterior-superior\nsizes: {axes}{side} {side} 1\n"
        f"space directions: {none}(1,0,0) (0,1,0) (0,0,1)\nkinds: {listing}domain domain domain\n"
    )
    head = f"NRRD0005\ntype: unsigned char\n{space}space origin: (0,0,0)\nendian: little\nencoding: gzip\n{listed}\n"
    return head.encode() + deflated(layers * side * side + trailing, wbits=31)


def tiff(side: int, pages: int, tile: int = 0) -> bytes:
    """Pages that all have the same strip of pixels, or tile."""
    strip = deflated((tile or side) ** 2)
    content = bytearray(b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip)
    for page in range(pages):
        tags = (
            (256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, side), (279, 4, len(strip)),
        )  # fmt: skip
        if tile:
            tags = (*tags[:5], *tags[6:7], (322, 4, tile), (323, 4, tile), (324, 4, 8), (325, 4, len(strip)))
        here = len(content)
        content += struct.pack("<H", len(tags))
        content += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
        content += struct.pack("<I", 0 if page == pages - 1 else here + 6 + 12 * len(tags))
    return bytes(content)


def jpeg(side: int, scans: int = 1) -> bytes:
    """A header that announces a picture, and next to nothing of it; or one that is scanned again and again."""
    quantities = b"\xff\xdb\0\x43\0" + b"\1" * 64
    start = b"\xff\xc2\0\x0b\x08" + struct.pack(">HH", side, side) + b"\1\1\x11\0"
    codes = b"\xff\xc4\0\x14\0" + b"\1" + bytes(15) + b"\0"
    scan = b"\xff\xda\0\x08\1\1\0\0\0\0" + b"\0"
    return b"\xff\xd8" + quantities + start + codes + scan * scans + b"\xff\xd9"


def dicom(
    rows: int, columns: int, frames: int, content: bytes = b"\0" * 64, inside: bytes = b"", deflate: int = 0
) -> bytes:
    """One slice, whatever it says of its size; `inside` are more elements, `deflate` zeros are packed behind it."""
    syntax = b"1.2.840.10008.1.2.1.99" if deflate else b"1.2.840.10008.1.2.1"
    kind = b"1.2.840.10008.5.1.4.1.1.7"
    meta = element(2, 1, b"OB", b"\0\1") + element(2, 2, b"UI", kind) + element(2, 3, b"UI", b"2.25.5")
    meta += element(2, 0x10, b"UI", syntax)
    numbers = {0x2: 1, 0x10: rows, 0x11: columns, 0x100: 8, 0x101: 8, 0x102: 7, 0x103: 0}
    image = {number: (b"US", struct.pack("<H", value)) for number, value in numbers.items()}
    image |= {0x4: (b"CS", b"MONOCHROME2"), 0x8: (b"IS", str(frames).encode())}
    body = element(8, 0x16, b"UI", kind) + element(8, 0x18, b"UI", b"2.25.5") + inside
    body += b"".join(element(0x28, number, *image[number]) for number in sorted(image))
    body += element(0x7FE0, 0x10, b"OB", content)
    if deflate:
        body = deflated(deflate, body, -15)
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + body


def nested(depth: int) -> bytes:
    """Sequences in each other."""
    parts, size = [], 0
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, size)
        parts.append(struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, size + 8) + item)
        size += 20
    return b"".join(reversed(parts))


def items(count: int) -> bytes:
    """A sequence of so many empty items, whose length is not said."""
    start = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    return start + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
    """One of a DICOM file."""
    value += b"" if len(value) % 2 == 0 else b"\0" if kind in (b"UI", b"OB") else b" "
    if kind in (b"OB", b"SQ"):
        return struct.pack("<HH2sHI", group, number, kind, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value


def zipped(sizes: list[int], name: str = "{}.dcm") -> bytes:
    """A ZIP of zeros."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number, size in enumerate(sizes):
            with archive.open(name.format(number), "w", force_zip64=size > 1 << 31) as file:
                for done in range(0, size, len(ZEROS)):
                    file.write(ZEROS[: min(len(ZEROS), size - done)])
    return content.getvalue()


def zip64(comment: int) -> bytes:
    """A ZIP of one empty file, listed as if there were billions, with a comment of so many bytes."""
    plain = zip_of_many(1)
    end = plain.index(b"PK\5\6")
    start = plain.index(b"PK\1\2")
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, end - start, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    return plain[:end] + record + locator + plain[end:-2] + struct.pack("<H", comment) + bytes(comment)


def zip_of_many(entries: int) -> bytes:
    """A ZIP whose list names one empty file again and again."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 10, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    listed = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 10, 3, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, entries & 0xFFFF, entries & 0xFFFF, len(listed) * entries, len(local), 0
    )
    return local + listed * entries + end


LABELS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "30,000 layers": ("l.seg.nrrd", lambda: seg_nrrd(30_000, 32)),
    "20,000 segments": ("l.seg.nrrd", lambda: seg_nrrd(1, 32, segments=20_000)),
    "4 GiB behind a .nii.gz": ("l.nii.gz", lambda: nifti((32, 32, 1), trailing=1 << 32)),
    "1 GiB behind a .nrrd": ("l.seg.nrrd", lambda: seg_nrrd(1, 32, segments=1, trailing=1 << 30)),
    "a volume of 32,000 × 32,000 × 32,000": ("l.nii.gz", lambda: gzip.compress(nifti_header(32_000, 32_000, 32_000))),
}
"""What is handed in as the label of a picture of 32 × 32: name, and how it is made."""
IMAGES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a PNG of 20,000 × 20,000": ("i.png", lambda: png(20_000)),
    "a PNG of 200,000 × 200,000": ("i.png", lambda: png(200_000, lines=10)),
    "a TIFF of 20,000 pages": ("i.tif", lambda: tiff(1024, 20_000)),
    "a TIFF with a tile of 20,000 × 20,000": ("i.tif", lambda: tiff(16, 1, tile=20_000)),
    "a JPEG of 65,000 × 65,000": ("i.jpg", lambda: jpeg(65_000)),
    "a JPEG of 5,000 scans": ("i.jpg", lambda: jpeg(8_000, scans=5_000)),
    "a NIfTI of 4 GiB": ("i.nii.gz", lambda: gzip.compress(nifti_header(20_000, 20_000, 10))),
    "1 GiB behind a NIfTI": ("i.nii.gz", lambda: nifti((32, 32, 1), trailing=1 << 30)),
    "a DICOM of 65,000 × 65,000 × 1,000": ("i.dcm", lambda: dicom(65_000, 65_000, 1_000)),
    "a deflated DICOM of 1 GiB": ("i.dcm", lambda: dicom(8, 8, 1, deflate=1 << 30)),
    "a deflated DICOM of 100 MiB": ("i.dcm", lambda: dicom(8, 8, 1, deflate=100 << 20)),
    "a DICOM of 1,000,000 items": ("i.dcm", lambda: dicom(8, 8, 1, inside=items(1_000_000))),
    "a DICOM of 1,000,000 elements": ("i.dcm", lambda: dicom(8, 8, 1, inside=element(8, 0x5A, b"UI", b"") * 1_000_000)),
    "a DICOM of 50,000 nested sequences": ("i.dcm", lambda: dicom(8, 8, 1, inside=nested(50_000))),
}
"""What is uploaded as an image, or lies in the folder."""
ZIPS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a ZIP of 1 GiB": ("s.zip", lambda: zipped([1 << 29, 1 << 29])),
    "a ZIP of a million files": ("s.zip", lambda: zip_of_many(1_000_000)),
    "a ZIP of folders in each other": ("s.zip", lambda: zipped([1], "/".join(["a"] * 200) + "/{}.dcm")),
}
"""What is sent as a session to be unpacked."""
