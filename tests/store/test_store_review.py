"""Reviewing: a reviewer settles a finding until readings change, and lists show what concerns standing annotations."""

from __future__ import annotations

import pytest
from harness.stopwatch import fastest
from sqlalchemy import update
from store_helpers import TWICE, assert_consistent, files, names, planned, submit

from xal.errors import BadInput, Conflict, NotFound
from xal.method.agreement import Together
from xal.store import Store
from xal.store.looking import Comparison, NewDoubt
from xal.store.schema import annotation_table, images


@pytest.fixture
def contested(store):
    """Image "a": ann says glioma, bob says none; "b" waits for its second reading; "c" is untouched."""
    store.images.put(files(["a", "b", "c"]))
    submit(store, "a", "ann", "glioma", TWICE)
    submit(store, "a", "bob", "none", TWICE)
    submit(store, "b", "ann", "glioma", TWICE)
    assert store.images.get("a").status == "review"
    return store


def _kinds(store) -> list[str]:
    return [event.kind for event in store.events.read()]


def _look(store, **doubts: list[NewDoubt]) -> None:
    """Mark everything as looked at; `doubts` are those of images."""
    for row in store.looking.not_looked_at(1000):
        compared = [Comparison(other.id, row.id, 0.5) for other in store.looking.beside(row)]
        store.looking.looked_at(row, compared, doubts.get(row.image, []))


# settling


def test_a_reviewer_settles_what_readers_left_open(contested):
    row = contested.review.settle("a", "none", "boss", "no enhancement")
    assert (row.finding, row.status, row.open) == ("none", "settled", False)
    assert {name: row.decision[name] for name in ("finding", "by", "reason")} == {
        "finding": "none",
        "by": "boss",
        "reason": "no enhancement",
    }
    assert (contested.images.counts()["review"], contested.images.counts()["findings"]) == (0, {"none": 1})
    assert [(image.finding, [a.reader for a in image.annotations]) for image in contested.annotations.settled()] == [
        ("none", ["bob"])
    ]
    assert contested.events.read()[-1].kind == "settle"
    assert contested.events.read()[-1].reader == "boss"
    assert_consistent(contested)


def test_only_what_a_standing_annotation_says_can_be_chosen(contested):
    before = (contested.images.get("a"), contested.images.counts(), contested.events.read())
    with pytest.raises(Conflict, match="'a' says 'pituitary'; said is: 'glioma', 'none'"):
        contested.review.settle("a", "pituitary", "boss")
    with pytest.raises(NotFound):
        contested.review.settle("elsewhere", "glioma", "boss")
    assert (contested.images.get("a"), contested.images.counts(), contested.events.read()) == before


def test_a_superseded_annotation_cannot_be_chosen(contested):
    submit(contested, "a", "bob", "meningioma", TWICE)
    with pytest.raises(Conflict):
        contested.review.settle("a", "none", "boss")


def test_a_decision_goes_before_what_readers_agree_on(store):
    store.images.put(files(["a"]))
    for reader in ("ann", "bob"):
        submit(store, "a", reader, "glioma", TWICE)
    submit(store, "a", "cy", "none", TWICE)
    assert store.images.get("a").finding == "glioma"
    assert store.review.settle("a", "none", "boss").finding == "none"
    assert store.images.counts()["findings"] == {"none": 1}
    assert_consistent(store)


@pytest.mark.parametrize("status", ["waiting", "excluded", "unreadable", "gone"])
def test_only_what_was_read_often_enough_and_is_there_can_be_settled(contested, status):
    image = "b" if status == "waiting" else "a"
    if status == "excluded":
        contested.images.exclude(image, "ann", "wrong modality")
    elif status == "unreadable":
        contested.images.set_facts(image, size=10, mtime_ns=1, problem="truncated")
    elif status == "gone":
        contested.images.mark_gone([image])
    before = (contested.images.get(image), contested.events.read())
    with pytest.raises(Conflict, match=f"image '{image}' is {status}: a finding is chosen for"):
        contested.review.settle(image, "glioma", "boss")
    assert (contested.images.get(image), contested.events.read()) == before


