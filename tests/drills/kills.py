"""kill -9 of the server at random moments, while readers hand in and models are trained."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from pathlib import Path

import requests
from harness.room import open_room

from drills.outcome import Outcome
from drills.readers import acknowledged, at_work, lost

READERS = 4


def run(folder: Path, seconds: float) -> Outcome:
    """Kill and start it again and again, then look for everything that was acknowledged."""
    chance = random.Random()
    room = open_room(folder, 20_000 if seconds > 300 else 4_000)
    until = time.monotonic() + seconds
    kills, starts = 0, []
    room.server.start()
    with at_work(room, READERS) as readers:
        while time.monotonic() < until:
            with contextlib.suppress(requests.RequestException):
                requests.post(f"{room.server.url}/train/classifier", json={"max_epochs": 1}, timeout=10)
            time.sleep(chance.uniform(0.2, 5))
            room.server.kill()
            kills += 1
            began = time.monotonic()
            room.server.start()
            starts.append(time.monotonic() - began)
    room.server.stop()
    failures = lost(room, readers)
    left = [path.name for path in Path(room.server.studies, ".xal").rglob("*.tmp") if "cache" not in path.parts]
    if left:
        failures.append(f"{len(left)} unfinished files are left, such as {left[0]}")
    return Outcome(
        f"{kills} times kill -9, {READERS} readers handing in without a pause, trainings under way",
        f"{acknowledged(readers)} labels acknowledged, {sum('acknowledged' in text for text in failures)} lost; up "
        f"again in {statistics.median(starts):.1f} s (median)",
        failures,
    )
