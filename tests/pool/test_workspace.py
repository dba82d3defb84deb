"""Where a pool's state lies."""

from __future__ import annotations

import threading

import pytest

from xal.errors import StoreError
from xal.pool import workspace
from xal.pool.workspace import Workspace


def test_a_folder_keeps_its_state_inside(tmp_path):
    place = Workspace.open(str(tmp_path), "phantom")
    assert place.state == tmp_path / ".xal"
    assert place.database() == f"sqlite:///{tmp_path}/.xal/store.sqlite"
    assert place.labels.is_dir()
    assert place.models.is_dir()
    assert place.cache.is_dir()
    assert len(place.pool) == 16


def test_tasks_share_the_pool_and_not_the_files(tmp_path):
    one, other = Workspace.open(str(tmp_path), "one"), Workspace.open(str(tmp_path), "other")
    assert one.pool == other.pool
    assert one.database() == other.database()
    assert not {one.labels, one.models, one.cache} & {other.labels, other.models, other.cache}


def test_every_spelling_of_a_folder_is_one_pool(tmp_path, monkeypatch):
    (tmp_path / "studies").mkdir()
    (tmp_path / "link").symlink_to("studies")
    monkeypatch.chdir(tmp_path)
    spellings = ["studies", "studies/", "./studies/../studies", str(tmp_path / "studies"), "link"]
    assert len({Workspace.open(each, "t").pool for each in spellings}) == 1


def test_a_folder_that_is_moved_keeps_its_pool(tmp_path):
    (tmp_path / "before").mkdir()
    pool = Workspace.open(str(tmp_path / "before"), "t").pool
    (tmp_path / "before").rename(tmp_path / "after")
    assert Workspace.open(str(tmp_path / "after"), "t").pool == pool


def test_a_url_keeps_its_state_in_the_users_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    place = Workspace.open("http://ann:secret@PACS:8042/dicom-web/", "t")
    assert place.studies == "http://pacs:8042/dicom-web"
    assert place.state == tmp_path / "xal" / place.pool
    assert place.pool == Workspace.open("http://pacs:8042/dicom-web", "t").pool
    assert place.pool != Workspace.open("http://pacs:8043/dicom-web", "t").pool
    assert "secret" not in (place.state / "pool.json").read_text()


def test_the_state_can_be_kept_elsewhere(tmp_path):
    (tmp_path / "studies").mkdir()
    place = Workspace.open(str(tmp_path / "studies"), "t", tmp_path / "state")
    assert place.labels == tmp_path / "state" / "t" / "labels"
    assert not (tmp_path / "studies" / ".xal").exists()


def test_studies_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(StoreError, match="neither a folder nor a URL"):
        Workspace.open(str(tmp_path / "nowhere"), "t")


def test_a_state_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / ".xal").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot be kept in .*\.xal"):
        Workspace.open(str(tmp_path), "t")


def test_a_damaged_pool_file_is_refused(tmp_path):
    Workspace.open(str(tmp_path), "t")
    (tmp_path / ".xal" / "pool.json").write_text("{")
    with pytest.raises(StoreError, match=r"pool\.json does not name a pool"):
        Workspace.open(str(tmp_path), "t")


def test_sqlite_on_a_network_file_system_is_refused_but_not_postgresql(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "network_filesystem", lambda path: "nfs4")
    place = Workspace.open(str(tmp_path), "t")
    with pytest.raises(StoreError, match=r"network file system \(nfs4\)"):
        place.database()
    assert place.database("postgresql+psycopg://host/db") == "postgresql+psycopg://host/db"


def test_processes_that_start_at_once_agree_on_the_pool(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(Workspace.open(str(tmp_path), "t").pool)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / ".xal").iterdir() if path.name.startswith(".pool")] == []
