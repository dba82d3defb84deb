"""The series that were fetched, as NIfTI files: pixels and geometry, within a limit that an administrator sets.

A series is fetched by one process at a time and once, however many ask for it; what was unused for longest goes first.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from pydicom import Dataset, dcmwrite

from xal.errors import Unavailable, Unreadable, XalError
from xal.imaging.dicom_files import DAMAGED
from xal.imaging.images import Volume, read_image, volume_as_nifti
from xal.imaging.integrity import check_readable, is_passing
from xal.sources.scrub import scrubbed
from xal.system.bounded_folder import IN_USE_SECONDS, BoundedFolder, used
from xal.system.durable import write_atomically
from xal.system.error_log import tell_unquoted
from xal.system.waiting import READ_SECONDS, somebody_waits

logger = logging.getLogger(__name__)

_SUFFIX = ".nii.gz"
_OWNER = ".owner"
"""In a folder that is being filled: who fills it holds its lock."""
_LOOK_SECONDS = 0.05
"""Between two looks whether a series is free that a client waits for."""


class SeriesCache:
    """Files by image, place and number of instances."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Keep them in `folder`, and clear what processes that were killed had begun to fetch."""
        self.folder = folder
        self._files = BoundedFolder(folder, _SUFFIX, max_bytes, IN_USE_SECONDS)
        self._locks = folder / "locks"
        self._locks.mkdir(exist_ok=True)
        self._forget_cut_off()

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
                with _without_quotes(image):
                    content = volume_as_nifti(self._decoded(image, count, fetch()))
                    write_atomically(path, content, durable=False)
                    self._files.added(path)
        return path

    def give_way(self, enough: Callable[[], bool]) -> None:
        """Remove files until there is enough space for others."""
        self._files.give_way(enough)

    def _decoded(self, image: str, count: int, instances: Iterable[Dataset]) -> Volume:
        with self._incoming() as place:
            folder = place / image  # what cannot be decoded is named after it
            folder.mkdir()
            number = 0
            for instance in instances:
                if "PixelData" not in instance:
                    raise Unreadable(f"{image}: an instance has no pixels")
                number += 1
                _write(folder / f"{number}.dcm", image, instance)
            if count and number != count:
                raise Unavailable(f"{image}: {number} of {count} instances have arrived")
            try:
                return read_image(folder)
            except Unreadable:
                check_readable(folder)
                raise

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        """A folder for instances while they are decoded; it is locked, so that others know whether its owner lives."""
        with ExitStack() as stack:
            with self._beginning():
                name = tempfile.mkdtemp(prefix=".incoming-", dir=self.folder)
                lock = os.open(Path(name) / _OWNER, os.O_RDWR | os.O_CREAT)
                stack.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX)
            stack.callback(shutil.rmtree, name, ignore_errors=True)
            yield Path(name)

    def _forget_cut_off(self) -> None:
        with self._beginning():
            for left in self.folder.glob(".incoming-*"):
                with suppress(FileNotFoundError, BlockingIOError):  # decoded meanwhile; somebody is at it
                    lock = os.open(left / _OWNER, os.O_RDWR | os.O_CREAT)
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        shutil.rmtree(left, ignore_errors=True)
                    finally:
                        os.close(lock)

    @contextmanager
    def _beginning(self) -> Iterator[None]:
        """Nobody else makes such a folder, or looks which are left, until this one is locked."""
        with (self._locks / "incoming").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

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


def _write(file: Path, image: str, instance: Dataset) -> None:
    try:
        dcmwrite(file, scrubbed(instance), write_like_original=False)
    except Unreadable as error:
        raise Unreadable(f"{image}: {error}") from None
    except OSError:  # of the disk: nothing is wrong with the instance
        raise
    except DAMAGED:
        raise Unreadable(f"{image}: has a damaged or incomplete DICOM header") from None


@contextmanager
def _without_quotes(image: str) -> Iterator[None]:
    """Whatever goes wrong while there is DICOM at hand, be it with disk or code, in words that quote none of it.

    Only what is known to be the image's own fault makes it unreadable, for in an archive that is for ever.
    """
    try:
        yield
    except Unreadable as error:
        raise (Unavailable if is_passing(error) else Unreadable)(str(error)) from None
    except XalError:
        raise
    except OSError as error:
        raise Unavailable(f"{image}: cannot be kept at the moment ({error.strerror or 'no reason given'})") from None
    except Exception as error:  # noqa: BLE001 - told, and raised as one of ours
        tell_unquoted(logger, error, "fetching image %s stumbled", image)
        raise Unavailable(f"{image}: cannot be read ({type(error).__name__}); the server's log says more") from None
