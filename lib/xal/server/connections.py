"""How many connections may be open, and for how long one may keep us waiting.

uvicorn closes a connection that has been idle since its last answer. It waits for ever for one that has never asked
anything, whose request comes in by drops, or that does not read what it asked for; a thousand of these use up the
descriptors that this process may have, and then nobody is answered.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

logger = logging.getLogger(__name__)

MOST = 1000
"""Connections at once, where there are descriptors enough."""
SHARE = 0.5
"""Of these, how many may come from one address. All readers behind a proxy have one address."""
HEAD_SECONDS = 10.0
"""For a whole request head, from the connection or the last answer."""
SILENT_SECONDS = 120.0
"""Until nothing more of a body is expected, or nobody to read an answer."""
SWEEP_SECONDS = 1.0
TELL_SECONDS = 60.0
DESCRIPTORS = 65_536
"""More are of no use, and an unlimited number makes some programs slow."""
_AT_ONCE = 0.1
"""This share of an address's connections ends together, so that a flood does not cost a look at all for each."""


@dataclass
class _Seen:
    """What is remembered of one connection."""

    address: str
    opened: float
    heard: float
    """When something last came, or went, or was worked on."""
    head_since: float | None
    """Since when a request head is expected; None while a request is answered."""
    cycle: Any = None
    """uvicorn's request on this connection when it was last looked at."""
    unsent: int = 0


class Connections:
    """The connections of a server, by uvicorn's protocol objects."""

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._now = now
        self._open: dict[Any, _Seen] = {}
        """The longest silent first."""
        self._of: Counter[str] = Counter()
        self._sweeping = False
        self._told = float("-inf")

    def opened(self, protocol: Any) -> None:
        """Another connection: where there are too many, those go that have kept us waiting longest."""
        now = self._now()
        seen = _Seen(_address(protocol.client), now, now, now)
        self._open[protocol] = seen
        self._of[seen.address] += 1
        if self._of[seen.address] > self._most * SHARE:
            self._make_room(protocol, seen.address)
        elif len(self._open) > self._most:
            self._make_room(protocol, None)
        if not self._sweeping:
            self._sweeping = True
            protocol.loop.call_later(SWEEP_SECONDS, self._sweep, protocol.loop)

    def heard(self, protocol: Any) -> None:
        """Something came in."""
        seen = self._open.pop(protocol, None)
        if seen is not None:
            seen.heard = self._now()
            self._open[protocol] = seen

    def closed(self, protocol: Any) -> None:
        """A connection is gone."""
        seen = self._open.pop(protocol, None)
        if seen is not None:
            self._of[seen.address] -= 1
            if not self._of[seen.address]:
                del self._of[seen.address]

    def look(self) -> None:
        """End what has kept us waiting for too long."""
        now = self._now()
        for protocol, seen in list(self._open.items()):
            unsent, waits = protocol.transport.get_write_buffer_size(), _waits(protocol)
            if unsent != seen.unsent or not waits:
                seen.unsent = unsent
                self.heard(protocol)
            if _wants_a_head(protocol):
                if seen.head_since is None or protocol.cycle is not seen.cycle:
                    seen.head_since = now
            else:
                seen.head_since = None
            seen.cycle = protocol.cycle
            late = seen.head_since is not None and not unsent and now - seen.head_since > HEAD_SECONDS
            if late or now - seen.heard > SILENT_SECONDS:
                protocol.transport.abort()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.look()
        self._sweeping = bool(self._open)
        if self._sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def _make_room(self, newest: Any, address: str | None) -> None:
        """End the connection (of one address) that has kept us waiting longest, and some that are hardly better.

        Where all are being answered, the newest one of the address with the most goes, so that one address cannot take
        what others need.
        """
        going = list(islice(self._silent(newest, address), max(1, int(self._most * SHARE * _AT_ONCE))))
        if not going:
            crowded = address or self._of.most_common(1)[0][0]
            going = [max((one for one in self._open if self._open[one].address == crowded), key=self._opened)]
        self._tell(self._open[newest].address)
        for protocol in going:
            protocol.transport.abort()
            self.closed(protocol)

    def _silent(self, newest: Any, address: str | None) -> Iterator[Any]:
        """The longest silent one (of an address) whose turn it is, and all others that have been silent for a while."""
        found, now = False, self._now()
        for protocol, seen in self._open.items():
            if found and now - seen.heard < SWEEP_SECONDS:
                return
            if address in (None, seen.address) and protocol is not newest and _waits(protocol):
                found = True
                yield protocol

    def _opened(self, protocol: Any) -> float:
        return self._open[protocol].opened

    def _tell(self, address: str) -> None:
        """Say so in the log, once in a while."""
        if self._now() - self._told > TELL_SECONDS:
            self._told = self._now()
            count, own = len(self._open), self._of[address]
            logger.warning("%d connections are open, %d from %s: those that ask nothing are ended", count, own, address)


def watch_connections() -> None:
    """From now on, in this process."""
    watch(Connections(connections_for(raise_descriptors())), AutoHTTPProtocol)


def watch(connections: Connections, kind: Any) -> None:
    """Tell `connections` of those that uvicorn handles with this kind of protocol, of which it has one per parser.

    The kind itself is changed: when MONAI Label imports its app, uvicorn has chosen the kind already.
    """
    made, received, lost = kind.connection_made, kind.data_received, kind.connection_lost

    def connection_made(protocol: Any, transport: asyncio.BaseTransport) -> None:
        made(protocol, transport)
        connections.opened(protocol)

    def data_received(protocol: Any, data: bytes) -> None:
        connections.heard(protocol)
        received(protocol, data)

    def connection_lost(protocol: Any, error: Exception | None) -> None:
        connections.closed(protocol)
        lost(protocol, error)

    kind.connection_made = connection_made
    kind.data_received = data_received
    kind.connection_lost = connection_lost


def raise_descriptors() -> int:
    """Take what descriptors this process may have, instead of the few that it is given; how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def connections_for(descriptors: int) -> int:
    """How many connections leave enough descriptors for images, the store and child processes."""
    return max(16, min(MOST, descriptors // 2))


def _wants_a_head(protocol: Any) -> bool:
    return protocol.cycle is None or protocol.cycle.response_complete


def _waits(protocol: Any) -> bool:
    """Whether it is the client's turn: to ask, to send the rest of a body that we read, or to read what we sent."""
    if _wants_a_head(protocol) or protocol.transport.get_write_buffer_size():
        return True
    return bool(protocol.cycle.more_body) and not protocol.flow.read_paused


def _address(client: tuple[str, int] | None) -> str:
    """Whose connection it is; a whole network of IPv6, since one machine has as many addresses there as it likes."""
    text = client[0] if client else ""
    return str(ipaddress.ip_network((text.partition("%")[0], 64), strict=False)) if ":" in text else text
