"""Predictions and scores: what the model says of each image, and which of it is out of date."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from heapq import merge
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, func, select

from xal.arrays import Float64Array
from xal.errors import BadInput
from xal.method.acquisition import margin, roi_confidence, telling
from xal.store.engine import CHUNK
from xal.store.pool import ImageRows, Values, freshness, image_row
from xal.store.ranking import ranked
from xal.store.rows import Candidates, ImageRow, PredictionRow, Rule
from xal.store.schema import NO_PLACE, UNSCORED, images, predictions, versions


class Predictions(ImageRows):
    """The part of the store that keeps what the model says."""

    def stale(self, version: int, limit: int, after: str | None = None) -> list[tuple[ImageRow, str | None]]:
        """Open images whose prediction is missing or of another version, fingerprint or ROI; by id, with the ROI key.

        An image counts as read once its prediction's fingerprint is the image's own: say it to `images.set_facts` too.
        """

        def work(connection: Connection) -> list[Values]:
            runs = []
            for other in self._other_versions(connection, version):
                query = select(images).where(self._db.mine(images), images.c.open.is_(True), images.c.fresh == other)
                if after is not None:
                    query = query.where(images.c.id > after)
                runs.append(connection.execute(query.order_by(images.c.id).limit(limit)).mappings().all())
            return list(islice(merge(*runs, key=lambda row: str(row["id"])), limit))

        return [(image_row(row), row["roi_key"]) for row in self._db.read(work)]

    def of_version(self, version: int, limit: int, after: str | None = None) -> list[PredictionRow]:
        """What this version says of open images, of their pixels and ROIs as they are now; by id."""
        which = images.c.open.is_(True) & (images.c.fresh == version)
        query = (
            select(predictions)
            .join(images, (predictions.c.image == images.c.id) & self._db.mine(predictions))
            .where(self._db.mine(images), which)
            .order_by(images.c.id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(images.c.id > after)
        return [_prediction(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def forget(self, ids: Sequence[str]) -> None:
        """The network is to read these images again."""
        stale = images.update().where(self._db.mine(images), images.c.id == bindparam("key")).values(fresh=0)
        if ids:
            self._db.write(lambda c: c.execute(stale, [{"key": image} for image in ids]))

    def forget_closed(self, version: int) -> None:
        """The network is to read what no reader waits for again, should it be open once more."""
        closed = images.c.open.is_(False) & (images.c.fresh == version)
        self._db.write(lambda c: c.execute(images.update().where(self._db.mine(images), closed).values(fresh=0)))

    def _other_versions(self, connection: Connection, version: int) -> list[int]:
        """The values of `fresh` among open images but this version, each found in one step through the index."""
        found: list[int] = []
        lowest = -1
        while True:
            fresh = (images.c.fresh > lowest) & images.c.open.is_(True)
            value = connection.execute(select(func.min(images.c.fresh)).where(self._db.mine(images), fresh)).scalar()
            if value is None:
                return found
            if value != version:
                found.append(value)
            lowest = value

    def stale_count(self, version: int) -> int:
        """How many images `stale` would list in all."""

        def work(connection: Connection) -> int:
            which = images.c.open.is_(True) & images.c.fresh.in_(self._other_versions(connection, version))
            query = select(func.count()).select_from(images).where(self._db.mine(images), which)
            return int(connection.execute(query).scalar() or 0)

        return self._db.read(work)

    def save(self, rows: Iterable[PredictionRow], rule: Rule | None) -> int:
        """Replace predictions and rank their images by this rule (None: they keep their scores); how many were kept.

        Skipped: images deleted meanwhile, and predictions of another version where one of the version in use is already
        there (a job that outlived a publish must not undo it).
        """
        new = list({row.image: row for row in rows}.values())
        for row in new:
            _check(row)

        def work(connection: Connection) -> int:
            names = [row.image for row in new]
            known = {name: row for name, row in self._rows(connection, names).items() if row["state"] != "deleted"}
            kept = self._not_outlived(connection, [row for row in new if row.image in known])
            if not kept:
                return 0
            now = time.time()
            values = [{**self._db.scope, **vars(row), "created_at": now} for row in kept]
            self._db.upsert(connection, predictions, values)
            scores = [
                {
                    "key": row.image,
                    "new_uncertainty": row.uncertainty,
                    "new_margin": _margin(row),
                    "new_telling": _telling(row),
                    "new_misalignment": row.misalignment,
                    "new_other_misalignment": row.other_misalignment,
                    "new_roi_source": row.roi_source,
                    "new_version": row.version,
                    "new_fresh": freshness(vars(row), known[row.image]["fingerprint"], known[row.image]["roi_key"]),
                }
                for row in kept
            ]
            columns: dict[str, Any] = {
                name.removeprefix("new_"): bindparam(name) for name in scores[0] if name != "key"
            }
            update = images.update().where(self._db.mine(images), images.c.id == bindparam("key")).values(columns)
            connection.execute(update, scores)
            saved = [row.image for row in kept]
            if rule is not None:
                for start in range(0, len(saved), CHUNK):
                    some = images.c.id.in_(saved[start : start + CHUNK])
                    connection.execute(images.update().where(self._db.mine(images), some).values(score=ranked(rule)))
            return len(kept)

        return self._db.write(work)

    def _not_outlived(self, connection: Connection, rows: Sequence[PredictionRow]) -> list[PredictionRow]:
        """The predictions that do not replace one of the version in use by one of another version."""
        in_use = select(versions.c.version).where(self._db.mine(versions), versions.c.current.is_(True))
        current = connection.execute(in_use).scalar()
        if current is None or all(row.version == current for row in rows):
            return list(rows)
        names = [row.image for row in rows]
        newer = {name for name, row in self._rows(connection, names).items() if row["version"] == current}
        return [row for row in rows if row.version == current or row.image not in newer]

    def rerank(self, rule: Rule) -> int:
        """Rank every image that has a prediction anew, in one statement; how many changed."""
        score = ranked(rule)
        scored = (images.c.uncertainty != UNSCORED) & (images.c.score != score)

        def work(connection: Connection) -> int:
            changed = connection.execute(
                images.update().where(self._db.mine(images), scored).values(score=score)
            ).rowcount
            self._db.log(connection, "rerank", detail={**asdict(rule), "changed": changed})
            return changed

        return self._db.write(work)

    def rank(self, values: Mapping[str, float]) -> None:
        """Rank these images by values that were found otherwise."""
        if not values:
            return
        update = images.update().where(self._db.mine(images), images.c.id == bindparam("key"))
        rows = [{"key": image, "new_score": value} for image, value in values.items()]
        self._db.write(lambda c: c.execute(update.values(score=bindparam("new_score")), rows))

    def misalignments(self, version: int, *, other: bool = False) -> Float64Array:
        """The misalignments (or the other ones) of open images scored by this version, where they have a meaning."""
        wrong = images.c.other_misalignment if other else images.c.misalignment
        which = images.c.open.is_(True) & (images.c.version == version) & wrong.is_not(None)
        query = select(wrong).where(self._db.mine(images), which)
        return np.array(self._db.read(lambda c: c.execute(query).scalars().all()), dtype=np.float64)

    def candidates(self, version: int) -> Candidates:
        """What this version says of the open images that it scored, for choosing several of them together."""
        which = images.c.open.is_(True) & (images.c.fresh == version)
        query = (
            select(
                images.c.id,
                images.c.score,
                images.c.uncertainty,
                predictions.c.finding,
                predictions.c.probabilities,
                predictions.c.embedding,
            )
            .join(predictions, (predictions.c.image == images.c.id) & self._db.mine(predictions))
            .where(self._db.mine(images), which)
            .order_by(images.c.id)
        )
        rows = self._db.read(lambda c: c.execute(query).all())
        return Candidates(
            ids=[row.id for row in rows],
            scores=np.array([row.score for row in rows], np.float64),
            uncertainty=np.array([row.uncertainty for row in rows], np.float64),
            predicted=[row.finding for row in rows],
            probabilities=[row.probabilities for row in rows],
            embeddings=np.array([row.embedding for row in rows], np.float64).reshape(len(rows), -1 if rows else 0),
        )

    def line_up(self, ids: Sequence[str]) -> None:
        """These images come next, in this order, whatever their score; without any the score alone counts."""

        def work(connection: Connection) -> None:
            placed = images.c.place != NO_PLACE
            freed = connection.execute(images.update().where(self._db.mine(images), placed).values(place=NO_PLACE))
            if ids:
                update = images.update().where(self._db.mine(images), images.c.id == bindparam("key"))
                values = [{"key": image, "new_place": place} for place, image in enumerate(ids)]
                connection.execute(update.values(place=bindparam("new_place")), values)
            if ids or freed.rowcount:
                self._db.log(connection, "line_up", detail={"images": len(ids)})

        self._db.write(work)

    def move(self, image: str, *, risen: bool) -> None:
        """Give an open image the place in the line-up that its score has by now; none where all of that rank higher.

        A line-up need not be sorted by score: a batch is chosen for variety, too. So a score that has `risen` never
        puts the image behind where it was, and one that has fallen never before it.
        """

        def work(connection: Connection) -> None:
            row = self._row(connection, image)
            open_ones = self._db.mine(images) & images.c.open.is_(True) & (images.c.place != NO_PLACE)
            query = select(images.c.id, images.c.score).where(open_ones).order_by(images.c.place)
            lined_up = connection.execute(query).all()
            others = [other for other in lined_up if other.id != image]
            if not row["open"] or not others:
                return
            before = next((n for n, other in enumerate(lined_up) if other.id == image), len(others))
            if risen:
                place = next((n for n, other in enumerate(others) if other.score < row["score"]), len(others))
                place = min(place, before)
            else:
                higher = [n for n, other in enumerate(others) if other.score >= row["score"]]
                place = max(before, 1 + max(higher, default=-1))
            ids = [other.id for other in others]
            placed = {name: n for n, name in enumerate([*ids[:place], image, *ids[place:]])}
            if place == len(others):
                placed[image] = NO_PLACE
            update = images.update().where(self._db.mine(images), images.c.id == bindparam("key"))
            values = [{"key": name, "new_place": n} for name, n in placed.items()]
            connection.execute(update.values(place=bindparam("new_place")), values)

        self._db.write(work)

    def get(self, image: str) -> PredictionRow | None:
        """The latest prediction of an image."""
        query = select(predictions).where(self._db.mine(predictions), predictions.c.image == image)
        row = self._db.read(lambda c: c.execute(query).mappings().first())
        return None if row is None else _prediction(row)


def _margin(row: PredictionRow) -> float:
    return float(margin(list(row.probabilities.values())))


def _telling(row: PredictionRow) -> float:
    """How much an outline would tell; nothing where a person drew one."""
    if row.roi_source == "drawn":
        return UNSCORED
    return telling(row.uncertainty, 0.0 if row.proposed is None else roi_confidence(row.proposed))


def _prediction(row: Values) -> PredictionRow:
    return PredictionRow(**{name: row[name] for name in PredictionRow.__dataclass_fields__})


def _check(row: PredictionRow) -> None:
    """A NaN would sort first or last, depending on the database, and poison every list it is in."""
    numbers: dict[str, Any] = {"uncertainty": row.uncertainty, **row.probabilities}
    optional = {"misalignment": row.misalignment, "overlap": row.overlap, "energy": row.energy}
    numbers.update({name: value for name, value in optional.items() if value is not None})
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise BadInput(f"the prediction of image {row.image!r} has {name} {value}")