@pytest.mark.parametrize("change", ["another reader", "a new revision", "a withdrawal"])
def test_a_decision_ends_when_annotations_change(contested, change):
    contested.review.settle("a", "none", "boss")
    if change == "another reader":
        submit(contested, "a", "cy", "meningioma", TWICE)
    elif change == "a new revision":
        submit(contested, "a", "ann", "glioma", TWICE, digest="drawn again")
    else:
        contested.annotations.withdraw(contested.annotations.find("a", reader="ann")[0].id, "ann")
    assert contested.images.get("a").decision is None
    assert contested.images.get("a").finding is None
    assert contested.images.get("a").status == ("waiting" if change == "a withdrawal" else "review")
    dropped = [event for event in contested.events.read() if event.kind == "decision dropped"]
    assert [(event.image, event.detail["finding"], event.detail["by"]) for event in dropped] == [("a", "none", "boss")]
    assert_consistent(contested)


def test_the_same_submission_again_leaves_a_decision_alone(contested):
    contested.review.settle("a", "none", "boss")
    submit(contested, "a", "ann", "glioma", TWICE)
    assert contested.images.get("a").finding == "none"
    assert "decision dropped" not in _kinds(contested)


def test_a_decision_sleeps_while_the_image_has_other_pixels(store):
    store.images.put(files(["a"]))
    store.images.set_facts("a", size=10, mtime_ns=1, fingerprint="old")
    submit(store, "a", "ann", "glioma", TWICE, fingerprint="old")
    submit(store, "a", "bob", "none", TWICE, fingerprint="old")
    store.review.settle("a", "none", "boss")
    store.images.put(files(["a"], mtime_ns=2))
    store.images.set_facts("a", size=10, mtime_ns=2, fingerprint="new")
    assert (store.images.get("a").finding, store.images.get("a").status) == (None, "review")
    with pytest.raises(Conflict):
        store.review.settle("a", "none", "boss")
    store.images.set_facts("a", size=10, mtime_ns=2, fingerprint="old")
    assert (store.images.get("a").finding, store.images.get("a").status) == ("none", "settled")
    assert_consistent(store)


def test_a_decision_outlasts_an_exclusion_during_which_it_does_not_count(contested):
    contested.review.settle("a", "glioma", "boss")
    assert contested.images.exclude("a", "ann", "wrong modality").status == "excluded"
    assert (contested.images.counts()["completed"], contested.images.counts()["findings"]) == (0, {})
    assert contested.images.include("a", "ann").status == "settled"
    assert contested.images.counts()["completed"] == 1
    assert_consistent(contested)


# looking again


def test_each_annotation_is_looked_at_once_in_the_order_they_came(contested):
    first, *others = contested.looking.not_looked_at(10)
    assert [row.image for row in (first, *others)] == ["a", "a", "b"]
    assert contested.looking.not_looked_at_count() == 3
    contested.looking.looked_at(first, [], [])
    assert contested.looking.not_looked_at(10) == others
    _look(contested)
    assert (contested.looking.not_looked_at(10), contested.looking.not_looked_at_count()) == ([], 0)


def test_what_a_slower_process_found_a_second_time_is_not_kept_twice(contested):
    (row,) = contested.looking.not_looked_at(1)
    for _ in range(2):
        contested.looking.looked_at(row, [], [NewDoubt("far", {"others": 12})])
    assert contested.review.doubt_count() == 1
    assert _kinds(contested).count("doubt") == 1


def test_a_withdrawn_annotation_needs_no_look_and_a_superseded_one_does(contested):
    contested.annotations.withdraw(contested.annotations.find("b")[0].id, "ann")
    submit(contested, "a", "ann", "glioma", TWICE, digest="drawn again")
    assert [(row.image, row.reader, row.revision) for row in contested.looking.not_looked_at(10)] == [
        ("a", "ann", 1),
        ("a", "bob", 1),
        ("a", "ann", 2),
    ]


