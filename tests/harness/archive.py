"""An archive that holds pictures in memory and fails where it is told to: DICOMweb without a PACS, for quick tests."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom import Dataset

import phantoms
from harness.faults import OnAir
from harness.hospital import quick_task
from xal.pool.project import ArchiveOptions, Project
from xal.sources import client
from xal.task import load_task

_TAGS = {"StudyInstanceUID": "0020000D", "SeriesInstanceUID": "0020000E", "SOPInstanceUID": "00080018"}


class FakeArchive(OnAir):
    """Series of one picture each."""

    def __init__(self) -> None:
        """Empty; it answers within `with`."""
        self.pictures: dict[str, bytes] = {}
        """DICOM files by SeriesInstanceUID."""
        self.refused: set[str] = set()
        """Series that it lists and answers 500 for."""
        self.away = False
        """Whether it answers 503 whatever it is asked."""
        self.fetched: list[str] = []
        """Series that were asked for, in order."""
        self._places: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"

    def admit(self, *instances: Dataset) -> None:
        """Keep these, in place of what has the same UIDs."""
        for instance in instances:
            series = str(instance.SeriesInstanceUID)
            self.pictures[series] = phantoms.content(instance)
            self._places[series] = {keyword: str(instance[keyword].value) for keyword in _TAGS}

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, type and content of the reply to a request."""
        url = urlsplit(path)
        if self.away:
            return 503, "text/plain", b""
        if url.path.endswith(("/instances", "/series")) and "/studies/" not in url.path:
            query = parse_qs(url.query)
            asked, offset = query.get("SeriesInstanceUID"), int(query["offset"][0])
            places = [place for series, place in sorted(self._places.items()) if not asked or series in asked]
            said = [
                {_TAGS[keyword]: {"vr": "UI", "Value": [value]} for keyword, value in place.items()}
                for place in places[offset:]
            ]
            return 200, "application/dicom+json", json.dumps(said).encode()
        series = url.path.split("/series/")[1].split("/")[0]
        self.fetched.append(series)
        if series in self.refused:
            return 500, "text/plain", b""
        part = b"--xx\r\nContent-Type: application/dicom\r\n\r\n" + self.pictures[series] + b"\r\n--xx--\r\n"
        return 200, 'multipart/related; type="application/dicom"; boundary=xx', part


def x_rays(count: int) -> list[Dataset]:
    """So many pictures of a chest, each its own series."""
    return [phantoms.case("dx", number).instances[0] for number in range(count)]


def project_on(archive: FakeArchive, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project on the archive, which has listed its images."""
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.0)
    project = Project.open(load_task(quick_task(folder)), archive.address, archive=ArchiveOptions(("DX",)))
    project.sync()
    return project


def _handler(archive: FakeArchive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = archive.answer(self.path)
            self.send_response_only(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
