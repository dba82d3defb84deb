"""Opening: ours, old, new, damaged, foreign, on the wrong disk."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sqlite3
import threading
import time

import pytest
from sqlalchemy import create_engine, text
from store_helpers import ONCE, assert_consistent, files, names, new, submit

from xal.errors import StoreError
from xal.store import Store, engine, migrations
from xal.system.network_drive import network_filesystem


def test_what_was_stored_is_there_after_opening_again(open_store):
    open_store().images.put(files(["a"]))
    assert open_store().images.get("a").path == "a.png"


def test_pools_and_tasks_do_not_see_each_other(open_store):
    open_store("one", "task").images.put(files(["a"]))
    assert open_store("other", "task").images.find() == []
    assert open_store("one", "other").images.find() == []
    open_store("other", "task").images.put(files(["a"], size=99))
    assert open_store("one", "task").images.get("a").size == 10


def test_a_store_of_a_newer_program_is_refused(url, open_store):
    open_store()
    _execute(url, "UPDATE xal_schema SET version = 99")
    with pytest.raises(StoreError, match=r"newer version .*schema 99"):
        open_store()


def test_an_older_store_is_migrated_and_keeps_what_it_has(monkeypatch, open_store):
    open_store().images.put(files(["a"]))
    step = ("ALTER TABLE images ADD COLUMN scanner {name} DEFAULT 'unknown'",)
    monkeypatch.setattr(migrations, "MIGRATIONS", {migrations.SCHEMA_VERSION: step})
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", migrations.SCHEMA_VERSION + 1)
    store = open_store()
    open_store()
    assert store.images.get("a").state == "ok"
    with store.database.engine.connect() as connection:
        assert connection.execute(text("SELECT scanner FROM images")).scalar() == "unknown"


def test_a_migration_that_fails_changes_nothing(monkeypatch, open_store):
    open_store().images.put(files(["a"]))
    step = ("ALTER TABLE images ADD COLUMN scanner TEXT", "ALTER TABLE nowhere ADD COLUMN scanner TEXT")
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "MIGRATIONS", {migrations.SCHEMA_VERSION: step})
        newer.setattr(migrations, "SCHEMA_VERSION", migrations.SCHEMA_VERSION + 1)
        with pytest.raises(StoreError, match="nowhere"):
            open_store()
    with open_store().database.engine.connect() as connection:
        assert "scanner" not in list(connection.execute(text("SELECT * FROM images")).keys())


def test_a_database_of_something_else_is_refused_and_left_alone(url, open_store):
    _execute(url, "CREATE TABLE patients (name TEXT)")
    with pytest.raises(StoreError, match="belongs to something else: it has tables patients"):
        open_store()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "store.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"store\.sqlite"):
        Store.open(f"sqlite:///{path}", "pool", "task")
    assert path.read_bytes() == content


def test_damage_in_the_middle_of_the_file_is_named(tmp_path):
    path = tmp_path / "store.sqlite"
    store = Store.open(f"sqlite:///{path}", "pool", "task")
    store.images.put(files(names(2000)))
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 60 :] = os.urandom(len(content) - 4096 * 60)
    path.write_bytes(content)
    store = Store.open(f"sqlite:///{path}", "pool", "task")
    with pytest.raises(StoreError, match="damaged"):
        store.images.find()
    store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://somewhere/db", "can be used|not on mysql"),
        ("nonsense", "not a database URL"),
        ("sqlite://", "needs a file"),
        ("sqlite:////nowhere/at/all/store.sqlite", "is not a folder"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url, message):
    with pytest.raises(StoreError, match=message):
        Store.open(url, "pool", "task")


def test_an_unreachable_server_is_explained_without_its_password():
    with pytest.raises(StoreError) as error:
        Store.open("postgresql+psycopg://ann:hidden@127.0.0.1:1/xal", "pool", "task")
    assert "127.0.0.1" in str(error.value)
    assert "hidden" not in str(error.value)


def test_network_file_systems_are_recognised_by_their_mount(tmp_path):
    mounts = tmp_path / "mounts"
    share = tmp_path / "my share"
    share.mkdir()
    escaped = str(share).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {escaped} nfs4 rw 0 0\n/dev/sdb {escaped}/local xfs rw 0 0\n")
    assert network_filesystem(share / "studies", mounts) == "nfs4"
    assert network_filesystem(share / "local" / "studies", mounts) is None
    assert network_filesystem(tmp_path, mounts) is None


def test_sqlite_on_a_network_file_system_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "network_filesystem", lambda path: "cifs")
    with pytest.raises(StoreError, match=r"network file system \(cifs\).*PostgreSQL"):
        Store.open(f"sqlite:///{tmp_path}/store.sqlite", "pool", "task")


def test_every_connection_to_sqlite_is_durable(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/store.sqlite", "pool", "task")
    with store.database.engine.connect() as connection:
        pragmas = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in _PRAGMAS}
    assert pragmas == _PRAGMAS
    store.close()


_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def _open_and_put(url: str, name: str) -> None:
    store = Store.open(url, "pool", "task")
    store.images.put(files([name]))
    store.close()


def test_processes_that_start_at_once_create_one_store(url, open_store):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_open_and_put, args=(url, f"image{n}")) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert len(open_store().images.find()) == 6


def _submit_in_child(store: Store, image: str) -> None:
    submit(store, image, reader=f"reader of {image}")


def test_a_forked_child_uses_connections_of_its_own(store):
    store.images.put(files(names(20)))
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_submit_in_child, args=(store, name)) for name in names(4)]
    for worker in workers:
        worker.start()
    for name in names(20)[10:]:
        submit(store, name)
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert store.images.counts()["completed"] == 14
    assert_consistent(store)


def test_a_fork_waits_for_the_writes_in_flight_and_both_sides_go_on(store):
    store.images.put(files(["a", "b", "c"]))
    writing = threading.Event()

    def write_slowly(revision: int) -> str:
        writing.set()
        time.sleep(0.3)
        return "label"

    writer = threading.Thread(target=store.annotations.add, args=(new("a"), write_slowly, ONCE))
    writer.start()
    assert writing.wait(30)
    child = multiprocessing.get_context("fork").Process(target=_submit_in_child, args=(store, "b"))
    child.start()
    submit(store, "c")
    writer.join()
    child.join(30)
    assert child.exitcode == 0
    assert store.images.counts()["completed"] == 3


def _expect_refusal(store: Store) -> None:
    with pytest.raises(StoreError, match="forked inside a transaction"):
        store.images.get("a")


def test_a_child_forked_inside_a_transaction_is_told_so_instead_of_hanging(store):
    store.images.put(files(["a", "b"]))
    child = multiprocessing.get_context("fork").Process(target=_expect_refusal, args=(store,))

    def write_and_fork(revision: int) -> str:
        assert store.images.get("b").open, "reading inside is fine"
        child.start()
        child.join(30)
        return "label"

    store.annotations.add(new("a"), write_and_fork, ONCE)
    assert child.exitcode == 0
    submit(store, "b")
    assert store.images.counts()["completed"] == 2


def test_a_store_can_be_sent_to_another_process(store):
    store.images.put(files(["a"]))
    copy = pickle.loads(pickle.dumps(store))
    assert copy.images.get("a").id == "a"
    copy.close()


def _execute(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute(statement)
        connection.close()
        return
    database = create_engine(url)
    with database.begin() as connection:
        connection.execute(text(statement))
    database.dispose()
