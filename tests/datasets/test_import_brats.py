from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from harness.official import (
    BRATS_AFFINE,
    BRATS_SHAPE,
    NEW,
    OLD,
    noted,
    rows_of,
    run_import,
    skipped,
    table,
    write_brats_2020,
    write_brats_case,
)

from xal.datasets.brats import GRADES, REGIONS, patient_of
from xal.datasets.truth import read_truth
from xal.imaging.geometry import prepare
from xal.imaging.images import read_image
from xal.task import TASKS, load_task


def truth(studies: Path) -> dict[str, tuple[str, str]]:
    return {image: (known.finding, known.group) for image, known in read_truth(studies / ".truth").items()}


def test_volumes_of_2020_have_four_channels_in_order_and_the_grade_of_the_list(tmp_path: Path):
    source, studies = write_brats_2020(tmp_path / "s", {1: "HGG", 2: "LGG"}), tmp_path / "studies"
    assert run_import("brats", source, studies, "--start", "1") == 0
    assert truth(studies) == {
        "BraTS20_Training_001": ("HGG", "BraTS20_Training_001"),
        "BraTS20_Training_002": ("LGG", "BraTS20_Training_002"),
    }
    volume = read_image(studies / "BraTS20_Training_001.nii.gz")
    case = source / "BraTS20_Training_001"
    for channel, ending in enumerate(OLD):
        scan = read_image(case / f"{case.name}_{ending}.nii.gz")
        assert np.array_equal(volume.pixels[channel], scan.pixels[0])
    assert np.allclose(volume.affine, BRATS_AFFINE)
    assert prepare(volume, load_task("brats", TASKS)).tensor.shape == (4, 88, 104, 80)
    whole = read_image(case / f"{case.name}_seg.nii.gz").pixels[0] > 0
    assert np.array_equal(read_truth(studies / ".truth")["BraTS20_Training_001"].roi(), whole)


