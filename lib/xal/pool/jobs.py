"""Long work in a process of its own: one row in the store says who does it, how far it is and how it ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, Literal

import psutil

from xal.errors import Full
from xal.store import Store
from xal.system.durable import is_full

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
CHILD_MODULE = "monailabel.interfaces.utils.app"
"""What MONAI Label runs in a child process for training and scoring."""
SERVER_PID = "XAL_SERVER_PID"
"""In the environment of a server's child processes: the process whose end is theirs."""
Kind = Literal["train", "score"]
FULL = "the server's disk is full: what was done by then is not kept, and nothing else has changed"


class AnotherRuns(Exception):  # noqa: N818 - not an error: the work is being done
    """A live process does this work already."""


class Job:
    """The running job, as seen from the process that does it."""

    def __init__(self, store: Store, number: int) -> None:
        """`number` is the row that `jobs.start` made."""
        self._store = store
        self._number = number
        self._progress: dict[str, Any] = {}
        self._stop = threading.Event()

    def report(self, **progress: Any) -> None:
        """Say how far the work is; reaches the store at once."""
        self._progress = progress
        self._store.jobs.heartbeat(self._number, progress)

    def stopped(self) -> bool:
        """True once somebody asked this process to stop."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        """Make `stopped` true."""
        self._stop.set()

    def beat(self, done: threading.Event) -> None:
        """Keep the row alive, and leave at once when the server that started this process is gone."""
        while not done.wait(HEARTBEAT_SECONDS):
            if _is_left_behind():
                logger.warning("the server is gone: leaving")
                os._exit(3)
            self._store.jobs.heartbeat(self._number, self._progress)


@contextlib.contextmanager
def job(store: Store, kind: Kind, request: dict[str, Any]) -> Iterator[Job]:
    """Do the work inside as a job of the store; AnotherRuns if a live process does it already."""
    number = store.jobs.start(kind, os.getpid(), request)
    if number is None:
        raise AnotherRuns(f"another process is doing this already ({kind})")
    running = Job(store, number)
    done = threading.Event()
    beating = threading.Thread(target=running.beat, args=(done,), daemon=True, name="heartbeat")
    previous = None
    if threading.current_thread() is threading.main_thread():
        previous = signal.signal(signal.SIGTERM, lambda *_: running.ask_to_stop())
    beating.start()
    try:
        yield running
    except BaseException as error:
        said = FULL if is_full(error) else f"{type(error).__name__}: {error}"
        with contextlib.suppress(Full):  # then the job is found dead, later
            store.jobs.finish(number, "failed", said)
        raise
    else:
        store.jobs.finish(number, "stopped" if running.stopped() else "done", "")
    finally:
        done.set()
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def mark_as_server() -> None:
    """Let the processes that this one starts from now on end with it."""
    os.environ[SERVER_PID] = str(os.getpid())


def _is_left_behind() -> bool:
    """Whether a server started this process and is no more; it may have ended before the job began."""
    server = os.environ.get(SERVER_PID)
    return server is not None and server not in (str(os.getpid()), str(os.getppid()))


def reap_orphans(store: Store) -> list[int]:
    """End the jobs that a server which is no more left running on this machine; their process ids."""
    reaped = []
    for row in store.jobs.live_orphans():
        try:
            process = psutil.Process(row.pid)
            if not _is_orphan(process):
                continue
            logger.warning("ending process %d, which an earlier server left behind (%s)", row.pid, row.kind)
            process.kill()
            process.wait(timeout=10)
        except psutil.NoSuchProcess:
            pass
        except psutil.Error as error:  # another user's, or stuck in the kernel: no reason not to serve
            logger.warning("process %d could not be ended: %s", row.pid, error)
            continue
        store.jobs.finish(row.id, "lost", "the server that started it had ended")
        reaped.append(row.pid)
    return reaped


def _is_orphan(process: psutil.Process) -> bool:
    """A child process of MONAI Label (not a command somebody gave) whose parent is no server any more."""
    parent = process.parent()
    is_child = CHILD_MODULE in process.cmdline()
    return is_child and (parent is None or "start_server" not in parent.cmdline())
