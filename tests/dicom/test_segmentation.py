import warnings
from datetime import datetime

import highdicom
import numpy as np
import pydicom
import pydicom_seg
import pytest
from dicom.objects import BIRTH, KINDS, PATIENT, enhanced, faults, projection, reread, stack, ultrasound, written

from xal.dicom.derived import Stamp
from xal.dicom.made_by import made_by_xal
from xal.dicom.segmentation import Outline, segmentation
from xal.imaging.dicom_planes import place, planes
from xal.task import Code

STAMP = Stamp(
    "1.2.826.0.1.3680043.10.1541.7", "1.2.826.0.1.3680043.10.1541.7.1", datetime(2026, 3, 4, 5, 6, 7, 89), 901
)
MASS = Code(scheme="SCT", value="4147007", meaning="Mass")


def drawn(source, seed=1):
    """A mask that no turn, flip or transposition maps to itself; on three planes at most."""
    mask = np.zeros(source.shape, dtype=bool)
    last = source.shape[2] - 1
    mask[2:7, 1:3, last] = True
    mask[2, 1:8, max(last - 1, 0)] = True
    mask[9, 6:8, max(last - 3, 0)] = True
    return mask


def made(source, outlines=None, reader="Dr. Anna Müller", stamp=STAMP):
    outlines = outlines or [Outline(drawn(source), "spiculated mass", MASS, (200, 90, 220))]
    found = planes(source.headers, source.shape, source.affine)
    return segmentation(found, source.affine, outlines, reader=reader, stamp=stamp)


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@pytest.mark.e2e
def test_it_is_what_the_standard_asks_for(kind, tmp_path):
    assert faults(made(KINDS[kind]()), tmp_path) == []


@every_kind
def test_each_frame_holds_the_mask_of_the_frame_it_refers_to(kind):
    source = KINDS[kind]()
    read = reread(made(source))
    expected = drawn(source)
    frames = read.pixel_array.reshape(-1, source.shape[1], source.shape[0])
    found = np.zeros_like(expected)
    where = {
        (plane.header.SOPInstanceUID, plane.frame): k
        for k, plane in enumerate(planes(source.headers, source.shape, source.affine))
    }
    for frame, group in zip(frames, read.PerFrameFunctionalGroupsSequence, strict=True):
        (refers,) = group.DerivationImageSequence[0].SourceImageSequence
        k = where[refers.ReferencedSOPInstanceUID, refers.get("ReferencedFrameNumber")]
        assert frame.any()
        found[:, :, k] = frame.T
    np.testing.assert_array_equal(found, expected)


@every_kind
def test_highdicom_reads_the_mask_back(kind):
    source = KINDS[kind]()
    read = highdicom.seg.Segmentation.from_dataset(reread(made(source)))
    found = planes(source.headers, source.shape, source.affine)
    if found[0].frame is None:
        uids = [plane.header.SOPInstanceUID for plane in found]
        pixels = read.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    else:
        numbers = [plane.frame for plane in found]
        uid = found[0].header.SOPInstanceUID
        pixels = read.get_pixels_by_source_frame(uid, numbers, assert_missing_frames_are_empty=True)
    np.testing.assert_array_equal(pixels[..., 0].transpose(2, 1, 0), drawn(source))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "CT" in kind or "MR" in kind])
def test_its_voxels_lie_where_the_mask_lies_in_the_patient(kind):
    source = KINDS[kind]()
    read = pydicom_seg.SegmentReader().read(reread(made(source)))
    image, values = read.segment_image(1), read.segment_data(1)
    points = [image.TransformIndexToPhysicalPoint(index[::-1]) for index in np.argwhere(values).tolist()]
    expected = [(source.affine @ [*index, 1])[:3] * [-1, -1, 1] for index in np.argwhere(drawn(source))]
    assert len(points) == len(expected)
    for point in expected:
        assert np.linalg.norm(np.array(points) - point, axis=1).min() < 1e-3


@every_kind
def test_frames_of_one_object_lie_apart_as_the_volumes_planes_do(kind):
    source = KINDS[kind]()
    groups = reread(made(source)).PerFrameFunctionalGroupsSequence
    positions = np.array([group.PlanePositionSequence[0].ImagePositionPatient for group in groups], dtype=float)
    used = np.flatnonzero(drawn(source).any(axis=(0, 1)))
    distances = np.linalg.norm(positions - positions[0], axis=1)
    np.testing.assert_allclose(distances, (used - used[0]) * np.linalg.norm(source.affine[:3, 2]), atol=1e-3)


