import numpy as np
import pytest
from dicom.drawn import corner, drawn_in, elsewhere, found, segmentation
from dicom.objects import CORONAL, OBLIQUE, enhanced, projection, save, stack, ultrasound
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from xal.dicom.made_by import MANUFACTURER, MODEL
from xal.errors import BadInput

PLACED = {
    "axial": lambda: stack("CT"),
    "coronal": lambda: stack("CT", CORONAL),
    "oblique, last slice first": lambda: stack("MR", OBLIQUE, last_first=True),
    "enhanced": enhanced,
    "enhanced, last frame first": lambda: enhanced(last_first=True),
}


def without(dataset, *sequences):
    """A SEG whose frames lack some functional groups."""
    for group in [*dataset.PerFrameFunctionalGroupsSequence, *dataset.SharedFunctionalGroupsSequence]:
        for sequence in sequences:
            if sequence in group:
                del group[sequence]
    return dataset


def unnamed(dataset):
    """A SEG that refers to no image at all."""
    del dataset.ReferencedSeriesSequence
    return without(dataset, "DerivationImageSequence")


@pytest.mark.parametrize("source", PLACED.values(), ids=PLACED)
def test_a_segment_comes_back_voxel_by_voxel(source):
    source = source()
    (region,) = found(segmentation(source, corner(1, 3)), source)
    np.testing.assert_array_equal(region.mask, corner(1, 3))
    assert region.label == "finding 1"


@pytest.mark.parametrize("source", PLACED.values(), ids=PLACED)
def test_without_references_a_frame_goes_where_it_lies(source):
    source = source()
    (region,) = found(unnamed(segmentation(source, corner(1, 2))), source)
    np.testing.assert_array_equal(region.mask, corner(1, 2))


@pytest.mark.parametrize("source", PLACED.values(), ids=PLACED)
def test_without_positions_a_frame_goes_to_the_image_it_names(source):
    source = source()
    drawn = without(segmentation(source, corner(1, 2)), "PlanePositionSequence")
    (region,) = found(drawn, source)
    np.testing.assert_array_equal(region.mask, corner(1, 2))


@pytest.mark.parametrize("source", [projection("CR"), projection("DX"), projection("MG"), ultrasound()])
def test_an_image_without_position_is_found_by_its_instance(source):
    (region,) = found(segmentation(source, corner(0, shape=source.shape)), source)
    np.testing.assert_array_equal(region.mask, corner(0, shape=source.shape))


def of_frames(*numbers):
    """A SEG of one frame that is said to be these of a cine loop: highdicom makes none of a loop without positions."""
    still = ultrasound()
    drawn = segmentation(still, corner(0, shape=still.shape))
    source = drawn.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    source.ReferencedFrameNumber = list(numbers)
    return drawn


def test_a_frame_of_a_loop_without_positions_is_found_by_its_number():
    source = ultrasound(4)
    (region,) = found(of_frames(3), source)
    np.testing.assert_array_equal(region.mask, corner(2, shape=source.shape))


def test_frames_in_another_order_say_themselves_where_they_belong():
    source = stack("CT")
    drawn = segmentation(source, corner(0, 1) | corner(3)[::-1])
    frames = drawn.pixel_array[::-1]
    drawn.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()
    drawn.PerFrameFunctionalGroupsSequence = Items(reversed(drawn.PerFrameFunctionalGroupsSequence))
    (region,) = found(drawn, source)
    np.testing.assert_array_equal(region.mask, corner(0, 1) | corner(3)[::-1])


def test_a_group_that_all_frames_share_counts_for_each():
    source = stack("CT", count=1)
    drawn = segmentation(source, corner(0, shape=source.shape))
    own, shared = drawn.PerFrameFunctionalGroupsSequence[0], drawn.SharedFunctionalGroupsSequence[0]
    for keyword in ("DerivationImageSequence", "PlanePositionSequence", "SegmentIdentificationSequence"):
        shared[keyword] = own[keyword]
        del own[keyword]
    (region,) = found(drawn, source)
    np.testing.assert_array_equal(region.mask, corner(0, shape=source.shape))


def test_each_segment_is_a_region_of_its_own():
    source = stack("CT")
    turned = corner(2, 3)[::-1]
    first, second = found(segmentation(source, corner(1), turned, kinds=("MANUAL", "MANUAL")), source)
    np.testing.assert_array_equal(first.mask, corner(1))
    np.testing.assert_array_equal(second.mask, turned)
    assert (first.label, second.label) == ("finding 1", "finding 2")


def test_what_a_person_helped_to_draw_is_taken_and_what_a_program_drew_alone_is_not():
    source = stack("CT")
    drawn = segmentation(source, corner(0), corner(1), corner(2), kinds=("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"))
    assert [region.label for region in found(drawn, source)] == ["finding 2", "finding 3"]


