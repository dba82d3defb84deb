"""A folder of prepared images, so that scoring and training decode each image once.

Nothing in it is precious: an entry that is damaged, cut or missing is simply computed again, and several processes may
share the folder.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from xal.arrays import of_npy
from xal.imaging.geometry import Prepared
from xal.system.bounded_folder import BoundedFolder, remove, used

_LOG = logging.getLogger(__name__)


class TensorCache:
    """At most `max_bytes` of prepared images by key; the longest unused go first."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open the folder, making it if needed, and clear what dead processes left."""
        self._files = BoundedFolder(folder, ".npz", max_bytes, in_use_seconds=0)

    def get(self, key: str) -> Prepared | None:
        """What was put under this key, or None."""
        path = self._path(key)
        try:
            with zipfile.ZipFile(path) as stored:
                tensor, grid = (of_npy(stored.read(f"{name}.npy")) for name in ("tensor", "grid"))
            prepared = Prepared(torch.from_numpy(tensor), grid)
            used(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (
            OSError,
            EOFError,
            KeyError,
            ValueError,
            TypeError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            _LOG.warning("cache entry %s is damaged and will be computed again (%s)", path.name, error)
            remove(path)
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
            replaced = path.stat().st_size if path.exists() else 0
            temporary.replace(path)
        except OSError as error:
            _LOG.warning("cache entry %s was not kept: %s", path.name, error.strerror)
            remove(temporary)
            return
        self._files.added(path, replaced)

    def give_way(self, enough: Callable[[], bool]) -> None:
        """Remove entries until there is enough space for others."""
        self._files.give_way(enough)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._files.folder / name[:2] / f"{name}.npz"
