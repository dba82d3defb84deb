"""A store that is lost is made anew, and says of every annotation what it said before."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from harness.local import INFO, Local
from harness.pools import write_label
from harness.postgres import new_database

from xal.cli import main
from xal.errors import BadInput, Conflict, StoreError, StoreLost
from xal.exchange import adopting
from xal.exchange.adopting import adopt_leftovers, orphans
from xal.exchange.backup import restore_copy
from xal.exchange.rebuild import rebuild
from xal.exchange.store_copies import Rotation, copies
from xal.loop.decisions import set_method
from xal.loop.rules import method
from xal.loop.submission import Submission, submit
from xal.method.story import Story
from xal.model.network import build, save
from xal.pool.label_files import record_of
from xal.pool.lost_store import label_files
from xal.pool.notes import Notes, note_withdrawn, withdrawn_note
from xal.pool.project import Project
from xal.pool.weights import digest
from xal.pool.workspace import ORPHANS
from xal.store.rows import AnnotationRow
from xal.system.disk_space import Space
from xal.system.folder_lock import Hold

IO_ERROR, EIO = "/proc/self/mem", "Input/output error"
"""Whoever reads the beginning of this file meets this error."""
FORGOTTEN = {"id", "file_problem"}
"""What a row says that is not of the annotation."""


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """Six pictures, three of them annotated by two readers, one of them twice; a model had looked at one."""
    local = Local(tmp_path, 6)
    local.model_read(local.ids[1])
    for image in local.ids[:3]:
        local.hand_in(image, "ada")
    local.hand_in(local.ids[1], "Grace Hopper, MD")
    local.hand_in(local.ids[0], "ada", truth=local.ids[3])
    return local


def state(local: Local) -> Path:
    return local.studies / ".xal"


def labels(local: Local) -> Path:
    return state(local) / "tiny" / "labels"


def closed(project: Project) -> None:
    project.store.close()
    project.workspace.close()


def annotations(project: Project) -> dict[str, dict]:
    """What every row says, by its label file."""
    rows = project.store.annotations.find(active_only=False)
    return {row.label_path: {k: v for k, v in asdict(row).items() if k not in FORGOTTEN} for row in rows}


def contents(local: Local) -> dict[str, bytes]:
    return {file.relative_to(labels(local)).as_posix(): file.read_bytes() for file in label_files(labels(local))}


def remove_store(local: Local) -> None:
    for file in state(local).glob("store.sqlite*"):
        file.unlink()


def opened(local: Local) -> Project:
    return Project.open(local.task, str(local.studies))


def copy_now(local: Local) -> Path:
    """A copy of the store as the server's rotation makes it."""
    Rotation(local.project.store, state(local), 7, Space(state(local), 0)).turn()
    return copies(state(local) / "backups")[0]


def test_all_annotations_are_back_from_the_label_files_alone(local: Local):
    before, files = annotations(local.project), contents(local)
    closed(local.project)
    remove_store(local)
    with pytest.raises(StoreLost):
        opened(local)
    rebuilt = rebuild(local.task, str(local.studies))
    assert (rebuilt.begun_with, len(rebuilt.adopted.recorded), rebuilt.adopted.guessed) == (None, 5, [])
    project = opened(local)
    assert annotations(project) == before
    assert contents(local) == files
    assert project.store.images.counts()["completed"] == 3
    assert project.store.images.counts()["total"] == 6


def test_what_label_files_do_not_know_is_said(local: Local):
    image = local.ids[4]
    set_method(local.project, "entropy", by="boss")
    local.project.store.images.decide_outlines({image: False})
    closed(local.project)
    remove_store(local)
    said = "\n".join(rebuild(local.task, str(local.studies)).lines())
    project = opened(local)
    assert (method(project), project.store.images.get(image).outline_wanted) == ("xal", None)
    assert "a method or an α that was set" in said
    assert "of which images outlines were asked for" in said


def test_the_pool_keeps_its_name_when_only_label_files_know_it(local: Local, tmp_path: Path):
    pool = local.project.store.pool
    closed(local.project)
    remove_store(local)
    (state(local) / "pool.json").unlink()
    local.studies.rename(tmp_path / "moved")
    rebuild(local.task, str(tmp_path / "moved"))
    project = Project.open(local.task, str(tmp_path / "moved"))
    assert project.store.pool == pool
    assert len(project.store.annotations.find()) == 4


