"""Brain tumours in T1 with contrast, in their official layout."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from harness.official import (
    noted,
    rows_of,
    run_import,
    skipped,
    tumour_mask,
    tumour_picture,
    write_brain_tumours,
    write_folder,
    write_tumour,
)
from harness.simulation import TASKS
from harness.warm import WarmProcess
from PIL import Image
from scipy.io import savemat

from xal.datasets.brain_tumours import FINDINGS, LABELS
from xal.datasets.naming import short_hash
from xal.datasets.truth import Known, read_truth
from xal.imaging.images import read_image
from xal.task import load_task


def told(studies: Path) -> dict[str, Known]:
    """The truth by the name that a slice has in the set."""
    names = {row["image"]: Path(row["source"]).name for row in rows_of(studies / ".truth/truth.csv")}
    return {names[image]: known for image, known in read_truth(studies / ".truth").items()}


def good(file: Path, **changes: object) -> Path:
    """One slice with which nothing is wrong, but for the changes."""
    slice_ = {"label": 2, "patient": "100360", "image": tumour_picture(1), "mask": tumour_mask(), **changes}
    return write_tumour(file, **slice_)


def test_slices_have_the_finding_of_their_label_and_the_group_of_their_patient(tmp_path: Path):
    source, studies = write_brain_tumours(tmp_path / "s", [1, 1, 2, 2, 3]), tmp_path / "studies"
    assert run_import("brain_tumours", source, studies, "--start", "1") == 0
    truth = told(studies)
    assert {name: (known.finding, known.group) for name, known in truth.items()} == {
        "1.mat": ("meningioma", "MR00000A"),
        "2.mat": ("meningioma", "MR00000A"),
        "3.mat": ("glioma", "MR00001A"),
        "4.mat": ("glioma", "MR00001A"),
        "5.mat": ("pituitary", "MR00002A"),
    }
    assert skipped(studies) == noted(studies) == {}
    where = {row["source"] for row in rows_of(studies / ".truth/truth.csv")}
    assert "brainTumorDataPublic_767-1532/2.mat" in where


def test_a_slice_lies_as_matlab_shows_it(tmp_path: Path):
    """The bright corner is up and left, rows go down: as in a PNG of the same picture, which every reader knows."""
    picture, studies = tumour_picture(7), tmp_path / "studies"
    good(tmp_path / "s/1.mat", image=picture)
    assert run_import("brain_tumours", tmp_path / "s", studies) == 0
    known = told(studies)["1.mat"]
    image = read_image(studies / f"{known.image}.nii.gz")
    assert np.array_equal(image.pixels[0, :, :, 0], picture.T)
    Image.fromarray(picture.astype(np.uint16)).save(tmp_path / "shown.png")
    shown = read_image(tmp_path / "shown.png")
    assert np.array_equal(image.pixels, shown.pixels)
    assert np.array_equal(image.affine, shown.affine)
    assert np.array_equal(known.roi()[:, :, 0], tumour_mask().T > 0)


def test_values_are_kept_in_a_picture_of_one_channel(tmp_path: Path):
    picture, studies = tumour_picture(7), tmp_path / "studies"
    picture[0, 0], picture[0, 1] = -5, 32767
    good(tmp_path / "s/1.mat", image=picture)
    assert run_import("brain_tumours", tmp_path / "s", studies) == 0
    written = nibabel.load(next(studies.glob("*.nii.gz")))
    assert written.shape == (48, 40, 1)
    assert written.get_data_dtype() == np.int16
    assert np.array_equal(np.asarray(written.dataobj)[:, :, 0], picture.T)


def test_slices_of_both_sizes_are_imported(tmp_path: Path):
    for name, size in (("1", (256, 256)), ("2", (512, 512))):
        good(tmp_path / f"s/{name}.mat", image=tumour_picture(1, size), mask=tumour_mask(size))
    assert run_import("brain_tumours", tmp_path / "s", tmp_path / "studies", "--start", "0") == 0
    assert {known.roi().shape for known in told(tmp_path / "studies").values()} == {(256, 256, 1), (512, 512, 1)}


def test_numbers_that_run_by_finding_do_not_become_ids(tmp_path: Path):
    source, studies = write_brain_tumours(tmp_path / "s", [1, 2, 3]), tmp_path / "studies"
    assert run_import("brain_tumours", source, studies) == 0
    assert told(studies)["3.mat"].image == f"image_{short_hash('3.mat')}"
    seen = [path.name for path in studies.rglob("*") if ".truth" not in path.parts]
    assert not [name for name in seen for finding in FINDINGS if finding in name]


def test_where_a_slice_lies_below_the_source_does_not_matter(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, studies = write_brain_tumours(tmp_path / "s", [1, 2, 3]), tmp_path / "studies"
    assert run_import("brain_tumours", source, studies, "--start", "0") == 0
    for file in list(source.glob("*/*.mat")):
        file.rename(source / file.name)
    assert run_import("brain_tumours", source, studies, "--start", "0") == 0
    assert "3 of 3 were imported before" in capsys.readouterr().out
    assert noted(studies) == {}


def test_a_name_that_is_there_twice_is_one_slice(tmp_path: Path):
    source, studies = write_brain_tumours(tmp_path / "s", [1, 2, 3]), tmp_path / "studies"
    good(source / "copies/1.mat", label=3)
    assert run_import("brain_tumours", source, studies, "--start", "0") == 0
    assert told(studies)["1.mat"].finding == "meningioma"
    assert noted(studies) == {"1.mat": "is there twice; the first one counts"}


def test_folds_and_what_computers_leave_are_passed_over(tmp_path: Path):
    source, studies = write_brain_tumours(tmp_path / "s", [1, 2, 3]), tmp_path / "studies"
    for name in ("._1.mat", ".trash/9.mat", "__MACOSX/._2.mat", "README.txt", "brainTumorDataPublic_1-766.zip"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"\0")
    assert run_import("brain_tumours", source, studies, "--start", "0") == 0
    assert len(told(studies)) == 3
    assert skipped(studies) == {}


def test_what_cannot_be_used_is_named_and_the_rest_imported(tmp_path: Path):
    source, studies = write_brain_tumours(tmp_path / "s", [1, 2, 3]), tmp_path / "studies"
    known = "1 (meningioma), 2 (glioma), 3 (pituitary)"
    expected = {}

    def lies(name: str, said: str, **changes: object) -> Path:
        expected[name] = said
        return good(source / name, **changes)

    for number, name in enumerate(("label", "PID", "image", "tumorMask"), start=10):
        lies(f"{number}.mat", f"its record cjdata has no field {name}", leave_out=name)
    good(source / "14.mat", leave_out="tumorBorder")  # of which nothing is made
    lies("20.mat", f"its label is 4, and not one of {known}", label=4)
    lies("21.mat", f"its label is 1.5, and not one of {known}", label=1.5)
    lies("22.mat", f"its label is nan, and not one of {known}", label=np.nan)
    lies("23.mat", "its mask has 48 × 41 × 1 voxels, the image 48 × 40 × 1", mask=tumour_mask((41, 48)))
    lies("24.mat", "its mask is empty", mask=np.zeros((40, 48)))
    lies("25.mat", "its PID is empty", patient="  ")
    lies("26.mat", "its PID is no text", PID=np.zeros(2, np.uint64))
    lies("27.mat", "its image is no picture of rows and columns", image=np.zeros((3, 4, 5)))
    cut = lies("30.mat", "cannot be read, it may be damaged or cut short")
    cut.write_bytes(cut.read_bytes()[:-700])
    torn = lies("31.mat", "cannot be read, it may be damaged or cut short")
    with h5py.File(torn) as file:
        start = file["cjdata/image"].id.get_chunk_info(0).byte_offset
    with torn.open("r+b") as content:
        content.seek(start + 200)
        content.write(b"\xff" * 40)
    expected["32.mat"] = "is no MATLAB 7.3 file, or a damaged one"
    (source / "32.mat").write_bytes(b"")
    expected["33.mat"] = "is a MATLAB file without HDF5: save it with -v7.3"
    savemat(source / "33.mat", {"cjdata": {"label": 1}})
    for name, inside in (("34.mat", "other"), ("35.mat", "cjdata")):
        expected[name] = "has no record cjdata"
        with h5py.File(source / name, "w") as file:
            file[inside] = 1
    assert run_import("brain_tumours", source, studies, "--start", "0") == 0
    assert sorted(told(studies)) == ["1.mat", "14.mat", "2.mat", "3.mat"]
    reasons = skipped(studies)
    assert sorted(reasons) == sorted(expected)
    assert [name for name, said in expected.items() if said not in reasons[name]] == []


def test_a_corrected_outline_is_a_change(tmp_path: Path):
    source, studies = write_brain_tumours(tmp_path / "s", [1, 1, 3]), tmp_path / "studies"
    assert run_import("brain_tumours", source, studies, "--start", "0") == 0
    write_tumour(next(source.rglob("2.mat")), 1, "MR00000A", tumour_picture(2), np.roll(tumour_mask(), 1))
    assert run_import("brain_tumours", source, studies, "--start", "0") == 0
    assert "changed since it was imported" in noted(studies)["2.mat"]


def test_a_name_beyond_latin_letters_is_a_patient_like_any_other(tmp_path: Path):
    good(tmp_path / "s/1.mat", patient="患者😀7")
    assert run_import("brain_tumours", tmp_path / "s", tmp_path / "studies", "--start", "0") == 0
    assert told(tmp_path / "studies")["1.mat"].group == "患者😀7"


@pytest.mark.slow
def test_no_other_set_needs_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, log = write_folder(tmp_path / "s", 3), tmp_path / "import.log"
    without = "import sys; sys.modules['h5py'] = None; from xal.cli import main; sys.exit(main(sys.argv[1:]))\n"
    (tmp_path / "without_h5py.py").write_text(without)
    monkeypatch.chdir(tmp_path)
    command = ["without_h5py", "import", "folder", str(source), str(tmp_path / "studies")]
    assert WarmProcess(command, os.environ, log).wait(240) == 0, log.read_text()


def test_a_source_without_slices_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "s").mkdir()
    assert run_import("brain_tumours", tmp_path / "s", tmp_path / "studies") == 1
    assert "holds nothing of 'brain_tumours'" in capsys.readouterr().err


def test_findings_of_brain_tumours_are_those_of_the_task():
    task = load_task("brain_tumours", TASKS)
    assert task.finding_names == FINDINGS
    assert set(FINDINGS) == set(LABELS.values())
    assert task.absent is None
