"""kill -9: what was acknowledged is there, what was not is not half there."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from store_helpers import ONCE, assert_consistent, files, names, new, prediction, submit, write_file

from xal.errors import Full
from xal.store import Store
from xal.store.rows import Rule


def _work_until_killed(url: str, folder: Path, reader: str, acknowledged: Path) -> None:
    """Read, submit, score and withdraw as fast as possible; note every submission once it was accepted."""
    store = Store.open(url, "pool", "task")
    with acknowledged.open("ab", buffering=0) as notes:
        while True:
            offer = store.queue.next_sample(reader, "queue", 3600)
            if offer is None:
                return
            image = offer.image.id

            def write(revision: int, image: str = image) -> str:
                name = f"{image}/{reader}-{revision}.txt"
                write_file(folder / name, f"{image} by {reader}" * 1000)
                return name

            row, _ = store.annotations.add(new(image, reader), write, ONCE)
            notes.write(f"{row.id} {image}\n".encode())
            store.predictions.save([prediction(image)], Rule())
            if row.id % 5 == 0:
                store.annotations.withdraw(row.id, reader)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_writers_lose_nothing_and_leave_nothing_half_done(url, store, tmp_path, seed):
    chance = random.Random(seed)
    store.images.put(files(names(3000)))
    context = multiprocessing.get_context("fork")
    acknowledged = tmp_path / "acknowledged"
    for number in range(3):
        arguments = [(url, tmp_path / "labels", f"reader-{number}-{twin}", acknowledged) for twin in range(2)]
        workers = [context.Process(target=_work_until_killed, args=each) for each in arguments]
        for worker in workers:
            worker.start()
        while not (acknowledged.exists() and acknowledged.stat().st_size):
            time.sleep(0.01)
        time.sleep(chance.uniform(0.05, 0.3))
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
    promised = {int(line.split()[0]) for line in acknowledged.read_text().splitlines()}
    rows = {row.id: row for row in store.annotations.find(active_only=False)}
    assert promised
    assert promised <= set(rows)
    for row in rows.values():
        content = (tmp_path / "labels" / row.label_path).read_text()
        assert content == f"{row.image} by {row.reader}" * 1000
    submits = [event.detail["annotation"] for event in store.events.read(10_000) if event.kind == "submit"]
    assert sorted(submits) == sorted(rows)
    assert_consistent(store)
    assert store.queue.next_sample("someone else", "queue", 60) is not None


def _hold_a_transaction(url: str, folder: Path) -> None:
    store = Store.open(url, "pool", "task")

    def write(revision: int) -> str:
        write_file(folder / "label.txt", "half a submission")
        time.sleep(600)
        return "label.txt"

    store.annotations.add(new("a", "killed"), write, ONCE)


def test_a_writer_killed_between_label_file_and_row_blocks_nobody(url, store, tmp_path):
    store.images.put(files(["a"]))
    worker = multiprocessing.get_context("fork").Process(target=_hold_a_transaction, args=(url, tmp_path))
    worker.start()
    while not (tmp_path / "label.txt").exists():
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    start = time.monotonic()
    assert not store.annotations.handed_in("a", None)
    row, created = store.annotations.add(new("a", "killed"), lambda revision: "label.txt", ONCE)
    assert (row.revision, created) == (1, True)
    assert time.monotonic() - start < 10


def test_a_full_disk_is_named_and_loses_nothing(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/store.sqlite", "pool", "task")
    store.images.put(files(names(50)))
    with store.database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
    event.listen(store.database.engine, "begin", lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}"))
    with pytest.raises(Full, match=r"disk .* is full; nothing was changed"):
        store.images.put(files(names(5000)))
    assert len(store.images.find()) == 50
    assert submit(store, names(1)[0]).revision == 1
    assert_consistent(store)
    store.close()


@pytest.mark.e2e
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_restarted_postgresql_server_is_found_again(url, store):
    store.images.put(files(["a", "b"]))
    store.queue.next_sample("ann", "queue", 60)
    database = create_engine(url, isolation_level="AUTOCOMMIT")
    with database.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
        connection.execute(text(f"{others} current_database()"))
    database.dispose()
    assert submit(store, "a").revision == 1
    assert store.images.counts()["completed"] == 1
