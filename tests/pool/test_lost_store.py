"""A store that is gone is noticed before anything is begun anew over what readers handed in."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.local import Local
from harness.postgres import new_database
from harness.room import Room, open_room

from xal.cli import main
from xal.errors import StoreLost
from xal.pool.lost_store import label_files
from xal.pool.project import Project


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A project with three labels, which nobody has open any more."""
    local = Local(tmp_path, 6)
    for image in local.ids[:3]:
        local.hand_in(image)
    closed(local.project)
    return local


def closed(project: Project) -> None:
    project.store.close()
    project.workspace.close()


def state(local: Local) -> Path:
    return local.studies / ".xal"


def opened(local: Local) -> Project:
    return Project.open(local.task, str(local.studies), named=str(local.folder / "tiny.yaml"))


def remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def overwrite(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove("store.sqlite"), r"store\.sqlite is missing, but .*tiny/labels holds 3 label files"),
        (overwrite("store.sqlite", b""), r"store\.sqlite is empty, but .* 3 label files"),
        (overwrite("store.sqlite", b"garbage" * 1000), r"store\.sqlite is damaged or no SQLite database"),
        (remove("pool.json"), r"pool\.json, which names the pool of images, is missing, but .* 3 label files"),
        (remove("pool.json", "store.sqlite"), r"pool\.json, .* is missing, but .* 3 label files"),
        (overwrite("pool.json", b""), r"pool\.json does not name a pool"),
        (overwrite("pool.json", b"[]"), r"pool\.json does not name a pool"),
        (overwrite("pool.json", b'{"pool": "another"}'), r"knows nothing of the task 'tiny' on this pool .*another"),
    ],
)
def test_nothing_begins_anew_over_label_files(local: Local, damage: Callable[[Path], None], said: str):
    damage(state(local))
    before = {file: file.read_bytes() for file in state(local).rglob("*.nii.gz")}
    for _ in range(2):  # and the first refusal leaves nothing that would let the second pass
        with pytest.raises(StoreLost, match=said) as refused:
            opened(local)
        assert "xal rebuild --studies" in str(refused.value)
    assert {file: file.read_bytes() for file in state(local).rglob("*.nii.gz")} == before


