"""Jobs: one live peer at a time, and the dead do not block the living."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from xal.errors import NotFound
from xal.store import Store


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield child
    child.kill()
    child.wait()


def _change(store: Store, job: int, **values: object) -> None:
    with store.database.engine.begin() as connection:
        changes = ", ".join(f"{name} = :{name}" for name in values)
        connection.execute(text(f"UPDATE jobs SET {changes} WHERE id = :id"), {**values, "id": job})


def test_a_job_has_one_live_peer_of_its_kind(store, process):
    job = store.jobs.start("train", process.pid, {"max_epochs": 3})
    assert job is not None
    assert store.jobs.start("train", os.getpid(), {}) is None
    assert store.jobs.start("score", os.getpid(), {}) is not None
    row = store.jobs.running("train")
    assert (row.id, row.pid, row.state, row.request) == (job, process.pid, "running", {"max_epochs": 3})


def test_a_job_tells_its_progress_and_its_end(store):
    job = store.jobs.start("train", os.getpid(), {})
    assert store.jobs.heartbeat(job, {"epoch": 2, "loss": 0.5})
    assert store.jobs.running("train").progress == {"epoch": 2, "loss": 0.5}
    store.jobs.finish(job, "done", "published v1")
    assert store.jobs.running("train") is None
    assert not store.jobs.heartbeat(job, {"epoch": 3})
    [row] = store.jobs.latest()
    assert (row.state, row.message, row.progress) == ("done", "published v1", {"epoch": 2, "loss": 0.5})
    assert row.finished_at >= row.started_at
    store.jobs.finish(job, "failed", "too late")
    assert store.jobs.latest()[0].state == "done"
    assert [event.kind for event in store.events.read()] == ["train started", "train done"]


def test_jobs_are_listed_newest_first(store):
    for kind in ("train", "score", "train"):
        store.jobs.finish(store.jobs.start(kind, os.getpid(), {}), "done")
    assert [row.id for row in store.jobs.latest()] == [3, 2, 1]
    assert [row.id for row in store.jobs.latest("train", limit=1)] == [3]


def test_a_killed_process_loses_its_job_even_while_nobody_waited_for_it(store, process):
    job = store.jobs.start("train", process.pid, {})
    process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while store.jobs.running("train") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert store.jobs.start("train", os.getpid(), {}) is not None
    lost = store.jobs.latest()[-1]
    assert (lost.id, lost.state) == (job, "lost")
    assert lost.finished_at is not None


def test_a_process_number_that_was_given_to_another_is_no_peer(store, process):
    job = store.jobs.start("train", process.pid, {})
    _change(store, job, process_start=1.0)
    assert store.jobs.running("train") is None
    assert store.jobs.start("train", os.getpid(), {}) is not None


def test_a_job_on_another_host_lives_by_its_heartbeat(store):
    job = store.jobs.start("train", os.getpid(), {})
    _change(store, job, host="elsewhere", pid=1)
    assert store.jobs.start("train", os.getpid(), {}) is None
    _change(store, job, heartbeat=time.time() - 61)
    assert store.jobs.start("train", os.getpid(), {}) is not None


def test_a_job_thought_lost_may_still_end_well(store):
    job = store.jobs.start("train", os.getpid(), {})
    store.jobs.finish(job, "lost")
    store.jobs.finish(job, "done")
    assert store.jobs.latest()[0].state == "done"


def test_orphans_are_what_lives_here_in_another_process(store, process):
    orphan = store.jobs.start("train", process.pid, {})
    own = store.jobs.start("score", os.getpid(), {})
    assert [row.id for row in store.jobs.live_orphans()] == [orphan]
    process.kill()
    process.wait()
    assert store.jobs.live_orphans() == []
    assert {row.id: row.state for row in store.jobs.latest()} == {orphan: "lost", own: "running"}
    assert store.jobs.latest()[0].host == socket.gethostname()


def test_a_process_that_does_not_exist_cannot_run_a_job(store):
    with pytest.raises(NotFound, match="no process"):
        store.jobs.start("train", 2**22 + 1, {})


def _start(url: str, barrier: threading.Barrier, results: multiprocessing.Queue) -> None:
    store = Store.open(url, "pool", "task")
    barrier.wait()
    results.put(store.jobs.start("train", os.getpid(), {}))
    barrier.wait()
    store.close()


def test_of_processes_that_start_at_once_one_gets_the_job(url, store):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(5), context.Queue()
    workers = [context.Process(target=_start, args=(url, barrier, results)) for _ in range(5)]
    for worker in workers:
        worker.start()
    got = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert sorted(got, key=lambda job: job is None) == [1, None, None, None, None]
