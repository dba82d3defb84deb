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

from xal.errors import Conflict, StoreError
from xal.store.adopting import Adopting
from xal.store.annotations import Annotations
from xal.store.deliveries import Deliveries
from xal.store.engine import open_database
from xal.store.fork import in_use
from xal.store.images import Images
from xal.store.jobs import Jobs
from xal.store.listing import Listing
from xal.store.log import Log
from xal.store.looking import Looking
from xal.store.outlines import Outlines
from xal.store.predictions import Predictions
from xal.store.reviewing import Reviewing
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


class Store(
    Adopting, Images, Annotations, Predictions, Versions, Jobs, Log, Listing, Looking, Reviewing, Outlines, Deliveries
):
    """The state of one task on one pool; one object serves all threads of a process and survives a fork."""

    @classmethod
    def open(cls, url: str, pool: str, task: str) -> Self:
        """Open, create or migrate the database at `url` (`sqlite:////path/store.sqlite` or `postgresql+psycopg://…`).

        StoreError if it is not ours, damaged, newer than this program, or SQLite on a network file system.
        """
        return cls(open_database(url), pool, task)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled to another process it is opened there anew."""
        return type(self).open, (self.url.render_as_string(hide_password=False), self.pool, self.task)

    def checkpoint(self) -> None:
        """Write SQLite's WAL into the database and empty it, if nobody reads just now."""

        def work(_: list[str]) -> None:
            self._check_in_place()
            with in_use(), self._engine.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                try:
                    raw.execute(f"PRAGMA busy_timeout={CHECKPOINT_MILLISECONDS}")
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.Error as error:
                    raise StoreError(f"the WAL of {self.where} stays: {error}") from error

        if self._is_sqlite:
            self._attempt(work)

    def close(self) -> None:
        """Close this process's connections."""
        self._engine.dispose()

    def backup(self, target: Path) -> None:
        """Copy the whole SQLite database to a new file while it is in use; copy the label files afterwards."""
        if not self._is_sqlite:
            raise StoreError(f"{self.where} is backed up with pg_dump")
        if target.exists():
            raise Conflict(f"{target} exists already; a backup never overwrites")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
            copy = Path(folder) / target.name
            self._attempt(lambda _: self._copy_to(copy))
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            copy.rename(target)
        parent = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def _copy_to(self, copy: Path) -> None:
        self._check_in_place()
        with in_use(), self._engine.connect() as connection, closing(sqlite3.connect(copy)) as destination:
            source: Any = connection.connection.dbapi_connection
            try:
                source.backup(destination)
            except sqlite3.Error as error:
                raise StoreError(f"{self.where} was not copied: {error}") from error
