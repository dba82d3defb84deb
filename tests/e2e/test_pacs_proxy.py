"""The archive through the server: for its own pages only, and never for so many at once that readers wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests
from harness.faults import FaultyProxy
from harness.hospital import Hospital, quick_task

from phantoms import Case
from xal.server.proxy import AT_ONCE

pytestmark = pytest.mark.e2e

STALL_SECONDS = 15.0
PROXY = "xal.hospital.example"
"""What readers call the server where a proxy stands before it."""


@dataclass
class Setting:
    """A server that may name patients, on an archive that can be made to fail, with one film."""

    hospital: Hospital
    archive: FaultyProxy
    case: Case

    @property
    def url(self) -> str:
        return self.hospital.server.url

    @property
    def film(self) -> str:
        """The address of the film through the server."""
        instance = self.case.instances[0].SOPInstanceUID
        return f"{self.url}/proxy/dicom/wado/studies/{self.case.study}/series/{self.case.series}/instances/{instance}"

    @property
    def of_patients(self) -> tuple[str, ...]:
        """Addresses whose answers name the patient."""
        return (
            f"{self.url}/proxy/dicom/qido/studies?limit=10",
            self.film,
            f"{self.url}/xal/api/images/{self.case.series}/patient?client_id=dr_smith",
        )


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("proxied")
    hospital = Hospital.build(folder, quick_task(folder), show_patient="true", allowed_hosts=PROXY)
    with hospital.archive, FaultyProxy(hospital.archive.url) as proxy:
        case = hospital.admit("dx")
        hospital.server.studies = proxy.dicom_web
        with hospital.server:
            assert hospital.server.get("/datastore/image", image=case.series).ok  # the server itself asks no more
            yield Setting(hospital, proxy, case)


def own(setting: Setting) -> list[dict[str, str]]:
    """What our pages send, through proxies of all kinds, and what curl and Slicer do."""
    here = f"127.0.0.1:{setting.hospital.server.port}"
    return [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": f"http://{here}"},
        {"Origin": f"https://{PROXY}", "Host": PROXY, "Sec-Fetch-Site": "same-origin"},
    ]


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-site"},
]


def test_our_pages_and_other_programs_read_what_names_patients(setting: Setting):
    for address in setting.of_patients:
        for headers in own(setting):
            assert requests.get(address, headers=headers, timeout=60).status_code == 200, (address, headers)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_pages_of_other_sites_do_not(setting: Setting, headers: dict[str, str]):
    asked = setting.archive.count("/proxy/|/dicom-web/studies")
    for address in setting.of_patients:
        reply = requests.get(address, headers=headers, timeout=60)
        assert reply.status_code == 403, address
        assert "pages of other sites" in reply.text
    assert setting.archive.count("/proxy/|/dicom-web/studies") == asked


def test_bodies_that_do_not_end_keep_their_place_until_they_do_or_nobody_wants_them(setting: Setting):
    setting.archive.fail("/instances/", stall=STALL_SECONDS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = list(pool.map(lambda _: requests.get(setting.film, stream=True, timeout=60), range(AT_ONCE)))
    assert [one.status_code for one in began] == [200] * AT_ONCE
    setting.archive.heal()
    start = time.monotonic()
    reply = requests.get(setting.film, timeout=60)
    assert (reply.status_code, "too many requests wait" in reply.text) == (503, True)
    assert setting.hospital.server.get("/info/").ok, "readers do not wait"
    assert time.monotonic() - start < STALL_SECONDS / 2
    for one in began[: AT_ONCE // 2]:
        one.close()
    assert len({len(one.content) for one in began[AT_ONCE // 2 :]}) == 1, "whole, in parts that are named anew"
    setting.hospital.server.wait(lambda: requests.get(setting.film, timeout=60).ok, 30, "a place")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        again = pool.map(lambda _: requests.get(setting.film, timeout=60).status_code, range(3 * AT_ONCE))
    assert set(again) == {200}, "all places are free again"
