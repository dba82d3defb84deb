from datetime import datetime

import highdicom
import numpy as np
import pytest
from dicom.objects import KINDS, PATIENT, faults, projection, reread, stack, written

from xal.dicom.attention import attention_bands, attention_map
from xal.dicom.derived import Stamp
from xal.dicom.made_by import made_by_xal
from xal.imaging.dicom_planes import planes

STAMP = Stamp("1.2.826.0.1.3680043.10.1541.8", "1.2.826.0.1.3680043.10.1541.8.1", datetime(2026, 3, 4, 5, 6, 7), 902)
BOTH = pytest.mark.parametrize("make", [attention_bands, attention_map])
every_kind = pytest.mark.parametrize("kind", KINDS)


def looked(source):
    """A hill beside the middle, different on every plane."""
    i, j, k = np.mgrid[: source.shape[0], : source.shape[1], : source.shape[2]]
    hill = np.exp(-((i - 3) ** 2 / 8 + (j - 6) ** 2 / 4 + (k - source.shape[2] + 1) ** 2 / 2))
    return hill.astype(np.float32)


def made(make, source, attention=None, finding="ring"):
    found = planes(source.headers, source.shape, source.affine)
    attention = looked(source) if attention is None else attention
    return make(found, source.affine, attention, finding=finding, version=7, stamp=STAMP)


@every_kind
@BOTH
@pytest.mark.e2e
def test_it_is_what_the_standard_asks_for(make, kind, tmp_path):
    assert faults(made(make, KINDS[kind]()), tmp_path) == []


@every_kind
def test_each_band_holds_the_voxels_between_its_levels(kind):
    source = KINDS[kind]()
    read = reread(made(attention_bands, source))
    frames = read.pixel_array.reshape(-1, source.shape[1], source.shape[0])
    where = {
        (plane.header.SOPInstanceUID, plane.frame): k
        for k, plane in enumerate(planes(source.headers, source.shape, source.affine))
    }
    found = np.zeros((*source.shape, 5), dtype=bool)
    for frame, group in zip(frames, read.PerFrameFunctionalGroupsSequence, strict=True):
        refers = group.DerivationImageSequence[0].SourceImageSequence[0]
        k = where[refers.ReferencedSOPInstanceUID, refers.get("ReferencedFrameNumber")]
        found[:, :, k, group.SegmentIdentificationSequence[0].ReferencedSegmentNumber] = frame.T
    attention = looked(source)
    for number, (low, high) in enumerate([(0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 9)], start=1):
        expected = (attention >= np.float32(low)) & (attention < np.float32(high))
        np.testing.assert_array_equal(found[..., number], expected)
    assert [segment.SegmentLabel for segment in read.SegmentSequence] == [f"attention {n}" for n in (1, 2, 3, 4)]


def test_bands_say_that_an_algorithm_made_them():
    read = reread(made(attention_bands, stack("CT")))
    for segment in read.SegmentSequence:
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert segment.SegmentAlgorithmName == "xal attention, model v7"
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("xal attention", "model v7")
        assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"


@BOTH
def test_nobody_is_named_as_its_creator_and_the_model_is(make):
    read = reread(made(make, stack("CT")))
    assert str(read.ContentCreatorName or "") == ""
    assert read.ContentDescription == "Grad-CAM attention of model v7, finding ring"
    assert read.SeriesDescription == "xal: attention of model v7 (algorithm)"
    assert read.ImageComments.startswith("Made by an algorithm")
    assert made_by_xal(read)
    assert read.PatientName == PATIENT


@BOTH
@pytest.mark.e2e
def test_the_models_version_is_said_however_long_the_findings_name_is(make, tmp_path):
    dataset = made(make, projection(), finding="x" * 64)
    assert "model v7" in reread(dataset).ContentDescription
    assert faults(dataset, tmp_path) == []


@pytest.mark.e2e
def test_bands_without_voxels_are_left_out(tmp_path):
    source = stack("CT")
    attention = np.zeros(source.shape, np.float32)
    attention[2:4, 3, 1], attention[8, 1:3, 2] = 0.3, 0.7
    dataset = made(attention_bands, source, attention)
    segments = reread(dataset).SegmentSequence
    assert [(segment.SegmentNumber, segment.SegmentLabel) for segment in segments] == [
        (1, "attention 1"), (2, "attention 3")
    ]  # fmt: skip
    assert faults(dataset, tmp_path) == []


def test_attention_that_is_low_everywhere_has_no_bands():
    source = stack("CT")
    with pytest.raises(ValueError, match=r"below 0\.2 everywhere"):
        made(attention_bands, source, np.full(source.shape, 0.1, np.float32))


@every_kind
def test_the_map_holds_the_attention_of_each_frame_it_refers_to(kind):
    source = KINDS[kind]()
    read = reread(made(attention_map, source))
    frames = np.frombuffer(read.FloatPixelData, "<f4").reshape(-1, source.shape[1], source.shape[0])
    found = planes(source.headers, source.shape, source.affine)
    assert len(frames) == len(found)
    for k, (plane, frame, group) in enumerate(zip(found, frames, read.PerFrameFunctionalGroupsSequence, strict=True)):
        refers = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert refers.ReferencedSOPInstanceUID == plane.header.SOPInstanceUID
        assert refers.get("ReferencedFrameNumber") == plane.frame
        np.testing.assert_array_equal(frame.T, looked(source)[:, :, k])


def test_the_map_says_what_its_values_are():
    read = reread(made(attention_map, stack("CT")))
    (mapping,) = read.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    (quantity,) = mapping.QuantityDefinitionSequence
    assert quantity.ConceptCodeSequence[0].CodeMeaning == "Attention of a classifier (Grad-CAM)"
    assert mapping.LUTExplanation == "Grad-CAM attention of model v7, finding ring"
    assert read.ContentQualification == "RESEARCH"


@BOTH
def test_its_planes_lie_where_the_volume_lies(make):
    source = stack("MR", orientation=(0.8, 0.6, 0, 0, 0, -1))
    read = reread(made(make, source))
    measures = read.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(n) for n in measures.PixelSpacing] == [0.8, 0.6]
    positions = {tuple(header.ImagePositionPatient) for header in source.headers}
    assert {tuple(g.PlanePositionSequence[0].ImagePositionPatient) for g in read.PerFrameFunctionalGroupsSequence} <= (
        positions
    )
    last = read.PerFrameFunctionalGroupsSequence[-1].PlanePositionSequence[0].ImagePositionPatient
    np.testing.assert_allclose(last, (source.affine @ [0, 0, 4, 1])[:3] * [-1, -1, 1], atol=1e-4)


def test_highdicom_reads_the_bands_back():
    source = stack("MR", orientation=(0.8, 0.6, 0, 0, 0, -1))
    read = highdicom.seg.Segmentation.from_dataset(reread(made(attention_bands, source)))
    uids = [plane.header.SOPInstanceUID for plane in planes(source.headers, source.shape, source.affine)]
    pixels = read.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True, combine_segments=True)
    np.testing.assert_array_equal(pixels.transpose(2, 1, 0) >= 3, looked(source) >= np.float32(0.6))


@every_kind
@BOTH
def test_making_it_twice_makes_the_same_bytes(make, kind):
    assert written(made(make, KINDS[kind]())) == written(made(make, KINDS[kind]()))


def test_a_map_of_another_shape_is_refused():
    source = stack("CT")
    with pytest.raises(ValueError, match="the planes are"):
        made(attention_map, source, looked(source)[:-1])
