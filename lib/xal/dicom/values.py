"""Reading attributes of DICOM objects that others wrote: what is missing or undecodable is refused by its keyword.

pydicom decodes a value when it is asked for, and its errors quote the value, which may be a patient's. So every value
of a foreign object is read here, and errors say which attribute is wrong, never what it says.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items

from xal.arrays import FloatArray
from xal.errors import BadInput

_UNDECODABLE = (
    ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError, NotImplementedError, EOFError, OSError,
    RecursionError, struct.error, BytesLengthException,
)  # fmt: skip
"""What pydicom raises on values that it cannot decode."""


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; none if it is not there."""
    value = _value(dataset, keyword)
    if value is None:
        return ()
    if not isinstance(value, Items):
        raise BadInput(f"{keyword} is no sequence")
    return value  # type: ignore[no-any-return]


def text(dataset: Dataset, keyword: str) -> str | None:
    """A text or UID; None if it is not there or empty. A backslash that somebody typed into a name stays in it."""
    value = _value(dataset, keyword)
    if value is None:
        return None
    if isinstance(value, MultiValue):
        value = "\\".join(str(part) for part in value)
    if not isinstance(value, str):
        raise BadInput(f"{keyword} is no text")
    return value.strip(" \0") or None


def required_text(dataset: Dataset, keyword: str) -> str:
    """A text or UID; BadInput if it is not there."""
    value = text(dataset, keyword)
    if value is None:
        raise BadInput(f"{keyword} is missing")
    return value


def name(dataset: Dataset, keyword: str) -> str | None:
    """A text to call something by whose values may be refused: None, too, if it cannot be decoded."""
    try:
        return text(dataset, keyword)
    except BadInput:
        return None


def numbers(dataset: Dataset, keyword: str) -> FloatArray | None:
    """One or many numbers, all of them finite; None if they are not there."""
    try:
        element = dataset.get_item(tag_for_keyword(keyword))
        if isinstance(element, RawDataElement) and element.VR in ("DS", None) and keyword == "ContourData":
            # A structure set has millions of these, and as pydicom's DS each takes a hundred times as long.
            value: Any = [float(part) for part in (element.value or b"").split(b"\\") if part.strip(b" \0")]
        else:
            value = dataset.get(keyword)
        if value is None:
            return None
        array = np.array(value, dtype=np.float64).reshape(-1)
    except _UNDECODABLE:
        raise BadInput(f"{keyword} does not hold numbers") from None
    if not np.isfinite(array).all():
        raise BadInput(f"{keyword} holds numbers that are not finite")
    return array if array.size else None


def whole(dataset: Dataset, keyword: str) -> int:
    """One whole number from 0; BadInput if it is not there."""
    array = numbers(dataset, keyword)
    if array is None:
        raise BadInput(f"{keyword} is missing")
    if array.size != 1 or array[0] < 0 or array[0] != np.floor(array[0]):
        raise BadInput(f"{keyword} is not one whole number")
    return int(array[0])


def data(dataset: Dataset, keyword: str) -> bytes:
    """Bytes as they are; BadInput if they are not there."""
    value = _value(dataset, keyword)
    if not isinstance(value, bytes):
        raise BadInput(f"{keyword} is missing")
    return value


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except _UNDECODABLE:
        raise BadInput(f"{keyword} cannot be decoded") from None
