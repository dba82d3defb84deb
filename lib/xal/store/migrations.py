"""The way from no database, or one of an older schema, to the tables of this one.

A new database is made from `schema.py`. An older one is brought forward a version at a time, by statements that say
themselves what that version had: nobody who changes `schema.py` changes them, and they are never edited once a store
may have gone that way. A new version adds a step, and a test holds the tables at its end against those of `schema.py`.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from xal.errors import StoreError
from xal.store.schema import metadata, schema_info

Step = tuple[str, ...]
"""Statements, in which `{name}` stands for the type of names, and `{bytes}` for that of arrays."""

NAME = {"sqlite": "VARCHAR", "postgresql": 'VARCHAR COLLATE "C"'}
"""The type of names: text that is compared byte by byte, as SQLite does anyway."""
BYTES = {"sqlite": "BLOB", "postgresql": "BYTEA"}

PLACES: Step = (
    "ALTER TABLE images ADD COLUMN place INTEGER NOT NULL DEFAULT 2147483647",
    "DROP INDEX IF EXISTS images_by_score",
    "CREATE INDEX images_by_score ON images (pool, task, open, place, score DESC, shuffle)",
)
"""Version 2: images have a place in the line-up, and the queue's index begins with it."""

REVIEW: Step = (
    "ALTER TABLE images ADD COLUMN decision TEXT",
    "ALTER TABLE images ADD COLUMN status {name} NOT NULL DEFAULT 'waiting'",
    "ALTER TABLE annotations ADD COLUMN centre TEXT",
    """UPDATE images SET status = CASE
        WHEN state <> 'ok' THEN state WHEN excluded IS NOT NULL THEN 'excluded' WHEN open THEN 'waiting'
        WHEN finding IS NOT NULL THEN 'settled' ELSE 'review' END""",
    """CREATE TABLE comparisons (
        pool {name} NOT NULL,
        task {name} NOT NULL,
        one INTEGER NOT NULL,
        other INTEGER NOT NULL,
        image {name} NOT NULL,
        dice FLOAT,
        PRIMARY KEY (pool, task, one, other),
        FOREIGN KEY (pool, task, image) REFERENCES images (pool, task, id)
    )""",
    """CREATE TABLE doubts (
        pool {name} NOT NULL,
        task {name} NOT NULL,
        annotation INTEGER NOT NULL,
        kind {name} NOT NULL,
        image {name} NOT NULL,
        detail TEXT NOT NULL,
        raised_at FLOAT NOT NULL,
        accepted_at FLOAT,
        accepted_by TEXT,
        PRIMARY KEY (pool, task, annotation, kind),
        FOREIGN KEY (pool, task, image) REFERENCES images (pool, task, id)
    )""",
    "CREATE INDEX doubts_open ON doubts (pool, task, accepted_at, annotation)",
    "CREATE INDEX images_by_source ON images (pool, task, open, roi_source, place, score DESC, shuffle)",
    "CREATE INDEX images_by_status ON images (pool, task, status, id)",
    "DROP INDEX IF EXISTS annotations_by_reader",
    "CREATE INDEX annotations_by_reader ON annotations (pool, task, reader, id)",
    "CREATE INDEX annotations_by_finding ON annotations (pool, task, finding, id)",
    "CREATE INDEX annotations_in_order ON annotations (pool, task, id)",
)
"""Version 3: what is needed to list images by what became of them, and to look again at annotations."""

