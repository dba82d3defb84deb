"""The whole loop on a real archive: found, read blind, handed in, written back, learnt from."""

from __future__ import annotations

import http.client
import time

import nibabel as nib
import numpy as np
import pytest
from harness.hospital import Hospital, quick_task
from pydicom import Dataset

pytestmark = pytest.mark.e2e

KINDS = ("dx", "cr", "mg")
PER_KIND = 8


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("hospital")
    made = Hospital.build(folder, quick_task(folder), send="seg,sr,attention")
    with made.archive:
        for kind in KINDS:
            for number in range(PER_KIND):
                made.admit(kind, number)
        made.admit("ct")
        with made.server:
            yield made


def ids(hospital: Hospital) -> set[str]:
    """The images of the pool."""
    return set(hospital.server.get("/datastore/", output="all").json()["objects"])


def sample(hospital: Hospital, reader: str) -> dict:
    return hospital.server.post("/activelearning/xal", {"client_id": reader}).json()


def test_series_of_the_tasks_modalities_are_the_pool(hospital: Hospital):
    pictures = {uid for uid, case in hospital.cases.items() if case.kind in KINDS}
    assert ids(hospital) == pictures


def test_next_sample_names_the_study_that_ohif_goes_to(hospital: Hospital):
    given = hospital.server.post("/activelearning/random", {}).json()
    case = hospital.cases[given["id"]]
    assert (given["StudyInstanceUID"], given["SeriesInstanceUID"]) == (case.study, case.series)
    assert "PatientID" not in given


def test_every_image_is_read_as_it_is(hospital: Hospital):
    for kind in KINDS:
        case = next(case for case in hospital.cases.values() if case.kind == kind)
        hospital.label(case)
        sent = np.asarray(nib.load(hospital.folder / f"{case.series}.nii.gz").dataobj, dtype=np.float32)
        np.testing.assert_allclose(sent.reshape(case.pixels.shape[1:]), case.pixels[0], rtol=1e-6)


def leased(hospital: Hospital) -> set[str]:
    """What somebody is reading: what others say of it is sent only when that ends."""
    return {lease["image"] for lease in hospital.server.get("/xal/api/leases").json()["items"]}


def test_an_annotation_leaves_the_pool_at_once_and_reaches_the_archive_as_objects(hospital: Hospital):
    taken = leased(hospital)
    case = next(
        case for case in hospital.cases.values() if case.kind == "dx" and case.roi.any() and case.series not in taken
    )
    assert hospital.archive.series("SEG") == hospital.archive.series("SR") == []
    open_before = hospital.server.status()["open"]
    hospital.hand_in(case)
    assert hospital.server.status()["open"] == open_before - 1
    (outline,) = hospital.wait_for_objects("SEG", 1)
    assert outline.SegmentSequence[0].SegmentLabel == case.finding
    assert outline.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"
    assert outline.PatientID == case.instances[0].PatientID
    assert (outline.StudyInstanceUID, outline.ReferencedSeriesSequence[0].SeriesInstanceUID) == (
        case.study,
        case.series,
    )
    np.testing.assert_array_equal(outline.pixel_array.squeeze().T.astype(bool), case.roi[:, :, 0])
    (said,) = hospital.wait_for_objects("SR", 1)
    assert said.StudyInstanceUID == case.study
    assert hospital.server.status()["archive"] == {
        "problem": None,
        "waiting": 0,
        "sent": 1,
        "rejected": 0,
        "dropped": 0,
        "not_sent": None,
    }


def test_a_withdrawn_annotation_brings_its_image_back(hospital: Hospital):
    case = next(case for case in hospital.cases.values() if case.kind == "cr" and case.roi.any())
    number = hospital.hand_in(case, "dr_wrong")["xal"]["annotation"]
    gone = hospital.server.status()["open"]
    reply = hospital.server.post(f"/xal/api/annotations/{number}/withdraw", {"client_id": "dr_wrong"})
    assert reply.ok, reply.text
    assert hospital.server.status()["open"] == gone + 1


def test_a_new_series_joins_without_a_restart_and_one_that_is_gone_leaves(hospital: Hospital):
    case = hospital.admit("us", 3)
    hospital.server.wait(lambda: case.series in ids(hospital), 60, "the new series")
    hospital.archive.delete(case.series)
    del hospital.cases[case.series]
    hospital.server.wait(lambda: case.series not in ids(hospital), 60, "the series to leave")


