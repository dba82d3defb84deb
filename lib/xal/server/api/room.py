"""`/xal/api/room`: what a page must know of the task, and of who asks, before it shows anything."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from xal.pool.project import Project
from xal.server.api.common import Asker, Reply
from xal.server.http import AnyUser
from xal.task import Method


class RoomFinding(Reply):
    """A finding that a reader can choose."""

    name: str
    color: tuple[int, int, int] | None
    absent: bool
    """It has no ROI."""


class Room(Reply):
    """The task, and the reader as the server knows it."""

    pool: str
    """Of whose images all this is; a label that is handed in may say it, and is refused by any other pool."""
    task: str
    """Which task it is; said with a label, that is refused by any other one."""
    title: str
    dimensions: Literal[2, 3]
    findings: list[RoomFinding]
    regions: bool
    """An outline may be handed in without a finding."""
    asked_for: Literal["finding", "region"]
    """What this reader is asked for: a region is an outline without a finding."""
    outline_share: float
    """The share of images of which an outline is wanted beside the finding; `ImageView` says it of each."""
    reveal: Literal["after_submit", "always"]
    alpha: float
    methods: list[Method]
    """The ways in which images can be chosen."""
    reader: str
    reviewer: bool
    reviewers: bool
    """Any reader is named as a reviewer; where none is, some things are everybody's."""
    lease_minutes: float
    show_patient: bool
    """`/images/{image}/patient` may be asked."""


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    task = project.task

    @router.get("/room", summary="The task, and who asks")
    def room(request: Request, user: AnyUser, asker: Asker) -> Room:
        return Room(
            pool=project.store.pool,
            task=task.name,
            title=task.title,
            dimensions=task.image.dimensions,
            findings=[RoomFinding(name=one.name, color=one.color, absent=one.absent) for one in task.findings],
            regions=task.regions,
            asked_for="region" if asker.outliner and task.regions else "finding",
            outline_share=task.outline.share,
            reveal=task.reveal,
            alpha=project.alpha(),
            methods=list(task.methods),
            reader=asker.name,
            reviewer=asker.reviewer,
            reviewers=bool(request.app.state.xal_reviewers),
            lease_minutes=task.lease_minutes,
            show_patient=request.app.state.xal_show_patient,
        )
