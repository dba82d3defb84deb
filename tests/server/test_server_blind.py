"""Blind reading: nothing algorithmic about an image reaches a reader who has not handed it in, by any way in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import requests
from harness.pools import FINDINGS
from harness.room import Room
from harness.slicer_like import SlicerLike

TELLTALE = re.compile(
    r'"(probabilities|probability|predicted|energy|energy_in_roi|overlap|proposed|roi_confidence|origin|roi_origin|story)"\s*:\s*(?!null)'
)

FILES = ("/attention.nii.gz", "/region.nii.gz")


def everything_about(room: Room, image: str, reader: str) -> list[requests.Response]:
    """Every way to ask about an image."""
    server, who = room.server, {"client_id": reader}
    params = {"params": json.dumps(who)}
    infer = [
        requests.post(f"{server.url}/infer/{model}", params={"image": image, "output": output}, data=params, timeout=60)
        for model in ("attention", "classifier")
        for output in ("json", "all")
    ]
    file = server.get("/datastore/image", image=image)
    name = f"{image}.png"
    uploaded = requests.post(
        f"{server.url}/infer/classifier", data=params, files={"file": (name, file.content)}, timeout=60
    )
    session = requests.put(f"{server.url}/session/", files={"files": (name, file.content)}, timeout=60).json()
    through_session = requests.post(
        f"{server.url}/infer/classifier", params={"session_id": session["session_id"]}, data=params, timeout=60
    )
    return [
        *infer,
        uploaded,
        through_session,
        requests.head(f"{server.url}/datastore/image", params={"image": image}, timeout=60),
        server.get("/datastore/image/info", image=image),
        server.get("/datastore/label/info", label=image, tag="final"),
        server.get("/datastore/", output="all"),
        server.get("/datastore/", output="stats"),
        server.get("/info/"),
        server.get("/xal/api/status"),
        server.get("/xal/api/annotations", image=image, withdrawn=True, **who),
        *(
            server.get(f"/xal/api/images/{image}{part}", **who)
            for part in ("", "/why", "/attention.nii.gz", "/region.nii.gz")
        ),
        *(server.get("/xal/api/queue", state=state, **who) for state in ("waiting", "leased", "handed_in", "settled")),
        server.get("/xal/api/queue/points", **who),
        server.get("/xal/api/review", **who),
        server.get("/xal/api/room", **who),
        server.get("/xal/api/problems"),
        server.get("/xal/api/jobs"),
        server.get("/scoring/", all=True),
        server.get("/train/", all=True),
        server.get("/logs/", html=False, lines=5000),
        server.post("/activelearning/xal", who),
    ]


def assert_blind(room: Room, image: str, reader: str) -> None:
    for reply in everything_about(room, image, reader):
        what = f"{reply.request.method} {reply.url}: {reply.status_code} {dict(reply.headers)} {reply.text[:3000]}"
        assert reply.status_code < 500, what
        assert not TELLTALE.search(reply.text), what
        for header, value in reply.headers.items():
            assert "xal" not in header.lower(), what
            assert not any(finding in value for finding in FINDINGS), what
        if reply.url.startswith(f"{room.server.url}/infer/") and reply.status_code == 200:
            assert '"finding"' not in reply.text, what
            assert "hand this image in" in reply.text, what


def test_a_reader_is_blind_before_and_sees_after(trained_room: Room):
    sample = trained_room.server.post("/activelearning/xal", {"client_id": "blind"}).json()
    assert_blind(trained_room, sample["id"], "blind")
    trained_room.hand_in(sample["id"], "blind")
    said = requests.post(
        f"{trained_room.server.url}/infer/classifier",
        params={"image": sample["id"]},
        data={"params": json.dumps({"client_id": "blind"})},
        timeout=60,
    )
    assert said.status_code == 200
    assert "probabilities" in said.json()


def test_another_readers_hand_in_does_not_unblind(trained_room: Room):
    sample = trained_room.server.post("/activelearning/xal", {"client_id": "one"}).json()
    trained_room.hand_in(sample["id"], "one")
    assert_blind(trained_room, sample["id"], "two")


def test_an_unconfigured_slicer_is_blind_too(trained_room: Room):
    sample = trained_room.server.post("/activelearning/xal", {"client_id": "user-xyz"}).json()
    assert_blind(trained_room, sample["id"], "user-xyz")


def test_a_client_that_never_submits_sees_what_anyone_handed_in(trained_room: Room):
    handed_in = sorted(trained_room.pictures)[0]
    url = f"{trained_room.server.url}/infer/classifier"
    assert requests.post(url, params={"image": handed_in}, timeout=60).status_code == 200
    waiting = trained_room.server.post("/activelearning/random", {}).json()["id"]
    assert requests.post(url, params={"image": waiting}, timeout=60).status_code == 403


def test_the_attention_of_a_blind_reader_costs_no_forward_pass_and_is_empty(trained_room: Room):
    slicer = SlicerLike(trained_room.server.url, "patient-reader")
    sample = slicer.next_sample()
    result = slicer.run("attention")
    assert set(result["label_names"]) == {"attention 1", "attention 2", "attention 3", "attention 4"}
    assert "finding" not in result
    assert sample["id"]


def test_reveal_always_is_the_tasks_choice(tmp_path: Path, open_trained: Callable[..., Room]):
    room = open_trained(tmp_path, task_extra="reveal: always\n")
    with room.server:
        sample = room.server.post("/activelearning/xal", {"client_id": "open"}).json()
        assert sample["xal"]["finding"] in (*FINDINGS, "nothing")
        assert set(sample["xal"]["probabilities"]) == {*FINDINGS, "nothing"}
        slicer = SlicerLike(room.server.url, "open")
        slicer.next_sample()
        assert slicer.segments["attention 1"].any() or "attention 1" in slicer.run("attention")["label_names"]


def test_what_other_readers_said_is_not_listed_before_one_has_read_the_image(trained_room: Room):
    server, image = trained_room.server, sorted(trained_room.pictures)[2]
    finding = trained_room.pictures[image].finding

    def listed(**query: str) -> list:
        rows = server.get("/xal/api/annotations", image=image, reader="first", **query).json()["items"]
        return [(row["finding"], row["roi_voxels"] is None) for row in rows]

    assert listed(client_id="newcomer") == [(None, True)]
    assert listed(client_id="first") == [(finding, False)]
    trained_room.hand_in(image, "newcomer")
    assert listed(client_id="newcomer") == [(finding, False)]


def test_a_label_is_not_sent_to_a_reader_who_says_to_read_blind(trained_room: Room):
    server, image = trained_room.server, sorted(trained_room.pictures)[4]
    for path in ("/datastore/label", "/datastore/label/info"):
        refused = server.get(path, label=image, tag="final", client_id="unread")
        assert (refused.status_code, "hand this image in" in refused.text) == (403, True)
        assert server.get(path, label=image, tag="final", client_id="first").ok
        assert server.get(path, label=image, tag="final").ok, "stock clients do not say who asks"
        assert server.get(path, label="nowhere", tag="final", client_id="unread").status_code == 404
