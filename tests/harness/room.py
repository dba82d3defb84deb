"""A server with the truth of its pool at hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.pools import FINDINGS, Picture, write_label, write_pool, write_task
from harness.server import Server
from xal.store import PredictionRow, Store
from xal.store.rows import Rule

VOLUME_TASK = """\
name: blobs
title: Blobs in volumes
findings: [{name: bright}, {name: dark}]
image: {dimensions: 3, size: [24, 24, 24]}
"""


@dataclass
class Room:
    """A running server with the truth of its pool at hand."""

    server: Server
    pictures: dict[str, Picture]
    folder: Path

    def label(self, image: str) -> Path:
        """The right label map of an image."""
        return write_label(self.folder / f"label_{image}.nii.gz", self.pictures[image])

    def free(self) -> list[str]:
        """The images that wait and that nobody holds: which ones Next Sample gave depends on where the pool lies."""
        waiting = self.server.get("/xal/api/queue", limit=len(self.pictures), client_id="nobody").json()["items"]
        return [item["id"] for item in waiting if item["lease"] is None]

    def hand_in(self, image: str, reader: str = "reader") -> dict:
        """Hand in the right answer."""
        reply = self.server.submit(image, self.label(image), list(FINDINGS), reader)
        assert reply.ok, reply.text
        return reply.json()


def open_room(folder: Path, count: int, task_extra: str = "", **conf: object) -> Room:
    """Write a pool and prepare (not start) a server on it."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {picture.id: picture for picture in write_pool(folder / "studies", count)}
    task = write_task(folder, task_extra)
    return Room(Server(folder / "server", folder / "studies", str(task), **conf), pictures, folder)


def store_of(server: Server, task: str) -> Store:
    """The store of a server on a folder, opened beside it."""
    state = Path(server.studies) / ".xal"
    pool = json.loads((state / "pool.json").read_text())["pool"]
    return Store.open(f"sqlite:///{state / 'store.sqlite'}", pool, task)


def looked_at_a_corner(server: Server, image: str) -> None:
    """Let a model have read a volume of VOLUME_TASK, as a scoring run would have kept it."""
    store = store_of(server, "blobs")
    attention = np.zeros((6, 6, 6), np.float32)
    attention[:2, :2, 1] = 1
    prediction = PredictionRow(
        image=image,
        version=1,
        fingerprint=str(store.images.get(image).fingerprint),
        roi_key=None,
        finding="bright",
        probabilities={"bright": 0.9, "dark": 0.1},
        uncertainty=0.5,
        misalignment=0.5,
        overlap=0.1,
        energy=0.1,
        roi_source="proposed",
        attention=attention,
    )
    store.predictions.save([prediction], Rule())
    store.close()
