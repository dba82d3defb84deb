"""Server processes that begin with their imports done.

A server imports for eight seconds of computing and answers in one more; the tests start a hundred of them. So each
process that runs tests keeps one other that has imported what servers import, and forks it for each server: a process
of its own as before, with its own arguments, environment and log. MONAI Label and xal themselves are imported anew in
each, because they read their settings while they are imported.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

OWN = ("monailabel", "xal")
"""Packages that every server imports for itself."""
START_SECONDS = 240.0
THREADS = {"OMP_NUM_THREADS": "2"}
"""Of a server, unless the environment says otherwise: it is read while torch is imported."""
_EARLY = ("PYTHON", "OMP_", "ATEN_", "ONEDNN_", "LD_")
"""What such variables say is heard only while an interpreter or a library starts."""


def begins_early(environment: Mapping[str, str]) -> bool:
    """Whether a server with these variables of its own must start from nothing."""
    return any(name.startswith(_EARLY) for name in environment)


class WarmProcess:
    """A server that was forked; what tests ask of a `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Begin `python -m arguments`, with this environment alone, writing into `log`."""
        self.returncode: int | None = None
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a number at a time
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "log": str(log),
            "cwd": str(Path.cwd()),
        }
        with theirs:
            socket.send_fds(_keeper(), [json.dumps(request).encode()], [theirs.fileno()])
        told = self._told(START_SECONDS)
        assert told is not None, "the process that forks servers does not answer"
        self.pid = int(told)

    def poll(self) -> int | None:
        """What it ended with; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self.returncode is None:
            told = self._told(timeout)
            if told is None:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)

    def _told(self, seconds: float | None) -> str | None:
        """The next number that its keeper says of it."""
        ready, _, _ = select.select([self._line], [], [], seconds)
        if not ready:
            return None
        said = self._line.recv(64)
        assert said, "the process that forks servers has ended"
        return said.decode()


_kept: dict[int, tuple[subprocess.Popen[bytes], socket.socket]] = {}


def _keeper() -> socket.socket:
    """The way to this process's keeper, which ends with this process."""
    here = os.getpid()
    if here not in _kept or _kept[here][0].poll() is not None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
        environment = THREADS | os.environ
        keeper = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment)
        theirs.close()
        _kept[here] = keeper, ours
    return _kept[here][1]


def _import_all() -> None:
    """What servers import, and forget what they have to import for themselves."""
    import xal.server.app  # noqa: F401

    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]


def _keep(way: socket.socket) -> None:
    """Fork a server for each request, and tell how each ended."""
    _import_all()
    assert threading.active_count() == 1, threading.enumerate()
    running: dict[int, socket.socket] = {}
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([way, wake], [], [])
        if wake in ready:
            wake.recv(1024)
            _bury(running)
        if way in ready:
            message, lines, _, _ = socket.recv_fds(way, 1 << 20, 1)
            if not message:
                return
            _start(json.loads(message), socket.socket(fileno=lines[0]), running, [way, wake, woken])


def _bury(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with running.pop(pid) as line, contextlib.suppress(OSError):  # the test may have ended, too
                line.sendall(b"%d" % os.waitstatus_to_exitcode(status))


def _start(request: dict, line: socket.socket, running: dict[int, socket.socket], ours: list[socket.socket]) -> None:
    pid = os.fork()
    if pid:
        running[pid] = line
        with contextlib.suppress(OSError):
            line.sendall(b"%d" % pid)
        return
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for way in (*ours, line, *running.values()):
        way.close()
    _become(request)


def _become(request: dict) -> None:
    """Be `python -m …` from here on."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    tempfile.tempdir = None  # $TMPDIR counts anew
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()
    import runpy

    module, *rest = request["arguments"]
    sys.argv = [module, *rest]
    sys.path[0] = request["cwd"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    _keep(socket.socket(fileno=int(sys.argv[1])))
