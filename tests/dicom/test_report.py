from dataclasses import replace
from datetime import datetime

import highdicom
import numpy as np
import pytest
from dicom.objects import BIRTH, KINDS, PATIENT, faults, projection, reread, stack, ultrasound, written
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from xal.dicom.derived import Stamp
from xal.dicom.made_by import made_by_xal
from xal.dicom.report import Statement, report
from xal.dicom.segmentation import Outline, segmentation
from xal.imaging.dicom_planes import planes
from xal.method.story import Story
from xal.task import Task

TASK = Task.model_validate({
    "name": "chest",
    "title": "Chest",
    "findings": [
        {"name": "effusion", "code": {"scheme": "SCT", "value": "60046008", "meaning": "Pleural effusion"}},
        {"name": "opacity of unknown kind"},
        {"name": "nothing", "absent": True},
    ],
    "image": {"dimensions": 2, "size": [64, 64]},
})  # fmt: skip
AT = datetime(2026, 3, 4, 5, 6, 7)
STAMP = Stamp("1.2.826.0.1.3680043.10.1541.9", "1.2.826.0.1.3680043.10.1541.9.1", AT, 903)
SEG_STAMP = Stamp("1.2.826.0.1.3680043.10.1541.7", "1.2.826.0.1.3680043.10.1541.7.1", AT, 901)
STORY = Story(
    chosen=True, model_version=7, finding="opacity of unknown kind", probability=0.6123456789012345,
    probabilities={"effusion": 0.3, "opacity of unknown kind": 0.6123456789012345, "nothing": 1e-9},
    uncertainty=0.71, misalignment=0.25, roi_source="proposed", roi_confidence=0.9, overlap=0.5,
    energy=0.4, alpha=0.5, score=0.48,
)  # fmt: skip
UNSEEN = replace(STORY, misalignment=None, roi_source="none", roi_confidence=None, overlap=None, energy=None)

every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(source):
    mask = np.zeros(source.shape, dtype=bool)
    mask[2:7, 1:3, -1] = True
    mask[2, 1:8, max(source.shape[2] - 3, 0)] = True
    return mask


def made(source, finding="effusion", outlined=True, story=STORY, reader="anna"):
    found = planes(source.headers, source.shape, source.affine)
    outline = None
    if outlined:
        outline = segmentation(found, source.affine, [Outline(drawn(source), finding)], reader=reader, stamp=SEG_STAMP)
    statement = Statement(finding, reader, story, outline)
    return report(found, source.affine, statement, task=TASK, stamp=STAMP)


def content(dataset):
    return highdicom.sr.ComprehensiveSR.from_dataset(reread(dataset)).content


def numbers(group):
    return {m.name.value: (m.value, m.unit.value) for m in group.get_measurements() if m.name.value != "probability_of"}


def probabilities(group):
    of_any = [item for item in group[0].ContentSequence if item.name.value == "probability_of"]
    return {item.ContentSequence[-1].value: float(item.MeasuredValueSequence[0].NumericValue) for item in of_any}


def evaluations(group):
    return {e.name.value: e.value.value for e in group.get_qualitative_evaluations()}


@every_kind
@pytest.mark.e2e
@pytest.mark.parametrize("story", [STORY, UNSEEN, None], ids=["story", "story without ROI", "no story"])
def test_a_report_of_an_outline_is_what_the_standard_asks_for(kind, story, tmp_path):
    assert faults(made(KINDS[kind](), story=story), tmp_path) == []


@every_kind
@pytest.mark.e2e
@pytest.mark.parametrize("finding", ["effusion", "nothing", "opacity of unknown kind"])
def test_a_report_without_an_outline_is_what_the_standard_asks_for(kind, finding, tmp_path):
    assert faults(made(KINDS[kind](), finding, outlined=False, story=UNSEEN), tmp_path) == []


def test_the_readers_group_refers_to_the_segment_of_a_volume():
    source = stack("CT")
    (group,) = content(made(source)).get_volumetric_roi_measurement_groups()
    assert group.finding_type == CodedConcept("60046008", "SCT", "Pleural effusion")
    assert group.referenced_segment.referenced_sop_instance_uid == SEG_STAMP.instance
    assert group.tracking_identifier == "effusion by anna"
    assert group.tracking_uid == SEG_STAMP.uid("segment 1")
    assert evaluations(group) == {"annotation": "outlined"}


