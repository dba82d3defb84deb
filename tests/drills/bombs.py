"""Small files that stand for large ones, one after the other and many at once; and a thousand connections that idle."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from harness import bombs
from harness.room import open_room
from harness.server import Server
from harness.watched import Watched

from drills.outcome import Outcome

AT_ONCE = 45
IDLE = 1_100
MOST_BYTES = 2e9
SLOWEST = 3.0
"""Two requests of others together; on two cores that a bomb keeps busy."""


def run(folder: Path, seconds: float) -> Outcome:
    """Send each once, then as many at once as there is time for."""
    room = open_room(folder, 60)
    image = sorted(room.pictures)[0]
    until, failures, slowest = time.monotonic() + seconds, [], 0.0
    answers: Counter[int] = Counter()
    with room.server as server:
        sent = {what: (name, make(), _sender(kind, server, image)) for kind in KINDS for what, name, make in _all(kind)}
        watched = Watched(server)
        for what, (name, content, send) in sent.items():
            began = time.monotonic()
            reply = send(name, content)
            slowest = max(slowest, time.monotonic() - began)
            answers[reply.status_code] += 1
            if reply.status_code not in (400, 413):
                failures.append(f"{what}: {reply.status_code} {reply.text[:200]}")
        rounds = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not rounds or time.monotonic() < until:
                chosen = random.choices(list(sent.values()), k=AT_ONCE)
                replies = list(pool.map(lambda one: one[2](one[0], one[1]).status_code, chosen))
                answers.update(replies)
                failures += [f"a bomb among {AT_ONCE} was answered {status}" for status in replies if status < 400]
                rounds += 1
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(IDLE)]
        began = time.monotonic()
        if not server.get("/info/").ok or time.monotonic() - began > SLOWEST:
            failures.append(f"with {IDLE} idle connections an answer took {time.monotonic() - began:.1f} s")
        for connection in idle:
            connection.close()
        watched.stop()
    failures += [f"{count} answers of {status}" for status, count in answers.items() if status >= 500 and status != 503]
    if watched.memory > MOST_BYTES:
        failures.append(f"the server took {watched.memory / 1e9:.2f} GB")
    if watched.slowest > SLOWEST:
        failures.append(f"two requests of others took {watched.slowest:.1f} s together")
    told = ", ".join(f"{count} × {status}" for status, count in sorted(answers.items()))
    return Outcome(
        f"{len(sent)} bombs one by one, {rounds} times {AT_ONCE} at once, then {IDLE} idle connections",
        f"{told}; the slowest alone {slowest:.1f} s; others waited {watched.slowest:.1f} s for two answers at most; "
        f"at most {watched.memory / 1e9:.2f} GB",
        failures,
    )


KINDS = {"label": bombs.LABELS, "image": bombs.IMAGES, "zip": bombs.ZIPS}


def _all(kind: str) -> list[tuple[str, str, Callable[[], bytes]]]:
    return [(what, name, make) for what, (name, make) in KINDS[kind].items()]


def _sender(kind: str, server: Server, image: str) -> Callable[[str, bytes], requests.Response]:
    def send(name: str, content: bytes) -> requests.Response:
        if kind == "label":
            said = {"label_info": [{"name": "disc", "idx": 1}], "client_id": "mallory"}
            return server.put(
                "/datastore/label",
                params={"image": image},
                data={"params": json.dumps(said)},
                files={"label": (name, content)},
            )
        if kind == "image":
            return server.put("/datastore/image", params={"image": "new"}, files={"file": (name, content)})
        return server.put("/session/", params={"uncompress": True}, files={"files": (name, content)})

    return send
