"""Short ways to fill a store, and a check of everything that is denormalised in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from xal.store import AnnotationRow, ImageFile, NewAnnotation, PredictionRow, Store
from xal.store.pool import bucket, freshness, is_open, status_of
from xal.store.rows import Rule
from xal.store.schema import annotation_table, images, outlines, predictions, tallies
from xal.store.settling import same_pixels
from xal.task import REGION, ReadingSettings

ONCE = ReadingSettings(per_image=1, double=0)
TWICE = ReadingSettings(per_image=2, double=0)


def files(names: Iterable[str], size: int = 10, mtime_ns: int = 1) -> list[ImageFile]:
    return [ImageFile(name, f"{name}.png", size, mtime_ns) for name in names]


def names(count: int) -> list[str]:
    return [f"image{number:06d}" for number in range(count)]


def new(image: str, reader: str = "ann", finding: str = "glioma", **other: Any) -> NewAnnotation:
    values = {
        "roi_voxels": 5,
        "roi_volume": 2.5,
        "label_info": [{"name": finding, "idx": 7}],
        "params": {"model": "attention"},
        "story": None,
        "digest": f"{image} {reader} {finding}",
    }
    return NewAnnotation(image=image, reader=reader, finding=finding, **{**values, **other})


def submit(
    store: Store, image: str, reader: str = "ann", finding: str = "glioma", how: ReadingSettings = ONCE, **other: Any
) -> AnnotationRow:
    row, _ = store.annotations.add(new(image, reader, finding, **other), lambda r: f"{image}/{reader}-{r}.nii.gz", how)
    return row


def prediction(
    image: str, version: int = 1, uncertainty: float = 0.5, misalignment: float | None = 0.5, **other: Any
) -> Any:
    values = {
        "fingerprint": f"pixels of {image}",
        "roi_key": None,
        "finding": "glioma",
        "probabilities": {"glioma": 0.75, "none": 0.25},
        "overlap": 0.5,
        "energy": 0.5,
        "roi_source": "proposed",
        "attention": np.full((4, 4), 0.25, np.float32),
    }
    own = {"image": image, "version": version, "uncertainty": uncertainty, "misalignment": misalignment}
    return PredictionRow(**{**values, **own, **other})


def know(store: Store, *ids: str) -> None:
    """Give images the fingerprint that `prediction` says was read."""
    for name in ids:
        store.images.set_facts(name, size=10, mtime_ns=1, fingerprint=f"pixels of {name}")


def score(store: Store, **scores: float) -> None:
    """Give images these uncertainties, and misalignments that rank them the other way round."""
    store.predictions.save([prediction(name, uncertainty=u, misalignment=u) for name, u in scores.items()], Rule())


def write_file(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(content)
    draft.rename(path)


def assert_consistent(store: Store) -> None:
    """What is derived equals what it is derived from."""
    with store.database.engine.connect() as connection:
        rows = connection.execute(select(images).where(store.database.mine(images))).mappings().all()
        labels = (
            connection.execute(select(annotation_table).where(store.database.mine(annotation_table))).mappings().all()
        )
        read = {
            row["image"]: row
            for row in connection.execute(select(predictions).where(store.database.mine(predictions))).mappings()
        }
        counted = (
            connection.execute(select(tallies).where(store.database.mine(tallies), tallies.c.n != 0)).mappings().all()
        )
        found = connection.execute(select(outlines).where(store.database.mine(outlines))).mappings().all()
    assert Counter(map(bucket, rows)) == Counter({_place(row): row["n"] for row in counted})
    standing = {
        (row["image"], row["reader"]): row["id"]
        for row in sorted(labels, key=lambda row: row["revision"])
        if row["withdrawn_at"] is None
    }
    assert {row["id"] for row in labels if row["active"]} == set(standing.values())
    findings = {row["image"] for row in labels if row["active"] and row["finding"] != REGION}
    for row in rows:
        active = [a for a in labels if a["image"] == row["id"] and a["active"]]
        counting = [a for a in active if same_pixels(a["fingerprint"], row["fingerprint"])]
        drawn = [a for a in counting if a["roi_voxels"]]
        if row["fingerprint"] is not None:
            assert row["outdated"] == (len(counting) < len(active))
        rois = [f"{a['id']}.{a['revision']}" for a in sorted(drawn, key=lambda a: a["id"])]
        outlined = [o for o in found if o["image"] == row["id"] and same_pixels(o["fingerprint"], row["fingerprint"])]
        key = " ".join(rois or sorted(o["origin"] for o in outlined)) or None
        assert (row["open"], row["status"]) == (is_open(row), status_of(row))
        assert row["labelled"] == (row["id"] in findings)
        assert row["roi_key"] == key
        own = read.get(row["id"])
        assert row["fresh"] == (freshness(own, row["fingerprint"], key) if own else 0)


def _place(row: Any) -> Any:
    return row["state"], row["open"], row["labelled"], row["excluded"], row["finding"]


def planned(store: Store, query: Any) -> str:
    """How the database would answer."""
    sql = query.compile(store.database.engine, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if store.database.is_sqlite else "EXPLAIN"
    with store.database.engine.connect() as connection:
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {sql}").all())
