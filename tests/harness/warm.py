"""Server processes, their jobs and commands, that begin with their imports done.

A server imports for eight seconds of computing and answers in one more; the tests start a hundred of them, and each
training or scoring is a process that imports as much again. So each process that runs tests keeps one other, the
keeper, that has imported what servers import, and forks it for each server: a process of its own as before, with its
own arguments, environment and log. A server in its turn has a nursery, forked before it did anything, which forks the
jobs that MONAI Label starts: their parent is the server, as before. MONAI Label, and what of xal rests on it, are
imported anew in each, because they read their settings while they are imported.

A simulation computes in workers, which a process of its own forks, Python's `forkserver`. It imports as much, and so
begins in the same way: the keeper forks it for the process that runs tests, the nursery for a command.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import fcntl
import gc
import inspect
import json
import multiprocessing.util
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

OWN = ("monailabel", "xal.server")
"""What every server and job imports for itself: its settings are read while it is imported."""
JOB = ["-m", "monailabel.interfaces.utils.app"]
"""What Python is told to be when MONAI Label starts a job."""
FORKSERVER = "from multiprocessing.forkserver import main"
"""How the code begins that Python is told to run when it is to fork workers."""
NAME_ROOM = 8192
"""Bytes that a forked process has for its own command line."""
CLONE_PARENT = 0x8000
SYS_CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
"""The number of the system call `clone`; where it is not known, jobs start from nothing."""
FILES = 8
"""So many open files come with a request at most."""
START_SECONDS = 240.0
THREADS = {"OMP_NUM_THREADS": "2"}
"""Of a server, unless the environment says otherwise: it is read while torch is imported."""
_EARLY = ("PYTHON", "OMP_", "ATEN_", "ONEDNN_", "LD_")
"""What such variables say is heard only while an interpreter or a library starts."""


def begins_early(environment: Mapping[str, str]) -> bool:
    """Whether a server with these variables of its own must start from nothing."""
    return any(name.startswith(_EARLY) for name in environment)


class WarmProcess:
    """A server or a command that was forked; what tests ask of a `subprocess.Popen`."""

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
        with theirs, _one:
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


_one = threading.Lock()
_kept: dict[int, tuple[subprocess.Popen[bytes], socket.socket]] = {}


def _keeper() -> socket.socket:
    """The way to this process's keeper, which ends with this process."""
    here = os.getpid()
    if here not in _kept or _kept[here][0].poll() is not None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, str(Path(__file__)), str(theirs.fileno()), "-" * NAME_ROOM]
        environment = THREADS | os.environ
        keeper = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment)
        theirs.close()
        _kept[here] = keeper, ours
    return _kept[here][1]


def fork_workers() -> None:
    """Let what forks this process's workers begin with its imports done."""
    if SYS_CLONE is not None:
        _let_fork(_fork_by_keeper)


def _fork_by_keeper(request: dict, files: Sequence[int]) -> int:
    line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with line:
        with theirs, _one:
            socket.send_fds(_keeper(), [json.dumps(request).encode()], [theirs.fileno(), *files])
        return int(line.recv(64))


def _let_fork(ask: Callable[[dict, Sequence[int]], int]) -> None:
    """Let `ask` begin what is to fork workers, with these open files, as a child of this process."""
    begin = multiprocessing.util.spawnv_passfds

    def spawn(path: Any, args: Sequence[Any], passfds: Sequence[int]) -> int:
        if not str(args[-1]).startswith(FORKSERVER):
            return begin(path, args, passfds)
        files = [1, 2, *passfds]
        request = {"code": args[-1], "files": files, "environment": dict(os.environ), "cwd": str(Path.cwd())}
        return ask(request, files)

    multiprocessing.util.spawnv_passfds = spawn


def _import_all() -> None:
    """What servers and their jobs import, and forget what they have to import for themselves."""
    gc.disable()  # nothing of what is imported is garbage
    import torch._dynamo  # noqa: F401 - torch does so itself in the first training of a process

    import xal.server.app  # noqa: F401

    for name in [name for name in sys.modules if f"{name}.".startswith(tuple(f"{own}." for own in OWN))]:
        del sys.modules[name]
    gc.enable()
    gc.freeze()  # a forked process that ends would look through all of it, and copy it while it does: for two seconds


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
            message, files, _, _ = socket.recv_fds(way, 1 << 20, FILES)
            if not message:
                return
            request, line = json.loads(message), socket.socket(fileno=files.pop(0))
            if "code" in request:
                _start_sibling(request, files, line, running, [way, wake, woken])
            else:
                _start(request, line, running, [way, wake, woken])


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
    _forget_others([*ours, line, *running.values()])
    _become(request)


