"""What is sent to a real archive, what waits, and that nothing keeps the rest from being sent."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from harness.faults import FaultyProxy
from harness.hospital import LOGIN, publish_untrained, quick_task
from harness.orthanc import Orthanc

import phantoms
from phantoms import Case
from xal.errors import BadInput, Unavailable
from xal.exchange.arriving import Search
from xal.exchange.sending import Sending, checked_kinds
from xal.imaging.geometry import grid_to_image
from xal.imaging.images import read_image
from xal.loop.scoring import score_pool
from xal.loop.submission import Submission, submit
from xal.pool.project import Project
from xal.sources import client
from xal.sources.archive import DicomWebSource
from xal.task import load_task

pytestmark = pytest.mark.e2e


class Desk:
    """A project on an archive, handing in without a server."""

    def __init__(self, orthanc: Orthanc, address: str, folder: Path) -> None:
        self.orthanc = orthanc
        self.folder = folder
        self.cases = [case for n in range(12) if (case := phantoms.case("dx", n)).roi.any()][:3]
        for case in self.cases:
            orthanc.upload(case.instances)
        self.project = Project.open(load_task(quick_task(folder)), address)
        self.project.sync()
        source = self.project.source
        assert isinstance(source, DicomWebSource)
        self.sending = Sending(self.project, source)

    def hand_in(self, case: Case, reader: str = "ann", shift: int = 0) -> int:
        """The right outline, or that outline a little aside; the annotation's number."""
        image = read_image(self.project.source.path(self.project.store.images.get(case.series)))
        label = self.folder / "label.nii.gz"
        mask = np.roll(case.roi, shift, axis=0)
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), image.affine), label)
        said = Submission(case.series, reader, label, [{"name": case.finding}])
        return submit(self.project, said).annotation.id

    def send(self) -> int:
        """Send what is due, as if all pauses were over."""
        store = self.project.store
        store.deliveries.note_new()
        for delivery, _ in store.deliveries.due(100, now=float("inf")):
            store.deliveries.put_off(delivery.annotation, 0.0, delivery.problem, tried=False)
        return self.sending.send(30)

    def outlines(self) -> list:
        return [one for uid in self.orthanc.series("SEG") for one in self.orthanc.instances(uid)]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    with Orthanc(tmp_path / "orthanc", *LOGIN) as made:
        yield made


@pytest.fixture
def desk(orthanc: Orthanc, proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", LOGIN[0])
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", LOGIN[1])
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.01)
    return Desk(orthanc, proxy.dicom_web, tmp_path)


def test_nothing_is_sent_of_an_image_that_another_reader_is_reading(desk: Desk):
    case = desk.cases[0]
    desk.project.store.queue.lease(case.series, "bob", 600)
    desk.hand_in(case, "ann")
    assert desk.send() == 0
    assert desk.orthanc.series("SEG") == desk.orthanc.series("SR") == []
    desk.hand_in(case, "bob")
    assert desk.send() == 2


def test_one_annotation_that_cannot_be_sent_keeps_no_other_from_it(desk: Desk, proxy: FaultyProxy):
    first, second = (desk.hand_in(case) for case in desk.cases[:2])
    proxy.fail(f"/series/{desk.cases[0].series}/.*metadata", 500)
    assert desk.send() == 1
    assert desk.project.store.deliveries.last_problem() == "the archive answers 500"
    waiting = [delivery for delivery, _ in desk.project.store.deliveries.due(9, now=float("inf"))]
    assert [(one.annotation, one.tries) for one in waiting] == [(first, 1)]
    proxy.heal()
    assert desk.send() == 1
    assert len(desk.outlines()) == 2
    assert second != first


def test_after_an_outage_the_first_success_ends_the_pauses_of_all(desk: Desk, proxy: FaultyProxy):
    for case in desk.cases:
        desk.hand_in(case)
    proxy.fail("POST .*/studies", 503)
    with pytest.raises(Unavailable):
        desk.sending.send(30)
    store = desk.project.store
    for number, (delivery, _) in enumerate(store.deliveries.due(9, now=float("inf"))):
        until = 0.0 if number == 0 else time.time() + 3600
        store.deliveries.put_off(delivery.annotation, until, "the archive answers 503", tried=True)
    proxy.heal()
    assert desk.sending.send(30) == 1
    assert desk.sending.send(30) == 2


def test_an_outline_of_other_pixels_is_not_sent(desk: Desk):
    case = desk.cases[0]
    desk.hand_in(case)
    row = desk.project.store.images.get(case.series)
    desk.project.store.images.set_facts(row.id, size=row.size, mtime_ns=row.mtime_ns, fingerprint="other pixels")
    assert desk.send() == 0
    assert "other pixels" in str(desk.project.store.deliveries.last_problem())
    desk.project.store.images.set_facts(row.id, size=row.size, mtime_ns=row.mtime_ns, fingerprint=row.fingerprint)
    assert desk.send() == 1


