"""Names, ids and dates of patients stay in the archive: nothing that the server writes or says has any of them."""

from __future__ import annotations

import gzip
import json
import sqlite3
import struct
from pathlib import Path

import pytest
from harness.hospital import LOGIN, Hospital, quick_task
from harness.server import Server
from pydicom import Dataset

import phantoms

pytestmark = pytest.mark.e2e

STUDIED = "20240229"
PATIENTS = (("Quaxling", "QX-4711-0815", "19230517"), ("Brimsworth", "BW-2357-1113", "19310823"))
"""Name, number and day of birth."""
PLANTED = (*(word for patient in PATIENTS for word in patient), "1923-05-17", "1931-08-23", STUDIED, "2024-02-29")


def planted(instance: Dataset, patient: int = 0) -> Dataset:
    """The patient wherever a device or a secretary might write it."""
    name, number, born = PATIENTS[patient]
    instance.PatientName, instance.PatientID, instance.PatientBirthDate = f"{name}^Zelda", number, born
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(instance, keyword, STUDIED)
    instance.StudyDescription = instance.SeriesDescription = instance.ImageComments = f"of {name} {number}"
    instance.ReferringPhysicianName, instance.AccessionNumber = f"{name}^Doctor", number
    instance.private_block(0x0011, "A VENDOR", create=True).add_new(0x01, "LO", f"{name} {born}")
    instance.RescaleType = instance.WindowCenterWidthExplanation = f"of {name}"
    instance.add_new(0x00284000, "LT", f"of {name} {number}")  # retired, for comments
    return instance


def undecodable(instance: Dataset, name: str) -> bytes:
    """The file of an instance with numbers that are none: a name stands where a private and a public one should."""
    value = name.encode().ljust(11)[:11]
    tags = ((0x0011, 0x1002, b"US"), (0x0011, 0x1003, b"FD"), (0x0028, 0x1090, b"US"))
    damaged = b"".join(struct.pack("<HH2sH", *tag, len(value)) + value for tag in tags)
    return phantoms.content(instance) + damaged


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("private")
    made = Hospital.build(folder, quick_task(folder), options=("--access_log",), send="seg,sr,attention")
    (folder / "tmp").mkdir()
    made.server.environment["TMPDIR"] = str(folder / "tmp")
    with made.archive:
        for number in range(14):
            case = phantoms.case("dx", number)
            instances = [planted(instance, number % 2) for instance in case.instances]
            made.archive.upload(instances if number else [undecodable(instances[0], PATIENTS[0][0])])
            made.cases[case.series] = case
        broken = planted(phantoms.case("cr", 1).instances[0])
        broken.PixelData = broken.PixelData[:100]
        made.archive.upload([broken])
        with made.server:
            yield made


def everything_written(folder: Path) -> dict[Path, bytes]:
    """Every file of the server: state, caches, logs, temporary ones; not the archive's own."""
    files = [path for part in ("data", "server", "tmp") for path in (folder / part).rglob("*") if path.is_file()]
    written = {path: path.read_bytes() for path in files}
    images = {path: gzip.decompress(content) for path, content in written.items() if path.name.endswith(".gz")}
    assert images
    return written | images


def found_in(content: bytes) -> list[str]:
    return [word for word in (*PLANTED, LOGIN[1]) if word.encode() in content]


def test_after_a_whole_round_no_file_and_no_reply_names_the_patient(hospital: Hospital):
    server = hospital.server
    for case in hospital.cases.values():
        hospital.hand_in(case)
    assert server.train()["state"] == "published"
    server.wait_scored()
    hospital.wait_for_objects("SR", len(hospital.cases))
    for name, number, _ in PATIENTS:
        for query in (f"PatientName={name}*", f"PatientID={number}"):
            assert server.get(f"/proxy/dicom/qido/studies?{query}").json(), "OHIF finds patients by name"
    image = next(iter(hospital.cases))
    said = b"".join(
        server.get(path).content
        for path in (
            "/info/", "/datastore/?output=all", f"/datastore/image/info?image={image}", "/xal/api/status",
            "/xal/api/queue", "/xal/api/events", "/xal/api/annotations", f"/xal/api/images/{image}", "/logs/",
            f"/xal/api/images/{image}/why?client_id=dr_smith", "/xal/api/export/annotations.csv", "/xal/api/jobs",
        )
    )  # fmt: skip
    assert found_in(said) == []
    written = everything_written(hospital.folder)
    assert any(path.name == "store.sqlite" for path in written)
    assert any(b"/proxy/dicom/qido/studies" in content for path, content in written.items() if path.suffix == ".log")
    assert {path: words for path, content in written.items() if (words := found_in(content))} == {}
    assert [path for path in written if any(word in str(path) for word in PLANTED)] == []


def test_patients_are_told_apart_all_the_same(hospital: Hospital):
    (file,) = (hospital.folder / "data").rglob("store.sqlite")
    with sqlite3.connect(file) as connection:
        rows = dict(connection.execute("SELECT id, info FROM images"))
    of_patients = [
        {json.loads(rows[case.series])["group"] for case in list(hospital.cases.values())[patient::2]}
        for patient in (0, 1)
    ]
    assert [len(groups) for groups in of_patients] == [1, 1], "all series of one are together"
    assert of_patients[0] != of_patients[1]
    (key,) = (hospital.folder / "data").rglob("patients.key")
    assert key.stat().st_mode & 0o077 == 0


def test_the_object_in_the_archive_is_the_patients(hospital: Hospital):
    objects = hospital.objects("SEG") + hospital.objects("SR")
    assert len(objects) > len(hospital.cases)
    patient_of = {case.study: PATIENTS[at % 2] for at, case in enumerate(hospital.cases.values())}
    for said in objects:
        name, number, born = patient_of[said.StudyInstanceUID]
        assert (str(said.PatientName), said.PatientID, said.PatientBirthDate) == (f"{name}^Zelda", number, born)


def test_the_page_names_the_patient_only_where_the_server_may(hospital: Hospital):
    image = next(iter(hospital.cases))
    refused = hospital.server.get(f"/xal/api/images/{image}/patient", client_id="dr_smith")
    assert refused.status_code == 403
    assert found_in(refused.content) == []
    open_server = Server(
        hospital.folder / "server2",
        hospital.server.studies,
        str(quick_task(hospital.folder / "open")),
        {**hospital.server.environment, "XDG_DATA_HOME": str(hospital.folder / "data2")},
        show_patient="true",
    )
    with open_server:
        assert open_server.get("/xal/api/room", client_id="dr_smith").json()["show_patient"] is True
        told = open_server.get(f"/xal/api/images/{image}/patient", client_id="dr_smith").json()
        name, number, born = PATIENTS[0]
        assert (told["name"], told["id"], told["birth_date"]) == (f"{name}^Zelda", number, born)
    files = [path for part in ("data2", "server2") for path in (hospital.folder / part).rglob("*") if path.is_file()]
    assert [path for path in files if found_in(path.read_bytes())] == []
