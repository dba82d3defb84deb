"""What looking again at annotations found.

Nothing of it is ever removed: what concerns an annotation that no longer stands is left out of every list.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Integer, ScalarSelect, Select, cast, func, select

from xal.method.agreement import Together
from xal.store.engine import Part
from xal.store.rows import AnnotationRow
from xal.store.schema import annotation_table, comparisons, doubts, settings
from xal.store.settling import IS_REGION, same_pixels
from xal.store.standing import annotation_row

DoubtKind = Literal["model", "far", "region"]

LOOKED_AT = "looked_at"
"""The setting that holds the number of the last annotation that was looked at again."""


@dataclass(frozen=True)
class Comparison:
    """Two annotations of one image by two readers, the older one first."""

    one: int
    other: int
    dice: float | None
    """Of their ROIs, where both outlined the same finding."""


@dataclass(frozen=True)
class NewDoubt:
    """Why an annotation looks wrong, with the numbers that say so."""

    kind: DoubtKind
    detail: dict[str, Any]


class Looking(Part):
    """The part of the store that keeps what was found by looking again."""

    def not_looked_at(self, limit: int) -> list[AnnotationRow]:
        """The first annotations that nobody looked at again yet; those that were withdrawn need no look."""
        query = self.unseen(annotation_table).order_by(annotation_table.c.id).limit(limit)
        return [annotation_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def not_looked_at_count(self) -> int:
        """How many annotations nobody looked at again yet."""
        return int(self._db.read(lambda c: c.execute(self.unseen(func.count())).scalar()) or 0)

    def last_looked_at(self) -> int:
        """The number of the last annotation that was looked at again; 0 before the first."""
        return int(self._db.read(lambda c: c.execute(select(self._last_look())).scalar()) or 0)

    def unseen(self, what: Any) -> Select[Any]:
        """Selects `what` of the annotations that nobody looked at again yet."""
        later = annotation_table.c.id > func.coalesce(self._last_look(), 0)
        return (
            select(what)
            .select_from(annotation_table)
            .where(self._db.mine(annotation_table), later, annotation_table.c.withdrawn_at.is_(None))
        )

    def _last_look(self) -> ScalarSelect[int]:
        last = select(cast(settings.c.value, Integer)).where(self._db.mine(settings), settings.c.key == LOOKED_AT)
        return last.scalar_subquery()

    def beside(self, row: AnnotationRow) -> list[AnnotationRow]:
        """Earlier annotations of the same image and pixels by other readers; superseded ones may stand again."""
        query = (
            select(annotation_table)
            .where(self._db.mine(annotation_table), annotation_table.c.image == row.image)
            .where(annotation_table.c.reader != row.reader, annotation_table.c.id < row.id)
            .where(annotation_table.c.withdrawn_at.is_(None), ~IS_REGION)
            .order_by(annotation_table.c.id)
        )
        found = [annotation_row(other) for other in self._db.read(lambda c: c.execute(query).mappings().all())]
        return [other for other in found if same_pixels(other.fingerprint, row.fingerprint)]

    def centres(self, finding: str, limit: int, *, but: str) -> list[list[float]]:
        """Where the ROIs of a finding lie that stand, newest first, those of the image `but` left out."""
        return list(self._db.read(lambda c: c.execute(self.outlines(finding, but).limit(limit)).scalars().all()))

    def outlines(self, finding: str, but: str) -> Select[tuple[Any]]:
        """The rows of `centres`."""
        return (
            select(annotation_table.c.centre)
            .where(self._db.mine(annotation_table), annotation_table.c.finding == finding)
            .where(annotation_table.c.active.is_(True), annotation_table.c.centre.is_not(None))
            .where(annotation_table.c.image != but)
            .order_by(annotation_table.c.id.desc())
        )

    def early_outlines(self, finding: str, before: int) -> list[AnnotationRow]:
        """The standing outlines of a finding that are older than annotation `before`, the oldest first."""
        query = (
            select(annotation_table)
            .where(
                self._db.mine(annotation_table), annotation_table.c.finding == finding, annotation_table.c.id < before
            )
            .where(annotation_table.c.active.is_(True), annotation_table.c.centre.is_not(None))
            .order_by(annotation_table.c.id)
        )
        return [annotation_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def doubt_later(self, row: AnnotationRow, doubt: NewDoubt) -> None:
        """Keep a doubt about an annotation that was looked at before.

        If it was doubted so already, the doubt is raised anew only if it rests on an annotation that is new: whoever
        accepted it did not know of that one.
        """
        of_it = self._db.mine(doubts) & (doubts.c.annotation == row.id) & (doubts.c.kind == doubt.kind)

        def work(connection: Connection) -> None:
            known = connection.execute(select(doubts).where(of_it)).mappings().first()
            if known is None:
                self._raise(connection, row, [doubt])
            elif not _rests_on(doubt.detail) <= _rests_on(known["detail"]):
                connection.execute(doubts.delete().where(of_it))
                self._raise(connection, row, [doubt])

        self._db.write(work)

    def _raise(self, connection: Connection, row: AnnotationRow, raised: Sequence[NewDoubt]) -> None:
        place = {**self._db.scope, "image": row.image, "annotation": row.id, "raised_at": time.time()}
        if raised:
            connection.execute(doubts.insert(), [{**place, **vars(doubt)} for doubt in raised])
        for doubt in raised:
            self._db.log(connection, "doubt", image=row.image, detail={"annotation": row.id, "kind": doubt.kind})

    def looked_at(self, row: AnnotationRow, compared: Sequence[Comparison], raised: Sequence[NewDoubt]) -> None:
        """Keep what looking at this annotation found, once: nothing if another process was there first."""
        pairs = [{**self._db.scope, "image": row.image, **vars(comparison)} for comparison in compared]

        def work(connection: Connection) -> None:
            last = connection.execute(select(self._last_look())).scalar()
            if last is not None and last >= row.id:
                return
            if pairs:
                connection.execute(comparisons.insert(), pairs)
            self._raise(connection, row, raised)
            self._db.upsert(connection, settings, [{**self._db.scope, "key": LOOKED_AT, "value": row.id}])

        self._db.write(work)

    def together(self) -> tuple[list[Together], int]:
        """What readers said of the images that two or more of them have read, and how many images these are."""
        one, other = annotation_table.alias("one"), annotation_table.alias("other")
        source = comparisons.join(one, (one.c.id == comparisons.c.one) & one.c.active.is_(True))
        source = source.join(other, (other.c.id == comparisons.c.other) & other.c.active.is_(True))
        columns = (one.c.reader, other.c.reader, one.c.finding, other.c.finding)
        numbers = (func.count(), func.count(comparisons.c.dice), func.coalesce(func.sum(comparisons.c.dice), 0.0))
        said = select(*columns, *numbers).select_from(source).where(self._db.mine(comparisons)).group_by(*columns)
        seen = select(func.count(comparisons.c.image.distinct())).select_from(source).where(self._db.mine(comparisons))

        def work(connection: Connection) -> tuple[list[Together], int]:
            rows = [Together(a, b, (x, y), *counts) for a, b, x, y, *counts in connection.execute(said)]
            return rows, int(connection.execute(seen).scalar() or 0)

        return self._db.read(work)


def _rests_on(detail: Mapping[str, Any]) -> set[int]:
    """The other annotations that a doubt was raised for."""
    return set(detail.get("annotations", ()))
