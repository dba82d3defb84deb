"""An image is ready, comes later or never: for which reason, with which row, and when a loop stops asking."""

from __future__ import annotations

import errno
import gc
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness.archive import FakeArchive, project_on, x_rays
from harness.local import Local

from xal.errors import BadInput, Conflict, Full, NotFound, StoreError, StoreLost, Unavailable, Unreadable
from xal.pool import obtaining
from xal.pool import project as project_module
from xal.pool.obtaining import GIVE_UP, Later, Never, Patience, Ready, Waiting, Why, obtain
from xal.pool.project import Project
from xal.store.rows import ImageRow
from xal.system import turns


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 2)


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with FakeArchive() as made:
        made.admit(*x_rays(5))
        yield made


@pytest.fixture
def remote(archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return project_on(archive, tmp_path, monkeypatch)


def first(project: Project) -> ImageRow:
    return project.store.images.find()[0]


def raising(error: Exception):
    def work(row: ImageRow) -> None:
        raise error

    return work


# answers


def test_an_image_that_is_there_is_ready_with_what_its_first_reading_told(local: Local):
    before = first(local.project)
    answer = obtain(local.project, before, local.project.prepared)
    assert isinstance(answer, Ready)
    assert answer.value.tensor.ndim
    assert (before.fingerprint, answer.row) == (None, first(local.project))
    assert answer.row.fingerprint is not None


def test_what_is_decoded_counts_until_what_is_made_of_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two in the background, of which one prepared its pixels while the other decoded, took a server over 2 GB."""
    project = Local(tmp_path, 2).project
    monkeypatch.setattr(turns, "SMALL", 0)
    held: list[int] = []

    def work(row: ImageRow) -> None:
        project.volume(row)
        held.append(turns._large._used)

    for row in project.store.images.find():
        assert isinstance(obtain(project, row, work), Ready)
    assert all(held), held
    assert turns._large._used == 0


def test_a_damaged_image_is_never_ready_and_its_row_says_why(local: Local):
    file = local.studies / f"{local.ids[0]}.png"
    file.write_bytes(file.read_bytes()[:-50])
    local.project.sync()
    answer = obtain(local.project, first(local.project), local.project.volume)
    assert isinstance(answer, Never)
    assert (answer.why, answer.row.state) == (Why.DAMAGED, "unreadable")
    assert answer.row.problem == str(answer.error)


def test_an_image_whose_file_has_vanished_is_gone_and_not_damaged(local: Local):
    (local.studies / f"{local.ids[0]}.png").unlink()
    answer = obtain(local.project, first(local.project), local.project.volume)
    assert isinstance(answer, Never)
    assert (answer.why, answer.row.state) == (Why.GONE, "ok"), "a scan says so, and may find it again"


def test_an_image_that_was_taken_out_of_the_pool_meanwhile_has_the_row_it_had(local: Local):
    row = first(local.project)
    local.project.store.images.delete(row.id, by="boss")
    answer = obtain(local.project, row, raising(NotFound("no such image")))
    assert isinstance(answer, Never)
    assert answer.row == row


def test_an_image_that_the_archive_does_not_give_comes_later(archive: FakeArchive, remote: Project):
    row = first(remote)
    archive.refused = {row.id}
    answer = obtain(remote, row, remote.served)
    assert isinstance(answer, Later)
    assert (answer.why, answer.row) == (Why.SOURCE, row)
    assert 0 < answer.when - time.monotonic() <= obtaining.RETRY_SECONDS
    archive.refused = set()
    assert isinstance(obtain(remote, row, remote.served), Ready)


def test_an_image_that_the_archive_has_no_more_is_gone(
    archive: FakeArchive, remote: Project, monkeypatch: pytest.MonkeyPatch
):
    row, known = first(remote), archive.answer

    def withdrawn(path: str) -> tuple[int, str, bytes]:
        if row.id not in path:
            return known(path)
        return (404, "text/plain", b"") if "/studies/" in path else (200, "application/dicom+json", b"[]")

    monkeypatch.setattr(archive, "answer", withdrawn)
    answer = obtain(remote, row, remote.volume)
    assert isinstance(answer, Never)
    assert answer.why is Why.GONE


def test_an_image_that_was_corrected_comes_at_once_by_the_row_it_has_now(archive: FakeArchive, remote: Project):
    remote.volume(first(remote))
    before = first(remote)
    instance = next(one for one in x_rays(5) if one.SeriesInstanceUID == before.id)
    pixels = np.frombuffer(instance.PixelData, np.uint16)
    instance.PixelData = (pixels.max() - pixels).tobytes()
    archive.admit(instance)
    for fetched in (remote.workspace.state / "archive").rglob("*.nii.gz"):
        fetched.unlink()
    answer = obtain(remote, before, remote.volume)
    assert isinstance(answer, Later)
    assert answer.why is Why.CORRECTED
    assert answer.when <= time.monotonic()
    assert answer.row.fingerprint not in (None, before.fingerprint)
    assert isinstance(obtain(remote, answer.row, remote.volume), Ready)


def test_a_full_disk_is_no_fault_of_source_or_image(local: Local):
    answer = obtain(local.project, first(local.project), raising(Full("no space")))
    assert isinstance(answer, Later)
    assert answer.why is Why.DISK


@pytest.mark.parametrize("quoted", [True, False], ids=["a folder's", "an archive's"])
def test_what_nobody_foresaw_is_logged_as_the_source_allows_and_told_to_nobody(
    local: Local, remote: Project, caplog: pytest.LogCaptureFixture, quoted: bool
):
    project = local.project if quoted else remote
    answer = obtain(project, first(project), raising(IndexError("Muelle^Patricia")))
    assert isinstance(answer, Later)
    assert answer.why is Why.STUMBLED
    assert str(answer.error).startswith(f"image {first(project).id} cannot be given (IndexError)")
    assert "IndexError" in caplog.text
    assert ("Muelle" in caplog.text) == quoted


@pytest.mark.parametrize("error", [StoreError("the store is locked"), StoreLost("the store is damaged")])
def test_what_is_wrong_with_the_store_is_passed_on_and_counted_against_no_image(local: Local, error: StoreError):
    patience = Patience(local.project.source, after=1)
    with pytest.raises(type(error)):
        obtain(local.project, first(local.project), raising(error), patience)
    assert not patience.over


def test_a_store_that_is_lost_while_the_row_is_looked_up_is_passed_on(local: Local, monkeypatch: pytest.MonkeyPatch):
    row = first(local.project)

    def lost(image: str) -> None:
        raise StoreLost("the store is damaged")

    monkeypatch.setattr(local.project.store.images, "get", lost)
    for work in (lambda row: None, raising(Unavailable("away")), raising(Unreadable("damaged"))):
        with pytest.raises(StoreLost):
            obtain(local.project, row, work)


def test_what_the_machine_is_to_blame_for_comes_later(local: Local, monkeypatch: pytest.MonkeyPatch):
    def fail(path: Path) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(project_module, "read_image", fail)
    answer = obtain(local.project, first(local.project), local.project.volume)
    assert isinstance(answer, Later)
    assert first(local.project).state == "ok"


# patience


class Source:
    """Counts how often it is asked whether it answers."""

    def __init__(self, there: bool) -> None:
        self.there, self.asked = there, 0

    def answers(self) -> bool:
        self.asked += 1
        return self.there


def answers(local: Local, patience: Patience, errors: list[Exception | None]) -> list[bool]:
    """Whether it is over after each of these."""
    over = []
    for error in errors:
        obtain(local.project, first(local.project), raising(error) if error else lambda row: None, patience)
        over.append(patience.over)
    return over


AWAY = Unavailable("the archive does not answer")


def test_a_source_that_is_away_is_asked_once_and_ends_the_loop(local: Local):
    source = Source(there=False)
    patience = Patience(source)
    assert answers(local, patience, [AWAY, None, AWAY, AWAY]) == [False, False, False, True]
    assert (patience.away, source.asked) == (True, 1)


def test_a_source_that_answers_may_refuse_many_images(local: Local):
    source = Source(there=True)
    assert not any(answers(local, Patience(source), [AWAY] * 4 * GIVE_UP))
    assert source.asked == 4


def test_so_many_in_a_row_end_it_although_the_source_answers(local: Local):
    patience = Patience(Source(there=True), in_a_row=4)
    assert answers(local, patience, [AWAY, AWAY, AWAY, None, AWAY, AWAY, AWAY, AWAY]) == [False] * 7 + [True]
    assert not patience.away


def test_what_is_no_fault_of_the_source_does_not_count(local: Local):
    patience = Patience(Source(there=False), after=1)
    assert not any(answers(local, patience, [Unreadable("cut"), NotFound("gone"), Full("full"), IndexError("odd")]))


def test_without_a_source_three_are_enough():
    patience = Patience()
    assert [patience.refuse() for _ in range(GIVE_UP)] == [False, False, True]


def test_who_waits_is_asked_for_again_after_a_while(local: Local, monkeypatch: pytest.MonkeyPatch):
    now = [1000.0]
    monkeypatch.setattr(obtaining.time, "monotonic", lambda: now[0])
    waiting = Waiting()
    answer = obtain(local.project, first(local.project), raising(AWAY))
    assert isinstance(answer, Later)
    waiting.add(answer)
    assert waiting.now() == {answer.row.id}
    now[0] += obtaining.RETRY_SECONDS
    assert waiting.now() == set()


def test_an_answer_keeps_none_of_the_pixels_that_were_being_worked_on(local: Local):
    kept: list[weakref.ref] = []

    def work(_: ImageRow) -> None:
        pixels = np.zeros(1000)
        kept.append(weakref.ref(pixels))
        try:
            raise BadInput("its axis is too short")
        except BadInput as error:
            raise Unreadable("it does not fit") from error

    gc.disable()
    try:
        answer = obtain(local.project, first(local.project), work)
        assert isinstance(answer, Never)
        assert kept[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (KeyError("x"), True),
        (Full("no space"), True),
        (Unavailable("not now"), False),
        (Conflict("it is in use"), False),
    ],
)
def test_what_is_made_of_all_images_ends_with_what_nobody_foresaw(local: Local, error: Exception, ends: bool):
    answer = obtain(local.project, first(local.project), raising(error))
    assert isinstance(answer, Later)
    assert answer.ends_whole is ends
