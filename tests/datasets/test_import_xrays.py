"""VinDr-CXR and SIIM-COVID-19, in their official layouts."""

from pathlib import Path

import numpy as np
import pytest
from harness.official import (
    SIIM_CLASSES,
    STORED,
    noted,
    rows_of,
    run_import,
    skipped,
    write_siim,
    write_vindr_kaggle,
    write_vindr_physionet,
    write_xray,
)
from pydicom import dcmread

from xal.datasets.cases import Box
from xal.datasets.siim_covid import FINDINGS
from xal.datasets.truth import read_truth
from xal.datasets.vindr_cxr import FREQUENT, NO_FINDING, fuse, overlap
from xal.imaging.geometry import prepare
from xal.imaging.images import read_image
from xal.task import TASKS, load_task

HEART = (10.0, 20.0, 40.0, 40.0)
AORTA = (20.0, 5.0, 30.0, 15.0)


def agreed(image: str, name: str, corners: tuple[float, float, float, float] | None, readers: str = "123"):
    return [(image, f"R{reader}", name, corners) for reader in readers]


def findings(studies: Path) -> dict[str, str]:
    return {image: known.finding for image, known in read_truth(studies / ".truth").items()}


# VinDr-CXR

ROWS = [
    *agreed("a", "Cardiomegaly", HEART),
    *agreed("a", "Aortic enlargement", AORTA),
    *agreed("b", "No finding", None),
    *agreed("c", "Aortic enlargement", AORTA, "12"),
    *agreed("c", "No finding", None, "3"),
]


@pytest.mark.parametrize("write", [write_vindr_physionet, write_vindr_kaggle])
def test_both_layouts_say_the_same(tmp_path: Path, write):
    source, studies = write(tmp_path / "s", ROWS, ["a", "b", "c"]), tmp_path / "studies"
    assert run_import("vindr_cxr", source, studies) == 0
    assert findings(studies) == {"a": "Cardiomegaly", "b": "No finding", "c": "Aortic enlargement"}
    expected = np.zeros((60, 50), bool)
    expected[10:40, 20:40] = True
    assert np.array_equal(read_truth(studies / ".truth")["a"].roi()[:, :, 0], expected)
    assert (studies / "a.dcm").read_bytes() == (source / "train" / "a.dicom").read_bytes()


@pytest.mark.parametrize("syntax", STORED)
def test_an_x_ray_is_read_however_it_is_packed(tmp_path: Path, syntax: str):
    seen = np.random.default_rng(0).integers(0, 4096, (50, 60)).astype(np.uint16)
    image = read_image(write_xray(tmp_path / "a.dcm", pixels=seen, syntax=syntax))
    assert np.array_equal(image.pixels[0, :, :, 0].T, seen)
    assert dcmread(tmp_path / "a.dcm").file_meta.TransferSyntaxUID == syntax


def test_boxes_that_overlap_are_fused_and_lonely_ones_dropped():
    boxes = [("R1", Box(10, 10, 20, 20)), ("R2", Box(12, 10, 20, 20)), ("R3", Box(14, 13, 20, 20))]
    lonely = ("R1", Box(50, 50, 9, 9))
    fused = fuse([*boxes, lonely], 2)
    assert [(box.x, box.y, box.width, box.height) for box in fused] == [pytest.approx((12, 11, 20, 20))]


def test_one_reader_is_no_majority_however_many_boxes_he_draws():
    assert fuse([("R1", Box(10, 10, 20, 20)), ("R1", Box(11, 10, 20, 20))], 2) == []


def test_overlap_is_intersection_over_union():
    assert overlap(Box(0, 0, 2, 2), Box(1, 0, 2, 2)) == pytest.approx(2 / 6)
    assert overlap(Box(0, 0, 2, 2), Box(5, 5, 2, 2)) == 0


