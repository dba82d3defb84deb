"""Parts of the server that are quicker to ask without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness.local import Local
from harness.pools import write_label, write_pool
from synthetic import BAR, DOT, NONE

from xal.errors import BadInput, Conflict, XalError
from xal.imaging.images import channel_as_nifti, fingerprint, read_image, suffix_of
from xal.loop.blind import BLIND
from xal.loop.reader import Reader
from xal.loop.submission import Submission, submit
from xal.server.conf import parse_conf
from xal.server.datastore import LARGE_POOL, XalDatastore
from xal.server.infer import UNTRAINED, AttentionInfer, Subject, _contiguous
from xal.server.routes import receipt_reply
from xal.server.strategy import strategies
from xal.server.train import ClassifierTrain, training_settings
from xal.store.rows import ImageFile
from xal.task import ATTENTION_BANDS, REGION, ImageSettings, TrainingSettings

TESTS = Path(__file__).parents[1]


def test_the_listing_of_a_large_pool_holds_only_labelled_images_and_says_so(tmp_path: Path):
    local = Local(tmp_path, 6)
    local.hand_in(local.ids[0])
    datastore = XalDatastore(local.project)
    assert len(datastore.json()["objects"]) == 6
    assert "truncated" not in datastore.json()
    local.project.store.images.put(ImageFile(f"many_{n}", f"many_{n}.png", 1, 1) for n in range(LARGE_POOL))
    listing = datastore.json()
    assert listing["truncated"] is True
    assert list(listing["objects"]) == [local.ids[0]]


def test_who_hands_in_is_told_what_the_model_had_thought_if_one_had_looked(tmp_path: Path):
    local = Local(tmp_path, 6)
    local.model_read(local.ids[0], version=2)
    thought = ("predicted", "probability", "overlap", "model_version")
    reply = receipt_reply(local.hand_in(local.ids[0]))
    assert [reply[name] for name in thought] == ["disc", 0.6, 0.0, 2]
    reply = receipt_reply(local.hand_in(local.ids[1]))
    assert [reply[name] for name in thought] == [None] * 4


def test_labelled_and_unlabelled_images_by_finding(tmp_path: Path):
    local = Local(tmp_path, 6)
    datastore = XalDatastore(local.project)
    local.hand_in(local.ids[0])
    local.hand_in(local.ids[1])
    assert datastore.get_labeled_images() == local.ids[:2]
    assert datastore.get_labeled_images("final", ["disc"]) == [local.ids[0]]
    assert local.ids[1] in datastore.get_unlabeled_images("final", ["disc"])
    assert datastore.get_labeled_images("original") == []


def test_of_a_colour_image_clients_get_one_channel_and_its_checksum(tmp_path: Path):
    import hashlib

    import SimpleITK as sitk  # noqa: N813

    local = Local(tmp_path, 0, image=ImageSettings(dimensions=2, size=(32, 32), channels=3, display_channel=1))
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=True), str(local.studies / "colour.png"))
    local.project.sync()
    _, checksum = local.project.served(local.project.store.images.get("colour"))
    served = Path(XalDatastore(local.project).get_image_uri("colour"))
    assert served.name.startswith("colour.")
    assert suffix_of(served.name) == ".nii.gz"
    assert hashlib.sha256(served.read_bytes()).hexdigest() == checksum
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(served)))[0], pixels[..., 1])
    assert local.project.prepared(local.project.store.images.get("colour")).tensor.shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("levels", "names"),
    [
        ([0, 1, 2, 3, 4], {"attention 1": 1, "attention 2": 2, "attention 3": 3, "attention 4": 4}),
        ([0, 1, 3, 4, 4], {"attention 1": 1, "attention 3": 2, "attention 4": 3, "attention 2": 4}),
        ([0, 0, 0, 0, 4], {"attention 4": 1, "attention 1": 2, "attention 2": 3, "attention 3": 4}),
    ],
)
def test_bands_have_no_gap_because_slicer_counts_values(levels: list[int], names: dict[str, int]):
    given = np.array(levels, np.uint8)
    values, said = _contiguous(given, ATTENTION_BANDS)
    assert said == names
    present = sorted(set(values.tolist()) - {0})
    assert present == list(range(1, len(present) + 1))
    assert all(said[f"attention {level}"] == value for level, value in zip(given, values, strict=True) if level)


@pytest.mark.parametrize("reader", [Reader("bob"), Reader("boss", reviewer=True)])
def test_a_region_without_attention_has_the_value_of_its_place_where_a_client_counts_on_it(
    tmp_path: Path, reader: Reader
):
    local = Local(tmp_path, 1, show_regions=True)
    picture = local.pictures[local.ids[0]]
    label = write_label(tmp_path / "region.nii.gz", picture, (picture.finding,))
    submit(local.project, Submission(picture.id, "ada", label, finding=REGION))
    subject = Subject(local.project.store.images.get(picture.id), None)
    listed = local.task.segments.index(REGION) + 1
    for said, value in (({"restore_label_idx": False}, listed), ({}, 1)):
        file, reply = AttentionInfer(local.project)({"subject": subject, "reader": reader, **said})
        assert reply["message"] == (UNTRAINED if reader.reviewer else BLIND)
        assert reply["label_names"][REGION] == value
        levels = read_image(Path(file)).pixels
        assert set(np.unique(levels)) == {0, value}, "value 1 would be drawn as the model's attention"
        assert (levels == value).sum() == picture.roi.sum()
        Path(file).unlink()


def test_conf_is_validated():
    assert parse_conf({"alpha": "0.25", "share_paths": "true"}).alpha == 0.25
    with pytest.raises(XalError, match=r"alpah.*alpha"):
        parse_conf({"alpah": "0.3"})
    with pytest.raises(XalError, match="alpha 3"):
        parse_conf({"alpha": "3"})


def test_training_options_are_validated():
    settings = training_settings(TrainingSettings(), {"max_epochs": 3, "client_id": "x", "device": "cuda"})
    assert settings.max_epochs == 3
    with pytest.raises(BadInput, match="did you mean 'guidance'"):
        training_settings(TrainingSettings(), {"guidence": 1})


def test_train_stats_are_finite_before_anything_happened(tmp_path: Path):
    stats = ClassifierTrain(Local(tmp_path, 3).project).stats()
    assert (stats["best_metric"], stats["epoch"], stats["total_time"]) == (0.0, 0, 0)


def test_networks_and_the_app_run_beside_a_broken_torchvision(tmp_path: Path):
    broken = tmp_path / "torchvision"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    script = (
        f"import gc; gc.disable(); import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(TESTS)!r}]\n"
        "import torch; from synthetic import make_task\n"
        "from xal.model.training import train\n"
        "from xal.model.network import build, predict\n"
        "task = make_task('efficientnet-b0', max_epochs=1, augment=False)\n"
        "print(predict(build(task), torch.zeros(1, 1, 32, 32), task)[0].finding)\n"
        "assert 'torchvision' not in sys.modules\n"
        "import monailabel.app, xal.server.app, xal.loop.rounds\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] in {DOT, BAR, NONE}


def test_an_upload_never_takes_the_place_of_an_image_in_another_format(tmp_path: Path):
    local = Local(tmp_path, 3)
    datastore = XalDatastore(local.project)
    pixels = read_image(local.studies / f"{local.ids[0]}.png")
    (tmp_path / "other.nii.gz").write_bytes(channel_as_nifti(pixels, 0))
    with pytest.raises(Conflict, match="exists already"):
        datastore.add_image(local.ids[0], str(tmp_path / "other.nii.gz"), {})
    datastore.remove_image(local.ids[1])
    with pytest.raises(Conflict, match="exists already"):
        datastore.add_image(local.ids[1], str(tmp_path / "other.nii.gz"), {})
    local.project.sync()
    assert local.project.store.images.get(local.ids[0]).path == f"{local.ids[0]}.png"
    assert not list(local.studies.glob("*.nii.gz"))


def test_a_copy_of_an_uploaded_image_is_known_at_once(tmp_path: Path):
    local = Local(tmp_path, 0)
    picture = write_pool(tmp_path / "elsewhere", 1)[0]
    file = tmp_path / "elsewhere" / f"{picture.id}.png"
    XalDatastore(local.project).add_image("fresh", str(file), {})
    assert local.project.store.images.by_fingerprint(fingerprint(read_image(file))) == ["fresh"]


def test_next_sample_passes_over_a_file_that_vanished_a_moment_ago(tmp_path: Path):
    local = Local(tmp_path, 3)
    first = strategies(local.project, share_paths=False)["xal"]
    head = local.project.store.queue.head(1)[0].id
    (local.studies / f"{head}.png").unlink()
    given = first({"client_id": "ada"}, None)["id"]
    assert given != head
    assert local.project.store.images.get(head).state == "gone"


def test_a_dataset_names_what_it_lacks_and_leaves_no_file_behind_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import tempfile
    import zipfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    local = Local(tmp_path, 3)
    for image in local.ids[:2]:
        local.hand_in(image)
    (local.studies / f"{local.ids[0]}.png").write_bytes(b"")
    local.project.sync()
    datastore = XalDatastore(local.project)
    with zipfile.ZipFile(archive := datastore.get_dataset_archive(None)) as content:
        names = set(content.namelist())
        assert content.read("missing.txt").decode().startswith(f"{local.ids[0]}: ")
    label, gone = f"label/{local.ids[0]}.nii.gz", f"image/{local.ids[0]}.png"
    assert label in names
    assert gone not in names
    Path(archive).unlink()
    next((local.project.workspace.labels / local.ids[1]).glob("*.nii.gz")).unlink()
    with zipfile.ZipFile(archive := datastore.get_dataset_archive(None)) as content:
        missing = content.read("missing.txt").decode()
    assert f"{local.ids[1]}: the label file of annotation 2 ({local.ids[1]}, ada r1) is missing" in missing
    Path(archive).unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="No space left"):
        datastore.get_dataset_archive(None)
    assert not list(tmp_path.glob("dataset-*"))
