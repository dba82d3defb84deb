"""Which annotations of an image stand, and what follows when that changes: for the image, and for an archive."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from xal.errors import NotFound
from xal.store.pool import Values, chance
from xal.store.rows import AnnotationRow, NewAnnotation
from xal.store.schema import annotation_table, deliveries, readers
from xal.store.settling import IS_REGION, Settling
from xal.task import REGION, ReadingSettings


def annotation_row(row: Values) -> AnnotationRow:
    """A row of the table as callers see it."""
    return AnnotationRow(**{name: row[name] for name in AnnotationRow.__dataclass_fields__})


def read_twice(pool: str, image: str, share: float) -> bool:
    """Whether the image belongs to the share that needs one reading more; the same answer for it every time."""
    return chance("double", pool, image) < share


class Standing(Settling):
    """Access to annotations that keeps what is derived from them right."""

    def _by(self, image: str, reader: str) -> ColumnElement[bool]:
        return (
            self._db.mine(annotation_table)
            & (annotation_table.c.image == image)
            & (annotation_table.c.reader == reader)
        )

    def _like(self, new: NewAnnotation) -> ColumnElement[bool]:
        """Annotations whose place this one may take: outlines without a finding are of another kind than readings."""
        return IS_REGION if new.finding == REGION else ~IS_REGION

    def _annotation(self, connection: Connection, number: int) -> AnnotationRow:
        query = select(annotation_table).where(self._db.mine(annotation_table), annotation_table.c.id == number)
        row: Any = connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no annotation {number}")
        return annotation_row(row)

    def _required(self, connection: Connection, new: NewAnnotation, settings: ReadingSettings) -> int:
        """How many readings the image takes, as things are at its first one."""
        others = select(readers.c.reader).where(self._db.mine(readers), readers.c.reader != new.reader).limit(1)
        twice = read_twice(self._db.pool, new.image, settings.double) and connection.execute(others).first() is not None
        return settings.per_image + int(twice)

    def _settle(self, connection: Connection, image: Values, reader: str) -> None:
        """Find out which revision of this reader stands, and what all standing ones together mean for the image."""
        self._choose_standing(connection, self._by(image["id"], reader) & ~IS_REGION)
        standing = self._active(connection, annotation_table.c.image == image["id"])
        if image["decision"] is not None:  # it was made of other annotations than there are now
            self._db.log(connection, "decision dropped", image=image["id"], detail=image["decision"])
            image = {**image, "decision": None}
        values = self._meaning(connection, image, standing, image["fingerprint"])
        if values["complete"] and values["finding"] is None and not values["outdated"]:
            said = {row["reader"]: row["finding"] for row in standing}
            self._db.log(connection, "disagreement", image=image["id"], detail={"findings": said})
        self._change(connection, [(image, values)])

    def _follow(self, connection: Connection, image: Values, row: NewAnnotation | AnnotationRow) -> None:
        """What an annotation that came or went means for its image."""
        (self._settle_region if row.finding == REGION else self._settle)(connection, image, row.reader)

    def _settle_region(self, connection: Connection, image: Values, reader: str) -> None:
        """Find out which outline without a finding of this reader stands; the image is scored by it, and stays open."""
        self._choose_standing(connection, self._by(image["id"], reader) & IS_REGION)
        self._change(connection, [(image, self._roi_values(connection, image))])

    def _choose_standing(self, connection: Connection, own: ColumnElement[bool]) -> None:
        """The latest of these annotations that was not withdrawn is the active one."""
        stands = select(func.max(annotation_table.c.revision)).where(own, annotation_table.c.withdrawn_at.is_(None))
        revision = connection.execute(stands).scalar()
        active = annotation_table.c.revision == (0 if revision is None else revision)
        connection.execute(annotation_table.update().where(own).values(active=active))

    def _send_what_stands_again(self, connection: Connection, withdrawn: AnnotationRow) -> None:
        """An earlier revision that was not sent because there was a later one is to be sent after all."""
        standing = select(annotation_table.c.id).where(
            self._by(withdrawn.image, withdrawn.reader), annotation_table.c.active.is_(True)
        )
        dropped = (deliveries.c.state == "dropped") & deliveries.c.annotation.in_(standing)
        connection.execute(
            deliveries.update().where(self._db.mine(deliveries), dropped).values(state="waiting", next_try=0.0, tries=0)
        )

    def _reject_what_was_sent(self, connection: Connection, withdrawn: AnnotationRow) -> None:
        """What an archive has of annotations that were withdrawn is to be rejected there."""
        gone = select(annotation_table.c.id).where(
            self._by(withdrawn.image, withdrawn.reader), annotation_table.c.withdrawn_at.is_not(None)
        )
        sent = (deliveries.c.state == "sent") & deliveries.c.annotation.in_(gone)
        fresh = {"state": "withdrawn", "next_try": 0.0, "tries": 0}
        connection.execute(deliveries.update().where(self._db.mine(deliveries), sent).values(fresh))
