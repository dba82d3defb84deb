"""Stores that the code of each earlier schema made: today's code opens them, and everything is still there."""

from __future__ import annotations

import io
import json
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from conftest import new_url
from sqlalchemy import Inspector, create_engine, inspect, text
from sqlalchemy.engine import make_url
from store_helpers import assert_consistent, files, submit

from xal.method.story import Story
from xal.store import Store
from xal.store.migrations import MIGRATIONS, SCHEMA_VERSION
from xal.store.rows import DeliveryState
from xal.store.schema import UNSCORED

EARLIER = Path(__file__).parent / "earlier"
FILLED = {("images", "place"), ("images", "status"), ("images", "telling"), ("images", "margin")}
"""Columns that came later and may not be empty."""
EVER = 1e12
"""A time at which everything is due."""

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=sorted(MIGRATIONS), ids=lambda version: f"schema {version}")
def earlier(request: pytest.FixtureRequest, url: str) -> int:
    """The test's database is a store of this earlier schema version."""
    version: int = request.param
    if url.startswith("sqlite"):
        dump = (EARLIER / f"{version}-sqlite.sql").read_text()
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(dump)
        return version
    place = make_url(url)
    dump = (EARLIER / f"{version}-postgresql.sql").read_text()
    with psycopg.connect(host=place.query["host"], user=place.username, dbname=place.database) as server:
        server.execute(dump)
    return version


def test_every_row_and_value_is_there(earlier: int, url: str, open_store: Callable[..., Store]):
    before = _rows(url)
    open_store()
    after = _rows(url)
    assert before.pop("xal_schema") == [{"version": earlier}]
    assert after.pop("xal_schema") == [{"version": SCHEMA_VERSION}]
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0]} for row in after[name]]
        assert _in_order(kept) == _in_order(rows)
    assert not any(after[name] for name in after if name not in before), "a new table has no rows"


def test_the_store_tells_of_everything(earlier: int, url: str, open_store: Callable[..., Store]):
    stored = {name: [row for row in rows if row.get("pool") == "pool"] for name, rows in _rows(url).items()}
    store = open_store()
    images = [row for state in ("ok", "unreadable", "gone", "deleted") for row in store.images.find(state=state)]
    _assert_told(images, stored["images"], "id")
    _assert_told(store.annotations.find(active_only=False, regions=True), stored["annotations"], "id")
    _assert_told([store.predictions.get(row["image"]) for row in stored["readings"]], stored["readings"], "image")
    _assert_told(store.versions.all(), stored["versions"], "version")
    _assert_told(store.jobs.latest(), stored["jobs"], "id")
    _assert_told(store.events.read(1_000), stored["events"], "id")
    _assert_told(store.queue.leases(0.0), stored["leases"], "image")
    assert all(store.annotations.was_given(row["image"], row["reader"]) for row in stored["given"] if row["at"])
    assert (store.settings.get("alpha"), store.settings.get("nothing", "never set")) == (0.25, None)
    assert store.versions.validation() == (2, ["settled"])
    if earlier >= 3:
        assert [
            (row.kind, row.annotations[0].id) for row in store.review.suspects(10).items if row.kind != "disagree"
        ] == [(row["kind"], row["annotation"]) for row in stored["doubts"] if row["accepted_at"] is None]
        assert store.looking.together()[1] == len(stored["comparisons"])
    if earlier >= 4:
        _assert_told(store.outlines.of("found"), stored["outlines"], "origin")
        assert store.outlines.searched() == {row["series"]: row["state"] for row in stored["arrivals"]}
        states: tuple[DeliveryState, ...] = ("waiting", "sent", "dropped", "withdrawn", "rejected")
        deliveries = [row for state in states for row, _ in store.deliveries.due(100, EVER, state)]
        _assert_told(deliveries, stored["deliveries"], "annotation")


def test_what_became_of_the_images_is_known(earlier: int, open_store: Callable[..., Store]):
    store = open_store()
    status = {row.id: row.status for state in ("ok", "unreadable", "gone") for row in store.images.find(state=state)}
    assert status == {
        "settled": "settled",
        "revised": "settled",
        "disputed": "settled" if earlier >= 3 else "review",  # a reviewer could decide since version 3
        "withdrawn": "waiting",
        "imported": "settled",
        "excluded": "excluded",
        "unreadable": "unreadable",
        "gone": "gone",
        "replaced": "review",
        "found": "waiting",
        "waiting/ä": "waiting",
        "unscored": "settled" if earlier >= 3 else "waiting",
    }
    counts = store.images.counts()
    assert (counts["total"], counts["excluded"], counts["unreadable"]) == (11, 1, 1)
    assert_consistent(store)
    assert [row.reader for row in open_store("other pool").annotations.find("settled")] == ["carl"]
    assert_consistent(open_store("other pool"))


