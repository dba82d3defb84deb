"""A real Orthanc with DICOMweb, as an unprivileged process with its own folder on the loopback interface.

Debian's packages orthanc and orthanc-dicomweb; a test that needs it is marked `e2e`.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests
from pydicom import Dataset, dcmread

import phantoms
from harness.server import free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_SECONDS = 30.0


def missing_packages() -> list[str]:
    """Debian's packages that are not installed."""
    return [*([] if _binary() else ["orthanc"]), *([] if PLUGIN.exists() else ["orthanc-dicomweb"])]


class Orthanc:
    """A PACS; its data stays in `folder`, its port is the same after `kill` or `stop` and `start`."""

    def __init__(
        self, folder: Path, user: str | None = None, password: str | None = None, port: int | None = None
    ) -> None:
        """Prepare it; with a user it asks for the password."""
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.auth = (user, password or "") if user else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dicom_web(self) -> str:
        """The DICOMweb address, with user and password where it asks for them: what `--studies` takes."""
        named = ":".join(quote(part, safe="") for part in self.auth) + "@" if self.auth else ""
        return f"http://{named}127.0.0.1:{self.port}/dicom-web"

    def start(self) -> Self:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration()), encoding="utf-8")
        binary = _binary()
        assert binary, "Orthanc is missing: apt-get install orthanc orthanc-dicomweb"
        with (self.folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, str(configuration)], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self._process.poll() is None, f"Orthanc ended with {self._process.returncode}:\n{self.log()}"
            try:
                if requests.get(f"{self.url}/system", auth=self.auth, timeout=5).ok:
                    return self
            except requests.ConnectionError:
                pass
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"Orthanc did not answer within {START_SECONDS:.0f} s:\n{self.log()}")

    def stop(self) -> None:
        """End it in order: some seconds. Its data stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would. What it has acknowledged stays."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it accept connections and never answer, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def upload(self, instances: Iterable[Dataset | bytes]) -> None:
        """Store instances, or whole DICOM files."""
        for instance in instances:
            body = instance if isinstance(instance, bytes) else phantoms.content(instance)
            reply = self.session().post(f"{self.url}/instances", data=body, timeout=60)
            assert reply.ok, f"Orthanc refused an instance with {reply.status_code}"

    def count(self, level: str = "instances") -> int:
        """How many `patients`, `studies`, `series` or `instances` it holds."""
        statistics = self._get("/statistics")
        return int(statistics[f"Count{level.capitalize()}"])

    def series(self, modality: str | None = None) -> list[str]:
        """The SeriesInstanceUIDs it holds."""
        tags = [one["MainDicomTags"] for one in self._get("/series?expand")]
        return sorted(one["SeriesInstanceUID"] for one in tags if modality in (None, one.get("Modality")))

    def find(self, level: str, **tags: str) -> list[str]:
        """Its own names of what has these tags."""
        query = {"Level": level, "Query": tags}
        found: list[str] = self.session().post(f"{self.url}/tools/find", json=query, timeout=60).json()
        return found

    def instances(self, series: str) -> list[Dataset]:
        """The instances of a series, pixels and all, in the order of their numbers."""
        found = self.find("Instance", SeriesInstanceUID=series)
        files = [self.session().get(f"{self.url}/instances/{one}/file", timeout=60).content for one in found]
        instances = [dcmread(io.BytesIO(file)) for file in files]
        return sorted(instances, key=lambda instance: int(instance.get("InstanceNumber") or 0))

    def delete(self, series: str) -> None:
        """Remove a series."""
        for one in self.find("Series", SeriesInstanceUID=series):
            self.session().delete(f"{self.url}/series/{one}", timeout=60).raise_for_status()

    def session(self) -> requests.Session:
        """For further requests to it."""
        session = requests.Session()
        session.auth = self.auth
        return session

    def log(self, lines: int = 40) -> str:
        """The end of its log."""
        path = self.folder / "orthanc.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(how)
        self._process.wait(30)

    def _get(self, path: str) -> Any:
        reply = self.session().get(self.url + path, timeout=60)
        reply.raise_for_status()
        return reply.json()

    def _configuration(self) -> dict[str, Any]:
        return {
            "Name": "xal test PACS",
            "StorageDirectory": str(self.folder / "data"),
            "IndexDirectory": str(self.folder / "data"),
            "HttpPort": self.port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": self.auth is not None,
            "RegisteredUsers": dict([self.auth]) if self.auth else {},
            "DicomServerEnabled": False,
            "HttpThreadsCount": 20,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }


def _binary() -> str | None:
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
