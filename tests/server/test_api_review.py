"""Reviewing over a real server: what is shown to reviewers, what they decide, and sums for everybody."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.reviewing import AGREED, CONTESTED, DOUBTED, FAR, LENT, SECOND, draw, drawn, look_again, say
from harness.room import Room, store_of

from xal.store.paging import write_cursor

BOSS = {"client_id": "boss"}


def review(room: Room, **query: object) -> dict:
    reply = room.server.get("/xal/api/review", **{**BOSS, **query})
    assert reply.ok, reply.text
    return dict(reply.json())


def progress(room: Room) -> dict:
    reply = room.server.get("/xal/api/progress")
    assert reply.ok, reply.text
    return dict(reply.json())


def in_pages(room: Room, path: str, limit: int, **query: object) -> list[dict]:
    """The whole of a list, a few at a time."""
    items, cursor = [], None
    while True:
        page = room.server.get(f"/xal/api/{path}", limit=limit, cursor=cursor, **query).json()
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


def suspect(room: Room, image: str) -> dict | None:
    return next((item for item in review(room)["items"] if item["image"] == image), None)


@pytest.fixture
def fresh(reviewed: Room) -> Iterator[Callable[[], str]]:
    """Gives images of which nobody ever said anything; what is said of them then is withdrawn in the end."""
    taken: list[str] = []

    def take() -> str:
        known = {row["image"] for row in in_pages(reviewed, "annotations", 100, withdrawn=True, **BOSS)}
        taken.append(next(image for image in sorted(reviewed.pictures)[18:] if image not in {*known, *taken}))
        return taken[-1]

    yield take
    for image in taken:
        for row in reviewed.server.get("/xal/api/annotations", image=image, **BOSS).json()["items"]:
            assert reviewed.server.post(f"/xal/api/annotations/{row['id']}/withdraw", BOSS).ok


def test_each_suspect_has_its_reason_in_one_sentence(reviewed: Room):
    said = {item["image"]: (item["kind"], item["sentence"]) for item in review(reviewed)["items"]}
    assert said[SECOND] == ("disagree", "dr_a says disc, dr_b says square.")
    assert said[DOUBTED] == (
        "model",
        "The model was sure it is square (0.93) and looked at the outline (overlap 1.00), but dr_a says disc.",
    )
    kind, sentence = said[FAR]
    assert kind == "far"
    assert re.fullmatch(r"dr_a's outline lies far from all 1\d other outlines of disc\.", sentence), sentence
    assert AGREED not in said
    kinds = [kind for kind, _ in said.values()]
    assert reviewed.server.status()["doubts"] == kinds.count("model") + kinds.count("far")
    shown = suspect(reviewed, FAR)
    assert shown is not None
    (annotation,) = shown["annotations"]
    assert {name: annotation[name] for name in ("reader", "finding", "revision", "roi_voxels")} == {
        "reader": "dr_a",
        "finding": "disc",
        "revision": 1,
        "roi_voxels": 64,
    }


def test_the_list_is_paged(reviewed: Room):
    whole = review(reviewed)
    assert whole["next"] is None
    seen, cursor = [], None
    while cursor is not None or not seen:
        page = review(reviewed, limit=1, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) == 1
        seen += page["items"]
        cursor = page["next"]
    assert seen == whole["items"]
    for wrong in ({"cursor": "nonsense"}, {"limit": 0}, {"limit": 10_000}):
        assert reviewed.server.get("/xal/api/review", **BOSS, **wrong).status_code in (400, 422)


def test_only_reviewers_see_the_list_and_decide(reviewed: Room):
    annotation = suspect(reviewed, FAR)["annotations"][0]["id"]
    before = review(reviewed)
    for reader in ("dr_a", "dr_c", "Boss"):
        who = {"client_id": reader}
        replies = [
            reviewed.server.get("/xal/api/review", **who),
            reviewed.server.post(f"/xal/api/review/{annotation}/accept", {**who, "kind": "far"}),
            reviewed.server.post(f"/xal/api/images/{CONTESTED}/settle", {**who, "finding": "disc"}),
        ]
        assert [reply.status_code for reply in replies] == [403, 403, 403]
        assert all("square" not in reply.text for reply in replies)
    assert reviewed.server.get("/xal/api/review").status_code == 403
    assert review(reviewed) == before


def test_a_doubt_is_accepted_and_the_annotation_stands(reviewed: Room, fresh):
    image = fresh()
    say(reviewed, image, "square")
    draw(reviewed, image, "disc")
    look_again(reviewed)
    annotation = suspect(reviewed, image)["annotations"][0]["id"]
    assert reviewed.server.post(f"/xal/api/review/{annotation}/accept", {**BOSS, "kind": "far"}).status_code == 404
    assert reviewed.server.post(f"/xal/api/review/{annotation}/accept", {**BOSS, "kind": "disagree"}).status_code == 422
    reply = reviewed.server.post(f"/xal/api/review/{annotation}/accept", {**BOSS, "kind": "model"})
    assert reply.ok, reply.text
    assert {name: reply.json()[name] for name in ("annotation", "kind", "image", "accepted_by")} == {
        "annotation": annotation,
        "kind": "model",
        "image": image,
        "accepted_by": "boss",
    }
    assert suspect(reviewed, image) is None
    (stands,) = reviewed.server.get("/xal/api/annotations", image=image).json()["items"]
    assert stands["id"] == annotation


def test_only_its_reader_and_reviewers_withdraw_an_annotation(reviewed: Room):
    (own,) = reviewed.server.get("/xal/api/annotations", image=DOUBTED).json()["items"]
    withdraw = f"/xal/api/annotations/{own['id']}/withdraw"
    for reader in ("dr_b", None):
        refused = reviewed.server.post(withdraw, {"client_id": reader})
        assert refused.status_code == 403
        assert "no reviewer" in refused.text
    assert reviewed.server.get("/xal/api/annotations", image=DOUBTED).json()["items"] == [own]
    draw(reviewed, LENT, "disc", reader="dr_b")
    (lent,) = reviewed.server.get("/xal/api/annotations", image=LENT).json()["items"]
    (told,) = reviewed.server.get("/xal/api/annotations", image=LENT, client_id="dr_c").json()["items"]
    assert (lent["origin"], told["origin"], told["finding"]) == ("rest", None, None), (
        "who reads it blind is told neither"
    )
    taken_back = reviewed.server.post(f"/xal/api/annotations/{lent['id']}/withdraw", {"client_id": "dr_b"}).json()
    assert (taken_back["withdrawn_by"], taken_back["finding"]) == ("dr_b", "disc")


def test_annotations_are_listed_in_pages_oldest_first(reviewed: Room):
    whole = reviewed.server.get("/xal/api/annotations", withdrawn=True, **BOSS).json()["items"]
    assert [row["id"] for row in whole] == sorted(row["id"] for row in whole)
    assert in_pages(reviewed, "annotations", 4, withdrawn=True, **BOSS) == whole
    for wrong in ({"limit": 0}, {"limit": 1001}):
        assert reviewed.server.get("/xal/api/annotations", **wrong).status_code == 422
    for wrong in ("x", write_cursor("annotations None None False", (1,)), write_cursor("jobs", (2**70,))):
        assert reviewed.server.get("/xal/api/annotations", cursor=wrong, withdrawn=True).status_code == 400


def test_excluding_an_image_does_not_tell_its_finding_to_who_reads_it_blind(reviewed: Room):
    for reader, finding in (("dr_c", None), ("dr_a", "disc"), ("boss", "disc")):
        who = {"client_id": reader}
        excluded = reviewed.server.post(f"/xal/api/images/{AGREED}/exclude", {**who, "reason": "blurred"}).json()
        included = reviewed.server.post(f"/xal/api/images/{AGREED}/include", who).json()
        assert (excluded["finding"], included["finding"]) == (finding, finding)


def test_a_withdrawn_annotation_is_no_suspect_any_more(reviewed: Room, fresh):
    image = fresh()
    draw(reviewed, image, "disc", corner=(24, 24))
    look_again(reviewed)
    annotation = suspect(reviewed, image)["annotations"][0]["id"]
    assert reviewed.server.post(f"/xal/api/annotations/{annotation}/withdraw", BOSS).ok
    assert suspect(reviewed, image) is None


def test_a_reviewer_settles_what_readers_disagree_on_until_they_change(reviewed: Room):
    settle = f"/xal/api/images/{CONTESTED}/settle"
    assert suspect(reviewed, CONTESTED) is not None
    refused = reviewed.server.post(settle, {**BOSS, "finding": "nothing"})
    assert refused.status_code == 409
    assert "'disc', 'square'" in refused.text
    assert reviewed.server.post("/xal/api/images/elsewhere/settle", {**BOSS, "finding": "disc"}).status_code == 404
    reply = reviewed.server.post(settle, {**BOSS, "finding": "square", "reason": "four corners"})
    assert reply.json() == {"image": CONTESTED, "finding": "square", "status": "settled"}
    assert suspect(reviewed, CONTESTED) is None
    draw(reviewed, CONTESTED, "disc", reader="dr_a", corner=(11, 12))
    assert suspect(reviewed, CONTESTED) is not None, "the decision was about other annotations"


def test_progress_is_sums_for_everybody(reviewed: Room):
    store = store_of(reviewed.server, "tiny")
    version = store.versions.add(
        metrics={"judged_on": "training", "balanced_accuracy": 1.0, "trained_on": {"cases": 21, "with_roi": 14}},
        verdict={"publish": False, "reason": "refused: it falls by more than 0.020"},
    )
    store.versions.update(version, state="refused", by="training")
    store.close()
    said = progress(reviewed)
    at = reviewed.server.get("/xal/api/versions").json()["items"][0]
    assert {name: at[name] for name in ("version", "state", "labels", "balanced_accuracy", "interval", "reasons")} == {
        "version": version,
        "state": "refused",
        "labels": 21,
        "balanced_accuracy": None,
        "interval": None,
        "reasons": ["refused: it falls by more than 0.020"],
    }
    assert {"dr_a", "dr_b"} <= set(said["readers"])
    counts = {(row["finding"], row["reader"]): row["count"] for row in said["labels"]}
    standing = reviewed.server.get("/xal/api/annotations").json()["items"]
    assert counts == {
        (finding, reader): sum((row["finding"], row["reader"]) == (finding, reader) for row in standing)
        for finding, reader in {(row["finding"], row["reader"]) for row in standing}
    }
    assert "picture_" not in json.dumps(said)


def test_progress_tells_how_far_readers_agree(reviewed: Room):
    look_again(reviewed)
    said = progress(reviewed)["agreement"]
    (pair,) = said["pairs"]
    assert (pair["one"], pair["other"], pair["images"], said["images"]) == ("dr_a", "dr_b", 3, 3)
    assert pair["dice"] == said["dice"] == 0.75  # AGREED alone: eight by eight pixels, shifted by two
    assert pair["kappa"] == said["kappa"] == 0.0  # one of three agrees, and by chance one of three would


def test_our_routes_are_in_the_document(reviewed: Room):
    document = reviewed.server.get("/openapi.json").json()
    for path, method in (
        ("/xal/api/review", "get"),
        ("/xal/api/review/{annotation}/accept", "post"),
        ("/xal/api/images/{image}/settle", "post"),
        ("/xal/api/progress", "get"),
    ):
        reply = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        assert "$ref" in reply, path


def test_a_lost_label_file_does_not_stop_the_watch(reviewed: Room, fresh):
    labels = Path(reviewed.server.studies) / ".xal" / "tiny" / "labels"
    lost, next_one = fresh(), fresh()
    look_again(reviewed)  # at what earlier tests handed in
    before = progress(reviewed)["agreement"]["pairs"][0]["images"]
    draw(reviewed, lost, "disc")
    for file in (labels / lost).glob("*.nii.gz"):
        file.unlink()
    draw(reviewed, lost, "disc", reader="dr_b")
    draw(reviewed, next_one, "disc")
    look_again(reviewed)
    assert progress(reviewed)["agreement"]["pairs"][0]["images"] == before + 1
    assert f"{lost} are not compared" in reviewed.server.tail(400)


def test_what_the_score_of_an_image_is_made_of_does_not_tell_what_the_first_reader_found(reviewed: Room):
    def told(reader: str) -> list:
        row = queue_row(reviewed, DOUBTED, reader)
        view = reviewed.server.get(f"/xal/api/images/{DOUBTED}", client_id=reader).json()
        made_of = [(one["uncertainty"], one["misalignment"], one["roi_source"]) for one in (row, view)]
        points = reviewed.server.get("/xal/api/queue/points", client_id=reader).json()["points"]
        listed = reviewed.server.get("/xal/api/queue", client_id=reader, source="proposed").json()["items"]
        assert row["score"] == view["score"] is not None
        return [*made_of, *(DOUBTED in {one["id"] for one in some} for some in (points, listed))]

    for _ in reviewed.pictures:
        given = reviewed.server.post("/activelearning/xal", {"client_id": "dr_b"}).json()
        if given["id"] == DOUBTED:
            break
    assert given["xal"]["score"] is not None
    assert [given["xal"][name] for name in ("uncertainty", "misalignment", "roi_source")] == [None] * 3
    assert told("dr_b") == [(None, None, None)] * 2 + [False] * 2
    assert told("dr_a") == told("boss") == [(0.2, 0.5, "proposed")] * 2 + [True] * 2


def queue_row(room: Room, image: str, reader: str) -> dict:
    rows = room.server.get("/xal/api/queue", client_id=reader).json()["items"]
    return next(row for row in rows if row["id"] == image)


def test_versions_and_jobs_are_listed_in_pages_newest_first(reviewed: Room):
    store = store_of(reviewed.server, "tiny")
    for number in range(5):
        store.versions.add(metrics={"judged_on": "training", "trained_on": {"cases": number}}, verdict={})
        store.jobs.finish(store.jobs.start("score", os.getpid(), {}), "done")
    versions = in_pages(reviewed, "versions", 2)
    assert [row["version"] for row in versions] == sorted((row.version for row in store.versions.all()), reverse=True)
    jobs = in_pages(reviewed, "jobs", 2)
    assert [row["id"] for row in jobs] == [row.id for row in store.jobs.latest(limit=100)]
    assert len(jobs) >= 5
    store.close()
    detail = reviewed.server.get(f"/xal/api/versions/{versions[0]['version']}").json()
    assert detail["metrics"]["trained_on"] == {"cases": 4}
    assert {name: detail[name] for name in versions[0]} == versions[0]
    assert reviewed.server.get("/xal/api/versions/999").status_code == 404


def test_a_reviewer_hands_in_something_better_in_place_of_what_a_reader_said(reviewed: Room, fresh):
    image = fresh()
    draw(reviewed, image, "disc")
    draw(reviewed, image, "square", reader="dr_b")
    annotation = suspect(reviewed, image)["annotations"][0]
    assert (annotation["reader"], annotation["finding"]) == ("dr_a", "disc")
    for reader, revises, status in (("dr_c", annotation["id"], 403), ("boss", "1", 400), ("boss", True, 400)):
        assert drawn(reviewed, image, "square", reader, revises=revises).status_code == status
    assert suspect(reviewed, image)["annotations"][0] == annotation
    assert drawn(reviewed, image, "square", "boss", revises=annotation["id"]).ok
    assert suspect(reviewed, image) is None
    rows = reviewed.server.get("/xal/api/annotations", image=image, withdrawn=True, **BOSS).json()["items"]
    said = {row["reader"]: (row["finding"], row["withdrawn_by"]) for row in rows}
    assert said == {"dr_a": ("disc", "boss"), "dr_b": ("square", None), "boss": ("square", None)}
    assert reviewed.server.get(f"/xal/api/images/{image}", **BOSS).json()["finding"] == "square"
    again = drawn(reviewed, image, "square", "boss", revises=annotation["id"])
    assert (again.status_code, "nothing to revise" in again.text) == (409, True)