def test_images_without_agreement_and_rows_that_lie_are_named(tmp_path: Path):
    rows = [
        *agreed("a", "Cardiomegaly", HEART),
        ("quarrel", "R1", "Cardiomegaly", HEART),
        ("quarrel", "R2", "Pleural effusion", AORTA),
        ("quarrel", "R3", "No finding", None),
        *agreed("rare", "Rib fracture", AORTA),
        *agreed("lost", "No finding", None),
        *agreed("cut", "No finding", None),
        *agreed("odd", "Cardiomegaly", HEART),
        ("odd", "R1", "Cardiomegalie", AORTA),
        ("odd", "R2", "Pleural effusion", (30.0, 5.0, 20.0, 15.0)),
        *agreed("both", "Cardiomegaly", HEART),
        ("both", "R2", "No finding", None),
        *agreed("far", "Cardiomegaly", (70.0, 5.0, 90.0, 15.0)),
    ]
    images = ["a", "quarrel", "rare", "cut", "odd", "both", "far", "extra"]
    source, studies = write_vindr_kaggle(tmp_path / "s", rows, images), tmp_path / "studies"
    cut = source / "train" / "cut.dicom"
    cut.write_bytes(cut.read_bytes()[:1500])
    assert run_import("vindr_cxr", source, studies, "--start", "0") == 0
    assert sorted(findings(studies)) == ["a", "both", "odd"]
    reasons = skipped(studies)
    assert "agree on no finding" in reasons["quarrel"]
    assert "Rib fracture, which is not imported" in reasons["rare"]
    assert "no file" in reasons["lost"]
    assert "cut.dicom" in reasons["cut"]
    assert "outside the image of 60 × 50" in reasons["far"]
    assert "on no list" in reasons["extra.dicom"]
    kept = [row["reason"] for row in rows_of(studies / ".truth/skipped.csv") if row["name"] == "odd"]
    assert "unknown class 'Cardiomegalie'" in kept[0]
    assert "is none: from 30, 5 to 20, 15" in kept[1]
    assert "the box counts" in noted(studies)["both"]


def test_the_most_frequent_findings_are_counted_in_the_source(tmp_path: Path):
    rows = [
        *agreed("a", "Lung Opacity", HEART),
        *agreed("b", "Lung Opacity", HEART),
        *agreed("c", "Cardiomegaly", HEART),
        *agreed("d", "No finding", None),
    ]
    source, studies = write_vindr_kaggle(tmp_path / "s", rows, ["a", "b", "c", "d"]), tmp_path / "studies"
    task = tmp_path / "opacity.yaml"
    names = "[{name: Lung Opacity}, {name: No finding, absent: true}]"
    task.write_text(f"name: o\ntitle: O\nfindings: {names}\nimage: {{dimensions: 2, size: [32, 32]}}\n")
    assert run_import("vindr_cxr", source, studies, "--findings", "1", "--task", str(task), "--start", "0") == 0
    assert findings(studies) == {"a": "Lung Opacity", "b": "Lung Opacity", "d": "No finding"}


def test_the_finding_is_chosen_among_those_of_the_task_that_is_named(tmp_path: Path):
    rows = [*agreed("a", "Cardiomegaly", HEART), *agreed("a", "Lung Opacity", AORTA), *agreed("b", "No finding", None)]
    source, studies = write_vindr_kaggle(tmp_path / "s", rows, ["a", "b"]), tmp_path / "studies"
    task = tmp_path / "opacity.yaml"
    names = "[{name: Lung Opacity}, {name: No finding, absent: true}]"
    task.write_text(f"name: o\ntitle: O\nfindings: {names}\nimage: {{dimensions: 2, size: [32, 32]}}\n")
    assert run_import("vindr_cxr", source, studies, "--task", str(task), "--start", "0") == 0
    assert findings(studies) == {"a": "Lung Opacity", "b": "No finding"}


def test_frequent_findings_that_the_task_lacks_are_refused_before_anything_is_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = [*agreed("a", "Lung Opacity", HEART), *agreed("b", "Cardiomegaly", HEART)]
    source, studies = write_vindr_kaggle(tmp_path / "s", rows, ["a", "b"]), tmp_path / "studies"
    assert run_import("vindr_cxr", source, studies, "--findings", "2", "--task", "vindr_cxr") == 1
    assert "of these task 'vindr_cxr' lacks 'Lung Opacity': --task names one" in capsys.readouterr().err
    assert run_import("vindr_cxr", source, studies, "--task", "phantom_2d") == 1
    assert "task 'phantom_2d' has none of the classes of VinDr-CXR" in capsys.readouterr().err
    assert not studies.exists()


