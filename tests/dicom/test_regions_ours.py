from datetime import datetime

import numpy as np
import pytest
from dicom.drawn import corner, found
from dicom.objects import KINDS

from xal.dicom.derived import Stamp
from xal.dicom.segmentation import Outline, segmentation
from xal.imaging.dicom_planes import planes

STAMP = Stamp("1.2.3.1", "1.2.3.2", datetime(2025, 1, 2, 3, 4, 5), 900)


def sent(source):
    """A reader's outline of the first and last plane, as this app sends it."""
    mask = corner(0, source.shape[2] - 1, shape=source.shape)
    where = planes(source.headers, source.shape, source.affine)
    return mask, segmentation(where, source.affine, [Outline(mask, "glioma")], reader="reader1", stamp=STAMP)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_this_app_sent_is_not_read_back_as_somebodys(make):
    source = make()
    _, drawn = sent(source)
    assert found(drawn, source) == []


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_the_same_object_from_somebody_else_is_read_voxel_by_voxel(make):
    source = make()
    mask, drawn = sent(source)
    drawn.Manufacturer = "Somebody"
    (region,) = found(drawn, source)
    np.testing.assert_array_equal(region.mask, mask)
    assert region.label == "glioma"
