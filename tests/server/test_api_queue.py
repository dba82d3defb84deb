"""The pool for people, over a real server: blind lists for readers, all for reviewers, and pages that fit together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from harness.room import Room, open_room

PARTS = ("uncertainty", "misalignment", "roi_source")
ALGORITHMIC = ("finding", "predicted", "probability", "overlap")
HANDED_IN = 27


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """40 pictures: 27 handed in by "first", one excluded, one unreadable, the others scored; "chief" is a reviewer."""
    room = open_room(tmp_path_factory.mktemp("listed"), 40, reviewers="chief")
    with room.server:
        pictures = sorted(room.pictures)
        for image in pictures[:HANDED_IN]:
            room.hand_in(image, "first")
        excluded = room.server.post(
            f"/xal/api/images/{pictures[30]}/exclude", {"client_id": "first", "reason": "blurred"}
        )
        assert excluded.ok, excluded.text
        (room.folder / "studies" / "torn.png").write_bytes(b"no picture")
        assert room.server.train(max_epochs=1)["state"] == "published"
        room.server.wait_scored()
        room.server.wait(lambda: room.server.status()["unreadable"] == 1, 60, "the unreadable image to be found")
        yield room


def queue(room: Room, client_id: str = "blind", **query: object) -> dict[str, Any]:
    reply = room.server.get("/xal/api/queue", client_id=client_id, **query)
    assert reply.ok, reply.text
    return dict(reply.json())


def items(room: Room, client_id: str = "blind", **query: object) -> list[dict[str, Any]]:
    """All items, page after page."""
    found, cursor = [], None
    for _ in range(100):
        page = queue(room, client_id, **query, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
    raise AssertionError(f"the list has no end: {found[-3:]}")


def test_the_room_says_what_a_page_must_know(listed: Room):
    said = listed.server.get("/xal/api/room", client_id="first").json()
    pool = json.loads((listed.server.studies / ".xal/pool.json").read_text())["pool"]
    assert said == {
        "pool": pool,
        "task": "tiny",
        "title": "Discs and squares",
        "dimensions": 2,
        "findings": [
            {"name": "disc", "color": None, "absent": False},
            {"name": "square", "color": None, "absent": False},
            {"name": "nothing", "color": None, "absent": True},
        ],
        "regions": True,
        "asked_for": "finding",
        "outline_share": 1.0,
        "reveal": "after_submit",
        "alpha": 0.5,
        "methods": ["xal", "xal_evidence", "entropy", "margin", "uniform", "badge", "k_center", "coverage"],
        "reader": "first",
        "reviewer": False,
        "reviewers": True,
        "lease_minutes": 60.0,
        "show_patient": False,
    }
    assert listed.server.get("/xal/api/room", client_id="chief").json()["reviewer"] is True
    assert listed.server.get("/xal/api/room").json()["reader"] == "anon:127.0.0.1"


def test_a_reader_sees_scores_and_nothing_else_of_what_waits(listed: Room):
    waiting = items(listed)
    assert len(waiting) == 12
    for item in waiting:
        assert item["status"] == "waiting"
        assert item["score"] is not None
        assert [item[name] for name in PARTS] == [None] * 3
        assert item["model_version"] == 1
        assert item["may_see"] is False
        assert [item[name] for name in ALGORITHMIC] == [None] * 4
        assert item["annotation"] is None


def test_a_reviewer_sees_what_the_model_thinks(listed: Room):
    waiting = items(listed, "chief")
    assert [item["id"] for item in waiting] == [item["id"] for item in items(listed)]
    assert all(item["may_see"] for item in waiting)
    assert {item["predicted"] for item in waiting} <= {"disc", "square", "nothing"}
    assert all(1 / 3 <= item["probability"] <= 1 for item in waiting)
    settled = items(listed, "chief", state="settled")
    assert {item["id"]: item["finding"] for item in settled} == {
        image: listed.pictures[image].finding for image in sorted(listed.pictures)[:HANDED_IN]
    }


def test_what_is_settled_names_its_finding_to_who_handed_it_in_only(listed: Room):
    own, others = items(listed, "first", state="settled"), items(listed, "blind", state="settled")
    assert len(own) == len(others) == HANDED_IN
    assert all(item["finding"] == listed.pictures[item["id"]].finding for item in own)
    assert all(item[name] is None for item in others for name in ALGORITHMIC)


def test_hand_ins_are_listed_newest_first_and_blind_to_others(listed: Room):
    own, others = items(listed, "first", state="handed_in"), items(listed, "blind", state="handed_in")
    newest = sorted(listed.pictures)[:HANDED_IN][::-1]
    assert [item["id"] for item in own] == [item["id"] for item in others] == newest
    for item in own:
        assert item["annotation"]["finding"] == listed.pictures[item["id"]].finding
        assert (item["annotation"]["reader"], item["annotation"]["revision"]) == ("first", 1)
    assert {item["annotation"]["finding"] for item in others} == {None}
    assert [item["annotation"]["id"] for item in others] == [item["annotation"]["id"] for item in own]
    assert len(items(listed, "blind", state="handed_in", reader="first")) == HANDED_IN
    assert items(listed, "blind", state="handed_in", reader="nobody") == []


def test_a_client_that_never_submits_sees_what_anybody_handed_in(listed: Room):
    page = listed.server.get("/xal/api/queue", state="handed_in").json()
    assert all(item["annotation"]["finding"] for item in page["items"])
    waiting = listed.server.get("/xal/api/queue").json()["items"]
    assert not any(item["may_see"] for item in waiting)


@pytest.mark.parametrize("state", ["waiting", "handed_in", "settled"])
def test_pages_fit_together_and_the_last_one_says_so(listed: Room, state):
    whole = queue(listed, state=state, limit=500)
    assert whole["next"] is None
    for limit in (1, 5, len(whole["items"])):
        assert items(listed, state=state, limit=limit) == whole["items"]
    assert len(queue(listed, state=state, limit=5)["items"]) == 5


def test_next_sample_gives_the_first_of_the_list_which_then_says_who_has_it(listed: Room):
    order = [item["id"] for item in items(listed)]
    sample = listed.server.post("/activelearning/xal", {"client_id": "taker"}).json()
    assert sample["id"] == order[0]
    assert [item["id"] for item in items(listed)] == order
    lease = {"image": order[0], "reader": "taker", "until": sample["xal"]["lease_until"]}
    assert queue(listed)["items"][0]["lease"] == lease
    assert queue(listed)["items"][1]["lease"] is None
    (leased,) = items(listed, state="leased", reader="taker")
    assert (leased["id"], leased["lease"], leased["may_see"]) == (order[0], lease, False)
    assert items(listed, state="leased", reader="blind") == []
    assert {"image": order[0], **lease} in listed.server.get("/xal/api/leases").json()["items"]


def test_what_waits_can_be_listed_by_roi_source(listed: Room):
    waiting = items(listed, "chief")
    found = {source: items(listed, "chief", source=source) for source in ("drawn", "proposed", "none")}
    assert sum(map(len, found.values())) == len(waiting)
    for source, some in found.items():
        assert [item for item in waiting if item["roi_source"] == source] == some
        assert items(listed, "blind", source=source) == [], "it would tell what the model found"


def test_excluded_and_unreadable_images_say_why(listed: Room):
    (excluded,) = items(listed, state="excluded")
    assert (excluded["id"], excluded["excluded"], excluded["excluded_by"]) == (
        sorted(listed.pictures)[30],
        "blurred",
        "first",
    )
    (unreadable,) = items(listed, state="unreadable")
    assert unreadable["id"] == "torn"
    assert "torn.png" in unreadable["problem"]
    assert items(listed, state="review") == []


def test_points_are_the_scored_images_that_wait(listed: Room):
    waiting = items(listed, "chief")
    said = listed.server.get("/xal/api/queue/points", client_id="chief").json()
    assert (said["total"], said["shown"], len(said["points"])) == (12, 12, 12)
    points = {item["id"]: {name: item[name] for name in ("id", "score", *PARTS, "roi_origin")} for item in waiting}
    assert {point["id"]: point for point in said["points"]} == points
    for item in waiting:
        if item["predicted"] == "nothing":
            assert item["misalignment"] in (1, None)
    blind = listed.server.get("/xal/api/queue/points", client_id="blind").json()
    told = {image: point for image, point in points.items() if point["misalignment"] not in (1, None)}
    assert {point["id"]: point for point in blind["points"]} == told
    assert (blind["total"], blind["shown"], blind["withheld"]) == (12, len(told), 12 - len(told))
    few = listed.server.get("/xal/api/queue/points", limit=3, client_id="chief").json()
    assert (few["total"], few["shown"]) == (12, 3)
    best = sorted((item["score"] for item in waiting), reverse=True)
    assert [point["score"] for point in few["points"]][:2] == best[:2]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"state": "waiting", "reader": "first"}, 400, "reader is a filter for leased and handed_in images"),
        ({"state": "settled", "reader": "first"}, 400, "not for those that are settled"),
        ({"state": "handed_in", "source": "drawn"}, 400, "source is a filter for waiting images"),
        ({"state": "leased", "source": "none"}, 400, "not for those that are leased"),
        ({"cursor": "nonsense"}, 400, "the cursor 'nonsense' is damaged"),
        ({"state": "read"}, 422, "state"),
        ({"source": "painted"}, 422, "source"),
        ({"limit": 0}, 422, "limit"),
        ({"limit": 501}, 422, "limit"),
        ({"client_id": "a\nb"}, 400, "client_id"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(listed: Room, query, status, words):
    reply = listed.server.get("/xal/api/queue", **query)
    assert reply.status_code == status, reply.text
    assert words in reply.text


def test_a_cursor_of_another_list_is_refused(listed: Room):
    cursor = queue(listed, limit=5)["next"]
    reply = listed.server.get("/xal/api/queue", state="settled", cursor=cursor)
    assert (reply.status_code, "another list" in reply.text) == (400, True)


def test_replies_are_typed_in_the_documentation(listed: Room):
    document = listed.server.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    replies = {"/xal/api/room": "Room", "/xal/api/queue": "PageOf_QueueItem_", "/xal/api/queue/points": "Points"}
    for path, name in replies.items():
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer == {"$ref": f"#/components/schemas/{name}"}
    leases = schemas["PageOf_LeaseReply_"]["properties"]["items"]
    assert leases["items"] == {"$ref": "#/components/schemas/LeaseReply"}
    assert set(schemas["QueueItem"]["required"]) == set(queue(listed)["items"][0])
    asked = {one["name"]: one["schema"] for one in document["paths"]["/xal/api/queue"]["get"]["parameters"]}
    assert set(asked) >= {"client_id", "state", "source", "reader", "cursor", "limit"}
    assert asked["state"]["enum"] == ["waiting", "leased", "handed_in", "settled", "review", "excluded", "unreadable"]


def test_a_room_without_reviewers_and_with_open_reading(tmp_path):
    room = open_room(tmp_path, 4, "reveal: always\n")
    with room.server:
        said = room.server.get("/xal/api/room", client_id="first").json()
        assert (said["reveal"], said["reviewer"], said["reviewers"]) == ("always", False, False)
        assert all(item["may_see"] for item in items(room, "first"))
        assert all(item["score"] is None for item in items(room, "first"))
        room.hand_in(sorted(room.pictures)[0], "first")
        assert [item["annotation"]["finding"] for item in items(room, "blind", state="handed_in")] == ["disc"]
        assert room.server.get("/xal/api/queue/points").json() == {"points": [], "total": 3, "shown": 0, "withheld": 0}