def test_positions_are_those_of_the_source_to_the_last_digit():
    source = stack("MR", orientation=(0.8, 0.6, 0, 0, 0, -1))
    read = reread(made(source))
    by_uid = {header.SOPInstanceUID: header for header in source.headers}
    for group in read.PerFrameFunctionalGroupsSequence:
        header = by_uid[group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        assert group.PlanePositionSequence[0].ImagePositionPatient == header.ImagePositionPatient
    shared = read.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == source.headers[0].ImageOrientationPatient
    assert shared.PixelMeasuresSequence[0].PixelSpacing == source.headers[0].PixelSpacing
    assert read.FrameOfReferenceUID == source.headers[0].FrameOfReferenceUID


@pytest.mark.parametrize("modality", ["CR", "DX", "MG"])
def test_an_x_ray_gets_the_geometry_that_viewers_assume_for_it(modality):
    source = projection(modality)
    read = reread(made(source))
    shared = read.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [0, 1, 0, 0, 0, -1]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.2, 0.2]
    assert read.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient == [0, 0, 0]
    assert read.FrameOfReferenceUID == reread(made(source)).FrameOfReferenceUID
    assert "FrameOfReferenceUID" not in source.headers[0]


def test_frames_of_a_cine_loop_are_referred_to_by_their_numbers():
    groups = reread(made(ultrasound(4))).PerFrameFunctionalGroupsSequence
    sources = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in groups]
    assert [source.ReferencedFrameNumber for source in sources] == [1, 3, 4]


def test_frames_of_an_enhanced_image_are_referred_to_as_they_are_stored():
    groups = reread(made(enhanced(last_first=True))).PerFrameFunctionalGroupsSequence
    sources = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in groups]
    assert [source.ReferencedFrameNumber for source in sources] == [4, 2, 1]


def test_it_belongs_to_the_study_and_refers_to_the_whole_series():
    source = stack("CT")
    read = reread(made(source))
    assert (read.PatientName, read.PatientID, read.PatientBirthDate) == (PATIENT, "PLANTED-7", BIRTH)
    assert read.StudyInstanceUID == source.headers[0].StudyInstanceUID
    (series,) = read.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.headers[0].SeriesInstanceUID
    referenced = {instance.ReferencedSOPInstanceUID for instance in series.ReferencedInstanceSequence}
    assert referenced == {header.SOPInstanceUID for header in source.headers}


def test_names_in_another_character_set_stay_readable():
    source = projection()
    source.headers[0].SpecificCharacterSet = "ISO_IR 100"
    source.headers[0].PatientName = "Sjögren^Åsa"
    latin = reread(source.headers[0])
    latin.remove_private_tags()
    again = type(source)([latin], source.shape, source.affine)
    assert str(reread(made(again)).PatientName) == "Sjögren^Åsa"


def test_it_says_who_drew_it_and_with_what():
    read = reread(made(stack("CT")))
    (segment,) = read.SegmentSequence
    assert segment.SegmentAlgorithmType == "MANUAL"
    assert "SegmentAlgorithmName" not in segment
    assert str(read.ContentCreatorName) == "Dr. Anna Müller^"
    assert read.SeriesDescription == "xal: spiculated mass by Dr. Anna Müller"
    assert segment.TrackingID == "spiculated mass by Dr. Anna Müller"
    assert made_by_xal(read)
    assert (read.Manufacturer, read.ManufacturerModelName) == ("xal", "xal for MONAI Label")
    assert read.SoftwareVersions


def test_a_segment_has_the_tasks_code_and_colour():
    (segment,) = reread(made(stack("CT"))).SegmentSequence
    (kind,) = segment.SegmentedPropertyTypeCodeSequence
    assert (kind.CodingSchemeDesignator, kind.CodeValue, kind.CodeMeaning) == ("SCT", "4147007", "Mass")
    assert segment.SegmentLabel == "spiculated mass"
    lightness, a, b = np.array(segment.RecommendedDisplayCIELabValue) / 65535 * [100, 255, 255] - [0, 128, 128]
    assert (round(lightness), round(a), round(b)) == (57, 62, -47)  # of sRGB (200, 90, 220)


@pytest.mark.e2e
@pytest.mark.parametrize(("finding", "value"), [
    ("ring", "ring"), ("Indeterminate Appearance", "Indeter-"), ("Ödem", "dem-"),
])  # fmt: skip
def test_a_finding_without_a_code_gets_one_of_our_own(finding, value, tmp_path):
    source = stack("CT")
    dataset = made(source, [Outline(drawn(source), finding)])
    (kind,) = reread(dataset).SegmentSequence[0].SegmentedPropertyTypeCodeSequence
    assert kind.CodingSchemeDesignator == "99XAL"
    assert kind.CodeValue.startswith(value)
    assert len(kind.CodeValue) <= 16
    assert kind.CodeMeaning == finding
    assert faults(dataset, tmp_path) == []


