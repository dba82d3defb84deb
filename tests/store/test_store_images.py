"""Images: what a scan, a reading of the file and a person's decision make of them."""

from __future__ import annotations

import random

import pytest
from store_helpers import ONCE, assert_consistent, files, know, names, new, prediction, score, submit

from xal.errors import BadInput, NotFound, Refused
from xal.store import ImageFile
from xal.store.rows import Rule


def test_new_files_are_open_images(store):
    assert store.images.put(files(["b", "a"])) == 2
    assert [(row.id, row.state, row.open, row.score) for row in store.images.find()] == [
        ("a", "ok", True, None),
        ("b", "ok", True, None),
    ]
    assert store.images.put(files(["b", "a"])) == 0


def test_a_scan_sees_every_file_with_its_state(store):
    store.images.put(files(["a", "b", "c"]))
    store.images.mark_gone(["b"])
    store.images.delete("c", "ann")
    assert store.images.known_files() == {
        "a": ImageFile("a", "a.png", 10, 1, "ok"),
        "b": ImageFile("b", "b.png", 10, 1, "gone"),
        "c": ImageFile("c", "c.png", 10, 1, "deleted"),
    }


def test_a_changed_file_loses_its_facts_and_its_reading_is_stale(store):
    store.images.put(files(["a"]))
    store.images.set_facts("a", size=10, mtime_ns=1, checksum="SHA256:1", fingerprint="pixels of a")
    store.predictions.save([prediction("a")], Rule())
    assert store.predictions.stale_count(1) == 0
    assert store.images.put(files(["a"], mtime_ns=2)) == 1
    row = store.images.get("a")
    assert (row.checksum, row.fingerprint, row.mtime_ns) == (None, None, 2)
    assert store.predictions.stale_count(1) == 1
    store.images.set_facts("a", size=10, mtime_ns=2, fingerprint="pixels of a")
    assert store.predictions.stale_count(1) == 0, "the same pixels in another file need no other prediction"
    assert_consistent(store)


def test_facts_of_a_file_that_changed_meanwhile_are_dropped(store):
    store.images.put(files(["a"]))
    store.images.put(files(["a"], size=11))
    assert not store.images.set_facts("a", size=10, mtime_ns=1, checksum="SHA256:old")
    assert store.images.get("a").checksum is None


def test_a_file_with_a_problem_is_unreadable_until_it_changes_or_is_read(store):
    store.images.put(files(["a", "b"]))
    for name in ("a", "b"):
        store.images.set_facts(name, size=10, mtime_ns=1, problem="truncated")
    assert (store.images.get("a").state, store.images.get("a").problem, store.images.get("a").open) == (
        "unreadable",
        "truncated",
        False,
    )
    assert store.images.counts()["unreadable"] == 2
    store.images.set_facts("a", size=10, mtime_ns=1, problem="truncated")
    assert [event.kind for event in store.events.read()] == ["unreadable"] * 2, "the same problem again is no news"
    store.images.put(files(["a"], size=20))
    know(store, "b")
    assert [(row.state, row.problem, row.open) for row in store.images.find()] == [("ok", None, True)] * 2
    assert_consistent(store)


def test_a_vanished_file_is_not_offered_and_keeps_its_annotations(store):
    store.images.put(files(["a", "b"]))
    submit(store, "a")
    assert store.images.mark_gone(["a", "b", "unknown"]) == 2
    assert store.images.counts()["total"] == 0
    assert store.queue.next_sample("ann", "queue", 60) is None
    assert store.images.get("a").state == "gone"
    assert len(store.annotations.find("a")) == 1
    assert store.images.put(files(["a", "b"])) == 2
    assert (store.images.counts()["total"], store.images.counts()["completed"]) == (2, 1)
    assert_consistent(store)


def test_an_unreadable_file_that_vanished_comes_back_unreadable(store):
    store.images.put(files(["a"]))
    store.images.set_facts("a", size=10, mtime_ns=1, problem="truncated")
    store.images.mark_gone(["a"])
    store.images.put(files(["a"]))
    assert store.images.get("a").state == "unreadable"


def test_a_deleted_image_stays_deleted_and_keeps_its_annotations(store):
    store.images.put(files(["a"]))
    submit(store, "a")
    store.images.delete("a", "ann")
    assert store.images.put(files(["a"], size=99)) == 0
    with pytest.raises(NotFound, match="'a'"):
        store.images.get("a")
    with pytest.raises(NotFound):
        store.annotations.add(new("a"), lambda revision: "x", ONCE)
    assert len(store.annotations.find("a")) == 1
    assert store.images.counts()["total"] == 0


def test_an_excluded_image_never_returns_until_it_is_included(store):
    store.images.put(files(["a"]))
    assert store.queue.next_sample("ann", "queue", 60).image.id == "a"
    row = store.images.exclude("a", "ann", " wrong modality ")
    assert (row.excluded, row.excluded_by, row.open) == ("wrong modality", "ann", False)
    assert store.queue.leases() == []
    assert store.queue.next_sample("bob", "queue", 60) is None
    store.images.put(files(["a"], size=11))
    assert store.queue.next_sample("bob", "queue", 60) is None
    store.images.include("a", "bob")
    assert store.queue.next_sample("bob", "queue", 60).image.id == "a"
    with pytest.raises(NotFound, match="not excluded"):
        store.images.include("a", "bob")
    with pytest.raises(BadInput, match="reason"):
        store.images.exclude("a", "bob", " ")


