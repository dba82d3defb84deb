"""What the machine is to blame for passes: it never makes an image unreadable, which in an archive is for ever."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.archive import FakeArchive, project_on, x_rays
from harness.local import Local

from xal.errors import NotFound, Unavailable, Unreadable
from xal.imaging import images, integrity
from xal.imaging.images import read_image
from xal.pool import project as project_module
from xal.pool.project import Project
from xal.sources import series_cache as cache


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with FakeArchive() as archive:
        archive.admit(*x_rays(1))
        yield project_on(archive, tmp_path, monkeypatch)


def removing(really: Callable, times: int) -> Callable:
    """A function of a path that does its work after the file was removed to make room, so many times."""
    left = iter(range(times))

    def work(path: Path, *more: object):
        if next(left, None) is not None:
            path.unlink()
        return really(path, *more)

    return work


def removing_after(really: Callable, times: int) -> Callable:
    """The same, but the file is removed when it has done its work."""
    left = iter(range(times))

    def work(path: Path, *more: object):
        done = really(path, *more)
        if path.name.endswith(".nii.gz") and next(left, None) is not None:
            path.unlink()
        return done

    return work


def test_a_file_that_makes_room_before_it_is_read_is_fetched_again(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(project_module, "read_image", removing(read_image, 1))
    (row,) = project.store.images.find()
    assert project.volume(row).pixels.size
    (row,) = project.store.images.find()
    assert (row.state, row.problem) == ("ok", None)


@pytest.mark.parametrize("asked", ["volume", "served", "prepared"])
def test_a_file_that_makes_room_while_it_is_read_is_fetched_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, asked: str
):
    (row,) = project.store.images.find()
    project.source.path(row)
    monkeypatch.setattr(images, "sniff", removing_after(integrity.sniff, 1))
    assert getattr(project, asked)(row)
    (row,) = project.store.images.find()
    assert (row.state, row.problem) == ("ok", None)


def test_one_that_makes_room_again_and_again_is_asked_for_later(project: Project, monkeypatch: pytest.MonkeyPatch):
    (row,) = project.store.images.find()
    with monkeypatch.context() as patch:
        patch.setattr(project_module, "read_image", removing(read_image, 9))
        with pytest.raises(Unavailable, match="at the moment"):
            project.volume(row)
    assert project.store.images.find() == [row]
    assert project.volume(row).pixels.size


@pytest.mark.parametrize("where", [project_module, cache])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOENT])
@pytest.mark.parametrize("wrapped", [False, True])
def test_errors_of_the_machine_are_not_kept_as_the_images(
    project: Project, monkeypatch: pytest.MonkeyPatch, where: object, number: int, wrapped: bool
):
    (row,) = project.store.images.find()

    def fail(path: Path):
        error = OSError(number, "as the machine says")
        raise (Unreadable(f"{path.name}: {error.strerror}") if wrapped else error) from (error if wrapped else None)

    with monkeypatch.context() as patch:
        patch.setattr(where, "read_image", fail)
        with pytest.raises(Unavailable):
            project.volume(row)
    assert project.store.images.find() == [row]
    assert project.volume(row).pixels.size


@pytest.mark.parametrize("left", [b"", b"\x1f\x8b", None])
def test_a_fetched_file_that_was_damaged_is_fetched_again(project: Project, left: bytes | None):
    (row,) = project.store.images.find()
    path = project.source.path(row)
    path.write_bytes(path.read_bytes()[:-500] if left is None else left)
    assert project.volume(row).pixels.size
    assert project.store.images.get(row.id).state == "ok"


def test_what_is_damaged_in_a_folder_is_unreadable_as_before(tmp_path: Path):
    local = Local(tmp_path, 2)
    file = local.studies / f"{local.ids[0]}.png"
    file.write_bytes(file.read_bytes()[:-50])
    local.project.sync()
    with pytest.raises(Unreadable, match="cannot be decoded"):
        local.project.volume(local.project.store.images.get(local.ids[0]))
    assert local.project.store.images.get(local.ids[0]).state == "unreadable"


def test_a_file_of_a_folder_that_vanishes_while_it_is_read_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    local = Local(tmp_path, 2)
    monkeypatch.setattr(project_module, "read_image", removing(read_image, 1))
    with pytest.raises(NotFound, match="has vanished"):
        local.project.volume(local.project.store.images.get(local.ids[0]))
    assert local.project.store.images.get(local.ids[0]).state == "ok"


def test_a_file_that_the_server_may_not_read_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    local = Local(tmp_path, 2)

    def refuse(path: Path, *_: object):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(project_module, "read_image", refuse)
    row = local.project.store.images.get(local.ids[0])
    with pytest.raises(Unreadable, match="the server may not read it"):
        local.project.volume(row)
    assert local.project.store.images.get(row.id).state == "unreadable"