def test_of_two_revisions_the_standing_one_is_sent_and_the_earlier_one_if_it_stands_again(desk: Desk):
    case = desk.cases[0]
    desk.hand_in(case)
    later = desk.hand_in(case, shift=4)
    assert desk.send() == 1
    (outline,) = desk.outlines()
    np.testing.assert_array_equal(outline.pixel_array.squeeze().T > 0, np.roll(case.roi, 4, axis=0)[:, :, 0])
    desk.project.store.annotations.withdraw(later, by="ann")
    assert desk.send() == 1
    assert len(desk.outlines()) == 2


def test_what_was_sent_is_rejected_in_the_archive_once_it_is_withdrawn(desk: Desk, proxy: FaultyProxy, tmp_path: Path):
    publish_untrained(desk.project)
    score_pool(desk.project, lambda done, total: None)
    desk.sending.kinds = ("seg", "sr", "attention_map")
    case, other = desk.cases[:2]
    number, _ = desk.hand_in(case), desk.hand_in(other)
    assert desk.send() == 2
    search = Search(desk.project, desk.sending.source, "")
    for _ in range(3):
        search.survey()  # which looks for outlines, not for maps: they are not taken for gone
    desk.project.store.annotations.withdraw(number, by="ann")
    proxy.fail("POST .*/studies", 503)
    desk.send()
    assert desk.project.store.deliveries.counts() == {"sent": 1, "withdrawn": 1}
    assert desk.project.store.deliveries.last_problem() == "the archive answers 503"
    proxy.heal()
    desk.project.store.deliveries.put_off(number, 0.0, None, tried=False)
    desk.send()
    assert desk.project.store.deliveries.counts() == {"sent": 1, "rejected": 1}
    (note,) = [one for uid in desk.orthanc.series("KO") for one in desk.orthanc.instances(uid)]
    assert note.StudyInstanceUID == case.study
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    rejected = {series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for series in study.ReferencedSeriesSequence}
    there = [
        one for kind in ("SEG", "SR", "OT") for uid in desk.orthanc.series(kind) for one in desk.orthanc.instances(uid)
    ]
    assert rejected == {one.SOPInstanceUID for one in there if one.StudyInstanceUID == case.study}
    assert len(rejected) == 3
    file = tmp_path / "note.dcm"
    file.write_bytes(phantoms.content(note))
    said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
    assert "Error" not in said.stdout + said.stderr


def test_an_acknowledgement_that_is_lost_makes_no_copy(desk: Desk, proxy: FaultyProxy):
    desk.hand_in(desk.cases[0])
    proxy.fail("POST .*/studies", cut=0, times=1)
    desk.send()
    desk.send()
    assert desk.project.store.deliveries.counts() == {"sent": 1}
    assert (len(desk.orthanc.series("SEG")), len(desk.orthanc.series("SR"))) == (1, 1)


def test_what_is_to_be_sent_is_checked_at_the_start():
    assert checked_kinds("seg, attention") == ("seg", "attention")
    assert checked_kinds("nothing") == ()
    with pytest.raises(BadInput, match="'segs' is nothing that can be sent; there are: seg, sr"):
        checked_kinds("segs")


def test_attention_is_sent_as_bands_and_as_a_map_of_what_the_model_saw(desk: Desk, tmp_path: Path):
    publish_untrained(desk.project)
    score_pool(desk.project, lambda done, total: None)
    desk.sending.kinds = ("attention", "attention_map")
    case = desk.cases[0]
    desk.hand_in(case)
    assert desk.send() == 1
    (shown,) = [one for uid in desk.orthanc.series("OT") for one in desk.orthanc.instances(uid)]
    reading = desk.project.store.predictions.get(case.series)
    assert reading is not None
    sent = np.frombuffer(shown.FloatPixelData, "<f4").reshape(shown.Rows, shown.Columns).T
    image = read_image(desk.project.source.path(desk.project.store.images.get(case.series)))
    expected = grid_to_image(reading.attention.astype(np.float32), image, desk.project.task, "linear")
    np.testing.assert_allclose(sent, np.clip(expected, 0, 1)[:, :, 0], atol=1e-6)
    assert "model v1" in shown.ContentDescription
    (bands,) = desk.outlines()
    assert {segment.SegmentAlgorithmType for segment in bands.SegmentSequence} == {"AUTOMATIC"}
    for number, made in enumerate((shown, bands)):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(phantoms.content(made))
        said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
        assert "Error" not in said.stdout + said.stderr
    assert desk.orthanc.series("SR") == []