def test_every_command_refuses_in_a_line_and_offers_commands_that_can_be_pasted(
    local: Local, capsys: pytest.CaptureFixture[str]
):
    store = state(local) / "store.sqlite"
    backup = state(local) / "backups" / "store-20260101-000000.sqlite"
    backup.parent.mkdir()
    store.rename(backup)
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml")]
    assert main(["status", *words]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    pasted = [shlex.split(line) for line in said.splitlines() if line.startswith("  ")]
    assert [line[1:] for line in pasted] == [["restore", *words, str(backup)], ["rebuild", *words]]
    assert all(Path(line[0]).name == "xal" for line in pasted)


def test_a_store_that_is_gone_is_not_begun_anew_for_another_task_either(local: Local):
    (state(local) / "store.sqlite").unlink()
    other = local.task.model_copy(update={"name": "other"})
    with pytest.raises(StoreLost, match="tiny/labels holds 3 label files"):
        Project.open(other, str(local.studies))


def test_a_new_task_on_a_pool_that_is_all_annotated_for_another_one_just_begins(local: Local):
    other = local.task.model_copy(update={"name": "other"})
    project = Project.open(other, str(local.studies))
    assert project.sync()
    assert project.store.annotations.find() == []


def test_a_wal_without_its_database_is_no_new_pool(tmp_path: Path):
    local = Local(tmp_path, 3)
    with sqlite3.connect(state(local) / "store.sqlite") as other:  # so that closing leaves the WAL in place
        other.execute("SELECT count(*) FROM images").fetchone()
        shutil.copytree(state(local), tmp_path / "copy" / ".xal")
    (tmp_path / "copy" / ".xal" / "store.sqlite").unlink()
    with pytest.raises(StoreLost, match=r"store\.sqlite is missing, but store\.sqlite-wal, which is a part of it"):
        Project.open(local.task, str(tmp_path / "copy"))


def test_new_folders_and_copies_without_the_state_just_begin(local: Local, tmp_path: Path):
    shutil.copytree(local.studies, tmp_path / "copy", ignore=shutil.ignore_patterns(".xal"))
    assert Project.open(local.task, str(tmp_path / "copy")).sync()
    (tmp_path / "new").mkdir()
    assert Project.open(local.task, str(tmp_path / "new")).store.images.counts()["total"] == 0


def test_a_first_start_that_was_cut_off_before_the_store_was_made_goes_on(tmp_path: Path):
    (tmp_path / ".xal").mkdir()
    (tmp_path / ".xal" / "store.sqlite").touch()
    local = Local(tmp_path / "pool", 1)
    assert Project.open(local.task, str(tmp_path)).store.images.counts()["total"] == 0


def test_moved_studies_with_their_state_are_the_same_pool(local: Local, tmp_path: Path):
    local.studies.rename(tmp_path / "moved")
    assert len(Project.open(local.task, str(tmp_path / "moved")).store.annotations.find()) == 3


def test_label_files_are_those_in_their_place(tmp_path: Path):
    for name in (
        "a/ada.r1.nii.gz",
        ".orphans/a/ada.r1.nii.gz",
        ".incoming/x.nii.gz",
        "found/a/b.nii.gz",
        "a/ada.r1.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(label_files(tmp_path)) == [tmp_path / "a" / "ada.r1.nii.gz"]


@pytest.mark.e2e
def test_with_postgresql_too_label_files_of_an_unknown_pool_stop_the_start(local: Local, cluster: str):
    url = new_database(cluster)
    with pytest.raises(StoreLost, match=r"knows nothing of the task 'tiny'.* 3 label files") as refused:
        Project.open(local.task, str(local.studies), url)
    assert "--database" in str(refused.value)


def test_a_store_that_is_removed_while_it_is_open_takes_nothing_more(tmp_path: Path):
    local = Local(tmp_path, 3)
    local.hand_in(local.ids[0])
    (state(local) / "store.sqlite").unlink()
    with pytest.raises(StoreLost, match="was removed or replaced while it was in use; nothing was changed"):
        local.hand_in(local.ids[1])
    assert len(list(label_files(local.project.workspace.labels))) == 1
    assert not (state(local) / "store.sqlite").exists()


# the server


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return open_room(tmp_path, 6)


def errors_in(log: str) -> list[str]:
    return [line for line in log.splitlines() if "[ERROR]" in line or "Traceback" in line]


def test_a_server_says_in_words_why_it_does_not_start(room: Room):
    with room.server:
        for image in sorted(room.pictures)[:3]:
            room.hand_in(image)
    store = room.folder / "studies" / ".xal" / "store.sqlite"
    for content, said in ((b"garbage" * 1000, "is damaged or no SQLite database"), (b"", "holds 3 label files")):
        store.write_bytes(content)
        room.server.log.unlink()
        with pytest.raises(AssertionError, match="the server ended with 3"):
            room.server.start()
        first, last = errors_in(room.server.log.read_text())
        assert "The server does not start: " in first
        assert said in first
        assert last.endswith("Application startup failed. Exiting.")


@pytest.mark.parametrize("how", ["damaged", "removed"])
def test_a_store_that_is_lost_under_a_running_server_is_said_once(room: Room, how: str):
    images = sorted(room.pictures)
    with room.server as server:
        room.hand_in(images[0])
        for file in (room.folder / "studies" / ".xal").glob("store.sqlite*"):
            if how == "removed":
                file.unlink()
            elif not file.name.endswith("-shm"):  # which is the memory that processes share: no disk damages it
                with file.open("r+b") as opened:
                    opened.write(b"garbage!" * (file.stat().st_size // 8))
        replies = [server.get("/xal/api/status"), server.get("/datastore/", output="all")]
        replies.append(server.submit(images[1], room.label(images[1]), ["disc", "square", "nothing"]))
        for reply in replies:
            assert reply.status_code == 503
            assert "nothing was changed" in reply.json()["detail"]
        server.wait(lambda: errors_in(server.log.read_text()), 20, "a word in the log")
        time.sleep(4)  # the watch tries again after 1 s and 3 s
    assert len(errors_in(server.log.read_text())) == 1
    assert len(list(label_files(room.folder / "studies" / ".xal" / "tiny" / "labels"))) == 1