@pytest.mark.parametrize("more", [
    {}, {"transfer_syntax_uid": RLELossless}, {"transfer_syntax_uid": JPEG2000Lossless},
    {"transfer_syntax_uid": JPEGLSLossless}, {"max_fractional_value": 100},
], ids=["255", "RLE", "JPEG 2000", "JPEG-LS", "100"])  # fmt: skip
def test_of_a_fractional_segment_counts_what_is_at_least_half(more):
    source = stack("CT")
    shares = corner(1, 3) * 0.6 + corner(2) * 0.4
    (region,) = found(segmentation(source, shares, fractional=True, **more), source)
    np.testing.assert_array_equal(region.mask, corner(1, 3))


def test_a_stored_and_loaded_object_says_the_same(tmp_path):
    source = stack("CT")
    drawn = dcmread(save(segmentation(source, corner(1, 3)), tmp_path / "seg.dcm"))
    np.testing.assert_array_equal(found(drawn, source)[0].mask, corner(1, 3))


def test_pixels_of_another_size_are_resampled_where_they_lie():
    source = stack("CT")
    drawn = segmentation(source, corner(1, 3))
    fine = drawn.pixel_array.repeat(2, axis=1).repeat(3, axis=2)
    drawn.Rows, drawn.Columns = fine.shape[1:]
    drawn.PixelData = np.packbits(fine.ravel(), bitorder="little").tobytes()
    drawn.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.8 / 2, 0.6 / 3]
    for group in drawn.PerFrameFunctionalGroupsSequence:
        x, y, z = group.PlanePositionSequence[0].ImagePositionPatient
        group.PlanePositionSequence[0].ImagePositionPatient = [x - 0.6 / 3, y - 0.8 / 4, z]
    (region,) = found(drawn, source)
    np.testing.assert_array_equal(region.mask, corner(1, 3))


def test_a_frame_that_is_stored_turned_round_lies_where_it_lies():
    source = stack("CT")
    drawn = segmentation(source, corner(1))
    drawn.PixelData = np.packbits(drawn.pixel_array[::-1, ::-1].ravel(), bitorder="little").tobytes()
    drawn.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    position = drawn.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    x, y, z = position.ImagePositionPatient
    position.ImagePositionPatient = [x + 11 * 0.6, y + 9 * 0.8, z]
    (region,) = found(drawn, source)
    np.testing.assert_array_equal(region.mask, corner(1))


@pytest.mark.parametrize("reads", [lambda drawn: drawn, lambda drawn: without(drawn, "PlanePositionSequence")])
def test_a_segmentation_of_another_series_says_nothing_of_this_one(reads):
    source = stack("CT")
    assert found(reads(segmentation(elsewhere(source), corner(1))), source) == []


def test_an_unnamed_segmentation_in_another_space_says_nothing_of_this_image():
    source = stack("CT")
    drawn = unnamed(segmentation(source, corner(1)))
    drawn.FrameOfReferenceUID = "1.2.3"
    assert found(drawn, source) == []


def test_what_this_app_wrote_is_nobodys_outline():
    source = stack("CT")
    drawn = segmentation(source, corner(1))
    drawn.Manufacturer, drawn.ManufacturerModelName = MANUFACTURER, MODEL
    assert found(drawn, source) == []


def test_an_empty_segment_is_no_region():
    source = stack("CT")
    drawn = segmentation(source, corner(1), np.zeros(source.shape, bool), kinds=("MANUAL", "MANUAL"))
    assert [region.label for region in found(drawn, source)] == ["finding 1"]


def moved(dataset, millimetres):
    position = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    position.ImagePositionPatient = np.add(position.ImagePositionPatient, [0, 0, millimetres]).tolist()
    return dataset


def test_a_frame_between_the_planes_is_refused():
    source = stack("CT")
    with pytest.raises(BadInput, match=r"DICOM SEG .* frame 1 lies on no plane of the image"):
        found(moved(segmentation(source, corner(1)), 1.25), source)


def test_a_frame_that_lies_elsewhere_than_the_image_it_names_is_refused():
    source = stack("CT")
    with pytest.raises(BadInput, match="names an image that lies elsewhere"):
        found(moved(segmentation(source, corner(1)), 2.5), source)


def test_a_segmentation_across_the_planes_is_refused():
    source = stack("CT")
    drawn = segmentation(source, corner(1))
    drawn.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = list(CORONAL)
    with pytest.raises(BadInput, match="lies on no plane"):
        found(drawn, source)


def test_an_unnamed_segmentation_of_coarser_slices_is_refused():
    source = stack("CT")
    drawn = unnamed(segmentation(source, corner(0, 2, 4)))
    drawn.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 5
    with pytest.raises(BadInput, match=r"5 mm apart, the image's 2\.5 mm"):
        found(drawn, source)


def test_another_matrix_on_an_image_without_position_is_refused():
    source = projection("DX")
    drawn = segmentation(source, corner(0, shape=source.shape))
    drawn.Rows, drawn.Columns = drawn.Columns, drawn.Rows
    with pytest.raises(BadInput, match="10 columns and 12 rows, the image has 12 and 10"):
        found(drawn, source)


@pytest.mark.parametrize(
    ("numbers", "reason"), [((), "names 4 planes"), ((1, 3), "names 2 planes"), ((9,), "does not")]
)
def test_without_position_a_frame_that_does_not_name_one_frame_is_refused(numbers, reason):
    with pytest.raises(BadInput, match=reason):
        found(of_frames(*numbers), ultrasound(4))


