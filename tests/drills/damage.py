"""Stores that are lost or damaged: the server refuses to begin anew, and a rebuild brings back what was handed in."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.room import Room, open_room, store_of

from drills.outcome import Outcome
from drills.readers import at_work, lost

WAYS: dict[str, Callable[[Path], object]] = {
    "store removed": lambda state: [file.unlink() for file in state.glob("store.sqlite*")],
    "store emptied": lambda state: (state / "store.sqlite").write_bytes(b""),
    "store cut in half": lambda state: _cut(state / "store.sqlite"),
    "noise in the store": lambda state: _noise(state / "store.sqlite"),
    "pool.json removed": lambda state: (state / "pool.json").unlink(),
    "pool.json emptied": lambda state: (state / "pool.json").write_bytes(b""),
    "store and its copies removed": lambda state: _remove_all(state),
}


def run(folder: Path, seconds: float) -> Outcome:
    """One way after the other while there is time: hand in, stop, damage, see the refusal, rebuild, compare."""
    until, turns, failures, refusals, labels = time.monotonic() + seconds, 0, [], 0, 0
    ways = random.sample(list(WAYS), len(WAYS))
    while not turns or time.monotonic() < until:
        way = ways[turns % len(ways)]
        room = open_room(folder / str(turns), 300)
        with room.server, at_work(room, 4) as readers:
            time.sleep(3)
        before = _told(room)
        labels += len(before)
        WAYS[way](Path(room.server.studies) / ".xal")
        refused = _starts(room)
        refusals += not refused
        failures += [f"{way}: the server started"] if refused else []
        said = _xal(room, "rebuild")
        if said.returncode:
            failures.append(f"{way}: rebuild said {said.stderr[-300:]}")
        else:
            room.server.start()
            room.server.stop()
            failures += [f"{way}: {failure}" for failure in lost(room, readers)]
            if _told(room) != before:
                failures.append(f"{way}: what the annotations say is not what it was")
        shutil.rmtree(folder / str(turns), ignore_errors=True)
        turns += 1
    return Outcome(
        f"{turns} times a store lost or damaged ({', '.join(ways[:turns])}), then `xal rebuild`",
        f"{refusals} of {turns} starts refused in words; of {labels} annotations "
        f"{sum('acknowledged' in text for text in failures)} lost",
        failures,
    )


def _told(room: Room) -> list[tuple[object, ...]]:
    store = store_of(room.server, "tiny")
    try:
        return sorted(
            (row.image, row.reader, row.revision, row.finding, round(row.created_at, 3), str(row.file_sha256))
            for row in store.annotations.find(active_only=False)
        )
    finally:
        store.close()


def _starts(room: Room) -> bool:
    try:
        room.server.start()
    except AssertionError:
        return False
    room.server.stop()
    return True


def _xal(room: Room, command: str) -> subprocess.CompletedProcess[str]:
    place = ["--studies", str(room.server.studies), "--task", str(room.folder / "tiny.yaml")]
    return subprocess.run(
        [sys.executable, "-m", "xal.cli", command, *place], capture_output=True, text=True, check=False
    )


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _noise(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for start in range(4096, len(content) - 512, 8192):
        content[start : start + 512] = random.randbytes(512)
    file.write_bytes(content)


def _remove_all(state: Path) -> None:
    for file in state.glob("store.sqlite*"):
        file.unlink()
    shutil.rmtree(state / "backups", ignore_errors=True)
