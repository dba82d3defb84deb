"""The queue: the best image first, never one image to two readers, in milliseconds."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import BOTH, new_url
from harness.stopwatch import fastest
from sqlalchemy import select, text
from store_helpers import ONCE, TWICE, assert_consistent, files, names, planned, prediction, score, submit

from xal.errors import BadInput
from xal.store import Lease, Store
from xal.store.rows import Rule
from xal.store.schema import images
from xal.store.standing import read_twice
from xal.task import ReadingSettings

ORDERS = ["queue", "uncertainty", "uniform", "telling"]


def _drain(store: Store, reader: str = "ann", order: str = "queue", most: int = 20) -> list[str]:
    given = []
    for _ in range(most):
        offer = store.queue.next_sample(reader, order, 60)
        if offer is None or offer.image.id in given:
            break
        given.append(offer.image.id)
    return given


def test_the_highest_score_comes_first_and_unscored_images_last(store):
    store.images.put(files(["a", "b", "c", "d", "e"]))
    score(store, a=0.2, b=0.9, c=0.0)
    given = _drain(store)
    assert given[:3] == ["b", "a", "c"]
    unscored = sorted(["d", "e"], key=lambda name: store.images.get(name).shuffle)
    assert given[3:] == unscored


def test_each_order_asks_its_own_question(store):
    store.images.put(files(["sure", "unsure"]))
    store.predictions.save(
        [
            prediction("sure", uncertainty=0.1, misalignment=1.0),
            prediction("unsure", uncertainty=0.6, misalignment=0.0),
        ],
        Rule(),
    )
    assert _drain(store, "ann", "queue")[0] == "sure"
    store.queue.release("sure", "ann")
    store.queue.release("unsure", "ann")
    assert _drain(store, "bob", "uncertainty")[0] == "unsure"
    for image in ("sure", "unsure"):
        store.queue.release(image, "bob")
    assert _drain(store, "cleo", "telling")[0] == "sure", "an outline tells most where the model is sure"


def test_uniform_is_the_same_shuffle_for_everyone_and_another_in_another_pool(open_store):
    store, other = open_store("one"), open_store("two")
    for each in (store, other):
        each.images.put(files(names(20)))
    given = _drain(store, "ann", "uniform")
    assert given == sorted(names(20), key=lambda name: store.images.get(name).shuffle)
    assert given != sorted(given)
    assert given != _drain(other, "ann", "uniform")


def test_an_unknown_order_is_refused(store):
    with pytest.raises(BadInput, match="known are queue"):
        store.queue.next_sample("ann", "best", 60)


def test_a_leased_image_is_given_to_nobody_else_until_the_lease_ends(store):
    store.images.put(files(["a"]))
    offer = store.queue.next_sample("ann", "queue", 60, now=1000)
    assert (offer.image.id, offer.lease_until) == ("a", 1060)
    assert store.queue.next_sample("bob", "queue", 60, now=1059) is None
    assert store.queue.leases(1059) == [Lease("a", "ann", 1060)]
    assert store.queue.next_sample("bob", "queue", 60, now=1060).image.id == "a"
    assert store.queue.leases(1061) == [Lease("a", "bob", 1120)]


def test_asking_again_gives_the_next_one_and_then_the_oldest_again(store):
    store.images.put(files(["a", "b", "c"]))
    score(store, a=0.9, b=0.8, c=0.7)
    given = [store.queue.next_sample("ann", "queue", 60, now=1000).image.id for _ in range(7)]
    assert given == ["a", "b", "c", "a", "b", "c", "a"]
    assert {lease.reader for lease in store.queue.leases(1000)} == {"ann"}


def test_an_image_given_before_waits_until_nobody_else_has_it(store):
    store.images.put(files(["a", "b"]))
    score(store, a=0.9, b=0.8)
    assert store.queue.next_sample("ann", "queue", 10, now=1000).image.id == "a"
    assert store.queue.next_sample("bob", "queue", 60, now=1011).image.id == "a"
    assert store.queue.next_sample("ann", "queue", 60, now=1012).image.id == "b"
    assert store.queue.next_sample("ann", "queue", 60, now=1013).image.id == "b", "a is bob's now"


def test_an_image_that_is_taken_back_was_never_given(store):
    store.images.put(files(["a", "b"]))
    score(store, a=0.9, b=0.8)
    offer = store.queue.next_sample("ann", "queue", 60, now=1000)
    store.queue.take_back(offer, "ann")
    assert store.queue.leases(1001) == []
    assert not store.annotations.was_given("a", "ann")
    assert store.queue.next_sample("ann", "queue", 60, now=1002).image.id == "a"


def test_an_image_that_is_taken_back_keeps_the_turn_and_the_lease_it_had_before(store):
    store.images.put(files(["a", "b"]))
    score(store, a=0.9, b=0.8)
    for now in (1000, 1001):
        store.queue.next_sample("ann", "queue", 60, now=now)
    for now in (1002, 1003):
        offer = store.queue.next_sample("ann", "queue", 60, now=now)
        assert offer.image.id == "a"
        store.queue.take_back(offer, "ann")
    assert store.queue.leases(1003) == [Lease("a", "ann", 1060), Lease("b", "ann", 1061)]
    assert store.annotations.was_given("a", "ann")
    offer = store.queue.next_sample("ann", "queue", 60, now=1060)
    store.queue.take_back(offer, "ann")
    assert store.queue.leases(1060) == [Lease("b", "ann", 1061)], "the lease of a had ended"


def test_a_released_image_is_free_at_once(store):
    store.images.put(files(["a"]))
    store.queue.next_sample("ann", "queue", 60)
    assert not store.queue.release("a", "bob")
    assert store.queue.release("a", "ann")
    assert store.queue.next_sample("bob", "queue", 60).image.id == "a"


def test_a_submitted_image_is_given_to_nobody(store):
    store.images.put(files(["a"]))
    store.queue.next_sample("ann", "queue", 60)
    submit(store, "a")
    assert store.queue.leases() == []
    assert store.queue.next_sample("ann", "queue", 60) is None
    assert store.queue.next_sample("bob", "queue", 60) is None


def test_a_late_submit_frees_only_the_own_lease(store):
    store.images.put(files(["a"]))
    store.queue.next_sample("ann", "queue", 10, now=1000)
    store.queue.next_sample("bob", "queue", 60, now=1020)
    submit(store, "a", "ann")
    assert store.queue.leases(1021) == [Lease("a", "bob", 1080)]


def test_an_image_that_needs_two_readings_goes_to_another_reader(store):
    store.images.put(files(["a"]))
    store.queue.next_sample("ann", "queue", 60)
    submit(store, "a", "ann", how=TWICE)
    assert store.images.get("a").finding is None
    assert store.queue.next_sample("ann", "queue", 60) is None
    assert store.queue.next_sample("bob", "queue", 60).image.id == "a"
    submit(store, "a", "bob", how=TWICE)
    assert store.images.get("a").finding == "glioma"
    assert store.queue.next_sample("cyd", "queue", 60) is None


def test_a_share_is_read_twice_once_a_second_reader_has_come(store):
    double = ReadingSettings(per_image=1, double=0.5)
    ids = names(40)
    store.images.put(files(ids))
    for name in ids[:20]:
        submit(store, name, "ann", how=double)
    assert store.images.counts()["completed"] == 20, "alone in the pool: once is enough"
    store.queue.next_sample("bob", "queue", 60)
    for name in ids[20:]:
        submit(store, name, "ann", how=double)
    waiting = [name for name in ids[20:] if store.images.get(name).finding is None]
    assert waiting == [name for name in ids[20:] if read_twice("pool", name, 0.5)]
    assert 4 <= len(waiting) <= 16
    submit(store, waiting[0], "bob", how=double)
    assert store.images.get(waiting[0]).finding == "glioma"


def test_an_import_is_no_second_reader(store):
    store.images.put(files(["a", "b"]))
    submit(store, "a", "import", source="import")
    submit(store, "b", "ann", how=ReadingSettings(per_image=1, double=1))
    assert store.images.get("b").finding == "glioma"


def _take(store: Store, reader: str, count: int) -> list[str]:
    return [store.queue.next_sample(reader, "queue", 3600).image.id for _ in range(count)]


@pytest.mark.slow
def test_eight_readers_at_once_never_get_the_same_image(store):
    store.images.put(files(names(500)))
    given: list[str] = []

    def read(reader: str) -> None:
        for image in _take(store, reader, 20):
            given.append(image)
            submit(store, image, reader)

    threads = [threading.Thread(target=read, args=(f"reader {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 160
    assert Counter(given).most_common(1)[0][1] == 1
    assert store.images.counts()["completed"] == 160
    assert_consistent(store)


def _take_in_child(url: str, reader: str, results: multiprocessing.Queue) -> None:
    store = Store.open(url, "pool", "task")
    results.put(_take(store, reader, 20))
    store.close()


@pytest.mark.slow
def test_eight_processes_at_once_never_get_the_same_image(url, store):
    store.images.put(files(names(500)))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=_take_in_child, args=(url, f"reader {n}", results)) for n in range(8)]
    for worker in workers:
        worker.start()
    given = [image for _ in workers for image in results.get(timeout=60)]
    for worker in workers:
        worker.join(60)
    assert len(given) == len(set(given)) == 160


@pytest.fixture(scope="module", params=BOTH)
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """100,000 images, half of them scored."""
    folder: Path = tmp_path_factory.mktemp("large")
    store = Store.open(new_url(request.param, folder, request), "pool", "task")
    store.images.put(files(names(100_000)))
    with store.database.engine.begin() as connection:
        scores = "score = size / 100.0, uncertainty = size / 50.0, misalignment = 0.5, telling = size / 70.0"
        connection.execute(text(f"UPDATE images SET version = 1, {scores} WHERE shuffle % 2 = 0"))
    yield store
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_next_sample_takes_milliseconds_in_a_large_pool(large, order):
    assert large.queue.next_sample(f"{order} reader", order, 3600) is not None
    assert fastest(lambda: large.queue.next_sample(f"{order} reader", order, 3600), 41) < 0.005 * _slack(large)


def test_submit_and_counts_take_milliseconds_in_a_large_pool(large):
    waiting = iter(names(100_000)[-41:])

    def work() -> None:
        submit(large, next(waiting), how=ONCE)
        large.images.counts()

    assert fastest(work, 41) < 0.015 * _slack(large)


def _slack(store: Store) -> float:
    """Room for a slow test machine; PostgreSQL also pays for a round trip per statement."""
    return 3 if store.database.is_sqlite else 6


@pytest.mark.parametrize("order", ORDERS)
def test_next_sample_walks_an_index_and_sorts_nothing(large, order):
    of = {"queue": "score", "uncertainty": "uncertainty", "uniform": "shuffle", "telling": "telling"}
    index = f"images_by_{of[order]}"
    plan = planned(large, large.queue.new_to("ann", order, time.time()))
    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    assert "SCAN images" not in plan
    assert "Seq Scan on images" not in plan


def test_one_image_is_found_by_its_key_in_a_pool_just_imported(open_store):
    """PostgreSQL gathers its statistics a minute later; without them it took another index and read the whole pool."""
    store = open_store()
    store.images.put(files(names(2_000)))
    plan = planned(store, select(images.c.path).where(store.database.mine(images), images.c.id == names(2_000)[-1]))
    assert ("sqlite_autoindex_images_1" if store.database.is_sqlite else "images_pkey") in plan


def test_what_was_given_lately_is_known_until_it_is_handed_in(store):
    store.images.put(files(["a", "b", "c"]))
    for at, reader in enumerate(("ann", "bob", "cem")):
        store.queue.next_sample(reader, "uniform", 60, now=1000.0 + at)
    order = sorted(["a", "b", "c"], key=lambda name: store.images.get(name).shuffle)
    assert store.queue.given_lately(1000.5, 10) == [order[2], order[1]]
    assert store.queue.given_lately(0.0, 1) == [order[2]]
    submit(store, order[2], "cem")
    assert store.queue.given_lately(0.0, 10) == [order[1], order[0]]


def test_a_reader_holds_so_many_images_and_gives_up_the_one_held_longest(store, limited):
    limited(max_leases=3)
    store.images.put(files(names(6)))
    given = [store.queue.next_sample("ann", "queue", 60, now=1000 + n).image.id for n in range(4)]
    assert {lease.image for lease in store.queue.leases(1004)} == set(given[1:])
    assert store.queue.next_sample("bob", "uniform", 60, now=1004).image.id in {*names(6)} - set(given[1:])
    free = next(name for name in names(6) if store.queue.leased_by(name, 1005) is None)
    store.queue.lease(free, "ann", 60, now=1005)
    assert {lease.image for lease in store.queue.leases(1005) if lease.reader == "ann"} == {*given[2:], free}


def test_invented_names_do_not_keep_images_from_those_who_read(store, limited):
    limited(max_leases=2)
    store.images.put(files(names(6)))
    first = store.queue.next_sample("ann", "uniform", 600, now=1000).image.id
    submit(store, first, "ann")
    taken = [store.queue.next_sample(f"invented {n}", "uniform", 600, now=1001 + n).image.id for n in range(5)]
    assert len({*taken, first}) == 6, "nothing is left"
    given = []
    while (offer := store.queue.next_sample("ann", "uniform", 600, now=1010)) is not None:
        given.append(offer.image.id)
        submit(store, offer.image.id, "ann")
    assert given == taken[:3], "those held longest, until no more than two are held so"


def test_few_newcomers_keep_what_they_hold(store, limited):
    limited(max_leases=2)
    store.images.put(files(names(2)))
    for n in range(2):
        store.queue.next_sample(f"newcomer {n}", "uniform", 600, now=1000)
    assert store.queue.next_sample("ann", "uniform", 600, now=1001) is None
