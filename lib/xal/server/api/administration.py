"""What an administrator looks at and changes: the state of the whole, annotations, versions, α."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from xal.blind import may_see, may_see_all
from xal.manage import publish_version, set_alpha
from xal.pacs.source import DicomWebSource
from xal.project import Project
from xal.server.api.common import PAGE, Asked, Asker, Number, Reply, asking, checked_decider
from xal.server.http import Annotator, AnyUser, Reviewer
from xal.store.rows import (
    AnnotationRow,
    ImageRow,
    ImageState,
    JobKind,
    JobRow,
    JobState,
    Source,
    VersionRow,
    VersionState,
)
from xal.task import Share

Limit = Annotated[int, Query(ge=1, le=PAGE)]


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
    dropped: int
    """Superseded or withdrawn before they were sent, or not to be written as DICOM."""
    not_sent: str | None
    """Why one of those that wait could not be sent."""


class State(Reply):
    """The whole in numbers, and the work in progress."""

    task: str
    title: str
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
    unscored: int | None
    """Images that wait for a score of the model in use; null without a model."""
    jobs: list[Job]
    """The last five, newest first."""
    archive: ArchiveState | None
    """Null where the images are a folder's."""


class Annotation(Reply):
    """An annotation, without what another reader made of an image that the asker reads blind."""

    id: int
    image: str
    reader: str
    revision: int
    finding: str | None
    roi_voxels: int | None
    roi_volume_mm3: float | None
    source: Source
    created_at: float
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


class Version(Reply):
    """A model version, with all that was measured of it."""

    version: int
    state: VersionState
    current: bool
    metrics: dict[str, Any]
    verdict: dict[str, Any]
    settings: dict[str, Any]
    parent: int | None
    created_at: float
    published_at: float | None


class AlphaReply(Reply):
    """The weight in use."""

    alpha: float


class Exclusion(Asked):
    """Why an image must never be offered again."""

    reason: str = Field(min_length=1, max_length=500)


class Alpha(Asked):
    """A new weight of uncertainty against misalignment."""

    alpha: Share


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/status", summary="The pool, the model in use and the work in progress")
    def status(user: AnyUser) -> State:
        return state_of(project)

    @router.get("/jobs", summary="Training and scoring, newest first")
    def jobs(user: AnyUser, limit: Limit = 20) -> list[Job]:
        return [_job(row) for row in store.jobs(limit=limit)]

    @router.get("/annotations", summary="Annotations, oldest first; `after` the last one's number for the next page")
    def annotations(
        asker: Asker,
        image: str | None = None,
        reader: str | None = None,
        withdrawn: bool = False,
        after: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
        limit: Limit = PAGE,
    ) -> list[Annotation]:
        rows = store.annotations(image, reader=reader, active_only=not withdrawn, after=after, limit=limit)
        seen = may_see_all(project, asker, list({row.image for row in rows}))
        return [_annotation(row, row.image in seen or row.reader == asker.name) for row in rows]

    @router.post("/annotations/{annotation}/withdraw", summary="Take an annotation back; its file is kept")
    def withdraw(request: Request, annotation: Number, user: Annotator, body: Asked | None = None) -> Annotation:
        reader, row = asking(request, body, user), store.annotation(annotation)
        if row.reader != reader.name:
            checked_decider(request, reader)
        seen = row.reader == reader.name or may_see(project, reader, row.image)
        return _annotation(store.withdraw(annotation, by=reader.name), seen)

    @router.post("/images/{image}/exclude", summary="Never offer this image again")
    def exclude(request: Request, image: str, user: Annotator, body: Exclusion) -> Image:
        reader = asking(request, body, user)
        return _image(store.exclude(image, reader.name, body.reason), may_see(project, reader, image))

    @router.post("/images/{image}/include", summary="Take an exclusion back")
    def include(request: Request, image: str, user: Annotator, body: Asked | None = None) -> Image:
        reader = asking(request, body, user)
        return _image(store.include(image, reader.name), may_see(project, reader, image))

    @router.get("/problems", summary="Images that cannot be read, and why")
    def problems(asker: Asker, after: str | None = None, limit: Limit = PAGE) -> list[Image]:
        rows = store.images(state="unreadable", after=after, limit=limit)
        seen = may_see_all(project, asker, [row.id for row in rows])
        return [_image(row, row.id in seen) for row in rows]

    @router.get("/versions", summary="Model versions, oldest first")
    def versions(user: AnyUser) -> list[Version]:
        return [_version(row) for row in store.versions()]

    @router.post("/versions/{version}/publish", summary="Bring a version back")
    def publish(request: Request, version: Number, user: Reviewer, body: Asked | None = None) -> Version:
        reader = checked_decider(request, asking(request, body, user))
        return _version(publish_version(project, version, by=reader.name))

    @router.put("/settings/alpha", summary="Weigh uncertainty against misalignment anew")
    def alpha(request: Request, user: Reviewer, body: Alpha) -> AlphaReply:
        set_alpha(project, body.alpha, by=checked_decider(request, asking(request, body, user)).name)
        return AlphaReply(alpha=project.alpha())


def state_of(project: Project) -> State:
    """The whole as it is now."""
    store = project.store
    counts, version = store.counts(), store.current_version()
    return State(
        task=project.task.name,
        title=project.task.title,
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
        leases=store.lease_count(),
        doubts=store.doubt_count(),
        unscored=store.stale_count(version.version) if version else None,
        jobs=[_job(row) for row in store.jobs(limit=5)],
        archive=_archive(project) if isinstance(project.source, DicomWebSource) else None,
    )


def _archive(project: Project) -> ArchiveState:
    counts = project.store.delivery_counts()
    return ArchiveState(
        problem=project.source_problem,
        waiting=counts.get("waiting", 0),
        sent=counts.get("sent", 0),
        dropped=counts.get("dropped", 0),
        not_sent=project.store.last_delivery_problem(),
    )


def _job(row: JobRow) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.model_fields})


def _annotation(row: AnnotationRow, seen: bool) -> Annotation:
    return Annotation(
        id=row.id,
        image=row.image,
        reader=row.reader,
        revision=row.revision,
        finding=row.finding if seen else None,
        roi_voxels=row.roi_voxels if seen else None,
        roi_volume_mm3=row.roi_volume if seen else None,
        source=row.source,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by,
    )


def _image(row: ImageRow, seen: bool) -> Image:
    known = {name: getattr(row, name) for name in Image.model_fields}
    return Image(**{**known, "finding": row.finding if seen else None})


def _version(row: VersionRow) -> Version:
    return Version(**{name: getattr(row, name) for name in Version.model_fields})
