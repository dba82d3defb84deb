"""Settings that outlive a server, and the log of everything that was done."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, func, select

from xal.store.engine import Base
from xal.store.rows import Event
from xal.store.schema import annotation_table, events, settings


class Log(Base):
    """The part of the store that keeps settings and events."""

    def get_setting(self, key: str, default: Any = None) -> Any:
        """A setting's value, or `default` if it was never set."""
        query = select(settings.c.value).where(self._mine(settings), settings.c.key == key)
        row = self._read(lambda c: c.execute(query).first())
        return default if row is None else row[0]

    def set_setting(self, key: str, value: Any, by: str) -> None:
        """Set a setting (any JSON value)."""

        def work(connection: Connection) -> None:
            self._upsert(connection, settings, [{**self._scope, "key": key, "value": value}])
            self._log(connection, "setting", by, detail={"key": key, "value": value})

        self._write(work)

    def last_numbers(self) -> tuple[int, int]:
        """Of the last event and the last annotation; 0 where there is none. Both change with whatever people do."""
        return self._read(lambda c: (self._last(c, events), self._last(c, annotation_table)))

    def _last(self, connection: Connection, table: Table) -> int:
        return int(connection.execute(select(func.max(table.c.id)).where(self._mine(table))).scalar() or 0)

    def events(self, limit: int = 100, after: int | None = None) -> list[Event]:
        """Oldest first: the last `limit` events, or the first `limit` after event number `after`."""
        query = select(*(events.c[name] for name in Event.__dataclass_fields__)).where(self._mine(events)).limit(limit)
        if after is None:
            query = query.order_by(events.c.id.desc())
        else:
            query = query.where(events.c.id > after).order_by(events.c.id)
        found = [Event(**row) for row in self._read(lambda c: c.execute(query).mappings().all())]
        return sorted(found, key=lambda event: event.id)
