"""An archive that refuses, hangs, hangs up or is away: work waits for it, nothing is lost, and it is not pestered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness.faults import FaultyProxy
from harness.hospital import LOGIN, of_x_rays, publish_untrained, quick_task
from harness.orthanc import Orthanc

import phantoms
from phantoms import Case
from xal.errors import NotFound, Unavailable
from xal.loop.scoring import score_pool
from xal.pool import quarantine as aside
from xal.pool.project import ArchiveOptions, Project
from xal.sources import client
from xal.sources.archive import DicomWebSource
from xal.task import load_task

pytestmark = pytest.mark.e2e

IMAGES = 6
SEARCH, FETCH = r"/dicom-web/instances\?", r"/studies/[^/]+/series/[^/]+/instances/[^/?]+$"
"""Requests for the list of pictures, and for one of them."""


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with of_x_rays(tmp_path_factory.mktemp("orthanc"), IMAGES) as archive:
        yield archive


@pytest.fixture
def project(proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project on the archive behind the proxy, which has listed its images."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", LOGIN[0])
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", LOGIN[1])
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.01)
    made = Project.open(load_task(quick_task(tmp_path)), proxy.dicom_web, archive=ArchiveOptions(("DX",)))
    assert made.sync()
    assert made.store.images.counts()["total"] == IMAGES
    return made


def an_image(project: Project):
    return project.store.images.find()[0]


def test_a_series_that_is_gone_is_not_found(project: Project, orthanc: Orthanc):
    case = phantoms.case("dx", 30)
    orthanc.upload(case.instances)
    project.sync()
    orthanc.delete(case.series)
    with pytest.raises(NotFound, match="no such series any more"):
        project.volume(project.store.images.get(case.series))
    project.sync()
    assert project.store.images.get(case.series).state == "ok", "one listing may have overlooked it"
    project.sync()
    assert project.store.images.get(case.series).state == "gone"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "is the address the root"),
        (401, "refuses our login"),
        (403, "refuses our login"),
        (500, "answers 500"),
        (503, "503"),
    ],
)
def test_a_scan_that_fails_takes_nothing_for_gone(project: Project, proxy: FaultyProxy, status: int, message: str):
    proxy.fail(SEARCH, status)
    with pytest.raises(Unavailable, match=message) as error:
        project.sync()
    assert LOGIN[1] not in str(error.value)
    assert project.store.images.counts()["total"] == IMAGES
    proxy.heal()
    project.sync()
    assert project.store.images.counts()["total"] == IMAGES


def test_a_wrong_password_is_refused_by_the_archive_itself(
    proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", LOGIN[0])
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", "wrong")
    project = Project.open(load_task(quick_task(tmp_path)), proxy.dicom_web)
    with pytest.raises(Unavailable, match="refuses our login"):
        project.sync()


def test_a_moment_of_overload_is_not_noticed(project: Project, proxy: FaultyProxy):
    fault = proxy.fail("/studies/.*/series/", 503, times=2)
    assert project.volume(an_image(project)).pixels.size
    assert fault.hits == 2


@pytest.mark.timeout(60)
def test_an_archive_that_asks_for_an_hour_of_patience_is_away(project: Project, proxy: FaultyProxy):
    proxy.fail(SEARCH, 503, retry_after=3600)
    with pytest.raises(Unavailable, match="answers 503"):
        project.sync()


def test_a_series_that_the_archive_cannot_give_stays_an_image_of_the_pool(project: Project, proxy: FaultyProxy):
    row = an_image(project)
    for status in (500, 404):  # the archive knows it all the same, so that it is not gone
        proxy.fail(f"/series/{row.id}", status)
        with pytest.raises(Unavailable):
            project.volume(row)
        proxy.heal()
        assert project.store.images.get(row.id).state == "ok"
    assert project.volume(row).pixels.size


def test_an_archive_that_hangs_up_in_the_middle_leaves_no_half_image(project: Project, proxy: FaultyProxy):
    row = an_image(project)
    proxy.fail(f"/series/{row.id}", cut=3000)
    with pytest.raises(Unavailable):
        project.volume(row)
    proxy.heal()
    whole = project.volume(row)
    case = next(case for n in range(IMAGES) if (case := phantoms.case("dx", n)).series == row.id)
    assert whole.pixels.shape == case.pixels.shape
    assert (whole.pixels == case.pixels).all()


def test_an_archive_that_never_answers_is_given_up(
    project: Project, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "READ_SECONDS", 0.2)
    proxy.fail(SEARCH, delay=2.0)
    with pytest.raises(Unavailable, match="does not answer"):
        project.sync()


def test_an_archive_that_is_away_is_known_from_before(project: Project, orthanc: Orthanc):
    row = an_image(project)
    kept = project.served(row)
    orthanc.kill()
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            project.sync()
        assert project.served(project.store.images.get(row.id)) == kept
        with pytest.raises(Unavailable):
            project.volume(project.store.images.find()[1])
    finally:
        orthanc.start()
    assert project.volume(project.store.images.find()[1]).pixels.size


def test_every_series_is_fetched_once(project: Project, proxy: FaultyProxy):
    for _ in range(3):
        for row in project.store.images.find():
            project.volume(row)
            project.served(row)
            project.prepared(project.store.images.get(row.id))
    assert proxy.count(FETCH) == IMAGES


def test_a_series_that_grows_is_another_image_and_one_in_pieces_is_none(
    project: Project, orthanc: Orthanc, tmp_path: Path, proxy: FaultyProxy
):
    volumes = load_task(quick_task(tmp_path, "phantom_3d"))
    other = Project.open(volumes, proxy.dicom_web)
    case = phantoms.case("ct", 7)
    in_order = sorted(case.instances, key=lambda one: int(one.InstanceNumber))
    orthanc.upload([*in_order[:3], *in_order[6:]])
    other.sync()
    with pytest.raises(Exception, match="not evenly stacked"):
        other.volume(other.store.images.get(case.series))
    assert other.store.images.get(case.series).state == "unreadable"
    orthanc.upload(in_order[3:6])
    other.sync()  # it has grown: perhaps it still does
    assert other.store.images.get(case.series).state == "unreadable"
    other.sync()
    assert other.store.images.get(case.series).state == "ok"
    assert (other.volume(other.store.images.get(case.series)).pixels == case.pixels).all()


def series_of_two(number: int) -> tuple[Case, Case]:
    """Two views of a chest, as instances 1 and 2 of one series."""
    pa, lateral = (phantoms.case("dx", n) for n in (number, number + 1))
    for position, case in enumerate((pa, lateral), start=1):
        header = case.instances[0]
        header.StudyInstanceUID, header.SeriesInstanceUID = pa.study, pa.series
        header.PatientID, header.InstanceNumber = pa.instances[0].PatientID, position
    return pa, lateral


@pytest.mark.parametrize("first", [0, 1])
def test_of_several_pictures_in_a_series_each_is_an_image_and_stays_the_same_one(
    project: Project, orthanc: Orthanc, first: int
):
    views = series_of_two(20 + 2 * first)
    series = views[0].series
    orthanc.upload(views[first].instances)
    project.sync()
    orthanc.upload(views[1 - first].instances)
    project.sync()
    other = str(views[1 - first].instances[0].SOPInstanceUID)
    np.testing.assert_array_equal(project.volume(project.store.images.get(series)).pixels, views[first].pixels)
    np.testing.assert_array_equal(project.volume(project.store.images.get(other)).pixels, views[1 - first].pixels)
    assert isinstance(project.source, DicomWebSource)
    (header,) = project.source.headers(project.store.images.get(other))
    assert header.SOPInstanceUID == other
    assert project.source.references(project.store.images.get(other))["SeriesInstanceUID"] == series
    (instance,) = orthanc.find("Instance", SOPInstanceUID=str(views[first].instances[0].SOPInstanceUID))
    orthanc.session().delete(f"{orthanc.url}/instances/{instance}", timeout=60).raise_for_status()
    for _ in range(2):
        project.sync()
    assert project.store.images.get(series).state == "gone", "no other picture takes its name"
    np.testing.assert_array_equal(project.volume(project.store.images.get(other)).pixels, views[1 - first].pixels)
    orthanc.delete(series)


@pytest.fixture
def modelled(project: Project) -> Project:
    """The project with a published model, which has learnt nothing."""
    publish_untrained(project)
    return project


def scored(project: Project) -> int:
    return score_pool(project, lambda done, total: None).scored


def test_images_that_were_never_fetched_are_scored(modelled: Project, proxy: FaultyProxy):
    assert scored(modelled) == IMAGES
    assert proxy.count(FETCH) == IMAGES


def test_one_image_that_the_archive_cannot_give_does_not_hold_the_others_up(
    modelled: Project, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
):
    row = an_image(modelled)
    proxy.fail(f"/series/{row.id}", 500)
    assert scored(modelled) == IMAGES - 1
    proxy.heal()
    later = time.time() + aside.ASIDE_SECONDS + 1
    monkeypatch.setattr(aside.time, "time", lambda: later)
    assert scored(modelled) == 1
    assert modelled.store.images.get(row.id).score is not None


def test_several_images_that_the_archive_cannot_give_do_not_either(modelled: Project, proxy: FaultyProxy):
    images = [row.id for row in modelled.store.images.find()[:3]]
    proxy.fail(f"/series/({'|'.join(images)})", 500)
    assert scored(modelled) == IMAGES - 3
    asked = proxy.count(FETCH)
    assert scored(modelled) == 0
    assert proxy.count(FETCH) == asked, "they are put aside for a while"


def test_scoring_ends_when_the_archive_is_away_and_goes_on_where_it_was(modelled: Project, proxy: FaultyProxy):
    proxy.fail("/dicom-web/", 503)
    with pytest.raises(Unavailable, match="answers 503"):
        scored(modelled)
    assert modelled.store.predictions.stale_count(1) == IMAGES
    proxy.heal()
    assert scored(modelled) == IMAGES
