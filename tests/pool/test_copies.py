"""Files made from images for clients and browsers: within a bound, and the same again after they had to go."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from harness.local import Local
from PIL import Image

from xal.errors import Full
from xal.pool.project import ArchiveOptions, Project
from xal.pool.views import display_file, thumbnail_file
from xal.store.rows import ImageRow

COUNT = 12
SIDE = 64


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    """A pool of pictures with colour, for a task of one channel, with room for copies of some of them."""
    monkeypatch.setattr("xal.pool.copies.IN_USE_SECONDS", 0)
    made = Local(tmp_path, 0)
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)).save(made.studies / f"{number:02}.png")
    return made


def opened(local: Local, copies: int | None = None) -> Project:
    """The project, with room for so many copies of pictures of full noise."""
    room = ArchiveOptions() if copies is None else ArchiveOptions(cache_gb=copies * 6_000 / 0.8 / 1e9)
    project = Project.open(local.task, str(local.studies), archive=room)
    project.sync()
    return project


def rows(project: Project) -> list[ImageRow]:
    return project.store.images.find()


def kept(local: Local) -> list[Path]:
    return [path for path in (local.studies / ".xal").rglob("copies/*/*") if path.is_file()]


def test_what_clients_were_sent_is_the_same_after_it_had_to_make_room(local: Local):
    project = opened(local, copies=3)
    for row in rows(project):
        project.volume(row)
    assert 0 < len(kept(local)) <= 4
    for _ in range(2):
        for row in rows(project):
            path, checksum = project.served(row)
            assert checksum == row.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert rows(project) == rows(opened(local)), "and nothing was found out anew"


@pytest.mark.parametrize("make", [display_file, thumbnail_file])
def test_what_browsers_are_shown_makes_room_too_and_is_made_again(local: Local, make):
    roomy = opened(local)
    first = {row.id: make(roomy, row).read_bytes() for row in rows(roomy)}
    project = opened(local, copies=3)
    for row in rows(project):
        assert make(project, row).read_bytes() == first[row.id]
        assert sum(path.stat().st_size for path in kept(local)) <= 1.1 * 3 * 6_000


def test_a_folder_keeps_its_bound_for_commands_beside_the_server(local: Local):
    from xal.loop.decisions import keep_conf_archive

    keep_conf_archive(opened(local), ArchiveOptions(cache_gb=3 * 6_000 / 0.8 / 1e9))
    beside = Project.open(local.task, str(local.studies))
    for row in rows(beside):
        beside.served(row)
    assert len(kept(local)) <= 4


@pytest.mark.parametrize("spoilt", [b"", b"\x1f\x8b", b"\x89PNG\r\n\x1a\n" + bytes(40)])
@pytest.mark.parametrize("make", [lambda project, row: project.served(row)[0], display_file, thumbnail_file])
def test_a_copy_that_was_cut_or_damaged_is_made_anew(local: Local, make, spoilt: bytes):
    project = opened(local)
    row = rows(project)[0]
    project.volume(row)
    whole = make(project, project.store.images.get(row.id)).read_bytes()
    for path in kept(local):
        path.write_bytes(spoilt)
    again = opened(local)  # as after a power cut
    assert make(again, again.store.images.get(row.id)).read_bytes() == whole


def test_without_space_facts_are_learnt_and_copies_wait(local: Local):
    local.project.sync()
    project = Project.open(local.task, str(local.studies), archive=ArchiveOptions(reserve_mb=1 << 40))
    row = rows(project)[0]
    project.volume(row)
    row = project.store.images.get(row.id)
    assert row.checksum is not None
    assert kept(local) == []
    with pytest.raises(Full):
        project.served(row)
    with pytest.raises(Full, match="no space for a copy"):
        thumbnail_file(project, row)
    assert hashlib.sha256(opened(local).served(row)[0].read_bytes()).hexdigest() == row.checksum
