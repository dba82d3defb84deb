"""What a source of images can do: `sources/folder.py` is one, `sources/archive.py` another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydicom import Dataset

from xal.sources.client import Archive
from xal.store.rows import ImageFile, ImageRow


class ImageSource(Protocol):
    """A set of images that may change while we look at it."""

    @property
    def fetches(self) -> bool:
        """Whether its files are copies that it fetched: each can be had again, and may have other pixels by then."""
        ...

    @property
    def exchange(self) -> Exchange | None:
        """The same source, if DICOM objects about its images can be looked for and kept there."""
        ...

    def scan(self, known: Mapping[str, ImageFile]) -> list[ImageFile]:
        """Everything that is there now; `known` is what was there before, by id."""
        ...

    def path(self, row: ImageRow) -> Path:
        """A local file (or folder of DICOM) holding the image."""
        ...

    def still_is(self, row: ImageRow) -> bool:
        """Whether the image is, at this moment, what the row says."""
        ...

    def answers(self) -> bool:
        """Whether the source itself can be had at this moment, whatever one of its images is like."""
        ...

    def note_away(self, reason: str | None) -> None:
        """Let no client wait for it while it is away, and tell them why; None: it is not away (any more)."""
        ...

    def check_not_away(self) -> None:
        """Unavailable, at once, while a client would wait for it in vain."""
        ...

    def tell(self, logger: logging.Logger, error: Exception, message: str, *values: object) -> None:
        """Log an error that nobody foresaw, quoting no more of it than may be known of an image."""
        ...

    def add(self, identifier: str, file: Path, suffix: str) -> ImageFile:
        """Take a copy of `file` into the source under a new id."""
        ...

    def give_way(self, enough: Callable[[], bool]) -> None:
        """Remove what can be had again, the longest unused first, until there is enough space for others."""
        ...

    def infos(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What the last scan learnt of these images."""
        ...

    def references(self, row: ImageRow) -> dict[str, str]:
        """How a client of the source finds the image there."""
        ...


class Exchange(ImageSource, Protocol):
    """A source that keeps DICOM objects: those that images are made of, and others about them."""

    archive: Archive
    """Where they are looked for and kept."""

    def headers(self, row: ImageRow) -> list[Dataset]:
        """The headers of the image's instances; they name the patient and stay in memory."""
        ...

    def of_study(self, study: str) -> Sequence[tuple[str, int]]:
        """The images of a study and their sizes, as the last scan saw them."""
        ...
