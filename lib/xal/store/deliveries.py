"""What of the annotations is on its way to an archive: kept until it is there, whatever happens to either side."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, func, select

from xal.store.engine import Part
from xal.store.rows import AnnotationRow, DeliveryRow, DeliveryState
from xal.store.schema import annotation_table, deliveries
from xal.store.settling import IS_REGION
from xal.store.standing import annotation_row

ON_THE_WAY: tuple[DeliveryState, ...] = ("waiting", "withdrawn")
"""States in which the archive is still to be told something."""


class Deliveries(Part):
    """The part of the store that knows what was sent."""

    def note_new(self, limit: int = 1_000) -> int:
        """Note the annotations that came since the last time as waiting; how many there were."""
        last = select(func.coalesce(func.max(deliveries.c.annotation), 0)).where(self._db.mine(deliveries))
        query = (
            select(annotation_table.c.id)
            .where(self._db.mine(annotation_table), annotation_table.c.id > last.scalar_subquery(), ~IS_REGION)
            .order_by(annotation_table.c.id)
            .limit(limit)
        )

        def work(connection: Connection) -> int:
            new = connection.execute(query).scalars().all()
            fresh = {"state": "waiting", "next_try": 0.0, "tries": 0, "problem": None, "ended_at": None}
            if new:
                connection.execute(
                    deliveries.insert(), [{**self._db.scope, "annotation": number, **fresh} for number in new]
                )
            return len(new)

        return self._db.write(work)

    def due(
        self, limit: int, now: float | None = None, state: DeliveryState = "waiting"
    ) -> list[tuple[DeliveryRow, AnnotationRow]]:
        """What waits, to be sent or to be rejected, and may be tried now; the longest overdue first."""
        at = time.time() if now is None else now
        joined = deliveries.join(annotation_table, annotation_table.c.id == deliveries.c.annotation)
        columns = [deliveries.c[name].label(f"delivery_{name}") for name in DeliveryRow.__dataclass_fields__]
        query = (
            select(annotation_table, *columns)
            .select_from(joined)
            .where(self._db.mine(deliveries), deliveries.c.state == state, deliveries.c.next_try <= at)
            .order_by(deliveries.c.next_try, deliveries.c.annotation)
            .limit(limit)
        )
        rows = self._db.read(lambda c: c.execute(query).mappings().all())
        return [
            (
                DeliveryRow(**{name: row[f"delivery_{name}"] for name in DeliveryRow.__dataclass_fields__}),
                annotation_row(row),
            )
            for row in rows
        ]

    def end(self, annotation: int, state: DeliveryState, problem: str | None = None) -> None:
        """It is there, or need not be."""
        self._set_delivery(annotation, state=state, problem=problem, ended_at=time.time())

    def reject_if_withdrawn(self, annotation: int) -> None:
        """Somebody may have withdrawn it while it was being sent."""
        gone = select(annotation_table.c.id).where(
            annotation_table.c.id == annotation, annotation_table.c.withdrawn_at.is_not(None)
        )
        which = self._db.mine(deliveries) & (deliveries.c.state == "sent") & deliveries.c.annotation.in_(gone)
        self._db.write(lambda c: c.execute(deliveries.update().where(which).values(state="withdrawn")).rowcount)

    def put_off(self, annotation: int, until: float, problem: str | None, *, tried: bool) -> None:
        """Try again then."""
        more = {"tries": deliveries.c.tries + 1} if tried else {}
        self._set_delivery(annotation, next_try=until, problem=problem, **more)

    def hurry(self) -> None:
        """What could not be sent before may be tried now."""
        which = self._db.mine(deliveries) & deliveries.c.state.in_(ON_THE_WAY) & (deliveries.c.tries > 0)
        self._db.write(lambda c: c.execute(deliveries.update().where(which).values(next_try=0.0)).rowcount)

    def counts(self) -> dict[str, int]:
        """How many annotations are in which state."""
        query = select(deliveries.c.state, func.count()).where(self._db.mine(deliveries)).group_by(deliveries.c.state)
        return dict(self._db.read(lambda c: [(state, int(count)) for state, count in c.execute(query)]))

    def last_problem(self) -> str | None:
        """Why something that waits is not sent: what failed goes before what is not even tried."""
        waiting = deliveries.c.state.in_(ON_THE_WAY) & deliveries.c.problem.is_not(None)
        query = select(deliveries.c.problem).where(self._db.mine(deliveries), waiting)
        failed_first = query.order_by(
            (deliveries.c.tries > 0).desc(), deliveries.c.next_try.desc(), deliveries.c.annotation
        )
        return self._db.read(lambda c: c.execute(failed_first.limit(1)).scalar())

    def _set_delivery(self, annotation: int, **values: Any) -> None:
        which = self._db.mine(deliveries) & (deliveries.c.annotation == annotation)
        self._db.write(lambda c: c.execute(deliveries.update().where(which).values(**values)).rowcount)
