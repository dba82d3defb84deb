"""Who waits for an archive, and how long: somebody at a screen is told soon, work in the background has patience.

A server has some forty threads for all its clients. An archive that hangs must not hold them: only so many may wait for
it at once, and once it has not answered, or is known to be away, nobody else does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from xal.errors import NoAnswer, Unavailable

READ_SECONDS = 15.0
"""Between two bytes, in the one try that is made for somebody who waits."""
AT_ONCE, IN_LINE = 6, 6
"""Fetches for clients that may run at once, and that may wait for one of these to end."""
IN_LINE_SECONDS = 2.0
QUIET_SECONDS = 10.0
"""After a request that was not answered nobody else is let to wait for so long."""
_BUSY = "the archive is slow, and too many requests wait for it"

_somebody_waits: ContextVar[bool] = ContextVar("somebody_waits", default=False)


def somebody_waits() -> bool:
    """Whether what runs now is done for a client who waits for the answer."""
    return _somebody_waits.get()


@contextmanager
def for_somebody() -> Iterator[None]:
    """What is done in here is done for a client who waits."""
    yield from _while(True)


@contextmanager
def patiently() -> Iterator[None]:
    """What is done in here takes its time, though a client waits: a whole data set is made, a pool is scored."""
    yield from _while(False)


def _while(waits: bool) -> Iterator[None]:
    token = _somebody_waits.set(waits)
    try:
        yield
    finally:
        _somebody_waits.reset(token)


class Turns:
    """Lets few clients at a time wait for an archive; background work is not counted."""

    def __init__(self) -> None:
        """Nobody waits, and nothing is known against the archive."""
        self.away: str | None = None
        """Why it is known to be away, as the server's watch found."""
        self._running = threading.Semaphore(AT_ONCE)
        self._line = threading.Semaphore(IN_LINE)
        self._quiet_until = 0.0
        self._quiet_because = ""

    @contextmanager
    def one(self) -> Iterator[None]:
        """Ask the archive for something in here; Unavailable at once where a client would wait in vain."""
        if not somebody_waits():
            with self._heard():
                yield
            return
        self.check()
        self._take()
        try:
            self.check()  # it may have been found out meanwhile
            with self._heard():
                yield
        finally:
            self._running.release()

    def _take(self) -> None:
        if self._running.acquire(blocking=False):
            return
        if not self._line.acquire(blocking=False):
            raise Unavailable(_BUSY)
        try:
            if not self._running.acquire(timeout=IN_LINE_SECONDS):
                raise Unavailable(_BUSY)
        finally:
            self._line.release()

    def heard(self) -> None:
        """It answers: what was silent just now was an image."""
        self._quiet_until = 0.0

    def check(self) -> None:
        """Unavailable while it is known to be away, or was silent just now."""
        if self.away is not None:
            raise Unavailable(self.away)
        if time.monotonic() < self._quiet_until:
            raise Unavailable(self._quiet_because)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Learn from what becomes of it."""
        try:
            yield
        except NoAnswer as error:
            self._quiet_because, self._quiet_until = str(error), time.monotonic() + QUIET_SECONDS
            raise
        self.heard()
