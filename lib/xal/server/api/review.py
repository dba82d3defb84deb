"""What looks wrong among the annotations, and what a reviewer decides about it."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from pydantic import Field

from xal.pool.project import Project
from xal.server.api.common import (
    AnnotationReply,
    Asked,
    Cursor,
    Limit,
    Number,
    PageOf,
    Reply,
    ReviewerAsker,
    annotation_reply,
    asking,
    checked_reviewer,
)
from xal.server.http import Annotator
from xal.store import Store
from xal.store.looking import DoubtKind
from xal.store.review import Suspect, SuspectKind
from xal.store.rows import ImageStatus
from xal.task import REGION


class SuspectReply(Reply):
    """An image whose readings disagree, or an annotation that looks wrong, and why."""

    kind: SuspectKind
    image: str
    annotations: list[AnnotationReply]
    sentence: str
    raised_at: float


class Accepting(Asked):
    """Which doubt is settled."""

    kind: DoubtKind


class Accepted(Reply):
    """The doubt is settled: the annotation stands."""

    annotation: int
    kind: DoubtKind
    image: str
    accepted_at: float
    accepted_by: str


class Decision(Asked):
    """The finding that a reviewer chooses."""

    finding: str = Field(min_length=1, max_length=200)
    reason: str | None = Field(default=None, max_length=500)


class Settled(Reply):
    """What became of the image."""

    image: str
    finding: str | None
    status: ImageStatus


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/review", summary="Images whose readings disagree, then annotations that look wrong; for reviewers")
    def review(reviewer: ReviewerAsker, cursor: Cursor = None, limit: Limit = 50) -> PageOf[SuspectReply]:
        page = store.review.suspects(limit, cursor)
        return PageOf(items=[_suspect(_as_of_now(store, found)) for found in page.items], next=page.next)

    @router.post("/review/{annotation}/accept", summary="The annotation stands, whatever looked wrong; for reviewers")
    def accept(request: Request, annotation: Number, user: Annotator, body: Accepting) -> Accepted:
        reviewer = checked_reviewer(asking(request, body, user))
        return Accepted(**vars(store.review.accept(annotation, body.kind, by=reviewer.name)))

    @router.post("/images/{image}/settle", summary="Choose among the findings that readers said; for reviewers")
    def settle(request: Request, image: str, user: Annotator, body: Decision) -> Settled:
        reviewer = checked_reviewer(asking(request, body, user))
        row = store.review.settle(image, body.finding, reviewer.name, body.reason)
        return Settled(image=row.id, finding=row.finding, status=row.status)


def sentence(suspect: Suspect) -> str:
    """Why this is shown, in plain words."""
    first, detail = suspect.annotations[0], suspect.detail
    if suspect.kind == "model":
        return (
            f"The model was sure it is {detail['finding']} ({detail['probability']:.2f}) and looked at the outline "
            f"(overlap {detail['overlap']:.2f}), but {first.reader} says {first.finding}."
        )
    if suspect.kind == "far":
        return f"{first.reader}'s outline lies far from all {detail['others']} other outlines of {first.finding}."
    if suspect.kind == "region":
        return f"{first.reader} says {first.finding}, but {_and(detail['readers'])} outlined something."
    said = ", ".join(f"{row.reader} says {row.finding}" for row in suspect.annotations)
    return f"{said}; but the file was replaced since by one with other pixels." if detail["outdated"] else f"{said}."


def _as_of_now(store: Store, suspect: Suspect) -> Suspect:
    """Who has outlined something is told as it is now: a region may be withdrawn, and another one be there."""
    if suspect.kind != "region":
        return suspect
    known = store.annotations.find(suspect.image, regions=True)
    readers = [row.reader for row in known if row.finding == REGION]
    return replace(suspect, detail={**suspect.detail, "readers": readers})


def _and(names: list[str]) -> str:
    return " and ".join(dict.fromkeys(names))


def _suspect(suspect: Suspect) -> SuspectReply:
    return SuspectReply(
        kind=suspect.kind,
        image=suspect.image,
        annotations=[annotation_reply(row, seen=True) for row in suspect.annotations],
        sentence=sentence(suspect),
        raised_at=suspect.raised_at,
    )
