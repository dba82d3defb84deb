"""The store as a file: whether a copy of it is whole, and putting one in the place of another."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from xal.errors import StoreLost
from xal.pool.lost_store import STORE_FILE
from xal.store.schema import annotation_table, events, images
from xal.system.durable import is_full, sync_to_disk

BESIDE = ("", "-wal", "-shm")
"""What the names of SQLite's files end in."""


def whole_copy(source: Path, folder: Path) -> Path:
    """A copy, in `folder`, of a store that nobody has open; StoreLost if it is not whole. The source is only read."""
    copy = folder / STORE_FILE
    for ending in BESIDE:
        copy.with_name(copy.name + ending).unlink(missing_ok=True)
    try:
        for ending in BESIDE[:2]:
            if source.with_name(source.name + ending).is_file():
                shutil.copyfile(source.with_name(source.name + ending), copy.with_name(copy.name + ending))
    except OSError as error:
        if is_full(error):
            raise
        raise StoreLost(f"{source} cannot be read ({error.strerror})") from error
    check_whole(copy, source)
    return copy


def check_whole(file: Path, called: Path) -> None:
    """StoreLost, `called` so, unless the file is one of our stores and undamaged; its WAL becomes a part of it."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            found = [row[0] for row in database.execute("PRAGMA integrity_check(1)")]
            database.execute(f"SELECT pool FROM {images.name} LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise StoreLost(f"{called} is no store, or damaged ({error})") from error
    if found != ["ok"]:
        raise StoreLost(f"{called} is damaged ({found[0]})")
    sync_to_disk(file)


def pools_in(file: Path) -> set[str]:
    """The pools that a whole store knows."""
    with closing(_as_it_is(file)) as database:
        return {row[0] for row in database.execute(f"SELECT DISTINCT pool FROM {images.name}")}


def last_numbers_in(file: Path, pool: str, task: str) -> tuple[int, int] | None:
    """The numbers of the last event and the last annotation in a copy; None if it cannot be read."""
    try:
        with closing(_as_it_is(file)) as database:
            event, annotation = (
                database.execute(
                    f"SELECT coalesce(max(id), 0) FROM {table.name} WHERE pool = ? AND task = ?", (pool, task)
                ).fetchone()[0]
                for table in (events, annotation_table)
            )
    except sqlite3.Error:
        return None
    return int(event), int(annotation)


def _as_it_is(file: Path) -> sqlite3.Connection:
    """A connection that leaves nothing beside the file."""
    return sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)


def put_in_place(fresh: Path, state: Path) -> Path | None:
    """Make a whole store that of a state folder; where the one that was there is now, which is never erased.

    Cut off in between, there is no store, and nothing opens until this was done again.
    """
    store = state / STORE_FILE
    there = [file for file in (store.with_name(STORE_FILE + ending) for ending in BESIDE) if file.exists()]
    aside = new_folder_aside(state) if there else None
    for file in there:
        file.rename(aside / file.name)  # type: ignore[operator]  # there is one where there are files
    sync_to_disk(state)
    fresh.rename(store)
    sync_to_disk(state)
    return aside


def new_folder_aside(state: Path) -> Path:
    """A folder, within the state, for what is replaced; no task is called so."""
    moment = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        folder = state / (f"replaced-{moment}" if number == 1 else f"replaced-{moment}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder
