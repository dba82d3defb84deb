"""Where on an image the model looked, in words: on a picture as it is seen, in a volume by the patient's own sides."""

from __future__ import annotations

import numpy as np
from skimage.measure import label, regionprops

from xal.arrays import BoolArray, FloatArray
from xal.rounding import ROUNDING, at_least, largest

NOWHERE = "nowhere in particular"
_STRONG = 0.5
"""What has at least this share of the highest attention, and is connected with it, is the strongest part."""
_PICTURE = (
    ("at the upper left", "at the upper edge", "at the upper right"),
    ("at the left edge", "at the centre", "at the right edge"),
    ("at the lower left", "at the lower edge", "at the lower right"),
)


def strongest(attention: FloatArray) -> BoolArray:
    """The cells of the strongest part, which is one piece; none of a flat map."""
    if at_least(attention, attention.max()).all():
        return np.zeros(attention.shape, bool)
    pieces = label(at_least(attention, _STRONG * attention.max()), connectivity=attention.ndim)
    strong: BoolArray = pieces == pieces.flat[largest(attention.reshape(-1))]
    return strong


def reached(attention: FloatArray, roi: FloatArray) -> bool:
    """Whether an ROI on the same grid covers anything of the strongest part."""
    return bool((roi[strongest(attention)] > 0).any())


def on_picture(attention: FloatArray) -> str:
    """The strongest part of a map (rows, columns) as it is seen."""
    if not strongest(attention).any():
        return NOWHERE
    row, column = _thirds(attention)
    return _PICTURE[row + 1][column + 1]


def in_body(attention: FloatArray) -> str:
    """The strongest part of a map whose axes run to the patient's right, front and top."""
    if not strongest(attention).any():
        return NOWHERE
    right, front, top = _thirds(attention)
    side = ("left", "", "right")[right + 1]
    depth = ("towards the back", "", "towards the front")[front + 1]
    if side:
        height = ("lower ", "", "upper ")[top + 1]
        level = f"at the patient's {height}{side}"
    else:
        level = ("at the bottom", "at the middle" if depth else "at the centre", "at the top")[top + 1]
    return f"{level}, {depth}" if depth else level


def _thirds(attention: FloatArray) -> tuple[int, ...]:
    """Along each axis: whether the strongest part's centre of mass lies in the first third (-1) or the last (1)."""
    (piece,) = regionprops(strongest(attention).astype(np.uint8), intensity_image=attention)
    centre = piece.centroid_weighted
    shares = [(position + 0.5) / cells for position, cells in zip(centre, attention.shape, strict=True)]
    return tuple(int(share > 2 / 3 + ROUNDING) - int(share < 1 / 3 - ROUNDING) for share in shares)
