import json
import re
from pathlib import Path

import numpy as np
import pytest
from harness.official import noted, rows_of, run_import, skipped, table, write_folder, write_xray
from PIL import Image

from xal.datasets.truth import read_truth
from xal.imaging.images import write_label


def picture(file: Path, size: tuple[int, int] = (24, 20), value: int = 90) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(file)
    return file


def mask(file: Path, rows: slice = slice(2, 9), size: tuple[int, int] = (24, 20)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.zeros(size[::-1], np.uint8)
    drawn[rows, 5:12] = 255
    Image.fromarray(drawn).save(file)
    return file


def test_images_are_the_same_files_and_the_truth_is_what_the_list_says(tmp_path: Path):
    source, studies = write_folder(tmp_path / "source", 9), tmp_path / "studies"
    assert run_import("folder", source, studies) == 0
    truth = read_truth(studies / ".truth")
    assert sorted(truth) == [f"case_{number:03d}" for number in range(9)]
    known = truth["case_004"]
    assert (known.finding, known.group) == ("malignant", "patient 2")
    drawn = np.asarray(Image.open(source / "masks/case_004.png"))
    assert np.array_equal(known.roi()[:, :, 0], drawn.T)
    assert truth["case_002"].finding == "normal"
    assert truth["case_002"].roi() is None
    assert (studies / "case_004.png").samefile(source / "images/case_004.png")


def test_boxes_become_the_pixels_whose_centres_they_hold(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    for name in "abc":
        picture(source / f"{name}.png")
    rows = [("image", "label", "x", "y", "w", "h"), ("a.png", "lump", 3, 4, 5, 6), ("a.png", "lump", 15, 1, 2, 2)]
    table(source / "labels.csv", [*rows, ("b.png", "lump", 2.6, 0, 1.8, 0.2), ("c.png", "none", "", "", "", "")])
    assert run_import("folder", source, studies) == 0
    truth = read_truth(studies / ".truth")
    expected = np.zeros((24, 20), bool)
    expected[3:8, 4:10] = expected[15:17, 1:3] = True
    assert np.array_equal(truth["a"].roi()[:, :, 0], expected)
    assert np.argwhere(truth["b"].roi()[:, :, 0]).tolist() == [[3, 0]]


def test_one_column_may_hold_all_boxes(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    picture(source / "a.png")
    picture(source / "b.png")
    table(
        source / "labels.csv", [("image", "label", "box"), ("a.png", "lump", "1 2 3 4; 10,10,2,2"), ("b.png", "n", "")]
    )
    assert run_import("folder", source, studies) == 0
    assert read_truth(studies / ".truth")["a"].roi().sum() == 3 * 4 + 2 * 2


def test_without_groups_every_image_is_its_own(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    for name in ("a", "b"):
        picture(source / f"{name}.png")
        mask(source / f"{name}_mask.png")
    table(
        source / "labels.csv", [("Image", "Mask", "Label"), ("a.png", "a_mask.png", "x"), ("b.png", "b_mask.png", "y")]
    )
    assert run_import("folder", source, studies) == 0
    assert {known.group for known in read_truth(studies / ".truth").values()} == {"a", "b"}


def test_a_list_may_come_from_a_spreadsheet(tmp_path: Path):
    """With a byte order mark, backslashes, spaces, and words for empty cells."""
    source, studies = tmp_path / "source", tmp_path / "studies"
    picture(source / "images/a.png")
    mask(source / "masks/a.png")
    picture(source / "images/b.png")
    lines = ("image, mask, label, group", "images\\a.png, masks\\a.png, lump, NaN", "images\\b.png, nan, none, p", "")
    (source / "labels.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    assert run_import("folder", source, studies, "--start", "0") == 0
    truth = read_truth(studies / ".truth")
    assert {image: (known.finding, known.group) for image, known in truth.items()} == {
        "a": ("lump", "a"),
        "b": ("none", "p"),
    }


def test_images_that_do_not_fit_the_task_are_named(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    picture(source / "flat.png")
    mask(source / "flat_mask.png")
    volume = np.ones((20, 22, 18), np.uint8)
    for name in ("deep", "deep_mask"):
        write_label(source / f"{name}.nii.gz", volume, np.eye(4))
    rows = [("flat.png", "flat_mask.png", "ring"), ("deep.nii.gz", "deep_mask.nii.gz", "ring")]
    table(source / "labels.csv", [("image", "mask", "label"), *rows])
    assert run_import("folder", source, studies, "--task", "phantom_3d", "--start", "0") == 0
    assert list(read_truth(studies / ".truth")) == ["deep"]
    assert "task 'phantom_3d' wants volumes" in skipped(studies)["flat.png"]


def test_names_that_collide_take_their_folders_with_them(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    rows = [("image", "mask", "label")]
    for image in ("one/1.png", "two/1.png", "two/2.png"):
        picture(source / image)
        mask(source / "masks" / image)
        rows.append((image, f"masks/{image}", "x"))
    table(source / "labels.csv", rows)
    assert run_import("folder", source, studies) == 0
    assert sorted(read_truth(studies / ".truth")) == ["2", "one_1", "two_1"]


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (("Malignant/1.png", "benign/2.png"), ("malignant", "benign")),
        (("a_no-finding.png", "b.png"), ("no finding", "lump")),
        (("m1.png", "b1.png"), ("m", "b")),
    ],
)
def test_ids_do_not_tell_the_finding_that_a_path_names(tmp_path: Path, paths: tuple[str, str], labels: tuple[str, str]):
    source, studies = tmp_path / "source", tmp_path / "studies"
    rows = [("image", "mask", "label", "group")]
    for path, label in zip(paths, labels, strict=True):
        picture(source / path)
        mask(source / "masks" / path)
        rows.append((path, f"masks/{path}", label, f"{label} 7"))
    table(source / "labels.csv", rows)
    assert run_import("folder", source, studies) == 0
    truth = rows_of(studies / ".truth/truth.csv")
    assert {row["source"]: (row["finding"], row["group"]) for row in truth} == {
        path: (label, f"{label} 7") for path, label in zip(paths, labels, strict=True)
    }
    shown = (studies / "datastore_v2.json").read_text()
    objects = json.loads(shown)["objects"]
    assert all(re.fullmatch(r"image_[0-9a-f]{10}", image) for image in objects)
    assert all(re.fullmatch(r"[0-9a-f]{10}", entry["image"]["info"]["group"]) for entry in objects.values())
    assert len({entry["image"]["info"]["group"] for entry in objects.values()}) == 2


def test_a_label_within_another_word_changes_no_id(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    picture(source / "mri.png")
    mask(source / "mask.png")
    table(source / "labels.csv", [("image", "mask", "label"), ("mri.png", "mask.png", "m")])
    assert run_import("folder", source, studies) == 0
    assert list(read_truth(studies / ".truth")) == ["mri"]


def test_a_further_box_that_cannot_be_read_refuses_the_image(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    picture(source / "a.png")
    picture(source / "b.png")
    rows = [("a.png", "lump", 1, 1, 3, 3), ("a.png", "lump", "left", 9, 3, 3), ("b.png", "lump", 1, 1, 3, 3)]
    table(source / "labels.csv", [("image", "label", "x", "y", "w", "h"), *rows])
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert list(read_truth(studies / ".truth")) == ["b"]
    assert "its box cannot be read: 'left' is no number" in skipped(studies)["a.png"]


def test_a_mask_that_lies_elsewhere_in_space_is_refused(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    volume = np.zeros((9, 8, 6), np.uint8)
    volume[1:4, 2:5, 1:3] = 1
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 8
    source.mkdir()
    for name in ("same", "flipped"):
        write_label(source / f"{name}.nii.gz", volume, np.eye(4))
    nudged = np.eye(4)
    nudged[0, 3] = 1e-4
    write_label(source / "same_mask.nii.gz", volume, nudged)
    write_label(source / "flipped_mask.nii.gz", volume[::-1], flipped)
    rows = [(f"{name}.nii.gz", f"{name}_mask.nii.gz", "lump") for name in ("same", "flipped")]
    table(source / "labels.csv", [("image", "mask", "label"), *rows])
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert list(read_truth(studies / ".truth")) == ["same"]
    assert "flipped_mask.nii.gz lies elsewhere in space" in skipped(studies)["flipped.nii.gz"]


def test_a_mask_with_grey_edges_is_cut_at_half_its_maximum(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    rows, columns = np.mgrid[:128, :128]
    drawn = (rows - 60) ** 2 + (columns - 60) ** 2 < 400
    picture(source / "a.png", (128, 128))
    Image.fromarray(np.uint8(drawn * 255)).save(source / "a_mask.jpg", quality=75)
    assert (np.asarray(Image.open(source / "a_mask.jpg")) > 0).sum() > drawn.sum() * 1.1
    table(source / "labels.csv", [("image", "mask", "label"), ("a.png", "a_mask.jpg", "lump")])
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert read_truth(studies / ".truth")["a"].roi().sum() == pytest.approx(drawn.sum(), rel=0.01)
    assert "a_mask.jpg is not two-valued" in noted(studies)["a.png"]


def test_values_that_number_labels_are_all_painted(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    picture(source / "a.png")
    values = np.zeros((20, 24), np.uint8)
    values[2:4], values[4:8], values[8:9] = 1, 2, 5
    Image.fromarray(values).save(source / "m.png")
    table(source / "labels.csv", [("image", "mask", "label"), ("a.png", "m.png", "lump")])
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert read_truth(studies / ".truth")["a"].roi().sum() == (values > 0).sum()
    assert noted(studies) == {}


@pytest.mark.parametrize("colour", [0, 255])
def test_a_mask_may_be_painted_by_transparency_alone(tmp_path: Path, colour: int):
    source, studies = tmp_path / "source", tmp_path / "studies"
    picture(source / "a.png")
    painted = np.full((20, 24, 4), colour, np.uint8)
    painted[..., 3] = 0
    painted[3:7, 5:9, 3] = 255
    Image.fromarray(painted).save(source / "m.png")
    table(source / "labels.csv", [("image", "mask", "label"), ("a.png", "m.png", "lump")])
    assert run_import("folder", source, studies, "--start", "0") == 0
    assert read_truth(studies / ".truth")["a"].roi().sum() == 16


def test_any_format_that_the_app_reads_is_taken_as_it_is(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    write_xray(source / "x.dicom", size=(24, 20))
    volume = np.zeros((8, 9, 5), np.uint8)
    volume[2:4, 3:6, 1:3] = 1
    write_label(source / "v.nii.gz", volume + np.uint8(7), np.diag([2.0, 2, 3, 1]))
    write_label(source / "v_mask.nrrd", volume, np.diag([2.0, 2, 3, 1]))
    mask(source / "x_mask.png")
    table(
        source / "labels.csv",
        [("image", "mask", "label"), ("x.dicom", "x_mask.png", "a"), ("v.nii.gz", "v_mask.nrrd", "b")],
    )
    assert run_import("folder", source, studies, "--start", "1") == 0
    truth = read_truth(studies / ".truth")
    assert np.array_equal(truth["v"].roi(), volume > 0)
    assert truth["v"].mask.name == "v.nii.gz"
    assert (studies / "x.dcm").read_bytes() == (source / "x.dicom").read_bytes()


def test_a_folder_of_dicom_is_one_image(tmp_path: Path):
    source, studies = tmp_path / "source", tmp_path / "studies"
    for z in range(3):
        position = {"ImagePositionPatient": [0, 0, z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write_xray(source / "scan" / f"{z}.dcm", 1, (8, 9), PixelSpacing=[1, 1], Modality="CT", **position)
    write_label(source / "m.nii.gz", np.ones((8, 9, 3), np.uint8), np.diag([-1.0, -1, 1, 1]))
    table(source / "labels.csv", [("image", "mask", "label"), ("scan", "m.nii.gz", "a")])
    assert run_import("folder", source, studies, "--start", "1") == 0
    assert len(list((studies / "scan").iterdir())) == 3
    assert read_truth(studies / ".truth")["scan"].roi().all()


@pytest.fixture(scope="module")
def lies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lies")
    source = folder / "source"
    for name in (
        "good",
        "no_mask",
        "lost_mask",
        "small",
        "empty",
        "twice",
        "both",
        "far",
        "edge",
        "shape",
        "again",
    ):
        picture(source / f"{name}.png")
        mask(source / "m" / f"{name}.png")
    picture(source / "clean.png")
    mask(source / "m/empty.png", slice(0, 0))
    mask(source / "m/shape.png", size=(20, 24))
    (source / "m/lost_mask.png").unlink()
    (source / "cut.png").write_bytes((source / "good.png").read_bytes()[:60])
    rows = [
        (f"{name}.png", f"m/{name}.png", "lump", "", "", "", "")
        for name in ("good", "lost_mask", "empty", "shape", "cut")
    ]
    rows += [("no_mask.png", "", "lump", "", "", "", ""), ("gone.png", "m/good.png", "lump", "", "", "", "")]
    rows += [("twice.png", "m/twice.png", label, "", "", "", "") for label in ("lump", "cyst")]
    rows += [("again.png", "m/again.png", "lump", "", "", "", "")] * 2
    rows += [("both.png", "m/both.png", "lump", 1, 1, 2, 2), ("far.png", "", "lump", 30, 2, 4, 4)]
    rows += [("edge.png", "", "lump", 20, 15, 9, 9), ("small.png", "", "lump", 2, 2, 0, 5)]
    rows += [("clean.png", "", "none", "", "", "", ""), ("word.png", "", "lump", "left", 1, 2, 3)]
    table(source / "labels.csv", [("image", "mask", "label", "x", "y", "w", "h"), *rows])
    assert run_import("folder", source, folder / "studies") == 0
    return folder / "studies"


class TestLies:
    def test_the_rest_is_imported(self, lies: Path):
        assert sorted(read_truth(lies / ".truth")) == ["again", "clean", "edge", "good"]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("no_mask.png", "gives it no mask or box"),
            ("lost_mask.png", "its mask lost_mask.png is missing"),
            ("empty.png", "its mask is empty"),
            ("shape.png", "20 × 24 × 1 voxels, the image 24 × 20 × 1"),
            ("twice.png", "twice, as 'lump' and as 'cyst'"),
            ("both.png", "a mask and a box"),
            ("far.png", "lies outside the image of 24 × 20"),
            ("small.png", "width and height must be above 0"),
            ("cut.png", "cut.png"),
            ("gone.png", "gone.png"),
            ("word.png", "'left' is no number"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, lies: Path, name: str, reason: str):
        assert reason in skipped(lies)[name]

    def test_what_is_imported_all_the_same_is_named_too(self, lies: Path):
        assert "cut at its edge" in noted(lies)["edge.png"]
        assert read_truth(lies / ".truth")["edge"].roi().sum() == 4 * 5
        assert "once is enough" in noted(lies)["again.png"]


def test_labels_that_the_task_lacks_are_named_with_what_is_close(tmp_path: Path):
    source, studies = write_folder(tmp_path / "source", 6, ("ring", "sollid", "normal")), tmp_path / "studies"
    assert run_import("folder", source, studies, "--task", "phantom_2d") == 0
    reasons = skipped(studies)
    assert "did you mean 'solid'?" in reasons["images/case_001.png"]
    assert "'normal' is no finding of task 'phantom_2d'" in reasons["images/case_002.png"]
    assert {known.finding for known in read_truth(studies / ".truth").values()} == {"ring"}


def test_a_list_that_cannot_be_used_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = write_folder(tmp_path / "source", 4)
    table(source / "labels.csv", [("image", "finding"), ("images/case_000.png", "x")])
    assert run_import("folder", source, tmp_path / "studies") == 1
    assert "has no column 'label'; its columns are image, finding" in capsys.readouterr().err
    table(source / "labels.csv", [("image", "label"), ("images/case_000.png", "x"), ("images/case_001.png", "y")])
    assert run_import("folder", source, tmp_path / "studies") == 1
    assert "of 'x', 'y' no image has a mask or a box" in capsys.readouterr().err
