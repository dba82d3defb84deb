"""A server whose disk is full: what it has acknowledged is there, what it refuses has changed nothing."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from harness.disk import MB, Disk, small_disk
from harness.pools import FINDINGS, Picture, write_label, write_pool, write_task
from harness.room import store_of
from harness.server import Server
from PIL import Image

COUNT = 40


@dataclass
class Ward:
    """A server whose studies lie on a small disk."""

    server: Server
    pictures: list[Picture]
    disk: Disk
    labels: Path

    def hand_in(self, number: int, reader: str = "ada") -> int:
        """Hand in the right answer; the answer's status."""
        picture = self.pictures[number]
        label = write_label(self.labels / "label.nii.gz", picture)
        return self.server.submit(picture.id, label, list(FINDINGS), reader).status_code

    def acknowledged(self) -> set[str]:
        """The images whose label is there, byte for byte, by file and row."""
        store = store_of(self.server, "tiny")
        try:
            rows = store.annotations.find()
            for row in rows:
                content = (self.disk.folder / "studies/.xal/tiny/labels" / row.label_path).read_bytes()
                assert (len(content), hashlib.sha256(content).hexdigest()) == (row.file_size, row.file_sha256), (
                    row.image
                )
            return {row.image for row in rows}
        finally:
            store.close()

    def said(self) -> str | None:
        """What the state says of space."""
        return self.server.status()["space_problem"]


def open_ward(tmp_path: Path, disk: Disk, **conf: object) -> Ward:
    pictures = write_pool(disk.folder / "studies", COUNT)
    rng = np.random.default_rng(0)
    for number in range(4):  # what clients are sent a copy of
        Image.fromarray(rng.integers(0, 255, (256, 256, 3), np.uint8)).save(
            disk.folder / f"studies/colour_{number}.png"
        )
    server = Server(tmp_path / "server", disk.folder / "studies", str(write_task(tmp_path)), **conf)
    return Ward(server, pictures, disk, tmp_path)


def small_picture() -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 64) as mounted:
        yield mounted


def test_no_acknowledged_label_is_lost_where_the_disk_is_full(tmp_path: Path, disk: Disk):
    ward = open_ward(tmp_path, disk, reserve_mb=0)
    with ward.server:
        assert ward.hand_in(0) == 200
        disk.fill(leave=300_000)
        answers = {ward.pictures[number].id: ward.hand_in(number) for number in range(1, COUNT)}
        assert set(answers.values()) <= {200, 503, 507}
        assert 507 in answers.values()
        taken = {image for image, status in answers.items() if status == 200} | {ward.pictures[0].id}
        assert ward.acknowledged() == taken
        disk.release()
        assert ward.hand_in(COUNT - 1, "grace") == 200
        refused = [number for number in range(COUNT) if ward.pictures[number].id not in taken]
        assert [ward.hand_in(number) for number in refused] == [200] * len(refused)
        assert ward.server.get("/xal/api/problems/labels").json()["items"] == []
    assert ward.acknowledged() == {picture.id for picture in ward.pictures}
    left = [path.name for path in (disk.folder / "studies/.xal").rglob("*") if path.suffix == ".tmp"]
    assert left == []


def test_labels_are_whole_or_refused_after_a_start_without_any_space(tmp_path: Path):
    with small_disk(tmp_path / "disk", 64, tmp_path / "disk.ext4") as disk:
        ward = open_ward(tmp_path, disk, reserve_mb=0)
        with ward.server:
            assert ward.hand_in(0) == 200
        store = store_of(ward.server, "tiny")  # leaves a log that has room: the store can be written without space
        store.settings.set("room", "x" * 500_000, "test")
        disk.fill()
        with ward.server:
            answers = [ward.hand_in(number) for number in range(1, 21)]
            assert set(answers) <= {200, 503, 507}
            assert len(ward.acknowledged()) == 1 + answers.count(200)
            assert ward.server.get("/xal/api/problems/labels").json()["items"] == []
            disk.release()
            assert ward.hand_in(21) == 200
        store.close()


