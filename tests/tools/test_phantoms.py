import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGBaseline8Bit

import phantoms
from phantoms import KINDS, case, content
from phantoms.syntaxes import LOSSLESS, stored_as

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_the_same_wherever_it_is_made(kind: str):
    first, again = case(kind, 3), case(kind, 3)
    assert [content(instance) for instance in first.instances] == [content(instance) for instance in again.instances]
    assert case(kind, 4).series != first.series


@pytest.mark.parametrize("kind", KINDS)
def test_patients_are_invented_and_look_it(kind: str):
    for instance in case(kind, 5).instances:
        assert str(instance.PatientName).startswith("Phantom^Invented")
        assert instance.PatientID.startswith("XAL-PHANTOM-")
        assert instance.PatientBirthDate.startswith("1900")
        assert instance.StudyDate.startswith("2001")


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_knows_the_finding_and_its_outline(kind: str):
    cases = [case(kind, number) for number in range(6)]
    assert len({one.finding for one in cases}) > 1
    for one in cases:
        assert one.roi.shape == one.pixels.shape[1:]
        assert one.roi.any() == (one.finding != "no finding")


@pytest.mark.parametrize("kind", ["ct", "mr"])
def test_the_slices_of_a_volume_say_where_the_truth_lies(kind: str):
    one = case(kind, 1)
    for instance in one.instances:
        k = int(instance.InstanceNumber) - 1
        stated = np.array(instance.ImagePositionPatient, dtype=float)
        assert np.allclose(stated, (LPS @ one.affine @ [0, 0, k, 1])[:3], atol=1e-5)
        rescaled = instance.pixel_array * float(instance.get("RescaleSlope", 1))
        rescaled = rescaled + float(instance.get("RescaleIntercept", 0))
        assert np.array_equal(rescaled.T, one.pixels[0, :, :, k])


def test_slices_do_not_come_in_the_order_of_their_place():
    numbers = [int(instance.InstanceNumber) for instance in case("ct", 0).instances]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert numbers != sorted(numbers)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_compressed_copies_differ_in_their_pixels_bytes_only(syntax: str):
    one = case("cr", 2)
    copy = pydicom.dcmread(io.BytesIO(content(stored_as(one, LOSSLESS[syntax]).instances[0])))
    assert copy.file_meta.TransferSyntaxUID == LOSSLESS[syntax]
    assert np.array_equal(copy.pixel_array, one.instances[0].pixel_array)
    original = pydicom.dcmread(io.BytesIO(content(one.instances[0])))
    del copy.PixelData, original.PixelData
    assert copy == original


def test_a_jpeg_says_that_something_was_lost():
    copy = stored_as(case("us", 0), JPEGBaseline8Bit).instances[0]
    assert (copy.LossyImageCompression, copy.PhotometricInterpretation) == ("01", "YBR_FULL_422")


@pytest.mark.e2e
@pytest.mark.parametrize("kind", KINDS)
def test_headers_are_valid(kind: str, tmp_path: Path):
    assert shutil.which("dciodvfy"), "apt-get install dicom3tools"
    original = case(kind, 1)
    copies = [original, stored_as(original, LOSSLESS["rle"])]
    copies += [stored_as(original, JPEGBaseline8Bit)] if kind.startswith("us") else []
    for number, one in enumerate(copies):
        path = phantoms.write(one, tmp_path / str(number))
        file = sorted(path.iterdir())[0] if path.is_dir() else path
        said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
        assert "Error" not in said.stderr + said.stdout
