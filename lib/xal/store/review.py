"""What reviewers are shown, and what they decide: which doubts are settled, and a finding where readers disagree."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from xal.errors import Conflict, NotFound
from xal.store.engine import CHUNK
from xal.store.looking import DoubtKind
from xal.store.paging import Page, read_cursor, take, write_cursor
from xal.store.pool import Values, image_row
from xal.store.queue import Query
from xal.store.rows import AnnotationRow, ImageRow
from xal.store.schema import annotation_table, doubts, images
from xal.store.settling import Settling, same_pixels, says
from xal.store.standing import annotation_row
from xal.task import REGION

SuspectKind = Literal["disagree", "model", "far", "region"]

READ = ("waiting", "settled", "review")
"""The status of images whose annotations matter."""
DECIDABLE = ("settled", "review")
"""The status of images whose finding a reviewer may choose."""


@dataclass(frozen=True)
class Suspect:
    """What a reviewer should look at: an image whose readings disagree, or one annotation that looks wrong."""

    kind: SuspectKind
    image: str
    annotations: list[AnnotationRow]
    detail: dict[str, Any]
    raised_at: float


@dataclass(frozen=True)
class Acceptance:
    """A doubt that a reviewer settled: the annotation stands."""

    annotation: int
    kind: DoubtKind
    image: str
    accepted_at: float
    accepted_by: str


class Review(Settling):
    """The part of the store that reviewers look at and decide in."""

    def suspects(self, limit: int, cursor: str | None = None) -> Page[Suspect]:
        """Images whose readings disagree, by id; then the annotations that look wrong, in the order they came."""
        image, annotation, kind = ("", 0, "") if cursor is None else read_cursor("review", cursor, (str, int, str))

        def work(connection: Connection) -> list[Suspect]:
            found: list[Suspect] = []
            if not annotation:
                rows = connection.execute(self.disagreeing(image).limit(limit + 1)).mappings().all()
                found = self._disagreements(connection, rows)
            doubted = take(connection, self.doubted(annotation, kind), limit + 1 - len(found))
            return found + [
                Suspect(row["kind"], row["image"], [annotation_row(row)], row["detail"], row["raised_at"])
                for row in doubted
            ]

        found = self._db.read(work)
        shown = found[:limit]
        return Page(shown, _cursor_behind(shown[-1]) if len(found) > limit else None)

    def disagreeing(self, after: str) -> Query:
        """Images that were read often enough and have no finding, behind an id."""
        which = (images.c.status == "review") & (images.c.id > after)
        return select(images).where(self._db.mine(images), which).order_by(images.c.id)

    def _disagreements(self, connection: Connection, rows: Sequence[Values]) -> list[Suspect]:
        ids = [row["id"] for row in rows]
        said: dict[str, list[AnnotationRow]] = defaultdict(list)
        for start in range(0, len(ids), CHUNK):
            for row in self._active(connection, annotation_table.c.image.in_(ids[start : start + CHUNK])):
                said[row["image"]].append(annotation_row(row))
        return [
            Suspect(
                "disagree",
                row["id"],
                said[row["id"]],
                {"outdated": row["outdated"]},
                max(annotation.created_at for annotation in said[row["id"]]),
            )
            for row in rows
        ]

    def doubted(self, annotation: int, kind: str) -> list[Query]:
        """Queries whose rows, one query after the other, are the open doubts behind one, with their annotations."""
        standing = (annotation_table.c.id == doubts.c.annotation) & annotation_table.c.active.is_(True)
        query = (
            select(annotation_table, doubts.c.kind, doubts.c.detail, doubts.c.raised_at)
            .select_from(doubts)
            .join(annotation_table, standing)
            .join(images, self._of_these_pixels())
            .where(self._db.mine(doubts), doubts.c.accepted_at.is_(None), self._still_outlined())
            .order_by(doubts.c.annotation, doubts.c.kind)
        )
        same = query.where(doubts.c.annotation == annotation, doubts.c.kind > kind)
        return [same, query.where(doubts.c.annotation > annotation)]

    def _still_outlined(self) -> ColumnElement[bool]:
        """Of a doubt that another outlined something: that outline stands."""
        other = annotation_table.alias("outline")
        stands = (other.c.image == doubts.c.image) & (other.c.finding == REGION) & other.c.active.is_(True)
        return or_(doubts.c.kind != "region", select(other.c.id).where(self._db.mine(other), stands).exists())

    def doubt_count(self) -> int:
        """How many doubts wait for a reviewer."""
        later = self.doubted(0, "")[1].subquery()
        return int(self._db.read(lambda c: c.execute(select(func.count()).select_from(later)).scalar()) or 0)

    def _of_these_pixels(self) -> ColumnElement[bool]:
        """The annotation's image is there, and has the pixels that it was drawn on."""
        there = self._db.mine(images) & (images.c.id == annotation_table.c.image) & images.c.status.in_(READ)
        drawn, now = annotation_table.c.fingerprint, images.c.fingerprint
        return and_(there, or_(drawn.is_(None), now.is_(None), drawn == now))

    def accept(self, annotation: int, kind: DoubtKind, by: str) -> Acceptance:
        """The doubt is settled and the annotation stands; twice changes nothing. NotFound without such a doubt."""
        which = self._db.mine(doubts) & (doubts.c.annotation == annotation) & (doubts.c.kind == kind)

        def work(connection: Connection) -> Acceptance:
            row = connection.execute(select(doubts).where(which)).mappings().first()
            if row is None:
                raise NotFound(f"annotation {annotation} is in no doubt of the kind {kind!r}")
            if row["accepted_at"] is not None:
                return Acceptance(annotation, kind, row["image"], row["accepted_at"], row["accepted_by"])
            now = time.time()
            connection.execute(doubts.update().where(which).values(accepted_at=now, accepted_by=by))
            self._db.log(connection, "accept", by, row["image"], {"annotation": annotation, "kind": kind})
            return Acceptance(annotation, kind, row["image"], now, by)

        return self._db.write(work)

    def settle(self, image: str, finding: str, by: str, reason: str | None = None) -> ImageRow:
        """A reviewer chooses among what standing annotations say of an image read often enough; Conflict otherwise.

        It holds until an annotation is added to the image or withdrawn from it: then it was made of other annotations.
        """

        def work(connection: Connection) -> ImageRow:
            row = self._row(connection, image)
            if row["status"] not in DECIDABLE:
                needed = "a finding is chosen for images that were read often enough, can be read and are not excluded"
                raise Conflict(f"image {image!r} is {row['status']}: {needed}")
            standing = self._active(connection, annotation_table.c.image == image)
            counting = [said for said in standing if same_pixels(said["fingerprint"], row["fingerprint"])]
            if not says(counting, finding):
                choice = ", ".join(sorted({repr(said["finding"]) for said in counting})) or "none"
                raise Conflict(f"no standing annotation of image {image!r} says {finding!r}; said is: {choice}")
            decision = {"finding": finding, "by": by, "at": time.time(), "reason": reason}
            values = self._meaning(connection, {**row, "decision": decision}, standing, row["fingerprint"])
            self._change(connection, [(row, values)])
            self._db.log(connection, "settle", by, image, {"finding": finding, "reason": reason})
            return image_row(self._row(connection, image))

        return self._db.write(work)


def _cursor_behind(suspect: Suspect) -> str:
    if suspect.kind == "disagree":
        return write_cursor("review", (suspect.image, 0, ""))
    return write_cursor("review", ("", suspect.annotations[0].id, suspect.kind))
