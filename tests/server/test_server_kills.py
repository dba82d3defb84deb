"""What the end of a server leaves behind: nothing that a clean end can take away, nothing that a next start cannot."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from harness.local import Local
from harness.pools import FINDINGS
from harness.room import Room, open_room
from harness.server import Server

from xal.cli import main
from xal.exchange.adopting import adopt_leftovers, orphans, unnamed
from xal.loop import submission
from xal.loop.submission import INCOMING, forget_drafts
from xal.pool import label_files as label_file
from xal.pool.lost_store import label_files
from xal.pool.project import Project
from xal.store.annotations import Annotations
from xal.store.engine import Database
from xal.store.standing import Standing
from xal.system import temporary_files as temporary
from xal.system.durable import HOST
from xal.task import load_task


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return open_room(tmp_path, 6)


def state(room: Room) -> Path:
    return room.folder / "studies" / ".xal"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_asked_to_end_leaves_the_store_as_one_file(room: Room, number: signal.Signals):
    server = room.server.start()
    for image in sorted(room.pictures)[:3]:
        room.hand_in(image)
    assert (state(room) / "store.sqlite-wal").stat().st_size
    assert list((state(room) / temporary.FOLDER).iterdir())
    room.server._process.send_signal(number)
    server.exit_code(20)
    assert [file.name for file in state(room).glob("store.sqlite*")] == ["store.sqlite"]
    assert not list((state(room) / temporary.FOLDER).iterdir())
    with sqlite3.connect(state(room) / "store.sqlite") as store:
        assert store.execute("SELECT count(*) FROM annotations").fetchone() == (3,)


def test_temporary_files_of_a_process_that_runs_stay_and_those_of_a_dead_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(temporary.tempfile, "tempdir", None)
    mine = temporary.use_own_folder(tmp_path)
    dead = mine.with_name("12345-abcdefgh")
    (dead / "xal-1").mkdir(parents=True)
    (dead / "xal-1" / "upload.nii.gz").write_bytes(b"an outline")
    other = temporary.use_own_folder(tmp_path)
    assert mine.is_dir()
    assert other.is_dir()
    assert not dead.exists()
    assert temporary.tempfile.gettempdir() == str(other)


def test_on_a_shared_file_system_a_server_removes_the_temporary_files_of_its_own_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(temporary.tempfile, "tempdir", None)
    monkeypatch.setattr(temporary, "network_filesystem", lambda _: "nfs4")
    parent = temporary.temporary_files(tmp_path)
    own, others = parent / f"{HOST}.12345-abcdefgh", parent / f"{HOST}-2.12345-abcdefgh"
    for folder in (own, others):
        folder.mkdir()
    mine = temporary.use_own_folder(tmp_path)
    assert set(parent.iterdir()) == {mine, others}
    assert mine.name.startswith(f"{HOST}.{os.getpid()}-")


def test_drafts_of_another_machine_stay_and_one_that_cannot_be_removed_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    local = Local(tmp_path, 1)
    labels = local.project.workspace.labels
    dead = 2**22 + 1  # more than a process's number can be
    drafts = [
        labels / INCOMING / f"elsewhere.{dead}-abc.nii.gz",
        labels / f".elsewhere.{dead:08x}01234567.tmp",
        labels / INCOMING / f"{HOST}.{dead}-abc.nii.gz",
        labels / INCOMING / f"{dead}-abc.nii.gz",  # as older versions called it
        labels / f".{HOST}.{dead:08x}01234567.tmp",
        labels / f".{dead:08x}01234567.tmp",
    ]
    stubborn = labels / INCOMING / f"{HOST}.{dead}-def.nii.gz"
    stubborn.mkdir(parents=True)
    for draft in drafts:
        draft.touch()
    forget_drafts(local.project)
    assert [draft for draft in drafts if draft.exists()] == drafts[:2]
    assert f"{stubborn} was left behind and cannot be removed" in caplog.text
    for draft in drafts[:2]:
        os.utime(draft, (0, 0))
    forget_drafts(local.project)
    assert not any(draft.exists() for draft in drafts), "nobody has written at them for a day"


def test_the_outlines_that_a_killed_server_was_given_are_gone_once_the_next_has_begun(room: Room):
    server, folder = room.server.start(), state(room) / temporary.FOLDER
    image = sorted(room.pictures)[0]
    label = room.label(image)
    killed = threading.Event()

    def hand_in() -> None:
        while not killed.is_set():
            with contextlib.suppress(requests.RequestException):
                server.submit(image, label, list(FINDINGS), "ada")

    senders = [threading.Thread(target=hand_in) for _ in range(2)]
    for sender in senders:
        sender.start()
    server.wait(lambda: list(folder.glob("*/xal-*")), 20, "an upload")
    until = time.monotonic() + 30
    while not list(folder.glob("*/xal-*")):
        assert time.monotonic() < until
    server.kill()
    killed.set()
    for sender in senders:
        sender.join()
    dead = list(folder.iterdir())
    assert dead
    with room.server:
        assert not set(dead) & set(folder.iterdir())
        assert len(room.server.get("/datastore/", output="all").json()["objects"]) == len(room.pictures)


# kill -9 at every step of a hand-in


def kill(*_arguments: object, **_named: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(work: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **named: kill(work(*arguments, **named))


POINTS: dict[str, Callable[[], None]] = {
    "the draft is being written": lambda: setattr(submission, "write_atomically", kill),
    "the draft is written": lambda: setattr(submission, "give_name", kill),
    "the file has its name and no record": lambda: setattr(label_file, "create", kill),
    "the file has its record and no row": lambda: setattr(Database, "insert", kill),
    "the row is not committed": lambda: setattr(Standing, "_settle", kill_after(Standing._settle)),
    "the row is committed": lambda: setattr(Annotations, "add", kill_after(Annotations.add)),
}


def hand_in_until_killed(local: Local, point: str) -> None:
    local.project = Project.open(local.task, str(local.studies))
    POINTS[point]()
    local.hand_in(local.ids[0])


@pytest.mark.parametrize("point", POINTS)
def test_a_hand_in_that_is_killed_leaves_nothing_half_done_and_can_be_sent_again(tmp_path: Path, point: str):
    local = Local(tmp_path, 3)
    local.hand_in(local.ids[1])
    worker = multiprocessing.get_context("fork").Process(target=hand_in_until_killed, args=(local, point))
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    project = local.project = Project.open(local.task, str(local.studies))
    labels = project.workspace.labels
    forget_drafts(project)
    adopted = adopt_leftovers(project.store, labels, project.task)
    assert list((labels / INCOMING).iterdir()) == []
    assert list(project.workspace.state.rglob("*.tmp")) == []
    assert unnamed(project.store, labels) == []
    there = point in ("the file has its record and no row", "the row is not committed", "the row is committed")
    assert len(orphans(labels)) == (point == "the file has its name and no record")
    assert len(adopted.recorded) == (there and point != "the row is committed")
    receipt = local.hand_in(local.ids[0])
    assert receipt.created is not there
    assert [row.revision for row in project.store.annotations.find(active_only=False)] == [1, 1]
    assert len(list(label_files(labels))) == 2


# the store gone, as somebody who clears up would do it


def test_a_removed_store_stops_the_start_and_a_rebuild_brings_every_annotation_back(tmp_path: Path):
    room = open_room(tmp_path, 24)
    images = sorted(room.pictures)[:20]
    words = ["--studies", str(tmp_path / "studies"), "--task", str(tmp_path / "tiny.yaml")]

    def said() -> dict[str, Any]:
        project = Project.open(load_task(tmp_path / "tiny.yaml"), str(tmp_path / "studies"))
        rows = project.store.annotations.find(active_only=False)
        project.store.close()
        project.workspace.close()
        return {row.label_path: (row.finding, row.reader, row.revision, row.created_at, row.active) for row in rows}

    def served(server: Server) -> list[bytes]:
        return [server.get("/datastore/label", label=image, tag="final").content for image in images]

    with room.server as server:
        for number, image in enumerate(images):
            room.hand_in(image, f"reader {number % 3}")
        content = served(server)
        server.kill()
    before = said()
    files = {file: file.read_bytes() for file in state(room).glob("tiny/labels/*/*.nii.gz")}
    shutil.rmtree(state(room) / "backups")
    for file in state(room).glob("store.sqlite*"):
        file.unlink()
    with pytest.raises(AssertionError, match="holds 20 label files that readers handed in"):
        room.server.start()
    assert main(["rebuild", *words]) == 0
    assert said() == before
    assert len(before) == 20
    with room.server as server:
        assert served(server) == content
        for number, image in enumerate(images):  # once these overwrote the first ones
            room.server.submit(image, room.label(images[0]), list(FINDINGS), f"reader {number % 3}")
    assert {file: file.read_bytes() for file in files} == files
    assert before.keys() < said().keys()
