"""How far the pool has come: labels per finding and reader, and how far readers agree.

All of it are sums over many images, so it may be shown to readers who read blind.
"""

from __future__ import annotations

from statistics import median

from fastapi import APIRouter

from xal.method.agreement import Pair, overall, pairs
from xal.pool.project import Project
from xal.server.api.common import Reply, rounded
from xal.server.http import AnyUser
from xal.store import Store

IDLE_SECONDS = 15 * 60.0
"""Who takes longer for an image has done something else meanwhile."""


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


class Duration(Reply):
    """How long readings took, of those that are timed: from Next Sample to the hand-in."""

    images: int
    median_seconds: float | None
    total_seconds: float
    idle: int
    """How many of them took longer than `idle_seconds`: they count as that long, the reader was away."""


class Durations(Reply):
    """What outlines cost."""

    outlined: Duration
    """Of readings with an outline of the finding."""
    alone: Duration
    """Of readings that are the finding alone."""
    idle_seconds: float


class Progress(Reply):
    """What the readers have done, in numbers."""

    labels: list[LabelCount]
    readers: list[str]
    agreement: Agreement
    durations: Durations


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/progress", summary="Labels per finding and reader, agreement between readers")
    def progress(user: AnyUser) -> Progress:
        counts = [LabelCount(finding=f, reader=r, count=n) for f, r, n in store.annotations.counts()]
        return Progress(
            labels=counts,
            readers=sorted({count.reader for count in counts}),
            agreement=_agreement(store),
            durations=_durations(store),
        )


def _agreement(store: Store) -> Agreement:
    together, images = store.looking.together()
    found = pairs(together)
    kappa, dice = overall(found)
    return Agreement(
        images=images,
        pairs=[_pair(pair) for pair in found],
        kappa=rounded(kappa),
        dice=rounded(dice),
        pending=store.looking.not_looked_at_count(),
    )


def _pair(pair: Pair) -> PairReply:
    return PairReply(
        one=pair.one, other=pair.other, images=pair.images, kappa=rounded(pair.kappa), dice=rounded(pair.dice)
    )


def _durations(store: Store) -> Durations:
    outlined, alone = store.annotations.durations()
    return Durations(outlined=_duration(outlined), alone=_duration(alone), idle_seconds=IDLE_SECONDS)


def _duration(seconds: list[float]) -> Duration:
    counted = [min(one, IDLE_SECONDS) for one in seconds]
    return Duration(
        images=len(counted),
        median_seconds=rounded(median(counted)) if counted else None,
        total_seconds=rounded(sum(counted)),
        idle=sum(one > IDLE_SECONDS for one in seconds),
    )