def test_work_goes_on(earlier: int, open_store: Callable[..., Store]):
    store = open_store()
    lined_up = [row.id for row in store.queue.head(2, now=EVER)]
    assert lined_up == (["found", "waiting/ä"] if earlier >= 2 else ["waiting/ä", "found"]), "as before"
    store.images.put(files(["new"]))
    store.predictions.line_up(["new"])
    offer = store.queue.next_sample("dora", "queue", 60.0, now=EVER)
    assert offer is not None
    assert offer.image.id == "new"
    before = store.annotations.find(active_only=False)
    again = submit(store, "revised", digest="fourth", fingerprint="pixels of revised")
    assert again.revision == 4
    assert again.id > before[-1].id
    assert store.deliveries.note_new() > 0
    assert_consistent(store)


def test_label_files_of_earlier_annotations_become_known(earlier: int, open_store: Callable[..., Store]):
    store = open_store()
    assert store.annotations.get(1).file_sha256 is None
    store.annotations.set_label_file(1, size=7, sha256="known", problem="gone")
    assert [(row.id, row.file_size) for row in store.annotations.damaged()] == [(1, 7)]
    store.annotations.set_label_file(1, size=8, sha256="other")
    row = store.annotations.get(1)
    assert (row.file_size, row.file_sha256, store.annotations.damaged_count()) == (7, "known", 0)


@pytest.mark.usefixtures("earlier")
def test_its_tables_are_those_of_a_new_one(
    url: str, open_store: Callable[..., Store], tmp_path: Path, request: pytest.FixtureRequest
):
    open_store()
    other = tmp_path / "fresh"
    other.mkdir()
    fresh = new_url("sqlite" if url.startswith("sqlite") else "postgresql", other, request)
    Store.open(fresh, "pool", "task").close()
    assert _shape(url) == _shape(fresh)


def _rows(url: str) -> Rows:
    """Every table as it lies in the database."""
    engine = create_engine(url)
    with engine.connect() as connection:
        names = [name for name in inspect(connection).get_table_names() if name != "sqlite_sequence"]
        rows = {name: connection.execute(text(f"SELECT * FROM {name}")).mappings().all() for name in names}
    engine.dispose()
    return {name: [dict(row) for row in found] for name, found in rows.items()}


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=repr)


def _assert_told(told: Sequence[Any], stored: list[dict[str, Any]], key: str) -> None:
    """Of each stored row the store gives one object, which has the value of every column that was stored."""
    assert stored
    assert len(told) == len(stored)
    rows = {row[key]: row for row in stored}
    for one in told:
        row = rows[getattr(one, key)]
        for name in sorted({field.name for field in fields(one)} & set(row)):
            assert _same(getattr(one, name), row[name]), f"{name} of {key} {row[key]}: {row[name]}"


def _same(told: Any, stored: Any) -> bool:
    if isinstance(told, np.ndarray):
        return np.array_equal(told, np.load(io.BytesIO(zlib.decompress(stored))))
    if isinstance(told, dict | list):
        return bool(told == json.loads(stored))
    if isinstance(told, Story):
        return json.loads(stored).items() <= told.as_json().items()
    return bool(told == (None if stored == UNSCORED else stored))


def _shape(url: str) -> dict[str, Any]:
    """Tables, columns, keys and indexes, as far as the code may rely on them."""
    engine = create_engine(url)
    with engine.connect() as connection:
        known = inspect(connection)
        shape: dict[str, Any] = {name: _table_shape(known, name) for name in known.get_table_names()}
        source = "sqlite_master WHERE type = 'index'" if url.startswith("sqlite") else "pg_indexes"
        column = "sql" if url.startswith("sqlite") else "indexdef"
        indexes = connection.execute(text(f"SELECT {column} FROM {source}")).scalars().all()
    engine.dispose()
    shape["indexes"] = sorted(" ".join(index.split()) for index in indexes if index and " pg_catalog." not in index)
    return shape


def _table_shape(known: Inspector, name: str) -> dict[str, Any]:
    columns = {
        column["name"]: (repr(column["type"]), column["nullable"], _default(name, column))
        for column in known.get_columns(name)
    }
    parts = {
        "key": known.get_pk_constraint(name)["constrained_columns"],
        "unique": [constraint["column_names"] for constraint in known.get_unique_constraints(name)],
        "references": [
            (key["constrained_columns"], key["referred_table"], key["referred_columns"])
            for key in known.get_foreign_keys(name)
        ],
    }
    return {"columns": columns, **parts}


def _default(table: str, column: Any) -> str | None:
    """A new column that may not be empty needs a default for the rows that are there; every insert names a value."""
    return None if (table, column["name"]) in FILLED else column["default"]
