"""What all our routes share: refusals become HTTP answers, uploads become files, a request names its reader."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, HTTPException, Request, Response, UploadFile
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from monailabel.config import settings as server_settings
from monailabel.endpoints.user.auth import RBAC, User
from starlette.formparsers import MultiPartParser

from xal.errors import BadInput, Full, Refused, StoreError, Unavailable, Unreadable
from xal.imaging.images import suffix_of
from xal.loop.reader import Reader, reader_of
from xal.store.schema import is_text
from xal.system.durable import is_full
from xal.system.turns import one_request
from xal.system.waiting import for_somebody

AnyUser = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_USER))]
Annotator = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR))]
Reviewer = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_REVIEWER))]
Admin = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_ADMIN))]
Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10
"""After which a client may ask again for what the archive could not give."""
FULL = "The server's disk is full, so this could not be kept. Nothing was changed; make space there, then try again"
FIELDS = 20
"""Of a form, besides files; each is kept in memory, and may have a megabyte."""
FILES = {"/session/": 1000}
"""Of a form, by path; one elsewhere."""
MultiPartParser.spool_max_size = 1 << 16  # of each file that arrives, before it goes to disk
DEEPEST = 32
"""Objects and lists in each other."""
LABEL_SUFFIXES = (".seg.nrrd", ".nrrd", ".nii.gz", ".nii")


class XalRoute(APIRoute):
    """A route whose refusals reach the client as 4xx with their text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, with our errors translated; handlers of the app are frozen when we get to it."""
        self.form_limits = {"max_fields": FIELDS, "max_files": FILES.get(self.path, 1)}
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                with for_somebody():
                    return await handle(request)
            except RequestValidationError as error:  # its own handler echoes the input, which may be no text at all
                said = [{key: detail[key] for key in ("loc", "msg", "type")} for detail in error.errors()]
                raise HTTPException(422, jsonable_encoder(said)) from error
            except Unavailable as error:
                raise HTTPException(error.status, str(error), {"Retry-After": str(RETRY_SECONDS)}) from error
            except Refused as error:
                raise HTTPException(error.status, str(error)) from error
            except Unreadable as error:
                raise HTTPException(409, str(error)) from error
            except StoreError as error:
                raise HTTPException(503, str(error)) from error
            except Exception as error:
                if not is_full(error):
                    raise
                logger.error("a disk is full: %s", error)
                raise HTTPException(Full.status, FULL, {"Retry-After": str(RETRY_SECONDS)}) from error

        return translated


THREADS = 12
"""For all requests that bring images or labels; the server's forty are everybody's."""
_threads = CapacityLimiter(THREADS)


def heavy(handler: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A handler that decodes what it was sent: these wait for threads of their own, and keep nobody else waiting."""

    @functools.wraps(handler)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            with one_request():
                return handler(*args, **kwargs)

        return await to_thread.run_sync(work, limiter=_threads)

    return answered


def parse_params(text: str | None) -> dict[str, Any]:
    """The JSON object clients send as a form field; all of it can be written back."""
    if not text:
        return {}
    try:
        params = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"params is not JSON: {error}") from error
    if not isinstance(params, dict):
        raise BadInput(f"params must be a JSON object, not {type(params).__name__}")
    _check_writable(params)
    return params


def _check_writable(value: Any, depth: int = 0) -> None:
    """Refuse what no reply could hold: nested too deep, or text with half a character in it."""
    if depth > DEEPEST:
        raise BadInput(f"params is nested more than {DEEPEST} deep")
    if isinstance(value, str) and not is_text(value):
        raise BadInput(f"params holds {value[:80]!r}, which is no text: it has half a character in it")
    for part in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_writable(part, depth + 1)


def reader_in(request: Request, params: dict[str, Any], user: User) -> Reader:
    """Who is asking; what `install` was told of reviewers and outliners decides whether it is one."""
    named = user.username if server_settings.MONAI_LABEL_AUTH_ENABLE else None
    reader = reader_of(params.get("client_id"), request.client.host if request.client else None, named)
    state = request.app.state
    return replace(reader, reviewer=reader.name in state.xal_reviewers, outliner=reader.name in state.xal_outliners)


@contextlib.contextmanager
def received(upload: UploadFile) -> Iterator[Path]:
    """An upload as a file that is gone afterwards; of the client's file name only a known suffix is used."""
    name = (upload.filename or "").lower()
    suffix = next((known for known in LABEL_SUFFIXES if name.endswith(known)), None) or suffix_of(name) or ""
    with tempfile.TemporaryDirectory(prefix="xal-") as folder:
        file = Path(folder) / f"upload{suffix}"
        with file.open("wb") as copy:
            shutil.copyfileobj(upload.file, copy)
        yield file


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
