"""Readings and scores: what the model says of each image, and which of it is out of date."""

from __future__ import annotations

from collections.abc import Iterable

from xal.store.engine import Base
from xal.store.rows import Array, ImageRow, ReadingRow


class Readings(Base):
    """The part of the store that keeps what the model says."""

    def stale(self, version: int, limit: int, after: str | None = None) -> list[tuple[ImageRow, str | None]]:
        """Open images whose reading is missing or of another version, fingerprint or ROI; by id, with the ROI key of now.

        An image counts as read once its reading's fingerprint is the image's own: keep it with `set_facts` too.
        """
        raise NotImplementedError

    def stale_count(self, version: int) -> int:
        """How many images `stale` would list in all."""
        raise NotImplementedError

    def save_readings(self, rows: Iterable[ReadingRow], alpha: float, neutral: float) -> int:
        """Replace readings and set the images' scores α·u + (1−α)·m, with `neutral` where m is None; how many were kept.

        Skipped: images deleted meanwhile, and readings of another version where one of the version in use is already there
        (a job that outlived a publish must not undo it).
        """
        raise NotImplementedError

    def rerank(self, alpha: float, neutral: float) -> int:
        """Score every image that has a reading anew, in one statement; how many changed."""
        raise NotImplementedError

    def misalignments(self, version: int) -> Array:
        """The misalignments of the open images scored by this version, where they have a meaning."""
        raise NotImplementedError

    def reading(self, image: str) -> ReadingRow | None:
        """The latest reading of an image."""
        raise NotImplementedError
