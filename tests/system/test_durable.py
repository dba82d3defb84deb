"""Files that are there whole or not at all, on disks that are full, too."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xal.system import durable
from xal.system.durable import UNFINISHED, copy_atomically, create, is_full, write_atomically


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(b"old")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A limit of this process that cuts a write short, as a full disk does; Python leaves its signal ignored."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_takes_the_place_of_the_one_before(folder: Path):
    write_atomically(folder / "a", b"new")
    write_atomically(folder / "deep" / "er" / "b", b"")
    assert (folder / "a").read_bytes() == b"new"
    assert (folder / "deep" / "er" / "b").read_bytes() == b""


@pytest.mark.parametrize("lasting", [True, False])
def test_a_write_that_was_cut_short_leaves_the_old_file_and_nothing_else(folder: Path, lasting: bool):
    with no_file_above(1000), pytest.raises(OSError, match="too large"):
        write_atomically(folder / "a", b"new" * 1000, lasting)
    assert names(folder) == ["a"]
    assert (folder / "a").read_bytes() == b"old"


@pytest.mark.parametrize("kept", [b"", b"ne", b"new!", b"not"])
def test_what_cannot_be_read_back_gets_no_name(folder: Path, monkeypatch: pytest.MonkeyPatch, kept: bytes):
    read_back = durable._holds

    def after_damage(file: Path, content: bytes) -> bool:
        file.write_bytes(kept)
        return read_back(file, content)

    monkeypatch.setattr(durable, "_holds", after_damage)
    with pytest.raises(OSError, match="not what can be read back"):
        write_atomically(folder / "a", b"new")
    assert names(folder) == ["a"]
    assert (folder / "a").read_bytes() == b"old"


def test_a_created_file_never_takes_the_place_of_another(folder: Path):
    with pytest.raises(FileExistsError):
        create(folder / "a", b"new")
    create(folder / "b", b"new")
    assert (names(folder), (folder / "a").read_bytes()) == (["a", "b"], b"old")


def test_a_copy_has_content_and_time_of_its_file(folder: Path):
    copy_atomically(folder / "a", folder / "b")
    assert (folder / "b").read_bytes() == b"old"
    assert (folder / "b").stat().st_mtime_ns == (folder / "a").stat().st_mtime_ns


def test_unfinished_files_are_known_by_their_names(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # as if the process ended there
    with no_file_above(1000), pytest.raises(OSError, match="too large"):
        write_atomically(folder / "b", b"new" * 1000)
    assert len(list(folder.glob(UNFINISHED))) == 1


def test_a_full_disk_is_recognised_behind_other_errors():
    parsing = ValueError("there was an error parsing the body")
    parsing.__cause__ = OSError(errno.EDQUOT, "quota exceeded")
    assert is_full(parsing)
    assert not is_full(OSError(errno.EACCES, "denied"))
    assert not is_full(None)
