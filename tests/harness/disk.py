"""Small disks of their own, to be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MB = 1_000_000
FILLER = ".filler"


class Disk:
    """A file system of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        """Mounted at `folder`."""
        self.folder = folder

    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.folder).free

    def fill(self, leave: int = 0) -> None:
        """Let another program use all but so many bytes."""
        with (self.folder / FILLER).open("ab") as file:
            while (more := self.free() - leave) > 0:
                try:
                    os.write(file.fileno(), bytes(min(more, 1 << 20)))
                except OSError:  # the last few blocks are the file system's own
                    return

    def release(self) -> None:
        """Let the other program give it back."""
        (self.folder / FILLER).unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int, image: Path | None = None) -> Iterator[Disk]:
    """A disk in memory, or, as ext4, in the file `image`; skips the test where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    if image is None:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    else:
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True, capture_output=True)
        mount = ["mount", "-o", "loop", str(image), str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk to fill cannot be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
