import numpy as np
import pytest
from dicom.drawn import CORNER, contour, corner, drawn_in, elsewhere, found, in_patient, structure_set
from dicom.objects import COLUMNS, CORONAL, OBLIQUE, ROWS, enhanced, projection, stack
from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items

from xal.dicom import drawing
from xal.dicom.made_by import MANUFACTURER, MODEL
from xal.errors import BadInput

PLACED = {
    "axial": lambda: stack("CT"),
    "coronal": lambda: stack("CT", CORONAL),
    "oblique, last slice first": lambda: stack("MR", OBLIQUE, last_first=True),
    "enhanced": enhanced,
    "enhanced, last frame first": lambda: enhanced(last_first=True),
}
HOLE = [(1.5, 0.5), (3.5, 0.5), (3.5, 2.5), (1.5, 2.5)]


def first(dataset):
    return dataset.ROIContourSequence[0].ContourSequence[0]


@pytest.mark.parametrize("source", PLACED.values(), ids=PLACED)
def test_a_contour_fills_the_pixels_whose_centres_it_goes_round(source):
    source = source()
    (region,) = found(structure_set(source, [(1, CORNER), (3, CORNER)]), source)
    np.testing.assert_array_equal(region.mask, corner(1, 3))
    assert region.label == "ROI 1"


def test_a_contour_inside_of_another_is_a_hole():
    source = stack("CT")
    (region,) = found(structure_set(source, [(2, CORNER), (2, HOLE)]), source)
    expected = corner(2)
    expected[2:4, 1:3, 2] = False
    np.testing.assert_array_equal(region.mask, expected)


def test_a_hole_on_a_keyhole_cut_is_a_hole():
    source = stack("CT")
    keyhole = [(0.5, 0.5), (8.5, 0.5), (8.5, 8.5), (0.5, 8.5), (0.5, 4.5), (3.5, 4.5), (3.5, 6.5), (6.5, 6.5),
               (6.5, 3.5), (3.5, 3.5), (3.5, 4.5), (0.5, 4.5)]  # fmt: skip
    (region,) = found(structure_set(source, [(0, keyhole)]), source)
    expected = np.zeros(source.shape, bool)
    expected[1:9, 1:9, 0] = True
    expected[4:7, 4:7, 0] = False
    np.testing.assert_array_equal(region.mask, expected)


def test_a_contour_through_pixel_centres_takes_those_at_the_left_and_the_top():
    source = stack("MR", OBLIQUE)
    (region,) = found(structure_set(source, [(1, [(2, 1), (6, 1), (6, 4), (2, 4)])]), source)
    expected = np.zeros(source.shape, bool)
    expected[2:6, 1:4, 1] = True
    np.testing.assert_array_equal(region.mask, expected)


def test_a_contour_that_leaves_the_image_is_cut_off_there():
    source = stack("CT")
    (region,) = found(structure_set(source, [(1, [(8.5, -40), (900, -40), (900, 3.5), (8.5, 3.5)])]), source)
    expected = np.zeros(source.shape, bool)
    expected[9:, :4, 1] = True
    np.testing.assert_array_equal(region.mask, expected)


def test_each_roi_is_a_region_of_its_own():
    source = stack("CT")
    regions = found(structure_set(source, [(1, CORNER)], [(2, HOLE)]), source)
    assert [(region.label, int(region.mask.sum())) for region in regions] == [("ROI 1", 20), ("ROI 2", 4)]


def test_points_and_open_lines_outline_nothing():
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)])
    drawn.ROIContourSequence[0].ContourSequence.extend(
        [contour(source, 2, [(3, 3)], "POINT"), contour(source, 3, CORNER, "OPEN_PLANAR")]
    )
    np.testing.assert_array_equal(found(drawn, source)[0].mask, corner(1))


def test_an_roi_that_a_program_made_alone_is_nobodys():
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)], [(2, CORNER)])
    drawn.StructureSetROISequence[0].ROIGenerationAlgorithm = "AUTOMATIC"
    drawn.StructureSetROISequence[1].ROIGenerationAlgorithm = ""
    assert [region.label for region in found(drawn, source)] == ["ROI 2"]


