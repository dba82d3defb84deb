"""Stores to test with: SQLite in a file, and the same tests on a PostgreSQL cluster of our own (marked e2e)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.postgres import new_database

from xal.store import Store

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)]


def new_url(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'store.sqlite'}"
    return new_database(request.getfixturevalue("cluster"))


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path, request)


@pytest.fixture
def open_store(url: str) -> Iterator[Callable[..., Store]]:
    """Opens the test's database as often as wanted."""
    opened: list[Store] = []

    def open_it(pool: str = "pool", task: str = "task") -> Store:
        opened.append(Store.open(url, pool, task))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()
