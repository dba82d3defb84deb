"""Fills a store with a bit of everything that its schema can hold.

It ran once with the code of each earlier schema and is not for today's (`README.md` says which code that was, and how
to make the stores again). What today's code does with them is in `test_store_earlier.py`.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from xal.store import AnnotationRow, ImageFile, NewAnnotation, Store
from xal.task import ReadingSettings

try:
    from xal.store import ReadingRow
except ImportError:  # its name since version 6
    from xal.store import PredictionRow as ReadingRow

try:
    from xal.method.story import Story
except ImportError:
    Story = None

POOL, TASK = "pool", "task"
ONCE = ReadingSettings(per_image=1, double=0)
TWICE = ReadingSettings(per_image=2, double=0)
NOW = 1_800_000_000.0
IMAGES = (
    "settled", "revised", "disputed", "withdrawn", "imported", "excluded", "unreadable", "gone", "deleted", "replaced",
    "found", "waiting/ä", "unscored",
)  # fmt: skip

PARTS = {
    "known_files": "images.known_files", "set_facts": "images.set_facts", "put_images": "images.put",
    "update_info": "images.update_info", "exclude": "images.exclude", "mark_gone": "images.mark_gone",
    "delete_image": "images.delete", "set_validation": "versions.set_validation", "add_version": "versions.add",
    "publish": "versions.publish", "set_version": "versions.update", "save_readings": "predictions.save",
    "line_up": "predictions.line_up", "add_annotation": "annotations.add", "withdraw": "annotations.withdraw",
    "annotations": "annotations.find", "set_label_file": "annotations.set_label_file", "start_job": "jobs.start",
    "heartbeat": "jobs.heartbeat", "finish_job": "jobs.finish", "looked_at": "looking.looked_at",
    "accept": "review.accept", "settle": "review.settle", "put_outlines": "outlines.put",
    "note_deliveries": "deliveries.note_new", "end_delivery": "deliveries.end",
    "put_off_delivery": "deliveries.put_off", "set_setting": "settings.set", "next_sample": "queue.next_sample",
}  # fmt: skip
"""What was a method of the store itself before version 6, and where it is since."""


class Parted:
    """A store of version 6 or later, under the names of before."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return attrgetter(PARTS.get(name, name))(self.store)

    def log_event(self, kind: str, reader: str, image: None, detail: dict[str, Any]) -> None:
        database = self.store.database
        database.write(lambda connection: database.log(connection, kind, reader, image, detail))


def opened(url: str, pool: str, schema: int) -> Any:
    store = Store.open(url, pool, TASK)
    return Parted(store) if schema >= 6 else store


def fill(url: str, schema: int) -> None:
    """Fill the store at `url`, whose schema is this one."""
    store = opened(url, POOL, schema)
    add_images(store)
    add_versions(store)
    add_readings(store, schema)
    add_annotations(store, schema)
    change_images(store)
    add_jobs(store)
    store.set_setting("alpha", 0.25, "reviewer")
    store.set_setting("nothing", None, "reviewer")
    store.log_event("opened", "ann", None, {"who": "ann ä"})
    store.next_sample("bob", "xal", 3600.0, now=NOW)
    store.next_sample("bob", "uniform", 7200.0, now=NOW + 1)
    if schema >= 2:
        store.line_up(["found", "waiting/ä"])
    if schema >= 3:
        add_reviews(store)
    if schema >= 4:
        add_archive(store)
    if schema >= 5:
        store.set_label_file(3, size=300, sha256="ab" * 32)
    store.close()
    other = opened(url, "other pool", schema)
    other.put_images(files(["settled"]))
    submit(other, new("settled", "carl"))
    other.close()


def files(names: Iterable[str], mtime_ns: int = 1_700_000_000_123_456_789) -> list[ImageFile]:
    return [ImageFile(name, f"{name}.png", 3_000_000_000, mtime_ns) for name in names]


def know(store: Store, image: str, **facts: Any) -> None:
    known = store.known_files()[image]
    assert store.set_facts(image, size=known.size, mtime_ns=known.mtime_ns, **facts)


def add_images(store: Store) -> None:
    store.put_images(files(IMAGES))
    for name in IMAGES:
        if name not in ("unreadable", "unscored"):
            know(store, name, checksum=f"bytes of {name}", fingerprint=f"pixels of {name}")
    know(store, "unreadable", problem="not an image: ü")
    store.update_info("settled", {"group": "patient 1", "note": "ä", "nested": {"numbers": [1, 2.5, None]}})


def add_versions(store: Store) -> None:
    first = store.set_validation(["settled", "revised"])
    store.add_version(path="models/v1", sha256="one", metrics={"auroc": 0.7}, validation=first)
    store.add_version(path="models/v2", sha256="two", settings={"epochs": 3}, parent=1, validation=first)
    store.add_version()
    store.publish(1, "gate")
    store.publish(2, "gate")
    store.set_version(3, state="refused", verdict={"published": False, "reason": "worse"}, by="gate")
    store.set_validation(["settled"])


