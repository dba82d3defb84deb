"""The series that were fetched, as NIfTI files: pixels and geometry, within a limit that an administrator sets.

A series is fetched by one process at a time and once, however many ask for it; what was unused for longest goes first.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from pydicom import Dataset, dcmwrite

from xal.bounded import IN_USE_SECONDS, BoundedFolder, used
from xal.durable import write_atomically
from xal.errors import Unavailable, Unreadable
from xal.images import Volume, read_image
from xal.nifti import whole_volume
from xal.pacs.scrub import scrubbed
from xal.pacs.waiting import READ_SECONDS, somebody_waits

_SUFFIX = ".nii.gz"
_STALE_SECONDS = 3600.0
"""Age at which what was begun is a dead process's."""
_LOOK_SECONDS = 0.05
"""Between two looks whether a series is free that a client waits for."""


class SeriesCache:
    """Files by image, place and number of instances."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Keep them in `folder`."""
        self.folder = folder
        self._files = BoundedFolder(folder, _SUFFIX, max_bytes, IN_USE_SECONDS)
        self._locks = folder / "locks"
        self._locks.mkdir(exist_ok=True)

    def get(
        self,
        image: str,
        place: str,
        count: int,
        fetch: Callable[[], Iterable[Dataset]],
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Path:
        """The file of so many instances at a place of the archive; fetched, decoded and written if it is not there.

        What is not there waits for its `turn` first.
        """
        path = self._files.place(image, f"{image}|{place}|{count}", _SUFFIX)
        if used(path):
            return path
        with turn(), self._alone(path):
            if not used(path):
                content = whole_volume(self._decoded(image, count, fetch()))
                write_atomically(path, _SUFFIX, lambda draft: draft.write_bytes(content), durable=False)
                self._files.added(path)
        return path

    def _decoded(self, image: str, count: int, instances: Iterable[Dataset]) -> Volume:
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=self._files.folder) as name:
            folder = Path(name) / image  # what cannot be decoded is named after it
            folder.mkdir()
            number = 0
            for instance in instances:
                if "PixelData" not in instance:
                    raise Unreadable(f"{image}: an instance has no pixels")
                number += 1
                dcmwrite(folder / f"{number}.dcm", scrubbed(instance), write_like_original=False)
            if count and number != count:
                raise Unavailable(f"{image}: {number} of {count} instances have arrived")
            return read_image(folder)

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Nobody else fetches this series meanwhile, in this process or another."""
        with (self._locks / hashlib.sha256(path.name.encode()).hexdigest()[:3]).open("w") as lock:
            until = time.monotonic() + READ_SECONDS
            while somebody_waits():  # who fetches it may have more patience than a client has
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > until:
                    raise Unavailable("the archive is slow: the image is being fetched, ask again")
                time.sleep(_LOOK_SECONDS)
            else:
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def forget_cut_off(folder: Path) -> None:
    """Remove what processes that were killed had begun to fetch."""
    for left in folder.glob(".incoming-*"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
