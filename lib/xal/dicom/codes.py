"""Coded concepts: what DICOM calls findings, attention and what a model says of an image."""

from __future__ import annotations

import hashlib

from highdicom.sr.coding import CodedConcept

from xal.task import Code

SCHEME = "99XAL"
"""Of the codes for which no published vocabulary has one."""
SCHEME_NAME = "xal: findings of tasks, and what the model says of an image"
_CODE_LENGTH = 16

LESION = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
"""The category of every finding's segment."""
SPATIAL = CodedConcept("309825002", "SCT", "Spatial and Relational Concept")
"""The category of attention's segments: not tissue, but a place."""
ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")
ATTENTION = CodedConcept("attention", SCHEME, "Attention of a classifier (Grad-CAM)")

ONE = CodedConcept("1", "UCUM", "no units")
SQUARE_MILLIMETRES = CodedConcept("mm2", "UCUM", "square millimeter")
CUBIC_MILLIMETRES = CodedConcept("mm3", "UCUM", "cubic millimeter")
PIXELS = CodedConcept("{pixels}", "UCUM", "pixels")

AREA = CodedConcept("42798000", "SCT", "Area")
VOLUME = CodedConcept("118565006", "SCT", "Volume")
PIXEL_COUNT = CodedConcept("roi_pixels", SCHEME, "Number of pixels in the outline")


def finding_code(name: str, code: Code | None) -> CodedConcept:
    """The finding's own code, else one of xal's: its name, or what is left of it and a hash if it is too long."""
    if code is not None:
        return CodedConcept(code.value, code.scheme, code.meaning)
    value = name
    if len(name) > _CODE_LENGTH or not name.isascii() or "\\" in name:
        plain = "".join(character for character in name if character.isascii() and character.isalnum())
        value = f"{plain[:7]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return CodedConcept(value, SCHEME, plain_text(name))


def own(value: str, meaning: str) -> CodedConcept:
    """A concept for which no published vocabulary has a code."""
    return CodedConcept(value, SCHEME, meaning)


def person_name(reader: str) -> str:
    """A reader's id as a DICOM person name; one that is not parted into family^given is taken as a family name."""
    text = plain_text(reader.replace("=", " "), 63)
    return text if "^" in text else f"{text}^"


def plain_text(text: str, length: int = 64) -> str:
    """What DICOM's short texts can hold: one value, one line, so many characters."""
    printable = "".join(character if character.isprintable() and character != "\\" else " " for character in text)
    return " ".join(printable.split())[:length].strip()
