"""How the server does on a large archive: fills a real Orthanc with small X-rays, and times starts and Next Sample.

    .venv/bin/python bench/archive.py 50000 --folder FOLDER

The folder is kept: a second run fills up what is missing, and finds the pool known. Needs Debian's orthanc and
orthanc-dicomweb; a quarter of an hour for 50,000.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import requests

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / folder) for folder in ("tests", "tools")]

import harness.server  # noqa: E402
from harness.hospital import LOGIN, quick_task  # noqa: E402
from harness.orthanc import Orthanc  # noqa: E402

import phantoms  # noqa: E402

SIDE = 16
PORT = 8155
"""Always the same: the server's state is named after the archive's address."""
ROOT = "2.25.77"
TRIES = 20


def fill(archive: Orthanc, count: int) -> None:
    """One series of one picture each, two of a patient."""
    picture = phantoms.case("cr").instances[0]
    picture.Rows = picture.Columns = SIDE
    picture.PixelData = np.zeros((SIDE, SIDE), np.uint16).tobytes()
    session = requests.Session()
    session.auth = archive.auth
    begun = time.monotonic()
    for number in range(archive.count(), count):
        uids = [f"{ROOT}.{level}.{number}" for level in (1, 2, 3)]
        picture.StudyInstanceUID, picture.SeriesInstanceUID, picture.SOPInstanceUID = uids
        picture.file_meta.MediaStorageSOPInstanceUID = picture.SOPInstanceUID
        picture.PatientID = f"patient {number // 2}"
        _post(session, f"{archive.url}/instances", phantoms.content(picture))
        if number % 5000 == 0:
            print(f"{number} of {count} after {time.monotonic() - begun:.0f} s", flush=True)


def _post(session: requests.Session, url: str, body: bytes) -> None:
    for _ in range(TRIES):
        try:
            session.post(url, data=body, timeout=60).raise_for_status()
        except requests.ConnectionError:  # Orthanc closes connections that rest for a second
            continue
        return
    raise SystemExit("Orthanc does not take a picture")


def measure(archive: Orthanc, folder: Path) -> None:
    """Start a server on it, ask it for images, stop it."""
    task = quick_task(folder)
    environment = {
        "XDG_DATA_HOME": str(folder / "data"),
        "MONAI_LABEL_DICOMWEB_USERNAME": LOGIN[0],
        "MONAI_LABEL_DICOMWEB_PASSWORD": LOGIN[1],
    }
    harness.server.START_SECONDS = 3600.0
    server = harness.server.Server(
        folder / "server", f"{archive.url}/dicom-web", str(task), environment, scan_seconds=30
    )
    server.cold = True  # its imports are a part of its start
    begun = time.monotonic()
    with server:
        print(f"answers after {time.monotonic() - begun:.0f} s, with {server.status()['images']} images", flush=True)
        for _ in range(6):
            took = [_next_sample(server, f"reader {number}") for number in range(10)]
            memory = psutil.Process(server._process.pid).memory_info().rss / 2**30
            print(f"Next Sample {statistics.median(took) * 1e3:.0f} ms, memory {memory:.2f} GiB", flush=True)
            time.sleep(20)


def _next_sample(server: harness.server.Server, reader: str) -> float:
    begun = time.perf_counter()
    reply = server.post("/activelearning/xal", {"client_id": reader})
    took = time.perf_counter() - begun
    assert reply.ok, reply.text
    return took


def main() -> None:
    """Fill, then measure a first start and a second one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--folder", type=Path, required=True)
    chosen = parser.parse_args()
    with Orthanc(chosen.folder / "archive", *LOGIN, port=PORT) as archive:
        fill(archive, chosen.count)
        for _ in range(2):
            measure(archive, chosen.folder)


if __name__ == "__main__":
    main()
