"""Taking an image that was found in the queue, and giving it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request

from xal.pool.project import Project
from xal.server.api.common import Asked, LeaseReply, Reply, asking
from xal.server.http import Annotator


class Released(Reply):
    """Whether there was a lease to give back."""

    released: bool


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""

    @router.post("/images/{image}/lease", summary="Take this image, or keep it longer; 409 if somebody else has it")
    def lease(
        request: Request, image: str, user: Annotator, body: Annotated[Asked | None, Body()] = None
    ) -> LeaseReply:
        reader = asking(request, body, user).name
        until = project.store.queue.lease(image, reader, project.task.lease_minutes * 60)
        return LeaseReply(image=image, reader=reader, until=until)

    @router.post("/images/{image}/release", summary="Give this image back")
    def release(
        request: Request, image: str, user: Annotator, body: Annotated[Asked | None, Body()] = None
    ) -> Released:
        return Released(released=project.store.queue.release(image, asking(request, body, user).name))