def test_grades_of_2018_and_2019_are_the_folders(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    write_brats_case(source / "HGG" / "Brats18_TCIA02_171_1", {2: 5}, OLD)
    write_brats_case(source / "LGG" / "BraTS19_TCIA09_141_1", {2: 5}, OLD, suffix=".nii")
    assert run_import("brats", source, studies, "--start", "0") == 0
    assert truth(studies) == {
        "Brats18_TCIA02_171_1": ("HGG", "Brats18_TCIA02_171"),
        "BraTS19_TCIA09_141_1": ("LGG", "BraTS19_TCIA09_141"),
    }


def test_slices_of_2023_have_the_dominant_part_and_time_points_share_a_patient(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    write_brats_case(source / "BraTS-GLI-00003-000", {1: 1, 2: 1, 3: 4}, NEW, joint="-")
    write_brats_case(source / "BraTS-GLI-00003-001", {1: 1, 2: 4, 3: 1}, NEW, joint="-")
    assert run_import("brats", source, studies, "--slices", "largest", "--start", "0") == 0
    known = read_truth(studies / ".truth")
    assert truth(studies) == {
        "BraTS-GLI-00003-000_slice_006": ("enhancing tumour", "BraTS-GLI-00003"),
        "BraTS-GLI-00003-001_slice_006": ("enhancing tumour", "BraTS-GLI-00003"),
    }
    case = source / "BraTS-GLI-00003-000"
    labels = read_image(case / f"{case.name}-seg.nii.gz").pixels[0]
    assert np.array_equal(known["BraTS-GLI-00003-000_slice_006"].roi(), labels[:, :, [6]] == 3)
    volume = read_image(studies / "BraTS-GLI-00003-000_slice_006.nii.gz")
    assert np.array_equal(volume.pixels[0], read_image(case / f"{case.name}-t1n.nii.gz").pixels[0][:, :, [6]])
    assert np.allclose(volume.affine[:3, 3], BRATS_AFFINE[:3, 3] + 6 * BRATS_AFFINE[:3, 2])
    assert prepare(volume, load_task("brats_regions", TASKS)).tensor.shape == (4, 160, 160)


def test_every_nth_slice_that_shows_enough_is_a_case(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    write_brats_case(source / "BraTS2021_00000", {1: 1, 2: 9, 4: 5}, OLD)
    assert run_import("brats", source, studies, "--slices", "4", "--start", "0") == 0
    assert {image: finding for image, (finding, _) in truth(studies).items()} == {
        "BraTS2021_00000_slice_006": "enhancing tumour",
        "BraTS2021_00000_slice_010": "enhancing tumour",
        "BraTS2021_00000_slice_014": "oedema",
    }


def test_slices_have_the_grade_where_it_is_known_and_the_region_where_it_is_asked_for(tmp_path: Path):
    source = write_brats_2020(tmp_path / "s", {1: "HGG", 2: "LGG"})
    assert run_import("brats", source, tmp_path / "a", "--slices", "largest", "--start", "0") == 0
    assert Counter(finding for finding, _ in truth(tmp_path / "a").values()) == {"HGG": 1, "LGG": 1}
    options = ("--slices", "largest", "--by", "region", "--start", "0")
    assert run_import("brats", source, tmp_path / "b", *options) == 0
    assert {finding for finding, _ in truth(tmp_path / "b").values()} == {"enhancing tumour"}


def test_volumes_without_grades_are_refused_with_what_can_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "s"
    write_brats_case(source / "BraTS2021_00000", {2: 9}, OLD)
    assert run_import("brats", source, tmp_path / "studies") == 1
    assert "--slices largest" in capsys.readouterr().err
    assert run_import("brats", source, tmp_path / "studies", "--by", "grade") == 1
    assert "no grade is known" in capsys.readouterr().err
    assert run_import("brats", source, tmp_path / "studies", "--by", "region", "--start", "0") == 0
    assert truth(tmp_path / "studies") == {"BraTS2021_00000": ("oedema", "BraTS2021_00000")}


def test_cases_that_lie_are_named_and_the_rest_is_imported(tmp_path: Path):
    source, studies = write_brats_2020(tmp_path / "s", dict.fromkeys(range(1, 9), "HGG") | {9: "LGG"}), tmp_path / "out"

    def file(number: int, ending: str) -> Path:
        return source / f"BraTS20_Training_{number:03d}" / f"BraTS20_Training_{number:03d}_{ending}.nii.gz"

    file(1, "t2").unlink()
    file(2, "seg").unlink()
    file(3, "flair").write_bytes(file(3, "flair").read_bytes()[:900])
    segmentation = file(4, "seg").rename(file(4, "seg").with_name("W39_1998.09.19_Segm.nii.gz"))
    file(5, "seg").write_bytes(file(5, "t1").read_bytes())
    write_brats_case(tmp_path / "other" / "BraTS20_Training_006", {0: 1}, OLD)
    file(6, "seg").write_bytes((tmp_path / "other/BraTS20_Training_006/BraTS20_Training_006_seg.nii.gz").read_bytes())
    write_brats_case(source / "BraTS20_Training_010", {2: 5}, OLD)
    lines = (source / "name_mapping.csv").read_text().splitlines()
    lines += ["LGG,NA,NA,NA,NA,BraTS20_Training_007", "HGG,NA,NA,NA,NA,BraTS20_Training_099"]
    table(source / "name_mapping.csv", [line.split(",") for line in lines])
    assert run_import("brats", source, studies, "--start", "0") == 0
    assert sorted(truth(studies)) == [f"BraTS20_Training_{number:03d}" for number in (4, 8, 9)]
    reasons = {name[-3:]: reason for name, reason in skipped(studies).items()}
    assert "no T2 scan" in reasons["001"]
    assert "no segmentation" in reasons["002"]
    assert "BraTS20_Training_003_flair.nii.gz" in reasons["003"]
    assert "is no BraTS segmentation" in reasons["005"]
    assert "outlines nothing" in reasons["006"]
    assert "HGG and LGG" in reasons["007"]
    assert "not known" in reasons["010"]
    assert segmentation.name in noted(studies)["BraTS20_Training_004"]


def test_a_list_without_grades_is_named_and_the_rest_is_imported(tmp_path: Path):
    source, studies = write_brats_2020(tmp_path / "s", {1: "HGG", 2: "LGG"}), tmp_path / "studies"
    table(source / "old" / "name_mapping.csv", [("BraTS_2019_subject_ID",), ("BraTS19_2013_10_1",)])
    (source / "broken").mkdir()
    (source / "broken" / "name_mapping.csv").write_bytes(b"Grade\n\xff\xfe\n")
    assert run_import("brats", source, studies, "--start", "0") == 0
    assert sorted(truth(studies)) == ["BraTS20_Training_001", "BraTS20_Training_002"]
    assert "has no column 'grade'" in skipped(studies)["old/name_mapping.csv"]
    assert "cannot be read" in skipped(studies)["broken/name_mapping.csv"]


def test_hidden_files_are_no_scans(tmp_path: Path):
    source, studies = write_brats_2020(tmp_path / "s", {1: "HGG", 2: "LGG"}), tmp_path / "studies"
    (source / "BraTS20_Training_001/._BraTS20_Training_001_t1.nii.gz").write_bytes(b"\0\5\26\7" * 20)
    write_brats_case(source / ".trash" / "BraTS20_Training_003", {2: 5}, OLD)
    assert run_import("brats", source, studies, "--start", "0") == 0
    assert sorted(truth(studies)) == ["BraTS20_Training_001", "BraTS20_Training_002"]
    assert skipped(studies) == noted(studies) == {}


def test_a_file_of_another_case_is_named_and_not_used(tmp_path: Path):
    source, studies = write_brats_2020(tmp_path / "s", {1: "HGG", 2: "LGG", 3: "LGG"}), tmp_path / "studies"
    one, two = source / "BraTS20_Training_001", source / "BraTS20_Training_002"
    (two / "BraTS20_Training_009_seg.nii.gz").write_bytes(b"of another case")
    (one / "BraTS20_Training_001_seg.nii.gz").rename(one / "BraTS20_Training_009_seg.nii.gz")
    assert run_import("brats", source, studies, "--start", "0") == 0
    assert sorted(truth(studies)) == ["BraTS20_Training_002", "BraTS20_Training_003"]
    assert "BraTS20_Training_009_seg.nii.gz is of another case" in noted(studies)["BraTS20_Training_002"]
    assert "it has no segmentation" in skipped(studies)["BraTS20_Training_001"]


@pytest.mark.parametrize("below", ["", "all"])
def test_all_cases_may_lie_in_one_folder(tmp_path: Path, below: str):
    source, studies = tmp_path / "s", tmp_path / "studies"
    (source / below).mkdir(parents=True)
    for number in (1, 2):
        for file in write_brats_case(tmp_path / f"BraTS2021_0000{number}", {number: 5}, OLD).iterdir():
            file.rename(source / below / file.name)
    assert run_import("brats", source, studies, "--slices", "largest", "--start", "0") == 0
    assert {image[:15]: finding for image, (finding, _) in truth(studies).items()} == {
        "BraTS2021_00001": "necrotic core",
        "BraTS2021_00002": "oedema",
    }


@pytest.mark.parametrize(("endings", "joint", "wrong"), [(OLD, "_", 3), (NEW, "-", 4)])
def test_values_of_another_year_are_refused(tmp_path: Path, endings: tuple[str, ...], joint: str, wrong: int):
    source, studies = tmp_path / "s", tmp_path / "studies"
    write_brats_case(source / "good", {2: 5}, endings, joint)
    write_brats_case(source / "wrong", {2: 5, wrong: 6}, endings, joint)
    assert run_import("brats", source, studies, "--slices", "largest", "--start", "0") == 0
    assert {finding for finding, _ in truth(studies).values()} == {"oedema"}
    assert f"it has the value(s) {wrong}" in skipped(studies)["wrong"]


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("Brats18_CBICA_AAB_1", "Brats18_CBICA_AAB"),
        ("BraTS19_2013_10_1", "BraTS19_2013_10"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00000", "BraTS2021_00000"),
        ("BraTS-GLI-00003-001", "BraTS-GLI-00003"),
    ],
)
def test_the_patient_is_the_name_without_the_time_point(case: str, patient: str):
    assert patient_of(case) == patient


def test_findings_are_those_of_the_tasks():
    assert load_task("brats", TASKS).finding_names == GRADES
    assert load_task("brats_slices", TASKS).finding_names == GRADES
    assert load_task("brats_regions", TASKS).finding_names == tuple(REGIONS)


def test_the_truth_says_where_a_case_comes_from(tmp_path: Path):
    source, studies = write_brats_2020(tmp_path / "s", {1: "HGG", 2: "LGG"}), tmp_path / "studies"
    assert run_import("brats", source, studies, "--slices", "largest", "--start", "0") == 0
    row = rows_of(studies / ".truth" / "truth.csv")[0]
    assert (row["source"], row["roi"]) == ("BraTS20_Training_001", "BraTS20_Training_001_seg.nii.gz")
    assert 0 <= int(row["slice"]) < BRATS_SHAPE[2]
