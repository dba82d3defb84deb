import re

import numpy as np
import pytest
from dicom.drawn import (
    CORNER,
    corner,
    drawn_in,
    elsewhere,
    found,
    in_space,
    on_image,
    report,
    segmentation,
    structure_set,
)
from dicom.objects import COLUMNS, OBLIQUE, ROWS, enhanced, projection, save, stack, ultrasound
from pydicom import dcmread

from xal.dicom.made_by import MANUFACTURER, MODEL
from xal.dicom.regions import of_one_kind
from xal.errors import BadInput
from xal.imaging.dicom_planes import planes

KINDS = {
    "axial": lambda: stack("CT"),
    "oblique, last slice first": lambda: stack("MR", OBLIQUE, last_first=True),
    "enhanced, last frame first": lambda: enhanced(last_first=True),
    "DX": lambda: projection("DX"),
    "US cine": lambda: ultrasound(4),
}
EDGES = [(column + 0.5, row + 0.5) for column, row in CORNER]
"""The L as SCOORD counts."""


def closed(points):
    return [*points, points[0]]


def box(left, top, right, bottom, source):
    """The pixels from column `left` and row `top` to before `right` and `bottom`, on plane 0."""
    mask = np.zeros(source.shape, bool)
    mask[left:right, top:bottom, 0] = True
    return mask


def contents(dataset, kind):
    """All content items of a value type."""
    waiting, of_kind = [dataset], []
    while waiting:
        item = waiting.pop()
        waiting.extend(item.get("ContentSequence", []))
        of_kind.extend([item] if item.ValueType == kind else [])
    return of_kind


