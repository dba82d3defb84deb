"""The decathlon, and boxes as COCO lists them."""

import json
from pathlib import Path

import numpy as np
import pytest
from harness.official import noted, rows_of, run_import, skipped
from PIL import Image

from xal.datasets.cases import Box, covered, dominant
from xal.datasets.truth import read_truth
from xal.imaging.images import write_label


def volume(file: Path, values: dict[int, int]) -> None:
    voxels = np.zeros((10, 9, 8), np.uint8)
    for value, slices in values.items():
        voxels[2:5, 3:6, value : value + slices] = value
    file.parent.mkdir(parents=True, exist_ok=True)
    write_label(file, voxels, np.eye(4))


def test_msd_volumes_have_the_label_with_most_voxels(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    painted = {"liver_0": {1: 1, 2: 5}, "liver_1": {1: 1}, "liver_2": {}, "liver_3": {3: 1}, "liver_4": {2: 2}}
    for name, values in painted.items():
        volume(source / "imagesTr" / f"{name}.nii.gz", {1: 3})
        volume(source / "labelsTr" / f"{name}.nii.gz", values)
    volume(source / "imagesTr" / "liver_9.nii.gz", {1: 3})
    (source / "labelsTr" / "liver_4.nii.gz").unlink()
    pairs = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in painted]
    listed = {"labels": {"0": "background", "1": "liver", "2": "tumour"}, "training": pairs}
    (source / "dataset.json").write_text(json.dumps(listed))
    assert run_import("msd", source, studies, "--start", "1") == 0
    truth = read_truth(studies / ".truth")
    assert {image: known.finding for image, known in truth.items()} == {"liver_0": "tumour", "liver_1": "liver"}
    assert truth["liver_0"].roi().sum() == 9 * 5
    reasons = {Path(name).name: reason for name, reason in skipped(studies).items()}
    assert "outlines nothing" in reasons["liver_2.nii.gz"]
    assert "value 3" in reasons["liver_3.nii.gz"]
    assert "No such file" in reasons["liver_4.nii.gz"]
    assert "does not list it" in reasons["liver_9.nii.gz"]


def test_coco_images_have_the_category_that_covers_most(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    (source / "images").mkdir(parents=True)
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        Image.new("L", (30, 20), 80).save(source / "images" / name)
    listed = {
        "images": [{"id": 7 + n, "file_name": name} for n, name in enumerate([*names, "gone.png"])],
        "categories": [{"id": 1, "name": "nodule"}, {"id": 2, "name": "mass"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [10, 5, 9, 8]},
            {"id": 3, "image_id": 8, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"id": 4, "image_id": 8, "category_id": 5, "bbox": [1, 2, 3, 4]},
            {"id": 6, "image_id": 8, "category_id": 1, "bbox": [1, 2, 3]},
            {"id": 5, "image_id": 99, "category_id": 1, "bbox": [1, 2, 3, 4]},
        ],
    }
    (source / "annotations.json").write_text(json.dumps(listed))
    assert run_import("coco", source, studies, "--start", "0") == 0
    truth = read_truth(studies / ".truth")
    assert {image: known.finding for image, known in truth.items()} == {"a": "mass", "b": "nodule", "c": "no finding"}
    assert truth["a"].roi().sum() == 9 * 8
    reasons = skipped(studies)
    assert "gone.png" in reasons
    assert "the image 99" in reasons["annotation 5"]
    kept = [row["reason"] for row in rows_of(studies / ".truth/skipped.csv") if row["imported"] == "yes"]
    assert any("unknown category 5" in reason for reason in kept)
    assert any("[1, 2, 3] is not x, y, width and height" in reason for reason in kept)


def coco(source: Path, name: str, images: dict[int, str], annotations: list[tuple[int, int, object]]) -> None:
    """A list of categories 1 and 2 (nodule, mass), and a picture for every image."""
    entries = [{"id": number, "file_name": file} for number, file in images.items()]
    content = {
        "images": entries,
        "categories": [{"id": 1, "name": "nodule"}, {"id": 2, "name": "mass"}],
        "annotations": [
            {"image_id": image, "category_id": category, "bbox": box} for image, category, box in annotations
        ],
    }
    for file in images.values():
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (30, 20), 80).save(source / file)
    (source / "annotations").mkdir(exist_ok=True)
    (source / "annotations" / name).write_text(json.dumps(content))


