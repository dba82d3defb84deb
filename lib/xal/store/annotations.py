"""Annotations: handed in once, never overwritten, and what they settle."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, Connection, func, or_, select, true

from xal.errors import Conflict
from xal.store.pool import Values, image_row
from xal.store.rows import AnnotationRow, Blind, ImageRow, NewAnnotation, SettledImage
from xal.store.schema import annotation_table, given, images, leases
from xal.store.settling import IS_REGION, same_pixels
from xal.store.standing import Standing, annotation_row
from xal.task import REGION, ReadingSettings

NEVER = 0.0
"""When Next Sample gave an image that comes behind the others for a reader who has outlined it without a finding."""


class Annotations(Standing):
    """The part of the store that keeps what readers hand in."""

    def add(
        self,
        new: NewAnnotation,
        write_label: Callable[[int], str],
        readings: ReadingSettings,
        *,
        revises: int | None = None,
        now: float | None = None,
    ) -> tuple[AnnotationRow, bool]:
        """Store a submission and settle the image; (row, True), or (the first result, False) for one sent again.

        Sent again means: the same reader, image, pixels, bytes, finding and outline as that reader's latest standing
        annotation, or the same `submission_id`; for an import, as any ever imported. `write_label(revision)` writes the
        label file durably and returns its relative path; it is called inside the transaction, right before the row is
        inserted, and must not write to the store itself. If it raises, nothing is stored. After a crash between file
        and row, the next submission gets the same revision and path. NotFound for an unknown or deleted image; Conflict
        where a `submission_id` was already used for another image.

        It takes the place of the annotation that it `revises`, and of that reader's earlier ones of the image: they are
        withdrawn in the same transaction. Conflict if that does not stand, or if this reader has one that does.

        An outline without a finding settles nothing, and takes no place but that of this reader's earlier one.
        """
        is_region = new.finding == REGION

        def work(connection: Connection) -> tuple[AnnotationRow, bool]:
            at = time.time() if now is None else now
            image = self._row(connection, new.image)
            first = self._sent_before(connection, new, anew=revises is not None)
            if first is not None:
                return annotation_row(first), False
            if revises is not None:
                self._give_way(connection, revises, new, at)
            offered = seconds = None
            if new.source == "reader":
                offered = self._take_back_offer(connection, new.image, new.reader, is_done=not is_region)
                seconds = self._seconds(connection, new.reader, offered, at)
                if is_region and offered is None:
                    self._note_given(connection, new.image, new.reader, NEVER)
                self._meet(connection, new.reader, at)
                if not is_region and (not image["labelled"] or image["required"] is None):
                    image = {**image, "required": self._required(connection, new, readings)}
            last = select(func.max(annotation_table.c.revision)).where(self._by(new.image, new.reader))
            revision = (connection.execute(last).scalar() or 0) + 1
            path = write_label(revision)
            said = {**vars(new), "revision": revision, "label_path": path, "active": True}
            values = {**said, "created_at": at, "seconds": seconds}
            number = self._db.insert(connection, annotation_table, values)
            kind = REGION if is_region else "submit" if new.source == "reader" else "import"
            detail = {"annotation": number, "revision": revision, "finding": new.finding, "offered_at": offered}
            self._db.log(connection, kind, new.reader, new.image, detail)
            self._follow(connection, image, new)
            return self._annotation(connection, number), True

        return self._db.write(work)

    def withdraw(self, annotation: int, by: str) -> AnnotationRow:
        """Take an annotation back: it stays as a tombstone, the image returns to the pool if it must.

        The reader's latest revision that still stands, if there is one, becomes the active one again. Withdrawing
        twice changes nothing.
        """

        def work(connection: Connection) -> AnnotationRow:
            row = self._annotation(connection, annotation)
            if row.withdrawn_at is not None:
                return row
            gone = {"withdrawn_at": time.time(), "withdrawn_by": by}
            connection.execute(annotation_table.update().where(annotation_table.c.id == annotation).values(gone))
            self._db.log(connection, "withdraw", by, row.image, {"annotation": annotation, "of": row.reader})
            self._follow(connection, self._row(connection, row.image, deleted=True), row)
            self._send_what_stands_again(connection, row)
            self._reject_what_was_sent(connection, row)
            return self._annotation(connection, annotation)

        return self._db.write(work)

    def _give_way(self, connection: Connection, annotation: int, new: NewAnnotation, at: float) -> None:
        """What another reader said of the image stands no more: `new` takes its place."""
        row = self._annotation(connection, annotation)
        if row.image != new.image or not row.active or (row.finding == REGION) != (new.finding == REGION):
            raise Conflict(f"annotation {annotation} of image {new.image!r} does not stand: there is nothing to revise")
        if row.reader == new.reader:
            return  # a new revision takes the place of the one before anyway
        own = self._by(new.image, new.reader) & annotation_table.c.active.is_(True) & self._like(new)
        if connection.execute(select(annotation_table.c.id).where(own)).first() is not None:
            raise Conflict(
                f"{new.reader!r} has a reading of image {new.image!r} that stands: one of two readings would be lost. "
                "Settle the finding, or withdraw the wrong one"
            )
        standing = self._by(new.image, row.reader) & annotation_table.c.withdrawn_at.is_(None) & self._like(new)
        gone = {"withdrawn_at": at, "withdrawn_by": new.reader, "active": False}
        connection.execute(annotation_table.update().where(standing).values(gone))
        self._reject_what_was_sent(connection, row)
        self._db.log(connection, "revise", new.reader, new.image, {"annotation": annotation, "of": row.reader})

    def sent_before(self, image: str, reader: str, submission_id: str | None) -> AnnotationRow | None:
        """The annotation of this image that the reader's submission of that number already became."""
        row = self._db.read(lambda c: self._numbered(c, image, reader, submission_id))
        return None if row is None else annotation_row(row)

    def _numbered(self, connection: Connection, image: str, reader: str, submission_id: str | None) -> Values | None:
        if submission_id is None:
            return None
        same = (annotation_table.c.submission_id == submission_id) & (annotation_table.c.reader == reader)
        row = (
            connection.execute(select(annotation_table).where(self._db.mine(annotation_table), same)).mappings().first()
        )
        if row is not None and row["image"] != image:
            raise Conflict(f"submission_id {submission_id!r} was already used for image {row['image']!r}")
        return row

    def _sent_before(self, connection: Connection, new: NewAnnotation, anew: bool) -> Values | None:
        """The annotation that this submission already became; `anew`: going by its number only."""
        numbered = self._numbered(connection, new.image, new.reader, new.submission_id)
        if numbered is not None:
            return numbered
        if anew:
            return None
        if new.source == "import":
            return self._imported_before(connection, new)
        standing = self._by(new.image, new.reader) & annotation_table.c.active.is_(True) & _says_the_same(new)
        row = connection.execute(select(annotation_table).where(standing)).mappings().first()
        same_again = (
            row is not None
            and same_pixels(row["fingerprint"], new.fingerprint)
            and (row["file_problem"] is None or row["file_sha256"] == new.file_sha256)  # then it makes the file whole
        )
        return row if same_again else None

    def _imported_before(self, connection: Connection, new: NewAnnotation) -> Values | None:
        """This label as imported earlier, be it withdrawn, superseded or on a file that was replaced since."""
        same = (annotation_table.c.source == "import") & _says_the_same(new)
        query = select(annotation_table).where(self._by(new.image, new.reader), same)
        return connection.execute(query).mappings().first()

    def _take_back_offer(
        self, connection: Connection, image: str, reader: str, *, is_done: bool = True
    ) -> float | None:
        """End the reader's lease; when the image was given to this reader, which is forgotten if that is done with."""
        lease = (leases.c.image == image) & (leases.c.reader == reader)
        connection.execute(leases.delete().where(self._db.mine(leases), lease))
        offer = self._db.mine(given) & (given.c.image == image) & (given.c.reader == reader)
        at = connection.execute(select(given.c.at).where(offer)).scalar()
        if is_done:
            connection.execute(given.delete().where(offer))
        return at

    def _seconds(self, connection: Connection, reader: str, offered: float | None, at: float) -> float | None:
        """How long the reader had the image and handed in nothing; None where it was not given by Next Sample."""
        if not offered:
            return None
        query = select(annotation_table.c.created_at).where(
            self._db.mine(annotation_table), annotation_table.c.reader == reader, annotation_table.c.source == "reader"
        )
        before = connection.execute(query.order_by(annotation_table.c.id.desc()).limit(1)).scalar() or 0.0
        return max(at - max(offered, before), 0.0)

    def get(self, annotation: int) -> AnnotationRow:
        """One annotation by number; NotFound if there is none."""
        return self._db.read(lambda c: self._annotation(c, annotation))

    def find(
        self,
        image: str | None = None,
        *,
        reader: str | None = None,
        active_only: bool = True,
        regions: bool = False,
        told_to: Blind | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[AnnotationRow]:
        """Annotations, oldest first; at most `limit` of those `after` a number.

        `regions`: those without a finding, too; as far as whom they are `told_to` may know of them.
        """
        query = select(annotation_table).where(self._db.mine(annotation_table)).order_by(annotation_table.c.id)
        query = query.limit(limit)
        if after is not None:
            query = query.where(annotation_table.c.id > after)
        if image is not None:
            query = query.where(annotation_table.c.image == image)
        if reader is not None:
            query = query.where(annotation_table.c.reader == reader)
        if active_only:
            query = query.where(annotation_table.c.active.is_(True))
        query = query.where(self._may_be_told(told_to) if regions else ~IS_REGION)
        return [annotation_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def _may_be_told(self, reader: Blind | None) -> ColumnElement[bool]:
        """Annotations that this reader may know of; None: all."""
        if reader is None:
            return true()
        said = annotation_table.alias("said")
        handed_in = self._db.mine(said) & (said.c.image == annotation_table.c.image) & (said.c.finding != REGION)
        if reader.by is not None:
            handed_in &= said.c.reader == reader.by
        seen = select(said.c.id).where(handed_in).correlate(annotation_table).exists()
        return or_(~IS_REGION, annotation_table.c.reader == reader.name, seen)

    def latest(self, image: str) -> AnnotationRow | None:
        """The newest active annotation of an image, whoever made it."""
        return next(iter(reversed(self.find(image))), None)

    def handed_in(self, image: str, reader: str | None) -> bool:
        """Whether this reader (None: anyone) ever handed in this image; withdrawn ones count, they were seen.

        Who only outlined a region has named no finding yet.
        """
        query = (
            select(annotation_table.c.id)
            .where(self._db.mine(annotation_table), annotation_table.c.image == image, ~IS_REGION)
            .limit(1)
        )
        if reader is not None:
            query = query.where(annotation_table.c.reader == reader)
        return self._db.read(lambda c: c.execute(query).first()) is not None

    def was_given(self, image: str, reader: str) -> bool:
        """Whether Next Sample gave this reader this image, which the reader has not handed in since."""
        offer = self._db.mine(given) & (given.c.image == image) & (given.c.reader == reader)
        return bool(self._db.read(lambda c: c.execute(select(given.c.at).where(offer)).scalar()))

    def chosen_by(self, image: str, reader: str) -> str | None:
        """By which method Next Sample chose this image for this reader; None where it did not, or did not say."""
        offer = self._db.mine(given) & (given.c.image == image) & (given.c.reader == reader)
        return self._db.read(lambda c: c.execute(select(given.c.chosen_by).where(offer)).scalar())

    def set_label_file(
        self, annotation: int, *, size: int | None = None, sha256: str | None = None, problem: str | None = None
    ) -> None:
        """Note what is wrong with a label file, or that nothing is; and its size and digest where none are known."""
        known = annotation_table.c
        values = {
            "file_size": func.coalesce(known.file_size, size),
            "file_sha256": func.coalesce(known.file_sha256, sha256),
            "file_problem": problem,
        }
        mine = self._db.mine(annotation_table) & (known.id == annotation)
        self._db.write(lambda c: c.execute(annotation_table.update().where(mine).values(values)))

    def damaged(self, limit: int | None = None, after: int = 0, told_to: Blind | None = None) -> list[AnnotationRow]:
        """Annotations whose label file is not as it was handed in, oldest first; at most `limit` of those `after`."""
        mine = self._db.mine(annotation_table) & annotation_table.c.file_problem.is_not(None)
        mine &= self._may_be_told(told_to)
        query = select(annotation_table).where(mine, annotation_table.c.id > after).order_by(annotation_table.c.id)
        return [annotation_row(row) for row in self._db.read(lambda c: c.execute(query.limit(limit)).mappings().all())]

    def damaged_count(self) -> int:
        """How many these are."""
        mine = self._db.mine(annotation_table) & annotation_table.c.file_problem.is_not(None)
        query = select(func.count()).select_from(annotation_table).where(mine)
        return int(self._db.read(lambda c: c.execute(query).scalar()) or 0)

    def unless_label_is_named(self, path: str, work: Callable[[], None]) -> None:
        """Do this if no annotation has its label file there.

        It is asked as a writer: a transaction of whose end nobody was told has come to its end by then.
        """
        mine = self._db.mine(annotation_table) & (annotation_table.c.label_path == path)

        def ask(connection: Connection) -> None:
            if connection.execute(select(annotation_table.c.id).where(mine).limit(1)).first() is None:
                work()

        self._db.write(ask)

    def counts(self) -> list[tuple[str, str, int]]:
        """Finding, reader, and how many annotations that stand are this finding by this reader."""
        columns = (annotation_table.c.finding, annotation_table.c.reader)
        query = (
            select(*columns, func.count())
            .where(self._db.mine(annotation_table), annotation_table.c.active.is_(True), ~IS_REGION)
            .group_by(*columns)
            .order_by(*columns)
        )
        return [(finding, reader, count) for finding, reader, count in self._db.read(lambda c: c.execute(query).all())]

    def durations(self) -> tuple[list[float], list[float]]:
        """Seconds that readings with an outline took, and those without one; withdrawn ones took them, too.

        What its reader had outlined without a finding before is part of a reading. If that was not timed, the reading
        was not, either.
        """
        known = annotation_table.c
        columns = (known.image, known.reader, known.finding, known.seconds, known.roi_voxels > 0)
        theirs = self._db.mine(annotation_table) & (known.source == "reader")
        rows = self._db.read(lambda c: c.execute(select(*columns).where(theirs).order_by(known.id)).all())
        before: dict[tuple[str, str], list[float | None]] = defaultdict(list)
        outlined: list[float] = []
        alone: list[float] = []
        for image, reader, finding, seconds, drawn in rows:
            if finding == REGION:
                before[image, reader].append(seconds)
                continue
            regions = before.pop((image, reader), [])
            parts = [part for part in (*regions, seconds) if part is not None]
            if len(parts) > len(regions):
                (outlined if drawn or regions else alone).append(sum(parts))
        return outlined, alone

    def settled(self) -> list[SettledImage]:
        """Images to train on: settled finding, file there and readable, not excluded; ordered by id.

        Their annotations are those of this finding, drawn on the pixels that the image has now.
        """
        usable = (images.c.finding.is_not(None)) & (images.c.state == "ok") & (images.c.excluded.is_(None))
        query = select(images).where(self._db.mine(images), images.c.labelled.is_(True), usable).order_by(images.c.id)

        def work(connection: Connection) -> tuple[Sequence[Values], Sequence[Values]]:
            rows = connection.execute(query).mappings().all()
            return rows, self._active(connection, annotation_table.c.active.is_(True))

        rows, active = self._db.read(work)
        of_image: dict[str, list[AnnotationRow]] = defaultdict(list)
        for row in active:
            of_image[row["image"]].append(annotation_row(row))
        return [
            SettledImage(
                image_row(row),
                row["finding"],
                [
                    annotation
                    for annotation in of_image[row["id"]]
                    if annotation.finding == row["finding"] and same_pixels(annotation.fingerprint, row["fingerprint"])
                ],
            )
            for row in rows
        ]

    def only_outlined(self) -> list[ImageRow]:
        """Images that have an ROI to be scored by, and of which nobody has named a finding; ordered by id.

        As `settled`: their file is there and readable, and they are not excluded.
        """
        usable = (images.c.state == "ok") & images.c.excluded.is_(None)
        which = images.c.labelled.is_(False) & images.c.roi_key.is_not(None) & usable
        query = select(images).where(self._db.mine(images), which).order_by(images.c.id)
        return [image_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def outlined_by(self, at: float) -> set[str]:
        """Images on which readers had outlined something without naming a finding; withdrawn ones count."""
        early = IS_REGION & (annotation_table.c.created_at <= at)
        query = select(annotation_table.c.image).where(self._db.mine(annotation_table), early).distinct()
        return set(self._db.read(lambda c: c.execute(query).scalars().all()))

    def drawn_roi(self, image: str) -> list[AnnotationRow]:
        """The active annotations of an image whose ROIs count, on the pixels it has now.

        Where readers outlined a finding, it is that; else the outlines without one.
        """
        now = self._db.read(lambda c: self._row(c, image, deleted=True))["fingerprint"]
        outlined = [
            row for row in self.find(image, regions=True) if row.roi_voxels > 0 and same_pixels(row.fingerprint, now)
        ]
        return [row for row in outlined if row.finding != REGION] or outlined


def _says_the_same(new: NewAnnotation) -> ColumnElement[bool]:
    """Of an annotation: it came of the same bytes, which meant the same.

    Digests of former versions end before the dot: of what the bytes meant, the finding and the voxels of the ROI tell.
    """
    known = annotation_table.c
    former = (known.digest == new.digest.partition(".")[0]) & (known.roi_voxels == new.roi_voxels)
    return (known.finding == new.finding) & ((known.digest == new.digest) | former)
