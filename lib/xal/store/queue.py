"""The queue: the best image for a reader, leased to that reader alone, found through an index."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Select, func, select

from xal.errors import BadInput, Conflict
from xal.store.engine import CHUNK
from xal.store.pool import ImageRows, Values, image_row
from xal.store.ranking import ORDERS, ordered
from xal.store.rows import ImageRow, Lease, Offer, Order, Rule
from xal.store.schema import NO_PLACE, annotation_table, given, images, leases
from xal.store.settling import IS_REGION
from xal.system.limits import in_force

Query = Select[*tuple[Any, ...]]


class Queue(ImageRows):
    """The part of the store that hands out images."""

    def next_sample(
        self,
        reader: str,
        order: Order | Rule,
        lease_seconds: float,
        now: float | None = None,
        chosen_by: str | None = None,
        behind: str | None = None,
    ) -> Offer | None:
        """Give this reader the best open image that is leased to nobody; None when nothing is left.

        First come images never given to this reader, in this order, unscored ones after scored ones. Then come those
        given before, oldest first, which may be one this reader still leases. What this reader has handed in is never
        given again while it stands. `chosen_by` is kept: what the order is called; `behind`, if it is called otherwise
        for images that are not lined up.

        A reader who holds too many gives up the one held longest. Where nothing is left, but readers who never handed
        anything in hold too many together, the one of these held longest is given: names cost nothing.
        """
        if not isinstance(order, Rule) and order not in ORDERS:
            raise BadInput(f"there is no order {order!r}; known are {', '.join(ORDERS)}")

        def work(connection: Connection) -> Offer | None:
            at = time.time() if now is None else now
            row: Values | None = connection.execute(self.new_to(reader, order, at)).mappings().first()
            turn_before = lease_before = None
            if row is None:
                row = connection.execute(self.given_before(reader, order, at)).mappings().first()
                if row is not None:
                    turn_before, lease_before = self._had(connection, row["id"], reader, at)
            row = row or self._held_idly(connection, reader, at)
            if row is None:
                return None
            self._meet(connection, reader, at)
            called = chosen_by if behind is None or row["place"] != NO_PLACE else behind
            self._give(connection, row, reader, at, at + lease_seconds, called)
            return Offer(image_row(row), at + lease_seconds, turn_before, lease_before, called)

        return self._db.write(work)

    def take_back(self, offer: Offer, reader: str) -> None:
        """As if this reader had not been given it: what cannot be handed over now is neither read nor put behind."""
        key = {**self._db.scope, "image": offer.image.id, "reader": reader}

        def work(connection: Connection) -> None:
            given_now = self._db.mine(given) & (given.c.image == offer.image.id) & (given.c.reader == reader)
            leased_now = self._db.mine(leases) & (leases.c.image == offer.image.id) & (leases.c.reader == reader)
            connection.execute(given.delete().where(given_now))
            if offer.turn_before is not None:
                self._db.upsert(connection, given, [{**key, **offer.turn_before}])
            taken = leases.delete().where(leased_now, leases.c.until == offer.lease_until)  # if nobody lengthened it
            if connection.execute(taken).rowcount and offer.lease_before is not None:
                self._db.upsert(connection, leases, [{**key, "until": offer.lease_before}])

        self._db.write(work)

    def new_to(self, reader: str, order: Order | Rule, now: float) -> Query:
        """The best open image never given to this reader."""
        seen = select(given.c.image).where(self._db.mine(given), given.c.reader == reader, given.c.image == images.c.id)
        return (
            select(images)
            .where(self._db.mine(images), images.c.open.is_(True))
            .where(~self._leased(now).exists(), ~seen.exists(), ~self._done_by(reader, order).exists())
            .order_by(*ordered(order))
            .limit(1)
        )

    def given_before(self, reader: str, order: Order | Rule, now: float) -> Query:
        """The open image that was given to this reader longest ago."""
        return (
            select(images)
            .join(given, (given.c.image == images.c.id) & self._db.mine(given))
            .where(self._db.mine(images), given.c.reader == reader, images.c.open.is_(True))
            .where(~self._leased(now).where(leases.c.reader != reader).exists(), ~self._done_by(reader, order).exists())
            .order_by(given.c.turn)
            .limit(1)
        )

    def head(self, limit: int, order: Order | Rule = "queue", now: float | None = None) -> list[ImageRow]:
        """The next images that nobody has: what will be asked for soon, so that it can be made ready."""
        at = time.time() if now is None else now
        query = (
            select(images)
            .where(self._db.mine(images), images.c.open.is_(True), ~self._leased(at).exists())
            .order_by(*ordered(order))
            .limit(limit)
        )
        return [image_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def _leased(self, now: float) -> Query:
        return select(leases.c.image).where(self._db.mine(leases), leases.c.image == images.c.id, leases.c.until > now)

    def _read_by(self, reader: str) -> Query:
        return self._done_by(reader, "queue")

    def _done_by(self, reader: str, order: Order | Rule) -> Query:
        """What this reader has handed in; of who is asked for outlines, that is these, too."""
        own = (
            (annotation_table.c.image == images.c.id)
            & (annotation_table.c.reader == reader)
            & annotation_table.c.active.is_(True)
        )
        handed_in = select(annotation_table.c.image).where(self._db.mine(annotation_table), own)
        return handed_in if order == "telling" else handed_in.where(~IS_REGION)

    def _give(
        self, connection: Connection, row: Values, reader: str, now: float, until: float, chosen_by: str | None
    ) -> None:
        self._hold(connection, row["id"], reader, now, until)
        self._note_given(connection, row["id"], reader, now, chosen_by)

    def _hold(self, connection: Connection, image: str, reader: str, now: float, until: float) -> None:
        """Lease the image; what this reader then holds too many of are those held longest."""
        self._db.upsert(connection, leases, [{**self._db.scope, "image": image, "reader": reader, "until": until}])
        held = self._db.mine(leases) & (leases.c.reader == reader)
        others = (
            select(leases.c.image)
            .where(held, leases.c.until > now, leases.c.image != image)
            .order_by(leases.c.until.desc(), leases.c.image)
            .offset(in_force().max_leases - 1)
        )
        too_many = connection.execute(others).scalars().all()
        for start in range(0, len(too_many), CHUNK):
            some = leases.c.image.in_(too_many[start : start + CHUNK])
            connection.execute(leases.delete().where(held, some))

    def _held_idly(self, connection: Connection, reader: str, now: float) -> Values | None:
        """Where readers who never handed anything in hold too many images together, the one they hold longest."""
        handed_in = select(annotation_table.c.id).where(
            self._db.mine(annotation_table), annotation_table.c.reader == leases.c.reader
        )
        idle = self._db.mine(leases) & (leases.c.until > now) & (leases.c.reader != reader) & ~handed_in.exists()
        count = connection.execute(select(func.count()).select_from(leases).where(idle)).scalar() or 0
        if count <= in_force().max_leases:
            return None
        query = (
            select(images)
            .join(leases, (leases.c.image == images.c.id) & idle)
            .where(self._db.mine(images), images.c.open.is_(True), ~self._read_by(reader).exists())
            .order_by(leases.c.until, images.c.id)
            .limit(1)
        )
        return connection.execute(query).mappings().first()

    def _had(self, connection: Connection, image: str, reader: str, now: float) -> tuple[dict[str, Any], float | None]:
        """How this reader was given the image, and until when the reader has it still."""
        own = self._db.mine(given) & (given.c.image == image) & (given.c.reader == reader)
        known = connection.execute(select(given.c.turn, given.c.at, given.c.chosen_by).where(own)).mappings().one()
        held = self._db.mine(leases) & (leases.c.image == image) & (leases.c.reader == reader) & (leases.c.until > now)
        return dict(known), connection.execute(select(leases.c.until).where(held)).scalar()

    def leases(self, now: float | None = None) -> list[Lease]:
        """The leases that have not expired, by image."""
        at = time.time() if now is None else now
        query = (
            select(leases.c.image, leases.c.reader, leases.c.until)
            .where(self._db.mine(leases), leases.c.until > at)
            .order_by(leases.c.image)
        )
        return [Lease(**row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def given_lately(self, since: float, limit: int) -> list[str]:
        """Images that were given to readers who have not handed them in, the latest first."""
        at = func.max(given.c.at)
        query = (
            select(given.c.image)
            .where(self._db.mine(given), given.c.at > since)
            .group_by(given.c.image)
            .order_by(at.desc(), given.c.image)
            .limit(limit)
        )
        return list(self._db.read(lambda c: c.execute(query).scalars().all()))

    def leased_by(self, image: str, now: float | None = None) -> str | None:
        """Who has the image now."""
        at = time.time() if now is None else now
        query = select(leases.c.reader).where(self._db.mine(leases), leases.c.image == image, leases.c.until > at)
        return self._db.read(lambda c: c.execute(query).scalar())

    def lease_count(self, now: float | None = None) -> int:
        """How many leases have not expired."""
        at = time.time() if now is None else now
        query = select(func.count()).select_from(leases).where(self._db.mine(leases), leases.c.until > at)
        return int(self._db.read(lambda c: c.execute(query).scalar()) or 0)

    def lease(self, image: str, reader: str, lease_seconds: float, now: float | None = None) -> float:
        """Lease this very image to this reader, or lengthen the lease; until when. Conflict if somebody else has it."""

        def work(connection: Connection) -> float:
            at = time.time() if now is None else now
            row = self._row(connection, image)
            other = (
                self._db.mine(leases) & (leases.c.image == image) & (leases.c.reader != reader) & (leases.c.until > at)
            )
            taken = connection.execute(select(leases.c.reader).where(other)).scalar()
            if taken is not None:
                raise Conflict(f"{taken} is reading image {image!r}")
            if row["excluded"] is not None:
                raise Conflict(f"image {image!r} is excluded: {row['excluded']}")
            self._meet(connection, reader, at)
            self._hold(connection, image, reader, at, at + lease_seconds)
            return at + lease_seconds

        return self._db.write(work)

    def release(self, image: str, reader: str) -> bool:
        """Give up this reader's lease of this image; False if there was none."""
        own = (leases.c.image == image) & (leases.c.reader == reader)
        return self._db.write(lambda c: c.execute(leases.delete().where(self._db.mine(leases), own)).rowcount > 0)
