"""The pool as lists that people look through: pages of what waits, is leased, was handed in or has become of images.

Each page is one or a few ranges of an index, whatever the pool's size and however far down the page lies.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, select

from xal.store.engine import CHUNK
from xal.store.paging import Key, Page, page_of, read_cursor, take
from xal.store.pool import ImageRows, Values, image_row
from xal.store.queue import Query
from xal.store.ranking import ORDERS
from xal.store.rows import AnnotationRow, ImageRow, ImageStatus, Lease
from xal.store.schema import NO_PLACE, UNSCORED, annotation_table, images, leases, predictions
from xal.store.settling import IS_REGION
from xal.store.standing import annotation_row

RANK = ("place", "score", "shuffle")
"""Where Next Sample sees an image. The last is 63 bits of a hash, so that no two images agree in all three."""
WALK = 4
"""So many images are looked at for each point that is wanted, where many have no score yet."""


@dataclass(frozen=True)
class Point:
    """A scored image among others."""

    id: str
    uncertainty: float
    misalignment: float | None
    score: float
    roi_source: str | None


@dataclass(frozen=True)
class Prediction:
    """What the model says of an image, in short."""

    finding: str
    probability: float
    overlap: float | None
    roi_key: str | None
    """The ROIs that its misalignment is of."""


POINT = tuple(Point.__dataclass_fields__)


class Listing(ImageRows):
    """The part of the store that lists the pool."""

    def waiting(self, limit: int, cursor: str | None = None, source: str | None = None) -> Page[ImageRow]:
        """Images that wait, leased ones too, as Next Sample ranks them; optionally those scored by this ROI source."""
        of = f"waiting {source}"
        after = None if cursor is None else read_cursor(of, cursor, (int, float, int))
        rows = self._db.read(lambda c: take(c, self.ranked(source, after), limit + 1))
        shown, following = page_of(rows, limit, of, RANK)
        return Page([image_row(row) for row in shown], following)

    def ranked(self, source: str | None, after: Key | None) -> list[Query]:
        """Queries whose rows, one query after the other, are the waiting images that rank behind `after`.

        Each is one range of an index. Asked as one condition (a later shuffle of this place and score, or a lower score
        of this place, or a later place), both databases would begin at the top of the index, or sort the pool.
        """
        which = select(images).where(self._db.mine(images), images.c.open.is_(True)).order_by(*ORDERS["queue"])
        if source is not None:
            which = which.where(images.c.roi_source == source)
        if after is None:
            return [which]
        place, score, shuffle = after
        same_place = which.where(images.c.place == place)
        return [
            same_place.where(images.c.score == score, images.c.shuffle > shuffle),
            same_place.where(images.c.score < score),
            which.where(images.c.place > place),
        ]

    def with_status(self, status: ImageStatus, limit: int, cursor: str | None = None) -> Page[ImageRow]:
        """Images of which this has become, by id."""
        after = None if cursor is None else read_cursor(status, cursor, (str,))[0]
        rows = self._db.read(lambda c: take(c, [self.of_status(status, after)], limit + 1))
        shown, following = page_of(rows, limit, status, ("id",))
        return Page([image_row(row) for row in shown], following)

    def of_status(self, status: ImageStatus, after: str | None) -> Query:
        """The images of `with_status` behind an id."""
        query = select(images).where(self._db.mine(images), images.c.status == status).order_by(images.c.id)
        return query if after is None else query.where(images.c.id > after)

    def hand_ins(self, limit: int, cursor: str | None = None, reader: str | None = None) -> Page[AnnotationRow]:
        """Active annotations, newest first, optionally one reader's; those of deleted images are not listed."""
        of = f"handed in {reader}"
        after = None if cursor is None else read_cursor(of, cursor, (int,))[0]
        rows = self._db.read(lambda c: take(c, [self.newest(reader, after)], limit + 1))
        shown, following = page_of(rows, limit, of, ("id",))
        return Page([annotation_row(row) for row in shown], following)

    def newest(self, reader: str | None, after: int | None) -> Query:
        """The annotations of `hand_ins` behind a number."""
        there = (images.c.id == annotation_table.c.image) & (images.c.state != "deleted")
        query = (
            select(annotation_table)
            .where(self._db.mine(annotation_table), annotation_table.c.active.is_(True), ~IS_REGION)
            .where(select(images.c.id).where(self._db.mine(images), there).exists())
            .order_by(annotation_table.c.id.desc())
        )
        if reader is not None:
            query = query.where(annotation_table.c.reader == reader)
        return query if after is None else query.where(annotation_table.c.id < after)

    def leased(
        self, limit: int, cursor: str | None = None, reader: str | None = None, now: float | None = None
    ) -> Page[Lease]:
        """Leases that have not expired, those that last longest first, optionally one reader's."""
        of = f"leased {reader}"
        at = time.time() if now is None else now
        after = None if cursor is None else read_cursor(of, cursor, (float, str))
        rows = self._db.read(lambda c: take(c, [self.lasting(reader, at, after)], limit + 1))
        shown, following = page_of(rows, limit, of, ("until", "image"))
        return Page([_lease(row) for row in shown], following)

    def lasting(self, reader: str | None, now: float, after: Key | None) -> Query:
        """The leases of `leased` behind an end and an image; of those that end together the first are read again."""
        query = (
            select(leases)
            .where(self._db.mine(leases), leases.c.until > now)
            .order_by(leases.c.until.desc(), leases.c.image)
        )
        if reader is not None:
            query = query.where(leases.c.reader == reader)
        if after is None:
            return query
        until, image = after
        return query.where(leases.c.until <= until, (leases.c.until < until) | (leases.c.image > image))

    def points(self, limit: int) -> list[Point]:
        """Some of the waiting images that have a score: half of them the highest, the others by shuffle."""
        half = (limit + 1) // 2

        def work(connection: Connection) -> Sequence[Values]:
            lined_up, highest, others = (connection.execute(query).mappings().all() for query in self.scored(limit))
            best = sorted([*lined_up, *highest], key=lambda row: (-row["score"], row["shuffle"]))
            chosen = {row["id"]: row for row in [*best[:half], *others, *best[half:]]}
            return list(chosen.values())[:limit]

        return [Point(**{name: row[name] for name in POINT}) for row in self._db.read(work)]

    def scored(self, limit: int) -> tuple[Query, Query, Query]:
        """The scored images of the line-up, which is short; the highest scores behind it; scored ones by shuffle.

        While few images have a score, the last would read the whole pool to find them, so it gives up early.
        """
        columns = (*(images.c[name] for name in POINT), images.c.shuffle)
        which = select(*columns).where(self._db.mine(images), images.c.open.is_(True))
        scored = which.where(images.c.score > UNSCORED)
        highest = scored.where(images.c.place == NO_PLACE).order_by(images.c.score.desc(), images.c.shuffle)
        walk = which.order_by(images.c.shuffle).limit(WALK * limit).subquery()
        others = select(walk).where(walk.c.score > UNSCORED).order_by(walk.c.shuffle)
        return scored.where(images.c.place < NO_PLACE), highest.limit(limit), others.limit(limit)

    # what belongs to the images of a page, in one query each

    def image_rows(self, ids: Sequence[str]) -> dict[str, ImageRow]:
        """These images."""
        return {image: image_row(row) for image, row in self._db.read(lambda c: self._rows(c, ids)).items()}

    def leases_of(self, ids: Sequence[str], now: float | None = None) -> dict[str, Lease]:
        """Who has which of these images."""
        at = time.time() if now is None else now
        return {
            image: _lease(row)
            for image, row in self._of_images(ids, select(leases), leases).items()
            if row["until"] > at
        }

    def predictions(self, ids: Sequence[str]) -> dict[str, Prediction]:
        """What the model says of these images, where it has read them."""
        columns = ("image", "finding", "probabilities", "overlap", "roi_key")
        brief = select(*(predictions.c[name] for name in columns))
        return {
            image: Prediction(row["finding"], row["probabilities"][row["finding"]], row["overlap"], row["roi_key"])
            for image, row in self._of_images(ids, brief, predictions).items()
        }

    def annotations(self, numbers: Sequence[int]) -> list[AnnotationRow]:
        """The annotations of these numbers."""
        chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
        which = select(annotation_table).where(self._db.mine(annotation_table))
        queries = [which.where(annotation_table.c.id.in_(chunk)) for chunk in chunks]
        return [
            annotation_row(row)
            for row in self._db.read(lambda c: [row for some in queries for row in c.execute(some).mappings()])
        ]

    def handed_in_among(self, ids: Sequence[str], reader: str | None, *, regions: bool = False) -> set[str]:
        """Those of the images that this reader (None: anyone) ever handed in, as `handed_in` says of one.

        `regions`: or only outlined.
        """
        query = select(annotation_table.c.image).distinct()
        if not regions:
            query = query.where(~IS_REGION)
        if reader is not None:
            query = query.where(annotation_table.c.reader == reader)
        return set(self._of_images(ids, query, annotation_table))

    def _of_images(self, ids: Sequence[str], query: Query, table: Table) -> dict[str, Values]:
        """The last row of each of these images; one query for CHUNK of them."""
        chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
        queries = [query.where(self._db.mine(table), table.c.image.in_(chunk)) for chunk in chunks]
        rows = self._db.read(lambda c: [row for some in queries for row in c.execute(some).mappings()])
        return {row["image"]: row for row in rows}


def _lease(row: Values) -> Lease:
    return Lease(row["image"], row["reader"], row["until"])
