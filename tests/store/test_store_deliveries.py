"""What is on its way to an archive: nothing is forgotten, nothing sent twice."""

from __future__ import annotations

import pytest
from store_helpers import files, submit


@pytest.fixture
def handed_in(store):
    store.images.put(files(["a", "b"]))
    for image in ("a", "b"):
        submit(store, image)
    assert store.deliveries.note_new() == 2
    return store


def due(store, now: float = 1.0) -> list[str]:
    return [annotation.image for _, annotation in store.deliveries.due(10, now)]


def number(store, image: str) -> int:
    return store.annotations.find(image)[0].id


def test_every_annotation_waits_once(handed_in):
    assert handed_in.deliveries.note_new() == 0
    submit(handed_in, "a", "another")
    assert handed_in.deliveries.note_new() == 1
    assert due(handed_in) == ["a", "b", "a"]


def test_what_was_sent_or_dropped_does_not_wait(handed_in):
    handed_in.deliveries.end(number(handed_in, "a"), "sent")
    handed_in.deliveries.end(number(handed_in, "b"), "dropped", "withdrawn")
    assert due(handed_in) == []
    assert handed_in.deliveries.counts() == {"sent": 1, "dropped": 1}


def test_what_could_not_be_sent_is_due_again_later_and_says_why(handed_in):
    handed_in.deliveries.put_off(number(handed_in, "a"), until=50.0, problem="the archive answers 500", tried=True)
    assert due(handed_in, 49.0) == ["b"]
    assert due(handed_in, 50.0) == ["b", "a"]
    assert handed_in.deliveries.last_problem() == "the archive answers 500"
    assert [delivery.tries for delivery, _ in handed_in.deliveries.due(10, 50.0)] == [0, 1]


def test_waiting_for_another_reader_is_no_failed_try(handed_in):
    handed_in.deliveries.put_off(number(handed_in, "a"), until=50.0, problem=None, tried=False)
    assert [delivery.tries for delivery, _ in handed_in.deliveries.due(10, 50.0)] == [0, 0]
    assert handed_in.deliveries.last_problem() is None


def test_an_earlier_revision_that_stands_again_is_sent_after_all(handed_in):
    first = number(handed_in, "a")
    second = submit(handed_in, "a", digest="another").id
    handed_in.deliveries.note_new()
    handed_in.deliveries.end(first, "dropped", "superseded")
    handed_in.deliveries.end(second, "sent")
    handed_in.annotations.withdraw(second, by="ann")
    assert first in [annotation.id for _, annotation in handed_in.deliveries.due(10)]


def test_what_failed_may_be_tried_at_once_when_the_archive_is_back(handed_in):
    handed_in.deliveries.put_off(number(handed_in, "a"), until=3600.0, problem="the archive answers 500", tried=True)
    handed_in.deliveries.put_off(number(handed_in, "b"), until=60.0, problem=None, tried=False)
    handed_in.deliveries.hurry()
    assert due(handed_in) == ["a"], "others' readings are waited for as before"


def test_a_failure_is_told_before_what_is_not_even_tried(handed_in):
    handed_in.deliveries.put_off(number(handed_in, "a"), until=5.0, problem="the archive answers 500", tried=True)
    handed_in.deliveries.put_off(number(handed_in, "b"), until=60.0, problem="the image is excluded", tried=False)
    assert handed_in.deliveries.last_problem() == "the archive answers 500"


def test_what_was_sent_and_then_withdrawn_is_to_be_rejected(handed_in):
    a, b = number(handed_in, "a"), number(handed_in, "b")
    handed_in.deliveries.end(a, "sent")
    handed_in.annotations.withdraw(a, by="ann")
    handed_in.annotations.withdraw(b, by="ann")
    assert [row.annotation for row, _ in handed_in.deliveries.due(9, 1.0, "withdrawn")] == [a], "the other is not there"
    handed_in.deliveries.put_off(a, until=50.0, problem="the archive answers 500", tried=True)
    assert handed_in.deliveries.last_problem() == "the archive answers 500"
    assert handed_in.deliveries.due(9, 49.0, "withdrawn") == []
    handed_in.deliveries.end(a, "rejected")
    assert handed_in.deliveries.counts() == {"waiting": 1, "rejected": 1}


def test_what_is_withdrawn_while_it_is_sent_is_to_be_rejected(handed_in):
    a = number(handed_in, "a")
    handed_in.annotations.withdraw(a, by="ann")
    handed_in.deliveries.end(a, "sent")
    handed_in.deliveries.reject_if_withdrawn(a)
    handed_in.deliveries.end(number(handed_in, "b"), "sent")
    handed_in.deliveries.reject_if_withdrawn(number(handed_in, "b"))
    assert handed_in.deliveries.counts() == {"sent": 1, "withdrawn": 1}


def test_an_earlier_revision_is_not_rejected_since_it_may_stand_again(handed_in):
    first = number(handed_in, "a")
    handed_in.deliveries.end(first, "sent")
    second = submit(handed_in, "a", digest="another").id
    handed_in.deliveries.note_new()
    handed_in.deliveries.end(second, "sent")
    assert handed_in.deliveries.counts()["sent"] == 2
    handed_in.annotations.withdraw(second, by="ann")
    assert [row.annotation for row, _ in handed_in.deliveries.due(9, 1.0, "withdrawn")] == [second]