def test_a_damaged_pool_file_is_made_anew_and_kept_aside(local: Local):
    before, pool = annotations(local.project), local.project.store.pool
    closed(local.project)
    (state(local) / "pool.json").write_text("{")
    rebuild(local.task, str(local.studies))
    project = opened(local)
    assert (project.store.pool, annotations(project)) == (pool, before)
    assert [file.read_text() for file in state(local).glob("replaced-*/pool.json")] == ["{"]


def test_what_was_withdrawn_or_revised_by_somebody_else_does_not_stand_again(local: Local):
    store = local.project.store
    store.annotations.withdraw(store.annotations.find(local.ids[2])[0].id, by="boss")
    notes = Notes(local.project)
    notes.keep()
    store.annotations.withdraw(store.annotations.find(local.ids[1], reader="ada")[0].id, by="boss")
    notes.keep()
    before = annotations(local.project)
    assert sum(row["withdrawn_at"] is not None for row in before.values()) == 2
    closed(local.project)
    remove_store(local)
    assert rebuild(local.task, str(local.studies)).adopted.withdrawn == 2
    assert annotations(opened(local)) == before


def test_a_revision_of_somebody_elses_label_ends_that_though_nobody_has_noted_it(local: Local):
    """As where the server was killed between the revision's label file and its row."""
    image = local.ids[2]
    (first,) = local.project.store.annotations.find(image)
    label = write_label(local.folder / "label.nii.gz", local.pictures[local.ids[3]])
    submit(local.project, Submission(image, "boss", label, INFO, revises=first.id))
    closed(local.project)
    remove_store(local)
    rebuild(local.task, str(local.studies))
    standing = opened(local).store.annotations.find(image)
    assert [row.reader for row in standing] == ["boss"]


def test_a_revision_that_was_withdrawn_leaves_no_image_settled_by_what_it_revised(local: Local):
    store, image = local.project.store, local.ids[2]
    copy_now(local)
    (first,) = store.annotations.find(image)
    label = write_label(local.folder / "label.nii.gz", local.pictures[local.ids[3]])
    revision = submit(local.project, Submission(image, "boss", label, INFO, revises=first.id)).annotation
    note_withdrawn(labels(local), [store.annotations.withdraw(revision.id, by="boss")])
    before, counts = annotations(local.project), store.images.counts()
    closed(local.project)
    (state(local) / "store.sqlite").write_bytes(b"garbage" * 1000)
    rebuild(local.task, str(local.studies))
    project = opened(local)
    assert (annotations(project), project.store.images.counts()) == (before, counts)
    assert project.store.images.get(image).finding is None


def test_a_reader_who_revised_an_own_label_has_withdrawn_nothing(local: Local):
    latest = max(local.project.store.annotations.find(local.ids[0]), key=lambda row: row.revision)
    before = annotations(local.project)
    closed(local.project)
    record = record_of(labels(local) / latest.label_path)
    record.write_text(json.dumps(json.loads(record.read_text()) | {"in_place_of": latest.reader}))
    remove_store(local)
    rebuild(local.task, str(local.studies))
    assert annotations(opened(local)) == before


def test_a_damaged_note_still_says_that_the_annotation_does_not_stand(local: Local):
    row = local.project.store.annotations.find(local.ids[2])[0]
    closed(local.project)
    withdrawn_note(labels(local) / row.label_path).write_text("")
    remove_store(local)
    rebuild(local.task, str(local.studies))
    assert opened(local).store.annotations.find(local.ids[2]) == []


def test_a_note_that_cannot_be_written_keeps_no_other_from_being_and_is_tried_again(local: Local):
    store = local.project.store
    first, second = (store.annotations.find(image)[0] for image in (local.ids[0], local.ids[2]))
    store.annotations.withdraw(first.id, by="boss")
    folder = labels(local) / first.image
    folder.rename(folder.with_name("elsewhere"))
    folder.write_bytes(b"in its place")
    notes = Notes(local.project)
    with pytest.raises(StoreError, match=first.image):
        notes.keep()
    store.annotations.withdraw(second.id, by="boss")
    with pytest.raises(StoreError, match=first.image):
        notes.keep()
    assert withdrawn_note(labels(local) / second.label_path).is_file()
    folder.unlink()
    folder.with_name("elsewhere").rename(folder)
    notes.keep()
    assert withdrawn_note(labels(local) / first.label_path).is_file()


