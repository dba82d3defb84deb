"""One image over the API: what everybody is shown of it, and what only those who handed it in."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator

import nibabel
import numpy as np
import pytest
import requests
from harness.pools import FINDINGS
from harness.room import Room
from PIL import Image


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, open_trained: Callable[..., Room]) -> Iterator[Room]:
    """A trained server with a reviewer, and one image that cannot be read."""
    room = open_trained(tmp_path_factory.mktemp("images"), reviewers="chief")
    (room.server.studies / "broken.png").write_bytes(b"no picture")
    with room.server:
        room.server.wait_scored()
        yield room


def get(room: Room, path: str, reader: str | None = None, headers: dict[str, str] | None = None, **query: str):
    who = {} if reader is None else {"client_id": reader}
    return requests.get(f"{room.server.url}/xal/api{path}", params={**query, **who}, headers=headers, timeout=60)


def unread(room: Room, number: int) -> str:
    """A picture with something on it, that nobody has read; each test takes its own."""
    left = [image for image in sorted(room.pictures)[36:] if room.pictures[image].finding != "nothing"]
    return left[number]


def given_to(room: Room, reader: str) -> dict:
    """What Next Sample gives this reader: none of the pictures that tests take for themselves."""
    taken = {unread(room, number) for number in range(8)}
    while (sample := room.server.post("/activelearning/xal", {"client_id": reader}).json())["id"] in taken:
        assert room.server.post(f"/xal/api/images/{sample['id']}/release", {"client_id": reader}).ok
    return sample


def opened(content: bytes) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content))


def test_the_volume_shows_the_pictures_own_pixels(room: Room):
    image = unread(room, 0)
    reply = get(room, f"/images/{image}/volume.nii.gz", "ada")
    assert reply.headers["content-type"] == "application/gzip"
    volume = opened(reply.content)
    stored = np.asarray(Image.open(room.server.studies / f"{image}.png"))
    assert volume.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(volume.dataobj)[:, :, 0], stored.T)
    assert np.array_equal(volume.affine, np.diag([-1, -1, 1, 1]))


def test_a_browser_keeps_a_file_until_it_changes(room: Room):
    image = unread(room, 0)
    path = f"/images/{image}/volume.nii.gz"
    first = get(room, path, "ada")
    again = get(room, path, "ada", {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get(room, path, "ada", {"If-None-Match": '"other"'}).status_code == 200
    checksum = get(room, f"/images/{image}", "ada").json()["checksum"]
    kept = {v: get(room, path, "ada", v=v).headers["cache-control"] for v in (f"SHA256:{checksum}", None)}
    assert [("private" in keep, "immutable" in keep) for keep in kept.values()] == [(True, True), (True, False)]


def test_who_was_told_of_another_file_is_not_given_this_one_to_draw_on(room: Room):
    image = unread(room, 0)
    reply = get(room, f"/images/{image}/volume.nii.gz", "ada", v="SHA256:of an older file")
    assert (reply.status_code, "open it again" in reply.text) == (409, True)
    assert get(room, f"/images/{image}/thumbnail.png", "ada", v="SHA256:of an older file").ok, "nobody draws on it"


def test_the_thumbnail_is_a_small_picture(room: Room):
    reply = get(room, f"/images/{unread(room, 0)}/thumbnail.png", "ada")
    picture = Image.open(io.BytesIO(reply.content))
    assert (picture.size, picture.mode) == ((96, 96), "L")
    assert "private" in reply.headers["cache-control"]


def test_an_image_says_what_may_be_known_of_it(room: Room):
    image = unread(room, 1)
    known = get(room, f"/images/{image}", "ada").json()
    assert (known["status"], known["may_see"], known["finding"], known["own"]) == ("waiting", False, None, None)
    assert (known["shape"], known["spacing"]) == ([32, 32, 1], [1, 1, 1])
    assert 0 <= known["score"] <= 1
    assert known["model_version"] == 1
    assert known["lease"] is None
    settled = sorted(room.pictures)[0]
    assert get(room, f"/images/{settled}", "ada").json()["finding"] is None, "she has not read it"
    assert get(room, f"/images/{settled}", "first").json()["finding"] == room.pictures[settled].finding


def test_a_leased_image_says_whose_it_is(room: Room):
    sample = given_to(room, "leaseholder")
    lease = get(room, f"/images/{sample['id']}", "ada").json()["lease"]
    assert lease["reader"] == "leaseholder"
    assert lease["until"] == pytest.approx(sample["xal"]["lease_until"], abs=1)


def test_blind_before_and_not_after(room: Room):
    image = unread(room, 2)
    hidden = (f"/images/{image}/why", f"/images/{image}/attention.nii.gz")
    for path in hidden:
        refused = get(room, path, "blind")
        assert refused.status_code == 403
        assert "hand this image in" in refused.text
        assert get(room, path, "chief").status_code == 200, "a reviewer sees everything"
    receipt = room.hand_in(image, "blind")["xal"]
    for path in hidden:
        assert get(room, path, "blind").status_code == 200
        assert get(room, path, "another").status_code == 403
    known = get(room, f"/images/{image}", "blind").json()
    assert {name: known["own"][name] for name in ("id", "revision", "finding", "roi_voxels")} == {
        "id": receipt["annotation"],
        "revision": 1,
        "finding": room.pictures[image].finding,
        "roi_voxels": int(room.pictures[image].roi.sum()),
    }
    assert known["may_see"] is True


def test_why_tells_what_the_model_had_thought_when_it_was_handed_in(room: Room):
    sample, opened_by_hand = given_to(room, "asker")["id"], unread(room, 3)
    for image, chosen in ((sample, True), (opened_by_hand, False)):
        receipt = room.hand_in(image, "asker")["xal"]
        said = get(room, f"/images/{image}/why", "asker").json()
        why = said["thought"]
        assert why["chosen"] is chosen
        assert why["sentence"].startswith("Chosen " if chosen else "The model was ")
        assert f"({why['uncertainty']:.2f})" in why["sentence"]
        assert (why["finding"], why["model_version"]) == (receipt["predicted"], receipt["model_version"])
        assert list(why["probabilities"]) == [*FINDINGS, "nothing"]
        assert sum(why["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert why["attention_version"] == 1
        (known,) = said["annotations"]
        assert [known[name] for name in ("reader", "own", "active", "of_these_pixels")] == ["asker", True, True, True]


def test_without_a_model_there_is_nothing_to_tell(room: Room):
    image = sorted(room.pictures)[0]
    assert get(room, f"/images/{image}/attention.nii.gz", "first").status_code == 404  # handed in before there was one
    said = get(room, f"/images/{image}/why", "first").json()
    assert said["thought"] is None
    assert [known["reader"] for known in said["annotations"]] == ["first"]


def test_attention_lies_on_the_image(room: Room):
    image = unread(room, 4)
    reply = get(room, f"/images/{image}/attention.nii.gz", "chief")
    attention = opened(reply.content)
    assert (attention.shape, attention.get_data_dtype()) == ((32, 32, 1), np.float32)
    assert np.array_equal(attention.affine, np.diag([-1, -1, 1, 1]))
    assert 0 <= np.asarray(attention.dataobj).min() < np.asarray(attention.dataobj).max() <= 1
    again = get(room, f"/images/{image}/attention.nii.gz", "chief", {"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304


def test_a_mask_is_its_readers_until_another_has_read_the_image(room: Room):
    image = unread(room, 5)
    number = room.hand_in(image, "owner")["xal"]["annotation"]
    path = f"/annotations/{number}/mask.nii.gz"
    mask = np.asarray(opened(get(room, path, "owner").content).dataobj)
    picture = room.pictures[image]
    assert np.array_equal(mask[:, :, 0], picture.roi.T * (FINDINGS.index(picture.finding) + 1))
    assert get(room, path, "stranger").status_code == 403
    assert get(room, path, "chief").status_code == 200
    room.hand_in(image, "stranger")
    assert get(room, path, "stranger").status_code == 200
    assert get(room, "/annotations/999999/mask.nii.gz", "chief").status_code == 404


def test_a_mask_is_asked_for_again_and_known_by_pool_annotation_and_content(room: Room):
    image = unread(room, 6)
    number = room.hand_in(image, "owner")["xal"]["annotation"]
    path = f"/annotations/{number}/mask.nii.gz"
    first = get(room, path, "owner")
    assert "immutable" not in first.headers["cache-control"]
    assert "must-revalidate" in first.headers["cache-control"]
    known = {"If-None-Match": first.headers["etag"]}
    label = next((room.server.studies / ".xal").rglob(f"labels/{image}/owner.r1.nii.gz"))
    os.utime(label, (0, 0))  # as after a restore
    assert get(room, path, "owner", known).status_code == 304
    assert get(room, path, "stranger", known).status_code == 403
    other = room.hand_in(image, "second owner")["xal"]["annotation"]  # the same outline, another's
    assert get(room, f"/annotations/{other}/mask.nii.gz", "owner", known).status_code == 200


@pytest.mark.parametrize("file", ["volume.nii.gz", "thumbnail.png"])
def test_what_cannot_be_shown_says_why(room: Room, file: str):
    broken = get(room, f"/images/broken/{file}", "ada")
    assert broken.status_code == 409
    assert "no image that can be read" in broken.text
    assert get(room, f"/images/nowhere/{file}", "ada").status_code == 404


def test_an_unreadable_image_has_a_problem_and_no_shape(room: Room):
    known = get(room, "/images/broken", "ada").json()
    assert (known["status"], known["shape"]) == ("unreadable", None)
    assert "no image that can be read" in known["problem"]


def test_the_api_document_names_every_field(room: Room):
    document = room.server.get("/openapi.json").json()
    shown = document["paths"]["/xal/api/images/{image}/why"]["get"]["responses"]["200"]["content"]
    assert shown["application/json"]["schema"]["$ref"].endswith("/Why")
    schemas = document["components"]["schemas"]
    assert set(schemas["Why"]["required"]) == {"thought", "annotations"}
    assert set(schemas["Thought"]["required"]) >= {"sentence", "probabilities", "attention_version"}
    volume = document["paths"]["/xal/api/images/{image}/volume.nii.gz"]["get"]["responses"]["200"]["content"]
    assert list(volume) == ["application/gzip"]
