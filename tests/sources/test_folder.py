"""The studies folder as a source of images."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from xal.errors import BadInput, Conflict, Unreadable
from xal.sources.folder import FolderSource, checked_id


def names(folder: Path) -> dict[str, str]:
    return {file.id: file.path for file in FolderSource(folder).scan()}


def test_images_are_found_and_everything_else_is_not(tmp_path: Path):
    for name in ("a.png", "b.nii.gz", "c.JPG", "notes.txt", "datastore_v2.json", ".hidden.png", "x.seg.nrrd"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.nii.gz").write_bytes(b"x")
    (tmp_path / ".xal").mkdir()
    assert names(tmp_path) == {"a": "a.png", "b": "b.nii.gz", "c": "c.JPG"}


def test_a_folder_of_dicom_is_one_image(tmp_path: Path):
    series = tmp_path / "series 1"
    series.mkdir()
    for number in range(3):
        (series / f"{number}.dcm").write_bytes(b"\0" * 128 + b"DICM")
    (file,) = FolderSource(tmp_path).scan()
    assert (file.id, file.path, file.size) == ("series 1", "series 1", 396)


def test_a_folder_of_something_else_is_no_image(tmp_path: Path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "weights.pt").write_bytes(b"x" * 500)
    assert names(tmp_path) == {}


def test_of_two_files_with_one_id_the_first_counts_and_the_other_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "a.nii.gz").write_bytes(b"x")
    (tmp_path / "a.png").write_bytes(b"x")
    assert names(tmp_path) == {"a": "a.nii.gz"}
    assert "a.png is ignored" in caplog.text


def test_a_file_added_beside_an_image_of_the_same_id_does_not_take_its_place(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"x")
    source = FolderSource(tmp_path)
    known = {file.id: file for file in source.scan()}
    (tmp_path / "a.nii.gz").write_bytes(b"x")
    assert [file.path for file in source.scan(known)] == ["a.png"]


def listed(folder: Path) -> dict[str, str]:
    """What is listed, and why it must not be opened."""
    source, said = FolderSource(folder), {}
    for file in source.scan():
        try:
            source.path(file)
            said[file.id] = "fine"
        except Unreadable as error:
            said[file.id] = str(error)
        assert source.still_is(file), "a problem of this very file"
    return said


def test_what_is_no_file_of_the_folder_is_named_and_hides_nothing_else(tmp_path: Path):
    studies, outside = tmp_path / "studies", tmp_path / "outside.png"
    studies.mkdir()
    outside.write_bytes(b"x")
    (studies / "a.png").write_bytes(b"x")
    (studies / "loop.png").symlink_to("loop.png")
    (studies / "nowhere.png").symlink_to("nothing")
    (studies / "zero.png").symlink_to("/dev/zero")
    (studies / "out.png").symlink_to(outside)
    (studies / "folder out").symlink_to(tmp_path)
    os.mkfifo(studies / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(studies / "socket.png"))
    said = listed(studies)
    assert said.pop("a") == "fine"
    assert {name: text.partition(": ")[2].partition(":")[0] for name, text in said.items()} == {
        "loop": "is a link that leads nowhere",
        "nowhere": "is a link that leads nowhere",
        "zero": "is a link out of the studies folder",
        "out": "is a link out of the studies folder",
        "folder out": "is a link out of the studies folder",
        "pipe": "is a FIFO, not a file",
        "socket": "is a socket, not a file",
    }


def test_links_within_the_folder_and_a_linked_folder_are_fine(tmp_path: Path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "x.png").write_bytes(b"x")
    (tmp_path / "archive" / "soft.png").symlink_to("x.png")
    (tmp_path / "archive" / "hard.png").hardlink_to(tmp_path / "archive" / "x.png")
    (tmp_path / "studies").symlink_to("archive")
    assert set(listed(tmp_path / "studies").values()) == {"fine"}
    assert len(listed(tmp_path / "studies")) == 3


@pytest.mark.parametrize("name", ["2.dcm", "extra.png", ".hidden"])
def test_a_series_with_a_fifo_in_its_folder_is_a_problem(tmp_path: Path, name: str):
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(b"\0" * 128 + b"DICM")
    os.mkfifo(tmp_path / "series" / name)
    assert listed(tmp_path) == {"series": f"series: holds {name!r}, which is a FIFO, not a file"}


def test_a_series_of_links_out_of_the_folder_is_a_problem_and_a_folder_of_other_links_is_none(tmp_path: Path):
    studies = tmp_path / "studies"
    (tmp_path / "1.dcm").write_bytes(b"\0" * 128 + b"DICM")
    for folder, name in (("series", "1.dcm"), ("tools", "python")):
        (studies / folder).mkdir(parents=True)
        (studies / folder / name).symlink_to(tmp_path / "1.dcm")
    assert set(listed(studies)) == {"series"}


def test_adding_never_overwrites(tmp_path: Path):
    source = FolderSource(tmp_path)
    upload = tmp_path / "upload"
    upload.write_bytes(b"first")
    assert source.add("new", upload, ".png").path == "new.png"
    upload.write_bytes(b"second")
    with pytest.raises(Conflict):
        source.add("new", upload, ".png")
    assert (tmp_path / "new.png").read_bytes() == b"first"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "bad", ["", "..", "../x", "a/b", "a\\b", ".x", "x.", " x", "a\0b", "a\nb", "x" * 129, "片" * 100, "a:b"]
)
def test_ids_that_are_no_file_names_are_refused(bad: str):
    with pytest.raises(BadInput):
        checked_id(bad)


@pytest.mark.parametrize("good", ["case 1", "Größe-3", "1.2.840.113619", "a_b"])
def test_ids_that_people_use_are_taken(good: str):
    assert checked_id(good) == good
