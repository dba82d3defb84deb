"""A real server process on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import psutil
import requests

from harness.warm import JOB, START_SECONDS, THREADS, WarmProcess, begins_early

APP = Path(__file__).resolve().parents[2] / "apps" / "xal_radiology"
PATIENCE = 4
"""So many times as long as on an idle machine is waited: neighbours may be at work."""
PORTS = range(20_000, 32_000)
"""Below those that the system gives to whoever connects somewhere: a port stays free until its server starts, and while
it is down."""


def free_port() -> int:
    """A port nobody listens on."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """`monailabel start_server` on a copy of the app (MONAI Label writes logs into the app's folder)."""

    cold = False
    """Whether it starts from nothing, as an administrator's does, or with its imports done."""

    def __init__(
        self,
        folder: Path,
        studies: Path | str,
        task: str,
        environment: Mapping[str, str] = MappingProxyType({}),
        options: Sequence[str] = (),
        host: str | None = "127.0.0.1",
        **conf: object,
    ) -> None:
        """Prepare to serve `studies`, a folder or an archive; `folder` is the server's own; no `host`: unsaid."""
        self.folder = folder
        self.studies = studies
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.environment = environment
        self._options = options
        self._host = host
        self._conf = {"task": task, "scan_seconds": 1, "auto_train": "never", **conf}
        self._app = folder / "app"
        self._process: subprocess.Popen[bytes] | WarmProcess | None = None
        if not self._app.exists():
            self._app.mkdir(parents=True)
            shutil.copy(APP / "main.py", self._app)

    def start(self) -> Self:
        """Start and wait until it answers."""
        command = ["monailabel.main", "start_server", "--app", str(self._app)]
        command += ["--studies", str(self.studies), "--port", str(self.port)]
        command += [] if self._host is None else ["--host", self._host]
        command += self._options
        for key, value in self._conf.items():
            command += ["--conf", key, str(value)]
        environment = {**THREADS, **os.environ, "MONAI_LABEL_SESSION_PATH": str(self.folder / "sessions")}
        environment["PYTHONFAULTHANDLER"] = "1"  # a crash says where
        environment |= self.environment
        if self.cold or begins_early(self.environment):
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", *command], stdout=log, stderr=subprocess.STDOUT, env=environment
                )
        else:
            self._process = WarmProcess(command, environment, self.log)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended with {self._process.returncode}:\n{self.tail()}")
            try:
                if requests.get(f"{self.url}/info/", timeout=5).ok:
                    return self
            except requests.ConnectionError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not answer within {START_SECONDS:.0f} s:\n{self.tail()}")

    def stop(self) -> None:
        """End it as an administrator would, and its children with it."""
        if self._process is None:
            return
        children: list[psutil.Process] = []
        if self._process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended just now
                children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        for child in children:
            if child.is_running():
                child.kill()

    def kill(self) -> None:
        """End it as a power cut would; its children live on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    def terminate(self) -> None:
        """Ask it to end, as an administrator would, without waiting."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def exit_code(self, seconds: float) -> int:
        """What it ended with; fails if it has not within so many seconds of an idle machine."""
        assert self._process is not None
        return self._process.wait(PATIENCE * seconds)

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def jobs(self) -> list[psutil.Process]:
        """Its trainings and scorings under way; not the process that forks them, without which it starts no more."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):  # it ended just now
                    found += [child] if JOB[-1] in child.cmdline() else []
        return found

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # requests

    def get(self, path: str, **query: object) -> requests.Response:
        """GET a path."""
        return requests.get(self.url + path, params=query, timeout=120)

    def post(self, path: str, body: object = None, **query: object) -> requests.Response:
        """POST JSON to a path."""
        return requests.post(self.url + path, json=body, params=query, timeout=120)

    def put(self, path: str, **how: Any) -> requests.Response:
        """PUT to a path."""
        return requests.put(self.url + path, timeout=120, **how)

    def status(self) -> dict[str, Any]:
        """`/xal/api/status`."""
        reply = self.get("/xal/api/status")
        assert reply.ok, reply.text
        return dict(reply.json())

    def submit(
        self,
        image: str,
        label: Path,
        findings: list[str],
        client_id: str | None = "reader",
        **params: object,
    ) -> requests.Response:
        """Hand in a label file whose k-th value is the k-th of `findings`."""
        said: dict[str, object] = {"label_info": [{"name": name, "idx": n + 7} for n, name in enumerate(findings)]}
        if client_id is not None:
            said["client_id"] = client_id
        with label.open("rb") as file:
            return requests.put(
                f"{self.url}/datastore/label",
                params={"image": image},
                data={"params": json.dumps({**said, **params})},
                files={"label": (label.name, file)},
                timeout=120,
            )

    def train(self, seconds: float = 240, **options: object) -> dict[str, Any]:
        """Train and wait; the newest version."""
        reply = self.post("/train/classifier", options)
        assert reply.ok, reply.text
        self.wait(lambda: self.get("/train/").json()["status"] not in ("SUBMITTED", "RUNNING"), seconds, "training")
        (newest,) = self.get("/xal/api/versions", limit=1).json()["items"]
        return dict(self.get(f"/xal/api/versions/{newest['version']}").json())

    def wait_scored(self, seconds: float = 120) -> dict[str, Any]:
        """Wait until no image of the pool waits for its score, and the pool is in the order of its scores."""

        def scored() -> bool:
            jobs = self.get("/xal/api/jobs").json()["items"]
            ordering = any(job["kind"] == "score" and job["state"] == "running" for job in jobs)
            return self.status()["unscored"] == 0 and not ordering

        self.wait(scored, seconds, "scores")
        return self.status()

    def wait(self, ready: Any, seconds: float, what: str) -> None:
        """Wait for what takes so long at most on an idle machine, or fail with the server's last words."""
        until = time.monotonic() + PATIENCE * seconds
        time.sleep(0.3)
        while not ready():
            assert time.monotonic() < until, f"waited {PATIENCE * seconds:.0f} s for {what}:\n{self.tail()}"
            time.sleep(0.3)