ARCHIVE: Step = (
    """CREATE TABLE outlines (
        pool {name} NOT NULL,
        task {name} NOT NULL,
        image {name} NOT NULL,
        origin {name} NOT NULL,
        series {name} NOT NULL,
        path TEXT NOT NULL,
        voxels BIGINT NOT NULL,
        fingerprint {name},
        found_at FLOAT NOT NULL,
        PRIMARY KEY (pool, task, image, origin),
        FOREIGN KEY (pool, task, image) REFERENCES images (pool, task, id)
    )""",
    "CREATE INDEX outlines_by_series ON outlines (pool, task, series)",
    """CREATE TABLE arrivals (
        pool {name} NOT NULL,
        task {name} NOT NULL,
        series {name} NOT NULL,
        state {name} NOT NULL,
        outlines INTEGER NOT NULL,
        problem TEXT,
        seen_at FLOAT NOT NULL,
        PRIMARY KEY (pool, task, series)
    )""",
    """CREATE TABLE deliveries (
        pool {name} NOT NULL,
        task {name} NOT NULL,
        annotation INTEGER NOT NULL,
        state {name} NOT NULL,
        next_try FLOAT NOT NULL,
        tries INTEGER NOT NULL,
        problem TEXT,
        ended_at FLOAT,
        PRIMARY KEY (pool, task, annotation)
    )""",
    "CREATE INDEX deliveries_by_state ON deliveries (pool, task, state, next_try)",
)
"""Version 4: ROIs that were found in an archive, and what is sent there."""

LABEL_FILES: Step = (
    "ALTER TABLE annotations ADD COLUMN file_size BIGINT",
    "ALTER TABLE annotations ADD COLUMN file_sha256 TEXT",
    "ALTER TABLE annotations ADD COLUMN file_problem TEXT",
    "CREATE INDEX annotations_damaged ON annotations (pool, task, id) WHERE file_problem IS NOT NULL",
)
"""Version 5: annotations know size and digest of their label files."""

EVIDENCE: Step = (
    "ALTER TABLE readings ADD COLUMN evidence {bytes}",
    "ALTER TABLE readings ADD COLUMN coverage {bytes}",
    "ALTER TABLE images ADD COLUMN telling FLOAT NOT NULL DEFAULT -1",
    "CREATE INDEX images_by_telling ON images (pool, task, open, telling DESC, shuffle)",
)
"""Version 6: predictions keep what every rule needs, images how much an outline would tell; and annotations may be
outlines without a finding, `region`.

An earlier program would take that word for a finding, so it is kept from stores that may have it.
"""

METHODS: Step = (
    "ALTER TABLE images ADD COLUMN other_misalignment FLOAT",
    "ALTER TABLE images ADD COLUMN margin FLOAT NOT NULL DEFAULT -1",
    "ALTER TABLE readings ADD COLUMN other_misalignment FLOAT",
    "ALTER TABLE given ADD COLUMN chosen_by {name}",
)
"""Version 7: images keep what every way of choosing them needs, and it is kept which one chose an image."""

OUTLINE_SHARE: Step = (
    "ALTER TABLE images ADD COLUMN outline_wanted BOOLEAN",
    "ALTER TABLE annotations ADD COLUMN seconds FLOAT",
)
"""And they know whether their readers are asked for an outline, and annotations how long they took."""

SHOWN: Step = (
    """CREATE TABLE shown (
        pool {name} NOT NULL,
        task {name} NOT NULL,
        reader {name} NOT NULL,
        image {name} NOT NULL,
        servings TEXT NOT NULL,
        PRIMARY KEY (pool, task, reader, image),
        FOREIGN KEY (pool, task, image) REFERENCES images (pool, task, id)
    )""",
)
"""And it is kept what readers were shown of others' outlines."""

MIGRATIONS: dict[int, Step] = {
    1: PLACES,
    2: REVIEW,
    3: ARCHIVE,
    4: LABEL_FILES,
    5: EVIDENCE,
    6: METHODS + OUTLINE_SHARE + SHOWN,
}
"""Schema version n → what makes it n + 1."""
SCHEMA_VERSION = 7


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
        for statement in MIGRATIONS[version]:
            types = {"name": NAME[connection.dialect.name], "bytes": BYTES[connection.dialect.name]}
            connection.execute(text(statement.format(**types)))
    if found < SCHEMA_VERSION:
        connection.execute(text(f"UPDATE {schema_info.name} SET version = {SCHEMA_VERSION}"))