def test_the_command_notes_a_withdrawal_without_a_server(local: Local):
    row = local.project.store.annotations.find(local.ids[2])[0]
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml"), "--reader", "boss"]
    assert main(["withdraw", *words, str(row.id)]) == 0
    assert json.loads(withdrawn_note(labels(local) / row.label_path).read_text())["withdrawn_by"] == "boss"


def test_label_files_without_records_are_taken_up_as_path_and_voxels_say(local: Local):
    local.hand_in(local.ids[5], "ada", truth=local.ids[5])  # shows nothing
    before = annotations(local.project)
    closed(local.project)
    remove_store(local)
    for label in label_files(labels(local)):
        record_of(label).unlink()
    rebuilt = rebuild(local.task, str(local.studies))
    assert len(rebuilt.adopted.guessed) == 6
    after = annotations(opened(local))
    same = ("image", "revision", "finding", "roi_voxels", "active", "file_sha256")
    assert {path: [row[key] for key in same] for path, row in after.items()} == {
        path: [row[key] for key in same] for path, row in before.items()
    }
    assert {row["reader"] for row in after.values()} == {"ada", "Grace_Hopper__MD-" + readers_hash("Grace Hopper, MD")}
    for path, row in after.items():
        assert abs(row["created_at"] - before[path]["created_at"]) < 60


def readers_hash(name: str) -> str:
    return Path(adopting.label_path("", name, 1)).name.split(".")[0].rpartition("-")[2]


def test_what_cannot_be_understood_is_put_aside_and_said(local: Local):
    closed(local.project)
    remove_store(local)
    first, second, *_ = sorted(label_files(labels(local)))
    record_of(first).write_text("{")
    record_of(second).unlink()
    second.write_bytes(b"no NIfTI at all")
    rebuilt = rebuild(local.task, str(local.studies))
    assert set(rebuilt.adopted.aside) == {file.relative_to(labels(local)).as_posix() for file in (first, second)}
    assert len(orphans(labels(local))) == 2
    assert any("cannot be" in line or "is no" in line for line in rebuilt.lines())
    assert len(opened(local).store.annotations.find(active_only=False)) == 3


def test_it_begins_with_the_newest_copy_that_is_whole_and_adds_what_came_later(local: Local):
    store = local.project.store
    store.images.exclude(local.ids[5], "boss", "wrong modality")
    good = copy_now(local)
    damaged = good.with_name("store-29990101-000000.sqlite")
    damaged.write_bytes(good.read_bytes()[:8192] + b"garbage!" * 4096)
    local.hand_in(local.ids[4], "ada")
    before = annotations(local.project)
    closed(local.project)
    (state(local) / "store.sqlite").write_bytes(b"garbage" * 1000)
    rebuilt = rebuild(local.task, str(local.studies))
    assert (rebuilt.begun_with, len(rebuilt.adopted.recorded)) == (good, 1)
    project = opened(local)
    assert annotations(project) == before
    assert project.store.images.get(local.ids[5]).excluded == "wrong modality"
    assert rebuilt.aside is not None
    assert (rebuilt.aside / "store.sqlite").read_bytes() == b"garbage" * 1000


def test_what_was_withdrawn_after_the_copy_stays_withdrawn_in_every_task(local: Local):
    other = local.task.model_copy(update={"name": "other"})
    second = Project.open(other, str(local.studies))
    second.sync()
    label = write_label(local.folder / "label.nii.gz", local.pictures[local.ids[3]])
    submit(second, Submission(local.ids[3], "ada", label, INFO))
    good, image = copy_now(local), local.ids[2]
    before = []
    for project, withdrawn in ((local.project, image), (second, local.ids[3])):
        project.store.annotations.withdraw(project.store.annotations.find(withdrawn)[0].id, by="boss")
        Notes(project).keep()
        before.append((annotations(project), project.store.images.counts()))
        closed(project)
    (state(local) / "store.sqlite").write_bytes(b"garbage" * 1000)
    rebuilt = rebuild(local.task, str(local.studies))
    assert (rebuilt.begun_with, rebuilt.ended) == (good, 2)
    assert any("2 that stood when" in line for line in rebuilt.lines())
    tasks = (opened(local), Project.open(other, str(local.studies)))
    assert [(annotations(project), project.store.images.counts()) for project in tasks] == before


