"""What leaves the server: a data set that is read back to the same findings and voxels, and a table."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
from harness.local import INFO, Local
from harness.official import rows_of, run_import, skipped, write_xray
from harness.pools import FINDINGS, write_label
from harness.room import Room, open_room
from PIL import Image
from synthetic import BAR, DOT, NONE, make_task

from xal.cli import main
from xal.datasets.truth import Truth, read_truth
from xal.errors import Conflict, NotFound, StoreError
from xal.exchange import export
from xal.exchange.export import export_dataset, export_zip
from xal.exchange.spreadsheet import THOUGHT, annotations_csv, harmless
from xal.imaging.images import read_image, read_label
from xal.imaging.images import write_label as write_mask
from xal.loop.reader import Reader
from xal.loop.shown import note, shown_region
from xal.loop.submission import Submission, submit
from xal.pool.project import Project
from xal.server.api import api_router

RNG = np.random.default_rng(5)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """Nine pictures, six of them handed in."""
    local = Local(tmp_path, 9)
    for image in local.ids[:6]:
        local.hand_in(image)
    return local


def read_back(exported: Path, studies: Path) -> Truth:
    assert run_import("folder", exported, studies) == 0
    assert skipped(studies) == {}
    return read_truth(studies / ".truth")


def lines_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# the data set


def test_pictures_come_back_with_the_same_findings_and_voxels(local: Local, tmp_path: Path):
    export_dataset(local.project, tmp_path / "set")
    truth = read_back(tmp_path / "set", tmp_path / "again")
    assert sorted(truth) == local.ids[:6]
    for image, known in truth.items():
        picture = local.pictures[image]
        assert known.finding == picture.finding
        roi = known.roi()
        assert (roi is None) == (picture.finding == "nothing")
        if roi is not None:
            assert np.array_equal(roi[:, :, 0], picture.roi.T)
        assert (tmp_path / "again" / f"{image}.png").read_bytes() == (local.studies / f"{image}.png").read_bytes()


def volumes(folder: Path, count: int) -> tuple[Project, dict[str, tuple[str, np.ndarray]]]:
    """Oblique volumes of two channels, each handed in; what is really on them."""
    affine = np.array([[0.0, 0.4, -2.4, 11], [-0.9, 0.0, 0.0, 40], [0.0, -0.3, -3.2, 7], [0, 0, 0, 1]])
    folder.mkdir()
    known = {}
    for number in range(count):
        finding = (DOT, BAR, NONE)[number % 3]
        values = RNG.integers(0, 900, (20, 18, 9, 2)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(values, affine), folder / f"volume_{number}.nii.gz")
        roi = np.zeros((20, 18, 9), bool)
        if finding != NONE:
            roi[3 : 6 + number, 5:9, 2:5] = True
        known[f"volume_{number}"] = finding, roi
    project = Project.open(make_task(dimensions=3, size=16, channels=2), str(folder))
    project.sync()
    for image, (finding, roi) in known.items():
        label = folder.parent / "label.nii.gz"
        info = [{"name": DOT}, {"name": BAR}]
        write_mask(label, (roi * (2 if finding == BAR else 1)).astype(np.uint8), affine)
        submit(project, Submission(image, "ada", label, info))
    return project, known


def test_volumes_come_back_with_all_channels_and_the_same_voxels(tmp_path: Path):
    project, known = volumes(tmp_path / "studies", 6)
    export_dataset(project, tmp_path / "set")
    truth = read_back(tmp_path / "set", tmp_path / "again")
    assert {image: found.finding for image, found in truth.items()} == {
        image: said for image, (said, _) in known.items()
    }
    for image, (finding, roi) in known.items():
        found = truth[image].roi()
        assert truth[image].finding == finding
        assert (found is None) == (finding == NONE)
        assert found is None or np.array_equal(found, roi)
        stored, copy = (read_image(folder / f"{image}.nii.gz") for folder in (tmp_path / "studies", tmp_path / "again"))
        assert np.array_equal(stored.pixels, copy.pixels)
    mask = next((tmp_path / "set/masks").glob("volume_1_*"))
    values, affine = read_label(mask)
    assert set(np.unique(values)) == {0, 1}, "one is the finding of the list, whichever it is"
    assert np.allclose(affine, read_image(tmp_path / "studies/volume_1.nii.gz").affine, atol=1e-4)


def test_the_list_says_who_said_what(local: Local, tmp_path: Path):
    export_dataset(local.project, tmp_path / "set")
    rows = rows_of(tmp_path / "set/labels.csv")
    assert list(rows[0])[:4] == ["image", "mask", "label", "group"]
    annotation = local.project.store.annotations.find(local.ids[0])[0]
    assert rows[0] | {"created_at": ""} == {
        "image": f"images/{local.ids[0]}.png",
        "mask": f"masks/{local.ids[0]}_a{annotation.id}.nii.gz",
        "label": "disc",
        "group": local.ids[0],
        "reader": "ada",
        "revision": "1",
        "annotation": str(annotation.id),
        "roi_voxels": str(annotation.roi_voxels),
        "created_at": "",
        "origin": "rest",
    }
    assert rows[0]["created_at"].endswith("+00:00")


def test_provenance_names_every_file_by_its_content(local: Local, tmp_path: Path):
    local.project.store.images.update_info(local.ids[0], {"group": "patient 7"})
    export_dataset(local.project, tmp_path / "set")
    origin = json.loads((tmp_path / "set/provenance.json").read_text())
    assert (origin["task"], origin["pool"]) == ("tiny", local.project.workspace.pool)
    assert (origin["findings"], origin["absent"]) == (["disc", "square", "nothing"], "nothing")
    assert origin["model_version"] is None
    assert origin["images"][local.ids[0]]["group"] == "patient 7"
    for image in origin["images"].values():
        content = (tmp_path / "set" / image["file"]).read_bytes()
        assert image["sha256"] == hashlib.sha256(content).hexdigest()


def test_only_what_counts_for_training_is_in_it(local: Local, tmp_path: Path):
    store = local.project.store
    store.annotations.withdraw(store.annotations.find(local.ids[0])[0].id, by="boss")
    store.images.exclude(local.ids[1], "boss", "wrong view")
    export_dataset(local.project, tmp_path / "set")
    assert [Path(row["image"]).stem for row in rows_of(tmp_path / "set/labels.csv")] == local.ids[2:6]
    assert len(list((tmp_path / "set/images").iterdir())) == 4


def test_every_readers_outline_is_there_and_the_latest_is_listed(local: Local, tmp_path: Path):
    image = local.ids[0]
    second = local.hand_in(image, "ben", truth=local.ids[3]).annotation
    export_dataset(local.project, tmp_path / "set")
    row = next(row for row in rows_of(tmp_path / "set/labels.csv") if image in row["image"])
    assert (row["reader"], row["annotation"]) == ("ben", str(second.id))
    assert len(list((tmp_path / "set/masks").glob(f"{image}_a*"))) == 2
    origin = json.loads((tmp_path / "set/provenance.json").read_text())
    said = origin["images"][image]["annotations"]
    assert [(one["reader"], one["origin"], one["shown"]) for one in said] == [("ada", "rest", []), ("ben", "rest", [])]


def test_provenance_says_with_what_it_was_drawn_and_what_its_reader_was_shown(tmp_path: Path):
    local = Local(tmp_path, 6, show_regions=True)
    picture = next(one for one in local.pictures.values() if one.finding == "disc")
    label = write_label(tmp_path / "region.nii.gz", picture, ("disc",))
    region = [{"name": "region", "idx": 1}]
    submit(local.project, Submission(picture.id, "ada", label, region, origin="slicer"))
    note(local.project, "ben", picture.id, shown_region(local.project, "ben", picture.id))
    submit(local.project, Submission(picture.id, "ben", local.folder / "region.nii.gz", INFO[:1], origin="page"))
    export_dataset(local.project, tmp_path / "set")
    (said,) = json.loads((tmp_path / "set/provenance.json").read_text())["images"][picture.id]["annotations"]
    assert (said["reader"], said["origin"], said["shown"]) == ("ben", "page", [{"reader": "ada", "origin": "slicer"}])
    table = lines_of((tmp_path / "set/annotations.csv").read_text())
    assert [(line["reader"], line["origin"]) for line in table] == [("ada", "slicer"), ("ben", "page")]
    assert rows_of(tmp_path / "set/labels.csv")[0]["origin"] == "page"


def test_findings_without_an_outline_do_not_spoil_the_list(local: Local, tmp_path: Path):
    image = next(image for image in local.ids[6:] if local.pictures[image].finding == "disc")
    empty = write_label(tmp_path / "empty.nii.gz", local.pictures[local.ids[2]])
    submit(local.project, Submission(image, "ada", empty, INFO, finding="disc"))
    exported = export_dataset(local.project, tmp_path / "set")
    assert [row["image"] for row in rows_of(tmp_path / "set/without_outline.csv")] == [f"images/{image}.png"]
    assert "1 of them, outlined by nobody" in exported.summary()[1]
    assert image not in read_back(tmp_path / "set", tmp_path / "again")


def test_dicom_leaves_as_nifti_without_the_patients_name(tmp_path: Path):
    studies = tmp_path / "studies"
    write_xray(studies / "chest.dcm", 1, PatientName="Doe^Jane")
    project = Project.open(make_task(size=16), str(studies))
    project.sync()
    submit(project, Submission("chest", "ada", _outline(tmp_path, studies / "chest.dcm"), [{"name": DOT}]))
    export_dataset(project, tmp_path / "set")
    (image,) = (tmp_path / "set/images").iterdir()
    assert image.name == "chest.nii.gz"
    assert np.array_equal(read_image(image).pixels, read_image(studies / "chest.dcm").pixels)
    assert b"Doe" not in image.read_bytes() + nibabel.load(image).to_bytes()


def _outline(folder: Path, image: Path) -> Path:
    volume = read_image(image)
    drawn = np.zeros(volume.shape, np.uint8)
    drawn[4:9, 5:12] = 1
    write_mask(folder / "outline.nii.gz", drawn, volume.affine)
    return folder / "outline.nii.gz"


def test_a_folder_that_holds_anything_is_left_alone(local: Local, tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/notes.txt").write_text("mine")
    with pytest.raises(Conflict, match="not empty"):
        export_dataset(local.project, tmp_path / "set")
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["notes.txt"]
    with pytest.raises(Conflict, match="not empty"):
        export_dataset(local.project, tmp_path / "set/notes.txt")
    (tmp_path / "new").mkdir()
    export_dataset(local.project, tmp_path / "new")
    assert (tmp_path / "new/labels.csv").is_file()


def test_nothing_settled_is_nothing_to_export(tmp_path: Path):
    project = Local(tmp_path, 3).project
    with pytest.raises(NotFound, match="no image has a settled finding"):
        export_dataset(project, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_an_export_that_was_cut_off_is_not_there_and_goes_on(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def killed_after_four(images):
        yield from images[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_dataset(local.project, tmp_path / "set", killed_after_four)
    assert not (tmp_path / "set").exists()
    store = local.project.store
    store.annotations.withdraw(store.annotations.find(local.ids[1])[0].id, by="boss")  # meanwhile
    decode, decoded = export.drawn_mask, []
    monkeypatch.setattr(export, "drawn_mask", lambda *of: decoded.append(of[1].image) or decode(*of))
    export_dataset(local.project, tmp_path / "set")
    assert decoded == [local.ids[4]], "what was written before is not made again; the sixth has nothing on it"
    truth = read_back(tmp_path / "set", tmp_path / "again")
    assert sorted(truth) == [local.ids[0], *local.ids[2:6]]
    files = sorted(path.name for path in (tmp_path / "set").rglob("*") if local.ids[1] in path.name)
    assert files == [], "what was withdrawn meanwhile has left no file"
    assert list(tmp_path.glob(".*partial")) == []


def test_an_image_replaced_while_an_export_was_cut_off_is_taken_anew(local: Local, tmp_path: Path):
    def killed(images):
        yield from images
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_dataset(local.project, tmp_path / "set", killed)
    file = local.studies / f"{local.ids[0]}.png"
    pixels = np.asarray(Image.open(file))
    file.unlink()
    Image.fromarray(pixels).save(file, compress_level=1)  # the same pixels in another file
    local.project.sync()
    export_dataset(local.project, tmp_path / "set")
    assert (tmp_path / "set/images" / file.name).read_bytes() == file.read_bytes()


def test_an_image_whose_file_is_not_what_was_annotated_costs_only_itself(local: Local, tmp_path: Path):
    (local.studies / f"{local.ids[0]}.png").write_bytes(b"broken now")
    exported = export_dataset(local.project, tmp_path / "set")
    assert list(exported.left_out) == [local.ids[0]]
    assert len(rows_of(tmp_path / "set/labels.csv")) == 5
    assert json.loads((tmp_path / "set/provenance.json").read_text())["left_out"] == exported.left_out
    assert f"{local.ids[0]} is left out" in exported.summary()[-1]
    assert list((tmp_path / "set").rglob(f"{local.ids[0]}*")) == []


def test_a_folder_that_cannot_be_written_says_so(local: Local, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="nothing was exported"):
        export_dataset(local.project, tmp_path / "file/set")


def test_files_on_another_disk_are_copied(local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def across_disks(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", across_disks)
    export_dataset(local.project, tmp_path / "set")
    copy, stored = tmp_path / f"set/images/{local.ids[0]}.png", local.studies / f"{local.ids[0]}.png"
    assert copy.read_bytes() == stored.read_bytes()
    assert not copy.samefile(stored)


def test_the_command_says_what_it_wrote(local: Local, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml")]
    assert main(["export", *words, str(tmp_path / "set")]) == 0
    assert "6 images: disc 2, nothing 2, square 2" in capsys.readouterr().out
    lines = (tmp_path / "set/annotations.csv").read_text().splitlines()
    assert lines[1:] == "".join(annotations_csv(local.project, withdrawn=True)).splitlines()[1:]
    assert len(lines) > 6, "older revisions and unsettled ones are there"
    assert main(["export", *words, str(tmp_path / "set")]) == 1
    assert "not empty" in capsys.readouterr().err


def test_the_zip_holds_the_same(local: Local, tmp_path: Path):
    os.utime(local.studies / f"{local.ids[0]}.png", (0, 0))  # older than ZIP can say
    local.project.sync()
    path = export_zip(local.project)
    try:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            archive.extractall(tmp_path / "set")
    finally:
        path.unlink()
    assert sorted(read_back(tmp_path / "set", tmp_path / "again")) == local.ids[:6]


# the table


def test_the_table_lists_what_stands_and_on_request_what_does_not(local: Local):
    store = local.project.store
    first = store.annotations.find(local.ids[0])[0]
    store.annotations.withdraw(first.id, by="boss")
    standing = lines_of("".join(annotations_csv(local.project)))
    assert [line["image"] for line in standing] == local.ids[1:6]
    assert standing[0] | {"created_at": ""} == {
        "annotation": str(first.id + 1),
        "image": local.ids[1],
        "reader": "ada",
        "finding": "square",
        "revision": "1",
        "source": "reader",
        "origin": "rest",
        "active": "yes",
        "roi_voxels": "81",
        "roi_volume_mm3": "81.0",
        **dict.fromkeys(("created_at", "withdrawn_at", "withdrawn_by", "model_version", "predicted"), ""),
        **dict.fromkeys(("probability", "uncertainty", "misalignment", "overlap", "energy", "roi_source"), ""),
        **dict.fromkeys(("roi_origin", "chosen", "chosen_by"), ""),
        "seconds": "",
    }
    everything = lines_of("".join(annotations_csv(local.project, withdrawn=True)))
    assert len(everything) == 6
    assert (everything[0]["active"], everything[0]["withdrawn_by"]) == ("no", "boss")


def test_the_table_is_read_in_pieces(local: Local, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("xal.exchange.spreadsheet.CHUNK", 4)
    pieces = list(annotations_csv(local.project))
    assert [piece.count("\n") for piece in pieces] == [1, 4, 2]


@pytest.mark.parametrize("text", ['=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(local: Local, tmp_path: Path, text: str):
    assert harmless(text) == f"'{text}"
    assert harmless("glioma = tumour") == "glioma = tumour"
    if text.isprintable():
        local.hand_in(local.ids[7], text)
        local.project.store.images.update_info(local.ids[7], {"group": text})
        last = lines_of("".join(annotations_csv(local.project)))[-1]
        assert last["reader"] == f"'{text}"
        export_dataset(local.project, tmp_path / "set")
        listed = rows_of(tmp_path / "set/labels.csv")[-1]
        assert (listed["reader"], listed["group"]) == (f"'{text}", f"'{text}")


def test_the_table_says_what_the_model_had_thought(local: Local):
    image = next(image for image in local.ids[6:] if local.pictures[image].finding != "nothing")
    local.model_read(image, version=3)
    story = local.hand_in(image, "ada").annotation.story
    assert story is not None
    first, *_, last = lines_of("".join(annotations_csv(local.project)))
    assert {name: last[name] for name in THOUGHT} == {
        "model_version": "3",
        "predicted": "disc",
        "probability": "0.6",
        "uncertainty": "0.81",
        "misalignment": "0.9",
        "overlap": str(round(story.overlap, 6)),
        "energy": str(round(story.energy, 6)),
        "roi_source": "proposed",
        "chosen": "no",
        "roi_origin": "",
        "chosen_by": "",
    }
    assert {first[name] for name in THOUGHT} == {""}, "no model had looked"


def test_a_reader_is_not_told_what_was_made_of_images_still_to_be_read(local: Local):
    for image, reader in zip(local.ids[6:8], ("ada", "ben"), strict=True):
        local.model_read(image)
        local.hand_in(image, reader)
    for asker, expected in (("ada", (True, False)), ("ben", (False, True)), (None, (True, True))):
        reader = None if asker is None else Reader(asker)
        lines = {line["image"]: line for line in lines_of("".join(annotations_csv(local.project, reader)))}
        assert tuple(bool(lines[image]["predicted"]) for image in local.ids[6:8]) == expected
        for name in ("finding", "roi_voxels", "roi_volume_mm3"):
            assert tuple(bool(lines[image][name]) for image in local.ids[6:8]) == expected
        assert all(lines[image]["reader"] for image in local.ids[6:8])


def test_a_blind_reader_is_not_told_how_long_a_reading_took_nor_with_what_it_was_made(local: Local):
    """Three seconds or sixty, and with what it was drawn, tell whether anything was outlined."""
    store = local.project.store
    sample = store.queue.next_sample("ada", "uniform", 3600)
    assert sample is not None
    local.hand_in(sample.image.id, "ada")
    for asker, told in ((Reader("ben"), False), (Reader("ada"), True), (None, True)):
        lines = {line["image"]: line for line in lines_of("".join(annotations_csv(local.project, asker)))}
        line = lines[sample.image.id]
        assert (line["seconds"] != "", line["origin"] != "") == (told, told), asker


# over the API


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A server that names a reviewer, with some pictures handed in."""
    room = open_room(tmp_path_factory.mktemp("reviewed"), 6, reviewers="chief")
    with room.server:
        for image in sorted(room.pictures)[:3]:
            room.hand_in(image, "ada")
        yield room


