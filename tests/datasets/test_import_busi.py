"""Breast ultrasound, in its official layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness.official import (
    BUSI_FOLDER,
    BUSI_SIZE,
    LESION,
    busi_picture,
    noted,
    rows_of,
    run_import,
    skipped,
    write_busi,
    write_busi_mask,
    write_busi_picture,
)
from harness.simulation import TASKS
from PIL import Image

from xal.datasets.busi import FINDINGS, NORMAL
from xal.datasets.naming import short_hash
from xal.datasets.truth import Known, read_truth
from xal.imaging.geometry import prepare
from xal.imaging.images import read_image
from xal.task import load_task

ONE_EACH = {"benign": 1, "malignant": 1, "normal": 1}


def told(studies: Path) -> dict[str, Known]:
    """The truth by the name that a picture has in the set."""
    names = {row["image"]: Path(row["source"]).name for row in rows_of(studies / ".truth/truth.csv")}
    return {names[image]: known for image, known in read_truth(studies / ".truth").items()}


def outlined(*lesions: tuple[int, int, int, int]) -> np.ndarray:
    """(X, Y)."""
    roi = np.zeros(BUSI_SIZE, bool)
    for column, row, width, height in lesions:
        roi[column : column + width, row : row + height] = True
    return roi


def add(source: Path, name: str, seed: int, *lesions: tuple[int, int, int, int]) -> Path:
    """One more picture, such as "benign/benign (7)", with its mask."""
    file = write_busi_picture(source / BUSI_FOLDER / f"{name}.png", busi_picture(seed))
    write_busi_mask(file, *lesions)
    return file


def test_pictures_have_the_finding_of_their_folder_and_all_their_masks_as_roi(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", {"benign": 2, "malignant": 2, "normal": 1}), tmp_path / "studies"
    assert run_import("busi", source, studies, "--start", "1") == 0
    truth = told(studies)
    assert {name: known.finding for name, known in truth.items()} == {
        "benign (1).png": "benign",
        "benign (2).png": "benign",
        "malignant (1).png": "malignant",
        "malignant (2).png": "malignant",
        "normal (1).png": "normal",
    }
    assert np.array_equal(truth["malignant (1).png"].roi()[:, :, 0], outlined(LESION))
    assert np.array_equal(truth["malignant (2).png"].roi()[:, :, 0], outlined(LESION, (30, 20, 5, 7)))
    assert truth["normal (1).png"].roi() is None
    rows = {row["source"]: row["roi"] for row in rows_of(studies / ".truth/truth.csv")}
    assert rows["benign/benign (2).png"] == "benign (2)_mask.png; benign (2)_mask_1.png"
    assert rows["normal/normal (1).png"] == ""
    assert len({known.group for known in truth.values()}) == 5, "nothing is known of patients"
    assert skipped(studies) == noted(studies) == {}


def test_the_picture_is_the_published_file_and_upright(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    assert run_import("busi", source, studies) == 0
    known = told(studies)["benign (1).png"]
    placed = studies / f"{known.image}.png"
    assert placed.samefile(source / BUSI_FOLDER / "benign" / "benign (1).png")
    assert np.array_equal(read_image(placed).pixels[0, :, :, 0], busi_picture(1).T), "columns go to the right"


def test_ids_do_not_tell_the_finding(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    assert run_import("busi", source, studies) == 0
    assert told(studies)["malignant (1).png"].image == f"image_{short_hash('malignant/malignant (1).png')}"
    seen = [path.name for path in studies.rglob("*") if ".truth" not in path.parts]
    assert not [name for name in seen for finding in FINDINGS if finding in name]


def test_the_outer_and_the_inner_folder_are_the_same_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, studies = write_busi(tmp_path / "s", {"benign": 2, "malignant": 1, "normal": 1}), tmp_path / "studies"
    assert run_import("busi", source, studies) == 0
    before = read_truth(studies / ".truth")
    assert run_import("busi", source / BUSI_FOLDER, studies) == 0
    assert "4 of 4 were imported before" in capsys.readouterr().out
    assert read_truth(studies / ".truth") == before


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_a_mask_is_the_same_however_it_is_stored(tmp_path: Path, mode: str):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    inner = source / BUSI_FOLDER
    write_busi_mask(inner / "benign/benign (1).png", LESION, mode=mode)
    write_busi_mask(inner / "normal/normal (1).png", mode=mode)
    assert run_import("busi", source, studies) == 0
    assert np.array_equal(told(studies)["benign (1).png"].roi()[:, :, 0], outlined(LESION))
    assert told(studies)["normal (1).png"].roi() is None
    assert skipped(studies) == noted(studies) == {}


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_network_sees_the_same_however_a_picture_is_stored(tmp_path: Path, mode: str):
    task, pixels = load_task("busi", TASKS), busi_picture(5)
    plain = prepare(read_image(write_busi_picture(tmp_path / "plain.png", pixels, "L")), task).tensor
    seen = prepare(read_image(write_busi_picture(tmp_path / "a.png", pixels, mode)), task).tensor
    assert np.array_equal(seen.numpy(), plain.numpy())


def test_what_cannot_be_used_is_named_and_the_rest_imported(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    inner = source / BUSI_FOLDER
    write_busi_picture(inner / "benign/benign (10).png", busi_picture(10))
    add(source, "malignant/malignant (11)", 11)
    add(source, "normal/normal (12)", 12, LESION)
    write_busi_mask(inner / "benign/benign (13).png", LESION)
    large = add(source, "benign/benign (14)", 14)
    Image.new("1", (BUSI_SIZE[0] + 1, BUSI_SIZE[1]), 1).save(large.with_name("benign (14)_mask.png"))
    cut = add(source, "malignant/malignant (15)", 15, LESION)
    cut.write_bytes(cut.read_bytes()[:900])
    two = add(source, "benign/benign (16)", 16, LESION)
    Image.new("L", (9, 9), 255).save(two.with_name("benign (16)_mask_1.png"))
    (inner / "benign/benign (17).jpg").write_bytes(b"\xff\xd8\xff")
    assert run_import("busi", source, studies, "--start", "0") == 0
    assert sorted(told(studies)) == ["benign (1).png", "malignant (1).png", "normal (1).png"]
    reasons = skipped(studies)
    assert "its mask benign (10)_mask.png is missing" in reasons.pop("benign/benign (10).png")
    assert "its mask is empty" in reasons.pop("malignant/malignant (11).png")
    assert "it is 'normal', and yet something is outlined" in reasons.pop("normal/normal (12).png")
    assert "is a mask, and there is no picture for it" in reasons.pop("benign/benign (13)_mask.png")
    size = "its mask benign (14)_mask.png has 49 × 40 × 1 voxels, the image 48 × 40 × 1"
    assert size in reasons.pop("benign/benign (14).png")
    assert "malignant (15).png: cannot be decoded" in reasons.pop("malignant/malignant (15).png")
    assert "its mask benign (16)_mask_1.png has 9 × 9 × 1 voxels" in reasons.pop("benign/benign (16).png")
    assert "is no PNG file" in reasons.pop("benign/benign (17).jpg")
    assert reasons == {}


def test_what_computers_leave_in_folders_is_passed_over(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    inner = source / BUSI_FOLDER
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._benign (1).png", "._benign (1)_mask.png"):
        (inner / "benign" / name).write_bytes(b"\0")
    (source / ".DS_Store").write_bytes(b"\0")
    assert run_import("busi", source, studies, "--start", "0") == 0
    assert len(told(studies)) == 3
    assert skipped(studies) == noted(studies) == {}


def test_a_copy_under_the_same_finding_is_left_out(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    add(source, "benign/benign (30)", 1, LESION)
    almost = busi_picture(1)
    almost[-1, -1] ^= 1
    file = write_busi_picture(source / BUSI_FOLDER / "benign/benign (31).png", almost)
    write_busi_mask(file, LESION)
    assert run_import("busi", source, studies, "--start", "0") == 0
    assert sorted(told(studies)) == ["benign (1).png", "benign (31).png", "malignant (1).png", "normal (1).png"]
    assert skipped(studies) == {
        "benign/benign (30).png": "is a copy of benign/benign (1).png: it has the very same pixels"
    }


def test_of_copies_the_first_that_has_a_mask_is_imported(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    add(source, "benign/benign (30)", 1, LESION)
    (source / BUSI_FOLDER / "benign/benign (1)_mask.png").unlink()
    assert run_import("busi", source, studies, "--start", "0") == 0
    assert sorted(told(studies)) == ["benign (30).png", "malignant (1).png", "normal (1).png"]
    assert "is a copy of benign/benign (30).png" in skipped(studies)["benign/benign (1).png"]


def test_copies_under_several_findings_are_all_left_out(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    inner = source / BUSI_FOLDER
    grey = write_busi_picture(inner / "malignant/malignant (30).png", busi_picture(1), "L")
    write_busi_mask(grey, LESION)
    add(source, "benign/benign (31)", 1, LESION)
    assert run_import("busi", source, studies, "--start", "0") == 0
    assert sorted(told(studies)) == ["malignant (1).png", "normal (1).png"]
    reasons = skipped(studies)
    assert sorted(reasons) == ["benign/benign (1).png", "benign/benign (31).png", "malignant/malignant (30).png"]
    assert "very same pixels as benign/benign (1).png, benign/benign (31).png" in reasons.popitem()[1]
    assert all("none of them is imported" in reason for reason in reasons.values())


def test_a_copy_stays_left_out_when_the_import_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    add(source, "benign/benign (30)", 1, LESION)
    assert run_import("busi", source, studies, "--start", "0") == 0
    before, reasons = read_truth(studies / ".truth"), skipped(studies)
    assert run_import("busi", source, studies, "--start", "0") == 0
    assert "3 of 4 were imported before" in capsys.readouterr().out
    assert read_truth(studies / ".truth") == before
    assert skipped(studies) == reasons


def test_a_mask_that_was_added_is_a_change(tmp_path: Path):
    source, studies = write_busi(tmp_path / "s", ONE_EACH), tmp_path / "studies"
    assert run_import("busi", source, studies, "--start", "0") == 0
    write_busi_mask(source / BUSI_FOLDER / "benign/benign (1).png", (30, 20, 5, 7), number=1)
    assert run_import("busi", source, studies, "--start", "0") == 0
    assert list(noted(studies)) == ["benign/benign (1).png"]
    assert "changed since it was imported" in noted(studies)["benign/benign (1).png"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = write_busi(tmp_path / "s", {"benign": 1, "malignant": 1})
    assert run_import("busi", source, tmp_path / "studies", "--start", "0") == 0
    assert skipped(tmp_path / "studies") == {"normal": "there is no such folder"}
    (tmp_path / "empty").mkdir()
    assert run_import("busi", tmp_path / "empty", tmp_path / "others") == 1
    assert "holds nothing of 'busi'" in capsys.readouterr().err


def test_findings_of_busi_are_those_of_the_task():
    task = load_task("busi", TASKS)
    assert task.finding_names == FINDINGS
    assert task.absent == NORMAL