def test_a_store_that_is_whole_only_gets_what_it_lacks_also_from_its_wal(local: Local):
    ids = {row.id for row in local.project.store.annotations.find(active_only=False)}
    row = local.project.store.annotations.find(local.ids[2])[0]
    again = labels(local) / local.ids[5]
    again.mkdir()
    label = labels(local) / row.label_path
    shutil.copy(label, again / label.name)
    record = json.loads(record_of(label).read_text())
    record |= {"image": local.ids[5], "label_path": f"{local.ids[5]}/{label.name}"}
    record_of(again / label.name).write_text(json.dumps(record))
    saved = state(local).with_name("saved")
    shutil.copytree(state(local), saved)  # with the WAL, as after a kill
    closed(local.project)
    shutil.rmtree(state(local))
    saved.rename(state(local))
    assert (state(local) / "store.sqlite-wal").stat().st_size
    assert len(rebuild(local.task, str(local.studies)).adopted.recorded) == 1
    after = opened(local).store.annotations.find(active_only=False)
    assert ids < {row.id for row in after}
    assert len(after) == 6


def test_it_can_be_done_again_and_changes_nothing(local: Local):
    closed(local.project)
    remove_store(local)
    rebuild(local.task, str(local.studies))
    project = opened(local)
    before = annotations(project)
    closed(project)
    again = rebuild(local.task, str(local.studies))
    assert (again.begun_with, again.adopted.recorded) == (state(local) / "store.sqlite", [])
    assert annotations(opened(local)) == before


def test_it_is_refused_while_somebody_has_the_state(local: Local):
    with pytest.raises(Conflict, match="is in use: stop the server"):
        rebuild(local.task, str(local.studies))


def test_where_there_is_no_state_there_is_nothing_to_rebuild(local: Local, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="nothing to make a store of"):
        rebuild(local.task, str(tmp_path / "empty"))


def test_model_versions_are_back_with_what_was_noted_of_them(local: Local):
    store, models = local.project.store, local.project.workspace.models
    for reason in ("published: there was no model before", "published: not worse", "of no note"):
        number = store.versions.add(metrics={"best_metric": 0.5}, verdict={"publish": True, "reason": reason})
        path = models / f"v{number}" / "weights.pt"
        save(path, build(local.task), local.task, {"version": number})
        store.versions.update(number, path=str(path.relative_to(state(local))), sha256=digest(path))
    store.versions.publish(1, "training")
    store.versions.publish(2, "training")
    Notes(local.project).keep()
    before = store.versions.all()
    (models / "v3" / "version.json").unlink()
    (models / "v4").mkdir()
    closed(local.project)
    remove_store(local)
    rebuilt = rebuild(local.task, str(local.studies))
    assert (rebuilt.versions, rebuilt.current) == ([1, 2, 3], 2)
    project = opened(local)
    assert project.store.versions.all()[:2] == before[:2]
    assert project.store.versions.get(3).state == "candidate"
    assert project.model() is not None


def test_a_disk_that_does_not_give_some_files_keeps_the_others_from_nothing(local: Local):
    good = copy_now(local)
    good.with_name("store-29990101-000000.sqlite").symlink_to(IO_ERROR)
    local.hand_in(local.ids[4], "ada")
    lost = labels(local) / local.hand_in(local.ids[5], "ada").annotation.label_path
    weights = local.project.workspace.models / "v1" / "weights.pt"
    closed(local.project)
    for file in (state(local) / "store.sqlite", record_of(lost)):
        file.unlink()
        file.symlink_to(IO_ERROR)
    weights.parent.mkdir(parents=True)
    weights.symlink_to(IO_ERROR)
    rebuilt = rebuild(local.task, str(local.studies))
    assert (rebuilt.begun_with, len(rebuilt.adopted.recorded)) == (good, 1)
    name = f"{local.ids[5]}/{lost.name}"
    assert (rebuilt.adopted.unread, rebuilt.unread_versions) == ({name: EIO}, {1: EIO})
    said = "\n".join(rebuilt.lines())
    assert f"cannot be read: {name}: {EIO}" in said
    assert f"cannot be read: v1: {EIO}" in said
    assert len(opened(local).store.annotations.find(active_only=False)) == 6


