"""What holds for every set: going on after a kill, the start set, refusals."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harness.official import (
    noted,
    run_import,
    skipped,
    table,
    write_brats_2020,
    write_folder,
    write_siim,
    write_vindr_kaggle,
)
from harness.warm import WarmProcess

from xal.datasets.truth import read_truth
from xal.imaging.images import read_label
from xal.sources.folder import FolderSource


def listing(studies: Path) -> dict:
    return json.loads((studies / "datastore_v2.json").read_text())


def contents(studies: Path) -> dict[str, bytes]:
    return {
        path.relative_to(studies).as_posix(): path.read_bytes() for path in sorted(studies.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("set") / "source", 60)


def begin_import(source: Path, studies: Path, after: int) -> WarmProcess:
    """Start an import, and wait until so many images are in place."""
    command = ["xal.cli", "import", "folder", str(source), str(studies), "--start", "3"]
    process = WarmProcess(command, os.environ, studies.with_name("import.log"))
    until = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < until and len(list(studies.glob("*.png"))) < after:
        time.sleep(0.002)
    return process


def test_an_import_killed_several_times_ends_as_if_it_never_was(source: Path, tmp_path: Path):
    studies, other = tmp_path / "studies", tmp_path / "other"
    for after in (1, 15, 30):  # long before its end: it is killed a moment after so many are seen
        process = begin_import(source, studies, after)
        process.kill()
        assert process.wait(20) == -signal.SIGKILL, "it was done before it could be killed"
        assert not (studies / ".truth" / "truth.csv").exists()
    times = {path.name: path.stat().st_ctime_ns for path in (studies / ".truth" / "masks").iterdir()}
    assert run_import("folder", source, studies, "--start", "3") == 0
    assert run_import("folder", source, other, "--start", "3") == 0
    ours, theirs = contents(studies), contents(other)
    for name in (".truth/done.jsonl", ".truth/import.json"):
        assert ours.pop(name)
        assert theirs.pop(name)
    assert ours == theirs
    again = {path.name: path.stat().st_ctime_ns for path in (studies / ".truth" / "masks").iterdir()}
    written_twice = [name for name in times if name in again and times[name] != again[name]]
    assert len(written_twice) <= 1, "at most the one it was killed at is done again"


def test_who_interrupts_it_is_told_how_to_go_on(source: Path, tmp_path: Path):
    process = begin_import(source, tmp_path / "studies", 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(240) == 1
    said = (tmp_path / "import.log").read_text()
    assert "xal: stopped; the same command goes on from here" in said
    assert "Traceback" not in said


def test_a_line_cut_short_is_done_again(source: Path, tmp_path: Path):
    studies = tmp_path / "studies"
    assert run_import("folder", source, studies, "--start", "0") == 0
    journal = studies / ".truth" / "done.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-40])
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert sorted(journal.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_what_was_removed_is_put_back(source: Path, tmp_path: Path):
    studies = tmp_path / "studies"
    assert run_import("folder", source, studies) == 0
    before = contents(studies)
    (studies / "case_004.png").unlink()
    (studies / ".truth/masks/case_007.png").unlink()
    assert run_import("folder", source, studies) == 0
    after = contents(studies)
    assert before.pop(".truth/done.jsonl") != after.pop(".truth/done.jsonl")
    assert after == before


def test_a_mended_source_is_taken_in_and_the_start_set_stays(tmp_path: Path):
    source, studies = write_folder(tmp_path / "source", 12), tmp_path / "studies"
    mask = source / "masks/case_003.png"
    content = mask.read_bytes()
    mask.unlink()
    assert run_import("folder", source, studies, "--start", "2") == 0
    assert list(skipped(studies)) == ["images/case_003.png"]
    started = {image for image, entry in listing(studies)["objects"].items() if entry["labels"]}
    mask.write_bytes(content)
    assert run_import("folder", source, studies, "--start", "2") == 0
    assert skipped(studies) == {}
    assert "case_003" in read_truth(studies / ".truth")
    assert {image for image, entry in listing(studies)["objects"].items() if entry["labels"]} == started
    assert "case_003" in listing(studies)["objects"]


CHANGED = "changed since it was imported, and stays as it was; to have it as it is, import into a new folder"


@pytest.mark.parametrize("what", ["label", "mask", "image"])
def test_a_corrected_source_is_named(tmp_path: Path, what: str):
    source, studies = write_folder(tmp_path / "source", 6), tmp_path / "studies"
    assert run_import("folder", source, studies, "--start", "0") == 0
    before = read_truth(studies / ".truth")
    if what == "label":
        rows = (source / "labels.csv").read_text()
        (source / "labels.csv").write_text(rows.replace("case_003.png,benign", "case_003.png,malignant"))
    else:
        file = source / {"mask": "masks", "image": "images"}[what] / "case_003.png"
        other = (source / "images/case_005.png").read_bytes()
        file.unlink()
        file.write_bytes(other)
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert noted(studies) == {"images/case_003.png": CHANGED}
    assert read_truth(studies / ".truth") == before


def correct_brats(source: Path) -> None:
    file = source / "BraTS20_Training_001/BraTS20_Training_001_seg.nii.gz"
    file.write_bytes((source / "BraTS20_Training_002/BraTS20_Training_002_t1.nii.gz").read_bytes())


def correct_vindr(source: Path) -> None:
    file = source / "train.csv"
    file.write_text(file.read_text().replace("a,Cardiomegaly,3,R1,10", "a,Cardiomegaly,3,R1,12"))


def correct_siim(source: Path) -> None:
    file = source / "train_study_level.csv"
    file.write_text(file.read_text().replace("sa_study,0,1,0,0", "sa_study,0,0,0,1"))


HEART = (10.0, 20.0, 40.0, 40.0)
READ = [(image, f"R{reader}", "Cardiomegaly", HEART) for image in "ab" for reader in (1, 2, 3)]
STUDIES = {"sa": "Typical Appearance", "sb": "Typical Appearance"}


@pytest.mark.parametrize(
    ("name", "write", "correct", "changed"),
    [
        (
            "brats",
            lambda source: write_brats_2020(source, {1: "HGG", 2: "LGG"}),
            correct_brats,
            "BraTS20_Training_001",
        ),
        ("vindr_cxr", lambda source: write_vindr_kaggle(source, READ, "ab"), correct_vindr, "a"),
        (
            "siim_covid",
            lambda source: write_siim(source, [(name, f"s{name}", [(5, 5, 9, 9)]) for name in "ab"], STUDIES),
            correct_siim,
            "a",
        ),
    ],
)
def test_a_corrected_public_set_is_named(
    tmp_path: Path, name: str, write: Callable[[Path], Path], correct: Callable[[Path], None], changed: str
):
    source, studies = write(tmp_path / "source"), tmp_path / "studies"
    assert run_import(name, source, studies, "--start", "0") == 0
    before = read_truth(studies / ".truth")
    assert run_import(name, source, studies, "--start", "0") == 0
    assert noted(studies) == {}
    correct(source)
    assert run_import(name, source, studies, "--start", "0") == 0
    assert noted(studies) == {changed: CHANGED}
    assert read_truth(studies / ".truth") == before


def test_a_row_that_is_gone_is_named_and_its_image_stays(tmp_path: Path):
    source, studies = write_folder(tmp_path / "source", 6), tmp_path / "studies"
    assert run_import("folder", source, studies, "--start", "0") == 0
    lines = (source / "labels.csv").read_text().splitlines()
    (source / "labels.csv").write_text("\n".join(line for line in lines if "case_003" not in line))
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert "is no longer in the source" in noted(studies)["images/case_003.png"]
    assert "case_003" in read_truth(studies / ".truth")
    assert "case_003" in listing(studies)["objects"]


def test_a_source_that_was_copied_has_not_changed(tmp_path: Path):
    source, studies = write_folder(tmp_path / "source", 6), tmp_path / "studies"
    assert run_import("folder", source, studies, "--start", "0") == 0
    for file in source.rglob("*.png"):
        os.utime(file, (1, 1))
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert noted(studies) == {}


def test_the_start_set_has_so_many_of_each_finding_of_as_many_groups(source: Path, tmp_path: Path):
    studies = tmp_path / "studies"
    assert run_import("folder", source, studies, "--start", "5") == 0
    truth = read_truth(studies / ".truth")
    started = [image for image, entry in listing(studies)["objects"].items() if entry["labels"]]
    assert Counter(truth[image].finding for image in started) == {"benign": 5, "malignant": 5, "normal": 5}
    for finding in ("benign", "malignant", "normal"):
        assert len({truth[image].group for image in started if truth[image].finding == finding}) == 5
    for image in started:
        values, _ = read_label(studies / "labels/final" / f"{image}.nii.gz")
        roi = truth[image].roi()
        expected = (
            np.zeros_like(values) if roi is None else roi * (["benign", "malignant"].index(truth[image].finding) + 1)
        )
        assert np.array_equal(values, expected)


def test_label_values_follow_the_task(tmp_path: Path):
    source, studies = write_folder(tmp_path / "source", 6, ("spiculated", "ring")), tmp_path / "studies"
    assert run_import("folder", source, studies, "--task", "phantom_2d", "--start", "1") == 0
    truth = read_truth(studies / ".truth")
    for file in (studies / "labels/final").iterdir():
        finding = truth[file.name.split(".")[0]].finding
        assert set(np.unique(read_label(file)[0])) == {0, {"ring": 1, "spiculated": 3}[finding]}


def test_the_truth_is_hidden_from_the_app(source: Path, tmp_path: Path):
    studies = tmp_path / "studies"
    assert run_import("folder", source, studies) == 0
    assert len(FolderSource(studies).scan()) == 60
    assert all(not file.path.startswith(".") for file in FolderSource(studies).scan())


def test_the_same_folder_is_not_filled_in_two_ways(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    studies = tmp_path / "studies"
    assert run_import("folder", source, studies, "--start", "2") == 0
    assert run_import("folder", source, studies, "--start", "3") == 1
    assert "start 2, not 3" in capsys.readouterr().err


def test_findings_that_changed_are_refused_because_labels_would_change_their_meaning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source, studies = write_folder(tmp_path / "source", 4, ("benign", "malignant")), tmp_path / "studies"
    assert run_import("folder", source, studies, "--start", "1") == 0
    before = listing(studies)
    rows = (source / "labels.csv").read_text().replace("case_003.png,malignant", "case_003.png,atypical")
    (source / "labels.csv").write_text(rows)
    assert run_import("folder", source, studies, "--start", "1") == 1
    said = capsys.readouterr().err
    assert "findings ['benign', 'malignant'], not ['atypical', 'benign', 'malignant']" in said
    assert "import into a new folder" in said
    assert listing(studies) == before


def test_a_first_try_that_imported_nothing_binds_nobody(tmp_path: Path):
    source, studies = write_folder(tmp_path / "source", 4), tmp_path / "studies"
    assert run_import("folder", source, studies, "--task", "phantom_2d") == 1
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert len(read_truth(studies / ".truth")) == 4


def test_a_source_may_be_mounted_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, studies = write_folder(tmp_path / "source", 4), tmp_path / "studies"
    assert run_import("folder", source, studies) == 0
    moved = source.rename(tmp_path / "elsewhere")
    assert run_import("folder", moved, studies) == 0
    assert "4 of 4 were imported before" in capsys.readouterr().out


def test_a_folder_with_other_files_is_left_alone(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    studies = tmp_path / "studies"
    studies.mkdir()
    (studies / "thesis.txt").write_text("x")
    assert run_import("folder", source, studies) == 1
    assert "holds other files (thesis.txt)" in capsys.readouterr().err
    assert run_import("folder", source, source / "studies") == 1
    assert "lie in one another" in capsys.readouterr().err


def test_two_imports_at_once_are_refused(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from xal.system.folder_lock import Hold

    hold = Hold(tmp_path / "studies" / ".truth", alone=True)
    assert run_import("folder", source, tmp_path / "studies") == 1
    assert "is being filled by another import" in capsys.readouterr().err
    hold.release()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("folder", "--slices", "largest"), "--slices: 'folder' has no such option; it has none of its own"),
        (("vindr_cxr", "--slices", "3"), "'vindr_cxr' has no such option; it has --findings"),
        (("brats", "--slices", "biggest"), "--slices biggest: it takes 'largest' (of every case"),
        (("brats", "--slices", "0"), "--slices 0: it takes 'largest'"),
        (("vindr_cxr", "--findings", "99"), "--findings 99: it takes K"),
        (("folder", "--start", "-1"), "--start is 0 or more, not -1"),
        (("brats",), "holds nothing of 'brats'"),
        (("siim_covid",), "train_study_level.csv cannot be read"),
        (("vindr_cxr",), "has neither annotations/annotations_train.csv (PhysioNet) nor train.csv (Kaggle)"),
    ],
)
def test_wrong_words_are_refused_with_what_would_be_right(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
):
    name, *options = words
    assert run_import(name, source, tmp_path / "studies", *options) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()


def test_a_source_of_which_nothing_can_be_used_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = write_folder(tmp_path / "source", 3)
    for mask in (source / "masks").iterdir():
        mask.unlink()
    table(source / "labels.csv", (line.split(",") for line in (source / "labels.csv").read_text().splitlines()[:3]))
    assert run_import("folder", source, tmp_path / "studies") == 1
    printed = capsys.readouterr().err
    assert "could be imported" in printed
    assert "its mask case_000.png is missing" in printed


def test_plain_lines_where_nobody_watches(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
):
    monkeypatch.setattr("xal.datasets.progress.LINE_SECONDS", 0.0)
    assert run_import("folder", source, tmp_path / "studies") == 0
    printed = capsys.readouterr()
    assert "importing: 60 of 60" in printed.err.splitlines()
    assert printed.out.startswith("60 images: benign 20, malignant 20, normal 20; 30 of them come with a label\n")


def test_a_copy_serves_where_files_cannot_be_linked(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(18, os.strerror(18))

    monkeypatch.setattr("xal.datasets.placing.os.link", refuse)
    assert run_import("folder", source, tmp_path / "studies") == 0
    copied = tmp_path / "studies" / "case_000.png"
    assert copied.read_bytes() == (source / "images/case_000.png").read_bytes()
    assert not copied.samefile(source / "images/case_000.png")