@pytest.mark.e2e
def test_several_findings_are_several_segments(tmp_path):
    source = stack("CT")
    other = np.roll(drawn(source), 1, axis=1)
    dataset = made(source, [Outline(drawn(source), "ring"), Outline(other, "solid")])
    read = highdicom.seg.Segmentation.from_dataset(reread(dataset))
    uids = [plane.header.SOPInstanceUID for plane in planes(source.headers, source.shape, source.affine)]
    pixels = read.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    np.testing.assert_array_equal(pixels[..., 0].transpose(2, 1, 0), drawn(source))
    np.testing.assert_array_equal(pixels[..., 1].transpose(2, 1, 0), other)
    assert read.SegmentsOverlap == "YES"
    assert faults(dataset, tmp_path) == []


@every_kind
def test_making_it_twice_makes_the_same_bytes(kind):
    assert written(made(KINDS[kind]())) == written(made(KINDS[kind]()))


def test_it_is_known_by_what_the_caller_gave():
    read = reread(made(stack("CT")))
    assert (read.SeriesInstanceUID, read.SOPInstanceUID) == (STAMP.series, STAMP.instance)
    assert (read.ContentDate, read.ContentTime, read.SeriesNumber) == ("20260304", "050607.000089", 901)


@pytest.mark.e2e
@pytest.mark.parametrize("reader", ["anna", "Müller^Anna^^Dr.", "a=b\\c\nd", "x" * 200, "佐藤"])
def test_any_reader_can_be_named(reader, tmp_path):
    assert faults(made(stack("CT"), reader=reader), tmp_path) == []


def test_headers_as_a_pacs_sends_them_are_enough(tmp_path):
    source = stack("CT")
    plain = [type(header)("", {}) for header in source.headers]
    for header, sent in zip(source.headers, plain, strict=True):
        sent.update(pydicom.Dataset.from_json(header.to_json(bulk_data_threshold=16, bulk_data_element_handler=str)))
        del sent.PixelData
    again = type(source)(plain, source.shape, source.affine)
    assert written(made(again)) == written(made(source))


@pytest.mark.e2e
def test_a_source_without_patient_or_study_details_is_no_obstacle(tmp_path):
    source = projection()
    for keyword in ("PatientBirthDate", "StudyID", "AccessionNumber", "ReferringPhysicianName", "PatientSex"):
        delattr(source.headers[0], keyword)
    assert faults(made(source), tmp_path) == []


def test_wrong_patient_data_is_passed_on_and_told_to_nobody(caplog, capfd):
    source = stack("CT")
    source.headers[0] = pydicom.Dataset.from_json(source.headers[0].to_json().replace(BIRTH, "1961.Feb.03"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        read = written(made(source))
    assert b"1961.Feb.03" in read
    told = "".join(str(warning.message) for warning in warned) + caplog.text + "".join(capfd.readouterr())
    assert "1961" not in told


@pytest.mark.e2e
def test_a_lossy_source_is_said_to_be_one(tmp_path):
    source = projection()
    source.headers[0].LossyImageCompression = "01"
    source.headers[0].LossyImageCompressionRatio = ["12.5"]
    source.headers[0].LossyImageCompressionMethod = ["ISO_10918_1"]
    dataset = made(source)
    assert reread(dataset).LossyImageCompression == "01"
    assert faults(dataset, tmp_path) == []


@pytest.mark.e2e
def test_a_source_that_does_not_say_how_lossy_it_is_is_no_obstacle(tmp_path):
    source = projection()
    source.headers[0].LossyImageCompression = "01"
    assert faults(made(source), tmp_path) == []


@pytest.mark.e2e
def test_a_de_identified_source_stays_marked_as_such(tmp_path):
    source = stack("CT")
    method = pydicom.Dataset()
    method.CodeValue, method.CodingSchemeDesignator, method.CodeMeaning = "113100", "DCM", "Basic Profile"
    for header in source.headers:
        header.PatientIdentityRemoved, header.DeidentificationMethod = "YES", "by hand"
        header.DeidentificationMethodCodeSequence = [method]
    dataset = made(source)
    assert reread(dataset).PatientIdentityRemoved == "YES"
    assert reread(dataset).DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert faults(dataset, tmp_path) == []


def test_an_empty_mask_is_not_an_object():
    source = stack("CT")
    with pytest.raises(ValueError, match="the mask of 'ring' is empty"):
        made(source, [Outline(np.zeros(source.shape, bool), "ring")])


def test_a_mask_of_another_shape_is_refused():
    source = stack("CT")
    with pytest.raises(ValueError, match=r"is \(10, 12, 5\), the planes are \(12, 10, 5\)"):
        made(source, [Outline(drawn(source).transpose(1, 0, 2), "ring")])


def test_the_source_headers_stay_as_they_were():
    source = projection()
    before = written(source.headers[0])
    made(source)
    assert written(source.headers[0]) == before
    assert place(planes(source.headers, source.shape, source.affine)[0]) is None