def test_a_coco_image_none_of_whose_boxes_can_be_used_is_not_taken_for_healthy(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    boxes = [(1, 5, [1, 2, 3, 4]), (2, 1, [1, 2, 3, 4]), (2, 1, None), (3, 1, "1 2 3 4"), (4, 1, [1, None, 3, 4])]
    coco(source, "a.json", {1: "one.png", 2: "two.png", 3: "three.png", 4: "four.png"}, boxes)
    assert run_import("coco", source, studies, "--start", "0") == 0
    assert {image: known.finding for image, known in read_truth(studies / ".truth").items()} == {"two": "nodule"}
    assert "unknown category 5" in skipped(studies)["one.png"]
    assert "'1 2 3 4' is not x, y, width and height" in skipped(studies)["three.png"]
    assert "[1, None, 3, 4] is not x, y, width and height" in skipped(studies)["four.png"]
    assert "None is not x, y, width and height" in noted(studies)["two.png"]


def test_coco_files_that_share_an_id_are_refused_by_name(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    coco(source, "a.json", {1: "a.png", 2: "b.png", 3: "c.png"}, [(1, 1, [1, 2, 3, 4]), (2, 1, [1, 2, 3, 4])])
    file = source / "annotations/a.json"
    file.write_text(file.read_text().replace('"id": 3', '"id": 2'))
    assert run_import("coco", source, studies, "--start", "0") == 0
    assert list(read_truth(studies / ".truth")) == ["a"]
    for name in ("b.png", "c.png"):
        assert "a.json gives the id 2 to b.png, c.png" in skipped(studies)[name]


def test_boxes_of_several_coco_lists_are_put_together(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    coco(source, "a.json", {1: "x.png"}, [(1, 1, [0, 0, 4, 4])])
    coco(source, "b.json", {9: "x.png"}, [(9, 1, [10, 10, 2, 2])])
    (source / "annotations/captions.json").write_text('{"images": [], "annotations": []}')
    assert run_import("coco", source, studies, "--start", "0") == 0
    assert read_truth(studies / ".truth")["x"].roi().sum() == 16 + 4
    assert "has no categories" in skipped(studies)["captions.json"]


def test_corrected_boxes_and_labels_are_named(tmp_path: Path):
    boxes, volumes = tmp_path / "boxes", tmp_path / "volumes"
    coco(boxes, "a.json", {1: "x.png", 2: "y.png"}, [(1, 1, [0, 0, 4, 4]), (2, 1, [0, 0, 4, 4])])
    volume(volumes / "imagesTr/a.nii.gz", {1: 3})
    volume(volumes / "labelsTr/a.nii.gz", {1: 3})
    pairs = [{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}]
    (volumes / "dataset.json").write_text(json.dumps({"labels": {"0": "none", "1": "liver"}, "training": pairs}))
    for name, source in (("coco", boxes), ("msd", volumes)):
        assert run_import(name, source, tmp_path / name, "--start", "0") == 0
    coco(boxes, "a.json", {1: "x.png", 2: "y.png"}, [(1, 1, [0, 0, 4, 4]), (2, 2, [0, 0, 4, 4])])
    volume(volumes / "labelsTr/a.nii.gz", {1: 4})
    for name, source, changed in (("coco", boxes, "y.png"), ("msd", volumes, "imagesTr/a.nii.gz")):
        assert run_import(name, source, tmp_path / name, "--start", "0") == 0
        assert "changed since it was imported" in noted(tmp_path / name).pop(changed)
        assert len(noted(tmp_path / name)) == 1


def test_coco_images_of_one_name_take_their_folders_with_them(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    coco(source, "a.json", {1: "one/x.png", 2: "two/x.png"}, [(1, 1, [0, 0, 4, 4])])
    assert run_import("coco", source, studies, "--start", "0") == 0
    assert sorted(read_truth(studies / ".truth")) == ["one_x", "two_x"]


def test_overlapping_boxes_count_once():
    nodule, mass = [Box(0, 0, 10, 10), Box(0, 0, 10, 10), Box(5, 0, 10, 10)], [Box(0, 0, 13, 13), Box(0, 0, -9, -99)]
    assert covered(nodule) == 150
    assert covered(mass) == 169
    assert dominant({"nodule": nodule, "mass": mass}) == "mass"
    assert covered([]) == covered([Box(float("nan"), 0, 1, 1)]) == 0


def test_msd_labels_that_lie_elsewhere_are_refused(tmp_path: Path):
    source, studies = tmp_path / "s", tmp_path / "studies"
    for name in ("a", "b"):
        volume(source / "imagesTr" / f"{name}.nii.gz", {1: 3})
        volume(source / "labelsTr" / f"{name}.nii.gz", {1: 3})
    write_label(source / "labelsTr/b.nii.gz", np.ones((10, 9, 8), np.uint8), np.diag([1.0, 1, 2, 1]))
    pairs = [{"image": f"imagesTr/{n}.nii.gz", "label": f"labelsTr/{n}.nii.gz"} for n in "ab"]
    (source / "dataset.json").write_text(json.dumps({"labels": {"0": "none", "1": "liver"}, "training": pairs}))
    assert run_import("msd", source, studies, "--start", "0") == 0
    assert list(read_truth(studies / ".truth")) == ["a"]
    assert "lies elsewhere in space" in skipped(studies)["imagesTr/b.nii.gz"]


@pytest.mark.parametrize(("name", "file"), [("msd", "dataset.json"), ("coco", "annotations.json")])
def test_a_damaged_list_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, file: str):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / file).write_text('{"images": [')
    assert run_import(name, tmp_path / "s", tmp_path / "studies") == 1
    assert f"{file} cannot be read" in capsys.readouterr().err
