"""Files made from images: what clients are sent instead of an image, and what browsers are shown of it.

Any of them is made again, with the same bytes, when it is asked for and not there.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from xal.system.bounded_folder import IN_USE_SECONDS, BoundedFolder, remove, used
from xal.system.durable import write_atomically

NIFTI, PNG = ".nii.gz", ".png"
_REMEMBERED = 10_000


class Copies:
    """At most `max_bytes` of such files; the longest unused go first."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Keep them in `folder`."""
        self._files = BoundedFolder(folder, (NIFTI, PNG), max_bytes, IN_USE_SECONDS)
        self._whole: dict[Path, tuple[int, int, int]] = {}
        """The state in which this process found a file whole."""

    def place(self, image: str, made_of: str, suffix: str) -> Path:
        """Where the file that is made of this is kept, whether it is there or not."""
        return self._files.place(image, f"{image}|{made_of}", suffix)

    def has(self, path: Path) -> bool:
        """Whether the file of this place is there, which counts as use; one that is cut or damaged is removed.

        They are not synced, so a power cut may leave an empty one: each is read to its end once by every process.
        """
        if not used(path):
            return False
        try:
            state = _state(path)
            if self._whole.get(path) != state:
                if len(self._whole) >= _REMEMBERED:
                    self._whole.clear()
                _read_to_the_end(path)
                self._whole[path] = state
        except (OSError, EOFError, zlib.error, SyntaxError):  # SyntaxError: what Pillow says of a damaged PNG
            remove(path)
            return False
        return True

    def put(self, path: Path, content: bytes) -> None:
        """Keep this as the file of this place."""
        replaced = path.stat().st_size if path.exists() else 0
        write_atomically(path, content, durable=False)
        self._files.added(path, replaced)

    def give_way(self, enough: Callable[[], bool]) -> None:
        """Remove files until there is enough space for others."""
        self._files.give_way(enough)


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read_to_the_end(path: Path) -> None:
    """Both formats have checksums, which tell a cut or damaged file."""
    if path.name.endswith(PNG):
        with Image.open(path) as picture:
            picture.verify()
        return
    if path.stat().st_size == 0:  # which gzip takes for an archive of nothing
        raise EOFError
    with gzip.open(path) as stream:
        while stream.read(1 << 20):
            pass
