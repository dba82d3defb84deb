"""Connections to a real uvicorn, with few of them allowed and a clock that runs fast."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from harness.server import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from xal.server.connections import (
    HEAD_SECONDS,
    MOST,
    SILENT_SECONDS,
    SWEEP_SECONDS,
    Connections,
    connections_for,
    raise_descriptors,
)
from xal.server.connections import watch as watch_kind

FAST = 100.0
"""Seconds of the server's clock in one of ours."""
LARGE = 64 << 20
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
MORE = SILENT_SECONDS / FAST + 1.5 * SWEEP_SECONDS
"""Our seconds after which whoever keeps the server waiting is certainly gone."""


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def live(request: Request) -> Response:
    async def lines() -> Any:
        yield "first\n"
        await asyncio.sleep(MORE + 2)
        yield "last\n"

    return StreamingResponse(lines())


async def work(request: Request) -> Response:
    await asyncio.sleep(1.5 * SWEEP_SECONDS)
    return PlainTextResponse("done")


async def large(request: Request) -> Response:
    return Response(bytes(LARGE))


APP = Starlette(routes=[Route("/", hello), Route("/upload", upload, methods=["POST"]), Route("/live", live)])
APP.routes.extend([Route("/large", large), Route("/work", work)])


@contextlib.contextmanager
def serving(most: int = 20, speed: float = FAST, now: Callable[[], float] | None = None) -> Iterator[int]:
    kind = type("Kind", (AutoHTTPProtocol,), {})
    watch_kind(Connections(most, now or (lambda: time.monotonic() * speed)), kind)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(APP, port=port, http=kind, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as made:
        yield made


class Caller:
    """One connection."""

    def __init__(self, port: int, address: str = "127.0.0.1", **options: int) -> None:
        self.socket = socket.socket()
        for name, value in options.items():
            self.socket.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        self.socket.bind((address, 0))
        self.socket.settimeout(MORE + 10)
        self.socket.connect(("127.0.0.1", port))

    def send(self, said: bytes) -> Caller:
        with contextlib.suppress(ConnectionError):  # what was closed is seen when reading
            self.socket.sendall(said)
        return self

    def heard(self) -> bytes:
        """What comes next; nothing if the connection was ended."""
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def until(self, end: bytes) -> bytes:
        said = b""
        while not said.endswith(end):
            more = self.heard()
            assert more, said
            said += more
        return said

    def is_open(self) -> bool:
        self.socket.setblocking(False)
        try:
            return bool(self.socket.recv(65536, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(MORE + 10)


def drip(caller: Caller, said: bytes, seconds: float) -> bytes:
    """Send byte after byte, one every tenth of a second; what is left."""
    until = time.monotonic() + seconds
    while said and time.monotonic() < until:
        caller.send(said[:1])
        said = said[1:]
        time.sleep(0.1)
    return said


def test_who_never_asks_or_asks_by_drops_is_not_waited_for(port: int):
    silent, dripping, again = Caller(port), Caller(port), Caller(port)
    assert again.send(ASK).until(b"hello")
    for caller in (dripping, again):
        head = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000
        threading.Thread(target=drip, args=(caller, head, MORE + 10), daemon=True).start()
    assert (silent.heard(), dripping.heard(), again.heard()) == (b"", b"", b""), "all within the time limit of a caller"
    assert Caller(port).send(ASK).until(b"hello")


def test_a_slow_upload_goes_on_while_it_goes_on_and_ends_when_it_stops(port: int):
    head = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    slow, stopped = Caller(port).send(head % 1000), Caller(port).send(head % 1000 + b"only this")
    began = time.monotonic()
    rest = drip(slow, b"x" * 1000, MORE)
    assert stopped.heard() == b""
    assert slow.is_open()
    assert time.monotonic() - began > SILENT_SECONDS / FAST
    assert b" 200 " in slow.send(rest).until(b"1000")


def test_a_page_that_listens_to_what_goes_on_is_not_disturbed(port: int):
    caller = Caller(port).send(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert caller.until(b"first\n\r\n")
    assert caller.until(b"last\n\r\n0\r\n\r\n")


def test_a_long_work_is_not_silence_of_its_client():
    clock = [0.0]
    with serving(now=lambda: clock[0]) as port:
        caller = Caller(port).send(b"GET /work HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        clock[0] = 3 * SILENT_SECONDS
        assert caller.until(b"done")
        time.sleep(2 * SWEEP_SECONDS)
        assert caller.send(ASK).until(b"hello")
        clock[0] += HEAD_SECONDS - 1
        time.sleep(2 * SWEEP_SECONDS)
        assert caller.is_open()
        clock[0] += SILENT_SECONDS
        assert caller.heard() == b""


def test_a_slow_download_goes_on_and_who_does_not_read_at_all_is_not_waited_for(port: int):
    wish = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    slow, blind = (Caller(port, SO_RCVBUF=4096).send(wish) for _ in range(2))
    until, got = time.monotonic() + 2 * MORE, 0
    while time.monotonic() < until:
        said = slow.heard()
        assert said, "a reader who reads is not disturbed"
        got += len(said)
        time.sleep(0.05)
    assert 0 < got < LARGE
    total = 0
    while said := blind.heard():
        total += len(said)
    assert total < LARGE


def test_idle_connections_make_room_for_whoever_asks_next():
    with serving(most=20, speed=1.0) as port:
        idle = [Caller(port) for _ in range(60)]
        for address in ("127.0.0.1", "127.0.0.2"):
            began = time.monotonic()
            assert Caller(port, address).send(ASK).until(b"hello")
            assert time.monotonic() - began < 1.0
        assert sum(caller.is_open() for caller in idle) <= 10


def test_who_speaks_is_not_ended_for_who_is_silent():
    with serving(most=20, speed=1.0) as port:
        speaking = Caller(port).send(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n")
        silent = []
        for _ in range(30):
            silent += [Caller(port)]
            speaking.send(b"x")
            time.sleep(0.02)
        assert speaking.until(b"30")
        assert sum(caller.is_open() for caller in silent) <= 10


def test_requests_in_work_are_not_cut_off_for_newcomers_of_the_same_address():
    listen = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(most=20, speed=1.0) as port:
        working = [Caller(port).send(listen) for _ in range(10)]
        assert all(caller.until(b"first\n\r\n") for caller in working)
        assert Caller(port).send(ASK).heard() == b"", "an address has its share"
        assert Caller(port, "127.0.0.2").send(ASK).until(b"hello")
        assert all(caller.is_open() for caller in working)


def test_no_address_can_take_what_others_need():
    listen = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(most=20, speed=1.0) as port:
        working = [Caller(port, f"127.0.0.{k % 2 + 1}").send(listen) for k in range(20)]
        assert all(caller.until(b"first\n\r\n") for caller in working)
        assert Caller(port, "127.0.0.3").send(ASK).until(b"hello")
        assert sum(caller.is_open() for caller in working) == 19


@pytest.mark.parametrize(("descriptors", "most"), [(20, 16), (256, 128), (1024, 512), (4096, MOST), (65536, MOST)])
def test_connections_leave_descriptors_for_the_rest(descriptors: int, most: int):
    assert connections_for(descriptors) == most


def test_the_process_takes_what_descriptors_it_may_have():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        got = raise_descriptors()
        assert got > 256
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (got, hard)
        assert raise_descriptors() == got
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