def changed(**values):
    def change(dataset):
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def lacking(keyword, at=lambda dataset: dataset):
    return lambda dataset: delattr(at(dataset), keyword)


def first_frame(dataset):
    return dataset.PerFrameFunctionalGroupsSequence[0]


def at_frame(sequence, **values):
    return lambda dataset: changed(**values)(first_frame(dataset)[sequence][0])


BROKEN = {
    "too few frames": (changed(NumberOfFrames=1), "NumberOfFrames is 1, but 2 frames are described"),
    "endless frames": (changed(NumberOfFrames=2**31 - 1), "but 2 frames are described"),
    "no frame count": (lacking("NumberOfFrames"), "NumberOfFrames is missing"),
    "huge matrix": (changed(Rows=65535, Columns=65535), "30 bytes; 2 frames of its size take 1073709057"),
    "empty matrix": (changed(Rows=0), "frames have no pixels"),
    "no pixels": (lacking("PixelData"), "PixelData is missing"),
    "cut pixels": (changed(PixelData=b"\0" * 7), "pixel data has 7 bytes"),
    "no algorithm type": (lacking("SegmentAlgorithmType", lambda d: d.SegmentSequence[0]), "AlgorithmType is missing"),
    "no segments": (lacking("SegmentSequence"), "SegmentSequence is missing"),
    "a text for a sequence": (changed(SegmentSequence=None), "SegmentSequence is missing"),
    "unknown segment": (
        at_frame("SegmentIdentificationSequence", ReferencedSegmentNumber=7),
        "segment 7",
    ),
    "no segment": (lacking("SegmentIdentificationSequence", first_frame), "frame 1 does not say which segment"),
    "short position": (
        at_frame("PlanePositionSequence", ImagePositionPatient=[1, 2]),
        "has 2 values, not 3",
    ),
    "huge position": (
        at_frame("PlanePositionSequence", ImagePositionPatient=[1e300, 0, 0]),
        "holds a number beyond 1000000",
    ),
    "flat pixels": (
        lambda d: changed(PixelSpacing=[0, 0])(d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]),
        "do not span a plane",
    ),
    "twice on a plane": (
        lambda d: changed(PerFrameFunctionalGroupsSequence=Items([first_frame(d), first_frame(d)]))(d),
        "two frames on plane 2",
    ),
    "label map": (changed(SegmentationType="LABELMAP"), "neither BINARY nor FRACTIONAL"),
    "wrong depth": (changed(BitsAllocated=8), "BitsAllocated is not 1"),
    "no own uid": (lacking("SOPInstanceUID"), "SOPInstanceUID is missing"),
}


@pytest.mark.parametrize(("damage", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_object_is_refused_with_the_reason(damage, reason):
    source = stack("CT")
    drawn = segmentation(source, corner(1, 3))
    damage(drawn)
    with pytest.raises(BadInput, match=rf"this DICOM SEG cannot be read: .*{reason}"):
        found(drawn, source)


OF_ONE_SEGMENT = ("no algorithm type", "short position", "huge position", "twice on a plane")


@pytest.mark.parametrize("case", OF_ONE_SEGMENT)
def test_what_is_wrong_with_one_segment_is_not_the_others_problem(case):
    source = stack("CT")
    drawn = segmentation(source, corner(1, 2), corner(3), kinds=("MANUAL", "MANUAL"))
    damage, reason = BROKEN[case]
    if case == "twice on a plane":
        groups = drawn.PerFrameFunctionalGroupsSequence
        drawn.PerFrameFunctionalGroupsSequence = Items([groups[0], groups[0], groups[2]])
    else:
        damage(drawn)
    read = drawn_in(drawn, source)
    (region,) = read.regions
    np.testing.assert_array_equal(region.mask, corner(3))
    assert region.label == "finding 2"
    (unusable,) = read.unusable
    assert unusable.label == "finding 1"
    assert unusable.reason.startswith("an ROI of this DICOM SEG cannot be read: ")
    assert reason.split()[-1] in unusable.reason


def test_an_object_whose_pixels_are_cut_off_is_no_use_to_any_segment():
    source = stack("CT")
    drawn = segmentation(source, corner(1), corner(3), kinds=("MANUAL", "MANUAL"))
    drawn.PixelData = b"\0" * 7
    with pytest.raises(BadInput, match="this DICOM SEG cannot be read: its pixel data has 7 bytes"):
        drawn_in(drawn, source)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [(encapsulate([b"\x01" * 100]), "frame 1 cannot be decompressed"), (b"\x01" * 100, "does not hold 1 frames")],
)
def test_compressed_frames_that_are_damaged_are_refused(pixels, reason):
    source = stack("CT")
    drawn = segmentation(source, corner(1) * 1.0, fractional=True, transfer_syntax_uid=RLELossless)
    drawn.PixelData = pixels
    with pytest.raises(BadInput, match=reason):
        found(drawn, source)
