"""Outlines that people drew elsewhere become regions: the image stays open, and is scored by them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from harness.local import Local

from xal.cli import main
from xal.exchange.import_outlines import import_outlines
from xal.imaging.images import label_as_nifti, label_as_nrrd, read_label
from xal.loop.rescoring import withdraw
from xal.loop.submission import Submission, submit
from xal.pool.label_check import checked_label
from xal.pool.label_files import Damaged
from xal.store.rows import AnnotationRow
from xal.task import REGION, REGION_VALUE, ImageSettings

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Where ITK puts pictures."""


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 9)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    folder = tmp_path / "drawn"
    folder.mkdir()
    return folder


def bring(local: Local, folder: Path, *options: str) -> int:
    task = str(local.folder / "tiny.yaml")
    return main(["import-outlines", str(folder), "--studies", str(local.studies), "--task", task, *options])


def regions(local: Local) -> dict[str, AnnotationRow]:
    return {row.image: row for row in local.project.store.annotations.find(regions=True) if row.finding == REGION}


def outlined(local: Local, row: AnnotationRow) -> np.ndarray:
    """(y, x)."""
    values, _ = read_label(local.project.workspace.labels / row.label_path)
    return values[:, :, 0].T == REGION_VALUE


def png(path: Path, pixels: np.ndarray) -> None:
    is_vector = pixels.ndim == 3
    sitk.WriteImage(sitk.GetImageFromArray(pixels.astype(np.uint8), isVector=is_vector), str(path))


def roi(local: Local, image: str) -> np.ndarray:
    """Of a picture with a lesion (y, x)."""
    return local.pictures[image].roi


def write_seg(path: Path, mask: np.ndarray, affine: np.ndarray, names: tuple[str, ...]) -> None:
    """A .seg.nrrd (y, x) whose segments have the values 1, 2, …"""
    fields = {}
    for number, name in enumerate(names):
        fields |= {f"Segment{number}_Name": name, f"Segment{number}_Layer": "0"}
        fields |= {f"Segment{number}_LabelValue": str(number + 1)}
    path.write_bytes(label_as_nrrd(mask.T[:, :, None].astype(np.uint8), affine, fields))


