"""Pictures in colour, and what of them a task of one channel or of three sees."""

from __future__ import annotations

import numpy as np

from xal.arrays import FloatArray


def is_grey(pixels: FloatArray) -> bool:
    """Whether this is a colour picture without colour and transparency, as many archives store their X-rays."""
    if len(pixels) not in {3, 4} or (len(pixels) == 4 and np.ptp(pixels[3]) > 0):
        return False
    return np.array_equal(pixels[0], pixels[1]) and np.array_equal(pixels[0], pixels[2])


def with_channels(pixels: FloatArray, wanted: int) -> FloatArray:
    """What a task of so many channels sees of an image, if it can: grey of a colour picture, colours without opacity.

    The grey of a picture with colour (ultrasound: flow, coloured scales) is its luma, 0.299 R + 0.587 G + 0.114 B.
    """
    if wanted == 1 and is_grey(pixels):
        return pixels[:1]
    if wanted == 1 and _is_colour_picture(pixels):
        luma = np.tensordot(np.array([0.299, 0.587, 0.114]), pixels[:3], axes=1)
        return np.rint(luma)[np.newaxis].astype(np.float32)
    if wanted == 3 and len(pixels) == 4 and np.ptp(pixels[3]) == 0:
        return pixels[:3]
    return pixels


def _is_colour_picture(pixels: FloatArray) -> bool:
    """Whether these are red, green and blue, and not three measurements: one slice of three opaque layers of 8 bits."""
    if len(pixels) not in {3, 4} or min(pixels.shape[1:]) > 1 or (len(pixels) == 4 and np.ptp(pixels[3]) > 0):
        return False
    return bool(pixels.min() >= 0 and pixels.max() <= 255 and np.array_equal(pixels, np.rint(pixels)))
