"""Outlines without a finding over a real server: painted in Slicer, told to nobody who reads blind, scored at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
from harness.pools import write_label
from harness.room import Room, open_room, store_of
from harness.slicer_like import SlicerLike

from xal.method.acquisition import roi_confidence

REGION = [{"name": "region", "idx": 1}]


def item_of(room: Room, image: str, client_id: str) -> dict:
    """The image's line in the list of those that wait."""
    reply = room.server.get("/xal/api/queue", client_id=client_id, limit=200)
    return next(item for item in reply.json()["items"] if item["id"] == image)


def waiting(room: Room, finding: str = "disc", but: int = 0) -> str:
    """An image that nobody has handed in; tests of one room take different ones."""
    return [image for image in sorted(room.pictures)[36:] if room.pictures[image].finding == finding][but]


def put_region(room: Room, image: str, reader: str, of: str | None = None, **params: object) -> requests.Response:
    """Hand in a lesion, this image's or another one's, as a region."""
    picture = room.pictures[of or image]
    label = write_label(room.folder / f"region-{reader}.nii.gz", picture, (picture.finding,))
    return requests.put(
        f"{room.server.url}/datastore/label",
        params={"image": image},
        data={"params": json.dumps({"client_id": reader, "label_info": REGION, **params})},
        files={"label": ("label.nii.gz", label.read_bytes())},
        timeout=60,
    )


def test_a_region_painted_in_slicer_leaves_the_image_open_and_the_next_reader_gets_it(trained_room: Room):
    slicer = SlicerLike(trained_room.server.url, "dr_outline")
    sample = slicer.next_sample()
    assert list(slicer.segments)[4] == "region", "behind the attention, before the findings, which win where they meet"
    shown = next(one for one in trained_room.pictures.values() if one.finding == "disc")
    slicer.paint("region", np.nonzero(shown.roi[None]))
    slicer.segments["attention 1"][:, :4] = True
    settled = trained_room.server.status()["settled"]
    reply = slicer.submit()["xal"]
    assert (reply["finding"], reply["region"], reply["predicted"]) == (None, True, None)
    assert reply["roi_voxels"] == shown.roi.sum()
    status = trained_room.server.status()
    assert (status["settled"], status["unscored"]) == (settled, 0), "no scoring run is needed"
    row = item_of(trained_room, sample["id"], "dr_outline")
    assert (row["status"], row["may_see"], row["roi_source"]) == ("waiting", False, None)
    other = SlicerLike(trained_room.server.url, "dr_finding")
    given = other.next_sample()
    while given["id"] != sample["id"]:
        given = other.next_sample()
    assert given["xal"]["score"] is not None
    assert {given["xal"][part] for part in ("uncertainty", "misalignment", "roi_source")} == {None}, "the score alone"
    other.paint("disc", np.nonzero(shown.roi[None]))
    reply = other.submit()["xal"]
    assert (reply["finding"], reply["region"]) == ("disc", False)


def test_nobody_who_reads_blind_finds_a_region_of_another_reader(trained_room: Room):
    server, image = trained_room.server, waiting(trained_room)
    number = put_region(trained_room, image, "drawer").json()["xal"]["annotation"]
    mine = server.get("/xal/api/annotations", client_id="drawer", image=image).json()["items"]
    assert [(row["id"], row["region"], row["finding"]) for row in mine] == [(number, True, None)]
    page = server.get("/xal/api/annotations", client_id="blind", image=image, limit=1).json()
    assert page == {"items": [], "next": None}, "no cursor tells of it either"
    file = next((trained_room.folder / "studies/.xal/tiny/labels" / image).glob("drawer*.nii.gz"))
    whole = file.read_bytes()
    file.write_bytes(b"torn")
    assert server.get(f"/xal/api/annotations/{number}/mask.nii.gz", client_id="drawer").status_code == 409
    assert server.get("/xal/api/problems/labels", client_id="blind").json()["items"] == []
    assert [row["reader"] for row in server.get("/xal/api/problems/labels", client_id="drawer").json()["items"]] == [
        "drawer"
    ]
    file.write_bytes(whole)
    assert server.get(f"/xal/api/annotations/{number}/mask.nii.gz", client_id="drawer").ok
    assert server.get(f"/xal/api/annotations/{number}/mask.nii.gz", client_id="blind").status_code == 403
    for reader in ("drawer", "blind"):
        assert server.get(f"/xal/api/images/{image}/why", client_id=reader).status_code == 403
        assert server.get("/datastore/label", label=image, tag="final", client_id=reader).status_code == 404
    view = server.get(f"/xal/api/images/{image}", client_id="drawer").json()
    assert (view["own"], view["own_region"]["id"]) == (None, number)
    assert server.get(f"/xal/api/images/{image}", client_id="blind").json()["own_region"] is None
    listed = server.get("/datastore/", output="all").json()["objects"][image]
    assert listed["labels"] == {}
    gone = server.post(f"/xal/api/annotations/{number}/withdraw", {"client_id": "drawer"}).json()
    assert gone["withdrawn_by"] == "drawer"


