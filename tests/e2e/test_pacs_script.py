"""`make pacs`: a PACS full of phantoms and the app on it, from one command."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from harness.server import free_port

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.e2e


def wait(ready, seconds: float, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.3)


def nobody_answers(port: int) -> bool:
    try:
        requests.get(f"http://127.0.0.1:{port}/", timeout=2)
    except requests.ConnectionError:
        return True
    return False


def test_one_command_serves_every_modality_and_ends_both(tmp_path: Path):
    port, pacs_port, log = free_port(), free_port(), tmp_path / "log"
    command = [sys.executable, str(ROOT / "scripts" / "pacs.py"), "--port", str(port), "--pacs-port", str(pacs_port)]
    environment = {**os.environ, "MONAI_LABEL_SESSION_PATH": str(tmp_path / "sessions")}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--folder", str(tmp_path / "pacs")], stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    try:
        wait(lambda: "Ctrl-C stops both" in log.read_text(), 120, process, log)
        status = f"http://127.0.0.1:{port}/xal/api/status"
        # Two cines are no single slices; all else is an image of the task.
        wait(lambda: requests.get(status, timeout=30).json()["unreadable"] == 2, 60, process, log)
        assert requests.get(status, timeout=30).json()["open"] == 68
        address = next(line.strip() for line in log.read_text().splitlines() if "StudyInstanceUIDs=" in line)
        assert requests.get(address, timeout=30).ok
        with (tmp_path / "pacs" / "truth.csv").open() as file:
            kinds = {row["kind"] for row in csv.DictReader(file)}
        assert {"ct", "mr", "cr", "dx", "mg", "us"} < kinds
        assert "Phantom^" not in log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert nobody_answers(port)
    assert nobody_answers(pacs_port)
