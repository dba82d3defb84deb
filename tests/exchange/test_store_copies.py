"""The copies of the store that a server makes by itself: which are made, which stay, and that none fills the disk."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from harness.local import Local
from harness.room import open_room

from xal.errors import StoreError, StoreLost
from xal.exchange import store_copies as rotation
from xal.exchange.backup import backup
from xal.exchange.store_copies import NAME, Rotation, copies, made_at, surplus
from xal.system import disk_space as space
from xal.system.disk_space import Space


@pytest.fixture
def local(tmp_path: Path) -> Local:
    local = Local(tmp_path, 80)
    local.hand_in(local.ids[0])
    return local


def folder(local: Local) -> Path:
    return local.studies / ".xal" / "backups"


class Clock:
    """A rotation whose time goes by as a test wants it."""

    def __init__(self, local: Local, monkeypatch: pytest.MonkeyPatch, keep: int = 7, reserve: int = 0) -> None:
        self.now = time.time()
        self.ahead = 0.0
        self.local = local
        self.keep, self.reserve = keep, reserve
        monkeypatch.setattr(rotation, "REST", 0)
        monkeypatch.setattr(rotation.time, "time", lambda: self.now + self.ahead)
        monkeypatch.setattr(rotation.time, "monotonic", lambda: self.now)
        self.restart()

    def restart(self) -> None:
        self.rotation = Rotation(
            self.local.project.store, self.local.studies / ".xal", self.keep, Space(self.local.studies, self.reserve)
        )

    def later(self, seconds: float) -> int:
        """How many copies there are after one more turn."""
        self.now += seconds
        self.rotation.turn()
        return len(copies(folder(self.local)))


def annotations_in(copy: Path) -> int:
    with sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True) as database:
        return int(database.execute("SELECT count(*) FROM annotations").fetchone()[0])


def test_a_copy_is_made_at_once_then_hourly_while_things_change(local: Local, monkeypatch: pytest.MonkeyPatch):
    clock = Clock(local, monkeypatch)
    assert clock.later(0) == 1
    assert clock.later(4000) == 1, "nothing had changed"
    local.hand_in(local.ids[1])
    assert clock.later(61) == 2
    local.hand_in(local.ids[2])
    assert clock.later(3000) == 2
    clock.restart()
    assert clock.later(61) == 2, "the copies say when the last one was made, whichever server made it"
    assert clock.later(600) == 3
    assert [annotations_in(copy) for copy in copies(folder(local))] == [3, 2, 1]
    clock.restart()
    assert clock.later(90_000) == 3, "what the newest copy has is not copied again by the next server"


def test_many_hand_ins_are_not_left_without_a_copy_for_an_hour(local: Local, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rotation, "HAND_INS", 5)
    clock = Clock(local, monkeypatch)
    assert clock.later(0) == 1
    for image in local.ids[1:6]:
        local.hand_in(image)
    assert clock.later(200) == 1
    assert clock.later(200) == 2


def test_a_clock_that_was_ahead_neither_hurries_copies_nor_makes_them_vanish(
    local: Local, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock(local, monkeypatch, keep=3)
    clock.ahead = 1e8
    for image in local.ids[1:4]:
        local.hand_in(image)
        clock.later(4000)
    clock.ahead = 0.0
    local.hand_in(local.ids[4])
    before = copies(folder(local))
    clock.later(100)
    assert copies(folder(local)) == before, "an hour is not over yet"
    clock.restart()
    clock.later(100)
    assert copies(folder(local)) == before
    clock.later(4000)
    assert [annotations_in(copy) for copy in copies(folder(local))] == [5, 4, 3]


def test_the_newest_stay_and_one_of_each_day_before():
    start = datetime(2026, 5, 20, 12, tzinfo=UTC)
    hours = [start - timedelta(hours=hour) for hour in range(24 * 10)]
    names = [Path(moment.strftime(NAME)) for moment in hours]
    kept = [copy for copy in names if copy not in surplus(names, 7)]
    ages = [round((start.timestamp() - made_at(copy)) / 3600) for copy in kept]
    assert ages == [0, 1, 2, 13, 37, 61, 85]
    assert surplus(kept, 7) == []
    assert len(surplus(names, 1)) == len(names) - 1
    assert surplus(names, 1)[0] == names[1]


def test_hourly_copies_over_days_become_recent_and_daily_ones(local: Local, monkeypatch: pytest.MonkeyPatch):
    clock = Clock(local, monkeypatch, keep=5)
    clock.now = datetime(2030, 5, 20, 12, 30, tzinfo=UTC).timestamp()
    for number in range(72):
        local.project.store.settings.set("number", number, "somebody")
        clock.later(3601)
    days = [copy.name[6:14] for copy in copies(folder(local))]
    assert days == ["20300523", "20300523", "20300523", "20300522", "20300521"]
    assert not [file for file in folder(local).iterdir() if file.name.startswith(".")]


def test_a_copy_of_a_damaged_store_does_not_count_and_takes_no_place(local: Local, monkeypatch: pytest.MonkeyPatch):
    clock = Clock(local, monkeypatch, keep=1)
    assert clock.later(0) == 1
    local.hand_in(local.ids[1])
    backed_up = local.project.store.backup

    def damaged(target: Path) -> None:
        backed_up(target)
        with target.open("r+b") as file:
            file.seek(target.stat().st_size // 2)
            file.write(os.urandom(16384))

    monkeypatch.setattr(local.project.store, "backup", damaged)
    with pytest.raises(StoreLost, match=r"store\.sqlite is"):
        clock.later(4000)
    assert [annotations_in(copy) for copy in copies(folder(local))] == [1]
    assert [file.suffix for file in folder(local).iterdir()] == [".sqlite"]


def test_a_disk_that_is_nearly_full_gets_no_copy_and_one_word(
    local: Local, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    clock = Clock(local, monkeypatch, reserve=200 << 20)
    size = (local.studies / ".xal" / "store.sqlite").stat().st_size
    usage = namedtuple("usage", "total used free")
    free = [(200 << 20) + size // 2]
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: usage(0, 0, free[0]))
    with caplog.at_level(logging.WARNING):
        assert clock.later(0) == 0
        assert clock.later(100) == 0
    assert len([record for record in caplog.records if "the store is not copied" in record.message]) == 1
    free[0] = 300 << 20
    assert clock.later(100) == 1


def test_a_disk_that_fills_up_while_it_is_copied_leaves_nothing(local: Local, monkeypatch: pytest.MonkeyPatch):
    clock = Clock(local, monkeypatch)

    def full(target: Path) -> None:
        target.write_bytes(b"the first pages")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local.project.store, "backup", full)
    with pytest.raises(StoreError, match=r"was not copied: .*No space"):
        clock.later(0)
    assert list(folder(local).iterdir()) == []


def test_what_a_killed_server_left_of_a_copy_goes_with_the_next(local: Local, monkeypatch: pytest.MonkeyPatch):
    (folder(local) / ".backup-abc").mkdir(parents=True)
    (folder(local) / ".store-20260101-000000.sqlite").write_bytes(b"half")
    assert Clock(local, monkeypatch).later(0) == 1
    assert len(list(folder(local).iterdir())) == 1


def test_a_backup_of_the_whole_state_does_not_hold_the_rotation_again(
    local: Local, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    Clock(local, monkeypatch).later(0)
    made = backup(local.project, tmp_path / "backup")
    assert not (made / "backups").exists()
    assert (made / "store.sqlite").is_file()


def test_copies_are_made_while_a_server_runs_and_not_if_none_are_wanted(tmp_path: Path):
    for wanted in (2, 0):
        room = open_room(tmp_path / str(wanted), 3, backups=wanted)
        backups = room.folder / "studies" / ".xal" / "backups"
        with room.server as server:
            if wanted:
                server.wait(lambda backups=backups: copies(backups), 20, "a copy")
            else:
                time.sleep(3)
        assert bool(backups.is_dir() and copies(backups)) == bool(wanted)
        shutil.rmtree(room.folder)