MANY = ("Lung Opacity", "Cardiomegaly", "Nodule/Mass", "ILD", "Pleural effusion", "Atelectasis", "Calcification")


def many(source: Path) -> Path:
    """Of seven findings the first is the most frequent, and so on."""
    named = [name for k, name in enumerate(MANY) for _ in range(len(MANY) - k)] + ["No finding"] * 3
    rows = [row for n, name in enumerate(named) for row in agreed(f"i{n}", name, None if n > 27 else HEART)]
    return write_vindr_physionet(source, rows, [f"i{n}" for n in range(len(named))])


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_task_for_the_most_frequent_findings_is_written_beside_the_studies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
):
    source, studies = many(tmp_path / "s"), tmp_path / "studies"
    again = ("vindr_cxr", source, studies, "--findings", str(count), "--start", "1")
    assert run_import(*again) == 0
    file = tmp_path / "studies.yaml"
    assert f"make serve STUDIES={studies} TASK={file}" in capsys.readouterr().out
    task, shipped = load_task(file), load_task("vindr_cxr", TASKS)
    assert task.finding_names == (*MANY[:count], NO_FINDING)
    assert task.absent == NO_FINDING
    assert (task.image, task.network, task.training) == (shipped.image, shipped.network, shipped.training)
    assert (task.name, task.title) == (f"vindr_cxr_{count}", f"{shipped.title}: the {count} most frequent")
    colours = [finding.color for finding in task.findings if not finding.absent]
    assert None not in colours
    assert len(set(colours)) == count
    heart = {finding.name: finding for finding in task.findings}.get("Cardiomegaly")
    assert heart is None or heart == shipped.findings[1], "with its colour and its code"
    assert set(findings(studies).values()) == {*MANY[:count], NO_FINDING}
    file.write_text(file.read_text().replace("max_epochs: 40", "max_epochs: 3"))
    assert run_import(*again) == 0
    assert load_task(file).training.max_epochs == 3, "what people changed stays"


def test_a_task_of_other_findings_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, studies = many(tmp_path / "s"), tmp_path / "studies"
    assert run_import("vindr_cxr", source, studies, "--findings", "2", "--start", "0") == 0
    assert run_import("vindr_cxr", source, studies, "--findings", "3", "--start", "0") == 1
    assert "is a task with the findings Lung Opacity, Cardiomegaly, No finding" in capsys.readouterr().err
    assert run_import("vindr_cxr", source, tmp_path / "s" / "within", "--findings", "3") == 1
    assert not (tmp_path / "s" / "within.yaml").exists(), "nothing is left of an import that was refused"


def test_the_shipped_task_serves_where_its_findings_are_the_most_frequent(tmp_path: Path):
    rows = [row for n, name in enumerate(FREQUENT[::-1]) for row in agreed(f"i{n}", name, HEART)]
    source, studies = write_vindr_kaggle(tmp_path / "s", rows, [f"i{n}" for n in range(5)]), tmp_path / "studies"
    assert run_import("vindr_cxr", source, studies, "--findings", "5", "--start", "1") == 0
    assert not (tmp_path / "studies.yaml").exists()


def test_one_reader_of_an_incomplete_list_is_no_majority(tmp_path: Path):
    rows = [*agreed("a", "Cardiomegaly", HEART), ("b", "R1", "Cardiomegaly", HEART), ("c", "R1", "No finding", None)]
    source, studies = write_vindr_kaggle(tmp_path / "s", rows, ["a", "b", "c"]), tmp_path / "studies"
    assert run_import("vindr_cxr", source, studies, "--start", "0") == 0
    assert sorted(findings(studies)) == ["a"]
    assert sorted(skipped(studies)) == ["b", "c"]


def test_an_image_with_two_files_is_refused(tmp_path: Path):
    source, studies = write_vindr_kaggle(tmp_path / "s", ROWS, ["a", "b", "c"]), tmp_path / "studies"
    write_xray(source / "train/a.dcm", 7)
    assert run_import("vindr_cxr", source, studies, "--start", "0") == 0
    assert sorted(findings(studies)) == ["b", "c"]
    assert "2 files of it" in skipped(studies)["a"]


