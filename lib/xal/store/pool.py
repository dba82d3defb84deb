"""The image rows and what is derived from them: `open`, `fresh` and the tally, kept in the writer's own transaction."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select

from xal.errors import NotFound
from xal.store.engine import CHUNK, Part
from xal.store.rows import ImageFile, ImageRow
from xal.store.schema import NO_PLACE, UNSCORED, given, images, predictions, readers, tallies

Values = Mapping[Any, Any]
Bucket = tuple[str, bool, bool, bool, str]


def image_row(row: Values) -> ImageRow:
    """A row of the table as callers see it."""
    own = {name: row[name] for name in ImageRow.__dataclass_fields__}
    own["score"] = None if row["score"] == UNSCORED else row["score"]
    own["uncertainty"] = None if row["uncertainty"] == UNSCORED else row["uncertainty"]
    return ImageRow(**own)


def shuffled(pool: str, task: str, image: str) -> int:
    """The image's place in the order used where nothing better is known: random, but the same every time."""
    return int.from_bytes(hashlib.sha256(f"{pool}\0{task}\0{image}".encode()).digest()[:8], "big") >> 1


def chance(*names: str) -> float:
    """A number from 0 to below 1 for what has these names: random, but the same every time."""
    return (int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:8], "big") >> 11) / 2**53


def is_open(row: Values) -> bool:
    """Whether an image waits for a reader."""
    return row["state"] == "ok" and row["excluded"] is None and not row["complete"]


def status_of(row: Values) -> str:
    """What a person would say of an image: one word for all that is known of it."""
    if row["state"] != "ok":
        return str(row["state"])
    if row["excluded"] is not None:
        return "excluded"
    if is_open(row):
        return "waiting"
    return "settled" if row["finding"] else "review"


def bucket(row: Values) -> Bucket:
    """Where the tally counts an image."""
    excluded = row["excluded"] is not None
    return row["state"], bool(row["open"]), bool(row["labelled"]), excluded, row["finding"] or ""


class ImageRows(Part):
    """Access to image rows that keeps what is derived from them right, and who works on them."""

    def _row(self, connection: Connection, image: str, *, deleted: bool = False) -> Values:
        """The row of an image; NotFound if it is unknown, or deleted and not wanted."""
        row = connection.execute(select(images).where(self._db.mine(images), images.c.id == image)).mappings().first()
        if row is None or (row["state"] == "deleted" and not deleted):
            raise NotFound(f"there is no image {image!r}")
        return row

    def _rows(self, connection: Connection, ids: Sequence[str]) -> dict[str, Values]:
        """The rows of those images that are known."""
        found: dict[str, Values] = {}
        for start in range(0, len(ids), CHUNK):
            some = images.c.id.in_(ids[start : start + CHUNK])
            for row in connection.execute(select(images).where(self._db.mine(images), some)).mappings():
                found[row["id"]] = row
        return found

    def _new(self, file: ImageFile, now: float) -> dict[str, Any]:
        """A new image's row."""
        return {
            **self._db.scope,
            "id": file.id,
            "path": file.path,
            "size": file.size,
            "mtime_ns": file.mtime_ns,
            "state": "ok",
            "info": {},
            "excluded": None,
            "complete": False,
            "finding": None,
            "labelled": False,
            "outdated": False,
            "open": True,
            "status": "waiting",
            "score": UNSCORED,
            "place": NO_PLACE,
            "uncertainty": UNSCORED,
            "margin": UNSCORED,
            "telling": UNSCORED,
            "fresh": 0,
            "shuffle": shuffled(self._db.pool, self._db.task, file.id),
            "added_at": now,
        }

    def _change(self, connection: Connection, changes: Sequence[tuple[Values, dict[str, Any]]]) -> None:
        """Give image rows new values, all of them for the same columns; `open` and the tally follow."""
        if not changes:
            return
        after = [{**row, **values} for row, values in changes]
        for row in after:
            row["open"], row["status"] = is_open(row), status_of(row)
        names = [*changes[0][1], "open", "status"]
        statement = (
            images.update()
            .where(self._db.mine(images), images.c.id == bindparam("key"))
            .values({name: bindparam(f"new_{name}") for name in names})
        )
        parameters = [{"key": row["id"], **{f"new_{name}": row[name] for name in names}} for row in after]
        connection.execute(statement, parameters)
        self._tally(connection, removed=(bucket(row) for row, _ in changes), added=(bucket(row) for row in after))

    def _add(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Insert image rows."""
        if rows:
            connection.execute(images.insert(), list(rows))
            self._tally(connection, removed=(), added=(bucket(row) for row in rows))

    def _tally(self, connection: Connection, *, removed: Iterable[Bucket], added: Iterable[Bucket]) -> None:
        difference = Counter(added)
        difference.subtract(Counter(removed))
        for place, change in difference.items():
            if change == 0:
                continue
            key = dict(zip(("state", "open", "labelled", "excluded", "finding"), place, strict=True))
            here = and_(self._db.mine(tallies), *(tallies.c[name] == value for name, value in key.items()))
            updated = connection.execute(tallies.update().where(here).values(n=tallies.c.n + change))
            if updated.rowcount == 0:
                connection.execute(tallies.insert(), {**self._db.scope, **key, "n": change})

    def _meet(self, connection: Connection, reader: str, now: float) -> None:
        """Remember that this reader works on this pool: second readings need a second reader."""
        known = select(readers.c.reader).where(self._db.mine(readers), readers.c.reader == reader)
        if connection.execute(known).first() is None:
            connection.execute(readers.insert(), {**self._db.scope, "reader": reader, "first_seen": now})

    def _note_given(
        self, connection: Connection, image: str, reader: str, at: float, chosen_by: str | None = None
    ) -> None:
        """This reader was given the image last of all."""
        last = select(func.max(given.c.turn)).where(self._db.mine(given), given.c.reader == reader)
        turn = (connection.execute(last).scalar() or 0) + 1
        row = {**self._db.scope, "image": image, "reader": reader, "turn": turn, "at": at, "chosen_by": chosen_by}
        self._db.upsert(connection, given, [row])

    def _fresh(self, connection: Connection, image: str, fingerprint: str | None, roi_key: str | None) -> int:
        """The version of the image's prediction if it is of these pixels and ROIs, else 0."""
        prediction = (
            connection.execute(
                select(predictions.c.version, predictions.c.fingerprint, predictions.c.roi_key).where(
                    self._db.mine(predictions), predictions.c.image == image
                )
            )
            .mappings()
            .first()
        )
        return freshness(prediction, fingerprint, roi_key) if prediction else 0


def freshness(prediction: Values, fingerprint: str | None, roi_key: str | None) -> int:
    """The prediction's version if it is of these pixels and ROIs, else 0."""
    same = prediction["fingerprint"] == fingerprint and prediction["roi_key"] == roi_key
    return int(prediction["version"]) if same else 0
