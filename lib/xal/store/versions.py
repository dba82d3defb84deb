"""Model versions, the one in use, and the images set aside to judge them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from xal.errors import Conflict, NotFound
from xal.store.engine import Part
from xal.store.rows import VersionRow
from xal.store.schema import validations, versions


class Versions(Part):
    """The part of the store that keeps model versions."""

    def add(
        self,
        *,
        path: str | None = None,
        sha256: str | None = None,
        metrics: dict[str, Any] | None = None,
        verdict: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        parent: int | None = None,
        validation: int | None = None,
        at_least: int = 1,
    ) -> int:
        """Take the next version number for a candidate, `at_least` this; its path may follow with `update`."""

        def work(connection: Connection) -> int:
            last = connection.execute(select(func.max(versions.c.version)).where(self._db.mine(versions))).scalar()
            number = max((last or 0) + 1, at_least)
            row = {
                "version": number,
                "state": "candidate",
                "current": False,
                "path": path,
                "sha256": sha256,
                "metrics": metrics or {},
                "verdict": verdict or {},
                "settings": settings or {},
                "parent": parent,
                "validation": validation,
                "created_at": time.time(),
            }
            connection.execute(versions.insert(), {**self._db.scope, **row})
            self._db.log(connection, "candidate", detail={"version": number})
            return number

        return self._db.write(work)

    def adopt(self, row: Mapping[str, Any]) -> None:
        """Take up a model version that no row tells of; it is in use only if none is."""

        def work(connection: Connection) -> None:
            current = bool(row["current"]) and self._current(connection) is None
            connection.execute(versions.insert(), {**self._db.scope, **row, "current": current})
            self._db.log(connection, "adopt version", detail={"version": row["version"], "current": current})

        self._db.write(work)

    def update(
        self,
        version: int,
        *,
        state: Literal["candidate", "refused", "withdrawn"] | None = None,
        path: str | None = None,
        sha256: str | None = None,
        metrics: dict[str, Any] | None = None,
        verdict: dict[str, Any] | None = None,
        by: str | None = None,
    ) -> VersionRow:
        """Change what is given; `publish` alone publishes. Conflict if the version in use would be put out of use."""
        given = {"state": state, "path": path, "sha256": sha256, "metrics": metrics, "verdict": verdict}
        values = {name: value for name, value in given.items() if value is not None}

        def work(connection: Connection) -> VersionRow:
            row = self._version(connection, version)
            if row.current and state is not None:
                raise Conflict(f"v{version} is in use and cannot be made {state}; publish another version first")
            if values:
                connection.execute(versions.update().where(self._is(version)).values(values))
            if state is not None and state != row.state:
                kind = {"refused": "refuse", "withdrawn": "withdraw version", "candidate": "reconsider"}[state]
                detail = {"version": version, "verdict": row.verdict if verdict is None else verdict}
                self._db.log(connection, kind, by, detail=detail)
            return self._version(connection, version)

        return self._db.write(work)

    def publish(self, version: int, by: str) -> VersionRow:
        """Make this the version in use, at once and for every process; an earlier one is thereby brought back."""

        def work(connection: Connection) -> VersionRow:
            row = self._version(connection, version)
            if row.path is None:
                raise Conflict(f"v{version} has no weights: nothing was trained to its end under this number")
            if row.current:
                return row
            before = self._current(connection)
            connection.execute(versions.update().where(self._db.mine(versions)).values(current=False))
            values = {"current": True, "state": "published", "published_at": time.time()}
            connection.execute(versions.update().where(self._is(version)).values(values))
            kind = "roll back" if before is not None and before.version > version else "publish"
            self._db.log(
                connection, kind, by, detail={"version": version, "before": before.version if before else None}
            )
            return self._version(connection, version)

        return self._db.write(work)

    def current(self) -> VersionRow | None:
        """The version in use."""
        return self._db.read(self._current)

    def get(self, version: int) -> VersionRow:
        """One version by number; NotFound if there is none."""
        return self._db.read(lambda c: self._version(c, version))

    def all(self) -> list[VersionRow]:
        """All versions, oldest first."""
        query = select(versions).where(self._db.mine(versions)).order_by(versions.c.version)
        return [_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def newest(self, before: int | None, limit: int) -> list[VersionRow]:
        """At most so many of the versions `before` a number, newest first."""
        query = select(versions).where(self._db.mine(versions)).order_by(versions.c.version.desc()).limit(limit)
        if before is not None:
            query = query.where(versions.c.version < before)
        return [_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def validation(self) -> tuple[int, list[str]] | None:
        """Number and image ids of the newest validation set."""
        query = select(validations).where(self._db.mine(validations)).order_by(validations.c.validation.desc()).limit(1)
        row = self._db.read(lambda c: c.execute(query).mappings().first())
        return None if row is None else (row["validation"], row["images"])

    def set_validation(self, ids: Iterable[str]) -> int:
        """Keep a new validation set; its number."""
        names = list(ids)

        def work(connection: Connection) -> int:
            last = select(func.max(validations.c.validation)).where(self._db.mine(validations))
            number = int(connection.execute(last).scalar() or 0) + 1
            row = {"validation": number, "images": names, "created_at": time.time()}
            connection.execute(validations.insert(), {**self._db.scope, **row})
            self._db.log(connection, "validation", detail={"validation": number, "images": len(names)})
            return number

        return self._db.write(work)

    def _is(self, version: int) -> Any:
        return self._db.mine(versions) & (versions.c.version == version)

    def _version(self, connection: Connection, version: int) -> VersionRow:
        row = connection.execute(select(versions).where(self._is(version))).mappings().first()
        if row is None:
            raise NotFound(f"there is no model version v{version}")
        return _row(row)

    def _current(self, connection: Connection) -> VersionRow | None:
        query = select(versions).where(self._db.mine(versions), versions.c.current.is_(True))
        row = connection.execute(query).mappings().first()
        return None if row is None else _row(row)


def _row(row: Any) -> VersionRow:
    return VersionRow(**{name: row[name] for name in VersionRow.__dataclass_fields__})
