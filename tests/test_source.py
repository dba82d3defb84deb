"""The studies folder as a source of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from xal.errors import BadInput, Conflict
from xal.source import FolderSource, checked_id


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


def test_what_cannot_be_looked_at_hides_nothing_else(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert names(tmp_path) == {"a": "a.png"}


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