def test_images_are_listed_by_label_and_state(store):
    store.images.put(files(names(6)))
    submit(store, names(6)[4])
    store.images.mark_gone(names(1))
    assert [row.id for row in store.images.find(labelled=True)] == ["image000004"]
    assert [row.id for row in store.images.find(labelled=False, limit=2)] == ["image000001", "image000002"]
    assert [row.id for row in store.images.find(state="gone")] == ["image000000"]


def test_ids_sort_bytewise_on_every_database(store):
    ids = ["a", "B", "_", "ä", "Z", "a-1", "a_1", "A"]
    store.images.put(files(ids))
    assert [row.id for row in store.images.find()] == sorted(ids)


def test_the_infos_of_many_images_are_merged_at_once(store):
    store.images.put(files(["a", "b", "c"]))
    store.images.update_info("a", {"site": "north", "age": 61})
    store.images.update_infos({"a": {"group": "p", "age": None}, "b": {"group": "q"}})
    assert [row.info for row in store.images.find()] == [{"site": "north", "group": "p"}, {"group": "q"}, {}]
    with pytest.raises(NotFound, match="nowhere"):
        store.images.update_infos({"c": {"group": "r"}, "nowhere": {"group": "s"}})
    with pytest.raises(BadInput):
        store.images.update_infos({"b": {"group": "r"}, "c": {"age": float("nan")}})
    assert [row.info.get("group") for row in store.images.find()] == ["p", "q", None]
    assert_consistent(store)


def test_info_is_merged_and_names_the_group(store):
    store.images.put(files(["a"]))
    assert store.images.get("a").group == "a"
    store.images.update_info("a", {"group": "patient 7", "site": "north"})
    row = store.images.update_info("a", {"site": None, "age": 61})
    assert row.info == {"group": "patient 7", "age": 61}
    assert row.group == "patient 7"


def test_info_that_is_not_json_is_refused_and_changes_nothing(store):
    store.images.put(files(["a"]))
    with pytest.raises(BadInput, match="cannot be stored"):
        store.images.update_info("a", {"age": float("nan")})
    with pytest.raises(BadInput, match="cannot be stored"):
        store.images.update_info("a", {"age": object()})
    assert store.images.get("a").info == {}


def test_images_are_found_by_their_pixels(store):
    store.images.put(files(["a", "b", "c"]))
    for name in ("a", "b", "c"):
        store.images.set_facts(name, size=10, mtime_ns=1, fingerprint="same" if name != "b" else "other")
    store.images.mark_gone(["c"])
    assert store.images.by_fingerprint("same") == ["a"]


def test_whether_an_outline_is_wanted_is_decided_once(store):
    store.images.put(files(["a", "b", "c"]))
    store.images.decide_outlines({"a": True, "b": False})
    store.images.decide_outlines({"a": False, "b": True, "gone": True})
    assert [store.images.get(name).outline_wanted for name in "abc"] == [True, False, None]


def test_counts_tell_the_pool(store):
    store.images.put(files(["a", "b", "c", "d", "e", "f"]))
    submit(store, "a", finding="glioma")
    submit(store, "b", finding="none", roi_voxels=0)
    submit(store, "c", "ann", "glioma")
    submit(store, "c", "bob", "none")
    store.images.exclude("d", "ann", "blurred")
    store.images.set_facts("e", size=10, mtime_ns=1, problem="truncated")
    assert store.images.counts() == {
        "total": 6,
        "completed": 2,
        "open": 1,
        "labelled": 3,
        "review": 1,
        "excluded": 1,
        "unreadable": 1,
        "findings": {"glioma": 1, "none": 1},
    }


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_derived_columns_follow(store, seed):
    chance = random.Random(seed)
    ids = names(12)
    store.images.put(files(ids[:8]))
    for _ in range(120):
        image, reader = chance.choice(ids), chance.choice(["ann", "bob", "cyd"])
        doings = [
            lambda i=image: store.images.put(files([i], size=chance.randint(10, 12))),
            lambda i=image: store.images.mark_gone([i]),
            lambda i=image, r=reader: submit(
                store,
                i,
                r,
                chance.choice(["glioma", "none"]),
                roi_voxels=chance.randint(0, 1),
                fingerprint=chance.choice([None, f"pixels of {i}", "others"]),
            ),
            lambda i=image, r=reader: submit(store, i, r, source="import"),
            lambda r=reader: (
                store.annotations.withdraw(chance.choice(store.annotations.find()).id, r)
                if store.annotations.find()
                else None
            ),
            lambda i=image, r=reader: store.images.exclude(i, r, "blurred"),
            lambda i=image, r=reader: store.images.include(i, r),
            lambda i=image: store.images.set_facts(i, size=10, mtime_ns=1, problem="truncated"),
            lambda i=image: know(store, i),
            lambda i=image: store.predictions.save([prediction(i)], Rule()),
            lambda r=reader: store.queue.next_sample(r, "queue", 1),
            lambda i=image, r=reader: store.images.delete(i, r) if chance.random() < 0.1 else None,
        ]
        try:
            chance.choice(doings)()
        except Refused:
            continue
    assert_consistent(store)


def test_scores_are_shown_as_unknown_until_there_is_a_reading(store):
    store.images.put(files(["a"]))
    assert (store.images.get("a").score, store.images.get("a").uncertainty, store.images.get("a").version) == (
        None,
        None,
        None,
    )
    score(store, a=0.0)
    assert (store.images.get("a").score, store.images.get("a").uncertainty, store.images.get("a").version) == (
        0.0,
        0.0,
        1,
    )
