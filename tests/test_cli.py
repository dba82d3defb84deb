"""The command line, on the same store as the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.local import Local

from xal.cli import main
from xal.loop.decisions import keep_conf_alpha
from xal.loop.rules import method
from xal.pool.project import ALPHA, Project


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 9)


def xal(local: Local, *words: str) -> int:
    return main([words[0], "--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml"), *words[1:]])


def test_status_counts(local: Local, capsys: pytest.CaptureFixture[str]):
    local.hand_in(local.ids[0])
    assert xal(local, "status") == 0
    printed = capsys.readouterr().out
    assert "9 (8 open" in printed
    assert "none yet" in printed


def test_a_task_of_the_apps_own_folder_goes_by_its_name(
    local: Local, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("xal.cli.OWN_TASKS", local.folder)
    assert main(["status", "--studies", str(local.studies), "--task", "tiny"]) == 0
    assert capsys.readouterr().out.startswith("task      tiny: ")
    assert main(["status", "--studies", str(local.studies), "--task", "tny"]) == 1
    assert "did you mean 'tiny'" in capsys.readouterr().err


def test_exclude_and_include(local: Local, capsys: pytest.CaptureFixture[str]):
    assert xal(local, "exclude", local.ids[3], "unreadable", "--reader", "boss") == 0
    assert local.project.store.images.get(local.ids[3]).excluded == "unreadable"
    assert xal(local, "include", local.ids[3]) == 0
    assert local.project.store.images.get(local.ids[3]).open
    assert xal(local, "exclude", "nowhere", "x") == 1
    assert "nowhere" in capsys.readouterr().err


def test_problems_name_damaged_label_files(local: Local, capsys: pytest.CaptureFixture[str]):
    row = local.hand_in(local.ids[0]).annotation
    (local.project.workspace.labels / row.label_path).write_bytes(b"")
    xal(local, "problems")
    said = capsys.readouterr().out
    assert f"the label file of annotation {row.id} ({row.image}, ada r1) has 0 bytes instead of {row.file_size}" in said
    xal(local, "status")
    assert "damaged   1 label files" in capsys.readouterr().out


def test_a_backup_names_damaged_label_files(local: Local, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    row = local.hand_in(local.ids[0]).annotation
    (local.project.workspace.labels / row.label_path).unlink()
    assert xal(local, "backup", str(tmp_path / "kept")) == 0
    assert f"damaged before the backup: the label file of annotation {row.id}" in capsys.readouterr().out
    assert "is missing" in (tmp_path / "kept" / "xal-backup.json").read_text()


def test_annotations_and_withdraw(local: Local, capsys: pytest.CaptureFixture[str]):
    number = local.hand_in(local.ids[1], "ada").annotation.id
    assert xal(local, "annotations") == 0
    assert "ada r1  square" in capsys.readouterr().out
    assert xal(local, "withdraw", str(number), "--reader", "boss") == 0
    assert local.project.store.annotations.get(number).withdrawn_by == "boss"


def test_alpha_must_make_sense(local: Local, capsys: pytest.CaptureFixture[str]):
    assert xal(local, "alpha", "0.25") == 0
    assert local.project.alpha() == 0.25
    assert xal(local, "alpha", "7") == 1
    assert "between 0 and 1" in capsys.readouterr().err


def test_the_method_may_be_changed_and_must_be_one(local: Local, capsys: pytest.CaptureFixture[str]):
    assert xal(local, "method", "entropy") == 0
    assert method(local.project) == "entropy"
    assert capsys.readouterr().out == "images are chosen by entropy\n"
    assert xal(local, "method", "bald") == 1
    assert "network.dropout" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        xal(local, "method", "guess")
    assert "invalid choice: 'guess'" in capsys.readouterr().err


def test_alpha_is_a_reviewers_then_the_servers_then_the_tasks(local: Local):
    other = Project.open(local.task, str(local.studies))  # a command, which does not see the server's --conf
    assert other.alpha() == local.task.acquisition.alpha == 0.5
    keep_conf_alpha(local.project, 0.8)
    assert other.alpha() == 0.8
    assert xal(local, "alpha", "0.25") == 0
    assert other.alpha() == 0.25
    other.store.settings.set(ALPHA, None, by="boss")
    keep_conf_alpha(local.project, None)
    assert other.alpha() == 0.5


def test_a_studies_folder_that_is_none(local: Local, capsys: pytest.CaptureFixture[str]):
    assert main(["status", "--studies", str(local.folder / "nowhere")]) == 1
    assert "is no folder" in capsys.readouterr().err


def test_backup_and_restore_bring_everything_back(local: Local, tmp_path: Path):
    first = local.hand_in(local.ids[0]).annotation
    assert xal(local, "backup", str(tmp_path / "backup")) == 0
    assert xal(local, "backup", str(tmp_path / "backup")) == 1, "a backup is never overwritten"
    local.hand_in(local.ids[1])
    local.project.store.close()
    local.project.workspace.close()
    assert xal(local, "restore", str(tmp_path / "backup")) == 0
    restored = Project.open(local.task, str(local.studies))
    assert [row.id for row in restored.store.annotations.find()] == [first.id]
    assert (restored.workspace.labels / first.label_path).is_file()
    assert list(local.studies.glob(".xal.before-*")), "what was there is kept aside"