def test_a_structure_set_of_another_series_says_nothing_of_this_one():
    source = stack("CT")
    assert found(structure_set(elsewhere(source), [(1, CORNER)]), source) == []


def test_a_structure_set_that_names_no_series_is_about_images_of_its_space():
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)])
    del drawn.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    del first(drawn).ContourImageSequence
    assert len(found(drawn, source)) == 1
    drawn.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3"
    assert found(drawn, source) == []


def test_contours_on_another_series_of_the_same_space_are_left_to_it():
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)])
    drawn.ROIContourSequence[0].ContourSequence.append(contour(elsewhere(source), 2, CORNER))
    np.testing.assert_array_equal(found(drawn, source)[0].mask, corner(1))


def test_what_this_app_wrote_is_nobodys_outline():
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)])
    drawn.Manufacturer, drawn.ManufacturerModelName = MANUFACTURER, MODEL
    assert found(drawn, source) == []


def test_a_stored_and_loaded_object_says_the_same(tmp_path):
    source = stack("MR", OBLIQUE)
    drawn = structure_set(source, [(1, CORNER), (3, CORNER)])
    drawn.is_little_endian, drawn.is_implicit_VR = True, True
    dcmwrite(tmp_path / "rt.dcm", drawn)
    loaded = dcmread(tmp_path / "rt.dcm", force=True)
    np.testing.assert_array_equal(found(loaded, source)[0].mask, corner(1, 3))


def test_an_image_without_position_has_no_contours_in_space():
    source, placed = projection("DX"), stack("CT")
    drawn = structure_set(placed, [(1, CORNER)])
    series = drawn.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    series.SeriesInstanceUID = source.headers[0].SeriesInstanceUID
    del first(drawn).ContourImageSequence
    with pytest.raises(BadInput, match="the image does not say where it lies"):
        found(drawn, source)


def shifted(dataset, millimetres, points=slice(None)):
    data = np.array(first(dataset).ContourData, float).reshape(-1, 3)
    data[points, 2] += millimetres
    first(dataset).ContourData = [f"{value:.6f}" for value in data.ravel()]


def first_with(**values):
    def change(dataset):
        for keyword, value in values.items():
            setattr(first(dataset), keyword, value)

    return change


BROKEN = {
    "between the planes": (lambda d: shifted(d, 1.25), "contour 1 of ROI 1 lies on no plane"),
    "beyond the planes": (lambda d: shifted(d, 100), "lies on no plane"),
    "across the planes": (lambda d: shifted(d, 2.5, slice(2)), "lies on no plane"),
    "on another plane than it says": (lambda d: shifted(d, 2.5), "names an image that lies elsewhere"),
    "two points": (first_with(ContourData=["1", "2", "3", "4", "5", "6"]), "has 6 coordinates"),
    "half a point": (first_with(ContourData=["1"] * 10), "has 10 coordinates"),
    "no points": (lambda d: delattr(first(d), "ContourData"), "has 0 coordinates"),
    "miscounted": (first_with(NumberOfContourPoints=5), "6 points, which is not what NumberOfContourPoints says"),
    "far away": (first_with(ContourData=["1e30"] * 18), "more than 1000000 mm from the origin"),
    "no type": (lambda d: delattr(first(d), "ContourGeometricType"), "ContourGeometricType is missing"),
    "not described": (lambda d: setattr(d, "StructureSetROISequence", Items()), "ROI 1 has contours but"),
    "described twice": (lambda d: d.StructureSetROISequence.append(d.StructureSetROISequence[0]), "ROI 1 twice"),
    "drawn twice": (lambda d: d.ROIContourSequence.append(d.ROIContourSequence[0]), "ROI 1 has contours twice"),
}


@pytest.mark.parametrize(("damage", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_object_is_refused_with_the_reason(damage, reason):
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)])
    damage(drawn)
    with pytest.raises(BadInput, match=f"this RT structure set cannot be read: .*{reason}"):
        found(drawn, source)