def name(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning


@pytest.mark.parametrize("source", KINDS.values(), ids=KINDS)
def test_a_closed_polyline_on_an_image_fills_its_pixels(source):
    source = source()
    k = source.shape[2] // 2
    (region,) = found(report(source, on_image(source, k, closed(EDGES))), source)
    np.testing.assert_array_equal(region.mask, corner(k, shape=source.shape))
    assert region.label == "tumor"


@pytest.mark.parametrize(("points", "kind"), [
    ([(2, 1), (7, 1), (7, 4), (2, 4), (2, 1)], "POLYLINE"),
    ([(2, 1), (7, 1), (7, 4), (2, 4)], "POLYLINE"),
    ([(2, 1), (7, 1), (2, 4), (7, 4)], "POLYLINE"),
], ids=["five corners", "four corners", "four corners row by row"])  # fmt: skip
def test_a_bounding_box_holds_exactly_its_pixels(points, kind):
    source = projection("DX")
    (region,) = found(report(source, on_image(source, 0, points, kind)), source)
    np.testing.assert_array_equal(region.mask, box(2, 1, 7, 4, source))


def test_the_corners_of_the_image_are_zero_and_its_size():
    source = projection("DX")
    whole = [(0, 0), (COLUMNS, 0), (COLUMNS, ROWS), (0, ROWS)]
    (region,) = found(report(source, on_image(source, 0, whole)), source)
    assert region.mask.all()


def test_a_circle_holds_the_pixels_within_its_radius():
    source = projection("DX")
    (region,) = found(report(source, on_image(source, 0, [(4.5, 5.5), (4.5, 7.5)], "CIRCLE")), source)
    i, j = np.mgrid[:COLUMNS, :ROWS]
    np.testing.assert_array_equal(region.mask[:, :, 0], (i - 4) ** 2 + (j - 5) ** 2 <= 4)


def test_an_ellipse_is_given_by_the_ends_of_its_axes():
    source = projection("DX")
    ends = [(1.5, 4.5), (9.5, 4.5), (5.5, 2.5), (5.5, 6.5)]
    (region,) = found(report(source, on_image(source, 0, ends, "ELLIPSE")), source)
    i, j = np.mgrid[:COLUMNS, :ROWS]
    np.testing.assert_array_equal(region.mask[:, :, 0], ((i - 5) / 4) ** 2 + ((j - 4) / 2) ** 2 <= 1)


def test_a_turned_ellipse_is_turned():
    source = projection("DX")
    ends = [(2.5, 2.5), (8.5, 8.5), (4.5, 6.5), (6.5, 4.5)]
    (region,) = found(report(source, on_image(source, 0, ends, "ELLIPSE")), source)
    i, j = np.mgrid[:COLUMNS, :ROWS]
    along, across = (i - 5 + j - 5) / 2, (i - 5 - j + 5) / 2
    np.testing.assert_array_equal(region.mask[:, :, 0], (along / 3) ** 2 + across**2 <= 1 + 1e-9)


@pytest.mark.parametrize("source", [stack("CT"), stack("MR", OBLIQUE, last_first=True), enhanced(last_first=True)])
def test_a_polygon_in_space_lies_on_the_plane_it_was_drawn_on(source):
    (region,) = found(report(source, in_space(source, 3, closed(CORNER))), source)
    np.testing.assert_array_equal(region.mask, corner(3))


def test_an_ellipse_in_space_is_one_on_its_plane():
    source = stack("MR", OBLIQUE)
    (region,) = found(report(source, in_space(source, 1, [(1, 4), (9, 4), (5, 2), (5, 6)], "ELLIPSE")), source)
    i, j = np.mgrid[:COLUMNS, :ROWS]
    inside = ((i - 5) / 4) ** 2 + ((j - 4) / 2) ** 2
    assert region.mask[:, :, 1][inside < 0.99].all()
    assert not region.mask[:, :, 1][inside > 1.01].any()
    assert not region.mask[:, :, [0, 2, 3, 4]].any()


def test_a_polygon_in_another_space_says_nothing_of_this_image():
    source = stack("CT")
    drawn = report(source, in_space(source, 3, closed(CORNER)))
    contents(drawn, "SCOORD3D")[0].ReferencedFrameOfReferenceUID = "1.2.3"
    assert found(drawn, source) == []


@pytest.mark.parametrize("shape", [on_image, in_space], ids=["on an image", "in space"])
def test_a_report_on_another_series_says_nothing_of_this_one(shape):
    source = stack("CT")
    other = elsewhere(source)
    kind = "POLYLINE" if shape is on_image else "POLYGON"
    assert found(report(other, shape(other, 1, closed(CORNER), kind)), source) == []


def test_each_measurement_group_is_a_region_of_its_own():
    source = stack("CT")
    marks = [on_image(source, k, closed(EDGES)) for k in (1, 3)]
    masks = [region.mask for region in found(report(source, *marks), source)]
    np.testing.assert_array_equal(masks, [corner(1), corner(3)])


def test_several_shapes_of_one_group_are_one_region():
    source = stack("CT")
    drawn = report(source, *[on_image(source, k, closed(EDGES)) for k in (1, 3)])
    one, other = (item for item in contents(drawn, "CONTAINER") if name(item) == "Measurement Group")
    one.ContentSequence.extend(item for item in other.ContentSequence if item.ValueType == "SCOORD")
    other.ContentSequence = [item for item in other.ContentSequence if item.ValueType != "SCOORD"]
    (region,) = found(drawn, source)
    np.testing.assert_array_equal(region.mask, corner(1, 3))


@pytest.mark.parametrize(("points", "kind"), [
    ([(2, 1)], "POINT"), ([(2, 1), (7, 1)], "POLYLINE"), ([(2, 1), (7, 1), (7, 4)], "POLYLINE"),
    ([(2, 1), (7, 1), (9, 4), (3, 8)], "POLYLINE"),
])  # fmt: skip
def test_lines_and_points_outline_nothing(points, kind):
    source = stack("CT")
    assert found(report(source, on_image(source, 1, points, kind)), source) == []


def test_several_points_outline_nothing():
    source = stack("CT")
    drawn = report(source, on_image(source, 1, closed(EDGES)))
    contents(drawn, "SCOORD")[0].GraphicType = "MULTIPOINT"
    assert found(drawn, source) == []


@pytest.mark.parametrize(("observer", "taken"), [("person", 1), ("device", 0), ("both", 1)])
def test_only_what_a_person_observed_is_taken(observer, taken):
    source = stack("CT")
    drawn = report(source, on_image(source, 1, closed(EDGES)), observer=observer)
    assert len(found(drawn, source)) == taken


def test_who_measured_a_persons_outline_does_not_matter():
    source = stack("CT")
    drawn = report(source, on_image(source, 1, closed(EDGES)), measured=True)
    assert "Algorithm Name" in [name(item) for item in contents(drawn, "TEXT")]
    assert len(found(drawn, source)) == 1


def test_what_an_algorithm_outlined_is_nobodys_even_in_a_persons_report():
    source = stack("CT")
    assert found(report(source, on_image(source, 1, closed(EDGES)), algorithm=True), source) == []


def test_what_this_app_wrote_is_nobodys_outline():
    source = stack("CT")
    drawn = report(source, on_image(source, 1, closed(EDGES)))
    drawn.Manufacturer, drawn.ManufacturerModelName = MANUFACTURER, MODEL
    assert found(drawn, source) == []


def test_objects_of_other_kinds_say_nothing():
    source = stack("CT")
    assert found(source.headers[0], source) == []


def test_a_stored_and_loaded_report_says_the_same(tmp_path):
    source = stack("CT")
    drawn = dcmread(save(report(source, on_image(source, 1, closed(EDGES))), tmp_path / "sr.dcm"))
    np.testing.assert_array_equal(found(drawn, source)[0].mask, corner(1))


def with_shape(**values):
    def change(item):
        for keyword, value in values.items():
            setattr(item, keyword, value)

    return change


BROKEN = {
    "half a point": (with_shape(GraphicData=[1.0, 2.0, 3.0]), "has 3 coordinates"),
    "no points": (lambda item: delattr(item, "GraphicData"), "has 0 coordinates"),
    "two points, closed": (with_shape(GraphicData=[1.0, 2, 4, 5, 1, 2]), "a closed POLYLINE has 3 points"),
    "far away": (with_shape(GraphicData=[1.0, 2, 1e30, 2, 5, 5, 1, 2]), "reaches beyond the image"),
    "not a number": (with_shape(GraphicData=[1.0, 2, float("nan"), 2, 5, 5, 1, 2]), "not finite"),
    "circle of one point": (with_shape(GraphicType="CIRCLE", GraphicData=[1.0, 2]), "CIRCLE has 1 points, not 2"),
    "circle of no radius": (with_shape(GraphicType="CIRCLE", GraphicData=[1.0, 2, 1, 2]), "has no extent"),
    "crooked ellipse": (with_shape(GraphicType="ELLIPSE", GraphicData=[1.0, 1, 9, 1, 4, 5, 4, 9]), "do not cross"),
    "no type": (lambda item: delattr(item, "GraphicType"), "GraphicType is missing"),
    "unknown type": (with_shape(GraphicType="SPIRAL"), "GraphicType is not"),
    "unnamed image": (
        lambda item: delattr(item.ContentSequence[0].ReferencedSOPSequence[0], "ReferencedSOPInstanceUID"),
        "ReferencedSOPInstanceUID is missing",
    ),
    "tiled": (with_shape(PixelOriginInterpretation="VOLUME"), "total pixel matrix"),
}


@pytest.mark.parametrize(("damage", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_shape_is_refused_with_the_reason_and_the_other_regions_are_read(damage, reason):
    source = stack("CT")
    drawn = report(source, *[on_image(source, k, closed(EDGES)) for k in (1, 3)])
    shapes = contents(drawn, "SCOORD")
    damage(next(shape for shape in shapes if _plane(shape, source) == 1))
    read = drawn_in(drawn, source)
    ((mask,), (unusable,)) = [region.mask for region in read.regions], read.unusable
    np.testing.assert_array_equal(mask, corner(3))
    assert unusable.label == "tumor"
    assert re.match(f"an ROI of this structured report cannot be read: .*{reason}", unusable.reason)


def _plane(shape, source):
    uid = shape.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    return [plane.header.SOPInstanceUID for plane in planes(source.headers, source.shape, source.affine)].index(uid)


def test_a_label_that_cannot_be_read_costs_the_label_only():
    source = stack("CT")
    drawn = report(source, on_image(source, 1, closed(EDGES)))
    group = next(item for item in contents(drawn, "CONTAINER") if name(item) == "Measurement Group")
    finding = next(item for item in group.ContentSequence if name(item) == "Finding")
    del finding.ConceptCodeSequence
    finding.add_new(0x0040A168, "LO", "no sequence")
    read = drawn_in(drawn, source)
    assert ([region.label for region in read.regions], read.unusable) == ([""], [])


def test_a_frame_that_the_image_does_not_have_is_refused():
    source = enhanced()
    drawn = report(source, on_image(source, 1, closed(EDGES)))
    contents(drawn, "IMAGE")[0].ReferencedSOPSequence[0].ReferencedFrameNumber = 6
    with pytest.raises(BadInput, match=r"a frame that the image of 5 frame\(s\) does not have"):
        found(drawn, source)


def test_a_polygon_between_the_planes_is_refused():
    source = stack("CT")
    drawn = report(source, in_space(source, 1, closed(CORNER)))
    (item,) = contents(drawn, "SCOORD3D")
    item.GraphicData = np.add(np.reshape(item.GraphicData, (-1, 3)), [0, 0, 1.25]).ravel().tolist()
    with pytest.raises(BadInput, match="a shape lies on no plane of the image"):
        found(drawn, source)


def test_all_that_a_report_outlines_is_of_one_kind_and_of_a_seg_if_its_types_are_the_same():
    source = stack("CT")
    box = [(1, 1), (5, 1), (5, 3), (1, 3), (1, 1)]
    assert of_one_kind(report(source, on_image(source, 1, box), on_image(source, 2, box)))
    made = segmentation(source, corner(1), corner(2), kinds=("MANUAL", "MANUAL"))
    assert of_one_kind(made)
    made.SegmentSequence[1].SegmentedPropertyTypeCodeSequence[0].CodeValue = "10200004"
    assert not of_one_kind(made)
    del made.SegmentSequence[1].SegmentedPropertyTypeCodeSequence
    assert not of_one_kind(made)
    assert not of_one_kind(structure_set(source, [(1, CORNER)], [(2, CORNER)]))
