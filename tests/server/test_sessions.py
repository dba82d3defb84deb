"""Images that clients bring along: nothing leads out of their folder, and none stays for ever."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from fastapi import UploadFile
from harness.disk import small_disk
from monailabel.utils.sessions import Sessions

from xal.errors import BadInput
from xal.server.sessions import create, remove_expired


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(str(tmp_path / "sessions"), 3600)


def upload(name: str, content: bytes) -> UploadFile:
    return UploadFile(io.BytesIO(content), filename=name)


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"pixels")
    return content.getvalue()


def image_of(sessions: Sessions, reply: dict) -> Path:
    return Path(sessions.get_session(reply["session_id"]).image)


def test_one_file_is_the_image_and_several_are_a_series(sessions: Sessions):
    one = create(sessions, [upload("a.nii.gz", b"x")], False, 0)
    assert image_of(sessions, one).name == "a.nii.gz"
    several = create(sessions, [upload("1.dcm", b"x"), upload("2.dcm", b"y")], False, 0)
    assert sorted(file.name for file in image_of(sessions, several).iterdir()) == ["1.dcm", "2.dcm"]


def test_a_zip_of_one_image_is_that_image(sessions: Sessions):
    assert image_of(sessions, create(sessions, [upload("a.zip", zipped("a.png"))], True, 0)).name == "a.png"


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "../../.x", "a\nb", "x" * 300])
def test_names_that_are_none_are_refused(sessions: Sessions, name: str):
    with pytest.raises(BadInput):
        create(sessions, [upload(name, b"x")], False, 0)


def test_nothing_is_unpacked_outside(sessions: Sessions, tmp_path: Path):
    create(sessions, [upload("a.zip", zipped("a.png", "../../evil", "/tmp/evil-xal"))], True, 0)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../../evil"))
    for name, data in (("a.tar", content.getvalue()), ("a.zip", b"no zip"), ("a.zip", zipped("a.png")[:-30])):
        with pytest.raises(BadInput):
            create(sessions, [upload(name, data)], True, 0)
    assert not list(tmp_path.rglob("evil*"))
    assert not Path("/tmp/evil-xal").exists()


def test_where_the_disk_is_full_the_zip_is_not_to_blame(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.nii", bytes(4_000_000))
    with small_disk(tmp_path / "disk", 1) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        with pytest.raises(OSError, match="No space left"):
            create(sessions, [upload("a.zip", content.getvalue())], True, 0)
        assert not list(disk.folder.iterdir())


def test_expired_sessions_go_those_of_earlier_servers_and_cut_off_ones_too(sessions: Sessions):
    reply = create(sessions, [upload("a.png", b"x")], False, 0)
    store = Path(sessions.store_path)
    (store / "cut-off").mkdir()
    (store / "half-written").mkdir()
    (store / "half-written" / "meta.info").write_text("{")
    later = Sessions(sessions.store_path, 3600)  # of a server that has just started
    assert remove_expired(later) == 0
    now = store.stat().st_mtime
    assert remove_expired(later, now + 3700) == 3
    assert not list(store.iterdir())
    assert sessions.get_session(reply["session_id"]) is None
