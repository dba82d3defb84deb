"""How deep the sequences of a DICOM file lie in each other, and how many elements they have, told by passing over them.

GDCM follows them by calling itself: a file of 200 kB can take it deeper than its stack, and that ends the process.
pydicom makes objects of them, which takes it most of a minute where a file is nothing but empty ones.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

DEEPEST = 64
"""Structured reports, the deepest objects there are, have some fifteen levels."""
MOST = 200_000
"""Elements of a file; one of a thousand frames has half as many."""
MOST_OF_A_SERIES = 1_000_000
DEFLATED = 64 << 20
"""Bytes that a deflated file may unpack to: readers keep them several times."""
_CHUNK = 1 << 16
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_PIXELS = (0x7FE0, 0x0010)
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Value representations whose length has four bytes."""


@dataclass(frozen=True)
class Nesting:
    """How the elements of a file lie in each other, as far as it was followed."""

    depth: int
    """Items in each other, DEEPEST + 1 at most."""
    elements: int
    """With the items, and what ends them; MOST + 1 at most."""


def unpacked_size(file: BinaryIO, most: int) -> int:
    """Bytes that a deflated file unpacks to, or more than `most`; 0 of any other. pydicom would unpack it whole."""
    return _inflated_size(file, most) if _syntax(file) == DeflatedExplicitVRLittleEndian else 0


def nesting_of(file: BinaryIO) -> Nesting:
    """Of a file of known size: a deflated one is unpacked."""
    syntax = _syntax(file)
    start = file.tell()
    if syntax == DeflatedExplicitVRLittleEndian:
        return _nesting(zlib.decompress(file.read(), -zlib.MAX_WBITS), 0, False, "<")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _nesting(mapped, start, syntax == ImplicitVRLittleEndian, ">" if syntax == ExplicitVRBigEndian else "<")


def _syntax(file: BinaryIO) -> str:
    """The transfer syntax; the file is left where what is written in it begins."""
    file.seek(0)
    read_preamble(file, force=True)
    meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_behind_meta)
    return str(meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))


def _inflated_size(file: BinaryIO, most: int) -> int:
    stream, packed, size = zlib.decompressobj(-zlib.MAX_WBITS), file.read(_CHUNK), 0
    while packed and not stream.eof and size <= most:
        size += len(stream.decompress(packed, _CHUNK))
        packed = stream.unconsumed_tail or file.read(_CHUNK)
    return size


def _behind_meta(tag: BaseTag, _representation: str | None, _length: int) -> bool:
    return bool(tag.group != 2)


def _nesting(data: bytes | mmap.mmap, at: int, implicit: bool, order: str) -> Nesting:
    deepest, elements, size = 0, 0, len(data)
    items: list[tuple[int, bool]] = []
    """Where each of those that are open ends, and how its elements are written."""
    below = implicit
    while at + 8 <= size and deepest <= DEEPEST and elements <= MOST:
        elements += 1
        while items and at >= items[-1][0]:
            items.pop()
        here = items[-1][1] if items else implicit
        tag, length = _tag(data, at, order), _number(data, at + 4, order)
        if tag[0] == _ITEM[0]:
            at += 8
            if tag == _ITEM:
                items.append((size if length == _UNDEFINED else at + length, below))
                deepest = max(deepest, len(items))
            elif tag == _ITEM_END and items:
                items.pop()
            below = items[-1][1] if items else implicit
            continue
        kind = b"" if here else data[at + 4 : at + 6]
        if kind in _LONG and at + 12 <= size:
            length = _number(data, at + 8, order)
        elif not here:
            length = struct.unpack_from(order + "H", data, at + 6)[0]
        at += 12 if kind in _LONG else 8
        if tag == _PIXELS and length == _UNDEFINED:
            at = _behind_fragments(data, at, order)
        elif kind in (b"", b"SQ", b"UN") and at + 8 <= size and _tag(data, at, order) == _ITEM:
            below = here or kind == b"UN"
        elif length != _UNDEFINED:
            at += length
    return Nesting(deepest, elements)


def _behind_fragments(data: bytes | mmap.mmap, at: int, order: str) -> int:
    while at + 8 <= len(data) and _tag(data, at, order) == _ITEM:
        at += 8 + _number(data, at + 4, order)
    return at


def _tag(data: bytes | mmap.mmap, at: int, order: str) -> tuple[int, int]:
    group, element = struct.unpack_from(order + "HH", data, at)
    return group, element


def _number(data: bytes | mmap.mmap, at: int, order: str) -> int:
    return int(struct.unpack_from(order + "I", data, at)[0])
