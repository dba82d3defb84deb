import random

import numpy as np
import pytest
from dicom.objects import CORONAL, KINDS, OBLIQUE, PATIENT, enhanced, projection, save, stack, ultrasound

from xal.errors import BadInput
from xal.imaging.dicom_planes import place, planes
from xal.imaging.images import read_image


def numbers(found):
    return [plane.header.InstanceNumber if plane.frame is None else plane.frame for plane in found]


def test_slices_in_any_order_of_headers_come_in_the_order_of_the_volume():
    source = stack("CT", count=7)
    random.Random(3).shuffle(source.headers)
    assert numbers(planes(source.headers, source.shape, source.affine)) == [1, 2, 3, 4, 5, 6, 7]


def test_the_order_is_that_of_positions_not_of_instance_numbers():
    source = stack("CT", last_first=True)
    assert numbers(planes(source.headers, source.shape, source.affine)) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("source", [
    stack("CT"), stack("CT", last_first=True), stack("CT", CORONAL), stack("MR", OBLIQUE, last_first=True),
], ids=["axial", "last first", "coronal", "oblique"])  # fmt: skip
def test_each_plane_holds_the_pixels_of_the_volume_that_itk_reads(source, tmp_path):
    for header in source.headers:
        save(header, tmp_path / f"{header.InstanceNumber}.dcm")
    volume = read_image(tmp_path)
    for k, plane in enumerate(planes(source.headers, volume.shape, volume.affine)):
        np.testing.assert_array_equal(volume.pixels[0, :, :, k].T, plane.header.pixel_array)


def test_a_plane_lies_where_the_volume_says_it_does():
    source = stack("MR", OBLIQUE)
    for k, plane in enumerate(planes(source.headers, source.shape, source.affine)):
        where = place(plane)
        corner = where.position + 11 * where.across + 9 * where.down
        np.testing.assert_allclose(np.diag([-1, -1, 1]) @ corner, (source.affine @ [11, 9, k, 1])[:3], atol=1e-4)


def test_a_volume_that_runs_the_other_way_gets_its_planes_the_other_way():
    source = stack("CT")
    turned = source.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, source.shape[2] - 1], [0, 0, 0, 1]])
    assert numbers(planes(source.headers, source.shape, turned)) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(("last_first", "order"), [(False, [1, 2, 3, 4, 5]), (True, [5, 4, 3, 2, 1])])
def test_frames_of_an_enhanced_image_are_found_by_their_positions(last_first, order):
    source = enhanced(last_first=last_first)
    assert numbers(planes(source.headers, source.shape, source.affine)) == order


def test_frames_without_positions_are_taken_as_stored():
    source = ultrasound(4)
    assert numbers(planes(source.headers, source.shape, source.affine)) == [1, 2, 3, 4]


@pytest.mark.parametrize("modality", ["CR", "DX", "MG"])
def test_an_x_ray_is_its_own_only_plane(modality):
    source = projection(modality)
    (plane,) = planes(source.headers, source.shape, source.affine)
    assert plane.header is source.headers[0]
    assert plane.frame is None
    assert place(plane) is None


def test_headers_without_pixels_are_enough():
    source = stack("CT")
    for header in source.headers:
        del header.PixelData
    assert len(planes(source.headers, source.shape, source.affine)) == 5


def test_a_slice_may_be_a_little_out_of_place():
    source = stack("CT", step=2.5)
    source.headers[2].ImagePositionPatient[2] += 0.2
    assert numbers(planes(source.headers, source.shape, source.affine)) == [1, 2, 3, 4, 5]


def fault(source, **changes):
    asked = {"headers": source.headers, "shape": source.shape, "affine": source.affine, **changes}
    with pytest.raises(BadInput) as caught:
        planes(**asked)
    message = str(caught.value)
    assert PATIENT not in message
    assert "PLANTED" not in message
    return message


def test_a_missing_slice_is_named_by_the_counts():
    source = stack("CT")
    assert fault(source, headers=source.headers[1:]) == "the DICOM series has 4 frame(s), the image has 5 plane(s)"


def test_an_image_of_another_size_is_refused():
    message = fault(stack("CT"), shape=(12, 11, 5))
    assert message == "a DICOM frame has 12 columns and 10 rows, the image has 12 and 11"


def test_a_slice_that_lies_elsewhere_is_refused():
    source = stack("CT", step=2.5)
    source.headers[2].ImagePositionPatient[0] += 0.3
    assert fault(source) == "a DICOM frame lies 0.3 mm from the image's nearest plane; up to 0.25 mm would do"


def test_a_doubled_slice_is_refused():
    source = stack("CT")
    source.headers[2].ImagePositionPatient = source.headers[3].ImagePositionPatient
    assert fault(source) == "two DICOM frames lie in plane 4 of the image"


def test_a_series_beyond_the_volume_is_refused():
    source = stack("CT", step=2.5)
    source.headers[4].ImagePositionPatient[2] += 2.5
    assert "lies 2.5 mm from the image's nearest plane" in fault(source)


def test_a_mirrored_volume_is_refused():
    source = stack("CT")
    mirrored = source.affine @ np.diag([-1, 1, 1, 1])
    assert fault(source, affine=mirrored) == (
        "rows or columns of a DICOM frame and of the image lead 13.2 mm apart; up to 0.25 mm would do"
    )


def test_an_affine_in_dicoms_own_directions_is_refused():
    source = stack("CT")
    assert "mm" in fault(source, affine=np.diag([-1, -1, 1, 1]) @ source.affine)


def test_a_slice_that_does_not_say_where_it_lies_is_refused():
    source = stack("CT")
    del source.headers[1].ImagePositionPatient
    assert fault(source) == "1 of 5 DICOM frames do not say where they lie, so their order is unknown"


def test_two_x_rays_are_no_volume():
    source = projection()
    assert "2 of 2 DICOM frames do not say" in fault(source, headers=source.headers * 2, shape=(12, 10, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_has_its_planes(kind):
    source = KINDS[kind]()
    assert len(planes(source.headers, source.shape, source.affine)) == source.shape[2]
