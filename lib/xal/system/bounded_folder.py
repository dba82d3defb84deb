"""A folder of files that can be made again, kept below a size: the longest unused go first.

Several processes may share it. What one of them is writing has another name than what is finished, and where others
are told of files, one that was used a moment ago is left alone, because somebody may be about to open it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path

IN_USE_SECONDS = 120.0
"""Whoever was told of a file has so long to open it, whatever the limit says."""
_STALE_SECONDS = 3600.0
"""Age at which an unfinished file is a dead process's."""
_KEEP = 0.9
"""Share of the allowed bytes that is left after making room, so that it is not made at every file."""
_UNSEEN = 0.1
"""Share of the allowed bytes that a process adds before it counts again: others add to the folder, too."""


class BoundedFolder:
    """At most `max_bytes` of files, in sub-folders of two letters, and a tenth more for each process that adds some."""

    def __init__(self, folder: Path, suffixes: str | tuple[str, ...], max_bytes: int, in_use_seconds: float) -> None:
        """Open the folder, making it if needed, and clear what dead processes left.

        Finished files end in one of `suffixes`, and are left alone for so many seconds after each use.
        """
        self.folder = folder
        self._suffixes = suffixes
        self._max_bytes = max_bytes
        self._in_use_seconds = in_use_seconds
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._bytes = 0
        self._unseen = 0
        with self._lock:
            self._make_room()

    def place(self, name: str, made_of: str, suffix: str) -> Path:
        """Where the file of this name belongs: another place as soon as what it is made of is another."""
        digest = hashlib.sha256(made_of.encode()).hexdigest()
        return self.folder / digest[:2] / f"{name}.{digest[:8]}{suffix}"

    def added(self, path: Path, replaced: int = 0) -> None:
        """This file was put in place of `replaced` bytes: make room if there is too much now, of others first.

        The time that a file system gives a new file may lie before that of the latest `used`.
        """
        used(path)
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # another process has removed it
            return
        with self._lock:
            self._bytes += size - replaced
            self._unseen += size
            if self._bytes > self._max_bytes or self._unseen > self._max_bytes * _UNSEEN:
                self._make_room()

    def give_way(self, enough: Callable[[], bool]) -> None:
        """Remove files, the longest unused first, until there is enough space for others."""
        with self._lock:
            self._remove_oldest(enough)

    def _make_room(self) -> None:
        """Count, and remove the longest unused files if there is too much."""
        self._bytes, self._unseen = sum(size for _, size, _ in self._entries()), 0
        if self._bytes > self._max_bytes:
            self._remove_oldest(lambda: self._bytes <= self._max_bytes * _KEEP)

    def _remove_oldest(self, enough: Callable[[], bool]) -> None:
        in_use = time.time() - self._in_use_seconds
        for used_at, size, path in sorted(self._entries(), key=itemgetter(0)):
            if enough() or used_at > in_use:
                break
            if _last_use(path) in (used_at, None):  # nobody has begun to use it while all of this was listed
                remove(path)
                self._bytes -= size

    def _entries(self) -> Iterator[tuple[float, int, str]]:
        """(last use, bytes, path) of every file; other processes may remove some meanwhile."""
        stale = time.time() - _STALE_SECONDS
        for folder in self.folder.glob("??"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as files:
                for file in files:
                    try:
                        status = file.stat()
                    except FileNotFoundError:
                        continue
                    if file.name.endswith(self._suffixes) and not file.name.startswith("."):
                        yield status.st_atime, status.st_size, file.path
                    elif status.st_mtime < stale:
                        remove(file.path)


def used(path: Path) -> bool:
    """Whether the file is there; if so, it counts as used now, and its time of change stays what browsers know."""
    try:
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def _last_use(path: str) -> float | None:
    """None if it is gone."""
    try:
        return Path(path).stat().st_atime
    except FileNotFoundError:
        return None


def remove(path: Path | str) -> None:
    """Another process may have been faster, and what cannot be removed is at worst read or replaced again."""
    with contextlib.suppress(OSError):
        Path(path).unlink()
