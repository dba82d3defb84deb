"""Bad input over a real server: a clear 4xx, and everything as it was."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813
from harness.pools import FINDINGS
from harness.room import Room

INFO = [{"name": name, "idx": n + 1} for n, name in enumerate(FINDINGS)]


@pytest.fixture
def unchanged(room: Room):
    """Whatever the test sends, the store and the folder are the same afterwards."""

    def state() -> tuple[object, ...]:
        listing = room.server.get("/datastore/", output="all").json()
        annotations = room.server.get("/xal/api/annotations", withdrawn=True).json()["items"]
        labels = sorted(path.name for path in (room.folder / "studies" / ".xal").rglob("*.nii.gz"))
        around = sorted(path.name for path in room.folder.iterdir())
        return listing, annotations, labels, around

    before = state()
    yield
    assert state() == before


def put_label(room: Room, content: bytes, name: str = "label.nii.gz", image: str | None = None, **params: object):
    said = {"label_info": INFO, "client_id": "mallory", **params}
    return requests.put(
        f"{room.server.url}/datastore/label",
        params={"image": image or sorted(room.pictures)[0]},
        data={"params": json.dumps(said)},
        files={"label": (name, content)},
        timeout=60,
    )


def test_a_label_drawn_for_another_pool_is_refused_whatever_it_is(room: Room, unchanged: None):
    reply = put_label(room, b"no label at all", image="nowhere", pool="elsewhere")
    assert reply.status_code == 409
    refused(reply, "drawn for another pool of images (elsewhere)", "it is kept where it was drawn")


def label_bytes(tmp_path: Path, voxels: np.ndarray, **geometry: object) -> bytes:
    image = sitk.GetImageFromArray(voxels)
    if "spacing" in geometry:
        image.SetSpacing(geometry["spacing"])
    if "origin" in geometry:
        image.SetOrigin(geometry["origin"])
    sitk.WriteImage(image, str(tmp_path / "l.nii.gz"), True)
    return (tmp_path / "l.nii.gz").read_bytes()


def refused(reply: requests.Response, *words: str) -> None:
    assert 400 <= reply.status_code < 500, f"{reply.status_code}: {reply.text}"
    for word in words:
        assert word.lower() in reply.text.lower(), reply.text


@pytest.mark.usefixtures("unchanged")
class TestLabels:
    def test_garbage(self, room: Room):
        refused(put_label(room, b"this is no image" * 100))

    def test_empty(self, room: Room):
        refused(put_label(room, b""), "empty")

    def test_truncated(self, room: Room, tmp_path: Path):
        whole = label_bytes(tmp_path, np.random.default_rng(0).integers(0, 2, (1, 32, 32)).astype(np.uint8))
        refused(put_label(room, whole[: len(whole) // 2]))

    def test_gzip_of_nothing(self, room: Room):
        refused(put_label(room, gzip.compress(b"")))

    def test_wrong_shape(self, room: Room, tmp_path: Path):
        refused(put_label(room, label_bytes(tmp_path, np.ones((1, 16, 16), np.uint8))), "16", "32")

    def test_wrong_place(self, room: Room, tmp_path: Path):
        refused(put_label(room, label_bytes(tmp_path, np.ones((1, 32, 32), np.uint8), origin=(5.0, 0.0, 0.0))))

    def test_wrong_spacing(self, room: Room, tmp_path: Path):
        refused(put_label(room, label_bytes(tmp_path, np.ones((1, 32, 32), np.uint8), spacing=(2.0, 2.0, 1.0))))

    def test_value_beyond_label_info(self, room: Room, tmp_path: Path):
        refused(put_label(room, label_bytes(tmp_path, np.full((1, 32, 32), 3, np.uint8))), "3")

    def test_nan(self, room: Room, tmp_path: Path):
        voxels = np.zeros((1, 32, 32), np.float32)
        voxels[0, 3, 3] = np.nan
        refused(put_label(room, label_bytes(tmp_path, voxels)), "nan")

    def test_fraction(self, room: Room, tmp_path: Path):
        refused(put_label(room, label_bytes(tmp_path, np.full((1, 32, 32), 0.5, np.float32))))

    def test_two_findings(self, room: Room, tmp_path: Path):
        voxels = np.zeros((1, 32, 32), np.uint8)
        voxels[0, :4], voxels[0, 20:] = 1, 2
        refused(put_label(room, label_bytes(tmp_path, voxels)), "disc", "square")

    def test_unknown_segment(self, room: Room, tmp_path: Path):
        content = label_bytes(tmp_path, np.ones((1, 32, 32), np.uint8))
        refused(put_label(room, content, label_info=[{"name": "disk", "idx": 1}]), "disk", "disc")

    def test_contradiction(self, room: Room, tmp_path: Path):
        content = label_bytes(tmp_path, np.ones((1, 32, 32), np.uint8))
        refused(put_label(room, content, finding="square"), "disc", "square")

    def test_unknown_image(self, room: Room, tmp_path: Path):
        refused(put_label(room, label_bytes(tmp_path, np.ones((1, 32, 32), np.uint8)), image="nowhere"), "nowhere")

    @pytest.mark.parametrize("tag", ["../../evil", "original", "FINAL"])
    def test_other_tags(self, room: Room, tmp_path: Path, tag: str):
        reply = requests.put(
            f"{room.server.url}/datastore/label",
            params={"image": sorted(room.pictures)[0], "tag": tag},
            data={"params": json.dumps({"label_info": INFO})},
            files={"label": ("l.nii.gz", label_bytes(tmp_path, np.ones((1, 32, 32), np.uint8)))},
            timeout=60,
        )
        refused(reply, "final")

    @pytest.mark.parametrize(
        "params", ["{", "[]", '"x"', '{"a": NaN}', '{"label_info": 5}', '{"label_info": [5]}', "[" * 100_000]
    )
    def test_params_that_are_no_params(self, room: Room, tmp_path: Path, params: str):
        reply = requests.put(
            f"{room.server.url}/datastore/label",
            params={"image": sorted(room.pictures)[0]},
            data={"params": params},
            files={"label": ("l.nii.gz", label_bytes(tmp_path, np.ones((1, 32, 32), np.uint8)))},
            timeout=60,
        )
        refused(reply)

    @pytest.mark.parametrize("name", ["../../x.nii.gz", "x", "", "x.exe", "label.nii.gz/../../y"])
    def test_odd_file_names_write_nowhere(self, room: Room, name: str):
        refused(put_label(room, b"garbage", name=name))


@pytest.mark.usefixtures("unchanged")
class TestImages:
    @pytest.mark.parametrize("identifier", ["../evil", "..", "a/b", ".hidden", "a\\b", "x" * 300, "a\nb", "片" * 100])
    def test_ids_that_would_leave_the_folder(self, room: Room, identifier: str):
        picture = (room.folder / "studies" / f"{sorted(room.pictures)[0]}.png").read_bytes()
        reply = requests.put(
            f"{room.server.url}/datastore/",
            params={"image": identifier},
            files={"file": ("a.png", picture)},
            timeout=60,
        )
        refused(reply)

    @pytest.mark.parametrize(("name", "content"), [("a.png", b"no picture"), ("a.nii.gz", b""), ("a.txt", b"text")])
    def test_upload_of_no_image(self, room: Room, name: str, content: bytes):
        refused(requests.put(f"{room.server.url}/datastore/image", files={"file": (name, content)}, timeout=60))

    def test_upload_that_does_not_fit_the_task(self, room: Room, tmp_path: Path):
        sitk.WriteImage(sitk.Image([8, 8, 8], sitk.sitkUInt8), str(tmp_path / "v.nii.gz"))
        content = (tmp_path / "v.nii.gz").read_bytes()
        refused(requests.put(f"{room.server.url}/datastore/image", files={"file": ("v.nii.gz", content)}, timeout=60))

    @pytest.mark.parametrize("path", ["/datastore/image", "/datastore/image/info"])
    @pytest.mark.parametrize("identifier", ["nowhere", "../../etc/passwd", "/etc/passwd"])
    def test_unknown_images(self, room: Room, path: str, identifier: str):
        refused(room.server.get(path, image=identifier))

    def test_unknown_labels(self, room: Room):
        refused(room.server.get("/datastore/label", label="nowhere", tag="final"))
        refused(room.server.get("/datastore/label", label=sorted(room.pictures)[0], tag="../x"))
        refused(room.server.get("/datastore/label/info", label=sorted(room.pictures)[0], tag="original"))

    def test_label_info_is_never_overwritten(self, room: Room):
        reply = requests.put(
            f"{room.server.url}/datastore/label/info",
            params={"label": sorted(room.pictures)[0], "tag": "final"},
            data={"info": "{}"},
            timeout=60,
        )
        refused(reply, "never changed")


@pytest.mark.usefixtures("unchanged")
class TestRequests:
    def infer(self, room: Room, model: str, params: dict[str, object], **query: str):
        return requests.post(
            f"{room.server.url}/infer/{model}", params=query, data={"params": json.dumps(params)}, timeout=60
        )

    def test_unknown_names(self, room: Room):
        refused(room.server.post("/activelearning/guess", {}), "xal")
        refused(self.infer(room, "segmentation", {}, image=sorted(room.pictures)[0]), "attention")
        refused(room.server.post("/train/segmentation", {}), "classifier")
        refused(room.server.post("/scoring/dice", {}), "xal")

    @pytest.mark.parametrize("path", ["/etc/passwd", "/etc/hostname", "../../x"])
    def test_server_paths_are_not_read(self, room: Room, path: str):
        refused(self.infer(room, "classifier", {}, image=path))
        refused(self.infer(room, "attention", {"image": path}, image=sorted(room.pictures)[0]), "image")

    @pytest.mark.parametrize("key", ["image", "session_id", "save_label", "label_tag"])
    def test_params_decide_nothing_they_may_not(self, room: Room, key: str):
        forged = {key: "final", "client_id": "mallory"}
        refused(self.infer(room, "attention", forged, image=sorted(room.pictures)[0]), key)

    def test_forged_final_label(self, room: Room):
        forged = {"save_label": True, "label_tag": "final"}
        refused(self.infer(room, "attention", forged, image=sorted(room.pictures)[0]))

    def test_unknown_session(self, room: Room):
        refused(self.infer(room, "attention", {}, session_id="../../../etc"))
        refused(self.infer(room, "attention", {}, session_id="00000000-0000"))

    def test_nothing_named(self, room: Room):
        refused(self.infer(room, "attention", {}))

    def test_file_that_is_no_image(self, room: Room):
        reply = requests.post(
            f"{room.server.url}/infer/attention", files={"file": ("x.png", b"no picture")}, timeout=60
        )
        refused(reply)

    def test_dicom_seg_of_a_folder(self, room: Room):
        refused(self.infer(room, "attention", {}, image=sorted(room.pictures)[0], output="dicom_seg"))

    def test_image_output_of_the_classifier(self, room: Room):
        image = sorted(room.pictures)[0]
        refused(self.infer(room, "classifier", {"client_id": "x"}, image=image, output="image"))

    def test_bad_json(self, room: Room):
        reply = requests.post(
            f"{room.server.url}/activelearning/xal", data="{", headers={"content-type": "application/json"}, timeout=60
        )
        refused(reply)
        reply = requests.post(
            f"{room.server.url}/infer/attention",
            params={"image": sorted(room.pictures)[0]},
            data={"params": "{"},
            timeout=60,
        )
        refused(reply, "JSON")

    def test_training_options(self, room: Room):
        refused(room.server.post("/train/classifier", {"max_epochs": 0}), "max_epochs")
        refused(room.server.post("/train/classifier", {"max_epoch": 5}), "max_epochs")
        refused(room.server.post("/train/classifier", {"guidance": "much"}), "guidance")
        refused(room.server.post("/train/", {"classifier": 5}), "classifier")

    def test_harmful_endpoints(self, room: Room):
        refused(room.server.post("/reload"))
        refused(room.server.post("/batch/infer/attention", {}))
        refused(room.server.post("/infer/wsi/attention", {}, image=sorted(room.pictures)[0]))
        refused(requests.put(f"{room.server.url}/model/classifier", files={"file": ("m.pt", b"x")}, timeout=60))
        refused(room.server.get("/proxy/dicom/wado/studies"))

    def test_management(self, room: Room):
        refused(room.server.post("/xal/api/annotations/424242/withdraw"))
        refused(room.server.post("/xal/api/versions/7/publish"))
        refused(room.server.post(f"/xal/api/annotations/{10**30}/withdraw"))
        refused(room.server.post(f"/xal/api/versions/{10**30}/publish"))
        refused(room.server.get("/datastore/dataset", limit_cases=10**30))
        refused(room.server.get("/datastore/dataset", limit_cases=-1))
        refused(room.server.post("/xal/api/images/nowhere/exclude", {"reason": "x"}))
        refused(requests.delete(f"{room.server.url}/datastore/label?id=nowhere&tag=final", timeout=30))
        refused(requests.delete(f"{room.server.url}/datastore/image?id=nowhere", timeout=30))


def test_broken_images_in_the_folder_are_reported_and_the_rest_works(room: Room):
    studies = room.folder / "studies"
    whole = (studies / f"{sorted(room.pictures)[0]}.png").read_bytes()
    (studies / "broken_empty.png").write_bytes(b"")
    (studies / "broken_half.png").write_bytes(whole[: len(whole) // 2])
    (studies / "broken_text.nii.gz").write_bytes(b"not gzip")
    server = room.server
    server.wait(lambda: server.status()["images"] >= 63, 20, "the scan")
    given = set()
    while (sample := server.post("/activelearning/xal", {"client_id": "patient"}).json()) and sample["id"] not in given:
        given.add(sample["id"])
    assert not any(image.startswith("broken") for image in given)
    assert len(given) == 60
    problems = {row["id"]: row["problem"] for row in server.get("/xal/api/problems").json()["items"]}
    assert set(problems) == {"broken_empty", "broken_half", "broken_text"}
    assert all("broken_" in text for text in problems.values())
    refused(server.get("/datastore/image", image="broken_half"))
