"""Who uses a state folder: any number of processes together, or a restore alone.

The folder itself is locked (flock), not a file in it: there is nothing to leave behind, and the kernel releases the
lock of a process that ends, however it ends. A restore moves the locked folder aside, so who gets the lock looks again
whether the folder is still in its place.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from xal.errors import Conflict, StoreError


class Hold:
    """The lock of a state folder, from now until `release`, or until nobody knows this object any more."""

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        """Make the folder if it is missing, and hold it; refused at once if that cannot be."""
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            self.release = weakref.finalize(self, os.close, descriptor)
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                if not alone:
                    _check_whole(folder)
            except BlockingIOError as error:
                self.release()
                if alone:
                    raise Conflict(
                        f"{folder} is in use: stop the server, and wait for training, scoring and other commands"
                    ) from error
                raise StoreError(f"{folder} is being restored: try again when that is done") from error
            except StoreError:
                self.release()
                raise
            if _is(folder, descriptor):
                return
            self.release()


def staged(folder: Path) -> Path:
    """Where a restore puts the whole of the new state before it takes the folder's place."""
    return folder.with_name(f"{folder.name}.restoring")


def put_aside(folder: Path, when: str) -> Path:
    """Where a restore puts the state that was there before."""
    return folder.with_name(f"{folder.name}.before-{when}")


def _check_whole(folder: Path) -> None:
    """An empty folder beside the traces of a restore is no new pool: something was lost on the way."""
    if any(folder.iterdir()):
        return
    if staged(folder).is_dir():
        raise StoreError(
            f"a restore of {folder} was cut off: run `xal restore` again, or finish it by renaming "
            f"{staged(folder).name} to {folder.name}"
        )
    before = sorted(folder.parent.glob(put_aside(folder, "*").name))
    if before:
        raise StoreError(
            f"{folder} is empty, and beside it is {before[-1].name}, put aside by a restore: rename that to "
            f"{folder.name} to go on with it, or move it elsewhere to begin anew"
        )


def _is(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
