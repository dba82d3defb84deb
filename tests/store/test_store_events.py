"""Settings, events and the backup."""

from __future__ import annotations

import threading

import pytest
from store_helpers import assert_consistent, files, names, submit

from xal.errors import BadInput, Conflict, StoreError
from xal.store import Store


def test_a_setting_is_any_json_value_and_its_change_is_logged(store):
    assert store.settings.get("alpha", 0.5) == 0.5
    store.settings.set("alpha", 0.7, "reviewer")
    store.settings.set("alpha", None, "reviewer")
    store.settings.set("readings", {"double": [1, "α"]}, "reviewer")
    assert store.settings.get("alpha", 0.5) is None
    assert store.settings.get("readings") == {"double": [1, "α"]}
    first = store.events.read()[0]
    assert (first.kind, first.reader, first.detail) == ("setting", "reviewer", {"key": "alpha", "value": 0.7})
    with pytest.raises(BadInput):
        store.settings.set("alpha", float("nan"), "reviewer")


def test_events_are_read_from_the_end_or_after_one(store):
    for n in range(5):
        store.settings.set("n", n, "ann")
    numbers = [event.id for event in store.events.read()]
    assert [event.detail["value"] for event in store.events.read(2)] == [3, 4]
    assert [event.detail["value"] for event in store.events.read(2, after=numbers[0])] == [1, 2]
    assert (store.events.read(1)[0].kind, store.events.read(1)[0].reader) == ("setting", "ann")
    assert store.events.read(5, after=numbers[-1]) == []


def test_a_backup_taken_while_others_write_is_whole(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/store.sqlite", "pool", "task")
    store.images.put(files(names(300)))
    stop = threading.Event()
    done: list[str] = []

    def work() -> None:
        for name in names(300):
            if stop.is_set():
                return
            submit(store, name)
            done.append(name)

    writer = threading.Thread(target=work)
    writer.start()
    while len(done) < 20:
        stop.wait(0.01)
    before = list(done)
    store.backup(tmp_path / "backup.sqlite")
    stop.set()
    writer.join()
    store.close()
    copy = Store.open(f"sqlite:///{tmp_path}/backup.sqlite", "pool", "task")
    assert {row.image for row in copy.annotations.find()} >= set(before)
    assert_consistent(copy)
    copy.close()
    assert {path.suffix for path in tmp_path.iterdir()} <= {".sqlite", ".sqlite-wal", ".sqlite-shm"}


def test_a_backup_never_overwrites(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/store.sqlite", "pool", "task")
    (tmp_path / "backup.sqlite").write_text("precious")
    with pytest.raises(Conflict, match="exists already"):
        store.backup(tmp_path / "backup.sqlite")
    assert (tmp_path / "backup.sqlite").read_text() == "precious"
    store.close()


@pytest.mark.e2e
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_postgresql_is_backed_up_by_its_own_tool(store, tmp_path):
    with pytest.raises(StoreError, match="pg_dump"):
        store.backup(tmp_path / "backup")