def test_another_task_of_the_pool_is_rebuilt_beside_the_first(local: Local):
    other = local.task.model_copy(update={"name": "other"})
    second = Project.open(other, str(local.studies))
    second.sync()
    row = local.project.store.annotations.find(local.ids[2])[0]
    for project in (local.project, second):
        closed(project)
    shutil.copytree(labels(local) / row.image, state(local) / "other" / "labels" / row.image)
    remove_store(local)
    rebuild(local.task, str(local.studies))
    with pytest.raises(StoreLost, match="knows nothing of the task 'other'"):
        Project.open(other, str(local.studies))
    rebuild(other, str(local.studies))
    assert len(Project.open(other, str(local.studies)).store.annotations.find()) == 1
    assert len(opened(local).store.annotations.find()) == 4


@pytest.mark.e2e
def test_an_empty_postgresql_database_is_filled_too(local: Local, cluster: str):
    before = annotations(local.project)
    closed(local.project)
    url = new_database(cluster)
    with pytest.raises(StoreLost):
        Project.open(local.task, str(local.studies), url)
    assert len(rebuild(local.task, str(local.studies), url).adopted.recorded) == 5
    assert annotations(Project.open(local.task, str(local.studies), url)) == before


# label files without a row, at a start


def left_behind(local: Local) -> AnnotationRow:
    """A label file with its record, as a kill between file and row leaves it; the row that would have come."""
    saved = state(local).with_name("saved.sqlite")
    local.project.store.backup(saved)
    row = local.hand_in(local.ids[4], "ada").annotation
    closed(local.project)
    remove_store(local)
    saved.rename(state(local) / "store.sqlite")
    return row


def test_a_label_file_that_a_kill_left_is_taken_up_and_sent_again_is_the_same(local: Local):
    row = left_behind(local)
    local.project = opened(local)
    store = local.project.store
    adopted = adopt_leftovers(store, labels(local), local.task)
    assert (adopted.recorded, adopted.aside) == ([row.label_path], {})
    assert store.annotations.find(local.ids[4]) == [row]
    again = local.hand_in(local.ids[4], "ada")
    assert (again.created, again.annotation.id) == (False, row.id)


def test_what_a_model_had_thought_is_taken_up_as_far_as_an_earlier_version_kept_it(local: Local):
    row = left_behind(local)
    record = record_of(labels(local) / row.label_path)
    kept = {"model_version": 1, "finding": "disc", "probability": 0.5, "overlap": 0.25, "mood": "sure"}
    record.write_text(json.dumps(json.loads(record.read_text()) | {"story": kept}))
    local.project = opened(local)
    adopt_leftovers(local.project.store, labels(local), local.task)
    (adopted,) = local.project.store.annotations.find(local.ids[4])
    assert adopted.story == Story(model_version=1, finding="disc", probability=0.5, overlap=0.25)


def test_one_without_a_record_is_put_aside_and_named_as_a_problem(local: Local, capsys: pytest.CaptureFixture[str]):
    row = left_behind(local)
    content = (labels(local) / row.label_path).read_bytes()
    record_of(labels(local) / row.label_path).unlink()
    local.project = opened(local)
    adopted = adopt_leftovers(local.project.store, labels(local), local.task)
    assert list(adopted.aside) == [row.label_path]
    aside = labels(local) / ORPHANS / row.label_path
    assert aside.read_bytes() == content
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml")]
    assert main(["problems", *words]) == 0
    assert str(aside) in capsys.readouterr().out
    assert local.hand_in(local.ids[4], "ada").created
    closed(local.project)
    assert rebuild(local.task, str(local.studies)).adopted.aside
    assert aside.read_bytes() == content


def test_one_whose_record_the_disk_does_not_give_stays_and_is_tried_again(local: Local):
    row = left_behind(local)
    record = record_of(labels(local) / row.label_path)
    saved = record.read_bytes()
    record.unlink()
    record.mkdir()
    local.project = opened(local)
    adopted = adopt_leftovers(local.project.store, labels(local), local.task)
    assert (adopted.unread, adopted.aside) == ({row.label_path: "Is a directory"}, {})
    record.rmdir()
    record.write_bytes(saved)
    assert adopt_leftovers(local.project.store, labels(local), local.task).recorded == [row.label_path]