def test_what_is_refused_changes_nothing(trained_room: Room):
    server, image = trained_room.server, waiting(trained_room, but=1)
    before = server.get("/xal/api/annotations", client_id="bad", reader="bad").json()["items"]
    small = trained_room.folder / "small.nii.gz"
    nibabel.Nifti1Image(np.ones((8, 8, 1), np.uint8), np.diag([-1, -1, 1, 1])).to_filename(small)
    shape = requests.put(
        f"{server.url}/datastore/label",
        params={"image": image},
        data={"params": json.dumps({"client_id": "bad", "label_info": REGION})},
        files={"label": ("label.nii.gz", small.read_bytes())},
        timeout=60,
    )
    assert (shape.status_code, "has 8×8×1 voxels" in shape.text) == (400, True)
    unknown = put_region(trained_room, "nowhere", "bad", of=image)
    assert unknown.status_code == 404
    excluded = waiting(trained_room, but=2)
    assert server.post(f"/xal/api/images/{excluded}/exclude", {"reason": "test", "client_id": "bad"}).ok
    assert put_region(trained_room, excluded, "bad").ok, "kept as any label: what is drawn is not lost"
    assert server.get(f"/xal/api/images/{excluded}").json()["status"] == "excluded"
    assert put_region(trained_room, image, "bad", finding="nothing").status_code == 400
    assert before == []
    assert server.get("/xal/api/annotations", client_id="bad", reader="bad", image=image).json()["items"] == []


def test_a_task_may_forbid_regions(tmp_path: Path):
    room = open_room(tmp_path, 6, task_extra="regions: false\n")
    with room.server as server:
        assert "region" not in server.get("/info/").json()["labels"]
        assert server.get("/xal/api/room").json()["regions"] is False
        image = sorted(room.pictures)[0]
        refused = put_region(room, image, "ada")
        assert (refused.status_code, "takes no outline without a finding" in refused.text) == (400, True)
        assert server.get("/xal/api/annotations", client_id="ada").json()["items"] == []


def test_who_is_named_an_outliner_is_given_what_an_outline_would_tell_most_of_and_asked_for_nothing_else(
    tmp_path: Path, open_trained: Callable[..., Room]
):
    room = open_trained(tmp_path, outliners="technologist, resident", reviewers="chief")
    with room.server as server:
        server.wait_scored()
        assert server.get("/xal/api/room", client_id="technologist").json()["asked_for"] == "region"
        assert server.get("/xal/api/room", client_id="ada").json()["asked_for"] == "finding"
        store = store_of(server, "tiny")
        told = {
            image: (1 - said.uncertainty) * (1 - (0 if said.proposed is None else roi_confidence(said.proposed)))
            for image in sorted(room.pictures)[36:]
            if (said := store.predictions.get(image)) is not None
        }
        store.close()
        first = [server.post("/activelearning/xal", {"client_id": "technologist"}).json() for _ in range(3)]
        assert {sample["xal"]["asked_for"] for sample in first} == {"region"}
        best = sorted(told.values(), reverse=True)[:3]
        assert [told[sample["id"]] for sample in first] == pytest.approx(best, abs=1e-6)
        outlined = first[0]["id"]
        assert put_region(room, outlined, "technologist", of=waiting(room)).ok
        given = [server.post("/activelearning/random", {"client_id": "resident"}).json()["id"] for _ in range(52)]
        assert given[-1] == outlined, "what is outlined comes last"
        for image in given[:-1]:
            assert server.post(f"/xal/api/images/{image}/release", {"client_id": "resident"}).ok
        mine = {server.post("/activelearning/xal", {"client_id": "technologist"}).json().get("id") for _ in range(60)}
        assert outlined not in mine, "and never again to who has outlined it"
        assert server.post("/activelearning/xal", {"client_id": "ada"}).json()["xal"]["asked_for"] == "finding"


