"""Label files: made once, never replaced, known by size and digest, each with a record of what its row says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.local import Local
from sqlalchemy import event, update

from xal.errors import Conflict, Full, StoreError
from xal.pool import label_check
from xal.pool.label_check import SWEEP_SECONDS, Sweep, check_all, checked_label
from xal.pool.label_files import Damaged, read_record, record_of
from xal.pool.rois import drawn_mask
from xal.server.datastore import XalDatastore
from xal.store.engine import Database
from xal.store.rows import AnnotationRow
from xal.store.schema import annotation_table


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 3)


def file_of(local: Local, row: AnnotationRow) -> Path:
    return local.project.workspace.labels / row.label_path


def label_files(local: Local) -> list[str]:
    labels = local.project.workspace.labels
    return sorted(path.relative_to(labels).as_posix() for path in labels.rglob("*") if path.is_file())


def test_the_record_says_what_the_row_says(local: Local):
    row = local.hand_in(local.ids[0]).annotation
    record = read_record(file_of(local, row))
    assert record is not None
    assert (record["pool"], record["task"]) == (local.project.store.pool, "tiny")
    for key in (
        "image", "reader", "revision", "finding", "created_at", "label_path", "label_info", "params", "digest",
        "fingerprint", "submission_id", "source", "roi_voxels", "roi_volume", "centre", "file_size", "file_sha256",
    ):  # fmt: skip
        assert record[key] == getattr(row, key), key


def test_a_label_file_whose_row_was_lost_stays_as_it_is(local: Local):
    row = local.hand_in(local.ids[0]).annotation
    before = file_of(local, row).read_bytes()
    (local.project.workspace.labels / local.ids[1]).mkdir()
    orphan = local.project.workspace.labels / local.ids[1] / "ada.r1.nii.gz"
    orphan.write_bytes(before)
    again = local.hand_in(local.ids[1]).annotation
    assert (orphan.read_bytes(), again.label_path) == (before, f"{local.ids[1]}/ada.r1-2.nii.gz")
    assert file_of(local, again).stat().st_size == again.file_size
    assert read_record(file_of(local, again))["label_path"] == again.label_path
    assert read_record(orphan) is None


def test_a_submission_that_the_store_does_not_take_leaves_no_file(local: Local, monkeypatch: pytest.MonkeyPatch):
    insert = Database.insert

    def full(self, connection, table, row):
        if table is annotation_table:
            raise StoreError("the disk is full")
        return insert(self, connection, table, row)

    with monkeypatch.context() as broken:
        broken.setattr(Database, "insert", full)
        with pytest.raises(StoreError, match="full"):
            local.hand_in(local.ids[0])
    assert label_files(local) == []
    assert local.hand_in(local.ids[0]).annotation.label_path.endswith("ada.r1.nii.gz")


def test_while_the_store_cannot_say_whether_it_took_a_submission_its_file_stays(
    local: Local, monkeypatch: pytest.MonkeyPatch
):
    def gone(*_: object, **__: object) -> None:
        raise StoreError("the database has gone; whether the last change was made is unknown")

    store = local.project.store
    with monkeypatch.context() as broken:
        broken.setattr(store.annotations, "_settle", gone)
        broken.setattr(store.annotations, "unless_label_is_named", gone)
        with pytest.raises(StoreError, match="unknown"):
            local.hand_in(local.ids[0])
    assert label_files(local) == [f"{local.ids[0]}/ada.r1.json", f"{local.ids[0]}/ada.r1.nii.gz"]


def test_a_record_that_was_left_alone_keeps_no_reader_from_an_image(local: Local):
    folder = local.project.workspace.labels / local.ids[0]
    folder.mkdir()
    (folder / "ada.r1.json").write_text("{}")
    row = local.hand_in(local.ids[0]).annotation
    assert row.label_path == f"{local.ids[0]}/ada.r1-2.nii.gz"
    assert (folder / "ada.r1.json").read_text() == "{}"


def test_a_record_that_cannot_be_written_leaves_no_file(local: Local, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr("xal.pool.label_files.create", broken)
        with pytest.raises(OSError, match="Input/output"):
            local.hand_in(local.ids[0])
    assert label_files(local) == []


def test_labels_are_kept_where_files_cannot_have_two_names(local: Local, monkeypatch: pytest.MonkeyPatch):
    def no_links(self: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    first, again = (local.hand_in(local.ids[0], truth=truth).annotation for truth in (None, local.ids[1]))
    assert [row.label_path.rpartition("/")[2] for row in (first, again)] == ["ada.r1.nii.gz", "ada.r2.nii.gz"]
    assert checked_label(local.project, first).is_file()
    assert checked_label(local.project, again).is_file()
    assert not list(local.project.workspace.labels.rglob("*.tmp"))


def test_what_is_sent_again_makes_a_lost_label_file_whole(local: Local):
    row = local.hand_in(local.ids[0]).annotation
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"")):
        damage(file_of(local, row))
        assert len(check_all(local.project)) == 1
        receipt = local.hand_in(local.ids[0])
        assert (receipt.annotation.id, receipt.created) == (row.id, False)
        assert file_of(local, row).stat().st_size == row.file_size
        assert local.project.store.annotations.damaged_count() == 0


IO_ERROR = "/proc/self/mem"
"""Whoever reads the beginning of this file meets an error of input and output."""
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "emptied": (lambda path: path.write_bytes(b""), "has 0 bytes instead of"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-5]), "bytes instead of"),
    "changed": (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "has other content than was handed in"),
    "removed": (lambda path: path.unlink(), "is missing"),
    "not to be read": (lambda path: path.unlink() or path.symlink_to(IO_ERROR), "cannot be read: Input/output error"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_label_file_is_a_problem_by_name_until_it_is_whole_again(local: Local, kind: str):
    row = local.hand_in(local.ids[0]).annotation
    whole = file_of(local, row).read_bytes()
    spoil, said = DAMAGE[kind]
    spoil(file_of(local, row))
    with pytest.raises(Damaged, match=said):
        drawn_mask(local.project, row)
    (noted,) = local.project.store.annotations.damaged()
    assert noted.file_problem.startswith(f"the label file of annotation {row.id} ({row.image}, ada r1) ")
    with pytest.raises(Conflict, match=said):
        XalDatastore(local.project).get_label_uri(row.image, "final")
    file_of(local, row).unlink(missing_ok=True)
    file_of(local, row).write_bytes(whole)
    assert checked_label(local.project, noted) == file_of(local, row)
    assert local.project.store.annotations.damaged_count() == 0


def test_all_label_files_are_looked_at_whoever_uses_them(local: Local, monkeypatch: pytest.MonkeyPatch):
    rows = [local.hand_in(image).annotation for image in local.ids]
    local.project.store.annotations.withdraw(rows[1].id, "ada")
    file_of(local, rows[1]).write_bytes(b"")
    sweep = Sweep(local.project)
    monkeypatch.setattr("xal.pool.label_check.AT_ONCE", 2)
    sweep.go_on(5.0)
    assert [row.id for row in local.project.store.annotations.damaged()] == [rows[1].id]
    file_of(local, rows[2]).unlink()
    sweep.go_on(5.0)
    assert local.project.store.annotations.damaged_count() == 1, f"the next look is {SWEEP_SECONDS:.0f} s later"
    assert [row.id for row in check_all(local.project)] == [rows[1].id, rows[2].id]


def test_a_look_at_label_files_ends_with_its_time_and_goes_on_where_it_was(
    local: Local, monkeypatch: pytest.MonkeyPatch
):
    rows = [local.hand_in(image).annotation for image in local.ids]
    for row in rows:
        file_of(local, row).unlink()
    now, look = [0.0], label_check._look
    monkeypatch.setattr(label_check.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(label_check, "_look", lambda *given: now.append(now.pop() + 1.0) or look(*given))
    now[0] = 1.0
    sweep = Sweep(local.project)
    for looked_at in (1, 2, 3):
        sweep.go_on(0.5)
        assert local.project.store.annotations.damaged_count() == looked_at


def test_on_a_full_disk_a_label_file_is_read_though_nothing_can_be_noted(local: Local):
    row = local.hand_in(local.ids[0]).annotation
    store = local.project.store
    store.database.write(lambda c: c.execute(update(annotation_table).values(file_size=None, file_sha256=None)))

    @event.listens_for(store.database.engine, "connect")
    def no_page_more(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count=1")

    store.database.engine.dispose()
    params = {"long": "x" * 1_000_000}
    with pytest.raises(Full):
        store.database.write(lambda c: c.execute(update(annotation_table).values(params=params)))
    with pytest.MonkeyPatch.context() as every_note_needs_pages:
        set_label_file = store.annotations.set_label_file
        every_note_needs_pages.setattr(
            store.annotations, "set_label_file", lambda number, **_: set_label_file(number, problem=params["long"])
        )
        assert checked_label(local.project, store.annotations.get(row.id)) == file_of(local, row)
    assert store.annotations.get(row.id).file_sha256 is None


def test_label_files_of_before_digests_get_theirs_at_the_first_look(local: Local):
    whole, empty = (local.hand_in(image).annotation for image in local.ids[:2])
    file_of(local, empty).write_bytes(b"")
    store = local.project.store
    store.database.write(lambda c: c.execute(update(annotation_table).values(file_size=None, file_sha256=None)))
    assert [row.id for row in check_all(local.project)] == [empty.id]
    again = store.annotations.get(whole.id)
    assert (again.file_size, again.file_sha256) == (whole.file_size, whole.file_sha256)
    assert "is empty (0 bytes)" in str(store.annotations.get(empty.id).file_problem)


def test_a_record_that_is_none_is_said(local: Local):
    row = local.hand_in(local.ids[0]).annotation
    for content in ("", "[]", json.dumps({"format": 99})):
        record_of(file_of(local, row)).write_text(content)
        with pytest.raises(Damaged, match="is no record"):
            read_record(file_of(local, row))
