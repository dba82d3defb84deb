"""Versions: one in use, changed in one step, any of them brought back."""

from __future__ import annotations

import threading

import pytest
from store_helpers import assert_consistent

from xal.errors import BadInput, Conflict, NotFound


def test_a_candidate_takes_the_next_number_and_is_not_in_use(store):
    assert store.versions.add(path="v1.pt", sha256="s", metrics={"accuracy": 0.5}, settings={"λ": 1}, validation=1) == 1
    assert store.versions.add(parent=1) == 2
    assert store.versions.current() is None
    first, second = store.versions.all()
    assert (first.state, first.metrics, first.settings, first.validation) == (
        "candidate",
        {"accuracy": 0.5},
        {"λ": 1},
        1,
    )
    assert (second.parent, second.path) == (1, None)


def test_publishing_moves_the_version_in_use_and_says_so(store):
    for _ in range(2):
        store.versions.add(path="weights")
    assert store.versions.publish(1, "training").current
    assert store.versions.publish(2, "training").state == "published"
    assert store.versions.current().version == 2
    assert [row.current for row in store.versions.all()] == [False, True]
    assert store.versions.all()[0].state == "published"
    assert store.versions.publish(1, "ann").published_at > 0
    assert store.versions.current().version == 1
    last = store.events.read()[-1]
    assert (last.kind, last.reader, last.detail) == ("roll back", "ann", {"version": 1, "before": 2})


def test_a_version_without_weights_cannot_be_published(store):
    store.versions.add()
    with pytest.raises(Conflict, match="v1 has no weights"):
        store.versions.publish(1, "training")
    store.versions.update(1, path="v1.pt", sha256="s")
    assert store.versions.publish(1, "training").path == "v1.pt"


def test_a_refused_version_keeps_its_verdict_and_the_log_says_why(store):
    store.versions.add(path="weights")
    row = store.versions.update(1, state="refused", verdict={"reason": "fell by 4 points"}, metrics={"accuracy": 0.1})
    assert (row.state, row.verdict, row.metrics) == ("refused", {"reason": "fell by 4 points"}, {"accuracy": 0.1})
    assert store.events.read()[-1].kind == "refuse"
    assert store.events.read()[-1].detail["verdict"] == {"reason": "fell by 4 points"}


def test_the_version_in_use_cannot_be_put_out_of_use(store):
    store.versions.add(path="weights")
    store.versions.publish(1, "training")
    with pytest.raises(Conflict, match="v1 is in use"):
        store.versions.update(1, state="withdrawn")
    assert store.versions.update(1, metrics={"accuracy": 0.9}).metrics == {"accuracy": 0.9}


def test_an_unknown_version_is_not_found(store):
    for call in (
        store.versions.get,
        lambda n: store.versions.publish(n, "ann"),
        lambda n: store.versions.update(n, state="refused"),
    ):
        with pytest.raises(NotFound, match="v7"):
            call(7)


def test_metrics_that_are_not_json_are_refused(store):
    with pytest.raises(BadInput, match="cannot be stored"):
        store.versions.add(metrics={"loss": float("nan")})
    assert store.versions.all() == []


def test_whoever_publishes_at_once_one_version_is_in_use(store):
    numbers = [store.versions.add(path="weights") for _ in range(6)]
    threads = [threading.Thread(target=store.versions.publish, args=(number, "ann")) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.current for row in store.versions.all()].count(True) == 1
    assert_consistent(store)


def test_the_newest_validation_set_counts(store):
    assert store.versions.validation() is None
    assert store.versions.set_validation(["a", "b"]) == 1
    assert store.versions.set_validation(iter(["c"])) == 2
    assert store.versions.validation() == (2, ["c"])
