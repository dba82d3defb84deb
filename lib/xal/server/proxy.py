"""The archive as OHIF reaches it: through us, read-only, with our login, and leaving no trace of searches."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import requests
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from xal.errors import Forbidden, NotFound, Unavailable
from xal.server.http import AnyUser, XalRoute
from xal.server.ohif import ARCHIVE, ohif_routes
from xal.sources.client import Archive

PREFIX = ARCHIVE
_PATH = re.compile(r"(studies|series|instances)(/[A-Za-z0-9.,_-]+)*/?")
"""What DICOMweb has below its root; no dots alone, so no way out of it."""
_SENT_ON = ("accept", "accept-language", "if-none-match")
_SENT_BACK = ("content-type", "etag", "warning", "content-encoding")
_ENCODED_COMMA = re.compile("%2c", re.IGNORECASE)
"""OHIF asks for several fields in this way; it means the same, but Orthanc takes only commas that are written out."""
_ADDRESS = re.compile(rb'"https?://[^"]*?/(studies/[^"]*)"')
"""Where an archive says that something lies (BulkDataURI, RetrieveURL): a browser has to ask us for it instead."""
_OURS = rf'"{PREFIX}/\1"'.encode()
_CHUNK = 1 << 20
AT_ONCE, WAIT_SECONDS, READ_SECONDS = 24, 2.0, 20.0
"""Requests that may wait for the archive at once: others of the server's threads must be free for readers."""


def proxy_routes(archive: Archive | None) -> APIRouter:
    """`/proxy/dicom/…`, and OHIF; without an archive it says that there is none."""
    router = APIRouter(route_class=XalRoute, tags=["Others"])
    session = None if archive is None else archive.passing_on(READ_SECONDS)
    free = threading.Semaphore(AT_ONCE)
    router.include_router(ohif_routes())

    @router.get(PREFIX + "/{path:path}", include_in_schema=False)
    def read(request: Request, path: str, user: AnyUser) -> Response:
        if archive is None or session is None:
            raise NotFound("the studies are a folder, not a DICOMweb server")
        if not free.acquire(timeout=WAIT_SECONDS):
            raise Unavailable("the archive is slow, and too many requests wait for it")
        with ExitStack() as held:
            held.callback(free.release)
            return _passed_on(archive, session, request, path.removeprefix("wado/").removeprefix("qido/"), held)

    @router.api_route("/proxy/{path:path}", methods=["GET", "POST", "PUT", "DELETE"], include_in_schema=False)
    def refuse(path: str, user: AnyUser) -> None:
        if archive is None:
            raise NotFound("the studies are a folder, not a DICOMweb server")
        raise Forbidden("the archive is read through this server, not written: labels are handed in")

    return router


class _Streamed(StreamingResponse):
    """A body that is passed on as it comes; what it holds is given up when it has ended or its client is gone."""

    def __init__(self, answer: requests.Response, headers: dict[str, str], give_up: Callable[[], None]) -> None:
        super().__init__(_content(answer), answer.status_code, headers)
        self._give_up = give_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; an iterator that nobody begins or ends cannot be trusted to clean up."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._give_up()


def _passed_on(archive: Archive, session: requests.Session, request: Request, path: str, held: ExitStack) -> Response:
    if not _PATH.fullmatch(path) or "/." in path:
        raise NotFound("the archive has studies, series and instances")
    headers = {name: request.headers[name] for name in _SENT_ON if name in request.headers}
    query = f"?{_ENCODED_COMMA.sub(',', request.url.query)}" if request.url.query else ""
    try:
        answer = held.enter_context(session.get(f"{archive.address.url}/{path}{query}", headers=headers, stream=True))
        told = _told(answer)
    except requests.RequestException as error:
        raise Unavailable(f"the archive does not answer ({type(error).__name__})") from None
    back = {name: answer.headers[name] for name in _SENT_BACK if name in answer.headers}
    if answer.status_code in (401, 403):  # our login, not the asker's: a browser must not ask for one
        raise Unavailable(f"the archive refuses the server's login ({answer.status_code})")
    if told is None:
        return _Streamed(answer, back, held.pop_all().close)
    back.pop("content-encoding", None)
    return Response(told, answer.status_code, back)


def _told(answer: requests.Response) -> bytes | None:
    """What an answer in JSON says, with our addresses in place of the archive's; nothing if it is no JSON."""
    if not answer.headers.get("content-type", "").startswith(("application/dicom+json", "application/json")):
        return None
    return _ADDRESS.sub(_OURS, answer.content)


def _content(answer: requests.Response) -> Iterator[bytes]:
    """The body as it comes, packed as it was."""
    yield from answer.raw.stream(_CHUNK, decode_content=False)


class WithoutSearches(logging.Filter):
    """An access log names what was asked for, but not for whom: patients' names are searched for in the query."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the query off requests to the archive and of OHIF."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                argument.split("?")[0]
                if isinstance(argument, str) and argument.startswith(("/proxy", "/ohif"))
                else argument
                for argument in record.args
            )
        return True


def keep_searches_out_of_logs() -> None:
    """From now on, in this process."""
    logging.getLogger("uvicorn.access").addFilter(WithoutSearches())
