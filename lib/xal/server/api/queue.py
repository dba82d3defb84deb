"""The pool for people: the queue as Next Sample sees it, what became of the other images, and who has which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from xal.errors import BadInput
from xal.loop.blind import may_see_all, names_finding, score_alone, scores_only, untouched_score
from xal.loop.origins import Origin, roi_origins, score_origins
from xal.loop.reader import Reader
from xal.pool.project import Project
from xal.server.api.common import (
    PAGE,
    AnnotationReply,
    Asker,
    Cursor,
    LeaseReply,
    Limit,
    PageOf,
    Reply,
    annotation_reply,
    lease_reply,
    rounded,
)
from xal.server.http import AnyUser
from xal.store import Store
from xal.store.listing import Point, Prediction
from xal.store.paging import Page
from xal.store.rows import AnnotationRow, ImageRow, ImageStatus, Lease

QueueState = Literal["waiting", "leased", "handed_in", "settled", "review", "excluded", "unreadable"]
RoiSource = Literal["drawn", "proposed", "none"]
FILTERS: dict[str, tuple[QueueState, ...]] = {"source": ("waiting",), "reader": ("leased", "handed_in")}
"""Of which lists a filter takes a part."""
LONGEST = 500
"""Images per page: of so many, leases, predictions and hand-ins are found in one query each."""


class QueueItem(Reply):
    """An image of the pool. What `may_see` says the asker may not see is null."""

    id: str
    status: ImageStatus
    score: float | None
    uncertainty: float | None
    misalignment: float | None
    roi_source: RoiSource | None
    roi_origin: list[Origin] | None
    """Where the ROI was drawn, each origin once; null where it was not drawn."""
    model_version: int | None
    lease: LeaseReply | None
    may_see: bool
    finding: str | None
    """The settled finding."""
    predicted: str | None
    probability: float | None
    """Of the predicted finding."""
    overlap: float | None
    annotation: AnnotationReply | None
    """Where annotations are listed: the one that this line is of."""
    excluded: str | None
    excluded_by: str | None
    problem: str | None


class QueuePoint(Reply):
    """A scored image among others."""

    id: str
    uncertainty: float
    misalignment: float | None
    score: float
    roi_source: RoiSource | None
    roi_origin: list[Origin] | None
    """Where the ROI was drawn, each origin once; null where it was not drawn, or where the asker reads blind."""


class Points(Reply):
    """Some of the waiting images that have a score."""

    points: list[QueuePoint]
    total: int
    """Images that wait, scored or not."""
    shown: int
    withheld: int
    """Those that this reader is not told: their place would give away what they show."""


@dataclass(frozen=True)
class Asked:
    """Which part of the pool is asked for."""

    state: Annotated[QueueState, Query()] = "waiting"
    source: Annotated[RoiSource | None, Query(description="whose ROI the score used; of waiting images")] = None
    reader: Annotated[str | None, Query(description="who has or handed in the image; of leased and handed_in")] = None
    cursor: Cursor = None
    limit: Annotated[int, Query(ge=1, le=LONGEST)] = 50


Listed = tuple[ImageRow, AnnotationRow | None]


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/queue", summary="Images by what became of them; those that wait as Next Sample ranks them")
    def queue(user: AnyUser, asker: Asker, asked: Annotated[Asked, Depends()]) -> PageOf[QueueItem]:
        _check_filters(asked)
        page = _listed(store, asked)
        listed = page.items
        if asked.source is not None:  # a place in this list tells what the score is made of
            seen = may_see_all(project, asker, [image.id for image, _ in listed])
            listed = [one for one in listed if one[0].id in seen]
        return PageOf(items=_items(project, asker, listed), next=page.next)

    @router.get("/queue/points", summary="Waiting images by uncertainty and misalignment: the highest, and others")
    def points(user: AnyUser, asker: Asker, limit: Annotated[int, Query(ge=1, le=5000)] = 2000) -> Points:
        found = store.listing.points(limit)
        ids = [point.id for point in found]
        blind = set(ids) - may_see_all(project, asker, ids)
        untold = scores_only(project, asker, ids)
        outlined = untold - store.listing.handed_in_among(ids, None)
        if not project.task.acquisition.stand_in:  # they are shown as if nobody had: that they are missing would tell
            untold -= outlined
            found = [_untouched(project, point) if point.id in outlined else point for point in found]
        untold |= {point.id for point in found if point.id in blind and names_finding(project.task, point.misalignment)}
        origins = score_origins(project, [point for point in found if point.id not in blind])
        shown = [
            QueuePoint(
                id=point.id,
                uncertainty=rounded(point.uncertainty),
                misalignment=rounded(point.misalignment),
                score=rounded(point.score),
                roi_source=point.roi_source,
                roi_origin=origins.get(point.id),
            )
            for point in found
            if point.id not in untold
        ]
        return Points(
            points=shown, total=store.images.counts()["open"], shown=len(shown), withheld=len(found) - len(shown)
        )

    @router.get("/leases", summary="Who has which image, and until when; those that last longest first")
    def leases(user: AnyUser, cursor: Cursor = None, limit: Limit = PAGE) -> PageOf[LeaseReply]:
        page = store.listing.leased(limit, cursor)
        return PageOf(items=[lease_reply(row) for row in page.items], next=page.next)


def _untouched(project: Project, point: Point) -> Point:
    """A point as if nobody had drawn an ROI."""
    score = untouched_score(project, point)
    return point if score is None else replace(point, misalignment=None, roi_source="none", score=score)


def _check_filters(asked: Asked) -> None:
    for name, states in FILTERS.items():
        if getattr(asked, name) is not None and asked.state not in states:
            raise BadInput(
                f"{name} is a filter for {' and '.join(states)} images, not for those that are {asked.state}"
            )


def _listed(store: Store, asked: Asked) -> Page[Listed]:
    """The images of a page, with the annotation where annotations are listed."""
    if asked.state == "leased":
        leased = store.listing.leased(asked.limit, asked.cursor, asked.reader)
        rows = store.listing.image_rows([lease.image for lease in leased.items])
        return Page([(rows[lease.image], None) for lease in leased.items], leased.next)
    if asked.state == "handed_in":
        handed_in = store.listing.hand_ins(asked.limit, asked.cursor, asked.reader)
        rows = store.listing.image_rows([annotation.image for annotation in handed_in.items])
        return Page([(rows[annotation.image], annotation) for annotation in handed_in.items], handed_in.next)
    if asked.state == "waiting":
        images = store.listing.waiting(asked.limit, asked.cursor, asked.source)
    else:
        images = store.listing.with_status(asked.state, asked.limit, asked.cursor)
    return Page([(image, None) for image in images.items], images.next)


def _items(project: Project, asker: Reader, listed: list[Listed]) -> list[QueueItem]:
    ids = list({image.id for image, _ in listed})
    leases = project.store.listing.leases_of(ids)
    seen = may_see_all(project, asker, ids)
    predictions = project.store.listing.predictions(sorted(seen))
    drawn = {image.id for image, _ in listed if image.id in seen and image.roi_source == "drawn"}
    origins = roi_origins(project, {image: said.roi_key for image, said in predictions.items() if image in drawn})
    return [
        _item(
            image if image.id in seen else score_alone(project, image),
            annotation,
            leases.get(image.id),
            image.id in seen,
            predictions.get(image.id),
            origins.get(image.id),
        )
        for image, annotation in listed
    ]


def _item(
    image: ImageRow,
    annotation: AnnotationRow | None,
    lease: Lease | None,
    seen: bool,
    prediction: Prediction | None,
    roi_origin: list[Origin] | None,
) -> QueueItem:
    return QueueItem(
        id=image.id,
        status=image.status,
        score=rounded(image.score),
        uncertainty=rounded(image.uncertainty),
        misalignment=rounded(image.misalignment),
        roi_source=image.roi_source,
        roi_origin=roi_origin,
        model_version=image.version,
        lease=lease_reply(lease) if lease else None,
        may_see=seen,
        finding=image.finding if seen else None,
        predicted=prediction.finding if prediction else None,
        probability=rounded(prediction.probability) if prediction else None,
        overlap=rounded(prediction.overlap) if prediction else None,
        annotation=annotation_reply(annotation, seen=seen) if annotation else None,
        excluded=image.excluded,
        excluded_by=image.excluded_by,
        problem=image.problem,
    )