def test_a_bad_cell_of_the_image_labels_concerns_its_line_alone(tmp_path: Path):
    source, studies = write_vindr_physionet(tmp_path / "s", ROWS, ["a", "b", "c"]), tmp_path / "studies"
    file = source / "annotations/image_labels_train.csv"
    first, *lines = file.read_text().splitlines()
    bad = [line.rpartition(",")[0] + ",x" if line.startswith("a,R1,") else line for line in lines]
    file.write_text("\n".join([first, *bad]))
    assert run_import("vindr_cxr", source, studies, "--start", "0") == 0
    assert sorted(findings(studies)) == ["a", "b", "c"]
    assert "what R1 says of 'No finding' cannot be read: 'x' is no number" in noted(studies)["a"]


def test_findings_of_vindr_are_those_of_the_task():
    assert load_task("vindr_cxr", TASKS).finding_names == (*FREQUENT, NO_FINDING)
    assert load_task("vindr_cxr", TASKS).absent == NO_FINDING


@pytest.mark.parametrize("task", ["vindr_cxr", "siim_covid"])
def test_the_network_sees_the_same_however_an_x_ray_is_stored(tmp_path: Path, task: str):
    """Polarity, bits, slope and the window stored for viewers differ between detectors, the patient does not."""
    settings = load_task(task, TASKS)
    seen = np.random.default_rng(0).integers(300, 700, (50, 60)).astype(np.uint16)

    def stored(name: str, pixels: np.ndarray, **fields: object) -> np.ndarray:
        file = write_xray(tmp_path / f"{name}.dcm", pixels=pixels.astype(np.uint16), **fields)
        return prepare(read_image(file), settings).tensor.numpy()

    plain = stored("plain", seen)
    assert plain.min() == 0
    assert plain.max() == 1
    ways = {
        "negative": stored("negative", 4095 - seen, PhotometricInterpretation="MONOCHROME1"),
        "14 bits": stored("bits", seen * 4, BitsStored=14, HighBit=13),
        "16 bits, negative": stored(
            "wide", 65535 - seen, BitsStored=16, HighBit=15, PhotometricInterpretation="MONOCHROME1"
        ),
        "slope": stored("slope", seen, RescaleSlope="2.5", RescaleIntercept="-1000"),
        "narrow window": stored("window", seen, WindowCenter=350, WindowWidth=20),
        "two windows": stored("windows", seen, WindowCenter=[350, 2000], WindowWidth=[20, 4000]),
    }
    for way, tensor in ways.items():
        assert np.allclose(tensor, plain, atol=1e-4), way


def test_borders_and_saturation_decide_how_much_of_the_range_tissue_gets(tmp_path: Path):
    """Percentiles cut nothing off that could be tissue; black collimation and burnt-out air take the rest."""
    film = np.random.default_rng(0).integers(800, 1601, (200, 200)).astype(np.uint16)
    film[:, :20], film[:30] = 0, 4095
    file = write_xray(tmp_path / "film.dcm", pixels=film, WindowCenter=1200, WindowWidth=800)
    tissue = prepare(read_image(file), load_task("vindr_cxr", TASKS)).tensor.numpy()[0][60:, 60:]
    assert np.ptp(tissue) == pytest.approx(0.19, abs=0.01)


# SIIM-COVID-19


def test_siim_images_have_the_class_of_their_study_and_their_boxes(tmp_path: Path):
    images = [("aa", "s1", [(10.5, 20.0, 12.0, 9.25), (30.0, 5.0, 8.0, 8.0)]), ("bb", "s2", [])]
    classes = {"s1": "Typical Appearance", "s2": "Negative for Pneumonia"}
    source, studies = write_siim(tmp_path / "s", images, classes), tmp_path / "studies"
    assert run_import("siim_covid", source, studies) == 0
    truth = read_truth(studies / ".truth")
    assert findings(studies) == {"aa": "Typical Appearance", "bb": "Negative for Pneumonia"}
    assert {known.group for known in truth.values()} == {"s1", "s2"}
    expected = np.zeros((60, 50), bool)
    expected[10:22, 20:29] = expected[30:38, 5:13] = True
    assert np.array_equal(truth["aa"].roi()[:, :, 0], expected)
    assert (studies / "aa.dcm").samefile(source / "train/s1/series0/aa.dcm")


