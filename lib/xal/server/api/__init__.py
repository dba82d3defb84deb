"""`/xal/api/`: what MONAI Label's interface has no word for."""

from __future__ import annotations

from fastapi import APIRouter

from xal.pool.project import Project
from xal.server.api import (
    administration,
    export,
    images,
    leases,
    live,
    patients,
    progress,
    queue,
    review,
    room,
    versions,
)
from xal.server.http import XalRoute


def api_router(project: Project) -> APIRouter:
    """All routes of `project`; each module adds its own."""
    router = APIRouter(prefix="/xal/api", tags=["xal"], route_class=XalRoute)
    for part in (administration, export, images, leases, live, patients, progress, queue, review, room, versions):
        part.add_routes(router, project)
    return router
