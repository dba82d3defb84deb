"""Who made an object: what is written into all that this app sends, and how it is known again."""

from __future__ import annotations

from importlib.metadata import version

from pydicom.dataset import Dataset

from xal.dicom.values import text

MANUFACTURER = "xal"
MODEL = "xal for MONAI Label"
SERIAL_NUMBER = "1"
"""DICOM wants one; software has none."""
SOFTWARE = version("xal")


def made_by_xal(dataset: Dataset) -> bool:
    """Whether this app wrote the object, in whatever version."""
    return text(dataset, "Manufacturer") == MANUFACTURER and text(dataset, "ManufacturerModelName") == MODEL