def test_what_cannot_be_kept_is_answered_in_words_and_heals(tmp_path: Path, disk: Disk):
    ward = open_ward(tmp_path, disk, reserve_mb=0)
    with ward.server:
        disk.fill()
        picture = tmp_path / "more.png"
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (900, 900), np.uint8)).save(picture)
        with picture.open("rb") as file:
            reply = ward.server.put("/datastore/image", files={"file": ("more.png", file)})
        assert reply.status_code == 507
        assert "free on the server's disk" in reply.json()["detail"]
        thumbnail = ward.server.get("/xal/api/images/colour_0/thumbnail.png")
        assert thumbnail.status_code == 507, thumbnail.text
        assert list((disk.folder / "studies").glob(".*.partial")) == []
        disk.release()
        assert ward.server.get("/xal/api/images/colour_0/thumbnail.png").content.startswith(b"\x89PNG")


def test_below_the_reserve_labels_are_taken_and_nothing_else_is(tmp_path: Path):
    with small_disk(tmp_path / "disk", 96) as disk:
        ward = open_ward(tmp_path, disk, reserve_mb=40)
        with ward.server:
            for number in range(8):
                assert ward.hand_in(number) == 200
            assert ward.said() is None
            copy = disk.folder / "studies/.xal/tiny/cache/copies/ab/old.12345678.png"
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(bytes(5 * MB))
            os.utime(copy, (1, 1))
            disk.fill(leave=20 * MB)
            ward.server.wait(lambda: ward.said() is not None, 20, "word of the disk")
            assert "Labels are taken" in str(ward.said())
            ward.server.wait(lambda: not copy.exists(), 20, "caches to give way")
            assert ward.server.get("/info/").json()["space"]["problem"] == ward.said()
            refused = {
                "image": ward.server.put("/datastore/image", files={"file": ("a.png", small_picture())}),
                "training": ward.server.post("/train/classifier", {}),
                "copy": ward.server.get("/xal/api/images/colour_1/thumbnail.png"),
            }
            assert {what: reply.status_code for what, reply in refused.items()} == dict.fromkeys(refused, 507)
            assert all("40 MB are reserved for labels" in reply.json()["detail"] for reply in refused.values())
            assert ward.hand_in(9) == 200
            disk.release()
            ward.server.wait(lambda: ward.said() is None, 20, "word that there is space again")
            assert ward.server.get("/xal/api/images/colour_1/thumbnail.png").ok
            ward.server.wait(lambda: "There is space on the disk again" in ward.server.tail(400), 20, "the log")
        assert "nearly full" in ward.server.tail(400)


def test_a_server_that_was_stopped_starts_on_a_full_disk_because_caches_give_way(tmp_path: Path, disk: Disk):
    ward = open_ward(tmp_path, disk, reserve_mb=1)
    with ward.server:
        assert ward.hand_in(0) == 200
    assert [file.name for file in (disk.folder / "studies/.xal").glob("store.sqlite*")] == ["store.sqlite"]
    copy = disk.folder / "studies/.xal/tiny/cache/copies/ab/old.12345678.png"
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(bytes(5 * MB))
    disk.fill()
    with ward.server:
        assert not copy.exists()
        assert ward.hand_in(1) == 200
    disk.release()


def test_a_server_that_cannot_be_started_for_want_of_space_says_so(tmp_path: Path, disk: Disk):
    ward = open_ward(tmp_path, disk, reserve_mb=0)
    with ward.server:
        assert ward.hand_in(0) == 200
    disk.fill()
    with pytest.raises(AssertionError, match=r"the disk that holds .*store\.sqlite is full; nothing was changed"):
        ward.server.start()
    disk.release()
    with ward.server:
        assert ward.acknowledged() == {ward.pictures[0].id}
