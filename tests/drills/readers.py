"""Readers who hand in as the page does: the same submission again, until the server says what became of it."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from harness.pools import FINDINGS
from harness.room import Room, store_of

PATIENCE_SECONDS = 120.0


class Reader(threading.Thread):
    """Asks for an image, hands in the right answer, and remembers what the server acknowledged."""

    def __init__(self, room: Room, name: str, pause: float = 0.05) -> None:
        super().__init__(daemon=True, name=name)
        self.acknowledged: dict[str, str] = {}
        """Submission by image."""
        self.given: list[str] = []
        self.answers: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self.enough = threading.Event()
        self._room = room
        self._pause = pause

    def run(self) -> None:
        """Until it is enough, or nothing is left."""
        while not self.enough.is_set():
            sample = self._asked("post", "/activelearning/xal", json={"client_id": self.name})
            if not sample:
                return
            self.given.append(sample["id"])
            self._hand_in(sample["id"])
            self.enough.wait(self._pause)

    def _hand_in(self, image: str) -> None:
        number = uuid.uuid4().hex
        label = self._room.label(image).read_bytes()
        info = [{"name": name, "idx": value} for value, name in enumerate(FINDINGS, start=1)]
        said = {"client_id": self.name, "submission_id": number, "label_info": info}
        reply = self._asked(
            "put",
            "/datastore/label",
            params={"image": image},
            data={"params": requests.compat.json.dumps(said)},
            files={"label": ("label.nii.gz", label)},
        )
        if reply:
            self.acknowledged[image] = number

    def _asked(self, method: str, path: str, **how: object) -> dict | None:
        """The answer; what is not answered, or put off, is sent again for as long as a reader is patient."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                reply = requests.request(method, self._room.server.url + path, timeout=60, **how)
            except requests.RequestException:
                time.sleep(0.2)
                continue
            self.seconds.append(time.monotonic() - began)
            self.answers[reply.status_code] += 1
            if reply.ok:
                return dict(reply.json())
            if reply.status_code < 500 and reply.status_code != 429:
                self.failures.append(f"{self.name}: {method} {path} answered {reply.status_code} {reply.text[:200]}")
                return None
            time.sleep(0.2)
        return None


@contextmanager
def at_work(room: Room, count: int, pause: float = 0.05) -> Iterator[list[Reader]]:
    """So many readers, from now on until the end of the block, when each has ended what it was about."""
    readers = [Reader(room, f"reader {number}", pause) for number in range(count)]
    for reader in readers:
        reader.start()
    try:
        yield readers
    finally:
        for reader in readers:
            reader.enough.set()
        for reader in readers:
            reader.join(2 * PATIENCE_SECONDS)


def lost(room: Room, readers: Iterable[Reader]) -> list[str]:
    """What was acknowledged and is not there, byte for byte, once; and what is there that no row knows."""
    store = store_of(room.server, "tiny")
    labels = Path(room.server.studies) / ".xal/tiny/labels"
    rows = store.annotations.find(active_only=False)
    store.close()
    by_number = Counter(row.submission_id for row in rows)
    failures = [f"submission {number} became {times} annotations" for number, times in by_number.items() if times > 1]
    known = {row.submission_id: row for row in rows}
    for reader in readers:
        failures += reader.failures
        for image, number in reader.acknowledged.items():
            row = known.get(number)
            if row is None or row.image != image or row.finding != room.pictures[image].finding:
                failures.append(f"{reader.name}: the label of {image} was acknowledged and is not in the store")
    for row in rows:
        file = labels / row.label_path
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != row.file_sha256:
            failures.append(f"the label file of annotation {row.id} is not what was handed in")
    named = {row.label_path for row in rows}
    files = {file.relative_to(labels).as_posix() for file in labels.rglob("*.nii.gz")}
    failures += [f"{file} belongs to no annotation" for file in sorted(files - named) if not file.startswith(".")]
    return failures


def acknowledged(readers: Sequence[Reader]) -> int:
    """How many labels the server said it has."""
    return sum(len(reader.acknowledged) for reader in readers)
