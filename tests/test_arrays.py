"""Arrays of bytes that threads read at once."""

from __future__ import annotations

import ast
import io

import numpy as np
import pytest

from xal.arrays import of_npy


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.asfortranarray(np.arange(12, dtype=np.float16).reshape(3, 4)),
        np.arange(5, dtype=np.uint8),
        np.array(2.5),
        np.zeros((0, 3)),
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.array([True, False]),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_what_numpy_wrote_comes_back_without_pythons_parser(array: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    content = npy(array)
    monkeypatch.setattr(ast, "parse", None)  # two threads in it at once may fail
    again = of_npy(content)
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert np.array_equal(again, array)
    again[...] = 1  # it is its own


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x" * 200,
        npy(np.arange(9))[:-3],
        npy(np.arange(9))[:-8],
        npy(np.arange(9)) + b"12345678",
        npy(np.array([{}])),
    ],
    ids=["empty", "garbage", "cut", "cut by one", "too long", "pickled"],
)
def test_what_is_none_is_said(content: bytes):
    with pytest.raises(ValueError, match=r"npy|size|buffer"):
        of_npy(content)