def test_of_a_study_with_several_images_those_without_boxes_count_only_if_it_is_negative(tmp_path: Path):
    images = [("a1", "s1", [(10, 20, 12, 9)]), ("a2", "s1", []), ("b1", "s2", []), ("b2", "s2", [])]
    classes = {"s1": "Atypical Appearance", "s2": "Negative for Pneumonia"}
    source, studies = write_siim(tmp_path / "s", images, classes), tmp_path / "studies"
    assert run_import("siim_covid", source, studies, "--start", "0") == 0
    assert sorted(findings(studies)) == ["a1", "b1", "b2"]
    assert "it has no boxes" in skipped(studies)["a2"]


def test_studies_of_one_patient_are_one_group(tmp_path: Path):
    images = [("a1", "s1", [(10, 20, 12, 9)]), ("b1", "s2", [])]
    classes = {"s1": "Indeterminate Appearance", "s2": "Negative for Pneumonia"}
    source, studies = write_siim(tmp_path / "s", images, classes, PatientID="ad8d4a5b"), tmp_path / "studies"
    assert run_import("siim_covid", source, studies, "--start", "0") == 0
    assert {known.group for known in read_truth(studies / ".truth").values()} == {"ad8d4a5b"}


def test_what_siim_lists_do_not_agree_on_is_named(tmp_path: Path):
    box = [(10, 20, 12, 9)]
    images = [(name, f"s_{name}", box) for name in ("good", "sick", "none", "two", "lost", "text", "unlisted")]
    images += [("again", "s_again", box)] * 2
    classes = {f"s_{name}": "Typical Appearance" for name in ("good", "two", "lost", "text", "again", "idle")}
    classes |= {"s_sick": "Negative for Pneumonia", "s_none": "Unknown"}
    source, studies = write_siim(tmp_path / "s", images, classes), tmp_path / "studies"
    study_list, image_list = source / "train_study_level.csv", source / "train_image_level.csv"
    study_list.write_text(study_list.read_text().replace("s_two_study,0,1,0,0", "s_two_study,0,1,1,0"))
    lines = image_list.read_text().splitlines()
    lines = [line.replace("'x': 10", "'z': 10") if line.startswith("text") else line for line in lines]
    image_list.write_text("\n".join(line for line in lines if not line.startswith("unlisted")))
    next((source / "train/s_lost").rglob("lost.dcm")).unlink()
    assert run_import("siim_covid", source, studies, "--start", "0") == 0
    assert list(findings(studies)) == ["good"]
    reasons = skipped(studies)
    assert "yet something is outlined" in reasons["sick"]
    assert "no class" in reasons["none"]
    assert "'Typical Appearance' and 'Indeterminate Appearance'" in reasons["two"]
    assert "no files" in reasons["lost"]
    assert "no list of x, y, width and height" in reasons["text"]
    assert "2 times" in reasons["again"]
    assert "does not list it" in reasons["unlisted"]
    assert "lists no image" in reasons["s_idle"]


def test_a_study_listed_twice_counts_only_if_both_lines_agree(tmp_path: Path):
    images = [("a", "s1", [(10, 20, 12, 9)]), ("b", "s2", [(10, 20, 12, 9)])]
    classes = {"s1": "Typical Appearance", "s2": "Typical Appearance"}
    source, studies = write_siim(tmp_path / "s", images, classes), tmp_path / "studies"
    file = source / "train_study_level.csv"
    file.write_text(file.read_text() + "s1_study,0,0,0,1\ns2_study,0,1,0,0\n")
    assert run_import("siim_covid", source, studies, "--start", "0") == 0
    assert list(findings(studies)) == ["b"]
    assert "'Typical Appearance' and 'Atypical Appearance', not one class" in skipped(studies)["a"]


def test_findings_of_siim_are_those_of_the_task():
    task = load_task("siim_covid", TASKS)
    assert task.finding_names == FINDINGS
    assert set(FINDINGS) == set(SIIM_CLASSES)
    assert task.absent == SIIM_CLASSES[0]