def test_masks_of_each_kind_are_taken_over_and_the_images_stay_open(
    local: Local, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    lesions = [image for image in local.ids if roi(local, image).any()]
    first, second, third, fourth, fifth = lesions[:5]
    png(drawn / f"{first}.png", roi(local, first) * 255)
    values = roi(local, second).astype(np.uint8)
    values[values.nonzero()[0][0]] *= 7
    sitk.WriteImage(sitk.GetImageFromArray(values[None]), str(drawn / f"{second}.nii.gz"))
    (drawn / f"{third}.nrrd").write_bytes(label_as_nrrd(roi(local, third).T[:, :, None].astype(np.uint8), LPS))
    write_seg(drawn / f"{fourth}.seg.nrrd", roi(local, fourth), LPS, ("Segment_1",))
    plain = label_as_nifti(roi(local, fifth).T[:, :, None].astype(np.uint8), LPS)
    (drawn / f"{fifth}.nii").write_bytes(gzip.decompress(plain))
    (drawn / ".DS_Store").write_bytes(b"of a Mac")
    before = local.project.store.images.counts()
    assert bring(local, drawn) == 0
    assert capsys.readouterr().out == "5 outlines imported, 0 were there before, 0 could not be used\n"
    rows = regions(local)
    assert set(rows) == set(lesions[:5])
    for image, row in rows.items():
        assert np.array_equal(outlined(local, row), roi(local, image)), image
        assert (row.reader, row.source) == ("imported", "import")
        assert local.project.store.images.get(image).open
    assert rows[fourth].params == {"origin": "file", "file": f"{fourth}.seg.nrrd"}
    assert local.project.store.images.counts() == before


def test_boxes_are_pixels_from_the_upper_left_corner_and_rows_of_an_image_are_one_region(local: Local, drawn: Path):
    first, second = local.ids[:2]
    lines = ["image,x,y,width,height", f"{first},2,3,4,5", f"{second}.png,0,0,32,1", f"{first},20,21,1,2"]
    (drawn / "boxes.csv").write_text("\n".join(lines))
    assert bring(local, drawn, "--reader", "ada") == 0
    rows = regions(local)
    expected = np.zeros((32, 32), bool)
    expected[3:8, 2:6] = expected[21:23, 20] = True
    assert np.array_equal(outlined(local, rows[first]), expected)
    assert rows[second].roi_voxels == 32
    assert rows[first].reader == "ada"
    assert rows[first].params["file"] == "boxes.csv"


def coco(drawn: Path, images: list[dict], annotations: list[dict]) -> None:
    numbered = [{"id": number, **entry} for number, entry in enumerate(annotations)]
    (drawn / "list.json").write_text(json.dumps({"images": images, "annotations": numbered}))


def test_coco_gives_boxes_and_polygons(local: Local, drawn: Path, capsys: pytest.CaptureFixture[str]):
    one, two, three, four, five, six = local.ids[:6]
    images = [{"id": number, "file_name": f"images/{image}.png"} for number, image in enumerate(local.ids)]
    images[0] |= {"width": 32, "height": 32}
    images[2] |= {"width": 64, "height": 32}
    square = [4, 4, 12, 4, 12, 10, 4, 10]
    inside = [6, 6, 8, 6, 8, 8, 6, 8]
    rle = {"size": [32, 32], "counts": [0, 1024]}
    coco(
        drawn,
        images,
        [
            {"image_id": 0, "bbox": [0, 0, 32, 32], "segmentation": [square, inside]},
            {"image_id": 1, "bbox": [1, 2, 3, 4], "segmentation": []},
            {"image_id": 2, "bbox": [1, 2, 3, 4]},
            {"image_id": 3, "bbox": [1, 2, 3, 4], "segmentation": rle},
            {"image_id": 4, "segmentation": [[1, 2, 3]]},
            {"image_id": 5, "bbox": [30, 2, 9, 4]},
            {"image_id": 99, "bbox": [1, 2, 3, 4]},
        ],
    )
    assert bring(local, drawn) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "2 outlines imported, 0 were there before, 5 could not be used"
    assert f"list.json: images/{three}.png: the list says 64 × 32 pixels, the image has 32 × 32" in said
    assert any(four in line and "run lengths" in line for line in said)
    assert any(five in line and "3 or more pairs of numbers" in line for line in said)
    assert any(six in line and "reaches beyond the image of 32 × 32" in line for line in said)
    assert "list.json: annotation 6: it is of the image 99, which is not listed" in said
    rows = regions(local)
    expected = np.zeros((32, 32), bool)
    expected[4:10, 4:12] = True
    assert np.array_equal(outlined(local, rows[one]), expected), "a polygon inside of another is no hole"
    assert np.argwhere(outlined(local, rows[two])).min(axis=0).tolist() == [2, 1]


def test_what_cannot_be_used_is_named_with_the_reason_and_the_rest_is_imported(
    local: Local, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    good, small, empty, cut, excluded, damaged, itself, moved, other = local.ids
    mask = np.zeros((32, 32))
    mask[4:9, 4:9] = 1
    png(drawn / f"{good}.png", mask)
    png(drawn / f"{small}.png", mask[:20])
    png(drawn / f"{empty}.png", 0 * mask)
    (drawn / f"{cut}.nii.gz").write_bytes(b"\x1f\x8brubbish")
    png(drawn / f"{excluded}.png", mask)
    local.project.store.images.exclude(excluded, "boss", "blurred")
    png(drawn / f"{damaged}.png", mask)
    (local.studies / f"{damaged}.png").write_bytes(b"rubbish")
    (drawn / f"{itself}.png").write_bytes((local.studies / f"{itself}.png").read_bytes())
    (drawn / f"{moved}.nii.gz").write_bytes(
        label_as_nifti(mask[:, :, None].astype(np.uint8), np.diag([-2.0, -2.0, 1.0, 1.0]))
    )
    (drawn / f"{other}.jpg").write_bytes(b"")
    png(drawn / "unknown.png", mask)
    (drawn / "folder").mkdir()
    (drawn / "boxes.csv").write_text(f"image,x,y,w,h\n{good},1,1,1,1\n")
    lines = [f"{good},1,1,1,1", f"{small},a,1,1,1", f"{empty},40,1,5,1", f"{itself},1,1,0,1", ",1,1,1,1"]
    (drawn / "more.csv").write_text("\n".join(["image,x,y,width,height", *lines]))
    (drawn / "none.json").write_text("[]")
    (drawn / "rubbish.json").write_text("{")
    assert bring(local, drawn) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"1 outline imported, 0 were there before, {len(printed) - 1} could not be used"
    said = dict(line.rsplit(": ", 1) if line.startswith("more") else line.split(": ", 1) for line in printed[:-1])
    reasons = {
        f"{small}.png": "it has 32 × 20 pixels, the image has 32 × 32",
        f"{empty}.png": "nothing is painted",
        f"{cut}.nii.gz": "is truncated or damaged",
        f"{excluded}.png": f"image '{excluded}' is excluded: blurred",
        f"{damaged}.png": f"image '{damaged}' is unreadable: ",
        f"{itself}.png": "it is the image itself",
        f"{moved}.nii.gz": "does not lie on the image's voxels",
        f"{other}.jpg": "is no outline: masks are .png",
        "unknown.png": "there is no image 'unknown'",
        "folder": "is a folder",
        "boxes.csv": "has no column 'width', 'height'",
        f"more.csv: {good}": f"{good}.png outlines image '{good}', too, and counts: put both outlines into one file",
        f"more.csv: {small}": "'a' is no number",
        f"more.csv: {empty}": "reaches beyond the image",
        f"more.csv: {itself}": "width and height must be above 0",
        "more.csv": "a line names no image",
        "none.json": "is no list of images and annotations",
        "rubbish.json": "cannot be read",
    }
    for name, reason in reasons.items():
        assert any(line.startswith(f"{name}: ") and reason in line for line in printed), (name, printed)
    assert len(said) == len(printed) - 1 == len(reasons)
    assert set(regions(local)) == {good}


def test_twice_gives_nothing_new_whatever_was_done_since(
    local: Local, drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    withdrawn, replaced, again, boxed = local.ids[:4]
    mask = np.zeros((32, 32))
    mask[4:9, 4:9] = 1
    for image in (withdrawn, replaced, again):
        png(drawn / f"{image}.png", mask)
    (drawn / "boxes.csv").write_text(f"image,x,y,width,height\n{boxed},2,3,4,5\n{boxed},9,9,2,2\n")
    assert bring(local, drawn, "--reader", "ada") == 0
    annotations = local.project.store.annotations
    withdraw(local.project, regions(local)[withdrawn].id, "boss")
    own = drawn.with_name("own.nii.gz")
    own.write_bytes(label_as_nifti(mask.T[:, :, None].astype(np.uint8), LPS))
    submit(local.project, Submission(replaced, "ada", own, finding=REGION))
    (drawn / "boxes.csv").write_text(f"image,x,y,width,height\n{boxed},9,9,2,2\n{boxed},2,3,4,5\n")
    before = annotations.find(active_only=False, regions=True)
    capsys.readouterr()
    assert bring(local, drawn, "--reader", "ada") == 0
    assert capsys.readouterr().out == "0 outlines imported, 4 were there before, 0 could not be used\n"
    assert annotations.find(active_only=False, regions=True) == before
    monkeypatch.setattr(type(annotations), "sent_before", lambda *_: None)
    png(drawn / f"{replaced}.png", 2 * mask)
    imported = import_outlines(local.project, drawn, "ada")
    assert (imported.outlines, imported.known) == (0, 3), "the same outline in another file is the same, too"
    assert imported.unusable == [(f"{replaced}.png", f"ada has outlined image '{replaced}' here, and that counts")]
    assert annotations.find(active_only=False, regions=True) == before


def test_another_mask_of_an_image_takes_the_place_of_the_first(local: Local, drawn: Path):
    image = local.ids[0]
    mask = np.zeros((32, 32))
    for size in (4, 7):
        mask[:size, :size] = 1
        png(drawn / f"{image}.png", mask)
        assert bring(local, drawn) == 0
    assert regions(local)[image].roi_voxels == 49


def test_a_lost_label_file_is_made_whole(local: Local, drawn: Path):
    image = local.ids[0]
    (drawn / "boxes.csv").write_text(f"image,x,y,width,height\n{image},2,3,4,5\n")
    import_outlines(local.project, drawn, "imported")
    row = regions(local)[image]
    file = local.project.workspace.labels / row.label_path
    content = file.read_bytes()
    file.write_bytes(b"")
    with pytest.raises(Damaged):
        checked_label(local.project, row)
    assert import_outlines(local.project, drawn, "imported").known == 1
    assert file.read_bytes() == content


def test_transparency_is_not_painted_and_attention_is_no_outline(local: Local, drawn: Path):
    opaque, clear, segmented = local.ids[:3]
    mask = np.zeros((32, 32))
    mask[4:9, 4:9] = 200
    png(drawn / f"{opaque}.png", np.stack([mask, mask, 0 * mask, 0 * mask + 255], axis=-1))
    png(drawn / f"{clear}.png", np.stack([0 * mask, 0 * mask, 0 * mask, mask], axis=-1))
    both = np.zeros((10, 10))
    both[4:9, 4:9] = 1
    both[:3] = 2
    write_seg(drawn / f"{segmented}.seg.nrrd", both, LPS, ("lesion", "attention 1"))
    assert bring(local, drawn) == 0
    for row in regions(local).values():
        assert np.array_equal(outlined(local, row), mask > 0), row.image


def test_a_mark_that_says_a_finding_is_no_outline(local: Local, drawn: Path, capsys: pytest.CaptureFixture[str]):
    beside, alone = local.ids[:2]
    outline = np.zeros((32, 32))
    outline[4:6, 4:6] = 1
    marked = outline.copy()
    marked[20, 20] = 2
    write_seg(drawn / f"{beside}.seg.nrrd", marked, LPS, ("region", "disc, no outline"))
    write_seg(drawn / f"{alone}.seg.nrrd", marked == 2, LPS, ("disc, no outline",))
    assert bring(local, drawn) == 1
    assert f"{alone}.seg.nrrd: nothing is painted" in capsys.readouterr().out
    rows = regions(local)
    assert set(rows) == {beside}
    assert rows[beside].roi_voxels == 4
    assert np.array_equal(outlined(local, rows[beside]), outline > 0)


def test_an_image_with_a_prediction_is_scored_by_the_outline_at_once(local: Local, drawn: Path):
    image, store = local.ids[0], local.project.store
    version = store.versions.add(path="none.pt", settings={})
    store.versions.publish(version, by="test")
    before = local.model_read(image, version, evidence=np.ones((3, 6, 6), np.float32))
    (drawn / "boxes.csv").write_text(f"image,x,y,width,height\n{image},27,0,5,5\n")
    assert import_outlines(local.project, drawn, "imported").outlines == 1
    after = store.predictions.get(image)
    assert (before.roi_source, after.roi_source) == ("proposed", "drawn")
    assert after.overlap != before.overlap
    assert store.images.get(image).roi_source == "drawn"


def test_boxes_are_meant_as_the_picture_is_shown(tmp_path: Path, drawn: Path):
    local = Local(tmp_path, 1)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 32, 1)).astype(np.uint8)
    (local.studies / "turned.nii.gz").write_bytes(label_as_nifti(pixels, np.eye(4)))
    local.project.sync()
    (drawn / "boxes.csv").write_text("image,x,y,width,height\nturned,0,0,4,2\n")
    assert bring(local, drawn) == 0
    row = regions(local)["turned"]
    values, affine = read_label(local.project.workspace.labels / row.label_path)
    assert affine[0, 0] > 0
    assert np.argwhere(values[:, :, 0]).min(axis=0).tolist() == [36, 30], "right is on the left, front is up"
    assert row.roi_voxels == 8


def test_volumes_take_masks_and_no_boxes(tmp_path: Path, drawn: Path):
    local = Local(tmp_path, 0, image=ImageSettings(dimensions=3, size=(16, 16, 16)))
    shape = (16, 16, 16)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    for name in ("a", "b"):
        (local.studies / f"{name}.nii.gz").write_bytes(label_as_nifti(pixels + ord(name), affine))
    local.project.sync()
    mask = np.zeros(shape, np.uint8)
    mask[2:5, 3:6, 4:9] = 5
    (drawn / "a.nii.gz").write_bytes(label_as_nifti(mask, affine))
    png(drawn / "b.png", mask[:, :, 4])
    (drawn / "boxes.csv").write_text("image,x,y,width,height\na,0,0,4,2\n")
    imported = import_outlines(local.project, drawn, "imported")
    assert imported.outlines == 1
    assert regions(local)["a"].roi_voxels == 45
    said = dict(imported.unusable)
    assert "the image is a volume of 16 slices" in said["b.png"]
    assert "boxes and polygons outline pictures" in said["boxes.csv"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda local, drawn: bring(local, drawn), "is empty"),
        (lambda local, drawn: bring(local, drawn / "none"), "is no folder"),
        (lambda local, _: bring(local, local.studies), "holds the images"),
        (lambda local, drawn: bring(local, drawn, "--reader", " "), "--reader is a name"),
    ],
    ids=["empty", "missing", "studies", "reader"],
)
def test_a_wrong_argument_is_refused(
    local: Local, drawn: Path, capsys: pytest.CaptureFixture[str], wrong: Callable[[Local, Path], int], said: str
):
    assert wrong(local, drawn) == 1
    assert said in capsys.readouterr().err


def test_a_task_without_regions_refuses_at_once(local: Local, drawn: Path, capsys: pytest.CaptureFixture[str]):
    (local.folder / "tiny.yaml").write_text((local.folder / "tiny.yaml").read_text() + "regions: false\n")
    assert bring(local, drawn / "none") == 1
    assert capsys.readouterr().err == "xal: task 'tiny' takes no outline without a finding: it says regions: false\n"
