"""Disks that fill up while readers hand in."""

from __future__ import annotations

import random
import time
from pathlib import Path

from harness.disk import MB, small_disk
from harness.pools import write_pool, write_task
from harness.room import Room
from harness.server import Server

from drills.outcome import Outcome
from drills.readers import acknowledged, at_work, lost


def run(folder: Path, seconds: float) -> Outcome:
    """Half of the time on a disk in memory, half on ext4; full and free again, then look for what was acknowledged."""
    parts = [_on(folder / kind, seconds / 2, image) for kind, image in (("memory", None), ("ext4", folder / "disk"))]
    failures = [failure for _, _, _, more in parts for failure in more]
    rounds, taken, refused = (sum(part[index] for part in parts) for index in range(3))
    return Outcome(
        f"a disk of 96 MB (in memory, and ext4) filled {rounds} times, down to 0 to 2 MB, 4 readers handing in",
        f"{taken} labels acknowledged, {sum('acknowledged' in text for text in failures)} lost; {refused} answers of "
        "507 or 503, sent again later",
        failures,
    )


def _on(folder: Path, seconds: float, image: Path | None) -> tuple[int, int, int, list[str]]:
    chance = random.Random()
    with small_disk(folder / "disk", 96, image) as disk:
        pictures = {picture.id: picture for picture in write_pool(disk.folder / "studies", 2000)}
        server = Server(folder / "server", disk.folder / "studies", str(write_task(folder)), reserve_mb=0)
        room = Room(server, pictures, folder)
        until, rounds = time.monotonic() + seconds, 0
        with server:
            with at_work(room, 4) as readers:
                while time.monotonic() < until:
                    disk.fill(leave=int(chance.uniform(0, 2) * MB) if rounds % 2 else 0)
                    time.sleep(chance.uniform(1, 4))
                    disk.release()
                    time.sleep(chance.uniform(0.5, 1.5))
                    rounds += 1
            disk.fill()
        server.start()  # without any space
        disk.release()
        server.stop()
        refused = sum(reader.answers[507] + reader.answers[503] for reader in readers)
        return rounds, acknowledged(readers), refused, lost(room, readers)
