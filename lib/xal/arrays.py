"""What arrays hold, by name; and arrays of bytes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|][fiub]\d+)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n",
    re.DOTALL,
)

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def of_npy(content: bytes) -> AnyArray:
    """The numbers of a .npy file as `np.save` writes it; ValueError if it is another or cut.

    `np.load` has Python parse the head, and in Python 3.11 two threads that parse at once may fail with a SystemError.
    """
    head = _NPY.match(content)
    if head is None:
        raise ValueError("this is no .npy file of numbers")
    kind, columns_first, lengths = head.groups()
    shape = tuple(int(length) for length in lengths.split(b",") if length.strip())
    flat = np.frombuffer(content, np.dtype(kind.decode()), offset=head.end())
    return flat.reshape(shape, order="F" if columns_first == b"True" else "C").copy()
