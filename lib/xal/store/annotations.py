"""Annotations: handed in once, never overwritten, and what they settle."""

from __future__ import annotations

from collections.abc import Callable

from xal.store.engine import Base
from xal.store.rows import AnnotationRow, NewAnnotation, SettledImage
from xal.task import ReadingSettings


class Annotations(Base):
    """The part of the store that keeps what readers hand in."""

    def add_annotation(
        self,
        new: NewAnnotation,
        write_label: Callable[[int], str],
        readings: ReadingSettings,
        now: float | None = None,
    ) -> tuple[AnnotationRow, bool]:
        """Store a submission and settle the image; (row, True), or (the first result, False) for one sent again.

        Sent again means: the same reader, image, bytes and finding as that reader's latest standing annotation, or the same
        `submission_id`. `write_label(revision)` writes the label file durably and returns its relative path; it is called
        inside the transaction, right before the row is inserted, and must not write to the store itself. If it raises,
        nothing is stored. After a crash between file and row, the next submission gets the same revision and path.
        NotFound for an unknown or deleted image; Conflict where a `submission_id` was already used for another image.
        """
        raise NotImplementedError

    def withdraw(self, annotation: int, by: str) -> AnnotationRow:
        """Take an annotation back: it stays as a tombstone, the image returns to the pool if it must.

        The reader's revision before it does not come back to life. Withdrawing twice changes nothing.
        """
        raise NotImplementedError

    def annotation(self, annotation: int) -> AnnotationRow:
        """One annotation by number; NotFound if there is none."""
        raise NotImplementedError

    def annotations(
        self, image: str | None = None, *, reader: str | None = None, active_only: bool = True
    ) -> list[AnnotationRow]:
        """Annotations, oldest first."""
        raise NotImplementedError

    def latest_annotation(self, image: str) -> AnnotationRow | None:
        """The newest active annotation of an image, whoever made it."""
        raise NotImplementedError

    def handed_in(self, image: str, reader: str | None) -> bool:
        """Whether this reader (None: anyone) ever handed in this image; withdrawn ones count, they were seen."""
        raise NotImplementedError

    def settled(self) -> list[SettledImage]:
        """Images to train on: settled finding, file there and readable, not excluded; ordered by id."""
        raise NotImplementedError

    def drawn_roi(self, image: str) -> list[AnnotationRow]:
        """The active annotations of an image that have an ROI."""
        raise NotImplementedError
