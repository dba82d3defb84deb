"""A project is opened only where what was handed in keeps its meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.local import Local

from xal.errors import BadInput, TaskError
from xal.project import Project
from xal.submission import parse_submission
from xal.task import Finding, Task


def with_findings(task: Task, *names: str) -> Task:
    findings = tuple(Finding(name=name, absent=name in ("nothing", "clear")) for name in names)
    return task.model_copy(update={"findings": findings})


@pytest.mark.parametrize(
    "names",
    [
        ("square", "disc", "nothing"),  # every stored 1 would become a square
        ("ring", "disc", "square", "nothing"),
        ("disc", "nothing"),
        ("Disc", "square", "nothing"),
        ("disc", "square", "clear"),
    ],
)
def test_findings_that_would_change_what_was_handed_in_are_refused(tmp_path: Path, names: tuple[str, ...]):
    local = Local(tmp_path, 3)
    local.hand_in(local.ids[0])
    with pytest.raises(TaskError, match=r"'disc', 'square', 'nothing', numbered in this order"):
        Project.open(with_findings(local.task, *names), str(local.studies))


def test_findings_may_be_added_at_the_end_and_changed_while_nothing_was_handed_in(tmp_path: Path):
    local = Local(tmp_path, 3)
    Project.open(with_findings(local.task, "square", "disc", "nothing"), str(local.studies))
    Project.open(local.task, str(local.studies))
    local.hand_in(local.ids[0])
    wider = Project.open(with_findings(local.task, "disc", "square", "ring", "nothing"), str(local.studies))
    assert wider.store.annotations()[0].finding == "disc"


def test_a_server_of_images_is_refused_clearly(tmp_path: Path):
    with pytest.raises(BadInput, match="a folder is what can be served"):
        Project.open(Local(tmp_path, 0).task, "http://127.0.0.1:8042/dicom-web")


def test_a_transaction_that_is_tried_again_finds_its_label_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    local = Local(tmp_path, 3)
    add = local.project.store.add_annotation

    def twice(new, write_label, readings):
        write_label(1)  # as in an attempt that the database rolled back
        return add(new, write_label, readings)

    monkeypatch.setattr(local.project.store, "add_annotation", twice)
    annotation = local.hand_in(local.ids[0]).annotation
    assert (local.project.workspace.labels / annotation.label_path).is_file()
    assert annotation.revision == 1


@pytest.mark.parametrize("value", ["\ud800", "a\0b", "", 7, "x" * 201])
@pytest.mark.parametrize("key", ["submission_id", "finding"])
def test_texts_that_cannot_be_stored_or_shown_are_refused(tmp_path: Path, key: str, value: object):
    with pytest.raises(BadInput, match=key):
        parse_submission("image", "ada", tmp_path / "label.nii.gz", None, {key: value})