def test_the_readers_group_refers_to_the_frame_of_an_x_ray():
    source = projection()
    (group,) = content(made(source)).get_planar_roi_measurement_groups()
    reference = group.referenced_segmentation_frame
    assert reference[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == SEG_STAMP.instance
    assert reference[0].ReferencedSOPSequence[0].ReferencedFrameNumber == 1
    assert reference[1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.headers[0].SOPInstanceUID


def test_an_outline_in_a_volume_has_a_volume():
    (group,) = content(made(stack("CT", step=2.5))).get_volumetric_roi_measurement_groups()
    assert numbers(group) == {"roi_pixels": (17, "{pixels}"), "118565006": (17 * 0.8 * 0.6 * 2.5, "mm3")}


def test_an_outline_on_an_x_ray_has_an_area():
    (group,) = content(made(projection())).get_planar_roi_measurement_groups()
    assert numbers(group) == {"roi_pixels": (15, "{pixels}"), "42798000": (15 * 0.04, "mm2")}


@pytest.mark.parametrize("frames", [1, 4])
def test_where_nobody_knows_the_size_of_a_pixel_pixels_are_counted(frames):
    read = content(made(ultrasound(frames)))
    (group,) = read.get_planar_roi_measurement_groups() or read.get_volumetric_roi_measurement_groups()
    assert list(numbers(group)) == ["roi_pixels"]


def model_group(read):
    (group,) = [g for g in read.get_image_measurement_groups() if "algorithm" in g.tracking_identifier]
    return group


def test_the_models_numbers_stand_apart_with_its_version():
    group = model_group(content(made(stack("CT"))))
    assert numbers(group) == {
        "model_version": (7, "1"),
        "probability": (0.6123456789012345, "1"),
        "uncertainty": (0.71, "1"),
        "misalignment": (0.25, "1"),
        "alpha": (0.5, "1"),
        "score": (0.48, "1"),
        "overlap": (0.5, "1"),
        "energy": (0.4, "1"),
        "roi_confidence": (0.9, "1"),
        "probability_read": (0.3, "1"),
    }
    assert evaluations(group)["chosen"] == codes.SCT.Yes.value
    assert evaluations(group)["roi_source"] == "proposed"
    said = {item.name.meaning: item.value for item in group[0].ContentSequence if item.ValueType == "TEXT"}
    assert said["Algorithm Name"] == "xal classifier"
    assert said["Algorithm Version"] == "model v7"


def test_every_finding_has_its_probability():
    group = model_group(content(made(stack("CT"))))
    effusion, unknown, nothing = probabilities(group)
    assert effusion == CodedConcept("60046008", "SCT", "Pleural effusion")
    assert (unknown.meaning, nothing.meaning) == ("opacity of unknown kind", "nothing")
    assert list(probabilities(group).values()) == pytest.approx([0.3, 0.6123456789012345, 1e-9])


def test_what_the_model_predicted_is_no_finding_of_the_report():
    group = model_group(content(made(stack("CT"))))
    assert group.finding_type is None
    assert evaluations(group)["predicted"].startswith("opacit")


def test_what_the_model_did_not_say_is_left_out():
    group = model_group(content(made(stack("CT"), story=UNSEEN)))
    assert {"misalignment", "overlap", "energy", "roi_confidence"}.isdisjoint(numbers(group))


def test_without_a_model_only_the_reader_speaks():
    read = content(made(stack("CT"), story=None))
    assert len(read.get_volumetric_roi_measurement_groups()) == 1
    assert read.get_image_measurement_groups() == []


@pytest.mark.parametrize(("finding", "how"), [("nothing", "absent"), ("effusion", "stated")])
def test_a_finding_without_an_outline_refers_to_the_images_alone(finding, how):
    source = stack("CT")
    (group,) = content(made(source, finding, outlined=False, story=None)).get_image_measurement_groups()
    assert evaluations(group) == {"annotation": how}
    assert group.finding_type.meaning == {"nothing": "nothing", "effusion": "Pleural effusion"}[finding]
    uids = {image.referenced_sop_instance_uid for image in group.source_images}
    assert uids == {header.SOPInstanceUID for header in source.headers}


def test_person_and_program_are_both_named_as_observers():
    person, device = content(made(stack("CT"), reader="Dr. Anna Müller")).get_observer_contexts()
    assert str(person.observer_identifying_attributes.name) == "Dr. Anna Müller^"
    assert device.observer_identifying_attributes.manufacturer_name == "xal"


@every_kind
def test_the_image_library_holds_every_instance_once(kind):
    source = KINDS[kind]()
    (root,) = content(made(source))
    (library,) = [item for item in root.ContentSequence if item.name.meaning == "Image Library"]
    images = library.ContentSequence[0].ContentSequence
    uids = [image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for image in images]
    assert sorted(uids) == sorted(header.SOPInstanceUID for header in source.headers)


def test_all_that_is_referred_to_is_listed_as_evidence():
    source = projection()
    (study,) = reread(made(source)).CurrentRequestedProcedureEvidenceSequence
    assert {series.SeriesInstanceUID for series in study.ReferencedSeriesSequence} == {
        source.headers[0].SeriesInstanceUID, SEG_STAMP.series
    }  # fmt: skip


def test_it_belongs_to_the_patients_study():
    read = reread(made(stack("CT")))
    assert (read.PatientName, read.PatientBirthDate, read.AccessionNumber) == (PATIENT, BIRTH, "A-77")
    assert read.SeriesDescription == "xal: effusion, read by anna"
    assert made_by_xal(read)


@every_kind
def test_making_it_twice_makes_the_same_bytes(kind):
    assert written(made(KINDS[kind]())) == written(made(KINDS[kind]()))


@pytest.mark.e2e
def test_a_finding_that_the_task_no_longer_has_can_still_be_reported(tmp_path):
    story = replace(STORY, finding="gone too", probabilities={"gone too": 0.9})
    assert faults(made(stack("CT"), "gone", story=story), tmp_path) == []


@pytest.mark.e2e
def test_an_outline_that_is_not_sent_is_still_said_to_be_one(tmp_path):
    source = projection()
    found = planes(source.headers, source.shape, source.affine)
    statement = Statement("effusion", "anna", STORY, segmentation=None, roi_voxels=15)
    dataset = report(found, source.affine, statement, task=TASK, stamp=STAMP)
    group, _ = content(dataset).get_image_measurement_groups()
    assert evaluations(group) == {"annotation": "outlined"}
    assert numbers(group)["42798000"] == (15 * 0.04, "mm2")
    assert faults(dataset, tmp_path) == []


@pytest.mark.e2e
def test_a_story_from_before_all_of_it_was_kept_is_told_as_far_as_it_goes(tmp_path):
    story = Story(model_version=2, finding="effusion", probability=0.5)
    dataset = made(stack("CT"), story=story)
    group = model_group(content(dataset))
    assert numbers(group) == {"model_version": (2, "1"), "probability": (0.5, "1")}
    assert list(evaluations(group)) == ["predicted"]
    assert faults(dataset, tmp_path) == []
