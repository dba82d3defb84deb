"""A crowd of connections that ask nothing, and readers who do."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests
from harness.room import Room, open_room

from xal.server.connections import HEAD_SECONDS

IDLE = 1100
GIVEN = 1024
"""Descriptors that a process is given on most machines."""
CROWD = f"""
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
def call():
    link = socket.socket()
    link.settimeout(10)
    link.connect(("127.0.0.1", int(sys.argv[1])))
    link.sendall(sys.argv[2].encode().decode("unicode_escape").encode())
    return link
crowd = [call() for _ in range({IDLE})]
print("open", flush=True)
while True:
    time.sleep(0.02)
    crowd.append(call())
    crowd.pop(0).close()
"""
SAYING = {
    "nothing": "",
    "half a head": r"GET /info/ HTTP/1.1\r\nHost: 127",
    "no body": r"PUT /datastore/label?image=x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A server that was given few descriptors, and may have more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * IDLE:
        pytest.skip(f"{IDLE} connections need as many descriptors, and {hard} is all that a process may have here")
    room = open_room(tmp_path_factory.mktemp("crowd"), 12)
    resource.setrlimit(resource.RLIMIT_NOFILE, (GIVEN, hard))
    try:
        room.server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield room
    room.server.stop()


@contextmanager
def crowd(room: Room, said: str) -> Iterator[None]:
    """Another program that opens connections, says this, and opens others when they are closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", CROWD, str(room.server.port), said], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"open\n"
        yield
        assert process.poll() is None, process.stderr and process.stderr.read()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("said", SAYING)
def test_a_crowd_that_asks_nothing_keeps_nobody_waiting(served: Room, said: str):
    server, image = served.server, sorted(served.pictures)[list(SAYING).index(said)]
    slowest = 0.0
    with requests.get(f"{server.url}/xal/api/live", stream=True, timeout=60) as live:
        lines = live.iter_lines(chunk_size=1)
        assert next(lines) == b"event: state"
        with crowd(served, SAYING[said]):
            time.sleep(1)  # to take all of them in takes a moment
            for _ in range(40):
                for ask in (
                    lambda: server.get("/info/"),
                    lambda: server.post("/activelearning/xal", {"client_id": "ada"}),
                ):
                    began = time.monotonic()
                    assert ask().ok
                    slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.05)
            assert len(psutil.Process(server.pid).net_connections()) < IDLE
            served.hand_in(image, "ada")
            assert next(line for line in lines if line.startswith(b"event")) == b"event: state", "who listens is told"
    print(f"{IDLE} connections that say {said}: the slowest of 80 answers took {slowest:.2f} s")
    assert slowest < 1.0
    assert "Too many open files" not in Path(server.log).read_text()


def test_connections_that_ask_nothing_end_by_themselves(served: Room):
    server = psutil.Process(served.server.pid)
    callers = [socket.create_connection(("127.0.0.1", served.server.port)) for _ in range(50)]
    ends = {caller.getsockname()[1] for caller in callers}

    def are_gone() -> bool:
        return not ends & {link.raddr.port for link in server.net_connections() if link.raddr}

    time.sleep(1)
    assert not are_gone()
    served.server.wait(are_gone, HEAD_SECONDS + 20, "the end of idle connections")
    for caller in callers:
        caller.close()
