"""Image files whose bytes depend on their content alone.

Compressors differ between machines (zlib, zlib-ng, Pillow's own), so the data is stored uncompressed inside valid
PNG and gzip files. That also makes every file of a shape equally long: its size tells nothing about its content.
"""

from __future__ import annotations

import struct
import zlib

import nibabel
import numpy as np
import numpy.typing as npt

_BLOCK = 65535
"""Longest stored block of a deflate stream."""


def _stored(data: bytes) -> bytes:
    """A deflate stream of stored blocks."""
    starts = range(0, len(data), _BLOCK) or (0,)
    blocks = [(data[start : start + _BLOCK], start + _BLOCK >= len(data)) for start in starts]
    return b"".join(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block for block, last in blocks)


def gzip(data: bytes) -> bytes:
    """A gzip file without name and time."""
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + _stored(data) + struct.pack("<II", zlib.crc32(data), len(data))


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An 8-bit grey PNG without metadata; `pixels` are (rows, columns)."""
    rows, columns = pixels.shape
    lines = b"".join(b"\x00" + row.tobytes() for row in np.ascontiguousarray(pixels))
    data = b"\x78\x01" + _stored(lines) + struct.pack(">I", zlib.adler32(lines))

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def nifti(voxels: npt.NDArray[np.uint8] | npt.NDArray[np.int16], affine: npt.NDArray[np.float64]) -> bytes:
    """A .nii.gz of `voxels` (X, Y, Z); `affine` maps voxels to RAS millimetres."""
    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(voxels.shape)
    header.set_zooms(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)))
    header.set_xyzt_units("mm")
    # The sform alone: quaternions come out of an eigensolver, whose last bits differ between machines.
    header.set_sform(affine, code="scanner")
    header.set_slope_inter(1, 0)
    header["vox_offset"] = 352
    little = voxels.astype(voxels.dtype.newbyteorder("<"))
    return gzip(header.binaryblock + b"\x00" * 4 + little.tobytes(order="F"))
