"""The one place where state lives: images, annotations, leases, readings, versions, jobs and events of a pool.

Every public method is one transaction that either happened or did not, whatever is killed meanwhile; many threads and
several processes may use the same database at once. SQLite is the default, PostgreSQL runs the same code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from xal.store.annotations import Annotations
from xal.store.images import Images
from xal.store.jobs import Jobs
from xal.store.log import Log
from xal.store.queue import Queue
from xal.store.readings import Readings
from xal.store.versions import Versions

__all__ = ["Store"]


class Store(Images, Queue, Annotations, Readings, Versions, Jobs, Log):
    """The state of one task on one pool; one object serves all threads of a process and survives a fork."""

    @classmethod
    def open(cls, url: str, pool: str, task: str) -> Self:
        """Open, create or migrate the database at `url` (`sqlite:////path/store.sqlite` or `postgresql+psycopg://…`).

        StoreError if it is not ours, damaged, newer than this program, or SQLite on a network file system.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close this process's connections."""
        raise NotImplementedError

    def backup(self, target: Path) -> None:
        """Copy the whole SQLite database to a new file while it is in use; copy the label files afterwards."""
        raise NotImplementedError
