"""ROIs that other programs left in the archive: found, laid on their images, scored by; and nobody's are not."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom import drawn
from dicom.drawn import CORNER, corner, structure_set
from dicom.objects import Source
from harness.faults import FaultyProxy
from harness.hospital import LOGIN, Hospital, publish_untrained, quick_task
from harness.orthanc import Orthanc
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import phantoms
from phantoms import Case
from xal.dicom.derived import Stamp
from xal.dicom.segmentation import Outline, segmentation
from xal.exchange.arriving import Search
from xal.exchange.sending import Sending
from xal.imaging.dicom_planes import planes
from xal.loop.scoring import score_pool
from xal.pool.project import Project
from xal.pool.rois import found_mask
from xal.sources.archive import DicomWebSource
from xal.task import load_task

pytestmark = pytest.mark.e2e


def headers_of(case: Case) -> list[Dataset]:
    headers = [copy.deepcopy(instance) for instance in case.instances]
    for header in headers:
        del header.PixelData
    return headers


def seg_of(case: Case, masks: dict[str, np.ndarray], maker: str = "Another program") -> Dataset:
    """Outlines as another program would store them."""
    from datetime import datetime

    stamp = Stamp(generate_uid(), generate_uid(), datetime(2026, 1, 2, 3, 4, 5), 7)
    stack = planes(headers_of(case), case.pixels.shape[1:], case.affine)
    outlines = [Outline(mask, name) for name, mask in masks.items()]
    made = segmentation(stack, case.affine, outlines, reader="dr_elsewhere", stamp=stamp)
    made.Manufacturer = maker
    return made


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    with Orthanc(tmp_path / "orthanc", *LOGIN) as archive:
        yield archive


def search_on(archive_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, names: str = "") -> Search:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", LOGIN[0])
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", LOGIN[1])
    project = Project.open(load_task(quick_task(tmp_path, task)), archive_url)
    project.sync()
    assert isinstance(project.source, DicomWebSource)
    return Search(project, project.source, names)


def look(search: Search) -> int:
    search.survey()
    return search.look(30)


def on_image(search: Search, case: Case) -> list[np.ndarray]:
    """The outlines that were found for a case, in its own voxels."""
    return [found_mask(search.project, row)[0] for row in search.project.store.outlines.of(case.series)]


@pytest.mark.parametrize(("kind", "task"), [("dx", "phantom_2d"), ("ct", "phantom_3d"), ("mr", "phantom_3d")])
def test_an_outline_is_found_voxel_for_voxel(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, task: str
):
    case = next(case for number in range(9) if (case := phantoms.case(kind, number)).roi.any())
    orthanc.upload([*case.instances, seg_of(case, {"whatever it is called": case.roi})])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, task)
    assert look(search) == 1
    (mask,) = on_image(search, case)
    np.testing.assert_array_equal(mask, case.roi)
    stored = search.project.store.outlines.of(case.series)[0]
    assert "whatever" not in f"{stored} {search.project.store.events.read(100)}", "words of others may name a patient"


def source_of(case: Case) -> Source:
    return Source(headers_of(case), case.roi.shape, case.affine)


def structures_of(case: Case, *rois: list[tuple[int, list[tuple[float, float]]]]) -> Dataset:
    """A structure set as another program would store it."""
    made = structure_set(source_of(case), *rois)
    head = case.instances[0]
    made.PatientID, made.StudyInstanceUID, made.SeriesInstanceUID = head.PatientID, case.study, generate_uid()
    made.Modality = "RTSTRUCT"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.is_little_endian, made.is_implicit_VR = True, False
    return made


def test_the_tumour_of_a_plan_is_found_whatever_is_wrong_with_its_couch(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    case = phantoms.case("ct", 0)
    plan = structures_of(case, [(0, CORNER)], [(2, CORNER), (4, CORNER)], [(1, CORNER)])
    for roi, label in zip(plan.StructureSetROISequence, ("Couch", "GTV", "Body"), strict=True):
        roi.ROIName = label
    couch = plan.ROIContourSequence[0].ContourSequence[0]
    couch.ContourData = [value + 900 * (at % 3 == 2) for at, value in enumerate(map(float, couch.ContourData))]
    orthanc.upload([*case.instances, plan])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_3d", "GTV")
    with caplog.at_level(logging.INFO):
        assert look(search) == 1
    (mask,) = on_image(search, case)
    np.testing.assert_array_equal(mask, corner(2, 4, shape=case.roi.shape))
    assert [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()] == []


def test_what_is_wrong_with_the_tumour_itself_is_told(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    case = phantoms.case("ct", 0)
    plan = structures_of(case, [(2, CORNER)], [(1, CORNER)])
    plan.StructureSetROISequence[0].ROIName = "gtv"
    plan.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 5
    orthanc.upload([*case.instances, plan])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_3d", "GTV")
    with caplog.at_level(logging.INFO):
        look(search)
    assert on_image(search, case) == []
    (problem,) = [record.getMessage() for record in caplog.records if "outline(s)" in record.getMessage()]
    assert "an ROI of this RT structure set cannot be read: contour 1 of ROI 1 has 6 points" in problem


@pytest.mark.parametrize(("kind", "task"), [("dx", "phantom_2d"), ("ct", "phantom_3d")])
def test_the_box_of_a_report_is_found(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, task: str
):
    case = phantoms.case(kind, 0)
    box = [(4, 6), (14, 6), (14, 11), (4, 11), (4, 6)]
    k = case.roi.shape[2] // 2
    said = drawn.report(source_of(case), drawn.on_image(source_of(case), k, box))
    orthanc.upload([*case.instances, said])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, task)
    assert look(search) == 1
    (mask,) = on_image(search, case)
    expected = np.zeros(case.roi.shape, bool)
    expected[4:14, 6:11, k] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("labels", [("Neoplasm", "Neoplasm"), ("Neoplasm", "Unclear")])
def test_all_boxes_of_a_report_count_whatever_they_are_called(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: tuple[str, str]
):
    case = phantoms.case("dx", 0)
    boxes = [[(x, 6), (x + 5, 6), (x + 5, 11), (x, 11), (x, 6)] for x in (4, 14)]
    said = drawn.report(source_of(case), *(drawn.on_image(source_of(case), 0, box) for box in boxes))
    called = [
        item for item in said.iterall() if item.keyword == "CodeMeaning" and item.value == codes.SCT.Tumor.meaning
    ]
    for item, label in zip(called, labels, strict=True):
        item.value = label
    orthanc.upload([*case.instances, said])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_2d")
    look(search)
    expected = np.zeros(case.roi.shape, bool)
    expected[4:9, 6:11] = expected[14:19, 6:11] = True
    (mask,) = on_image(search, case)
    np.testing.assert_array_equal(mask, expected)


def test_all_segments_of_one_kind_count(orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    case = next(case for number in range(9) if (case := phantoms.case("dx", number)).roi.any())
    other = np.roll(case.roi, 3, axis=0)
    made = seg_of(case, {"Left": case.roi, "Right": other})
    of_first = made.SegmentSequence[0].SegmentedPropertyTypeCodeSequence
    made.SegmentSequence[1].SegmentedPropertyTypeCodeSequence = of_first
    orthanc.upload([*case.instances, made])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_2d")
    look(search)
    (mask,) = on_image(search, case)
    np.testing.assert_array_equal(mask, case.roi | other)


def test_of_several_rois_those_that_are_called_like_a_finding_or_as_configured_count(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    case = next(case for number in range(9) if (case := phantoms.case("dx", number)).roi.any())
    body = np.ones_like(case.roi)
    gtv = np.roll(case.roi, 3, axis=0)
    orthanc.upload([*case.instances, seg_of(case, {"Body": body, "GTV 1": gtv, case.finding.upper(): case.roi})])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_2d", "gtv 1, other")
    look(search)
    (found,) = on_image(search, case)
    np.testing.assert_array_equal(found, case.roi | gtv)


def test_what_this_app_sent_and_what_an_algorithm_made_is_nobodys(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    case = next(case for number in range(9) if (case := phantoms.case("dx", number)).roi.any())
    ours = seg_of(case, {"lesion": case.roi}, maker="xal")
    automatic = seg_of(case, {"lesion": case.roi})
    automatic.SegmentSequence[0].SegmentAlgorithmType = "AUTOMATIC"
    automatic.SegmentSequence[0].SegmentAlgorithmName = "net"
    orthanc.upload([*case.instances, ours, automatic])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_2d")
    assert look(search) == 2
    assert on_image(search, case) == []
    assert look(search) == 0


def test_a_broken_object_is_told_of_and_keeps_nothing_else_from_being_found(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    case = next(case for number in range(9) if (case := phantoms.case("dx", number)).roi.any())
    broken = seg_of(case, {"lesion": case.roi})
    broken.NumberOfFrames = 40
    orthanc.upload([*case.instances, broken, seg_of(case, {"lesion": case.roi})])
    with FaultyProxy(orthanc.dicom_web) as proxy:
        search = search_on(proxy.dicom_web, tmp_path, monkeypatch, "phantom_2d")
        look(search)
        assert len(on_image(search, case)) == 1
        asked = proxy.count("/series/.*/series|/studies/.*/series/")
        look(search)
        assert proxy.count("/series/.*/series|/studies/.*/series/") == asked, "what was searched is not fetched again"


def test_outlines_go_when_two_listings_miss_them_and_their_files_with_them(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    case = next(case for number in range(9) if (case := phantoms.case("dx", number)).roi.any())
    staying, going = (seg_of(case, {"lesion": case.roi}) for _ in range(2))
    orthanc.upload([*case.instances, staying, going])
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_2d")
    look(search)
    labels = search.project.workspace.labels
    handed_in = labels / case.series / "ann.r1.nii.gz"
    handed_in.parent.mkdir()
    handed_in.write_bytes(b"a reader's work")

    def kept() -> list[str]:
        return sorted(file.relative_to(labels).as_posix() for file in (labels / "found").glob("*/*"))

    assert len(kept()) == len(on_image(search, case)) == 2
    orthanc.delete(str(going.SeriesInstanceUID))
    search.survey()
    assert len(on_image(search, case)) == 2, "one listing may have overlooked it"
    search.survey()
    search.survey()
    assert kept() == [row.path for row in search.project.store.outlines.of(case.series)]
    assert len(kept()) == 1
    assert handed_in.read_bytes() == b"a reader's work"


def test_an_image_is_compared_with_what_arrives_at_once_and_again_when_it_is_gone(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    case = next(case for number in range(9) if (case := phantoms.case("dx", number)).roi.any())
    orthanc.upload(case.instances)
    search = search_on(f"{orthanc.url}/dicom-web", tmp_path, monkeypatch, "phantom_2d")
    store = search.project.store
    publish_untrained(search.project)
    score_pool(search.project, lambda done, total: None)
    alone = store.predictions.get(case.series)
    outline = seg_of(case, {"lesion": case.roi})
    orthanc.upload([outline])
    look(search)
    beside = store.predictions.get(case.series)
    assert (beside.roi_source, store.images.get(case.series).roi_source) == ("drawn", "drawn")
    assert beside.misalignment is not None
    assert store.predictions.stale_count(1) == 0, "nothing is left for a scoring run"
    orthanc.delete(str(outline.SeriesInstanceUID))
    for _ in range(3):
        search.survey()
    assert store.predictions.get(case.series).misalignment == alone.misalignment
    assert store.images.get(case.series).roi_source == alone.roi_source != "drawn"
    assert store.predictions.stale_count(1) == 0


def test_the_app_scores_by_what_the_archive_had_before_anybody_read_here(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path), reviewers="chief")
    with hospital.archive:
        cases = [hospital.admit("dx", number) for number in range(16)]
        outlined = next(case for case in cases[10:] if case.roi.any())
        hospital.archive.upload([seg_of(outlined, {"lesion": outlined.roi})])
        with hospital.server as server:
            for case in cases[:10]:
                hospital.hand_in(case)
            assert server.train()["state"] == "published"
            server.wait_scored()

            def source() -> tuple[str | None, list[str] | None]:
                waiting = server.get("/xal/api/queue", client_id="chief", limit=100).json()["items"]
                return {row["id"]: (row["roi_source"], row["roi_origin"]) for row in waiting}[outlined.series]

            server.wait(lambda: source() == ("drawn", ["archive"]), 60, "the outline of the archive to be scored by")


def test_sending_the_same_annotation_again_makes_no_copy(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path))
    with hospital.archive:
        case = next(case for number in range(9) if (case := phantoms.case("dx", number)).roi.any())
        hospital.archive.upload(case.instances)
        hospital.cases[case.series] = case
        with hospital.server:
            hospital.hand_in(case)
            first = {one.SOPInstanceUID for one in hospital.wait_for_objects("SEG", 1)}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in hospital.server.environment.items():
                patch.setenv(name, value)
            project = Project.open(load_task(tmp_path / "phantom_2d.yaml"), str(hospital.server.studies))
            assert isinstance(project.source, DicomWebSource)
            annotation = project.store.annotations.find()[0]
            again = Sending(project, project.source)
            objects = list(again._objects(project.store.images.get(annotation.image), annotation))
            project.source.archive.store(objects)
        assert {one.SOPInstanceUID for one in hospital.objects("SEG")} == first
        assert hospital.archive.count() == 3
