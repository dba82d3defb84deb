"""Files made from images: what clients are sent instead of an image, and what browsers are shown of it.

Any of them is made again, with the same bytes, when it is asked for and not there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xal.bounded import IN_USE_SECONDS, BoundedFolder
from xal.durable import write_atomically

NIFTI, PNG = ".nii.gz", ".png"


class Copies:
    """At most `max_bytes` of such files; the longest unused go first."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Keep them in `folder`."""
        self._files = BoundedFolder(folder, (NIFTI, PNG), max_bytes, IN_USE_SECONDS)

    def place(self, image: str, made_of: str, suffix: str) -> Path:
        """Where the file that is made of this is kept, whether it is there or not."""
        return self._files.place(image, f"{image}|{made_of}", suffix)

    def put(self, path: Path, suffix: str, write: Callable[[Path], object]) -> None:
        """Let `write` fill the file of this place."""
        replaced = path.stat().st_size if path.exists() else 0
        write_atomically(path, suffix, write, durable=False)
        self._files.added(path, replaced)
