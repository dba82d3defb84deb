"""Taking annotations out of the server: as a table, and as a data set."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from xal.errors import Conflict
from xal.exchange.export import export_zip
from xal.exchange.spreadsheet import annotations_csv
from xal.loop.reader import Reader
from xal.pool.project import Project
from xal.server.api.common import Asker, checked_decider
from xal.system.waiting import patiently

CSV = "text/csv; charset=utf-8"
ZIP = "application/zip"


def _exporter(request: Request, reader: Asker) -> Reader:
    return checked_decider(request, reader)


Exporter = Annotated[Reader, Depends(_exporter)]


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    name = project.task.name
    making = threading.Lock()

    @router.get("/export/annotations.csv", summary="Annotations as a table", response_class=StreamingResponse)
    def annotations(exporter: Exporter, withdrawn: bool = False) -> StreamingResponse:
        lines: Iterator[str] = annotations_csv(project, exporter, withdrawn)
        return StreamingResponse(lines, media_type=CSV, headers=_download(f"{name}-annotations.csv"))

    @router.get("/export/dataset.zip", summary="The settled images as a data set", response_class=FileResponse)
    def dataset(exporter: Exporter) -> FileResponse:
        if not making.acquire(blocking=False):
            raise Conflict("a data set is being made for somebody else: ask again when that one is done")
        try:
            with patiently():
                path = export_zip(project)
        finally:
            making.release()
        headers = {"cache-control": "no-store"}
        background = BackgroundTask(path.unlink)
        return FileResponse(path, media_type=ZIP, filename=f"{name}.zip", headers=headers, background=background)


def _download(filename: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{filename}"', "cache-control": "no-store"}
