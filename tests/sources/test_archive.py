"""What an archive's answers make of a pool, however a device filled them in."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from xal.sources.address import Address
from xal.sources.archive import DicomWebSource
from xal.sources.client import Archive
from xal.system.disk_space import Space

TAGS = {
    "study": "0020000D", "series": "0020000E", "instance": "00080018", "number": "00200013", "count": "00201209",
    "patient": "00100020",
}  # fmt: skip


@pytest.fixture
def answers() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A service that answers every search with this list, and its address."""
    listed: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = [] if "offset=0" not in urlsplit(self.path).query else listed
            said = [{TAGS[name]: {"vr": "UI", "Value": [value]} for name, value in one.items()} for one in page]
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()  # ends that soon
    yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web", listed
    server.shutdown()
    server.server_close()


def source_on(address: str, modality: str, folder: Path) -> DicomWebSource:
    return DicomWebSource(Archive(Address.parse(address, {})), (modality,), folder, 1 << 30, Space(folder, 0))


@pytest.mark.parametrize(
    ("count", "size"), [("12", 12), (12, 12), ("12.0", 12), (12.0, 12), ("", 0), ("a few", 0), ("1e300", 0)]
)
def test_a_number_of_slices_is_understood_however_it_is_written(
    answers: tuple[str, list], tmp_path: Path, count: object, size: int
):
    address, listed = answers
    listed.append({"study": "1.2", "series": "1.2.3", "count": count})
    (file,) = source_on(address, "CT", tmp_path).scan()
    assert (file.id, file.size) == ("1.2.3", size)


def test_the_first_of_several_pictures_is_known_by_numbers_of_all_kinds(answers: tuple[str, list], tmp_path: Path):
    address, listed = answers
    for instance, number in (("1.2.3.1", "2.0"), ("1.2.3.2", 1.0), ("1.2.3.3", "10")):
        listed.append({"study": "1.2", "series": "1.2.3", "instance": instance, "number": number})
    files = source_on(address, "DX", tmp_path).scan()
    assert {file.id: file.path for file in files}["1.2.3"] == "1.2/1.2.3/1.2.3.2"
    assert sorted(file.id for file in files) == ["1.2.3", "1.2.3.1", "1.2.3.3"]


@pytest.mark.parametrize("wrong", ["1.2.", "", "Planted/Patricia", "1.2\n3", "x" * 2000])
def test_answers_that_cannot_be_used_are_passed_over_with_one_warning_that_does_not_quote_them(
    answers: tuple[str, list], tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
):
    address, listed = answers
    listed += [
        {"study": "1.2", "series": wrong, "instance": "1.2.3.1"},
        {"study": "1.2", "series": "1.2.4", "instance": wrong},
        {"study": wrong, "series": "1.2.5", "instance": "1.2.5.1"},
        {"study": "1.2", "series": "1.2.6", "instance": "1.2.6.1"},
    ]
    source = source_on(address, "DX", tmp_path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert [file.id for file in source.scan()] == ["1.2.6"]
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == "3 answers of the archive are passed over: their UIDs are none"


def test_what_one_listing_misses_is_there_still_be_it_the_first_after_a_restart(
    answers: tuple[str, list], tmp_path: Path
):
    address, listed = answers
    for series in ("1.2.3", "1.2.4"):
        listed.append({"study": "1.2", "series": series, "count": 12})
    known = {file.id: file for file in source_on(address, "CT", tmp_path).scan()}
    known["1.2.5"] = replace(known["1.2.3"], id="1.2.5", state="gone")
    listed.pop()  # slipped between two pages, or gone

    restarted = source_on(address, "CT", tmp_path)
    assert sorted(file.id for file in restarted.scan(known)) == ["1.2.3", "1.2.4"]
    assert [file.id for file in restarted.scan(known)] == ["1.2.3"]
