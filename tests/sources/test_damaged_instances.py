"""Damaged DICOM: what is not needed is not looked at, what is needed is named, and nothing of it is ever quoted."""

from __future__ import annotations

import errno
import logging
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.archive import FakeArchive, project_on, x_rays
from harness.hospital import publish_untrained

import phantoms
from xal.errors import Unavailable, Unreadable
from xal.loop.scoring import score_pool
from xal.pool import project as project_module
from xal.pool.project import Project
from xal.server.prefetch import Prefetch
from xal.server.strategy import strategies
from xal.server.watch import Watch
from xal.sources import series_cache as cache

NAME = b"Muelle"
DAMAGES = {
    "short of a private one": (0x00111001, "US", NAME + b" "),
    "another private one": (0x00111001, "FD", NAME),
    "address of a private one": (0x00111001, "AT", NAME + b" "),
    "no such representation": (0x00111001, "ZZ", NAME),
    "one that is dropped": (0x00281090, "US", NAME + b" "),
    "a number of a patient": (0x00101030, "DS", NAME),
}
NEEDED = {
    "Rows": (0x00280010, "US", NAME + b" "),
    "ImagerPixelSpacing": (0x00181164, "DS", NAME),
    "WindowCenter": (0x00281050, "ZZ", NAME),
}


def element(tag: int, representation: str, value: bytes) -> bytes:
    """As it stands in a file of explicit representations; a later one replaces an earlier one."""
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, representation.encode(), len(value)) + value


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with FakeArchive() as made:
        yield made


def pool(archive: FakeArchive, folder: Path, monkeypatch: pytest.MonkeyPatch, *damages: tuple) -> tuple[Project, str]:
    """A project on six X-rays, one of them damaged, and that one's id."""
    made = x_rays(6)
    archive.admit(*made)
    image = str(made[2].SeriesInstanceUID)
    archive.pictures[image] += b"".join(element(*one) for one in damages)
    project = project_on(archive, folder, monkeypatch)
    publish_untrained(project)
    return project, image


def kept_words(project: Project, caplog: pytest.LogCaptureFixture) -> str:
    """All that is said and written but pixels."""
    texts = [*caplog.messages, *(str(row.problem) for row in project.store.images.find()), caplog.text]
    return "\n".join(texts)


def score(project: Project):
    return score_pool(project, lambda done, total: None)


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_not_needed_is_not_even_looked_at(
    archive: FakeArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
):
    project, image = pool(archive, tmp_path, monkeypatch, DAMAGES[kind])
    assert (project.volume(project.store.images.get(image)).pixels == phantoms.case("dx", 2).pixels).all()
    assert score(project).scored == 6
    assert NAME.decode() not in kept_words(project, caplog)


@pytest.mark.parametrize("keyword", NEEDED)
def test_what_is_needed_and_damaged_makes_one_image_unreadable_in_plain_words(
    archive: FakeArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    keyword: str,
):
    project, image = pool(archive, tmp_path, monkeypatch, NEEDED[keyword])
    with caplog.at_level(logging.DEBUG):
        assert score(project).scored == 5
    row = project.store.images.get(image)
    assert (row.state, row.problem) == ("unreadable", f"{image}: has a damaged {keyword} in its DICOM header")
    assert NAME.decode() not in kept_words(project, caplog)


def test_an_instance_that_does_not_say_what_it_is_is_unreadable(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (case,) = x_rays(1)
    archive.admit(case)
    project = project_on(archive, tmp_path, monkeypatch)
    del case.SOPClassUID
    store = cache.SeriesCache(tmp_path / "cache", 1 << 30)
    with pytest.raises(Unreadable, match="has no SOPClassUID"):
        store.get("1.2", "1/1.2", 1, lambda: [case])
    assert project.store.images.counts()["total"] == 1


def test_a_full_disk_is_no_fault_of_the_image(archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project, image = pool(archive, tmp_path, monkeypatch)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache, "dcmwrite", full)
        with pytest.raises(Unavailable, match="No space left"):
            project.volume(project.store.images.get(image))
    assert project.store.images.get(image).state == "ok"
    assert project.volume(project.store.images.get(image)).pixels.size


@pytest.fixture
def stumbling(archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, str]:
    """A project of which nobody foresaw what happens at one image, and that one's id."""
    project, image = pool(archive, tmp_path, monkeypatch)
    really = project_module.read_image

    def read(path: Path):
        if image in path.name:
            raise IndexError(NAME.decode())
        return really(path)

    monkeypatch.setattr(project_module, "read_image", read)
    return project, image


def test_scoring_survives_whatever_one_image_does(stumbling: tuple[Project, str], caplog: pytest.LogCaptureFixture):
    project, image = stumbling
    assert score(project).scored == 5
    assert f"image {image} cannot be given: IndexError" in caplog.text
    assert "in read" in caplog.text, "where it was is told"
    assert NAME.decode() not in kept_words(project, caplog)


def test_reading_ahead_and_keeping_ready_survive_it(
    stumbling: tuple[Project, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    project, image = stumbling
    watch, ready = Watch(project, None, lambda: None, scan_seconds=1), Prefetch(project)
    for _ in range(6):
        assert watch._done(watch._read_ahead) is None
        assert watch._done(ready.keep) is None
    assert [row.id for row in project.store.images.unread(9)] == [image]
    assert f"image {image} cannot be given: IndexError" in caplog.text
    assert NAME.decode() not in kept_words(project, caplog)

    def stumble() -> None:
        raise IndexError(NAME.decode())

    assert "IndexError" in str(watch._done(stumble))
    assert "in stumble" in caplog.text
    assert NAME.decode() not in kept_words(project, caplog)


@pytest.mark.parametrize("place", range(6))
def test_readers_get_the_other_images_and_nobody_keeps_that_one(
    stumbling: tuple[Project, str], caplog: pytest.LogCaptureFixture, place: int
):
    project, image = stumbling
    line = [row.id for row in project.store.queue.head(6) if row.id != image]  # by chance, another one for every pool
    project.store.predictions.line_up([*line[:place], image, *line[place:]])
    given = strategies(project, False)["xal"]
    others = {given({"client_id": f"reader_{number}"}, None)["id"] for number in range(5)}
    assert len(others) == 5
    assert image not in others
    with pytest.raises(Unavailable):
        given({"client_id": "reader_5"}, None)
    assert image not in {lease.image for lease in project.store.queue.leases()}
    assert f"image {image} cannot be given: IndexError" in caplog.text
    assert NAME.decode() not in kept_words(project, caplog)


def test_an_archive_that_cannot_give_some_images_is_not_called_away(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project, _ = pool(archive, tmp_path, monkeypatch)
    archive.refused = set(sorted(archive.pictures)[:4])
    watch, ready = Watch(project, None, lambda: None, scan_seconds=1), Prefetch(project)
    for _ in range(6):
        assert watch._done(watch._read_ahead) is None
        assert watch._done(ready.keep) is None
    assert {row.id for row in project.store.images.unread(9)} == archive.refused
