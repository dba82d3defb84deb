"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

UNFINISHED = f".{'[0-9a-f]' * 16}.tmp*"
"""What `write_atomically` leaves behind if its process is killed, as a pattern of names."""


def write_atomically(path: Path, suffix: str, write: Callable[[Path], object], durable: bool = True) -> None:
    """Let `write` fill a hidden file beside `path`, then put it in place; on any failure nothing is left behind.

    What is not `durable` survives a killed process, not a power cut: for thousands of files that can be made again.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp{suffix}")
    _make_folder(path.parent)
    try:
        try:
            write(temporary)
        except RuntimeError as error:
            raise OSError(f"{path.name} could not be written: {error}") from error
        if durable:
            sync_to_disk(temporary)
            move_durably(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def move_durably(source: Path, target: Path) -> None:
    """Give a written and synced file its name, in a way that a power cut does not undo."""
    _make_folder(target.parent)
    source.replace(target)
    sync_to_disk(target.parent)


def _make_folder(folder: Path) -> None:
    new_folders = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for new in new_folders:
        sync_to_disk(new.parent)


def sync_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
