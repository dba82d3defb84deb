"""What the store takes up again: annotations that it does not know, though their label files are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from xal.errors import Conflict
from xal.store.rows import AnnotationRow, ImageFile, NewAnnotation
from xal.store.schema import annotation_table, readers
from xal.store.standing import Standing
from xal.task import REGION, ReadingSettings


@dataclass(frozen=True)
class FoundAnnotation:
    """An annotation as its label file tells of it."""

    new: NewAnnotation
    revision: int
    created_at: float
    withdrawn_at: float | None = None
    withdrawn_by: str | None = None
    in_place_of: str | None = None
    """The other reader whose reading of the image it revised."""


class Adoption(Standing):
    """The part of the store that takes up what it does not know."""

    def label_paths(self) -> set[str]:
        """Where the label files of all annotations lie, below the folder of labels."""
        query = select(annotation_table.c.label_path).where(self._db.mine(annotation_table))
        return set(self._db.read(lambda c: c.execute(query).scalars().all()))

    def reader_names(self) -> set[str]:
        """Of everybody who ever handed in."""
        met = select(readers.c.reader).where(self._db.mine(readers))
        said = select(annotation_table.c.reader).where(self._db.mine(annotation_table)).distinct()
        return set(self._db.read(lambda c: [*c.execute(met).scalars(), *c.execute(said).scalars()]))

    def adopt(
        self, label_path: str, find: Callable[[], FoundAnnotation], settings: ReadingSettings
    ) -> AnnotationRow | None:
        """Take up the annotation of a label file that no row names, as `find` reads it; None if one names it by now.

        `find` is called while nobody hands in. Conflict if another annotation of this reader has that revision.
        """

        def work(connection: Connection) -> AnnotationRow | None:
            here = self._db.mine(annotation_table) & (annotation_table.c.label_path == label_path)
            if connection.execute(select(annotation_table.c.id).where(here).limit(1)).first() is not None:
                return None
            found = find()
            new = found.new
            taken = self._by(new.image, new.reader) & (annotation_table.c.revision == found.revision)
            if connection.execute(select(annotation_table.c.id).where(taken)).first() is not None:
                raise Conflict(f"there is another revision {found.revision} of {new.image!r} by {new.reader!r}")
            image = self._image_of(connection, new.image)
            if new.source == "reader":
                self._meet(connection, new.reader, found.created_at)
                if new.finding != REGION and (not image["labelled"] or image["required"] is None):
                    image = {**image, "required": self._required(connection, new, settings)}
            gone = {"withdrawn_at": found.withdrawn_at, "withdrawn_by": found.withdrawn_by}
            when = {"revision": found.revision, "created_at": found.created_at}
            values = {**vars(new), **when, **gone, "label_path": label_path, "active": False}
            if found.in_place_of not in (None, new.reader):
                self._end_readings_of(connection, found.in_place_of, found)
            number = self._db.insert(connection, annotation_table, values)
            self._db.log(connection, "adopt", new.reader, new.image, {"annotation": number, "revision": found.revision})
            if found.withdrawn_at is None or found.in_place_of is not None:
                self._follow(connection, image, new)
            return self._annotation(connection, number)

        return self._db.write(work)

    def end(self, annotation: int, at: float, by: str | None) -> None:
        """Withdraw an annotation that was withdrawn before, of which this store knows nothing."""

        def work(connection: Connection) -> None:
            row = self._annotation(connection, annotation)
            if row.withdrawn_at is not None:
                return
            gone = {"withdrawn_at": at, "withdrawn_by": by}
            connection.execute(annotation_table.update().where(annotation_table.c.id == annotation).values(gone))
            self._db.log(connection, "withdraw", by, row.image, {"annotation": annotation, "of": row.reader})
            self._follow(connection, self._row(connection, row.image, deleted=True), row)
            self._send_what_stands_again(connection, row)
            self._reject_what_was_sent(connection, row)

        self._db.write(work)

    def _end_readings_of(self, connection: Connection, reader: str, found: FoundAnnotation) -> None:
        """What another reader had said of the image by then was withdrawn by the revision."""
        known = annotation_table.c
        earlier = known.withdrawn_at.is_(None) & (known.created_at < found.created_at)
        gone = {"withdrawn_at": found.created_at, "withdrawn_by": found.new.reader, "active": False}
        mine = self._by(found.new.image, reader) & earlier & self._like(found.new)
        connection.execute(annotation_table.update().where(mine).values(gone))

    def _image_of(self, connection: Connection, image: str) -> Mapping[Any, Any]:
        """The row of an annotation's image; one whose file is not there until a scan finds it."""
        known = self._rows(connection, [image])
        if not known:
            unknown = self._new(ImageFile(image, "", 0, 0), 0.0)
            self._add(connection, [{**unknown, "state": "gone", "open": False, "status": "gone"}])
            known = self._rows(connection, [image])
        return known[image]
