"""The whole loop over a real server: Next Sample, submit, train, rescore, look, with stock clients."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
import SimpleITK as sitk  # noqa: N813
from harness.pools import FINDINGS
from harness.room import Room, open_room
from harness.slicer_like import SlicerLike
from monailabel.client import MONAILabelClient

ATTENTION = ["attention 1", "attention 2", "attention 3", "attention 4"]


def test_info_is_what_the_clients_need(room: Room):
    info = room.server.get("/info/").json()
    assert info["labels"] == [*ATTENTION, "region", "disc", "square"]
    assert "config" not in info
    assert {name: model["type"] for name, model in info["models"].items()} == {
        "attention": "segmentation",
        "classifier": "classification",
    }
    assert not set(info["models"]["attention"]["labels"]) & set(FINDINGS)
    assert list(info["trainers"]) == ["classifier"]
    assert "guidance" in info["trainers"]["classifier"]["config"]
    always = {"xal", "xal_evidence", "entropy", "uncertainty", "margin", "uniform", "random"}
    assert set(info["strategies"]) == always | {"coverage", "k_center", "badge"}, "and bald where there is dropout"
    assert "no chance" in info["strategies"]["random"]["description"]
    assert list(info["scoring"]) == ["xal"]


def test_our_interface_is_documented_with_the_rest(room: Room):
    paths = room.server.get("/openapi.json").json()["paths"]
    assert {"/xal/api/status", "/activelearning/{strategy}", "/session/", "/datastore/label"} <= set(paths)


def test_before_any_model_everything_answers(room: Room):
    slicer = SlicerLike(room.server.url, "early")
    sample = slicer.next_sample()
    assert sample["xal"]["score"] is None
    assert sample["xal"]["model_version"] is None
    assert not any(slicer.segments[name].any() for name in ATTENTION)
    reply = slicer.submit()  # nothing painted: the absent finding
    assert reply["xal"]["finding"] == "nothing"
    assert "withdraw" in reply["xal"]["message"]
    assert "No model" in reply["xal"]["message"]
    said = requests.post(
        f"{room.server.url}/infer/classifier",
        params={"image": sample["id"], "output": "json"},
        data={"params": json.dumps({"client_id": "early"})},
        timeout=60,
    )
    assert said.status_code == 200
    assert said.json()["finding"] is None
    assert "no model" in said.json()["message"]


def test_the_order_without_a_model_is_a_shuffle_and_not_the_alphabet(room: Room):
    slicer = SlicerLike(room.server.url, "shuffled")
    given = [slicer.next_sample("uniform")["id"] for _ in range(8)]
    assert len(set(given)) == 8
    assert given != sorted(given)


def test_whole_loop_with_monailabels_own_client(tmp_path: Path):
    room = open_room(tmp_path, 45)
    with room.server:
        client = MONAILabelClient(room.server.url, tmpdir=str(tmp_path), client_id="anna")
        seen = set()
        for _ in range(30):
            sample = client.next_sample("xal", {})
            assert sample["id"] not in seen
            seen.add(sample["id"])
            said = [{"name": name, "idx": 1} for name in FINDINGS]
            client.save_label(sample["id"], str(room.label(sample["id"])), params={"label_info": said})
        assert client.info()["datastore"]["completed"] == 30
        client.train_start("classifier", {"max_epochs": 6, "patience": 6})  # long enough to be seen at work
        room.server.wait(lambda: client.train_status(True), 20, "training to start")
        progress = []
        until = time.monotonic() + 480
        while client.train_status(True):
            assert time.monotonic() < until, room.server.tail()
            progress.append(client.info()["train_stats"]["classifier"]["epoch"])
            time.sleep(0.3)
        stats = client.info()["train_stats"]["classifier"]
        assert stats["model_version"] == 1
        assert stats["state"] == "done"
        assert max(progress) >= 1, "progress was visible while training ran"
        assert room.server.wait_scored()["unscored"] == 0
        sample = client.next_sample("xal", {})
        assert 0 <= sample["xal"]["score"] <= 1
        assert sample["xal"]["model_version"] == 1
        image, said = client.infer("attention", sample["id"], {})
        assert image is not None
        assert "hand this image in" in said["message"]
        one_of_mine = next(iter(seen))
        _, said = client.infer("classifier", one_of_mine, {})
        said = json.loads(said)  # MONAI Label's client hands out the bytes where a reply has no file
        assert said["finding"] in (*FINDINGS, "nothing")
        assert abs(sum(said["probabilities"].values()) - 1) < 0.01


def test_slicer_reads_outlines_and_sees_the_attention(trained_room: Room):
    slicer = SlicerLike(trained_room.server.url, "dr_x")
    sample = slicer.next_sample()
    assert not any(slicer.segments[name].any() for name in ATTENTION), "blind before"
    picture = trained_room.pictures[sample["id"]]
    while picture.finding == "nothing":
        picture = trained_room.pictures[slicer.next_sample()["id"]]
    slicer.paint(picture.finding, np.nonzero(picture.roi[None]))
    slicer.segments["attention 2"][:, :8] = True  # left over from an earlier run: stripped by the server
    reply = slicer.submit()["xal"]
    assert reply["finding"] == picture.finding
    assert reply["roi_voxels"] == picture.roi.sum()
    assert reply["predicted"] in (*FINDINGS, "nothing")
    assert "The model had" in reply["message"]
    slicer.run("attention")
    assert slicer.segments["attention 1"].any(), "visible after"
    assert slicer.segments[picture.finding].sum() == picture.roi.sum(), "the outline is untouched"
    stored = trained_room.server.get("/datastore/label", label=picture.id, tag="final")
    file = slicer.folder / "back.nii.gz"
    file.write_bytes(stored.content)
    back = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    assert np.array_equal(back[0] > 0, picture.roi)
    assert set(np.unique(back)) == {0, FINDINGS.index(picture.finding) + 1}


def test_attention_of_another_finding_can_be_asked_for(trained_room: Room):
    slicer = SlicerLike(trained_room.server.url, "first")
    slicer.sample = {"id": sorted(trained_room.pictures)[0]}
    content = trained_room.server.get("/datastore/image", image=slicer.sample["id"]).content
    file = slicer.folder / "image.png"
    file.write_bytes(content)
    slicer.load(file)
    slicer.segments = {}
    assert slicer.run("attention", finding="square")["finding"] in (*FINDINGS, "nothing")
    refused = trained_room.server.post("/infer/attention", image=slicer.sample["id"])
    assert refused.status_code == 200  # an unknown reader: an empty map, no refusal, so that Slicer survives
    wrong = requests.post(
        f"{trained_room.server.url}/infer/attention",
        params={"image": slicer.sample["id"]},
        data={"params": json.dumps({"client_id": "first", "finding": "nothing"})},
        timeout=60,
    )
    assert wrong.status_code == 400
    assert "disc, square" in wrong.json()["detail"]


def test_scores_are_stored_with_their_story(trained_room: Room):
    sample = trained_room.server.post("/activelearning/xal", {"client_id": "story"}).json()
    story = sample["xal"]
    assert set(story) == {
        "score", "uncertainty", "misalignment", "roi_source", "roi_origin", "alpha", "model_version", "lease_until",
        "chosen_by", "asked_for", "outline_wanted",
    }  # fmt: skip
    assert story["roi_source"] in ("drawn", "proposed", "none")
    misalignment = story["misalignment"]
    if misalignment is not None:
        expected = story["alpha"] * story["uncertainty"] + (1 - story["alpha"]) * misalignment
        assert story["score"] == pytest.approx(expected, abs=1e-6)
    assert time.time() < story["lease_until"] <= time.time() + 3601
    assert sample["checksum"].startswith("SHA256:")
    head = requests.head(
        f"{trained_room.server.url}/datastore/image",
        params={"image": sample["id"], "check_sum": sample["checksum"]},
        timeout=30,
    )
    assert head.status_code == 200


def test_random_is_xal_and_uniform_is_not(trained_room: Room):
    server = trained_room.server
    server.wait_scored()
    scores = []
    for strategy in ("xal", "random", "xal", "random", "random"):
        scores.append(server.post(f"/activelearning/{strategy}", {"client_id": "ohif"}).json()["xal"]["score"])
    assert scores == sorted(scores, reverse=True)
    uniform = [server.post("/activelearning/uniform", {"client_id": "u"}).json()["xal"]["score"] for _ in range(12)]
    assert uniform != sorted(uniform, reverse=True)


def test_alpha_is_the_servers_and_reorders_the_pool(trained_room: Room):
    server = trained_room.server
    changed = requests.put(f"{server.url}/xal/api/settings/alpha", json={"alpha": 1.0, "client_id": "boss"}, timeout=30)
    assert changed.json() == {"alpha": 1.0}
    sample = server.post("/activelearning/xal", {"client_id": "alpha-reader"}).json()
    assert sample["xal"]["alpha"] == 1.0
    assert sample["xal"]["score"] == pytest.approx(sample["xal"]["uncertainty"])
    assert requests.put(f"{server.url}/xal/api/settings/alpha", json={"alpha": 2}, timeout=30).status_code == 422
    requests.put(f"{server.url}/xal/api/settings/alpha", json={"alpha": 0.5}, timeout=30)


def test_the_method_is_the_servers_and_a_reviewer_changes_it_while_it_runs(trained_room: Room):
    server = trained_room.server

    def choose(method: object, **more: object) -> requests.Response:
        body = {"method": method, "client_id": "boss", **more}
        return requests.put(f"{server.url}/xal/api/settings/method", json=body, timeout=30)

    def chosen_by(strategy: str, reader: str) -> str:
        reply = server.post(f"/activelearning/{strategy}", {"client_id": reader})
        sample = reply.json()
        requests.post(f"{server.url}/xal/api/images/{sample['id']}/release", json={"client_id": reader}, timeout=30)
        return str(sample["xal"]["chosen_by"])

    assert server.status()["method"] == "xal"
    refused = server.post("/activelearning/k_center", {"client_id": "ann"})
    assert refused.status_code == 409
    assert "k_center is not lined up, since xal is the method in use" in refused.json()["detail"]
    assert choose("k_center").json() == {"method": "k_center"}
    try:
        server.wait(lambda: server.status()["lined_up"], 60, "the images to be lined up")
        assert chosen_by("k_center", "lined up") == chosen_by("random", "in use") == "k_center"
        assert [chosen_by(name, f"by {name}") for name in ("xal", "entropy", "uncertainty", "margin", "uniform")] == [
            "xal", "entropy", "entropy", "margin", "uniform",
        ]  # fmt: skip
        for wrong in ("bald", "guess", None, 3):
            assert choose(wrong).status_code in (400, 422)
        assert server.status()["method"] == "k_center"
    finally:
        choose("xal")
    server.wait(lambda: server.status()["lined_up"], 60, "the queue to be as before")


def test_an_uploaded_image_joins_the_pool_and_is_scored(trained_room: Room, tmp_path: Path):
    server = trained_room.server
    image = sitk.GetImageFromArray(np.random.default_rng(5).integers(0, 255, (32, 32)).astype(np.uint8))
    sitk.WriteImage(image, str(tmp_path / "new case.png"))
    client = MONAILabelClient(server.url, tmpdir=str(tmp_path), client_id="uploader")
    assert client.upload_image(str(tmp_path / "new case.png"), "new case")["image"] == "new case"
    server.wait_scored()
    assert server.get("/datastore/image", image="new case").content == (tmp_path / "new case.png").read_bytes()
    again = requests.put(
        f"{server.url}/datastore/image",
        params={"image": "new case"},
        files={"file": ("new case.png", (tmp_path / "new case.png").read_bytes())},
        timeout=30,
    )
    assert again.status_code == 409


def test_models_work_on_session_images(trained_room: Room, tmp_path: Path):
    image = sitk.GetImageFromArray(np.random.default_rng(6).integers(0, 255, (32, 32)).astype(np.uint8))
    sitk.WriteImage(image, str(tmp_path / "own.png"))
    client = MONAILabelClient(trained_room.server.url, tmpdir=str(tmp_path), client_id="guest")
    session = client.create_session(str(tmp_path / "own.png"))["session_id"]
    file, said = client.infer("attention", "", {}, session_id=session)
    assert Path(file).exists()
    assert "attention 1" in said["label_names"]
    _, said = client.infer("classifier", "", {}, session_id=session)
    assert "probabilities" in json.loads(said)


def test_images_that_appear_and_vanish_are_noticed(trained_room: Room, tmp_path: Path):
    server = trained_room.server
    before = server.status()["images"]
    picture = sitk.GetImageFromArray(np.full((32, 32), 7, np.uint8))
    file = trained_room.folder / "studies" / "dropped_in.png"
    sitk.WriteImage(picture, str(file))
    server.wait(lambda: server.status()["images"] == before + 1, 20, "the new file")
    file.unlink()
    server.wait(lambda: server.status()["images"] == before, 20, "the loss")
    assert server.get("/datastore/image", image="dropped_in").status_code == 404


def untouched(room: Room, first: int) -> str:
    """A picture that nobody has handed in: other tests were given theirs by chance."""
    taken = {row["image"] for row in room.server.get("/xal/api/annotations", withdrawn=True).json()["items"]}
    return next(name for name in sorted(room.pictures)[first:] if name not in taken)


def test_withdrawn_annotation_returns_the_image_and_keeps_the_file(room: Room):
    server = room.server
    image = untouched(room, 10)
    number = room.hand_in(image, "regret")["xal"]["annotation"]
    assert server.get("/datastore/label", label=image, tag="final").ok
    reply = server.post(f"/xal/api/annotations/{number}/withdraw", {"client_id": "regret"})
    assert reply.json()["withdrawn_by"] == "regret"
    assert server.get("/datastore/label", label=image, tag="final").status_code == 404
    kept = list((room.folder / "studies" / ".xal").rglob("regret*.nii.gz"))
    assert len(kept) == 1


def test_every_revision_and_reader_is_kept(room: Room):
    image = untouched(room, 12)
    first = room.hand_in(image, "ada")["xal"]
    again = room.hand_in(image, "ada")["xal"]
    assert again["annotation"] == first["annotation"], "the same bytes are the same submission"
    assert again["handed_in_before"]
    other = next(name for name in room.pictures if room.pictures[name].finding != room.pictures[image].finding)
    assert room.server.submit(image, room.label(other), list(FINDINGS), "ada").json()["xal"]["revision"] == 2
    room.hand_in(image, "bob")
    listed = room.server.get("/xal/api/annotations", image=image, withdrawn=True).json()["items"]
    assert [(row["reader"], row["revision"]) for row in listed] == [("ada", 1), ("ada", 2), ("bob", 1)]
    files = {path.name for path in (room.folder / "studies" / ".xal").rglob(f"{image}/*.nii.gz")}
    assert files == {"ada.r1.nii.gz", "ada.r2.nii.gz", "bob.r1.nii.gz"}


def test_excluded_image_never_returns(room: Room):
    server = room.server
    image = sorted(room.pictures)[20]
    reply = server.post(f"/xal/api/images/{image}/exclude", {"reason": "wrong modality", "client_id": "ada"})
    assert reply.json()["excluded"] == "wrong modality"
    given = set()
    while sample := server.post("/activelearning/uniform", {"client_id": "exhaust"}).json():
        if sample["id"] in given:
            break
        given.add(sample["id"])
    for other in given:  # which others need as well
        assert server.post(f"/xal/api/images/{other}/release", {"client_id": "exhaust"}).ok
    assert image not in given
    assert len(given) > 20
    assert server.post(f"/xal/api/images/{image}/exclude", {"reason": ""}).status_code == 422


def test_dataset_download_holds_images_and_labels(room: Room, tmp_path: Path):
    import zipfile

    room.hand_in(sorted(room.pictures)[30], "zip")
    reply = room.server.get("/datastore/dataset")
    (tmp_path / "d.zip").write_bytes(reply.content)
    names = zipfile.ZipFile(tmp_path / "d.zip").namelist()
    image = sorted(room.pictures)[30]
    assert {f"image/{image}.png", f"label/{image}.nii.gz", "metadata.json"} <= set(names)


def test_deleted_image_is_a_tombstone(room: Room):
    server = room.server
    image = sorted(room.pictures)[40]
    assert requests.delete(f"{server.url}/datastore/image", params={"id": image}, timeout=30).ok
    time.sleep(2.5)  # two scans of the folder
    assert server.get("/datastore/image/info", image=image).status_code == 404
    assert (room.folder / "studies" / f"{image}.png").exists()


@pytest.fixture
def trainable(room: Room) -> Room:
    """The room with enough in it for a training; the same hand-in again changes nothing."""
    for image in sorted(room.pictures)[41:57]:
        room.hand_in(image, "stopper")
    return room


def test_stopping_a_training_that_has_said_nothing_yet_does_not_crash_slicer(trainable: Room):
    room = trainable
    assert room.server.post("/train/classifier", {"max_epochs": 500}).ok
    room.server.wait(lambda: room.server.get("/train/", check_if_running=True).ok, 10, "the process")
    stopped = requests.delete(f"{room.server.url}/train/", timeout=30).json()
    assert stopped["status"] == "STOPPED"
    assert stopped["details"][-1]
    assert room.server.get("/xal/api/versions").json()["items"] == []


def test_a_stopped_training_is_not_said_to_run(trainable: Room):
    server = trainable.server
    assert server.post("/train/classifier", {"max_epochs": 500, "patience": 500}).ok
    server.wait(lambda: any(job["state"] == "running" for job in server.status()["jobs"]), 60, "the job")
    assert requests.delete(f"{server.url}/train/", timeout=30).ok
    (job,) = server.get("/xal/api/jobs", limit=1).json()["items"]
    assert (job["kind"], job["state"], job["message"]) == ("train", "stopped", "stopped by a client")


def test_options_of_scoring_mean_nothing_and_cannot_hold_it_up(room: Room):
    server = room.server
    for odd in ({"gpus": 5}, {"method": "dice"}, {"x": "y" * 300_000}):
        assert server.post("/scoring/xal", odd).ok
    server.wait(lambda: all(run["status"] == "DONE" for run in server.get("/scoring/", all=True).json()), 60, "scoring")


def test_ctrl_c_during_a_training_ends_server_and_training_at_once(tmp_path: Path):
    room = open_room(tmp_path, 45)
    server = room.server.start()
    for image in sorted(room.pictures)[:24]:
        room.hand_in(image)
    assert server.post("/train/classifier", {"max_epochs": 900, "patience": 900}).ok
    server.wait(lambda: any(job["progress"] for job in server.status()["jobs"]), 60, "an epoch")
    (training,) = server.jobs()
    os.kill(server.pid, signal.SIGINT)
    server.wait(lambda: not psutil.pid_exists(training.pid), 10, "the training to end")
    assert server.exit_code(10) is not None
