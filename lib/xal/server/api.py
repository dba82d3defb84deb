"""`/xal/api/`: what MONAI Label's interface has no word for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from monailabel.endpoints.user.auth import User
from pydantic import BaseModel, ConfigDict, Field

from xal.manage import publish_version, set_alpha
from xal.project import Project
from xal.server.http import Annotator, AnyUser, Json, Reviewer, XalRoute, reader_in
from xal.store.rows import AnnotationRow, ImageRow, JobRow, VersionRow
from xal.task import Share

Number = Annotated[int, PathParameter(ge=1, le=2**31 - 1)]
"""What the store numbers its rows with."""
PAGE = 1000


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_id: str | None = None
    """Who asks, where there is no sign-in."""


class Exclusion(_Asked):
    """Why an image must never be offered again."""

    reason: str = Field(min_length=1, max_length=500)


class Alpha(_Asked):
    """A new weight of uncertainty against misalignment."""

    alpha: Share


def api_router(project: Project) -> APIRouter:
    """The routes of `project`."""
    router = APIRouter(prefix="/xal/api", tags=["xal"], route_class=XalRoute)
    store = project.store

    @router.get("/status", summary="The pool, the model in use and the work in progress")
    def status(user: AnyUser) -> Json:
        counts, version = store.counts(), store.current_version()
        return {
            "task": project.task.name,
            "title": project.task.title,
            "alpha": project.alpha(),
            "reveal": project.task.reveal,
            "images": counts["total"],
            "settled": counts["completed"],
            "open": counts["open"],
            "review": counts["review"],
            "excluded": counts["excluded"],
            "unreadable": counts["unreadable"],
            "findings": counts["findings"],
            "model_version": version.version if version else None,
            "unscored": store.stale_count(version.version) if version else None,
            "jobs": [_job(row) for row in store.jobs(limit=5)],
        }

    @router.get("/jobs", summary="Training and scoring, newest first")
    def jobs(user: AnyUser, limit: Annotated[int, Field(ge=1, le=PAGE)] = 20) -> list[Json]:
        return [_job(row) for row in store.jobs(limit=limit)]

    @router.get("/annotations", summary="Annotations, oldest first")
    def annotations(
        user: AnyUser, image: str | None = None, reader: str | None = None, withdrawn: bool = False
    ) -> list[Json]:
        return [_annotation(row) for row in store.annotations(image, reader=reader, active_only=not withdrawn)]

    @router.post("/annotations/{annotation}/withdraw", summary="Take an annotation back; its file is kept")
    def withdraw(request: Request, annotation: Number, user: Annotator, body: _Asked | None = None) -> Json:
        return _annotation(store.withdraw(annotation, by=_name(request, body, user)))

    @router.post("/images/{image}/exclude", summary="Never offer this image again")
    def exclude(request: Request, image: str, user: Annotator, body: Exclusion) -> Json:
        return _image(store.exclude(image, _name(request, body, user), body.reason))

    @router.post("/images/{image}/include", summary="Take an exclusion back")
    def include(request: Request, image: str, user: Annotator, body: _Asked | None = None) -> Json:
        return _image(store.include(image, _name(request, body, user)))

    @router.get("/problems", summary="Images that cannot be read, and why")
    def problems(
        user: AnyUser, after: str | None = None, limit: Annotated[int, Field(ge=1, le=PAGE)] = PAGE
    ) -> list[Json]:
        return [_image(row) for row in store.images(state="unreadable", after=after, limit=limit)]

    @router.get("/versions", summary="Model versions, oldest first")
    def versions(user: AnyUser) -> list[Json]:
        return [_version(row) for row in store.versions()]

    @router.post("/versions/{version}/publish", summary="Bring a version back")
    def publish(request: Request, version: Number, user: Reviewer, body: _Asked | None = None) -> Json:
        return _version(publish_version(project, version, by=_name(request, body, user)))

    @router.put("/settings/alpha", summary="Weigh uncertainty against misalignment anew")
    def alpha(request: Request, user: Reviewer, body: Alpha) -> Json:
        set_alpha(project, body.alpha, by=_name(request, body, user))
        return {"alpha": project.alpha()}

    return router


def _name(request: Request, body: _Asked | None, user: User) -> str:
    return reader_in(request, {"client_id": body.client_id if body else None}, user).name


def _job(row: JobRow) -> Json:
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "progress": row.progress,
        "message": row.message,
    }


def _annotation(row: AnnotationRow) -> Json:
    """An annotation without what the model had thought: who lists it may not have handed in that image."""
    return {
        "id": row.id,
        "image": row.image,
        "reader": row.reader,
        "revision": row.revision,
        "finding": row.finding,
        "roi_voxels": row.roi_voxels,
        "roi_volume_mm3": row.roi_volume,
        "source": row.source,
        "created_at": row.created_at,
        "withdrawn_at": row.withdrawn_at,
        "withdrawn_by": row.withdrawn_by,
    }


def _image(row: ImageRow) -> Json:
    return {
        "id": row.id,
        "state": row.state,
        "problem": row.problem,
        "excluded": row.excluded,
        "excluded_by": row.excluded_by,
        "finding": row.finding,
        "open": row.open,
    }


def _version(row: VersionRow) -> Json:
    return {
        "version": row.version,
        "state": row.state,
        "current": row.current,
        "metrics": row.metrics,
        "verdict": row.verdict,
        "settings": row.settings,
        "parent": row.parent,
        "created_at": row.created_at,
        "published_at": row.published_at,
    }
