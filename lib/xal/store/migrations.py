"""The way from no database, or one of an older schema, to the tables of this one."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Index, Table, inspect, text

from xal.errors import StoreError
from xal.store.schema import (
    NO_PLACE,
    annotation_table,
    arrivals,
    comparisons,
    deliveries,
    doubts,
    images,
    metadata,
    outlines,
    schema_info,
)


def _add_place(connection: Connection) -> None:
    """Version 2: images have a place in the line-up, and the queue's index begins with it."""
    connection.execute(text(f"ALTER TABLE {images.name} ADD COLUMN place INTEGER NOT NULL DEFAULT {NO_PLACE}"))
    connection.execute(text("DROP INDEX IF EXISTS images_by_score"))
    _index(images, "images_by_score").create(connection)


def _add_review(connection: Connection) -> None:
    """Version 3: what is needed to list images by what became of them, and to look again at annotations."""
    for statement in (
        f"ALTER TABLE {images.name} ADD COLUMN decision TEXT",
        f"ALTER TABLE {images.name} ADD COLUMN status VARCHAR NOT NULL DEFAULT 'waiting'",
        f"ALTER TABLE {annotation_table.name} ADD COLUMN centre TEXT",
        f"""UPDATE {images.name} SET status = CASE
            WHEN state <> 'ok' THEN state WHEN excluded IS NOT NULL THEN 'excluded' WHEN open THEN 'waiting'
            WHEN finding IS NOT NULL THEN 'settled' ELSE 'review' END""",
        "DROP INDEX IF EXISTS annotations_by_reader",
    ):
        connection.execute(text(statement))
    for table in (comparisons, doubts):
        table.create(connection)
    for name in ("images_by_source", "images_by_status"):
        _index(images, name).create(connection)
    for name in ("annotations_by_reader", "annotations_by_finding", "annotations_in_order"):
        _index(annotation_table, name).create(connection)


def _add_archive(connection: Connection) -> None:
    """Version 4: ROIs that were found in an archive, and what is sent there."""
    for table in (outlines, arrivals, deliveries):
        table.create(connection)


def _add_label_files(connection: Connection) -> None:
    """Version 5: annotations know size and digest of their label files."""
    for column in ("file_size BIGINT", "file_sha256 TEXT", "file_problem TEXT"):
        connection.execute(text(f"ALTER TABLE {annotation_table.name} ADD COLUMN {column}"))
    _index(annotation_table, "annotations_damaged").create(connection)


def _index(table: Table, name: str) -> Index:
    return next(index for index in table.indexes if index.name == name)


Migration = Callable[[Connection], None]
MIGRATIONS: dict[int, Migration] = {1: _add_place, 2: _add_review, 3: _add_archive, 4: _add_label_files}
"""Schema version n → the statements that make it n + 1. A new database is made from the tables above instead."""
SCHEMA_VERSION = 5


def prepare(connection: Connection, where: str) -> None:
    """Create the tables, or bring older ones forward; StoreError if the database is not one of ours or is newer."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        metadata.create_all(connection)
        connection.execute(schema_info.insert(), {"version": SCHEMA_VERSION})
        return
    if schema_info.name not in tables:
        raise StoreError(
            f"{where} belongs to something else: it has tables {', '.join(sorted(tables)[:5])} "
            f"and no {schema_info.name}. Name a database of its own"
        )
    found = connection.execute(schema_info.select()).scalar()
    if not isinstance(found, int):
        raise StoreError(f"{where} does not say which schema version it has; restore it from a backup")
    if found > SCHEMA_VERSION:
        raise StoreError(
            f"{where} was written by a newer version of this program "
            f"(schema {found}, this one knows {SCHEMA_VERSION}); update the program"
        )
    for version in range(found, SCHEMA_VERSION):
        MIGRATIONS[version](connection)
    if found < SCHEMA_VERSION:
        connection.execute(text(f"UPDATE {schema_info.name} SET version = {SCHEMA_VERSION}"))
