"""Lists of the pool: every image once and in Next Sample's order, whatever happens meanwhile, found through indices."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import BOTH, new_url
from sqlalchemy import event, text
from store_helpers import TWICE, files, names, planned, prediction, score, submit

from xal.errors import BadInput
from xal.store import Lease, Store
from xal.store.listing import Point, Prediction
from xal.store.paging import Page
from xal.store.rows import Rule
from xal.store.schema import NO_PLACE


def walk(page: Callable[[str | None], Page[Any]], between: Callable[[], None] = lambda: None) -> list[Any]:
    """All items, page after page."""
    items, cursor = [], None
    for _ in range(100):
        some = page(cursor)
        items += some.items
        if some.next is None:
            return items
        cursor = some.next
        between()
    raise AssertionError(f"the list has no end: {items[-10:]}")


def ids(rows: list[Any]) -> list[str]:
    return [row.id for row in rows]


@pytest.fixture
def tied(store: Store) -> Store:
    """40 images: three scores for 30 of them, the ends of the scale among them, and none for 10; 6 are lined up."""
    store.images.put(files(names(40)))
    some = {name: (0.0, 0.25, 1.0)[n % 3] for n, name in enumerate(names(30))}
    sources = ("drawn", "proposed", "none")
    rows = [
        prediction(name, uncertainty=u, misalignment=u, roi_source=sources[n // 2 % 3])
        for n, (name, u) in enumerate(some.items())
    ]
    store.predictions.save(rows, Rule())
    store.predictions.line_up([names(30)[n] for n in (21, 3, 16, 9, 27, 10)])
    return store


@pytest.mark.parametrize("limit", [1, 2, 7, 39, 40, 41])
def test_pages_of_what_waits_are_next_samples_order_with_every_image_once(tied, limit):
    pages = walk(lambda cursor: tied.listing.waiting(limit, cursor))
    assert ids(pages) == ids(tied.queue.head(100))
    assert sorted(ids(pages)) == names(40)


def test_the_order_is_that_in_which_images_are_given(tied):
    listed = ids(walk(lambda cursor: tied.listing.waiting(3, cursor)))
    assert [tied.queue.next_sample("ann", "queue", 60).image.id for _ in range(40)] == listed


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_what_waits_can_be_listed_by_roi_source(tied, limit):
    listed = {s: walk(lambda c, s=s: tied.listing.waiting(limit, c, s)) for s in ("drawn", "proposed", "none")}
    for source, rows in listed.items():
        assert ids(rows) == [row.id for row in tied.queue.head(100) if row.roi_source == source]
        assert len(rows) == 10


def test_a_leased_image_keeps_its_place_in_the_list(tied):
    before = ids(tied.listing.waiting(100).items)
    given = tied.queue.next_sample("ann", "queue", 60).image.id
    assert ids(tied.listing.waiting(100).items) == before
    assert given == before[0]


def test_images_that_change_between_pages_make_no_other_appear_twice_or_never(tied):
    order = ids(tied.queue.head(100))
    shown, later, rescored = order[1], order[20], order[30]
    steps = iter(
        [
            lambda: submit(tied, shown),
            lambda: tied.images.exclude(later, "ann", "blurred"),
            lambda: score(tied, **{rescored: 0.97}),
            lambda: tied.images.put(files(["new"])),
        ]
    )
    listed = ids(walk(lambda c: tied.listing.waiting(4, c), between=lambda: next(steps, lambda: None)()))
    unchanged = [image for image in order if image not in (later, rescored)]
    assert [image for image in listed if image not in (rescored, "new")] == unchanged
    assert listed.count("new") == 1


def test_images_are_listed_by_what_became_of_them(store):
    store.images.put(files(names(30)))
    settled, review, excluded, unreadable = (names(30)[n::5] for n in range(4))
    for image in settled:
        submit(store, image)
    for image in review:
        submit(store, image, "ann", "glioma", TWICE)
        submit(store, image, "bob", "none", TWICE)
    for image in excluded:
        store.images.exclude(image, "ann", "blurred")
    for image in unreadable:
        store.images.set_facts(image, size=10, mtime_ns=1, problem="no picture")
    expected = {"settled": settled, "review": review, "excluded": excluded, "unreadable": unreadable}
    for status, images in expected.items():
        assert ids(walk(lambda c, status=status: store.listing.with_status(status, 2, c))) == images
    assert ids(store.listing.with_status("waiting", 100).items) == names(30)[4::5]


def test_hand_ins_are_listed_newest_first_and_only_those_that_stand(store):
    store.images.put(files(names(6)))
    first = [submit(store, name, "ann") for name in names(5)]
    revised = submit(store, names(5)[0], "ann", "none")
    second = submit(store, names(6)[5], "bob")
    store.annotations.withdraw(first[2].id, "ann")
    store.images.delete(names(5)[3], "admin")
    everything = [second, revised, first[4], first[1]]
    for limit in (1, 2, 4, 50):
        assert walk(lambda c, n=limit: store.listing.hand_ins(n, c)) == everything
    assert walk(lambda c: store.listing.hand_ins(1, c, "ann")) == everything[1:]
    assert store.listing.hand_ins(50, reader="eve").items == []


def test_leases_that_end_together_are_each_listed_once(store):
    store.images.put(files(names(12)))
    for reader, now in (("eve", 10), ("ann", 1000), ("bob", 1000), ("ann", 1005)):
        for _ in range(3):
            assert store.queue.next_sample(reader, "queue", 60, now=now) is not None
    standing = store.queue.leases(1010)
    expected = sorted(standing, key=lambda lease: (-lease.until, lease.image))
    assert len(expected) == 9
    for limit in (1, 2, 4, 50):
        assert walk(lambda c, n=limit: store.listing.leased(n, c, now=1010)) == expected
    own = walk(lambda c: store.listing.leased(2, c, "ann", now=1010))
    assert own == [lease for lease in expected if lease.reader == "ann"]


def test_points_are_the_highest_scores_and_others_by_chance(store):
    store.images.put(files(names(60)))
    value = {name: n / 50 for n, name in enumerate(names(50))}
    score(store, **value)
    store.predictions.line_up([names(50)[0], names(50)[49]])  # the lowest comes next, but is not among the highest
    points = store.listing.points(10)
    best = sorted(value, key=lambda name: -value[name])
    assert ids(points)[:5] == best[:5]
    shuffled = [row.id for row in store.queue.head(60, "uniform") if row.score is not None and row.id not in best[:5]]
    assert ids(points)[5:] == shuffled[:5]
    assert points[0] == Point(best[0], value[best[0]], value[best[0]], value[best[0]], "proposed")


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 50, 51, 1000])
def test_as_many_points_as_there_are_and_none_twice(store, limit):
    store.images.put(files(names(60)))
    score(store, **{name: n / 50 for n, name in enumerate(names(50))})
    points = ids(store.listing.points(limit))
    assert len(points) == len(set(points)) == min(limit, 50)


def test_the_first_few_scores_of_a_large_pool_are_all_points(store):
    store.images.put(files(names(200)))
    last = [row.id for row in store.queue.head(200, "uniform")][-3:]
    score(store, **dict.fromkeys(last, 0.5))
    assert sorted(ids(store.listing.points(4))) == sorted(last)


def test_what_belongs_to_the_images_of_a_page_takes_one_query_each(store):
    store.images.put(files(names(200)))
    score(store, **dict.fromkeys(names(100), 0.5))
    submit(store, names(3)[0], "ann")
    submit(store, names(3)[1], "bob")
    store.annotations.withdraw(submit(store, names(3)[2], "bob").id, "bob")
    offers = [store.queue.next_sample("ann", "queue", 60, now=1000) for _ in range(2)]
    expected: dict[Callable[[], Any], Any] = {
        lambda: store.listing.leases_of(names(200), 1059): {
            offer.image.id: Lease(offer.image.id, "ann", 1060) for offer in offers
        },
        lambda: store.listing.leases_of(names(200), 1060): {},
        lambda: store.listing.predictions(names(200)): dict.fromkeys(names(100), Prediction("glioma", 0.75, 0.5, None)),
        lambda: store.listing.handed_in_among(names(200), "bob"): {names(3)[1], names(3)[2]},
        lambda: store.listing.handed_in_among(names(200), None): set(names(3)),
        lambda: set(store.listing.image_rows(["unknown", *names(3)])): set(names(3)),
    }
    for ask, answer in expected.items():
        with _queries(store) as said:
            assert ask() == answer
        assert len(said) == 1, said
    assert store.listing.predictions([]) == {}


@contextlib.contextmanager
def _queries(store: Store) -> Iterator[list[str]]:
    """The queries that a store runs meanwhile."""
    said: list[str] = []

    def note(connection, cursor, statement, *_: object) -> None:
        if statement.startswith("SELECT"):
            said.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", note)
    yield said
    event.remove(store.database.engine, "before_cursor_execute", note)


def _coded(*values: object) -> str:
    plain = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


DAMAGED = [
    "", "x", "nonsense!", "ünïcödé", "W10", "e30", "MTI", "[" * 50, base64.b64encode(b"[" * 100_000).decode(),
    _coded("waiting None", 2**70, 0.5, 1), _coded("waiting None", 1, float("nan"), 1), _coded("waiting None", "\ud800"),
    _coded("waiting None", 1, 0.5, 1) + "=", _coded("waiting None", 1, 0.5, 1)[:-3],
]  # fmt: skip


@pytest.mark.parametrize("cursor", DAMAGED)
def test_a_damaged_cursor_is_refused(store, cursor):
    with pytest.raises(BadInput, match="is damaged"):
        store.listing.waiting(10, cursor)


def test_a_cursor_of_another_list_is_refused(tied):
    cursor = tied.listing.waiting(10).next
    others: list[Callable[[], Any]] = [
        lambda: tied.listing.waiting(10, cursor, "drawn"),
        lambda: tied.listing.with_status("waiting", 10, cursor),
        lambda: tied.listing.hand_ins(10, cursor),
        lambda: tied.listing.leased(10, cursor),
        lambda: tied.listing.waiting(10, _coded("waiting None", 1, 2, 3)),
        lambda: tied.listing.waiting(10, _coded("waiting None", True, 0.5, 3)),
        lambda: tied.listing.waiting(10, _coded("waiting None")),
    ]
    for ask in others:
        with pytest.raises(BadInput, match="of another list"):
            ask()


@pytest.fixture(scope="module", params=BOTH)
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """3,000 images with scores, hand-ins and leases: so many that no database has a reason to scan them."""
    store = Store.open(new_url(request.param, tmp_path_factory.mktemp("large"), request), "pool", "task")
    store.images.put(files(names(3_000)))
    statements = [
        "UPDATE images SET version = 1, score = shuffle % 101 / 100.0, uncertainty = 0.5, roi_source = 'drawn' "
        "WHERE shuffle % 3 <> 0",
        "UPDATE images SET roi_source = 'proposed' WHERE shuffle % 2 = 0 AND shuffle % 3 <> 0",
        "UPDATE images SET status = 'settled', open = FALSE WHERE shuffle % 5 = 0",
        "INSERT INTO annotations (pool, task, image, reader, revision, finding, roi_voxels, roi_volume, label_path, "
        "label_info, params, digest, source, active, created_at) SELECT pool, task, id, 'ann', 1, 'glioma', 5, 5, id, "
        "'[]', '{}', id, 'reader', TRUE, 1000 FROM images",
        "INSERT INTO leases (pool, task, image, reader, until) "
        "SELECT pool, task, id, 'ann', shuffle % 3000 FROM images",
    ]
    with store.database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
        if not store.database.is_sqlite:
            connection.execute(text("ANALYZE"))
    yield store
    store.close()


BEHIND = [None, (NO_PLACE, 0.5, 2**62), (NO_PLACE, -1.0, 2**62), (3, 0.5, 2**62)]


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("source", [None, "drawn"])
def test_a_page_of_what_waits_is_a_range_of_an_index_however_far_down(large, source, behind):
    for query in large.listing.ranked(source, behind):
        plan = planned(large, query.limit(51))
        assert "images_by_s" in plan
        _reads_no_more_than_it_shows(plan)
        if large.database.is_sqlite:  # a range behind the cursor, not the index from its top
            assert f"images_by_{'source' if source else 'score'}" in plan
            assert behind is None or "place" in plan


def test_the_other_lists_and_the_points_walk_indices_too(large):
    lined_up, highest, others = large.listing.scored(20)
    for query, index in (
        (large.listing.of_status("settled", None), "images_by_status"),
        (large.listing.of_status("settled", names(9)[8]), "images_by_status"),
        (large.listing.newest(None, None), "annotations_"),
        (large.listing.newest(None, 1000), "annotations_"),
        (large.listing.newest("ann", 1000), "annotations_"),
        (lined_up, "images_by_score"),
        (highest, "images_by_score"),
    ):
        plan = planned(large, query.limit(51))
        assert index in plan
        _reads_no_more_than_it_shows(plan)
    plan = planned(large, others)
    assert "images_by_shuffle" in plan
    assert "SCAN images" not in plan


@pytest.mark.parametrize("behind", [None, (2990.0, names(9)[8])])
def test_expired_leases_are_not_read(large, behind):
    plan = planned(large, large.listing.lasting("ann", 2900.0, behind).limit(51))
    assert "leases_by_end" in plan
    assert "Seq Scan" not in plan


def _reads_no_more_than_it_shows(plan: str) -> None:
    for word in ("SCAN", "TEMP B-TREE", "Seq Scan", "Sort", "Bitmap"):
        assert word not in plan, plan
