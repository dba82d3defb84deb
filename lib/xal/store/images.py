"""Images: what the source lists, what was found out about them, and what people decided about them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from xal.errors import BadInput, NotFound
from xal.store.pool import Values, image_row
from xal.store.rows import THERE, Counts, ImageFile, ImageRow, ImageState
from xal.store.schema import annotation_table, images, leases, tallies
from xal.store.settling import Settling

BATCH = 1_000
"""Images per transaction of a scan: readers and submits get in between."""


class Images(Settling):
    """The part of the store that keeps images."""

    def known_files(self) -> dict[str, ImageFile]:
        """Every image by id, gone and deleted ones too: what a scan of the source compares with."""
        columns = [images.c[name] for name in ImageFile.__dataclass_fields__]
        query = select(*columns).where(self._db.mine(images))
        return {row["id"]: ImageFile(**row) for row in self._db.read(lambda c: c.execute(query).mappings().all())}

    def any(self) -> bool:
        """Whether this pool and task ever had an image."""
        query = select(images.c.id).where(self._db.mine(images)).limit(1)
        return self._db.read(lambda c: c.execute(query).first()) is not None

    def known_ids(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are taken, be it by an image whose file is gone or that was deleted."""
        return set(self._db.read(lambda c: self._rows(c, ids)))

    def put(self, files: Iterable[ImageFile]) -> int:
        """Add new images and renew changed ones; how many were added, changed or came back.

        A changed size or time clears what was known of the content and makes the prediction stale. An image that was
        gone is back; a deleted one stays deleted.
        """
        listed = list({file.id: file for file in files}.values())
        total = 0
        for start in range(0, len(listed), BATCH):
            some = listed[start : start + BATCH]
            total += self._db.write(lambda c, some=some: self._put(c, some))  # type: ignore[misc]
            if len(some) == BATCH:
                self._db.plan_anew()
        return total

    def _put(self, connection: Connection, files: Sequence[ImageFile]) -> int:
        known = self._rows(connection, [file.id for file in files])
        now = time.time()
        added = [self._new(file, now) for file in files if file.id not in known]
        changed: list[tuple[Values, dict[str, Any]]] = []
        back: list[tuple[Values, dict[str, Any]]] = []
        for file in files:
            row = known.get(file.id)
            if row is None or row["state"] == "deleted":
                continue
            if (row["size"], row["mtime_ns"], row["path"]) != (file.size, file.mtime_ns, file.path):
                place = {"path": file.path, "size": file.size, "mtime_ns": file.mtime_ns}
                unknown = {"checksum": None, "fingerprint": None, "problem": None, "fresh": 0}
                changed.append((row, {**place, **unknown, "state": "ok"}))
            elif row["state"] == "gone":
                back.append((row, {"state": "unreadable" if row["problem"] else "ok"}))
        self._add(connection, added)
        self._change(connection, changed)
        self._change(connection, back)
        return len(added) + len(changed) + len(back)

    def mark_gone(self, ids: Iterable[str]) -> int:
        """These files vanished: they are not offered any more, their annotations are kept. How many were there."""
        names = list(ids)

        def work(connection: Connection) -> int:
            there = [row for row in self._rows(connection, names).values() if row["state"] in THERE]
            self._change(connection, [(row, {"state": "gone"}) for row in there])
            return len(there)

        return self._db.write(work)

    def set_facts(
        self,
        image: str,
        *,
        size: int,
        mtime_ns: int,
        checksum: str | None = None,
        fingerprint: str | None = None,
        problem: str | None = None,
    ) -> bool:
        """Keep what was found out by reading a file of this size and time; False if the file has changed since.

        Annotations drawn on other pixels than the fingerprint's do not count while the image has these. A problem makes
        the image unreadable; a fingerprint, which only a readable file has, clears an earlier problem. What is None
        stays as it was.
        """

        def work(connection: Connection) -> bool:
            row = self._row(connection, image)
            if (row["size"], row["mtime_ns"]) != (size, mtime_ns) or row["state"] not in THERE:
                return False
            values: dict[str, Any] = {}
            if checksum is not None:
                values["checksum"] = checksum
            if fingerprint is not None:
                values.update(self._seen(connection, row, fingerprint), problem=None, state="ok")
            if problem is not None:
                values.update(problem=problem, state="unreadable")
            if problem is not None and problem != row["problem"]:
                self._db.log(connection, "unreadable", image=image, detail={"problem": problem})
            self._change(connection, [(row, values)])
            return True

        return self._db.write(work)

    def _seen(self, connection: Connection, row: Values, fingerprint: str) -> dict[str, Any]:
        """What an image's pixels mean for what is known of it."""
        values: dict[str, Any] = {"fingerprint": fingerprint}
        if not row["labelled"]:
            return values | self._roi_values(connection, {**row, **values})
        standing = self._active(connection, annotation_table.c.image == row["id"])
        values.update(self._meaning(connection, row, standing, fingerprint))
        if values["outdated"] != row["outdated"]:
            kind = "pixels replaced" if values["outdated"] else "pixels restored"
            self._db.log(connection, kind, image=row["id"], detail={"annotations": [known["id"] for known in standing]})
        return values

    def unread(self, limit: int) -> list[ImageRow]:
        """Images that nobody has read yet, so that their fingerprints are not known."""
        query = (
            select(images)
            .where(self._db.mine(images), images.c.state == "ok", images.c.fingerprint.is_(None))
            .order_by(images.c.id)
            .limit(limit)
        )
        return [image_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def get(self, image: str) -> ImageRow:
        """One image, also if its file is gone; NotFound if it is unknown or deleted."""
        return image_row(self._db.read(lambda c: self._row(c, image)))

    def find(
        self,
        *,
        labelled: bool | None = None,
        state: ImageState | None = None,
        limit: int | None = None,
    ) -> list[ImageRow]:
        """Images ordered by id; without `state` those that are there (ok and unreadable)."""
        query = select(images).where(self._db.mine(images)).order_by(images.c.id).limit(limit)
        query = query.where(images.c.state.in_(THERE) if state is None else images.c.state == state)
        if labelled is not None:
            query = query.where(images.c.labelled == labelled)
        return [image_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def counts(self) -> Counts:
        """The pool in numbers, from a tally kept by every writer: it costs the same whatever the pool's size."""
        query = select(tallies).where(self._db.mine(tallies), tallies.c.state.in_(THERE), tallies.c.n != 0)
        rows = self._db.read(lambda c: c.execute(query).mappings().all())

        findings: dict[str, int] = {}
        for row in rows:
            if row["finding"] and row["state"] == "ok" and not row["excluded"]:
                findings[row["finding"]] = findings.get(row["finding"], 0) + row["n"]
        return Counts(
            total=sum(row["n"] for row in rows),
            completed=sum(findings.values()),
            open=sum(row["n"] for row in rows if row["open"]),
            labelled=sum(row["n"] for row in rows if row["labelled"]),
            review=sum(row["n"] for row in rows if _in_review(row)),
            excluded=sum(row["n"] for row in rows if row["excluded"]),
            unreadable=sum(row["n"] for row in rows if row["state"] == "unreadable"),
            findings=dict(sorted(findings.items())),
        )

    def update_info(self, image: str, patch: dict[str, Any]) -> ImageRow:
        """Merge `patch` into the image's info; a value of None removes its key."""

        def work(connection: Connection) -> Values:
            row = self._row(connection, image)
            self._change(connection, [(row, {"info": _merged(row["info"], patch)})])
            return self._row(connection, image)

        return image_row(self._db.write(work))

    def update_infos(self, patches: Mapping[str, Mapping[str, Any]]) -> None:
        """`update_info` of many images: one transaction for BATCH of them, refused if it cannot be done for each."""
        ids = list(patches)
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            self._db.write(lambda c, some=some: self._merge_infos(c, some, patches))  # type: ignore[misc]

    def _merge_infos(
        self, connection: Connection, ids: Sequence[str], patches: Mapping[str, Mapping[str, Any]]
    ) -> None:
        rows = self._rows(connection, ids)
        missing = [image for image in ids if image not in rows]
        if missing:
            raise NotFound(f"there is no image {missing[0]!r}")
        self._change(
            connection, [(rows[image], {"info": _merged(rows[image]["info"], patches[image])}) for image in ids]
        )

    def delete(self, image: str, by: str) -> None:
        """Put up a tombstone: the image is never listed or offered again, its annotations are kept."""

        def work(connection: Connection) -> None:
            self._change(connection, [(self._row(connection, image), {"state": "deleted"})])
            self._end_lease(connection, image)
            self._db.log(connection, "delete", by, image)

        self._db.write(work)

    def exclude(self, image: str, reader: str, reason: str) -> ImageRow:
        """Never offer this image again, for this reason."""
        if not reason.strip():
            raise BadInput("an exclusion needs a reason, such as 'wrong modality'")

        def work(connection: Connection) -> Values:
            row = self._row(connection, image)
            self._change(connection, [(row, {"excluded": reason.strip(), "excluded_by": reader})])
            self._end_lease(connection, image)
            self._db.log(connection, "exclude", reader, image, {"reason": reason.strip()})
            return self._row(connection, image)

        return image_row(self._db.write(work))

    def include(self, image: str, reader: str) -> ImageRow:
        """Take an exclusion back."""

        def work(connection: Connection) -> Values:
            row = self._row(connection, image)
            if row["excluded"] is None:
                raise NotFound(f"image {image!r} is not excluded")
            self._change(connection, [(row, {"excluded": None, "excluded_by": None})])
            self._db.log(connection, "include", reader, image, {"reason": row["excluded"]})
            return self._row(connection, image)

        return image_row(self._db.write(work))

    def decide_outlines(self, wanted: Mapping[str, bool]) -> None:
        """Whether readers of these images are asked for an outline; what is decided already stays."""
        undecided = images.c.outline_wanted.is_(None) & (images.c.id == bindparam("key"))
        update = images.update().where(self._db.mine(images), undecided).values(outline_wanted=bindparam("wanted"))
        values = [{"key": image, "wanted": wants} for image, wants in wanted.items()]
        self._db.write(lambda c: c.execute(update, values))

    def roi_key(self, image: str) -> str | None:
        """Names the ROIs that the image is to be scored by; None where nobody drew one."""
        key: str | None = self._db.read(lambda c: self._row(c, image, deleted=True))["roi_key"]
        return key

    def by_fingerprint(self, fingerprint: str) -> list[str]:
        """Ids of the images that are there with exactly these pixels."""
        query = (
            select(images.c.id)
            .where(self._db.mine(images), images.c.fingerprint == fingerprint, images.c.state.in_(THERE))
            .order_by(images.c.id)
        )
        return list(self._db.read(lambda c: c.execute(query).scalars().all()))

    def _end_lease(self, connection: Connection, image: str) -> None:
        connection.execute(leases.delete().where(self._db.mine(leases), leases.c.image == image))


def _in_review(row: Values) -> bool:
    """Read often enough, and still nothing settled: the readings disagree, or are of other pixels."""
    waiting = row["open"] or row["excluded"] or row["state"] != "ok"
    return bool(row["labelled"] and not row["finding"] and not waiting)


def _merged(info: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**info, **patch}.items() if value is not None}
