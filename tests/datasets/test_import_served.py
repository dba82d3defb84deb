"""What a user does next: import, serve, ask what is there, and take the next image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.official import (
    NEW,
    run_import,
    write_brain_tumours,
    write_brats_2020,
    write_brats_case,
    write_busi,
    write_siim,
    write_vindr_physionet,
)
from harness.server import Server

from xal.datasets.truth import read_truth
from xal.imaging.images import read_image
from xal.task import load_task


def brats(source: Path) -> Path:
    return write_brats_2020(source, {number: ("HGG", "LGG")[number % 2] for number in range(1, 5)})


def brats_2023(source: Path) -> Path:
    for patient, regions in enumerate(({1: 1, 2: 1, 3: 4}, {2: 1, 1: 4}, {2: 3}) * 2):
        write_brats_case(source / f"BraTS-GLI-{patient:05d}-000", regions, NEW, joint="-")
    return source


def vindr(source: Path) -> Path:
    boxes = [
        ("Cardiomegaly", (10.0, 20.0, 40.0, 40.0)),
        ("Pleural effusion", (5.0, 5.0, 20.0, 15.0)),
        ("No finding", None),
    ]
    rows = [(f"{n}", f"R{reader}", *boxes[n % 3]) for n in range(6) for reader in range(3)]
    return write_vindr_physionet(source, rows, [f"{n}" for n in range(6)])


def siim(source: Path) -> Path:
    images = [(f"i{n}", f"s{n}", [(5, 6, 20, 12)] if n % 2 else []) for n in range(6)]
    classes = {f"s{n}": ("Negative for Pneumonia", "Typical Appearance")[n % 2] for n in range(6)}
    return write_siim(source, images, classes)


def busi(source: Path) -> Path:
    return write_busi(source, {"benign": 2, "malignant": 2, "normal": 2})


def brain_tumours(source: Path) -> Path:
    return write_brain_tumours(source, [1, 1, 2, 2, 3, 3])


@pytest.mark.parametrize(
    ("write", "name", "task", "options", "labelled", "pool"),
    [
        (brats, "brats", "brats", (), 2, 2),
        (brats_2023, "brats", "brats_regions", ("--slices", "largest"), 3, 3),
        (vindr, "vindr_cxr", "vindr_cxr", (), 3, 3),
        (siim, "siim_covid", "siim_covid", (), 2, 4),
        (busi, "busi", "busi", (), 3, 3),
        (brain_tumours, "brain_tumours", "brain_tumours", (), 3, 3),
    ],
)
def test_an_imported_set_is_served_with_its_start_set(
    tmp_path: Path,
    write: Callable[[Path], Path],
    name: str,
    task: str,
    options: tuple[str, ...],
    labelled: int,
    pool: int,
):
    studies = tmp_path / "studies"
    assert run_import(name, write(tmp_path / "source"), studies, "--start", "1", *options) == 0
    truth = read_truth(studies / ".truth")
    with Server(tmp_path / "server", studies, task) as server:
        settings = load_task(task)
        assert server.get("/info/").json()["labels"][4:] == ["region", *settings.roi_findings]
        status = server.status()
        assert (status["settled"], status["open"]) == (labelled, pool), server.tail()
        annotations = server.get("/xal/api/annotations").json()["items"]
        assert {row["image"]: row["finding"] for row in annotations} == {
            row["image"]: truth[row["image"]].finding for row in annotations
        }
        sample = server.post("/activelearning/xal", {"client_id": "ada"}).json()
        assert not (studies / "labels/final" / f"{sample['id']}.nii.gz").exists()
        content = server.get("/datastore/image", image=sample["id"]).content
        assert sample["checksum"] == f"SHA256:{hashlib.sha256(content).hexdigest()}"
        file = tmp_path / sample["name"]
        file.write_bytes(content)
        shown = read_image(file)
        assert len(shown.pixels) == 1, "a client sees one channel"
        roi = truth[sample["id"]].roi()
        assert roi is None or roi.shape == shown.shape
        for hidden in (".truth", ".truth/truth.csv", f".truth/masks/{sample['id']}.png"):
            assert server.get("/datastore/image", image=hidden).status_code == 404
        assert ".truth" not in server.get("/datastore/", output="all").text
