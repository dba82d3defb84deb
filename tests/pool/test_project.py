"""A project keeps the meaning of what was handed in, and knows its images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import SimpleITK as sitk  # noqa: N813
from harness.local import Local

from xal.errors import BadInput, NotFound, TaskError, Unavailable, Unreadable
from xal.loop.submission import parse_submission
from xal.pool.project import Project
from xal.sources import client
from xal.store.rows import ImageFile
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
    assert wider.store.annotations.find()[0].finding == "disc"


def test_an_archive_that_is_not_there_takes_nothing_for_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.0)
    project = Project.open(Local(tmp_path, 0).task, "http://127.0.0.1:1/dicom-web")
    project.store.images.put([ImageFile("1.2.3", "1.2/1.2.3", 1, 0)])
    with pytest.raises(Unavailable, match="does not answer"):
        project.sync()
    assert project.store.images.counts()["total"] == 1
    assert project.store.database.url.database.startswith(str(tmp_path / "data"))


def test_a_transaction_that_is_tried_again_finds_its_label_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    local = Local(tmp_path, 3)
    add = local.project.store.annotations.add

    def twice(new, write_label, readings, **how):
        write_label(1)  # as in an attempt that the database rolled back
        return add(new, write_label, readings, **how)

    monkeypatch.setattr(local.project.store.annotations, "add", twice)
    annotation = local.hand_in(local.ids[0]).annotation
    assert (local.project.workspace.labels / annotation.label_path).is_file()
    assert annotation.revision == 1


@pytest.mark.parametrize("value", ["\ud800", "a\0b", "", 7, "x" * 201])
@pytest.mark.parametrize("key", ["submission_id", "finding"])
def test_texts_that_cannot_be_stored_or_shown_are_refused(tmp_path: Path, key: str, value: object):
    with pytest.raises(BadInput, match=key):
        parse_submission("image", "ada", tmp_path / "label.nii.gz", None, {key: value})


def test_an_image_that_does_not_fit_the_task_is_never_offered_even_before_a_model(tmp_path: Path):
    local = Local(tmp_path, 3)
    sitk.WriteImage(sitk.Image([16, 16, 8], sitk.sitkUInt8), str(local.studies / "volume.nii.gz"))
    local.project.sync()
    with pytest.raises(Unreadable, match="wants single slices"):
        local.project.volume(local.project.store.images.get("volume"))
    assert local.project.store.images.get("volume").state == "unreadable"
    assert [row.id for row in local.project.store.queue.head(9)].count("volume") == 0


def test_the_first_reading_of_an_image_tells_all_there_is_to_know_of_its_file(tmp_path: Path):
    local = Local(tmp_path, 3)
    assert [row.id for row in local.project.store.images.unread(9)] == local.ids
    local.project.volume(local.project.store.images.get(local.ids[0]))
    assert [row.id for row in local.project.store.images.unread(9)] == local.ids[1:]
    row = local.project.store.images.get(local.ids[0])
    path, checksum = local.project.served(row)
    assert checksum == row.checksum == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_unchanged_folder_is_not_compared_with_the_store_again(tmp_path: Path):
    local = Local(tmp_path, 3)
    assert not local.project.sync()
    local.project.store.images.mark_gone(local.ids[:1])  # as another process might have, for a moment
    assert not local.project.sync()
    local.project._next_comparison = 0.0
    assert local.project.sync()
    assert local.project.store.images.get(local.ids[0]).state == "ok"


def test_a_file_replaced_while_it_is_read_is_not_taken_for_the_old_one(tmp_path: Path):
    local = Local(tmp_path, 3)
    row = local.project.store.images.get(local.ids[0])
    file = local.studies / row.path
    file.write_bytes((local.studies / f"{local.ids[1]}.png").read_bytes() + b" ")
    with pytest.raises(NotFound, match="ask again"):
        local.project.volume(row)
    assert local.project.store.images.get(row.id).state == "ok"
    local.project.sync()
    assert local.project.volume(local.project.store.images.get(row.id)).shape == (32, 32, 1)