def add_readings(store: Store, schema: int) -> None:
    rows = [
        ReadingRow(
            image=name,
            version=2,
            fingerprint=f"pixels of {name}",
            roi_key=None,
            finding="glioma" if number % 2 else "none",
            probabilities={"glioma": 0.75, "none": 0.25} if number % 2 else {"glioma": 0.125, "none": 0.875},
            uncertainty=number / 20,
            misalignment=number / 16 if number % 2 else None,
            overlap=0.5 if number % 2 else None,
            energy=0.25 if number % 2 else None,
            roi_source="proposed" if number % 2 else "none",
            attention=np.linspace(0, 1, 16).reshape(4, 4) * number / 20,
            proposed=np.eye(4) if number % 2 else None,
            embedding=np.arange(3) + number,
            **({"evidence": np.ones((2, 4, 4)) * number, "coverage": np.eye(4)} if schema >= 6 and number % 2 else {}),
        )
        for number, name in enumerate(IMAGES)
        if name not in ("unreadable", "unscored")
    ]
    store.save_readings(rows, 0.25, 0.5)


def add_annotations(store: Store, schema: int) -> None:
    told = story(schema)
    nothing = {"roi_voxels": 0, "roi_volume": 0.0}
    submit(store, new("settled", story=told, submission_id="number 1"))
    submit(store, new("revised", story=told, params={"seconds": 12.5, "note": "ä"}))
    submit(store, new("revised", digest="second", roi_voxels=9))
    third = submit(store, new("revised", finding="none", digest="third", **nothing))
    store.withdraw(third.id, "reviewer")
    submit(store, new("disputed", story=told), TWICE)
    submit(store, new("disputed", "bob", "none", **nothing), TWICE)
    mistaken = submit(store, new("withdrawn", story=told))
    store.withdraw(mistaken.id, "ann")
    submit(store, new("imported", "import", source="import"))
    for image in ("excluded", "deleted", "replaced"):
        submit(store, new(image))


def new(image: str, reader: str = "ann", finding: str = "glioma", **other: Any) -> NewAnnotation:
    values: dict[str, Any] = {
        "roi_voxels": 5,
        "roi_volume": 2.5,
        "label_info": [{"name": finding, "idx": 1}],
        "params": {},
        "story": None,
        "digest": f"{image} by {reader}",
        "fingerprint": f"pixels of {image}",
    }
    return NewAnnotation(image=image, reader=reader, finding=finding, **{**values, **other})


def submit(store: Store, annotation: NewAnnotation, how: ReadingSettings = ONCE, **more: Any) -> AnnotationRow:
    def place(revision: int) -> str:
        return f"{annotation.image}/{annotation.reader}.r{revision}.nii.gz"

    row, created = store.add_annotation(annotation, place, how, **more)
    assert created
    return row


def story(schema: int) -> Any:
    """What the server of that time wrote."""
    told: dict[str, Any] = {
        "model_version": 2,
        "finding": "glioma",
        "probability": 0.75,
        "probabilities": {"glioma": 0.75, "none": 0.25},
        "uncertainty": 0.5,
        "misalignment": None,
        "roi_source": "proposed",
        "overlap": 0.625,
        "energy": 0.375,
    }
    if schema >= 2:
        told["roi_confidence"] = 0.875
    if schema >= 3:
        told["chosen"] = True
    if schema >= 4:
        told.update(alpha=0.25, score=0.4375)
    return told if schema < 6 else Story.from_json(told)


def change_images(store: Store) -> None:
    store.exclude("excluded", "ann", "wrong modality")
    store.mark_gone(["gone"])
    store.delete_image("deleted", "reviewer")
    store.put_images(files(["replaced"], mtime_ns=5))
    know(store, "replaced", fingerprint="other pixels")


def add_jobs(store: Store) -> None:
    for kind, state, message in (("train", "done", None), ("score", "failed", "out of memory")):
        job = store.start_job(kind, os.getpid(), {"epochs": 3})
        assert job is not None
        store.heartbeat(job, {"epoch": 2, "of": 3})
        store.finish_job(job, state, message)


def add_reviews(store: Store) -> None:
    from xal.store.looking import Comparison, NewDoubt

    outlined = submit(store, new("unscored", centre=[0.25, 0.5]), TWICE)
    second = submit(store, new("unscored", "bob", centre=[0.5, 0.5]), TWICE)
    store.looked_at(outlined, [], [NewDoubt("model", {"finding": "none", "probability": 0.9375, "overlap": 0.5})])
    store.looked_at(second, [Comparison(outlined.id, second.id, 0.5)], [NewDoubt("far", {"distance": 0.25})])
    store.accept(second.id, "far", "reviewer")
    store.settle("disputed", "none", "reviewer", "seen on the next slice")


def add_archive(store: Store) -> None:
    from xal.store.rows import OutlineRow

    found = OutlineRow("found", "1.2.3/1", "1.2.3", "found/1.nii.gz", 12, "pixels of found", NOW)
    store.put_outlines("1.2.3", "seen so", [found])
    store.put_outlines("1.2.4", "seen so, too", [], "no image of it is known")
    store.note_deliveries()
    store.end_delivery(1, "sent")
    store.end_delivery(2, "dropped", "there is a later revision")
    store.put_off_delivery(3, NOW, "the archive is away", tried=True)
    standing = store.annotations("settled")[-1]
    submit(store, new("settled", "reviewer"), revises=standing.id)


if __name__ == "__main__":
    socket.gethostname = lambda: "host"
    fill(sys.argv[1], int(sys.argv[2]))
