"""A backup is complete, and nothing is restored under somebody's feet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness.local import Local
from harness.postgres import new_database

from xal.cli import main
from xal.errors import BadInput, Conflict, StoreError
from xal.exchange import backup as module
from xal.exchange.backup import backup, dump_advice, load_advice, restore
from xal.pool.project import Project
from xal.pool.workspace import Workspace

HOLDER = """
import sys, time
from xal.pool.workspace import Workspace
workspace = Workspace.open(sys.argv[1], "tiny")
print("open", flush=True)
time.sleep(600)
"""


@pytest.fixture
def local(tmp_path: Path) -> Local:
    local = Local(tmp_path, 6)
    local.hand_in(local.ids[0])
    return local


@pytest.fixture
def copy(local: Local, tmp_path: Path) -> Path:
    """A backup of the project, which nobody has open any more."""
    made = backup(local.project, tmp_path / "backup")
    local.project.store.close()
    local.project.workspace.close()
    return made


def test_files_that_are_being_written_are_no_part_of_it(local: Local, tmp_path: Path):
    draft = local.project.workspace.labels / ".incoming" / "draft.nii.gz"
    draft.parent.mkdir(exist_ok=True)
    draft.write_bytes(b"half")
    aside = local.project.workspace.labels / ".orphans" / "a" / "ada.r1.nii.gz"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"what nobody knows the reader of")
    made = backup(local.project, tmp_path / "backup")
    assert not list(made.rglob("draft*"))
    assert len(list(made.rglob("*.nii.gz"))) == 2


def test_a_label_file_that_cannot_be_read_keeps_nothing_else_from_being_copied(
    local: Local, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    broken, whole = local.project.workspace.labels / local.hand_in(local.ids[1]).annotation.label_path, local.ids[0]
    broken.unlink()
    broken.symlink_to("/proc/self/mem")  # an error of input and output, whoever reads it
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml")]
    assert main(["backup", *words, str(tmp_path / "backup")]) == 0
    said = capsys.readouterr().out
    name = f"tiny/labels/{local.ids[1]}/{broken.name}"
    assert f"not in the backup, it cannot be read: {name}" in said
    assert "damaged before the backup: the label file of annotation 2" in said
    assert json.loads((tmp_path / "backup" / "xal-backup.json").read_text())["unreadable_files"] == [name]
    copied = [path.parent.name for path in (tmp_path / "backup").rglob("*.nii.gz")]
    assert copied == [whole]


def test_a_project_that_is_open_is_not_restored(local: Local, tmp_path: Path):
    made = backup(local.project, tmp_path / "backup")
    with pytest.raises(Conflict, match="is in use: stop the server"):
        restore(made, str(local.studies))
    assert len(local.project.store.annotations.find()) == 1
    assert not list(local.studies.glob(".xal.*"))


@pytest.mark.slow
def test_another_process_keeps_a_restore_off_until_it_is_killed(local: Local, copy: Path):
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    command = [sys.executable, "-c", HOLDER, str(local.studies)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"open\n"
            with pytest.raises(Conflict, match="is in use"):
                restore(copy, str(local.studies))
        finally:
            holder.send_signal(signal.SIGKILL)
        holder.wait(20)
    assert restore(copy, str(local.studies)) is not None


def test_nothing_is_opened_during_a_restore(local: Local, copy: Path, monkeypatch: pytest.MonkeyPatch):
    replace = module._replace

    def look(state: Path, source: Path) -> Path | None:
        with pytest.raises(StoreError, match="is being restored"):
            Workspace.open(str(local.studies), "tiny")
        return replace(state, source)

    monkeypatch.setattr(module, "_replace", look)
    restore(copy, str(local.studies))
    assert len(Project.open(local.task, str(local.studies)).store.annotations.find()) == 1


def test_a_restore_that_was_cut_off_between_its_renames_is_done_again(
    local: Local, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    state = local.studies / ".xal"
    rename = Path.rename

    def cut_off(path: Path, target: Path) -> Path:
        if target == state:
            raise OSError("killed")
        return rename(path, target)

    with monkeypatch.context() as killed:
        killed.setattr(Path, "rename", cut_off)
        with pytest.raises(StoreError, match="killed"):
            restore(copy, str(local.studies))
    assert not state.exists()
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml")]
    assert main(["status", *words]) == 1
    assert "was cut off: run `xal restore` again" in capsys.readouterr().err
    assert main(["restore", *words, str(copy)]) == 0
    assert len(Project.open(local.task, str(local.studies)).store.annotations.find()) == 1
    assert len(list(local.studies.glob(".xal.before-*/store.sqlite"))) == 1


def test_finishing_a_cut_off_restore_by_hand_is_as_good(local: Local, copy: Path):
    state = local.studies / ".xal"
    state.rename(local.studies / ".xal.before-now")
    with pytest.raises(StoreError, match=r"\.xal is empty, and beside it is \.xal\.before-now"):
        Workspace.open(str(local.studies), "tiny")
    (local.studies / ".xal.before-now").rename(state)
    assert len(Project.open(local.task, str(local.studies)).store.annotations.find()) == 1


def test_what_is_no_backup_is_refused(local: Local, copy: Path, tmp_path: Path):
    with pytest.raises(BadInput, match="is no backup"):
        restore(tmp_path, str(local.studies))
    with pytest.raises(BadInput, match="store in sqlite: --database must say the same"):
        restore(copy, str(local.studies), "postgresql+psycopg://somewhere/xal")
    with pytest.raises(BadInput, match="not a database URL"):
        restore(copy, str(local.studies), "nonsense")


def test_a_disk_that_is_full_leaves_no_backup(local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "sync_to_disk", full)
    with pytest.raises(StoreError, match=r"no backup was made: .*No space"):
        backup(local.project, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.mark.e2e
def test_with_postgresql_the_files_are_copied_and_the_dump_is_explained(tmp_path: Path, cluster: str):
    local = Local(tmp_path, 3)
    url = new_database(cluster)
    project = Project.open(local.task, str(local.studies), url)
    project.sync()
    label = local.hand_in(local.ids[0]).annotation.label_path
    made = backup(project, tmp_path / "backup")
    assert (made / "tiny" / "labels" / label).is_file()
    assert not (made / "store.sqlite").exists()
    advice = dump_advice(project, made)
    assert advice is not None
    assert f"pg_dump --format=custom --file={made}/store.dump" in advice
    assert "+psycopg" not in advice
    for opened in (project, local.project):
        opened.store.close()
        opened.workspace.close()
    with pytest.raises(BadInput, match="store in postgresql"):
        restore(made, str(local.studies))
    restore(made, str(local.studies), url)
    assert "pg_restore --clean" in str(load_advice(made, url))
