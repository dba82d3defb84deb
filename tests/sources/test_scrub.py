"""What reaches a disk of an instance: its pixels and its place, nothing of a patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

import phantoms
from xal.imaging.images import read_image
from xal.sources.scrub import scrubbed

PLANTED = ("Planted^Name", "PLANTED-ID", "19010203", "040506")


def plant(instance: Dataset) -> Dataset:
    """Names, ids and dates wherever somebody might put them, in sequences and private tags too."""
    instance.PatientName, instance.PatientID = PLANTED[0], PLANTED[1]
    instance.PatientBirthDate = instance.StudyDate = instance.SeriesDate = PLANTED[2]
    instance.StudyTime = PLANTED[3]
    instance.ImageComments = instance.StudyDescription = instance.SeriesDescription = f"of {PLANTED[0]}"
    instance.private_block(0x0011, "A VENDOR", create=True).add_new(0x01, "LO", PLANTED[0])
    instance.ImageType = ["ORIGINAL", "PRIMARY", PLANTED[2]]
    instance.RescaleType = instance.WindowCenterWidthExplanation = PLANTED[0]
    instance.add_new(0x00284000, "LT", f"of {PLANTED[0]}")  # retired, for comments
    instance.add_new(0x00287777, "LO", PLANTED[0])  # in no dictionary
    for tag, kind in ((0x00281090, "US"), (0x00101030, "DS"), (0x00081197, "ZZ")):  # that cannot be decoded
        instance[Tag(tag)] = RawDataElement(Tag(tag), kind, 13, PLANTED[0].encode() + b" ", 0, False, True)
    request = Dataset()
    request.RequestedProcedureDescription, request.PatientID = PLANTED[0], PLANTED[1]
    instance.RequestAttributesSequence = [request]
    for groups in (instance.get("PerFrameFunctionalGroupsSequence") or [])[:1]:
        for content in groups.get("FrameContentSequence") or []:
            content.FrameAcquisitionDateTime = PLANTED[2] + PLANTED[3]
            content.FrameComments = content.StackID = PLANTED[0]
    return instance


@pytest.mark.parametrize("kind", sorted(phantoms.KINDS))
def test_pixels_and_place_stay_and_the_patient_goes(kind: str, tmp_path: Path):
    case = phantoms.case(kind)
    before = read_image(phantoms.write(case, tmp_path / "before"))
    folder = tmp_path / "after"
    folder.mkdir()
    for number, instance in enumerate(case.instances):
        dcmwrite(folder / f"{number}.dcm", scrubbed(plant(instance)), write_like_original=False)
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert [planted for planted in PLANTED if planted.encode() in content] == []
    after = read_image(folder)
    np.testing.assert_array_equal(after.pixels, before.pixels)
    np.testing.assert_allclose(after.affine, before.affine)
    assert after.window == before.window
