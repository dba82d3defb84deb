"""A folder of prepared images, so that scoring and training decode each image once.

Nothing in it is precious: an entry that is damaged, cut or missing is simply computed again, and several processes may
share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from xal.geometry import Prepared

_LOG = logging.getLogger(__name__)
_STALE_SECONDS = 3600.0
"""Age at which an unfinished file is a dead process's."""
_KEEP = 0.9
"""Share of the allowed bytes that is left after making room, so that it is not made at every put."""


class TensorCache:
    """At most `max_bytes` of prepared images by key; the longest unused go first."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open the folder, making it if needed, and clear what dead processes left."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._bytes = sum(size for _, size, _ in self._entries())
        self._make_room()

    def get(self, key: str) -> Prepared | None:
        """What was put under this key, or None."""
        path = self._path(key)
        try:
            with np.load(path, allow_pickle=False) as stored:
                prepared = Prepared(torch.from_numpy(stored["tensor"]), stored["grid"])
            path.touch()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            _LOG.warning("cache entry %s is damaged and will be computed again (%s)", path.name, error)
            _remove(path)
            return None
        return prepared

    def put(self, key: str, prepared: Prepared) -> None:
        """Keep it; a full disk costs the entry, not the work that goes on."""
        path = self._path(key)
        temporary = path.with_suffix(f".{threading.get_ident()}.{time.monotonic_ns()}.tmp")
        try:
            path.parent.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                np.savez(file, tensor=prepared.tensor.cpu().numpy(), grid=prepared.grid)
            size = temporary.stat().st_size
            replaced = path.stat().st_size if path.exists() else 0
            temporary.replace(path)
        except OSError as error:
            _LOG.warning("cache entry %s was not kept: %s", path.name, error.strerror)
            _remove(temporary)
            return
        with self._lock:
            self._bytes += size - replaced
        self._make_room()

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.npz"

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """(last use, bytes, path) of every file; other processes may remove some meanwhile."""
        for path in self._folder.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if path.suffix == ".npz":
                yield status.st_mtime, status.st_size, path
            elif status.st_mtime < time.time() - _STALE_SECONDS:
                _remove(path)

    def _make_room(self) -> None:
        with self._lock:
            if self._bytes <= self._max_bytes:
                return
            entries = sorted(self._entries(), key=lambda entry: entry[0])
            self._bytes = sum(size for _, size, _ in entries)
            if self._bytes <= self._max_bytes:
                return
            for _, size, path in entries:
                if self._bytes <= self._max_bytes * _KEEP:
                    break
                _remove(path)
                self._bytes -= size


def _remove(path: Path) -> None:
    """Another process may have been faster, and what cannot be removed is at worst read or replaced again."""
    with contextlib.suppress(OSError):
        path.unlink()