def test_a_label_file_of_a_revision_that_another_has_by_now_is_put_aside(local: Local):
    row = left_behind(local)
    label = labels(local) / row.label_path
    other = label.with_name("ada.r1-2.nii.gz")
    label.rename(other)
    record_of(label).rename(record_of(other))
    local.project = opened(local)
    local.hand_in(local.ids[4], "ada", truth=local.ids[0])
    adopted = adopt_leftovers(local.project.store, labels(local), local.task)
    assert "another revision 1" in adopted.aside[f"{row.image}/ada.r1-2.nii.gz"]
    assert (labels(local) / ORPHANS / row.image / "ada.r1-2.json").is_file()


# a copy of the rotation put back


def test_a_copy_is_put_back_and_what_came_later_waits_for_a_rebuild(local: Local, capsys: pytest.CaptureFixture[str]):
    copy = copy_now(local)
    local.hand_in(local.ids[4], "ada")
    before, files = annotations(local.project), contents(local)
    closed(local.project)
    (state(local) / "store.sqlite").write_bytes(b"garbage" * 1000)
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml")]
    assert main(["restore", *words, str(copy)]) == 0
    said = capsys.readouterr().out
    assert "1 label files came after this copy was made" in said
    assert len(list(state(local).glob("replaced-*/store.sqlite"))) == 1
    project = opened(local)
    assert len(project.store.annotations.find(active_only=False)) == 5
    assert adopt_leftovers(project.store, labels(local), local.task).recorded == []
    closed(project)
    assert main(["rebuild", *words]) == 0
    assert "1 taken up from label files" in capsys.readouterr().out
    assert annotations(opened(local)) == before
    assert contents(local) == files


def test_weights_that_a_copy_does_not_know_wait_for_a_rebuild(local: Local, capsys: pytest.CaptureFixture[str]):
    copy, store, models = copy_now(local), local.project.store, local.project.workspace.models
    path = models / "v1" / "weights.pt"
    save(path, build(local.task), local.task, {"version": store.versions.add()})
    store.versions.update(1, path=str(path.relative_to(state(local))), sha256=digest(path))
    Notes(local.project).keep()
    before, weights = store.versions.all(), path.read_bytes()
    closed(local.project)
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml")]
    assert main(["restore", *words, str(copy)]) == 0
    assert "1 model versions came after it" in capsys.readouterr().out
    assert (models / ORPHANS / "v1" / "weights.pt").read_bytes() == weights
    assert not path.exists()
    assert rebuild(local.task, str(local.studies)).versions == [1]
    assert opened(local).store.versions.all() == before
    assert path.read_bytes() == weights


def test_what_a_copy_brings_back_stands_after_a_rebuild_too(local: Local):
    before, copy = annotations(local.project), copy_now(local)
    row = local.project.store.annotations.find(local.ids[2])[0]
    local.project.store.annotations.withdraw(row.id, by="boss")
    Notes(local.project).keep()
    closed(local.project)
    aside = restore_copy(copy, str(local.studies)).aside
    assert aside is not None
    assert withdrawn_note(aside / "tiny" / "labels" / row.label_path).is_file()
    remove_store(local)
    assert rebuild(local.task, str(local.studies)).begun_with == copy
    assert annotations(opened(local)) == before


def test_a_copy_is_not_put_under_an_open_state_nor_one_of_another_pool(local: Local, tmp_path: Path):
    copy = copy_now(local)
    with pytest.raises(Conflict, match="is in use"):
        restore_copy(copy, str(local.studies))
    closed(local.project)
    other = Local(tmp_path / "other", 2)
    closed(other.project)
    with pytest.raises(BadInput, match="is of another pool of images"):
        restore_copy(copy, str(other.studies))
    with pytest.raises(StoreLost, match="is no store, or damaged"):
        restore_copy(local.folder / "tiny.yaml", str(local.studies))
    with pytest.raises(BadInput, match="--database must say the same"):
        restore_copy(copy, str(local.studies), "postgresql+psycopg://somewhere/xal")
    assert len(opened(local).store.annotations.find()) == 4


def test_a_copy_names_the_pool_where_nothing_else_does(local: Local):
    pool, copy = local.project.store.pool, copy_now(local)
    closed(local.project)
    remove_store(local)
    (state(local) / "pool.json").write_bytes(b"")
    restore_copy(copy, str(local.studies))
    assert opened(local).store.pool == pool


def test_the_hold_is_released_whatever_came_of_it(local: Local):
    closed(local.project)
    with pytest.raises(StoreLost):
        restore_copy(local.folder / "tiny.yaml", str(local.studies))
    Hold(state(local), alone=True).release()
