"""ROIs that were drawn elsewhere and found in an archive, and which of its objects were searched for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from xal.store.pool import Values
from xal.store.rows import OutlineRow
from xal.store.schema import arrivals, outlines
from xal.store.settling import Settling


class Outlines(Settling):
    """The part of the store that keeps ROIs without a finding."""

    def searched(self) -> dict[str, str]:
        """Series that were searched, and what they and all that they were compared with were like then."""
        query = select(arrivals.c.series, arrivals.c.state).where(self._db.mine(arrivals))
        return dict(self._db.read(lambda c: [(series, str(state)) for series, state in c.execute(query)]))

    def put(self, series: str, state: str, found: Sequence[OutlineRow], problem: str | None = None) -> list[str]:
        """Keep what a series of the archive holds now, instead of what it held before; the images that concerns."""

        def work(connection: Connection) -> list[str]:
            changed = self._replace(connection, series, found)
            seen: dict[str, Any] = {"series": series, "state": state, "outlines": len(found), "problem": problem}
            self._db.upsert(connection, arrivals, [{**self._db.scope, **seen, "seen_at": time.time()}])
            return changed

        return self._db.write(work)

    def forget(self, series: str) -> list[str]:
        """The series is no longer in the archive, and nor is what it held; the images that concerns."""

        def work(connection: Connection) -> list[str]:
            changed = self._replace(connection, series, [])
            connection.execute(arrivals.delete().where(self._db.mine(arrivals), arrivals.c.series == series))
            return changed

        return self._db.write(work)

    def _replace(self, connection: Connection, series: str, found: Sequence[OutlineRow]) -> list[str]:
        own = self._db.mine(outlines) & (outlines.c.series == series)
        before = connection.execute(select(outlines.c.image).where(own)).scalars().all()
        rows = {image: self._row(connection, image, deleted=True) for image in {*before, *(row.image for row in found)}}
        connection.execute(outlines.delete().where(own))
        if found:
            connection.execute(outlines.insert(), [{**self._db.scope, **asdict(row)} for row in found])
        for image, row in sorted(rows.items()):
            self._change(connection, [(row, self._roi_values(connection, row))])
            kind = "outline found" if any(one.image == image for one in found) else "outline gone"
            self._db.log(connection, kind, image=image, detail={"series": series})
        return sorted(rows)

    def of(self, image: str) -> list[OutlineRow]:
        """The ROIs found for an image, on the pixels it has now."""

        def work(connection: Connection) -> list[Values]:
            return self._outlined(connection, image, self._row(connection, image, deleted=True)["fingerprint"])

        return [
            OutlineRow(**{name: row[name] for name in OutlineRow.__dataclass_fields__}) for row in self._db.read(work)
        ]

    def paths(self) -> set[str]:
        """The label files of all ROIs that were found."""
        query = select(outlines.c.path).where(self._db.mine(outlines))
        return set(self._db.read(lambda c: c.execute(query).scalars().all()))
