"""What an administrator looks at and changes: the state of the whole, annotations, exclusions, α."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from xal.loop.auto_train import kept_conf, labels_left
from xal.loop.blind import may_see, may_see_all, told_as
from xal.loop.decisions import set_alpha, set_method
from xal.loop.next_batch import is_lined_up
from xal.loop.origins import Origin, origin_of
from xal.loop.rescoring import withdraw as withdrawn
from xal.loop.rules import method
from xal.pool.project import Project
from xal.server.api.common import (
    PAGE,
    AnnotationReply,
    Asked,
    Asker,
    Cursor,
    Limit,
    Number,
    PageOf,
    Reply,
    annotation_reply,
    asking,
    checked_decider,
)
from xal.server.http import Annotator, AnyUser, Reviewer
from xal.store.paging import paged
from xal.store.rows import (
    AnnotationRow,
    ImageRow,
    ImageState,
    JobKind,
    JobRow,
    JobState,
    Source,
)
from xal.task import Method, Share


class Job(Reply):
    """A training or a scoring run."""

    id: int
    kind: JobKind
    state: JobState
    started_at: float
    finished_at: float | None
    progress: dict[str, Any]
    """Of training: epoch, total_epochs, loss, metric, seconds; of scoring: done, total."""
    message: str | None


class ArchiveState(Reply):
    """How the images' archive does, and what of the annotations is there."""

    problem: str | None
    """Why it cannot be looked at now."""
    waiting: int
    sent: int
    rejected: int
    """Withdrawn after they were sent: the archive is told not to use them, and may heed that or not."""
    dropped: int
    """Superseded or withdrawn before they were sent, or not to be written as DICOM."""
    not_sent: str | None
    """Why one of those that wait could not be sent."""


class State(Reply):
    """The whole in numbers, and the work in progress."""

    task: str
    title: str
    method: Method
    """How images are chosen."""
    lined_up: bool
    """The queue is ordered by all that the method looks at; until then, by what is kept of each image."""
    alpha: float
    reveal: Literal["after_submit", "always"]
    images: int
    settled: int
    open: int
    review: int
    excluded: int
    unreadable: int
    findings: dict[str, int]
    """Settled images per finding."""
    model_version: int | None
    leases: int
    doubts: int
    """What a second look has found, and no reviewer accepted."""
    looked_at: int
    """The last annotation that had a second look: grows with all that is handed in, be it the first of two readings."""
    unscored: int | None
    """Images that wait for a score of the model in use; null without a model."""
    next_training: int | None
    """How many images are still to be settled until a training begins by itself; null where it does not."""
    jobs: list[Job]
    """The last five, newest first."""
    damaged_labels: int
    """Annotations whose label file is not as it was handed in."""
    space_problem: str | None
    """What waits because the server's disk is nearly full; null while there is space."""
    archive: ArchiveState | None
    """Null where the images are a folder's."""


class Annotation(AnnotationReply):
    """An annotation, without what another reader made of an image that the asker reads blind."""

    roi_volume_mm3: float | None
    source: Source
    origin: Origin | None
    """Where it comes from; null for who reads the image blind."""
    withdrawn_at: float | None
    withdrawn_by: str | None


class Image(Reply):
    """What people and files decided about an image; without its finding for who reads it blind."""

    id: str
    state: ImageState
    problem: str | None
    excluded: str | None
    excluded_by: str | None
    finding: str | None
    open: bool


class DamagedLabel(Reply):
    """An annotation whose label file is missing or was changed; its finding, reader and time are known all the same."""

    annotation: int
    image: str
    reader: str
    revision: int
    problem: str


class AlphaReply(Reply):
    """The weight in use."""

    alpha: float


class MethodReply(Reply):
    """The method in use."""

    method: Method


class Exclusion(Asked):
    """Why an image must never be offered again."""

    reason: str = Field(min_length=1, max_length=500)


class Alpha(Asked):
    """A new weight of uncertainty against misalignment."""

    alpha: Share


