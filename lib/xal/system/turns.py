"""Who decodes when: as much at a time as memory allows, and small images do not wait for large ones.

A file of some kilobytes can stand for an image of hundreds of megabytes, and forty clients can hand one in at once. So
what decodes first takes a share of what may be in memory, and waits if there is none. What is done for a request keeps
its share until the request is answered, and what is done for an image in the background until that is made, because
they keep the pixels.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

from xal.errors import Unavailable
from xal.system.limits import in_force
from xal.system.waiting import somebody_waits

SMALL = 4_000_000
"""Values of an image, such as a radiograph of 2000 × 2000, that waits only for its like."""
SMALL_AT_ONCE = 16_000_000
IN_LINE = 3
"""So many clients may wait for a large image's turn; further ones are told at once to come back."""
CLIENT_SECONDS, JOB_SECONDS = 10.0, 600.0
"""How long a client waits for a turn, and work in the background."""
HAND_IN_SECONDS = 60.0
"""How long a client waits who hands in what a reader drew: pictures can be had again, and that program may not ask
again."""
GLANCE_SECONDS = 0.5
"""How long a client waits who can as well be given another image."""
_BUSY = "the server is busy with other large images: try again in a moment"


class Turns:
    """Shares of something that is limited, in the order in which they are asked for."""

    def __init__(self, in_line: int | None) -> None:
        """Let `in_line` clients wait; None: all."""
        self._in_line = in_line
        self._used = 0
        self._waiting: deque[object] = deque()
        self._ahead = 0
        """Of these, how many come before the others."""
        self._clients = 0
        self._changed = threading.Condition()

    def take(self, share: int, capacity: int, seconds: float = CLIENT_SECONDS, ahead: bool = False) -> None:
        """Wait for a share; whoever is alone gets it, however large. Unavailable if a client would wait too long.

        A client that comes ahead is never told that too many wait.
        """
        client = somebody_waits()
        ahead = ahead and client
        with self._changed:
            free = not self._waiting and self._fits(share, capacity)
            if not free:
                counts = client and not ahead
                if counts and self._in_line is not None and self._clients >= self._in_line:
                    raise Unavailable(_BUSY)
                with self._in_the_line(ahead, counts) as ticket:
                    self._wait(ticket, share, capacity, seconds if client else JOB_SECONDS)
            self._used += share

    def give_back(self, share: int) -> None:
        """Let others have it."""
        with self._changed:
            self._used -= share
            self._changed.notify_all()

    def _fits(self, share: int, capacity: int) -> bool:
        return self._used == 0 or self._used + share <= capacity

    @contextmanager
    def _in_the_line(self, ahead: bool, counts: bool) -> Iterator[object]:
        """A place in the line, behind the like."""
        ticket = object()
        self._waiting.insert(self._ahead if ahead else len(self._waiting), ticket)
        self._ahead += ahead
        self._clients += counts
        try:
            yield ticket
        finally:
            self._waiting.remove(ticket)
            self._ahead -= ahead
            self._clients -= counts
            self._changed.notify_all()

    def _wait(self, ticket: object, share: int, capacity: int, seconds: float) -> None:
        if not self._changed.wait_for(lambda: self._waiting[0] is ticket and self._fits(share, capacity), seconds):
            raise Unavailable(_BUSY)


_small, _large = Turns(None), Turns(IN_LINE)


@dataclass
class _Held:
    """What a request holds: the share of its largest image so far."""

    seconds: float = CLIENT_SECONDS
    ahead: bool = False
    turns: Turns = _small
    share: int = 0

    def take(self, values: int) -> None:
        """Hold a share for so many values."""
        if values <= self.share:
            return
        self.give_back()  # before more is asked for: two that hold and wait would wait for each other
        turns, capacity = (_small, SMALL_AT_ONCE) if values <= SMALL else (_large, in_force().max_voxels)
        turns.take(values, capacity, self.seconds, self.ahead)
        self.turns, self.share = turns, values

    def give_back(self) -> None:
        """Hold nothing."""
        if self.share:
            self.turns.give_back(self.share)
            self.share = 0


_request: ContextVar[_Held | None] = ContextVar("held", default=None)


@contextmanager
def one_request(seconds: float = CLIENT_SECONDS, ahead: bool = False) -> Iterator[None]:
    """What is decoded in here is in memory until the end; a client waits so long for each turn, or ahead of others."""
    held = _Held(seconds, ahead)
    token = _request.set(held)
    try:
        yield
    finally:
        held.give_back()
        _request.reset(token)


@contextmanager
def one_piece() -> Iterator[None]:
    """What is decoded in here is in memory until the end; of a request, until the request's end."""
    with nullcontext() if _request.get() is not None else one_request():
        yield


@contextmanager
def decoding(values: int) -> Iterator[None]:
    """Decode so many values in here, when it is their turn."""
    with one_piece():
        held = _request.get()
        assert held is not None
        held.take(values)
        yield
