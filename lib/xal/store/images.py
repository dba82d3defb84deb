"""Images: what the source lists, what was found out about them, and what people decided about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xal.store.engine import Base
from xal.store.rows import Counts, ImageFile, ImageRow, ImageState


class Images(Base):
    """The part of the store that keeps images."""

    def known_files(self) -> dict[str, ImageFile]:
        """Every image by id, gone and deleted ones too: what a scan of the source compares with."""
        raise NotImplementedError

    def put_images(self, files: Iterable[ImageFile]) -> int:
        """Add new images and renew changed ones; how many were added, changed or came back.

        A changed size or time clears what was known of the content and makes the reading stale. An image that was gone is
        back; a deleted one stays deleted.
        """
        raise NotImplementedError

    def mark_gone(self, ids: Iterable[str]) -> int:
        """These files vanished: they are not offered any more, their annotations are kept. How many were there."""
        raise NotImplementedError

    def set_facts(
        self,
        image: str,
        *,
        size: int,
        mtime_ns: int,
        checksum: str | None = None,
        fingerprint: str | None = None,
        problem: str | None = None,
    ) -> bool:
        """Keep what was found out by reading a file of this size and time; False if the file has changed since.

        A problem makes the image unreadable; a fingerprint, which only a readable file has, clears an earlier problem.
        What is None stays as it was.
        """
        raise NotImplementedError

    def image(self, image: str) -> ImageRow:
        """One image, also if its file is gone; NotFound if it is unknown or deleted."""
        raise NotImplementedError

    def images(
        self,
        *,
        labelled: bool | None = None,
        state: ImageState | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[ImageRow]:
        """Images ordered by id, `after` an id; without `state` those that are there (ok and unreadable)."""
        raise NotImplementedError

    def counts(self) -> Counts:
        """The pool in numbers, from a tally kept by every writer: it costs the same whatever the pool's size."""
        raise NotImplementedError

    def update_info(self, image: str, patch: dict[str, Any]) -> ImageRow:
        """Merge `patch` into the image's info; a value of None removes its key."""
        raise NotImplementedError

    def delete_image(self, image: str, by: str) -> None:
        """Put up a tombstone: the image is never listed or offered again, its annotations are kept."""
        raise NotImplementedError

    def exclude(self, image: str, reader: str, reason: str) -> ImageRow:
        """Never offer this image again, for this reason."""
        raise NotImplementedError

    def include(self, image: str, reader: str) -> ImageRow:
        """Take an exclusion back."""
        raise NotImplementedError

    def by_fingerprint(self, fingerprint: str) -> list[str]:
        """Ids of the images that are there with exactly these pixels."""
        raise NotImplementedError