def _start_sibling(
    request: dict, files: list[int], line: socket.socket, running: dict[int, socket.socket], ours: list[socket.socket]
) -> None:
    assert SYS_CLONE is not None
    with line:
        pid = _fork_sibling(SYS_CLONE)
        if not pid:
            _forget_others([*ours, line, *running.values()])
            _fork_for(request, files)
        line.sendall(b"%d" % pid)
    for file in files:
        os.close(file)


def _forget_others(ways: list[socket.socket]) -> None:
    """What a forked process has of its keeper is not its own."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for way in ways:
        way.close()


def _become(request: dict) -> NoReturn:
    """Be the server that was asked for from here on."""
    if SYS_CLONE is not None:
        Starting.nursery = _open_nursery(SYS_CLONE)
        subprocess.Popen = Starting  # type: ignore[misc]
        _let_fork(Starting.fork)
    _be(request, os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))


class Starting(subprocess.Popen):
    """What a server starts; a job of MONAI Label is forked by the server's nursery."""

    nursery: socket.socket

    def _execute_child(self, *args: Any) -> None:
        """Begin the process; the base class does it for all others, and says what the arguments are."""
        begin = super()._execute_child  # type: ignore[misc]
        given = inspect.signature(begin).bind(*args).arguments
        if given["args"][1:3] != JOB:
            begin(*args)
            return
        request = {"arguments": given["args"][2:], "environment": dict(given["env"]), "cwd": str(Path.cwd())}
        self.pid = self.fork(request, [given["c2pwrite"]])
        self._child_created = True
        self._close_pipe_fds(*args[-13:-7])  # type: ignore[attr-defined]

    @classmethod
    def fork(cls, request: dict, files: Sequence[int]) -> int:
        """Let the nursery begin a process with these open files."""
        with _one:
            socket.send_fds(cls.nursery, [json.dumps(request).encode()], files)
            return int(cls.nursery.recv(64))


def _open_nursery(clone: int) -> socket.socket:
    """The way to a process that forks this one's jobs, and ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    while True:
        message, files, _, _ = socket.recv_fds(theirs, 1 << 20, FILES)
        if not message:
            os._exit(0)
        request = json.loads(message)
        pid = _fork_sibling(clone)
        if not pid:
            theirs.close()
            if "code" in request:
                _fork_for(request, files)
            _be(request, files[0])
        for file in files:
            os.close(file)
        theirs.sendall(b"%d" % pid)


def _fork_sibling(clone: int) -> int:
    """As `os.fork`, but the new process's parent is this one's. Only for a process that never had a second thread."""
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = python.syscall(clone, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid:
        python.PyOS_AfterFork_Parent()
    else:
        python.PyOS_AfterFork_Child()
    return int(pid)


def _be(request: dict, output: int) -> NoReturn:
    """Be `python -m …` from here on."""
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    _be_there(request)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and so tests, ignore Ctrl-C
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()
    import runpy

    module, *rest = request["arguments"]
    sys.argv = [module, *rest]
    sys.path[0] = request["cwd"]
    _be_called([sys.executable, "-m", *request["arguments"]])
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def _fork_for(request: dict, files: Sequence[int]) -> NoReturn:
    """Be `python -c …` from here on, with `files` under the numbers that they had where they came from."""
    above = 1 + max(request["files"])
    moved = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, above) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(moved, request["files"], strict=True):
        os.dup2(file, number)
        os.close(file)
    _be_there(request)
    sys.argv, sys.path[0] = ["-c"], ""
    _be_called([sys.executable, "-c", request["code"]])
    sys.modules["__main__"] = main = ModuleType("__main__")
    exec(request["code"], vars(main))
    sys.exit(0)


def _be_there(request: dict) -> None:
    """In the folder, and with the environment, of who asked."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    tempfile.tempdir = None  # $TMPDIR counts anew


def _be_called(command: list[str]) -> None:
    """Let other processes read this as the command line, in the memory where the system looks for it."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])  # the 48th and 49th of all
    line = b"\0".join(os.fsencode(word) for word in command)[: end - begin - 1]
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, line, len(line))


if __name__ == "__main__":
    _keep(socket.socket(fileno=int(sys.argv[1])))
