"""Copies of the store that the server makes by itself: some recent ones, and one for each of some days before."""

from __future__ import annotations

import calendar
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xal.errors import StoreError
from xal.pool.lost_store import BACKUP_NAMES, BACKUPS, STORE_FILE
from xal.pool.store_file import check_whole, last_numbers_in, pools_in
from xal.store import Store
from xal.system.disk_space import MB, Space
from xal.system.durable import sync_to_disk

logger = logging.getLogger(__name__)

NAME = "store-%Y%m%d-%H%M%S.sqlite"
"""Of a copy, by the time at which it was made (UTC), and after those of all copies before."""
RECENT = 3
"""So many of the copies that are kept are the newest ones; the others are the newest of a day each."""
OFTEN_SECONDS = 3600.0
"""How long a change is not in any copy, at most,"""
HAND_INS = 50
"""unless so many annotations came before."""
SHORTEST_SECONDS = 300.0
LOOK_SECONDS = 60.0
REST = 100
"""Between two copies, as many times as long as the last one took: a large store is copied more seldom."""


class Rotation:
    """Copies the store if it changed and it is time to, and removes what is too much."""

    def __init__(self, store: Store, state: Path, keep: int, space: Space) -> None:
        """Keep so many copies; none is made that would take space reserved for labels."""
        self._store = store
        self._folder = state / BACKUPS
        self._file = state / STORE_FILE
        self._keep = keep
        self._space = space
        self._in_copy: tuple[int, int] | None = None
        """The last event and annotation in the newest copy."""
        self._newest: Path | None = None
        self._newest_made = 0.0
        """When the newest copy was made, on the clock that nobody sets."""
        self._next_look = 0.0
        self._rest = 0.0
        self._skipped = False

    def turn(self) -> None:
        """Make a copy if one is due; what keeps it from being made is logged."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        now = self._store.events.last_numbers()
        with _alone(self._folder) as alone:
            if alone and self._is_due(now) and self._fits():
                began = time.monotonic()
                self._newest = self._copy()
                self._newest_made = time.monotonic()
                self._in_copy, self._rest = now, REST * (time.monotonic() - began)
                self._remove_surplus()

    def _is_due(self, now: tuple[int, int]) -> bool:
        newest = next(iter(copies(self._folder)), None)
        if newest is None:
            return now != (0, 0)
        if newest != self._newest:  # another server made it
            self._newest, self._newest_made = newest, time.monotonic() - max(0.0, time.time() - made_at(newest))
            self._in_copy = last_numbers_in(newest, self._store.pool, self._store.task)
        if self._in_copy == now:
            return False
        many = self._in_copy is not None and now[1] - self._in_copy[1] >= HAND_INS
        age = time.monotonic() - self._newest_made
        return age >= max(self._rest, SHORTEST_SECONDS if many else OFTEN_SECONDS)

    def _fits(self) -> bool:
        size = sum(file.stat().st_size for file in self._file.parent.glob(f"{STORE_FILE}*"))
        free = self._space.free()
        fits = free - size >= self._space.reserve
        if not fits and not self._skipped:
            logger.warning(
                "the store is not copied to %s until there is space: %d MB are free, a copy takes %d MB, and %d MB are "
                "reserved for labels",
                self._folder, free // MB, size // MB, self._space.reserve // MB,
            )  # fmt: skip
        self._skipped = not fits
        return fits

    def _copy(self) -> Path:
        """Make a copy under a name that counts only once it was found whole."""
        for left in self._folder.glob(".*"):  # by a server that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        target = self._folder / self._name()
        draft = self._folder / f".{target.name}"
        try:
            self._store.backup(draft)
            check_whole(draft, self._file)
            if self._store.pool not in pools_in(draft):
                raise StoreError(f"the copy of {self._file} does not know its own pool")
            draft.rename(target)
            sync_to_disk(self._folder)
        except OSError as error:
            raise StoreError(f"the store was not copied: {error}") from error
        finally:
            draft.unlink(missing_ok=True)
        logger.info("the store was copied to %s", target)
        return target

    def _name(self) -> str:
        """After the names of all others, or it would go at once where they were made by a clock that was ahead."""
        newest = max(map(made_at, copies(self._folder)), default=0.0)
        return time.strftime(NAME, time.gmtime(max(time.time(), newest + 1)))

    def _remove_surplus(self) -> None:
        for file in surplus(copies(self._folder), self._keep):
            file.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other server, of another task on the same store, is copying meanwhile."""
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(descriptor)


def copies(folder: Path) -> list[Path]:
    """The copies in a folder, the newest first."""
    return sorted((file for file in folder.glob(BACKUP_NAMES) if made_at(file)), reverse=True)


def made_at(copy: Path) -> float:
    """When a copy was made, by its name; 0 for a file that no rotation made."""
    try:
        return float(calendar.timegm(time.strptime(copy.name, NAME)))
    except ValueError:
        return 0.0


def surplus(newest_first: Sequence[Path], keep: int) -> list[Path]:
    """Which of these copies go, so that `keep` stay: the newest ones, and of older ones the newest of each day."""
    kept = list(newest_first[: min(RECENT, keep)])
    for copy in newest_first[len(kept) :]:
        if len(kept) < keep and _day(copy) < _day(kept[-1]):
            kept.append(copy)
    return [copy for copy in newest_first if copy not in kept]


def _day(copy: Path) -> str:
    return copy.name[: len("store-YYYYMMDD")]
