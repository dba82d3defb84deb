import csv
import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from xal.datasets import encode, phantom
from xal.imaging.images import read_image
from xal.task import TASKS, load_task

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_data"
KINDS = ("2d", "3d")


def truth(kind):
    with (SAMPLE / "truth" / f"phantom_{kind}" / "truth.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def listing(kind):
    return json.loads((SAMPLE / f"phantom_{kind}" / "datastore_v2.json").read_text(encoding="utf-8"))


def started(kind):
    return {image for image, entry in listing(kind)["objects"].items() if entry["labels"]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_committed_sample_is_what_the_command_makes(kind):
    assert phantom.check(kind, SAMPLE) == []


def test_check_names_what_is_missing_changed_or_foreign(tmp_path):
    phantom.write("3d", tmp_path)
    studies = tmp_path / "phantom_3d"
    (studies / "phantom_000.nii.gz").unlink()
    (studies / "phantom_001.nii.gz").write_bytes(b"")
    (studies / "note.txt").write_text("x")
    problems = phantom.check("3d", tmp_path)
    assert [p.removeprefix(f"{studies}/") for p in problems] == [
        "phantom_000.nii.gz is missing",
        "phantom_001.nii.gz differs from what is generated",
        "note.txt is not part of the set",
    ]


def test_sample_stays_small():
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) <= 8_000_000


@pytest.mark.parametrize(("kind", "images", "start"), [("2d", 240, 40), ("3d", 32, 10)])
def test_every_finding_is_in_the_start_set_and_in_the_pool(kind, images, start):
    task = load_task(TASKS / f"phantom_{kind}.yaml")
    rows = truth(kind)
    assert len(rows) == images
    assert len(started(kind)) == start
    assert {row["finding"] for row in rows} == set(task.finding_names)
    assert {row["finding"] for row in rows if row["image"] in started(kind)} == set(task.finding_names)


def test_marker_tells_the_truth_in_the_start_set_and_half_the_time_in_the_pool():
    agrees = defaultdict(list)
    for row in truth("2d"):
        agrees[row["image"] in started("2d"), row["finding"]].append(row["finding"] == row["marker"])
    assert all(np.mean(values) == pytest.approx(0.9 if start else 0.5) for (start, _), values in agrees.items())


def test_a_false_marker_claims_each_other_finding_about_equally_often():
    false = Counter((row["finding"], row["marker"]) for row in truth("2d") if row["finding"] != row["marker"])
    assert len(false) == 12
    assert max(false.values()) - min(false.values()) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_true_rois_in_the_image_geometry(kind):
    task = load_task(TASKS / f"phantom_{kind}.yaml")
    studies = SAMPLE / f"phantom_{kind}"
    suffix = ".png" if kind == "2d" else ".nii.gz"
    findings = {row["image"]: row["finding"] for row in truth(kind)}
    for image in started(kind):
        label = nibabel.load(studies / "labels" / "final" / f"{image}.nii.gz")
        values = np.asarray(label.dataobj)
        volume = read_image(studies / f"{image}{suffix}")
        assert values.dtype == np.uint8
        assert values.shape == volume.shape
        assert np.allclose(label.affine, volume.affine, atol=1e-5)
        finding = findings[image]
        if finding == task.absent:
            assert not values.any()
            continue
        assert set(np.unique(values)) == {0, task.roi_findings.index(finding) + 1}
        mask = read_image(SAMPLE / "truth" / f"phantom_{kind}" / "masks" / f"{image}{suffix}").pixels[0] > 0
        assert np.array_equal(values > 0, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_listing_names_label_values_by_position(kind):
    task = load_task(TASKS / f"phantom_{kind}.yaml")
    content = listing(kind)
    for entry in content["objects"].values():
        for label in entry["labels"].values():
            info = label["info"]
            assert info["client_id"] == "sample"
            assert [item["name"] for item in info["label_info"]] == list(task.roi_findings)
    assert Counter(tag for entry in content["objects"].values() for tag in entry["labels"]) == {
        "final": len(started(kind))
    }


@pytest.mark.parametrize("kind", KINDS)
def test_masks_exist_for_the_findings_that_have_an_roi(kind):
    task = load_task(TASKS / f"phantom_{kind}.yaml")
    masks = {path.name.split(".")[0] for path in (SAMPLE / "truth" / f"phantom_{kind}" / "masks").iterdir()}
    assert masks == {row["image"] for row in truth(kind) if row["finding"] != task.absent}


@pytest.mark.parametrize("kind", KINDS)
def test_studies_hold_nothing_that_tells_the_truth_of_the_pool(kind):
    studies = SAMPLE / f"phantom_{kind}"
    files = {path.relative_to(studies).as_posix() for path in studies.rglob("*") if path.is_file()}
    suffix = ".png" if kind == "2d" else ".nii.gz"
    images = {f"{row['image']}{suffix}" for row in truth(kind)}
    assert files == images | {f"labels/final/{image}.nii.gz" for image in started(kind)} | {"datastore_v2.json"}
    assert len({(studies / name).stat().st_size for name in images}) == 1
    objects = listing(kind)["objects"]
    assert list(objects) == sorted(objects)
    for image, entry in objects.items():
        assert set(entry) == {"image", "labels"}
        assert entry["image"]["ext"] == suffix
        assert set(entry["image"]["info"]) == {"name", "group"}
        assert entry["image"]["info"]["name"] == f"{image}{suffix}"


def test_pictures_carry_no_metadata():
    for path in (SAMPLE / "phantom_2d").glob("*.png"):
        with Image.open(path) as picture:
            assert (picture.mode, picture.size, picture.info) == ("L", (96, 96), {})


def test_order_and_patients_say_nothing_about_findings():
    rows = truth("2d")
    findings = [row["finding"] for row in rows]
    first, second = Counter(findings[:120]), Counter(findings[120:])
    assert all(abs(first[name] - second[name]) <= 16 for name in first)
    by_patient = defaultdict(list)
    for row in rows:
        by_patient[row["group"]].append(row["finding"])
    pairs = [pair for pair in by_patient.values() if len(pair) == 2]
    same = np.mean([a == b for a, b in pairs])
    assert len(pairs) == 80
    assert 0.1 < same < 0.4


def test_volumes_are_oblique_anisotropic_and_every_way_round():
    ways = set()
    for path in (SAMPLE / "phantom_3d").glob("*.nii.gz"):
        affine = nibabel.load(path).affine
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        axes = affine[:3, :3] / spacing
        assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-5)
        assert np.abs(axes).max(axis=0).min() < 0.9999
        assert spacing.max() / spacing.min() > 1.5
        itk = SimpleITK.ReadImage(str(path))
        assert np.allclose(itk.GetSpacing(), spacing, atol=1e-4)
        assert np.allclose(read_image(path).affine, affine, atol=1e-4)
        ways.add("".join(nibabel.aff2axcodes(affine)))
    assert len(ways) >= 12


def test_lesions_lie_inside_the_body_and_vary_in_size():
    areas = []
    for path in (SAMPLE / "truth" / "phantom_2d" / "masks").iterdir():
        mask = read_image(path).pixels[0] > 0
        image = read_image(SAMPLE / "phantom_2d" / path.name).pixels[0]
        assert np.median(image[mask]) > 50
        areas.append(mask.sum())
    assert min(areas) >= 25
    assert max(areas) > 5 * min(areas)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 200_000])
def test_stored_gzip_is_read_by_any_reader(size):
    data = np.random.default_rng(size).bytes(size)
    assert gzip.decompress(encode.gzip(data)) == data


def test_stored_png_is_read_by_any_reader(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 301), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(encode.png(pixels))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), pixels)
    assert np.array_equal(read_image(tmp_path / "a.png").pixels[0, :, :, 0], pixels.T)
