"""What the end of a server leaves behind: nothing that a clean end can take away, nothing that a next start cannot."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path

import pytest
from harness.room import Room, open_room

from xal import temporary


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
