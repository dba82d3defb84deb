"""`/xal/api/live`: what goes on, sent to every open page whenever it changes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from xal.pool.project import Project
from xal.server.api.administration import state_of
from xal.server.http import AnyUser
from xal.server.shutdown import ending

LOOK_SECONDS = 1.0
QUIET_SECONDS = 15.0
"""A line that says nothing, so that proxies and browsers know the connection from a dead one."""


class Pulse:
    """The state as text, made at most once a second however many pages listen."""

    def __init__(self, project: Project) -> None:
        """Of `project`."""
        self._project = project
        self._turn = threading.Lock()
        self._text = ""
        self._made = float("-inf")

    def text(self) -> str:
        """The state now, or at most a second ago."""
        with self._turn:
            if time.monotonic() >= self._made + LOOK_SECONDS * 0.9:
                self._text, self._made = state_of(self._project).model_dump_json(), time.monotonic()
            return self._text


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    pulse = Pulse(project)

    async def changes(request: Request) -> AsyncIterator[str]:
        sent, last = "", time.monotonic()
        while not ending.is_set() and not await request.is_disconnected():
            text = await run_in_threadpool(pulse.text)
            if text != sent:
                sent, last = text, time.monotonic()
                yield f"event: state\ndata: {text}\n\n"
            elif time.monotonic() - last > QUIET_SECONDS:
                last = time.monotonic()
                yield ": nothing new\n\n"
            await asyncio.sleep(LOOK_SECONDS)

    @router.get(
        "/live", summary="The state whenever it changes, as server-sent events", response_class=StreamingResponse
    )
    def live(request: Request, user: AnyUser) -> StreamingResponse:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(changes(request), media_type="text/event-stream", headers=headers)
