"""Temporary files of a server, in its state folder: whatever ends it, the next one knows that they are dead.

They hold what readers outlined and what patients look like, so they must not stay in the system's folder. Each process
locks a folder of its own (flock); the kernel releases the lock however the process ends. On a network file system
another machine's lock may not be seen here, so there each machine removes only what is its own.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from pathlib import Path

from xal.system.durable import HOST
from xal.system.network_drive import network_filesystem

logger = logging.getLogger(__name__)

FOLDER = ".temporary"
"""In the state folder; no task is called so."""


def use_own_folder(state: Path) -> Path | None:
    """From now on this process and its children have their temporary files here; those of dead ones are removed.

    None, and they have them in the system's folder, where the state's disk is full.
    """
    try:
        parent = temporary_files(state)
        _remove_dead(parent)
        folder = _locked(parent)
    except OSError as error:
        logger.warning("temporary files go into %s: %s", tempfile.gettempdir(), error)
        return None
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = str(folder)
    return folder


def temporary_files(state: Path) -> Path:
    """The folder, in a state folder, for what dies with its process."""
    folder = state / FOLDER
    folder.mkdir(exist_ok=True)
    return folder


def _locked(parent: Path) -> Path:
    """A new folder, locked until this process ends."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{HOST}.{os.getpid()}-", dir=parent))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.is_dir():  # not removed, before it was locked, by another process that begins
            return folder
        os.close(descriptor)


def _remove_dead(parent: Path) -> None:
    shared = network_filesystem(parent) is not None
    for folder in parent.iterdir():
        if shared and folder.name.partition(".")[0] != HOST:
            continue
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError as error:
            logger.warning("%s cannot be looked at: %s", folder, error.strerror)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            logger.info("removing the temporary files of a process that has ended: %s", folder)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            logger.info("%s is of a process that runs", folder)
        finally:
            os.close(descriptor)
