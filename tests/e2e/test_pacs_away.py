"""A server whose archive is away: readers are told so, and what they were promised is theirs once it is back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from harness.faults import FaultyProxy
from harness.hospital import Hospital, quick_task
from harness.server import Server

pytestmark = pytest.mark.e2e

PICTURE = r"/studies/[^/]+/series/[^/]+/instances/[^/?]+$"


def test_next_sample_holds_nothing_that_it_could_not_hand_over(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path))
    with hospital.archive, FaultyProxy(hospital.archive.url) as proxy:
        for number in range(4):
            hospital.admit("dx", number)
        proxy.fail(PICTURE, 503)
        hospital.server.studies = proxy.dicom_web
        with hospital.server as server:
            for _ in range(2):
                reply = server.post("/activelearning/xal", {"client_id": "dr_smith"})
                assert reply.status_code == 503, reply.text
                assert "the archive answers 503" in reply.text
                assert server.get("/xal/api/leases").json()["items"] == []
            proxy.heal()
            given = []
            server.wait(lambda: given.append(next_sample(server)) or given[-1].ok, 60, "the archive to be asked again")
            assert [lease["image"] for lease in server.get("/xal/api/leases").json()["items"]] == [
                given[-1].json()["id"]
            ]


def next_sample(server: Server) -> requests.Response:
    return server.post("/activelearning/xal", {"client_id": "dr_smith"})


def test_images_that_the_archive_cannot_give_keep_nobody_from_the_others(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path))
    with hospital.archive, FaultyProxy(hospital.archive.url) as proxy:
        for number in range(8):
            hospital.admit("dx", number)
        lost = sorted(hospital.cases)[:5]
        for series in lost:
            proxy.fail(rf"/studies/[^/]+/series/{series}/instances/[^/?]+$", 404)
        hospital.server.studies = proxy.dicom_web
        with hospital.server as server:
            given: list[str] = []

            def all_others() -> bool:
                reply = next_sample(server)
                given.extend([reply.json()["id"]] if reply.ok and reply.json() else [])
                return len(set(given)) == 3

            server.wait(all_others, 60, "the images that can be had")
            assert not set(given) & set(lost)
            assert {lease["image"] for lease in server.get("/xal/api/leases").json()["items"]} == set(given)
            server.wait(lambda: server.status()["archive"]["problem"] is None, 60, "the archive not to be suspected")


def test_an_archive_that_hangs_holds_nobody_up_who_does_not_need_it(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path))
    with hospital.archive, FaultyProxy(hospital.archive.url) as proxy:
        for number in range(60):
            hospital.admit("dx", number)
        proxy.fail(PICTURE, delay=300)
        hospital.server.studies = proxy.dicom_web
        with hospital.server as server, ThreadPoolExecutor(60) as pool:
            thumbnails = [f"{server.url}/xal/api/images/{series}/thumbnail.png" for series in hospital.cases]
            asked = pool.map(lambda address: requests.get(address, timeout=120), thumbnails)
            began = time.monotonic()
            waited = []
            while time.monotonic() < began + 10:
                for path in ("/info/", "/xal/", "/xal/api/status"):
                    start = time.monotonic()
                    assert server.get(path).ok
                    waited.append(time.monotonic() - start)
            replies = list(asked)
            assert {reply.status_code for reply in replies} == {503}
            assert all(int(reply.headers["Retry-After"]) > 0 for reply in replies)
            assert max(waited) < 3, waited
            assert time.monotonic() - began < 30, "one try, and not sixty seconds of it"
            start = time.monotonic()
            assert next_sample(server).status_code == 503
            assert time.monotonic() - start < 3, "it is known to be away"


def test_a_thumbnail_that_is_at_hand_is_shown_though_its_image_is_not(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path))
    with hospital.archive:
        case = hospital.admit("dx")
        with hospital.server as server:
            server.wait(
                lambda: server.get(f"/xal/api/images/{case.series}").json()["checksum"], 60, "the film to be read"
            )
            checksum = server.get(f"/xal/api/images/{case.series}").json()["checksum"]
            shown = server.get(f"/xal/api/images/{case.series}/thumbnail.png", v=checksum)
            assert shown.ok
            hospital.archive.pause()
            try:
                for file in (tmp_path / "data").rglob("archive/*/*.nii.gz"):
                    file.unlink()
                again = server.get(f"/xal/api/images/{case.series}/thumbnail.png", v=checksum)
                assert (again.status_code, again.content) == (200, shown.content)
                assert "immutable" in again.headers["Cache-Control"]
                start = time.monotonic()
                assert server.get("/datastore/image", image=case.series).status_code == 503
                assert time.monotonic() - start < 30, "asked once, not four times for a minute"
            finally:
                hospital.archive.resume()


def test_a_server_starts_without_its_archive_and_finds_the_pool_when_it_comes(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path))
    with hospital.archive:
        case = hospital.admit("dx")
        hospital.archive.kill()
        with hospital.server as server:
            assert server.status()["images"] == 0
            server.wait(lambda: server.status()["archive"]["problem"] is not None, 60, "the problem")
            hospital.archive.start()
            server.wait(lambda: server.status()["images"] == 1, 60, "the pool")
            assert server.post("/activelearning/xal", {"client_id": "dr_smith"}).json()["id"] == case.series
            server.wait(lambda: server.status()["archive"]["problem"] is None, 60, "all to be well")


def test_a_server_that_knows_its_pool_does_not_wait_for_an_archive_that_hangs(tmp_path: Path):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path))
    with hospital.archive:
        case = hospital.admit("dx")
        with hospital.server as server:
            assert server.get("/datastore/image", image=case.series).ok
        hospital.archive.pause()
        try:
            with hospital.server as server:  # fails where it waits for the archive
                assert server.status()["images"] == 1
                assert next_sample(server).json()["id"] == case.series, "it was fetched before"
                hospital.archive.resume()
                hospital.admit("dx", 1)
                server.wait(lambda: server.status()["images"] == 2, 120, "the archive to be listed")
        finally:
            hospital.archive.resume()
