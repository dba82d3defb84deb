"""The log of everything that was done; each event is written in the transaction that it tells of."""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, select

from xal.store.engine import Part
from xal.store.rows import Event
from xal.store.schema import annotation_table, events


class Events(Part):
    """The part of the store that tells what happened."""

    def read(self, limit: int = 100, after: int | None = None) -> list[Event]:
        """Oldest first: the last `limit` events, or the first `limit` after event number `after`."""
        columns = [events.c[name] for name in Event.__dataclass_fields__]
        query = select(*columns).where(self._db.mine(events)).limit(limit)
        if after is None:
            query = query.order_by(events.c.id.desc())
        else:
            query = query.where(events.c.id > after).order_by(events.c.id)
        found = [Event(**row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]
        return sorted(found, key=lambda event: event.id)

    def last_numbers(self) -> tuple[int, int]:
        """Of the last event and the last annotation; 0 where there is none. Both change with whatever people do."""
        return self._db.read(lambda c: (self._last(c, events), self._last(c, annotation_table)))

    def _last(self, connection: Connection, table: Table) -> int:
        return int(connection.execute(select(func.max(table.c.id)).where(self._db.mine(table))).scalar() or 0)