def test_the_next_training_learns_from_regions_that_stand_and_the_version_says_of_how_many(
    tmp_path: Path, open_trained: Callable[..., Room]
):
    room = open_trained(tmp_path)
    with room.server as server:
        regions = [put_region(room, waiting(room, but=number), "technologist") for number in range(3)]
        assert all(reply.ok for reply in regions)
        withdrawn = regions[0].json()["xal"]["annotation"]
        assert server.post(f"/xal/api/annotations/{withdrawn}/withdraw", {"client_id": "technologist"}).ok
        settled = server.status()["settled"]
        first = server.get("/xal/api/versions/1").json()["metrics"]["trained_on"]
        version = server.train(max_epochs=1)
        assert (first["only_outlined"], version["metrics"]["trained_on"]["only_outlined"]) == (0, 2)
        assert version["labels"] == first["cases"], "they are no labels"
        assert server.status()["settled"] == settled
        assert item_of(room, waiting(room, but=1), "other")["status"] == "waiting"


def queue_says(room: Room, image: str, client_id: str) -> tuple:
    row = item_of(room, image, client_id)
    return row["may_see"], row["roi_source"], row["roi_origin"]


def point_says(room: Room, image: str, client_id: str) -> tuple | None:
    """Of the image among the points of the queue; None where it is withheld."""
    points = room.server.get("/xal/api/queue/points", client_id=client_id).json()["points"]
    return next(((one["roi_source"], one["roi_origin"]) for one in points if one["id"] == image), None)


def next_sample_says(room: Room, image: str, client_id: str) -> tuple:
    """When the reader is given the image, which goes back after that."""
    for _ in room.pictures:
        sample = room.server.post("/activelearning/xal", {"client_id": client_id}).json()
        if sample["id"] == image:
            break
    assert sample["id"] == image
    assert room.server.post(f"/xal/api/images/{image}/release", {"client_id": client_id}).ok
    return sample["xal"]["roi_source"], sample["xal"]["roi_origin"]


def origins_listed(room: Room, image: str, client_id: str) -> dict:
    """By reader, in the list of annotations."""
    rows = room.server.get("/xal/api/annotations", image=image, client_id=client_id).json()["items"]
    return {row["reader"]: row["origin"] for row in rows}


def test_who_may_see_it_is_told_where_an_outline_was_drawn(tmp_path: Path, open_trained: Callable[..., Room]):
    room = open_trained(tmp_path, reviewers="chief")
    with room.server as server:
        server.wait_scored()
        slicer = SlicerLike(server.url, "dr_slicer")
        image = slicer.next_sample()["id"]
        slicer.paint("region", (slice(None), slice(8, 12), slice(8, 12)))
        slicer.submit()
        assert queue_says(room, image, "chief") == (True, "drawn", ["slicer"])
        assert queue_says(room, image, "dr_slicer") == queue_says(room, image, "other") == (False, None, None)
        assert put_region(room, image, "dr_page", of=waiting(room), origin="page").ok
        assert queue_says(room, image, "chief") == (True, "drawn", ["slicer", "page"])
        why = server.get(f"/xal/api/images/{image}/why", client_id="chief").json()
        assert why["thought"]["roi_origin"] == ["slicer", "page"]
        assert [(said["reader"], said["origin"]) for said in why["annotations"]] == [
            ("dr_slicer", "slicer"),
            ("dr_page", "page"),
        ]
        assert point_says(room, image, "chief") == ("drawn", ["slicer", "page"])
        assert next_sample_says(room, image, "chief") == ("drawn", ["slicer", "page"])
        for blind in ("dr_slicer", "other"):
            assert point_says(room, image, blind) in (None, ("none", None))
        assert next_sample_says(room, image, "other") == (None, None)
        assert origins_listed(room, image, "chief") == {"dr_slicer": "slicer", "dr_page": "page"}
        assert origins_listed(room, image, "dr_page").get("dr_page") == "page", "one's own"
        assert origins_listed(room, image, "other") == {}
        untouched = waiting(room, but=3)
        assert queue_says(room, untouched, "chief")[2] is None
        refused = put_region(room, untouched, "dr_page", origin="a telegram")
        assert (refused.status_code, "slicer, page, rest, archive, file" in refused.text) == (400, True)


