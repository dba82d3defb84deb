"""Jobs: one process does the work, and none is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from harness.local import Local

from xal.pool.jobs import HEARTBEAT_SECONDS, SERVER_PID, AnotherRuns, job, reap_orphans

CHILD = """
import sys, time
from xal.pool.jobs import job
from xal.store import Store
store = Store.open(sys.argv[2], sys.argv[3], sys.argv[4])
with job(store, "score", {}) as running:
    running.report(done=1, total=9)
    print("working", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 3)


def start_child(local: Local, *marks: str, **environment: str) -> subprocess.Popen[str]:
    workspace = local.project.workspace
    place = [workspace.database(), workspace.pool, workspace.task]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *(marks or ["-"]), *place],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "working\n"
    return child


def test_progress_and_end_are_in_the_store(local: Local):
    with job(local.project.store, "train", {"max_epochs": 3}) as running:
        running.report(epoch=2, total_epochs=3)
        (row,) = local.project.store.jobs.latest("train")
        assert (row.state, row.progress) == ("running", {"epoch": 2, "total_epochs": 3})
    assert local.project.store.jobs.latest("train")[0].state == "done"


def test_a_failure_is_kept_with_its_reason(local: Local):
    with pytest.raises(ValueError, match="no luck"), job(local.project.store, "train", {}):
        raise ValueError("no luck")
    (row,) = local.project.store.jobs.latest("train")
    assert (row.state, row.message) == ("failed", "ValueError: no luck")


def test_while_one_works_no_other_begins(local: Local):
    child = start_child(local)
    try:
        with pytest.raises(AnotherRuns), job(local.project.store, "score", {}):
            pass
        with job(local.project.store, "train", {}):
            pass
    finally:
        child.kill()
        child.wait()
    with job(local.project.store, "score", {}):
        assert [row.state for row in local.project.store.jobs.latest("score")] == ["running", "lost"]


def test_a_server_that_starts_ends_what_an_earlier_one_left(local: Local):
    child = start_child(local, "monailabel.interfaces.utils.app")  # as MONAI Label names its children
    try:
        assert reap_orphans(local.project.store) == [child.pid]
        assert not psutil.pid_exists(child.pid)
    finally:
        child.kill()
    assert local.project.store.jobs.latest("score")[0].state == "lost"


def test_a_command_that_somebody_gave_is_left_alone(local: Local):
    child = start_child(local)
    try:
        assert reap_orphans(local.project.store) == []
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_child_ends_itself_when_its_server_dies(local: Local, tmp_path: Path):
    parent = tmp_path / "parent.py"
    workspace = local.project.workspace
    place = ["-", workspace.database(), workspace.pool, workspace.task]
    parent.write_text(
        "import subprocess, sys, time\n"
        "from xal.pool.jobs import mark_as_server\n"
        "mark_as_server()\n"
        f"child = subprocess.Popen([sys.executable, '-c', {CHILD!r}, *{place!r}], stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline().strip(), child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    server = subprocess.Popen([sys.executable, str(parent)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    pid = int(server.stdout.readline().split()[1])
    server.kill()
    server.wait()
    until = time.monotonic() + 120
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < until, "the orphan works on"
        time.sleep(0.2)


def test_a_child_whose_server_ended_before_its_job_began_ends_itself(local: Local):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    child = start_child(local, **{SERVER_PID: str(gone.pid)})
    assert child.wait(120) == 3


def test_a_command_outlives_the_shell_that_started_it(local: Local, tmp_path: Path):
    workspace = local.project.workspace
    place = ["-", workspace.database(), workspace.pool, workspace.task]
    shell = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {CHILD!r}, *{place!r}], stdout=subprocess.PIPE,\n"
        "                         stderr=subprocess.DEVNULL, text=True)\n"
        "print(child.stdout.readline().strip(), child.pid, flush=True)\n"
    )
    pid = int(
        subprocess.run([sys.executable, "-c", shell], capture_output=True, text=True, check=True).stdout.split()[1]
    )
    time.sleep(2 * HEARTBEAT_SECONDS)
    running = local.project.store.jobs.running("score")
    psutil.Process(pid).kill()
    assert running is not None
    assert running.pid == pid


def test_a_full_disk_is_said_in_words_not_in_a_librarys(local: Local):
    with pytest.raises(RuntimeError), job(local.project.store, "train", {}):  # noqa: PT012 - as torch does
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise RuntimeError("enforce fail at inline_container.cc") from error
    assert local.project.store.jobs.latest()[0].message.startswith("the server's disk is full")
