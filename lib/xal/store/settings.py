"""Settings that outlive a server."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from xal.store.engine import Part
from xal.store.schema import settings


class KeptSettings(Part):
    """The part of the store that keeps what was set while a server ran."""

    def get(self, key: str, default: Any = None) -> Any:
        """A setting's value, or `default` if it was never set."""
        query = select(settings.c.value).where(self._db.mine(settings), settings.c.key == key)
        row = self._db.read(lambda c: c.execute(query).first())
        return default if row is None else row[0]

    def set(self, key: str, value: Any, by: str) -> None:
        """Set a setting (any JSON value)."""

        def work(connection: Connection) -> None:
            self._db.upsert(connection, settings, [{**self._db.scope, "key": key, "value": value}])
            self._db.log(connection, "setting", by, detail={"key": key, "value": value})

        self._db.write(work)