class ChosenMethod(Asked):
    """Another way of choosing images."""

    method: Method


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/status", summary="The pool, the model in use and the work in progress")
    def status(user: AnyUser) -> State:
        return state_of(project)

    @router.get("/jobs", summary="Training and scoring, newest first")
    def jobs(user: AnyUser, cursor: Cursor = None, limit: Limit = 20) -> PageOf[Job]:
        page = paged("jobs", "id", lambda before, count: store.jobs.latest(limit=count, before=before), limit, cursor)
        return PageOf(items=[_job(row) for row in page.items], next=page.next)

    @router.get("/annotations", summary="Annotations, oldest first; outlines without a finding, too")
    def annotations(
        asker: Asker,
        image: str | None = None,
        reader: str | None = None,
        withdrawn: bool = False,
        cursor: Cursor = None,
        limit: Limit = PAGE,
    ) -> PageOf[Annotation]:
        def fetch(after: int | None, count: int) -> list[AnnotationRow]:
            told_to, active = told_as(project, asker), not withdrawn
            return store.annotations.find(
                image, reader=reader, active_only=active, regions=True, told_to=told_to, after=after, limit=count
            )

        page = paged(f"annotations {image} {reader} {withdrawn}", "id", fetch, limit, cursor)
        seen = may_see_all(project, asker, list({row.image for row in page.items}))
        items = [_annotation(row, row.image in seen or row.reader == asker.name) for row in page.items]
        return PageOf(items=items, next=page.next)

    @router.post("/annotations/{annotation}/withdraw", summary="Take an annotation back; its file is kept")
    def withdraw(request: Request, annotation: Number, user: Annotator, body: Asked | None = None) -> Annotation:
        reader, row = asking(request, body, user), store.annotations.get(annotation)
        if row.reader != reader.name:
            checked_decider(request, reader)
        seen = row.reader == reader.name or may_see(project, reader, row.image)
        return _annotation(withdrawn(project, annotation, by=reader.name), seen)

    @router.post("/images/{image}/exclude", summary="Never offer this image again")
    def exclude(request: Request, image: str, user: Annotator, body: Exclusion) -> Image:
        reader = asking(request, body, user)
        return _image(store.images.exclude(image, reader.name, body.reason), may_see(project, reader, image))

    @router.post("/images/{image}/include", summary="Take an exclusion back")
    def include(request: Request, image: str, user: Annotator, body: Asked | None = None) -> Image:
        reader = asking(request, body, user)
        return _image(store.images.include(image, reader.name), may_see(project, reader, image))

    @router.get("/problems", summary="Images that cannot be read, and why")
    def problems(asker: Asker, cursor: Cursor = None, limit: Limit = PAGE) -> PageOf[Image]:
        page = store.listing.with_status("unreadable", limit, cursor)
        seen = may_see_all(project, asker, [row.id for row in page.items])
        return PageOf(items=[_image(row, row.id in seen) for row in page.items], next=page.next)

    @router.get("/problems/labels", summary="Annotations whose label file is not as it was handed in, and why")
    def damaged_labels(asker: Asker, cursor: Cursor = None, limit: Limit = PAGE) -> PageOf[DamagedLabel]:
        def fetch(after: int | None, count: int) -> list[AnnotationRow]:
            return store.annotations.damaged(count, after or 0, told_as(project, asker))

        page = paged("damaged", "id", fetch, limit, cursor)
        return PageOf(items=[_damaged(row) for row in page.items], next=page.next)

    @router.put("/settings/alpha", summary="Weigh uncertainty against misalignment anew")
    def alpha(request: Request, user: Reviewer, body: Alpha) -> AlphaReply:
        set_alpha(project, body.alpha, by=checked_decider(request, asking(request, body, user)).name)
        return AlphaReply(alpha=project.alpha())

    @router.put("/settings/method", summary="Choose images in another way, from now on")
    def choose_by(request: Request, user: Reviewer, body: ChosenMethod) -> MethodReply:
        set_method(project, body.method, by=checked_decider(request, asking(request, body, user)).name)
        return MethodReply(method=method(project))


def state_of(project: Project) -> State:
    """The whole as it is now."""
    store = project.store
    counts, version = store.images.counts(), store.versions.current()
    return State(
        task=project.task.name,
        title=project.task.title,
        method=method(project),
        lined_up=is_lined_up(project),
        alpha=project.alpha(),
        reveal=project.task.reveal,
        images=counts["total"],
        settled=counts["completed"],
        open=counts["open"],
        review=counts["review"],
        excluded=counts["excluded"],
        unreadable=counts["unreadable"],
        findings=counts["findings"],
        model_version=version.version if version else None,
        leases=store.queue.lease_count(),
        doubts=store.review.doubt_count(),
        looked_at=store.looking.last_looked_at(),
        unscored=store.predictions.stale_count(version.version) if version else None,
        next_training=labels_left(project, kept_conf(project)),
        jobs=[_job(row) for row in store.jobs.latest(limit=5)],
        damaged_labels=store.annotations.damaged_count(),
        space_problem=project.space.problem(),
        archive=_archive(project) if project.source.exchange else None,
    )


def _archive(project: Project) -> ArchiveState:
    counts = project.store.deliveries.counts()
    return ArchiveState(
        problem=project.source_problem,
        waiting=counts.get("waiting", 0),
        sent=counts.get("sent", 0) + counts.get("withdrawn", 0),
        rejected=counts.get("rejected", 0),
        dropped=counts.get("dropped", 0),
        not_sent=project.store.deliveries.last_problem(),
    )


def _job(row: JobRow) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.model_fields})


def _annotation(row: AnnotationRow, seen: bool) -> Annotation:
    return Annotation(
        **dict(annotation_reply(row, seen=seen)),
        roi_volume_mm3=row.roi_volume if seen else None,
        source=row.source,
        origin=origin_of(row) if seen else None,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by,
    )


def _damaged(row: AnnotationRow) -> DamagedLabel:
    return DamagedLabel(
        annotation=row.id, image=row.image, reader=row.reader, revision=row.revision, problem=str(row.file_problem)
    )


def _image(row: ImageRow, seen: bool) -> Image:
    known = {name: getattr(row, name) for name in Image.model_fields}
    return Image(**{**known, "finding": row.finding if seen else None})
