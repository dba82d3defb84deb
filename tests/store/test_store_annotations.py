"""Annotations: every one is kept, the same one only once, and together they settle the finding."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from store_helpers import ONCE, TWICE, assert_consistent, files, know, names, new, prediction, submit

from xal.errors import BadInput, Conflict, NotFound
from xal.method.story import Story
from xal.store import NewAnnotation
from xal.store.rows import Rule
from xal.store.settling import agreed
from xal.store.standing import read_twice
from xal.task import REGION


def _kinds(store) -> list[str]:
    return [event.kind for event in store.events.read()]


def test_a_submission_is_stored_whole(store):
    store.images.put(files(["a"]))
    handed_in = NewAnnotation(
        image="a",
        reader="ann",
        finding="glioma",
        roi_voxels=7,
        roi_volume=3.5,
        label_info=[{"name": "glioma", "idx": 9}],
        params={"client_id": "ann", "nested": {"α": [1, None]}},
        story=Story(model_version=1, finding="none", probability=0.6, probabilities={"none": 0.6, "glioma": 0.4}),
        digest="d",
        submission_id="s1",
    )
    row, created = store.annotations.add(handed_in, lambda revision: f"a/ann-{revision}.nii.gz", ONCE, now=1000.5)
    assert created
    assert row == store.annotations.get(row.id) == store.annotations.latest("a")
    assert {name: getattr(row, name) for name in vars(handed_in)} == vars(handed_in)
    assert (row.revision, row.label_path, row.created_at, row.active) == (1, "a/ann-1.nii.gz", 1000.5, True)
    assert store.images.get("a").finding == "glioma"
    assert not store.images.get("a").open


def test_the_same_submission_again_gives_the_first_result(store):
    store.images.put(files(["a"]))
    first, created = store.annotations.add(new("a"), lambda revision: "path", ONCE)
    again, created_again = store.annotations.add(new("a"), _must_not_write, ONCE)
    assert (created, created_again, again) == (True, False, first)
    assert _kinds(store).count("submit") == 1


def test_the_same_submission_id_gives_the_first_result_even_after_others(store):
    store.images.put(files(["a"]))
    first = submit(store, "a", digest="1", submission_id="s1")
    submit(store, "a", digest="2", submission_id="s2")
    again, created = store.annotations.add(new("a", digest="1", submission_id="s1"), _must_not_write, ONCE)
    assert (again.id, created) == (first.id, False)


def test_a_submission_id_belongs_to_one_reader_and_image(store):
    store.images.put(files(["a", "b"]))
    submit(store, "a", "ann", submission_id="1")
    submit(store, "a", "bob", submission_id="1")
    assert len(store.annotations.find("a")) == 2
    with pytest.raises(Conflict, match="already used for image 'a'"):
        submit(store, "b", "ann", submission_id="1")
    assert store.annotations.find("b") == []


def test_the_same_bytes_with_another_finding_are_another_submission(store):
    store.images.put(files(["a"]))
    submit(store, "a", finding="none", digest="empty")
    submit(store, "a", finding="glioma", digest="empty")
    assert store.images.get("a").finding == "glioma"
    assert len(store.annotations.find("a", active_only=False)) == 2


def test_a_new_revision_replaces_the_earlier_one_of_its_reader_only(store):
    store.images.put(files(["a"]))
    submit(store, "a", "ann", digest="1")
    submit(store, "a", "bob", digest="2")
    submit(store, "a", "ann", digest="3")
    assert [(row.reader, row.revision) for row in store.annotations.find("a")] == [("bob", 1), ("ann", 2)]
    assert len(store.annotations.find("a", active_only=False)) == 3
    assert [row.digest for row in store.annotations.find(reader="ann", active_only=False)] == ["1", "3"]
    assert store.annotations.latest("a").digest == "3"
    assert_consistent(store)


def test_a_label_file_that_cannot_be_written_leaves_no_trace(store):
    store.images.put(files(["a"]))
    store.queue.next_sample("ann", "queue", 60)
    before = (store.images.counts(), store.events.read(), store.queue.leases(), store.images.get("a"))

    def disk_full(revision: int) -> str:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.annotations.add(new("a"), disk_full, ONCE)
    assert (store.images.counts(), store.events.read(), store.queue.leases(), store.images.get("a")) == before
    assert submit(store, "a").revision == 1


def test_params_that_are_not_json_are_refused_and_leave_no_trace(store):
    store.images.put(files(["a"]))
    with pytest.raises(BadInput, match="cannot be stored"):
        submit(store, "a", params={"score": float("inf")})
    assert not store.annotations.handed_in("a", None)
    assert store.images.get("a").open


def test_an_unknown_image_is_refused_before_its_label_is_written(store):
    with pytest.raises(NotFound, match="'a'"):
        store.annotations.add(new("a"), _must_not_write, ONCE)


def test_a_withdrawn_annotation_stays_and_its_image_returns_to_the_pool(store):
    store.images.put(files(["a"]))
    row = submit(store, "a")
    gone = store.annotations.withdraw(row.id, "reviewer")
    assert gone.withdrawn_by == "reviewer"
    assert gone.withdrawn_at is not None
    assert not gone.active
    assert store.annotations.withdraw(row.id, "another") == gone, "once is enough"
    assert (store.images.get("a").finding, store.images.get("a").open) == (None, True)
    assert store.annotations.find("a") == []
    assert store.annotations.latest("a") is None
    assert store.annotations.find("a", active_only=False) == [gone]
    assert store.queue.next_sample("ann", "queue", 60).image.id == "a"
    with pytest.raises(NotFound, match="annotation 99"):
        store.annotations.withdraw(99, "reviewer")


def test_after_a_withdrawal_the_same_bytes_are_a_new_revision(store):
    store.images.put(files(["a"]))
    first = submit(store, "a")
    store.annotations.withdraw(first.id, "ann")
    assert submit(store, "a").revision == 2


def test_withdrawing_the_latest_revision_leaves_the_one_before_standing(store):
    store.images.put(files(["a"]))
    submit(store, "a", finding="glioma")
    second = submit(store, "a", finding="meningioma")
    store.annotations.withdraw(second.id, "ann")
    assert store.annotations.latest("a").revision == 1
    assert store.images.get("a").finding == "glioma"
    assert_consistent(store)


def test_a_revision_by_another_takes_the_place_of_all_that_the_reader_said(store):
    store.images.put(files(["a"]))
    submit(store, "a", "ann", finding="none", digest="1")
    second = submit(store, "a", "ann", finding="none", digest="2")
    submit(store, "a", "bob", finding="none")
    better = new("a", reader="boss", finding="glioma", digest="2")
    row, created = store.annotations.add(better, lambda revision: f"a/boss-{revision}", ONCE, revises=second.id)
    assert created
    assert {said.reader for said in store.annotations.find("a")} == {"bob", "boss"}
    gone = store.annotations.find("a", reader="ann", active_only=False)
    assert [(said.withdrawn_by, said.withdrawn_at) for said in gone] == [("boss", row.created_at)] * 2
    event = next(event for event in store.events.read() if event.kind == "revise")
    assert (event.reader, event.detail) == ("boss", {"annotation": second.id, "of": "ann"})
    assert_consistent(store)


def test_a_revision_settles_what_readers_disagreed_about(store):
    store.images.put(files(["a"]))
    first = submit(store, "a", "ann", "none", TWICE)
    submit(store, "a", "bob", "glioma", TWICE)
    assert store.images.get("a").status == "review"
    store.annotations.add(new("a", reader="boss", finding="glioma"), lambda _: "path", TWICE, revises=first.id)
    assert (store.images.get("a").status, store.images.get("a").finding) == ("settled", "glioma")
    assert_consistent(store)


def test_who_has_a_reading_of_the_image_cannot_take_anothers_place(store):
    store.images.put(files(["a"]))
    first = submit(store, "a", "ann", "none", TWICE)
    submit(store, "a", "boss", "glioma", TWICE)
    with pytest.raises(Conflict, match="'boss' has a reading"):
        store.annotations.add(new("a", reader="boss", digest="2"), _must_not_write, TWICE, revises=first.id)
    assert {said.reader for said in store.annotations.find("a")} == {"ann", "boss"}
    assert store.images.get("a").status == "review"


def test_only_what_stands_of_this_image_is_revised_and_a_repeated_number_is_the_same(store):
    store.images.put(files(["a", "b"]))
    first, elsewhere = submit(store, "a", "ann"), submit(store, "b", "ann")
    better = new("a", reader="boss", submission_id="s1")
    row, _ = store.annotations.add(better, lambda _: "path", ONCE, revises=first.id)
    assert store.annotations.add(better, _must_not_write, ONCE, revises=first.id) == (row, False)
    for number, error in ((first.id, Conflict), (elsewhere.id, Conflict), (99, NotFound)):
        with pytest.raises(error):
            store.annotations.add(new("a", reader="boss", digest="3"), _must_not_write, ONCE, revises=number)
    assert store.annotations.get(elsewhere.id).active
    own, _ = store.annotations.add(new("a", reader="boss", digest="3"), lambda _: "other", ONCE, revises=row.id)
    assert store.annotations.get(row.id).withdrawn_at is None, "an own one is superseded, not withdrawn"
    assert own.revision == 2


def test_who_has_seen_an_image_has_handed_it_in_even_if_withdrawn(store):
    store.images.put(files(["a", "b"]))
    row = submit(store, "a", "ann")
    store.annotations.withdraw(row.id, "ann")
    assert store.annotations.handed_in("a", "ann")
    assert store.annotations.handed_in("a", None)
    assert not store.annotations.handed_in("a", "bob")
    assert not store.annotations.handed_in("b", None)


def test_readings_that_disagree_settle_nothing_and_go_to_review(store):
    store.images.put(files(["a"]))
    submit(store, "a", "ann", "glioma", TWICE)
    submit(store, "a", "bob", "none", TWICE)
    assert (store.images.get("a").finding, store.images.get("a").open) == (None, False)
    assert store.images.counts()["review"] == 1
    event = store.events.read()[-1]
    assert (event.kind, event.image) == ("disagreement", "a")
    assert event.detail == {"findings": {"ann": "glioma", "bob": "none"}}
    submit(store, "a", "cyd", "none", TWICE)
    assert store.images.get("a").finding == "none"
    assert [row.annotations[0].reader for row in store.annotations.settled()] == ["bob"]


def test_withdrawing_one_of_two_readings_opens_the_image_for_another(store):
    store.images.put(files(["a"]))
    submit(store, "a", "ann", how=TWICE)
    row = submit(store, "a", "bob", how=TWICE)
    store.annotations.withdraw(row.id, "bob")
    assert (store.images.get("a").finding, store.images.get("a").open) == (None, True)
    assert store.queue.next_sample("ann", "queue", 60) is None
    assert store.queue.next_sample("bob", "queue", 60).image.id == "a"


def test_a_late_second_opinion_that_contradicts_unsettles_the_image(store):
    store.images.put(files(["a"]))
    submit(store, "a", "ann", "glioma")
    submit(store, "a", "bob", "none")
    assert store.images.get("a").finding is None
    assert store.images.counts()["review"] == 1


def test_an_import_settles_whatever_is_required(store):
    store.images.put(files(["a"]))
    submit(store, "a", "old labels", how=TWICE, source="import")
    assert store.images.get("a").finding == "glioma"
    assert _kinds(store) == ["import"]


@pytest.mark.parametrize(
    ("said", "required", "expected"),
    [
        ("", 1, (None, False)),
        ("g", 1, ("g", True)),
        ("g", 2, (None, False)),
        ("gg", 2, ("g", True)),
        ("gn", 2, (None, True)),
        ("gn", 1, (None, True)),
        ("gng", 2, ("g", True)),
        ("gnm", 2, (None, True)),
    ],
)
def test_enough_readings_that_agree_settle_a_finding(said, required, expected):
    assert agreed([{"finding": letter, "source": "reader"} for letter in said], required) == expected


def test_the_double_share_is_about_the_share_asked_for():
    chosen = [read_twice("pool", name, 0.1) for name in names(2000)]
    assert 0.07 < sum(chosen) / len(chosen) < 0.13
    assert chosen == [read_twice("pool", name, 0.1) for name in names(2000)]
    assert not any(read_twice("pool", name, 0) for name in names(100))
    assert all(read_twice("pool", name, 1) for name in names(100))


def test_settled_images_are_those_to_train_on(store):
    store.images.put(files(["a", "b", "c", "d", "e"]))
    for name in ("b", "a", "c", "d"):
        submit(store, name, finding="none" if name == "b" else "glioma")
    store.images.exclude("c", "ann", "wrong modality")
    store.images.mark_gone(["d"])
    assert [(row.image.id, row.finding, len(row.annotations)) for row in store.annotations.settled()] == [
        ("a", "glioma", 1),
        ("b", "none", 1),
    ]


def test_drawn_rois_are_those_of_standing_annotations_with_voxels(store):
    store.images.put(files(["a"]))
    submit(store, "a", "ann", digest="1")
    latest = submit(store, "a", "ann", digest="2")
    submit(store, "a", "bob", "none", roi_voxels=0)
    assert [row.id for row in store.annotations.drawn_roi("a")] == [latest.id]


def test_a_drawn_roi_makes_the_reading_of_an_open_image_stale(store):
    store.images.put(files(["a"]))
    know(store, "a")
    store.predictions.save([prediction("a")], Rule())
    assert store.predictions.stale_count(1) == 0
    row = submit(store, "a", how=TWICE)
    [(image, roi_key)] = store.predictions.stale(1, 10)
    assert (image.id, roi_key) == ("a", f"{row.id}.1")
    store.predictions.save([prediction("a", roi_key=roi_key, roi_source="drawn")], Rule())
    assert store.predictions.stale_count(1) == 0
    store.annotations.withdraw(row.id, "ann")
    assert store.predictions.stale(1, 10)[0][1] is None


def test_a_submit_tells_when_the_image_was_given(store):
    store.images.put(files(["a"]))
    store.queue.next_sample("ann", "queue", 60, now=1000)
    row, _ = store.annotations.add(new("a"), lambda revision: "path", ONCE, now=1042)
    detail = {"annotation": row.id, "revision": 1, "finding": "glioma", "offered_at": 1000}
    assert store.events.read()[-1].detail == detail


def hand_in(store, image: str, at: float, reader: str = "ann", **other: Any):
    return store.annotations.add(new(image, reader, **other), lambda r: f"{image}/{reader}-{r}", ONCE, now=at)[0]


def given(store, at: float, reader: str = "ann") -> str:
    return store.queue.next_sample(reader, "uniform", 3600, now=at).image.id


def test_a_reading_takes_from_when_the_image_was_given_to_the_hand_in(store):
    store.images.put(files(names(3)))
    assert hand_in(store, given(store, 1000), 1042).seconds == 42
    first, second = given(store, 1100), given(store, 1110)
    assert hand_in(store, second, 1150).seconds == 40
    assert hand_in(store, first, 1160).seconds == 10, "what lies before the other hand-in was that one's"


def test_what_next_sample_did_not_give_has_no_time(store):
    store.images.put(files(names(4)))
    one = given(store, 1000)
    assert hand_in(store, one, 1005, source="import", reader="imported").seconds is None
    other = next(name for name in names(4) if name != one)
    assert hand_in(store, other, 1010).seconds is None, "it was taken from a list"
    assert hand_in(store, one, 1020).seconds == 10
    assert hand_in(store, one, 1500, digest="again").seconds is None, "a later revision is no reading"
    assert hand_in(store, given(store, 2000), 1990).seconds == 0, "a clock was set back"


def test_time_is_told_for_outlines_and_for_findings_alone(store):
    store.images.put(files(names(5)))
    for took in (40, 60):
        hand_in(store, given(store, 1000 * took), 1000 * took + took)
    mistaken = hand_in(store, given(store, 90_000), 90_005, roi_voxels=0)
    store.annotations.withdraw(mistaken.id, "ann")
    hand_in(store, given(store, 100_000, "technologist"), 100_300, reader="technologist", finding=REGION)
    assert store.annotations.durations() == ([40, 60], [5])


def test_an_outline_handed_in_before_the_finding_is_part_of_what_the_reading_took(store):
    store.images.put(files(names(2)))
    one = given(store, 1000)
    for at in (1050, 1060):
        hand_in(store, one, at, finding=REGION, digest=str(at))
    assert hand_in(store, one, 1063, roi_voxels=0).seconds == 3
    assert store.annotations.durations() == ([63], []), "nothing was outlined with the finding, but before"
    other = given(store, 2000)
    drawn = hand_in(store, other, 2030, finding=REGION)
    store.annotations.withdraw(drawn.id, "ann")
    hand_in(store, other, 2040)
    assert store.annotations.durations() == ([63, 40], [])


def test_another_readers_outline_or_one_of_another_image_is_no_part_of_a_reading(store):
    store.images.put(files(names(2)))
    first, second = given(store, 1000), given(store, 1000)
    hand_in(store, first, 1020, finding=REGION)
    hand_in(store, second, 1025, finding=REGION, reader="imported", source="import")
    hand_in(store, second, 1030, finding=REGION, reader="imported", source="import", digest="again")
    hand_in(store, second, 1031, roi_voxels=0)
    assert given(store, 1040, "bob") == first
    hand_in(store, first, 1047, "bob", roi_voxels=0)
    assert store.annotations.durations() == ([], [11, 7])


def test_a_reading_whose_outline_was_not_timed_counts_in_neither(store):
    store.images.put(files(["a"]))
    hand_in(store, "a", 1000, finding=REGION)
    assert given(store, 1100) == "a"
    assert hand_in(store, "a", 1103, roi_voxels=0).seconds == 3
    assert store.annotations.durations() == ([], []), "how long it took to outline is not known"


def test_sixty_submits_beside_a_scoring_job_are_all_complete(store):
    store.images.put(files(names(200)))
    stop = threading.Event()

    def keep_scoring() -> None:
        while not stop.is_set():
            store.predictions.save([prediction(name) for name in names(200)[100:132]], Rule())
            store.predictions.rerank(Rule())

    scoring = threading.Thread(target=keep_scoring)
    readers = [
        threading.Thread(target=lambda n=n: [submit(store, name, f"reader {n}") for name in names(60)[n::6]])
        for n in range(6)
    ]
    for thread in (scoring, *readers):
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    scoring.join()
    rows = store.annotations.find()
    assert len(rows) == 60
    assert all(row.label_info and row.reader and row.params["model"] for row in rows)
    assert_consistent(store)


def test_the_same_submission_sent_twice_at_once_is_stored_once(store):
    store.images.put(files(["a"]))
    results = []
    threads = [threading.Thread(target=lambda: results.append(submit(store, "a"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({row.id for row in results}) == 1
    assert len(store.annotations.find("a", active_only=False)) == 1


def _must_not_write(revision: int) -> str:
    raise AssertionError("the label must not be written")


def replace(store, image: str, mtime_ns: int, fingerprint: str) -> None:
    store.images.put(files([image], mtime_ns=mtime_ns))
    store.images.set_facts(image, size=10, mtime_ns=mtime_ns, fingerprint=fingerprint)


def test_other_pixels_take_an_image_out_of_training_until_the_old_ones_are_back(store):
    store.images.put(files(["a"]))
    store.images.set_facts("a", size=10, mtime_ns=1, fingerprint="old")
    number = submit(store, "a", fingerprint="old").id
    replace(store, "a", 2, "new")
    assert (store.annotations.settled(), store.annotations.drawn_roi("a")) == ([], [])
    assert (store.images.get("a").outdated, store.images.get("a").open) == (True, False)
    assert (store.images.counts()["completed"], store.images.counts()["review"]) == (0, 1)
    assert (store.events.read()[-1].kind, store.events.read()[-1].detail) == (
        "pixels replaced",
        {"annotations": [number]},
    )
    assert store.annotations.get(number).active, "nothing is deleted"
    assert_consistent(store)
    replace(store, "a", 3, "old")
    assert [image.annotations[0].id for image in store.annotations.settled()] == [number]
    assert (store.images.counts()["completed"], store.images.counts()["review"]) == (1, 0)
    assert store.events.read()[-1].kind == "pixels restored"
    assert_consistent(store)


def test_replaced_pixels_can_be_annotated_anew_even_with_the_same_label(store):
    store.images.put(files(["a"]))
    submit(store, "a", fingerprint="old")
    replace(store, "a", 2, "new")
    again = submit(store, "a", fingerprint="new")
    assert again.revision == 2
    assert [image.annotations for image in store.annotations.settled()] == [[again]]
    assert not store.images.get("a").outdated
    assert_consistent(store)


def test_only_annotations_of_the_present_pixels_are_trained_on(store):
    store.images.put(files(["a"]))
    submit(store, "a", "ann", fingerprint="old")
    replace(store, "a", 2, "new")
    of_new = submit(store, "a", "bob", fingerprint="new")
    assert [image.annotations for image in store.annotations.settled()] == [[of_new]]
    assert store.annotations.drawn_roi("a") == [of_new]
    assert_consistent(store)


def test_a_copy_with_the_same_pixels_changes_nothing(store):
    store.images.put(files(["a"]))
    submit(store, "a", fingerprint="same")
    replace(store, "a", 2, "same")
    assert len(store.annotations.settled()) == 1
    assert not [event for event in store.events.read() if event.kind.startswith("pixels")]


def test_withdrawing_an_outdated_annotation_has_the_image_read_anew(store):
    store.images.put(files(["a"]))
    number = submit(store, "a", fingerprint="old").id
    replace(store, "a", 2, "new")
    store.annotations.withdraw(number, "boss")
    assert store.images.get("a").open
    assert not store.images.get("a").outdated
    assert_consistent(store)
