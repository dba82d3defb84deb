"""Tables and indices.

Every table carries (pool, task), so that one database can serve several. What the queue needs is denormalised onto
the image's row (`open`, `score`, `fresh`) and into `tallies`, and kept by every writer in the same transaction: Next
Sample and the progress bar then cost the same at a hundred images and at a million.
"""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator

from xal.arrays import of_npy
from xal.method.story import Story

UNSCORED = -1.0
"""Sorts behind every score on both databases, which disagree about where NULL belongs."""
NO_PLACE = 2**31 - 1
"""Sorts behind every place in the line-up."""


class Json(TypeDecorator[Any]):
    """JSON that others can read: no NaN and no infinity."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Python value → text."""
        return None if value is None else json.dumps(value, allow_nan=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Text → Python value; half characters, which earlier versions took and no reply can hold, become "?"."""
        if value is None:
            return None
        known = json.loads(value)
        return _healed(known) if "\\ud" in value else known


def is_text(value: str) -> bool:
    """Whether it can be written: JSON may hold half of a character that takes two."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _healed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_healed(key): _healed(part) for key, part in value.items()}
    return [_healed(part) for part in value] if isinstance(value, list) else value


class StoryJson(Json):
    """A story, as JSON."""

    cache_ok = True

    def process_bind_param(self, value: Story | None, dialect: Dialect) -> str | None:
        """Story → text."""
        return super().process_bind_param(None if value is None else value.as_json(), dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> Story | None:
        """Text → story, also of an earlier version."""
        kept = super().process_result_value(value, dialect)
        return None if kept is None else Story.from_json(kept)


class HalfArray(TypeDecorator[Any]):
    """A compressed array in half precision: attention needs no more, and there is one for every image."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        """Array → compressed .npy."""
        if value is None:
            return None
        half = np.asarray(value, dtype=np.float16)
        if not np.isfinite(half).all():
            raise ValueError("an array of a prediction has values that are not finite in half precision")
        buffer = io.BytesIO()
        np.save(buffer, half, allow_pickle=False)
        return zlib.compress(buffer.getvalue(), 1)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Compressed .npy → array."""
        return None if value is None else of_npy(zlib.decompress(value))


# Bytewise on PostgreSQL as on SQLite and in Python, so that "after this id" means the same everywhere.
Name = String().with_variant(String(collation="C"), "postgresql")

metadata = MetaData()


def _table(name: str, key: tuple[str, ...], *columns: SchemaItem) -> Table:
    """A table of things of one (pool, task), known by `key`; of no key, by a number of its own."""
    scope = (Column("pool", Name, nullable=False), Column("task", Name, nullable=False))
    own = PrimaryKeyConstraint("pool", "task", *key) if key else Column("id", Integer, primary_key=True)
    return Table(name, metadata, *scope, *columns, own, sqlite_autoincrement=not key)


def _of_image() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["pool", "task", "image"], ["images.pool", "images.task", "images.id"])


images = _table(
    "images", ("id",),
    Column("id", Name, nullable=False),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("state", Name, nullable=False),
    Column("problem", Text),
    Column("checksum", Text),
    Column("fingerprint", Name),
    Column("info", Json, nullable=False),
    Column("excluded", Text),
    Column("excluded_by", Text),
    Column("required", Integer),  # readings it takes, decided at the first one
    Column("complete", Boolean, nullable=False),  # read often enough
    Column("finding", Name),
    Column("labelled", Boolean, nullable=False),
    Column("outdated", Boolean, nullable=False),  # a standing annotation was drawn on other pixels
    Column("decision", Json),  # a reviewer's, where readings disagree; gone as soon as they change
    Column("open", Boolean, nullable=False),
    Column("status", Name, nullable=False),  # what a person would say of it
    Column("score", Float, nullable=False),
    Column("place", Integer, nullable=False),  # in the batch that comes before all others
    Column("uncertainty", Float, nullable=False),
    Column("misalignment", Float),
    Column("other_misalignment", Float),
    Column("margin", Float, nullable=False),  # 1 where two findings are equally likely, 0 where one is sure
    Column("roi_source", Text),
    Column("telling", Float, nullable=False),  # how much an outline would tell; UNSCORED where there is one
    Column("version", Integer),
    Column("roi_key", Text),  # the ROIs drawn by now
    Column("fresh", Integer, nullable=False),  # version of a prediction of these pixels and ROIs, 0 if there is none
    Column("shuffle", BigInteger, nullable=False),
    Column("added_at", Float, nullable=False),
    Column("outline_wanted", Boolean),  # of those who read it; empty until that is decided
)  # fmt: skip
Index(
    "images_by_score",
    images.c.pool, images.c.task, images.c.open, images.c.place, images.c.score.desc(), images.c.shuffle,
)  # fmt: skip
Index(
    "images_by_uncertainty", images.c.pool, images.c.task, images.c.open, images.c.uncertainty.desc(), images.c.shuffle
)
Index("images_by_telling", images.c.pool, images.c.task, images.c.open, images.c.telling.desc(), images.c.shuffle)
Index(
    "images_by_source",
    images.c.pool, images.c.task, images.c.open, images.c.roi_source,
    images.c.place, images.c.score.desc(), images.c.shuffle,
)  # fmt: skip
Index("images_by_status", images.c.pool, images.c.task, images.c.status, images.c.id)
Index("images_by_shuffle", images.c.pool, images.c.task, images.c.open, images.c.shuffle)
Index("images_by_freshness", images.c.pool, images.c.task, images.c.open, images.c.fresh, images.c.id)
Index("images_by_version", images.c.pool, images.c.task, images.c.open, images.c.version, images.c.misalignment)
Index("images_by_label", images.c.pool, images.c.task, images.c.labelled, images.c.id)
Index("images_by_fingerprint", images.c.pool, images.c.task, images.c.fingerprint, images.c.id)

tallies = _table(
    "tallies", ("state", "open", "labelled", "excluded", "finding"),
    Column("state", Name, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("labelled", Boolean, nullable=False),
    Column("excluded", Boolean, nullable=False),
    Column("finding", Name, nullable=False),  # "" for none
    Column("n", Integer, nullable=False),
)  # fmt: skip

readers = _table(
    "readers", ("reader",),
    Column("reader", Name, nullable=False),
    Column("first_seen", Float, nullable=False),
)  # fmt: skip

leases = _table(
    "leases", ("image",),
    Column("image", Name, nullable=False),
    Column("reader", Name, nullable=False),
    Column("until", Float, nullable=False),
    _of_image(),
)  # fmt: skip
Index("leases_by_end", leases.c.pool, leases.c.task, leases.c.until)

given = _table(
    "given", ("reader", "image"),
    Column("reader", Name, nullable=False),
    Column("image", Name, nullable=False),
    Column("turn", Integer, nullable=False),  # counts a reader's offers: clocks may jump
    Column("at", Float, nullable=False),  # 0: not by Next Sample, the reader outlined it without a finding
    Column("chosen_by", Name),  # the method, where Next Sample gave it
    _of_image(),
)  # fmt: skip
Index("given_by_turn", given.c.pool, given.c.task, given.c.reader, given.c.turn)

shown = _table(
    "shown", ("reader", "image"),
    Column("reader", Name, nullable=False),
    Column("image", Name, nullable=False),
    Column("servings", Json, nullable=False),  # what this reader was sent of others' outlines, each once
    _of_image(),
)  # fmt: skip

annotation_table = _table(
    "annotations", (),
    Column("image", Name, nullable=False),
    Column("reader", Name, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("finding", Name, nullable=False),
    Column("roi_voxels", BigInteger, nullable=False),
    Column("roi_volume", Float, nullable=False),
    Column("label_path", Text, nullable=False),
    Column("label_info", Json, nullable=False),
    Column("params", Json, nullable=False),
    Column("story", StoryJson),
    Column("digest", Name, nullable=False),
    Column("fingerprint", Name),  # of the pixels it was drawn on
    Column("submission_id", Name),
    Column("source", Name, nullable=False),
    Column("centre", Json),  # of the ROI, as a share of the image along its axes
    Column("active", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("withdrawn_at", Float),
    Column("withdrawn_by", Text),
    Column("file_size", BigInteger),  # of the label file
    Column("file_sha256", Text),
    Column("file_problem", Text),  # what is wrong with it
    Column("seconds", Float),  # from when its reader was given the image, where that is known
    UniqueConstraint("pool", "task", "image", "reader", "revision"),
    _of_image(),
)  # fmt: skip
Index(
    "annotations_by_reader",
    annotation_table.c.pool, annotation_table.c.task, annotation_table.c.reader, annotation_table.c.id,
)  # fmt: skip
Index(
    "annotations_by_finding",
    annotation_table.c.pool, annotation_table.c.task, annotation_table.c.finding, annotation_table.c.id,
)  # fmt: skip
Index("annotations_in_order", annotation_table.c.pool, annotation_table.c.task, annotation_table.c.id)
_damaged = annotation_table.c.file_problem.is_not(None)
Index(
    "annotations_damaged",
    annotation_table.c.pool, annotation_table.c.task, annotation_table.c.id,
    sqlite_where=_damaged, postgresql_where=_damaged,
)  # fmt: skip
Index("annotations_by_submission", annotation_table.c.pool, annotation_table.c.task, annotation_table.c.submission_id)

# The table keeps the name that it had, so that older stores go on working.
predictions = _table(
    "readings", ("image",),
    Column("image", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("fingerprint", Name, nullable=False),
    Column("roi_key", Text),
    Column("finding", Name, nullable=False),
    Column("probabilities", Json, nullable=False),
    Column("uncertainty", Float, nullable=False),
    Column("misalignment", Float),
    Column("other_misalignment", Float),  # by the comparison that the task does not ask for
    Column("overlap", Float),
    Column("energy", Float),
    Column("roi_source", Text, nullable=False),
    Column("attention", HalfArray, nullable=False),
    Column("evidence", HalfArray),  # of all findings; with `coverage`, what is needed to compare anew
    Column("coverage", HalfArray),
    Column("proposed", HalfArray),
    Column("embedding", HalfArray),
    Column("created_at", Float, nullable=False),
    _of_image(),
)  # fmt: skip

comparisons = _table(
    "comparisons", ("one", "other"),
    Column("one", Integer, nullable=False),  # two annotations of one image by two readers, the older one first
    Column("other", Integer, nullable=False),
    Column("image", Name, nullable=False),
    Column("dice", Float),  # where both have an ROI
    _of_image(),
)  # fmt: skip

doubts = _table(
    "doubts", ("annotation", "kind"),
    Column("annotation", Integer, nullable=False),
    Column("kind", Name, nullable=False),
    Column("image", Name, nullable=False),
    Column("detail", Json, nullable=False),
    Column("raised_at", Float, nullable=False),
    Column("accepted_at", Float),
    Column("accepted_by", Text),
    _of_image(),
)  # fmt: skip
Index("doubts_open", doubts.c.pool, doubts.c.task, doubts.c.accepted_at, doubts.c.annotation)

outlines = _table(
    "outlines", ("image", "origin"),
    Column("image", Name, nullable=False),
    Column("origin", Name, nullable=False),  # the object of the archive, and which of its ROIs
    Column("series", Name, nullable=False),  # of the object
    Column("path", Text, nullable=False),
    Column("voxels", BigInteger, nullable=False),
    Column("fingerprint", Name),  # of the pixels it lies on
    Column("found_at", Float, nullable=False),
    _of_image(),
)  # fmt: skip

Index("outlines_by_series", outlines.c.pool, outlines.c.task, outlines.c.series)

arrivals = _table(
    "arrivals", ("series",),
    Column("series", Name, nullable=False),
    Column("state", Name, nullable=False),  # of it, its study's images and the names looked for, when it was searched
    Column("outlines", Integer, nullable=False),
    Column("problem", Text),
    Column("seen_at", Float, nullable=False),
)  # fmt: skip

deliveries = _table(
    "deliveries", ("annotation",),
    Column("annotation", Integer, nullable=False),
    Column("state", Name, nullable=False),  # waiting, sent, dropped, withdrawn, rejected
    Column("next_try", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("problem", Text),
    Column("ended_at", Float),
)  # fmt: skip
Index("deliveries_by_state", deliveries.c.pool, deliveries.c.task, deliveries.c.state, deliveries.c.next_try)

versions = _table(
    "versions", ("version",),
    Column("version", Integer, nullable=False),
    Column("state", Name, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("path", Text),
    Column("sha256", Text),
    Column("metrics", Json, nullable=False),
    Column("verdict", Json, nullable=False),
    Column("settings", Json, nullable=False),
    Column("parent", Integer),
    Column("validation", Integer),
    Column("created_at", Float, nullable=False),
    Column("published_at", Float),
)  # fmt: skip

validations = _table(
    "validations", ("validation",),
    Column("validation", Integer, nullable=False),
    Column("images", Json, nullable=False),
    Column("created_at", Float, nullable=False),
)  # fmt: skip

jobs = _table(
    "jobs", (),
    Column("kind", Name, nullable=False),
    Column("state", Name, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("process_start", Float, nullable=False),
    Column("request", Json, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("heartbeat", Float, nullable=False),
    Column("finished_at", Float),
    Column("progress", Json, nullable=False),
    Column("message", Text),
)  # fmt: skip
Index("jobs_by_state", jobs.c.pool, jobs.c.task, jobs.c.state, jobs.c.kind)

settings = _table(
    "settings", ("key",),
    Column("key", Name, nullable=False),
    Column("value", Json),
)  # fmt: skip

events = _table(
    "events", (),
    Column("at", Float, nullable=False),
    Column("kind", Name, nullable=False),
    Column("reader", Text),
    Column("image", Text),
    Column("detail", Json, nullable=False),
)  # fmt: skip
Index("events_in_order", events.c.pool, events.c.task, events.c.id)

schema_info = Table("xal_schema", metadata, Column("version", Integer, primary_key=True))
