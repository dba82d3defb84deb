"""What makes a fork safe: nobody is inside the database while it happens, and no connection is open.

SQLite keeps its locks per process. A child that inherits open connections believes it holds locks that it does not, and
may wait for ever or, worse, write where others have stopped reading. So a fork waits until the transactions in flight
have ended, and closes the connections; parent and child both open new ones when they next need them.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from xal.errors import StoreError

PATIENCE_SECONDS = 30.0


class Gate:
    """Counts the threads that are inside, and can be shut until all of them have left."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._own = threading.local()
        self._inside = 0
        self._shut = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be inside; who is inside already may go in again even while the gate is shut."""
        depth = getattr(self._own, "depth", 0)
        with self._changed:
            self._changed.wait_for(lambda: depth > 0 or not self._shut)
            self._inside += 1
        self._own.depth = depth + 1
        try:
            yield
        finally:
            self._own.depth = depth
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def shut(self) -> bool:
        """Let nobody in; whether all have left in time."""
        if getattr(self._own, "depth", 0):
            return False
        with self._changed:
            self._shut = True
            return self._changed.wait_for(lambda: self._inside == 0, PATIENCE_SECONDS)

    def open(self) -> None:
        """Let them in again."""
        with self._changed:
            self._shut = False
            self._changed.notify_all()


class _Process:
    """What this process knows of its connections."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.engines: weakref.WeakSet[Engine] = weakref.WeakSet()
        self.quiet = True
        """No connection is open: a fork may go ahead."""
        self.usable = True
        """No connection was open when this process was forked."""


_here = _Process()


def watch(engine: Engine) -> None:
    """Close this engine's connections whenever the process forks."""
    _here.engines.add(engine)


@contextmanager
def in_use() -> Iterator[None]:
    """Hold a fork back while a connection is used."""
    if not _here.usable:
        raise StoreError("this process was forked inside a transaction and cannot use the store; start it anew instead")
    with _here.gate.inside():
        yield


def _before() -> None:
    _here.quiet = _here.gate.shut()
    if _here.quiet:
        for engine in list(_here.engines):
            engine.dispose()


def _after_in_parent() -> None:
    _here.gate.open()


def _after_in_child() -> None:
    _here.gate = Gate()
    _here.usable = _here.usable and _here.quiet


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