@pytest.mark.parametrize(("damage", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_with_one_roi_is_not_the_others_problem(damage, reason):
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)], [(2, CORNER)], [(3, CORNER)])
    described = Items(drawn.StructureSetROISequence[1:])
    damage(drawn)
    drawn.StructureSetROISequence.extend(one for one in described if one not in drawn.StructureSetROISequence)
    read = drawn_in(drawn, source)
    assert [region.label for region in read.regions] == ["ROI 2", "ROI 3"]
    np.testing.assert_array_equal(read.regions[1].mask, corner(3))
    (unusable,) = read.unusable
    assert unusable.label == ("" if reason.endswith("but") else "ROI 1")
    assert unusable.reason.startswith("an ROI of this RT structure set cannot be read: ")


def test_an_roi_whose_name_cannot_be_decoded_has_none():
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)], [(2, CORNER)])
    drawn.StructureSetROISequence[0].add_new("ROIName", "US", 5)
    read = drawn_in(drawn, source)
    assert [region.label for region in read.regions] == ["ROI 2"]
    assert [one.label for one in read.unusable] == [""]


def test_one_roi_that_is_too_large_leaves_room_for_the_others(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_VOXELS", 520)
    source = stack("CT")
    everything = [(-0.5, -0.5), (COLUMNS - 0.5, -0.5), (COLUMNS - 0.5, ROWS - 0.5), (-0.5, ROWS - 0.5)]
    read = drawn_in(structure_set(source, [(k, everything) for k in range(3)], [(1, CORNER)]), source)
    assert [region.label for region in read.regions] == ["ROI 2"]
    assert [one.label for one in read.unusable] == ["ROI 1"]


@pytest.mark.parametrize("text", [b"1\\2\\Planted^Patricia", b"nan\\1\\2\\3\\4\\5\\6\\7\\8"])
def test_coordinates_that_are_no_numbers_are_refused_without_quoting_them(text, tmp_path):
    source = stack("CT")
    drawn = structure_set(source, [(1, CORNER)])
    first(drawn).ContourData = ["1"] * 30
    drawn.is_little_endian, drawn.is_implicit_VR = True, True
    dcmwrite(tmp_path / "rt.dcm", drawn)
    stored = (tmp_path / "rt.dcm").read_bytes()
    values = b"\\".join([b"1"] * 30) + b" "
    assert values in stored
    (tmp_path / "rt.dcm").write_bytes(stored.replace(values, text.ljust(len(values))))
    with pytest.raises(BadInput, match="ContourData") as refused:
        found(dcmread(tmp_path / "rt.dcm", force=True), source)
    assert "Planted" not in str(refused.value)


def test_a_contour_that_zigzags_without_end_is_refused_before_it_is_filled(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_CROSSINGS", 1000)
    source = stack("CT")
    zigzag = [(1.5, 0.5 if at % 2 else 8.5) for at in range(200)]
    with pytest.raises(BadInput, match="crosses the rows of one plane 1600 times, more than 1000"):
        found(structure_set(source, [(1, zigzag)]), source)


def test_rois_that_fill_more_than_can_be_kept_are_refused(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_VOXELS", 1000)
    source = stack("CT")
    everything = [(-0.5, -0.5), (COLUMNS - 0.5, -0.5), (COLUMNS - 0.5, ROWS - 0.5), (-0.5, ROWS - 0.5)]
    assert len(found(structure_set(source, *[[(0, everything)]] * 4), source)) == 4
    with pytest.raises(BadInput, match="more than 1000 voxels"):
        found(structure_set(source, *[[(0, everything)]] * 5), source)


@pytest.mark.slow
def test_a_large_structure_set_is_read_in_seconds():
    source = stack("CT")
    turn = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    circle = list(zip(6 + 4 * np.cos(turn), 5 + 4 * np.sin(turn), strict=True))
    drawn = structure_set(source, [(1, circle)])
    first(drawn).ContourData = [f"{value:.4f}" for value in in_patient(source, 1, circle).ravel()]
    (region,) = found(drawn, source)
    i, j = np.mgrid[:COLUMNS, :ROWS]
    inside = (i - 6) ** 2 + (j - 5) ** 2
    assert region.mask[:, :, 1][inside < 15.9].all()
    assert not region.mask[:, :, 1][inside > 16.1].any()