@pytest.mark.parametrize("task", ["show_regions: true\n", "reveal: always\n"])
def test_where_the_task_shows_them_others_regions_are_there_to_be_corrected(tmp_path: Path, task: str):
    room = open_room(tmp_path, 6, task_extra=task)
    with room.server as server:
        image = next(one for one in sorted(room.pictures) if room.pictures[one].finding == "disc")
        path = f"/xal/api/images/{image}"
        assert server.get(path, client_id="bob").json()["shown_region"] is None
        assert server.get(f"{path}/region.nii.gz", client_id="bob").status_code == 404
        assert put_region(room, image, "ada", origin="page").json()["xal"]["shown"] == []
        by_ada = [{"reader": "ada", "origin": "page"}]
        assert server.get(path, client_id="bob").json()["shown_region"] == {"drawers": by_ada}
        assert server.get(path, client_id="ada").json()["shown_region"] is None
        file = tmp_path / "shown.nii.gz"
        file.write_bytes(server.get(f"{path}/region.nii.gz", client_id="bob").content)
        expected = room.pictures[image].roi
        assert np.asarray(nibabel.load(file).dataobj).sum() == expected.sum()
        slicer = SlicerLike(server.url, "bob")
        while slicer.next_sample()["id"] != image:
            assert not slicer.segments["region"].any(), "nobody has outlined this one"
        np.testing.assert_array_equal(slicer.segments["region"][0], expected)
        assert not slicer.segments["attention 1"].any(), "no model has read it"
        untouched = slicer.submit(check=False)
        assert "exactly what ada had outlined" in untouched["detail"], "and not kept as bob's own"
        slicer.segments["region"][:] = False
        slicer.paint("disc", np.nonzero(expected[None]))
        receipt = slicer.submit()["xal"]
        assert (receipt["finding"], receipt["shown"]) == ("disc", by_ada)
        assert receipt["message"].endswith("You were shown what ada had outlined.")
        assert "region" not in slicer.run("attention")["label_names"], "what was handed in is nothing to be corrected"


def test_a_receipt_names_what_the_page_or_slicer_was_sent_and_not_what_stands_by_then(tmp_path: Path):
    room = open_room(tmp_path, 6, task_extra="show_regions: true\n")
    with room.server as server:
        image = next(one for one in sorted(room.pictures) if room.pictures[one].finding == "disc")
        number = put_region(room, image, "ada").json()["xal"]["annotation"]
        by_ada = [{"reader": "ada", "origin": "rest"}]
        assert server.get(f"/xal/api/images/{image}", client_id="viewer").json()["shown_region"] == {"drawers": by_ada}
        assert server.get(f"/xal/api/images/{image}/region.nii.gz", client_id="drawer").ok
        slicer = SlicerLike(server.url, "slicer")
        while slicer.next_sample()["id"] != image:
            pass
        assert slicer.segments["region"].any()
        assert server.post(f"/xal/api/annotations/{number}/withdraw", {"client_id": "ada"}).ok
        for reader in ("viewer", "drawer", "slicer"):
            assert room.hand_in(image, reader)["xal"]["shown"] == by_ada, reader
        assert room.hand_in(image, "blind")["xal"]["shown"] == []


def test_by_default_no_client_is_shown_what_others_outlined(trained_room: Room):
    server, image = trained_room.server, waiting(trained_room, but=4)
    assert put_region(trained_room, image, "painter").json()["xal"]["shown"] == []
    assert server.get(f"/xal/api/images/{image}", client_id="later").json()["shown_region"] is None
    assert server.get(f"/xal/api/images/{image}/region.nii.gz", client_id="later").status_code == 403
    slicer = SlicerLike(server.url, "later")
    slicer.sample = {"id": image}
    reply = requests.get(f"{server.url}/datastore/image", params={"image": image}, timeout=60)
    (trained_room.folder / "shown.png").write_bytes(reply.content)
    slicer.load(trained_room.folder / "shown.png")
    assert "region" not in slicer.run("attention")["label_names"]
    receipt = trained_room.hand_in(image, "later")["xal"]
    assert (receipt["shown"], "shown" in receipt["message"]) == ([], False)
