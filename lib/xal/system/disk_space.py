"""Space on the disk that holds the state: what can wait is turned down in time, so that labels still find room."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from xal.errors import Full

MB = 1_000_000
_RELIEF = 1.25
"""Caches give way until so many times the reserve is free, so that it is not done again at once."""


@dataclass(frozen=True)
class Space:
    """The disk of a folder, and how much of it is kept free for labels."""

    folder: Path
    reserve: int
    """Bytes."""

    def free(self) -> int:
        """Bytes that this user may still write."""
        return shutil.disk_usage(self.folder).free

    def is_low(self) -> bool:
        """Whether what is left is reserved for labels."""
        return self.free() < self.reserve

    def is_relieved(self) -> bool:
        """Whether caches need not give way any further."""
        return self.free() >= self.reserve * _RELIEF

    def problem(self) -> str | None:
        """What a person is told while it is low."""
        if not self.is_low():
            return None
        return (
            f"The server's disk is nearly full: less than the {self.reserve // MB} MB are free that are reserved for "
            "labels. Labels are taken; images, training, scoring and copies wait for space"
        )

    def check(self, what: str, size: int = 0) -> None:
        """Full if it is low, or would be with so many bytes more; `what` is not done, and nothing changes."""
        free = self.free()
        if free - size < self.reserve:
            raise Full(
                f"{what}: {free // MB} MB are free on the server's disk, and {self.reserve // MB} MB are reserved for "
                "labels. Nothing was changed; make space there (or see reserve_mb), then try again"
            )
