"""A real server in a process of its own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import requests

from xal.errors import XalError

START_SECONDS = 120.0
STOP_SECONDS = 15.0


class ServerProcess:
    """`monailabel start_server` on a copy of the app, because MONAI Label writes logs into the app's folder."""

    def __init__(self, app: Path, studies: Path, folder: Path, task: str) -> None:
        """Prepare to serve `studies`; `folder` is the server's own."""
        self.log = folder / "server.log"
        self._folder = folder
        self._studies = studies
        self._task = task
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copytree(app, folder / "app", ignore=shutil.ignore_patterns("logs", "model", "__pycache__"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(self._folder / "app")]
        command += ["--studies", str(self._studies), "--host", "127.0.0.1", "--port", self.url.rpartition(":")[2]]
        command += ["--conf", "task", self._task, "--conf", "auto_train", "never"]  # the demo says when
        environment = {
            **os.environ,
            "MONAI_LABEL_SESSION_PATH": str(self._folder / "sessions"),
            "OMP_NUM_THREADS": "1",  # two servers train side by side; and one thread adds up in one order
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            self.check()
            try:
                if requests.get(f"{self.url}/info/", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise XalError(f"the server did not answer within {START_SECONDS:.0f} s\n{self.tail()}")

    def check(self) -> None:
        """XalError with its last words if the process has ended."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            raise XalError(f"the server died (exit status {code})\n{self.tail()}")

    def stop(self) -> None:
        """End it, and whatever it is running."""
        if self._process is None or self._process.poll() is not None:
            return
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for child in children:
            if child.is_running():
                child.kill()

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"the end of {self.log}:", *text[-lines:]])
