"""Kill -9 of the server and of its children at random moments: nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
import requests
from harness.pools import FINDINGS
from harness.room import Room, open_room

KILLS = 20


class Reader(threading.Thread):
    """Hands in as fast as it can and remembers what the server acknowledged."""

    def __init__(self, room: Room, name: str) -> None:
        super().__init__(daemon=True)
        self.room = room
        self.reader = name
        self.acknowledged: dict[str, str] = {}
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            with contextlib.suppress(requests.RequestException, KeyError):
                sample = self.room.server.post("/activelearning/xal", {"client_id": self.reader}).json()
                image = sample["id"]
                reply = self.room.server.submit(image, self.room.label(image), list(FINDINGS), self.reader)
                if reply.ok:
                    self.acknowledged[image] = reply.json()["xal"]["finding"]
            self.enough.wait(0.3)


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_twenty_kills_lose_nothing(tmp_path: Path):
    chance = random.Random(7)
    room = open_room(tmp_path, 400)
    server = room.server.start()
    for image in sorted(room.pictures)[:24]:
        room.hand_in(image, "before")
    server.train(max_epochs=2)
    readers = [Reader(room, f"reader {number}") for number in range(2)]
    for reader in readers:
        reader.start()
    killed = {"server": 0, "train": 0, "score": 0}
    orphans: list[psutil.Process] = []
    for turn in range(KILLS):
        with contextlib.suppress(requests.RequestException):
            requests.post(f"{server.url}/train/classifier", json={"max_epochs": 3}, timeout=30)
        time.sleep(chance.uniform(0.5, 9))
        victims = server.jobs()
        if turn % 2 == 0 or not victims:
            orphans += victims
            server.kill()
            killed["server"] += 1
            server.start()
        else:
            victim = chance.choice(victims)
            with contextlib.suppress(psutil.NoSuchProcess):
                kind = "train" if "train" in victim.cmdline() else "score"
                os.kill(victim.pid, signal.SIGKILL)
                killed[kind] += 1
    for reader in readers:
        reader.enough.set()
    for reader in readers:
        reader.join(60)
    assert killed["server"] >= 8, killed
    assert killed["train"] + killed["score"] >= 3, killed
    assert not [process for process in orphans if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]

    server.wait(lambda: server.get("/train/", check_if_running=True).status_code == 404, 180, "training")
    listing = server.get("/datastore/", output="all").json()["objects"]
    for reader in readers:
        assert reader.acknowledged
        for image, finding in reader.acknowledged.items():
            assert listing[image]["labels"]["final"]["info"]["finding"] == finding
            assert voxels(room, image) == int(room.pictures[image].roi.sum() > 0)
    version = server.train(max_epochs=2)
    assert version["state"] in ("published", "refused")
    assert server.wait_scored(180)["unscored"] == 0
    current = next(row for row in server.get("/xal/api/versions").json()["items"] if row["current"])
    assert current["state"] == "published"
    assert not [job for job in server.status()["jobs"] if job["state"] == "running"]
    server.stop()
    store = room.folder / "studies" / ".xal" / "store.sqlite"
    assert sqlite3.connect(store).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def voxels(room: Room, image: str) -> int:
    """1 if the served label has voxels; fails if it cannot be read whole."""
    file = room.folder / "check.nii.gz"
    file.write_bytes(room.server.get("/datastore/label", label=image, tag="final").content)
    return int(np.asarray(nibabel.load(file).dataobj).any())