def test_what_is_compared_is_of_other_readers_and_the_same_pixels(store):
    store.images.put(files(["a", "b"]))
    submit(store, "a", "ann", fingerprint="old")
    submit(store, "a", "bob", fingerprint="new")
    submit(store, "a", "cy", fingerprint="new")
    submit(store, "b", "ann", fingerprint="new")
    last = submit(store, "a", "cy", fingerprint="new", digest="drawn again")
    assert [row.reader for row in store.looking.beside(last)] == ["bob"]


def test_centres_are_the_newest_of_standing_outlines_of_the_finding_on_other_images(store):
    store.images.put(files(names(6)))
    for place, name in enumerate(names(4)):
        submit(store, name, centre=[place / 10, 0.5, 0.5])
    submit(store, names(6)[4], finding="none", centre=None)
    submit(store, names(6)[5], finding="pituitary", centre=[0.9, 0.9, 0.5])
    store.annotations.withdraw(store.annotations.find(names(4)[2])[0].id, "ann")
    found = store.looking.centres("glioma", 10, but=names(4)[0])
    assert [centre[0] for centre in found] == [0.3, 0.1]
    assert [centre[0] for centre in store.looking.centres("glioma", 1, but="none")] == [0.3]


# lists


def test_suspects_are_disagreements_and_then_doubts(contested):
    _look(contested, b=[NewDoubt("model", {"probability": 0.9}), NewDoubt("far", {"others": 12})])
    found = contested.review.suspects(10)
    assert found.next is None
    assert [(s.kind, s.image, [row.reader for row in s.annotations]) for s in found.items] == [
        ("disagree", "a", ["ann", "bob"]),
        ("far", "b", ["ann"]),
        ("model", "b", ["ann"]),
    ]
    assert found.items[0].raised_at == contested.annotations.find("a")[-1].created_at
    assert found.items[1].detail == {"others": 12}


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_pages_of_suspects_leave_nothing_out_and_repeat_nothing(store, limit):
    store.images.put(files(names(6)))
    for name in names(3):
        submit(store, name, "ann", "glioma", TWICE)
        submit(store, name, "bob", "none", TWICE)
    for name in names(6)[3:5]:
        submit(store, name, "ann")
    _look(store, **{name: [NewDoubt("model", {}), NewDoubt("far", {})] for name in names(6)[3:5]})
    seen, cursor = [], None
    for _ in range(20):
        page = store.review.suspects(limit, cursor)
        assert len(page.items) <= limit
        seen += [(suspect.kind, suspect.image) for suspect in page.items]
        cursor = page.next
        if cursor is None:
            break
    doubted = [(kind, name) for name in names(6)[3:5] for kind in ("far", "model")]
    assert seen == [("disagree", name) for name in names(3)] + doubted


def test_a_cursor_that_is_none_is_refused(store):
    with pytest.raises(BadInput, match="cursor"):
        store.review.suspects(10, "elsewhere")


@pytest.mark.parametrize("gone", ["withdrawn", "superseded", "excluded", "other pixels", "accepted"])
def test_a_doubt_is_listed_while_it_concerns_something(store, gone):
    store.images.put(files(["a"]))
    row = submit(store, "a", fingerprint="old")
    _look(store, a=[NewDoubt("model", {})])
    assert (len(store.review.suspects(10).items), store.review.doubt_count()) == (1, 1)
    if gone == "withdrawn":
        store.annotations.withdraw(row.id, "ann")
    elif gone == "superseded":
        later = submit(store, "a", fingerprint="old", digest="drawn again")
    elif gone == "excluded":
        store.images.exclude("a", "ann", "wrong modality")
    elif gone == "other pixels":
        store.images.set_facts("a", size=10, mtime_ns=1, fingerprint="new")
    else:
        store.review.accept(row.id, "model", "boss")
    assert [s for s in store.review.suspects(10).items if s.kind != "disagree"] == []
    assert store.review.doubt_count() == 0
    if gone == "superseded":
        store.annotations.withdraw(later.id, "ann")
        assert [s.annotations[0].id for s in store.review.suspects(10).items] == [row.id]


