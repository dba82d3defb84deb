"""A folder stays below its bound, whoever else adds to it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from xal.system.bounded_folder import BoundedFolder, used

SIZE = 100


def put(folder: BoundedFolder, name: str) -> Path:
    path = folder.place(name, name, ".bin")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(SIZE))
    folder.added(path)
    return path


def total(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.bin"))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_process_that_adds_may_exceed_the_bound_by_a_tenth(tmp_path: Path, processes: int):
    bound = 50 * SIZE
    folders = [BoundedFolder(tmp_path, ".bin", bound, in_use_seconds=0) for _ in range(processes)]
    for number in range(200):
        put(folders[number % processes], str(number))
        assert total(tmp_path) <= bound * (1 + 0.1 * processes)
    assert total(tmp_path) > bound // 2, "and it is not emptied more than it has to be"


def test_a_file_that_is_used_stays_before_newer_ones_and_keeps_its_time_of_change(tmp_path: Path):
    folder = BoundedFolder(tmp_path, ".bin", 10 * SIZE, in_use_seconds=0)
    first = put(folder, "first")
    written = first.stat().st_mtime_ns
    for number in range(40):
        assert used(first)
        put(folder, str(number))
    assert first.stat().st_mtime_ns == written
    assert not used(tmp_path / "ab" / "missing.bin")


def test_what_was_used_a_moment_ago_is_left_alone(tmp_path: Path):
    folder = BoundedFolder(tmp_path, ".bin", 2 * SIZE, in_use_seconds=60)
    paths = [put(folder, str(number)) for number in range(4)]
    assert all(path.exists() for path in paths)
    for path in paths[:3]:
        os.utime(path, (time.time() - 100, path.stat().st_mtime))
    paths.append(put(folder, "one more"))
    assert [path.exists() for path in paths] == [False, False, False, True, True]


def test_the_newest_file_stays_although_the_file_system_has_an_earlier_time_than_others_have(tmp_path: Path):
    folder = BoundedFolder(tmp_path, ".bin", 2 * SIZE, in_use_seconds=0)
    others = [put(folder, str(number)) for number in range(2)]
    newest = folder.place("newest", "newest", ".bin")
    newest.parent.mkdir(exist_ok=True)
    newest.write_bytes(bytes(SIZE))
    os.utime(newest, (time.time() - 0.01, time.time()))
    folder.added(newest)
    assert newest.exists()
    assert not all(other.exists() for other in others)


def test_what_somebody_begins_to_use_while_room_is_made_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = BoundedFolder(tmp_path, ".bin", 3 * SIZE, in_use_seconds=60)
    paths = [put(folder, str(number)) for number in range(3)]
    for age, path in zip((300, 200, 100), paths, strict=True):
        os.utime(path, (time.time() - age, path.stat().st_mtime))
    listed = folder._entries

    def entries():
        yield from list(listed())
        assert used(paths[0]), "somebody is told of it between the listing and the removing"

    monkeypatch.setattr(folder, "_entries", entries)
    put(folder, "newest")
    assert [path.exists() for path in paths] == [True, False, False]