def fetch(room: Room, what: str, reader: str, **query: str) -> requests.Response:
    return room.server.get(f"/xal/api/export/{what}", client_id=reader, **query)


def test_one_data_set_is_made_at_a_time(local: Local, monkeypatch: pytest.MonkeyPatch):
    begun, go_on = threading.Event(), threading.Event()

    def slowly(project: Project) -> Path:
        begun.set()
        assert go_on.wait(30)
        return export_zip(project)

    monkeypatch.setattr("xal.server.api.export.export_zip", slowly)
    (ask,) = (route.endpoint for route in api_router(local.project).routes if route.path.endswith("/dataset.zip"))
    with ThreadPoolExecutor(1) as somebody:
        first = somebody.submit(ask, Reader("ada"))
        assert begun.wait(30)
        try:
            with pytest.raises(Conflict, match="ask again when that one is done"):
                ask(Reader("ben"))
        finally:
            go_on.set()
        for reply in (first.result(30), ask(Reader("ben"))):
            path = Path(reply.path)
            assert zipfile.is_zipfile(path)
            path.unlink()


@pytest.mark.parametrize("what", ["annotations.csv", "dataset.zip"])
def test_where_reviewers_are_named_only_they_export(reviewed: Room, what: str):
    assert fetch(reviewed, what, "ada").status_code == 403
    reply = fetch(reviewed, what, "chief")
    assert reply.status_code == 200
    assert "attachment" in reply.headers["content-disposition"]


def test_a_reviewer_is_sent_the_data_set(reviewed: Room, tmp_path: Path):
    reply = fetch(reviewed, "dataset.zip", "chief")
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        archive.extractall(tmp_path / "set")
    truth = read_back(tmp_path / "set", tmp_path / "again")
    assert {image: known.finding for image, known in truth.items()} == {
        image: reviewed.pictures[image].finding for image in sorted(reviewed.pictures)[:3]
    }
    assert set(FINDINGS) < {known.finding for known in truth.values()}


def test_the_table_over_the_api_has_a_line_for_each(reviewed: Room):
    reply = fetch(reviewed, "annotations.csv", "chief", withdrawn="true")
    assert reply.headers["content-type"].startswith("text/csv")
    assert [line["image"] for line in lines_of(reply.text)] == sorted(reviewed.pictures)[:3]
