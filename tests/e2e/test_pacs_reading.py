"""From a real PACS every kind of image comes as it was drawn, in every transfer syntax, and where its headers say."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from harness.faults import FaultyProxy
from harness.orthanc import Orthanc
from pydicom.uid import JPEGBaseline8Bit

from phantoms import KINDS, Case, case
from phantoms.syntaxes import LOSSLESS, stored_as
from xal.errors import Unavailable
from xal.imaging.dicom_planes import place, planes
from xal.imaging.images import read_image
from xal.sources.address import Address
from xal.sources.client import Archive
from xal.sources.series_cache import SeriesCache

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("pacs"), "reader", "pass:word") as orthanc:
        yield orthanc


def archive(address: str, login: tuple[str, str] | None = ("reader", "pass:word")) -> Archive:
    return Archive(Address(address, *(login or (None, None))), tries=0)


def arrive(pacs: Orthanc, one: Case, folder: Path):
    """Store a case, and fetch it as the server does; the image, and the headers."""
    pacs.upload(one.instances)
    remote = archive(f"{pacs.url}/dicom-web")
    cache = SeriesCache(folder, 1 << 30)
    path = cache.get(
        one.series, f"{one.study}/{one.series}", len(one.instances), lambda: remote.fetch(one.study, one.series)
    )
    headers = remote.headers(one.study, one.series)
    pacs.delete(one.series)
    return read_image(path), headers


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_drawn_arrives(pacs: Orthanc, kind: str, syntax: str, tmp_path: Path):
    one = case(kind, 1)
    volume, _ = arrive(pacs, stored_as(one, LOSSLESS[syntax]), tmp_path)
    assert np.array_equal(volume.pixels, one.pixels)
    assert np.allclose(volume.affine, one.affine, atol=1e-4)


@pytest.mark.parametrize("kind", ["us", "us_doppler", "us_cine"])
def test_a_jpeg_arrives_about_as_it_was_drawn(pacs: Orthanc, kind: str, tmp_path: Path):
    one = case(kind, 1)
    volume, _ = arrive(pacs, stored_as(one, JPEGBaseline8Bit), tmp_path)
    assert np.abs(volume.pixels - one.pixels).mean() < 4


@pytest.mark.parametrize("kind", ["ct", "mr", "mr_enhanced"])
def test_every_plane_lies_where_its_header_in_the_archive_says(pacs: Orthanc, kind: str, tmp_path: Path):
    volume, headers = arrive(pacs, case(kind, 1), tmp_path)
    for k, plane in enumerate(planes(headers, volume.shape, volume.affine)):
        where = place(plane)
        assert where is not None
        assert np.allclose(np.diag([-1, -1, 1, 1]) @ volume.affine @ [0, 0, k, 1], [*where.position, 1], atol=1e-3)


@pytest.mark.parametrize(("kind", "window"), [("ct", (-160, 239)), ("dx", (0, 4095)), ("mr_enhanced", (0, 2047))])
def test_the_window_arrives_with_the_image(pacs: Orthanc, kind: str, window: tuple[float, float], tmp_path: Path):
    volume, _ = arrive(pacs, case(kind, 1), tmp_path)
    assert volume.window == pytest.approx(window)


def test_a_killed_archive_comes_back_with_what_it_had(tmp_path: Path):
    one = case("cr", 2)
    with Orthanc(tmp_path) as pacs:
        pacs.upload(one.instances)
        pacs.kill()
        with pytest.raises(Unavailable, match="does not answer"):
            list(archive(f"{pacs.url}/dicom-web", None).fetch(one.study, one.series))
        pacs.start()
        assert pacs.series() == [one.series]
        assert len(list(archive(f"{pacs.url}/dicom-web", None).fetch(one.study, one.series))) == 1


def test_an_archive_that_asks_is_told_the_password(pacs: Orthanc):
    assert list(archive(f"{pacs.url}/dicom-web").series()) == []
    with pytest.raises(Unavailable, match="refuses our login"):
        list(archive(f"{pacs.url}/dicom-web", ("reader", "wrong")).series())


@pytest.mark.parametrize(("status", "said"), [(401, "login"), (500, "answers 500"), (503, "answers 503")])
def test_a_fault_is_the_archives_and_passes(pacs: Orthanc, status: int, said: str):
    with FaultyProxy(pacs.url) as proxy:
        fault = proxy.fail("/dicom-web/series", status, times=1)
        with pytest.raises(Unavailable, match=said):
            list(archive(proxy.dicom_web).series())
        assert list(archive(proxy.dicom_web).series()) == []
        assert fault.hits == 1


def test_an_answer_that_is_cut_off_is_not_half_an_image(pacs: Orthanc, tmp_path: Path):
    one = case("ct", 2)
    pacs.upload(one.instances)
    with FaultyProxy(pacs.url) as proxy:
        proxy.fail(f"GET .*/series/{one.series}$", cut=20_000, times=1)
        remote, cache = archive(proxy.dicom_web), SeriesCache(tmp_path, 1 << 30)

        def fetched() -> Path:
            return cache.get(
                one.series, f"{one.study}/{one.series}", len(one.instances), lambda: remote.fetch(one.study, one.series)
            )

        with pytest.raises(Unavailable):
            fetched()
        assert np.array_equal(read_image(fetched()).pixels, one.pixels)
    pacs.delete(one.series)


def test_a_paused_archive_answers_late(pacs: Orthanc):
    pacs.pause()
    with pytest.raises(requests.ReadTimeout):
        pacs.session().get(f"{pacs.url}/system", timeout=0.5)
    pacs.resume()
    assert pacs.session().get(f"{pacs.url}/system", timeout=10).ok