def test_a_doubt_is_accepted_once(contested):
    row = contested.annotations.find("b")[0]
    _look(contested, b=[NewDoubt("model", {}), NewDoubt("far", {})])
    first = contested.review.accept(row.id, "far", "boss")
    assert (first.annotation, first.image, first.accepted_by) == (row.id, "b", "boss")
    assert contested.review.accept(row.id, "far", "chief") == first
    assert [s.kind for s in contested.review.suspects(10).items] == ["disagree", "model"]
    assert _kinds(contested).count("accept") == 1
    with pytest.raises(NotFound, match="no doubt of the kind 'model'"):
        contested.review.accept(contested.annotations.find("a")[0].id, "model", "boss")


def test_what_readers_said_together_counts_standing_annotations_only(contested):
    _look(contested)
    assert contested.looking.together() == ([Together("ann", "bob", ("glioma", "none"), 1, 1, 0.5)], 1)
    submit(contested, "a", "cy", "glioma", TWICE)
    again = submit(contested, "a", "bob", "glioma", TWICE)
    for row in contested.looking.not_looked_at(10):
        contested.looking.looked_at(
            row, [Comparison(other.id, row.id, None) for other in contested.looking.beside(row)], []
        )
    said, count = contested.looking.together()
    assert sorted((t.one, t.other, t.said, t.images, t.outlined) for t in said) == [
        ("ann", "bob", ("glioma", "glioma"), 1, 0),
        ("ann", "cy", ("glioma", "glioma"), 1, 0),
        ("cy", "bob", ("glioma", "glioma"), 1, 0),
    ]
    assert count == 1
    contested.annotations.withdraw(again.id, "bob")  # his first one stands again, and was compared while it did not
    said, _ = contested.looking.together()
    assert ("cy", "bob") not in {(t.one, t.other) for t in said}
    assert {frozenset((t.one, t.other)) for t in said} == {
        frozenset(pair) for pair in (("ann", "bob"), ("ann", "cy"), ("bob", "cy"))
    }


def test_labels_are_counted_per_finding_and_reader(contested):
    contested.annotations.withdraw(contested.annotations.find("b")[0].id, "ann")
    submit(contested, "c", "ann")
    assert contested.annotations.counts() == [("glioma", "ann", 2), ("none", "bob", 1)]


# indices


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """20,000 images, of which 100 are handed in and 5 disagree."""
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('large') / 'store.sqlite'}", "pool", "task")
    store.images.put(files(names(20_000)))
    for name in names(100):
        submit(store, name, "ann", centre=[0.5, 0.5, 0.5])
    with store.database.engine.begin() as connection:
        connection.execute(update(images).where(images.c.id.in_(names(5))).values(status="review"))
    _look(store, **{name: [NewDoubt("far", {})] for name in names(100)[50:]})
    yield store
    store.close()


@pytest.mark.slow
def test_no_list_walks_the_pool(large):
    plans = {
        "review": planned(large, large.review.disagreeing("image000002").limit(50)),
        "doubts": planned(large, large.review.doubted(7, "far")[1].limit(50)),
        "this doubt": planned(large, large.review.doubted(7, "far")[0].limit(50)),
        "centres": planned(large, large.looking.outlines("glioma", "image000001").limit(1000)),
        "unseen": planned(large, large.looking.unseen(annotation_table).order_by(annotation_table.c.id).limit(20)),
    }
    for plan in plans.values():
        assert "SCAN images" not in plan
        assert "SCAN annotations" not in plan
    assert "images_by_status" in plans["review"]
    assert "TEMP B-TREE" not in plans["review"]
    assert "annotations_by_finding" in plans["centres"]
    assert "TEMP B-TREE" not in plans["centres"]
    assert "annotations_in_order" in plans["unseen"] or "INTEGER PRIMARY KEY" in plans["unseen"]


def test_nothing_to_look_at_is_one_query_of_no_time(large):
    assert large.looking.not_looked_at(20) == []
    assert fastest(lambda: large.looking.not_looked_at(20), 21) < 0.02
