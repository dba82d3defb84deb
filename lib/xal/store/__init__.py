"""The one place where state lives: images, annotations, leases, predictions, versions, jobs and events of a pool.

Every public method is one transaction that either happened or did not, whatever is killed meanwhile (a folder scan is
one per 1,000 images); many threads and several processes may use the same database at once. SQLite is the default,
PostgreSQL runs the same code.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from sqlalchemy.engine import URL

from xal.errors import Conflict, StoreError
from xal.store.adoption import Adoption
from xal.store.annotations import Annotations
from xal.store.deliveries import Deliveries
from xal.store.engine import Database, open_database
from xal.store.events import Events
from xal.store.fork import in_use
from xal.store.images import Images
from xal.store.jobs import Jobs
from xal.store.listing import Listing
from xal.store.looking import Looking
from xal.store.outlines import Outlines
from xal.store.predictions import Predictions
from xal.store.queue import Queue
from xal.store.review import Review
from xal.store.rows import (
    AnnotationRow,
    Counts,
    Event,
    ImageFile,
    ImageRow,
    ImageState,
    JobKind,
    JobRow,
    JobState,
    Lease,
    NewAnnotation,
    Offer,
    Order,
    PredictionRow,
    SettledImage,
    Source,
    VersionRow,
    VersionState,
)
from xal.store.settings import KeptSettings
from xal.store.shown import Servings
from xal.store.versions import Versions

__all__ = [
    "AnnotationRow",
    "Counts",
    "Event",
    "ImageFile",
    "ImageRow",
    "ImageState",
    "JobKind",
    "JobRow",
    "JobState",
    "Lease",
    "NewAnnotation",
    "Offer",
    "Order",
    "PredictionRow",
    "SettledImage",
    "Source",
    "Store",
    "VersionRow",
    "VersionState",
]


CHECKPOINT_MILLISECONDS = 2000
"""How long the end of a server waits for others that read."""


class Store:
    """The state of one task on one pool; one object serves all threads of a process and survives a fork.

    Each part is named where it is used: `store.annotations.add(…)`, `store.queue.next_sample(…)`.
    """

    def __init__(self, url: URL, pool: str, task: str) -> None:
        """Use a database whose tables are up to date; `open` sees to that."""
        self.database = Database(url, pool, task)
        self.images = Images(self.database)
        """What the source lists, what was found out about it, and what people decided about it."""
        self.annotations = Annotations(self.database)
        """What readers handed in."""
        self.adoption = Adoption(self.database)
        """Taking up annotations that are known by their label files alone."""
        self.queue = Queue(self.database)
        """Who is given which image next, and who has which."""
        self.predictions = Predictions(self.database)
        """What the model says of images, and how they are scored by it."""
        self.versions = Versions(self.database)
        """Model versions, and the images that judge them."""
        self.listing = Listing(self.database)
        """The pool in pages that people look through."""
        self.looking = Looking(self.database)
        """What looking again at annotations found."""
        self.review = Review(self.database)
        """What reviewers are shown, and what they decide."""
        self.outlines = Outlines(self.database)
        """ROIs that were found in an archive."""
        self.shown = Servings(self.database)
        """What readers were shown of others' outlines."""
        self.deliveries = Deliveries(self.database)
        """What is on its way to an archive."""
        self.jobs = Jobs(self.database)
        """Who trains or scores."""
        self.settings = KeptSettings(self.database)
        """What was set while a server ran."""
        self.events = Events(self.database)
        """What happened."""

    @classmethod
    def open(cls, url: str, pool: str, task: str) -> Self:
        """Open, create or migrate the database at `url` (`sqlite:////path/store.sqlite` or `postgresql+psycopg://…`).

        StoreError if it is not ours, damaged, newer than this program, or SQLite on a network file system.
        """
        return cls(open_database(url), pool, task)

    @property
    def pool(self) -> str:
        """Which pool of images it is about."""
        return self.database.pool

    @property
    def task(self) -> str:
        """Which task it is about."""
        return self.database.task

    @property
    def where(self) -> str:
        """The database in words, without its password."""
        return self.database.where

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled to another process it is opened there anew."""
        return type(self).open, (self.database.url.render_as_string(hide_password=False), self.pool, self.task)

    def checkpoint(self) -> None:
        """Write SQLite's WAL into the database and empty it, if nobody reads just now."""

        def work(_: list[str]) -> None:
            self.database.check_in_place()
            with in_use(), self.database.engine.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                try:
                    raw.execute(f"PRAGMA busy_timeout={CHECKPOINT_MILLISECONDS}")
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.Error as error:
                    raise StoreError(f"the WAL of {self.where} stays: {error}") from error

        if self.database.is_sqlite:
            self.database.attempt(work)

    def close(self) -> None:
        """Close this process's connections."""
        self.database.close()

    def backup(self, target: Path) -> None:
        """Copy the whole SQLite database to a new file while it is in use; copy the label files afterwards."""
        if not self.database.is_sqlite:
            raise StoreError(f"{self.where} is backed up with pg_dump")
        if target.exists():
            raise Conflict(f"{target} exists already; a backup never overwrites")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
            copy = Path(folder) / target.name
            self.database.attempt(lambda _: self._copy_to(copy))
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            copy.rename(target)
        parent = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def _copy_to(self, copy: Path) -> None:
        self.database.check_in_place()
        with in_use(), self.database.engine.connect() as connection, closing(sqlite3.connect(copy)) as destination:
            source: Any = connection.connection.dbapi_connection
            try:
                source.backup(destination)
            except sqlite3.Error as error:
                raise StoreError(f"{self.where} was not copied: {error}") from error
