"""Files that are there whole or not at all, whatever happens while they are written.

What is written is bytes that are ready, by a call that raises where they cannot be written; before a file gets its name
it is read back. A library that is told to fill a file may say nothing of a full disk.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

logger = logging.getLogger(__name__)

HOST = re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())[:64]
"""This machine, or container, in names of files: of another's processes nothing is known here."""
UNFINISHED = f".*{'[0-9a-f]' * 16}.tmp"
"""What is left behind if the process that writes is killed, as a pattern of names."""
_DRAFT = re.compile(r"\.((?P<host>[^.]+)\.)?(?P<pid>[0-9a-f]{8})[0-9a-f]{8}\.tmp")
_ABANDONED_SECONDS = 86_400.0
"""Nobody writes at a file that was not written to for so long."""
_CHUNK = 1 << 20
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
"""What a file system says that has no second names for files."""
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_atomically(path: Path, content: bytes, durable: bool = True) -> None:
    """Put this content under `path`, in place of what is there; on any failure that stays, and nothing is left behind.

    What is not `durable` survives a killed process, not a power cut: for thousands of files that can be made again.
    """
    with _draft(path) as draft:
        _fill(draft, content, durable)
        draft.replace(path)
        if durable:
            sync_to_disk(path.parent)


def create(path: Path, content: bytes) -> None:
    """Put this content, durably, under a name that nothing has: FileExistsError where there is a file, which stays."""
    with _draft(path) as draft:
        _fill(draft, content, durable=True)
        give_new_name(draft, path)


def give_new_name(file: Path, path: Path) -> None:
    """Give a written and synced file another name, durably: FileExistsError where there is a file, which stays."""
    try:
        path.hardlink_to(file)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _fill_new(path, file.read_bytes())
    sync_to_disk(path.parent)


def copy_atomically(source: Path, path: Path) -> None:
    """Put a copy of a file, with its time, under `path`; it survives a killed process, not a power cut."""
    with _draft(path) as draft:
        shutil.copy2(source, draft)
        if draft.stat().st_size != source.stat().st_size:
            raise OSError(errno.EIO, "the copy is not as large as the file", str(path))
        draft.replace(path)


def is_full(error: BaseException | None) -> bool:
    """Whether this, or what caused it, says that a disk is full or a quota used up."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            return True
        error = error.__cause__ or error.__context__
    return False


def remove_unfinished(folder: Path) -> None:
    """Remove, below a folder, what processes that were killed had begun to write."""
    for draft in folder.rglob(UNFINISHED):
        if parts := _DRAFT.fullmatch(draft.name):
            remove_left_behind(draft, parts["host"], int(parts["pid"], 16))


def remove_left_behind(draft: Path, host: str | None, pid: int) -> None:
    """Remove a file if the process that began it has ended; one that cannot be removed is logged, and stays."""
    try:
        if _is_left_behind(draft, host, pid):
            draft.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s was left behind and cannot be removed: %s", draft, error.strerror)


def _is_left_behind(file: Path, host: str | None, pid: int) -> bool:
    """Whether the process has ended, be it that another one has its number by now; without a host, one of this."""
    try:
        if host not in (None, HOST):
            return time.time() - file.stat().st_mtime > _ABANDONED_SECONDS
        return bool(psutil.Process(pid).create_time() > file.stat().st_mtime)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return True


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, in a way that a power cut does not undo."""
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


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """The name of a hidden file beside `path` that is gone afterwards."""
    make_folder(path.parent)
    draft = path.with_name(f".{HOST}.{os.getpid():08x}{secrets.token_hex(4)}.tmp")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _fill(file: Path, content: bytes, durable: bool) -> None:
    with file.open("xb") as target:
        target.write(content)
        target.flush()
        if durable:
            os.fsync(target.fileno())
    if not _holds(file, content):
        raise OSError(errno.EIO, "what was written is not what can be read back", str(file))


def _fill_new(path: Path, content: bytes) -> None:
    """Fill a new file under its own name; a kill leaves it cut, which whoever compares it with its row will see."""
    try:
        _fill(path, content, durable=True)
    except FileExistsError:
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _holds(file: Path, content: bytes) -> bool:
    expected = memoryview(content)
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            if chunk != expected[: len(chunk)]:
                return False
            expected = expected[len(chunk) :]
    return not expected
