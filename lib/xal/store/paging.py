"""Long lists a page at a time: a cursor says behind which row the next page begins, so that no row is counted off."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from xal.errors import BadInput
from xal.store.pool import Values
from xal.store.queue import Query

T = TypeVar("T")
Key = tuple[Any, ...]

LARGEST = 2**63 - 1
"""The largest integer of either database."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the next ones; None where these are the last."""

    items: list[T]
    next: str | None


def write_cursor(of: str, key: Key) -> str:
    """The place behind the row that has this key, in the list called `of`."""
    text = json.dumps([of, *key], allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(of: str, cursor: str, kinds: Sequence[type]) -> Key:
    """The key in a cursor of the list called `of`; BadInput if it is damaged or another list's."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        listed, *key = json.loads(base64.b64decode(padded, b"-_", validate=True))
        intact = write_cursor(listed, tuple(key)) == cursor and all(_fits(value) for value in key)
    except (ValueError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise BadInput(f"the cursor {cursor[:80]!r} is damaged: send one as it was given, or none to begin anew")
    if listed != of or [type(value) for value in key] != list(kinds):
        raise BadInput("this cursor is of another list: with another state or filter begin anew, without a cursor")
    return tuple(key)


def _fits(value: Any) -> bool:
    return not isinstance(value, int) or abs(value) <= LARGEST


def take(connection: Connection, queries: Sequence[Query], count: int) -> list[Values]:
    """The first rows of queries that follow each other; what is not needed is not asked."""
    rows: list[Values] = []
    for query in queries:
        if len(rows) < count:
            rows += connection.execute(query.limit(count - len(rows))).mappings().all()
    return rows


def paged(
    of: str, key: str, fetch: Callable[[int | None, int], Sequence[T]], limit: int, cursor: str | None
) -> Page[T]:
    """A page of the list called `of`; `fetch(number of the last row, count)` gives the rows behind that one."""
    after = None if cursor is None else read_cursor(of, cursor, (int,))[0]
    rows = fetch(after, limit + 1)
    shown = list(rows[:limit])
    return Page(shown, write_cursor(of, (getattr(shown[-1], key),)) if len(rows) > limit else None)


def page_of(rows: Sequence[Values], limit: int, of: str, key: Sequence[str]) -> tuple[Sequence[Values], str | None]:
    """The rows of a page, and its cursor if `rows`, of which one more than `limit` was asked, go on."""
    shown = rows[:limit]
    more = len(rows) > limit
    return shown, write_cursor(of, tuple(shown[-1][name] for name in key)) if more else None
