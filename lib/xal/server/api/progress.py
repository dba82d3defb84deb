"""How far the pool has come: model versions, labels per finding and reader, and how far readers agree.

All of it are sums over many images, so it may be shown to readers who read blind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from xal.agreement import Pair, overall, pairs
from xal.evaluation import accuracy_interval
from xal.project import Project
from xal.server.api.common import Reply, rounded
from xal.server.http import AnyUser
from xal.store import Store
from xal.store.rows import VersionRow, VersionState


class CurvePoint(Reply):
    """A model version on the learning curve."""

    version: int
    state: VersionState
    current: bool
    labels: int | None
    """How many annotated images it was trained on."""
    created_at: float
    published_at: float | None
    balanced_accuracy: float | None
    """On the validation images; null without any."""
    interval: tuple[float, float] | None
    """Where the balanced accuracy lies with 95 % of the probability, judged by so few validation images."""
    energy_in_roi: float | None
    """On the validation images; null without any that has an ROI."""
    reasons: list[str]
    """Why the gate published or refused it."""
    parent: int | None


class LabelCount(Reply):
    """How many annotations that stand are this finding by this reader."""

    finding: str
    reader: str
    count: int


class PairReply(Reply):
    """How far two readers agree on the images that both have read."""

    one: str
    other: str
    images: int
    kappa: float
    """Cohen's; 1 where both always say one and the same finding."""
    dice: float | None
    """The mean over the images on which both outlined the same finding."""


class Agreement(Reply):
    """How far readers agree on images that more than one has read."""

    images: int
    pairs: list[PairReply]
    kappa: float | None
    """The mean of the pairs, weighted by their images. `dice` likewise."""
    dice: float | None
    pending: int
    """Annotations that were not compared yet: the numbers follow within seconds."""


class Progress(Reply):
    """The whole, in numbers that a chart is made of."""

    curve: list[CurvePoint]
    """Oldest version first."""
    labels: list[LabelCount]
    readers: list[str]
    agreement: Agreement


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/progress", summary="Learning curve, labels per finding and reader, agreement between readers")
    def progress(user: AnyUser) -> Progress:
        counts = [LabelCount(finding=f, reader=r, count=n) for f, r, n in store.label_counts()]
        return Progress(
            curve=[point(row) for row in store.versions()],
            labels=counts,
            readers=sorted({count.reader for count in counts}),
            agreement=_agreement(store),
        )


def point(row: VersionRow) -> CurvePoint:
    """What is known of a version; a measure of its own training images is no point on a learning curve."""
    judged = row.metrics if row.metrics.get("judged_on") == "validation" else {}
    return CurvePoint(
        version=row.version,
        state=row.state,
        current=row.current,
        labels=row.metrics.get("trained_on", {}).get("cases"),
        created_at=row.created_at,
        published_at=row.published_at,
        balanced_accuracy=rounded(judged.get("balanced_accuracy")),
        interval=_interval(judged),
        energy_in_roi=rounded(judged.get("energy_in_roi")),
        reasons=[row.verdict["reason"]] if row.verdict else [],
        parent=row.parent,
    )


def _interval(judged: Mapping[str, Any]) -> tuple[float, float] | None:
    found = accuracy_interval(judged["recall"], judged["counts"]["findings"]) if judged else None
    return None if found is None else (rounded(found[0]), rounded(found[1]))


def _agreement(store: Store) -> Agreement:
    together, images = store.together()
    found = pairs(together)
    kappa, dice = overall(found)
    return Agreement(
        images=images,
        pairs=[_pair(pair) for pair in found],
        kappa=rounded(kappa),
        dice=rounded(dice),
        pending=store.not_looked_at_count(),
    )


def _pair(pair: Pair) -> PairReply:
    return PairReply(
        one=pair.one, other=pair.other, images=pair.images, kappa=rounded(pair.kappa), dice=rounded(pair.dice)
    )