def test_a_model_is_trained_and_scores_the_pool_and_its_attention_goes_only_where_somebody_handed_in(
    hospital: Hospital,
):
    before = set(hospital.archive.series("SEG"))
    for case in list(hospital.cases.values()):
        if case.kind in KINDS and hospital.server.get("/xal/api/annotations", image=case.series).json()["items"] == []:
            hospital.hand_in(case)
        if hospital.server.status()["settled"] >= 16:
            break
    version = hospital.server.train()
    assert version["state"] == "published", version
    hospital.server.wait_scored()
    left = sample(hospital, "dr_late")
    assert left["xal"]["score"] is not None
    wanted = next(case for case in hospital.cases.values() if case.series == left["id"])
    assert attention_series(hospital, wanted) == []
    hospital.hand_in(wanted, "dr_late")
    hospital.server.wait(lambda: len(attention_series(hospital, wanted)) == 1, 60, "the attention")
    (attention,) = attention_series(hospital, wanted)
    assert {segment.SegmentAlgorithmType for segment in attention.SegmentSequence} == {"AUTOMATIC"}
    assert "model v1" in attention.SegmentSequence[0].SegmentAlgorithmName
    studies = {outline.StudyInstanceUID for outline in hospital.objects("SEG")}
    handed_in = {row["image"] for row in hospital.server.get("/xal/api/annotations", limit=1000).json()["items"]}
    assert studies <= {hospital.cases[image].study for image in handed_in}
    assert before <= set(hospital.archive.series("SEG"))


def attention_series(hospital: Hospital, case) -> list[Dataset]:
    """What the archive has of the model's attention on a case."""
    return [
        one
        for one in hospital.objects("SEG")
        if one.StudyInstanceUID == case.study and one.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
    ]


def test_what_is_handed_in_while_the_archive_is_away_arrives_when_it_is_back(hospital: Hospital):
    taken = leased(hospital)
    case = next(
        case
        for case in hospital.cases.values()
        if case.kind in KINDS
        and case.series not in taken
        and hospital.server.get("/xal/api/annotations", image=case.series).json()["items"] == []
    )
    label = hospital.label(case)
    reports = len(hospital.archive.series("SR"))
    before = hospital.server.status()
    images, waiting = before["images"], before["archive"]["waiting"]
    hospital.archive.kill()
    reply = hospital.server.submit(case.series, label, [case.finding] if case.roi.any() else [], "dr_offline")
    assert reply.ok, reply.text
    hospital.server.wait(lambda: hospital.server.status()["archive"]["waiting"] > waiting, 60, "a delivery")
    hospital.server.wait(lambda: hospital.server.status()["archive"]["problem"] is not None, 60, "the problem")
    state = hospital.server.status()
    assert state["images"] == images
    assert "does not answer" in state["archive"]["problem"]
    hospital.archive.start()
    hospital.wait_for_objects("SR", reports + 1, 120)
    hospital.server.wait(lambda: hospital.server.status()["archive"]["problem"] is None, 90, "all to be well")
    hospital.server.wait(lambda: hospital.server.status()["archive"]["waiting"] == waiting, 60, "it to be sent")


def test_after_a_kill_nothing_is_sent_twice(hospital: Hospital):
    reports = hospital.archive.series("SR")
    hospital.server.kill()
    hospital.server.start()
    time.sleep(5)
    assert hospital.archive.series("SR") == reports


def test_the_archive_is_read_through_the_server_and_not_written(hospital: Hospital):
    case = next(iter(hospital.cases.values()))
    found = hospital.server.get("/proxy/dicom/qido/studies", StudyInstanceUID=case.study)
    assert [one["0020000D"]["Value"] for one in found.json()] == [[case.study]]
    path = f"/proxy/dicom/wado/studies/{case.study}/series/{case.series}/metadata"
    described = hospital.server.get(path)
    assert described.json()[0]["0020000E"]["Value"] == [case.series]
    assert found.json()[0]["00081190"]["Value"][0].startswith("/proxy/dicom/studies/")
    assert f":{hospital.archive.port}" not in found.text + described.text
    assert hospital.server.post("/proxy/dicom/stow/studies").status_code == 403
    for way_out in ("system", "studies/../../system", "studies/%2e%2e/%2e%2e/system", "..%2fsystem"):
        assert raw_get(hospital, f"/proxy/dicom/qido/{way_out}") in (403, 404), way_out


def raw_get(hospital: Hospital, path: str) -> int:
    """The status of a request whose path nobody tidies up."""
    connection = http.client.HTTPConnection("127.0.0.1", hospital.server.port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse().status
