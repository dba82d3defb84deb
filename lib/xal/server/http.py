"""What all our routes share: refusals become HTTP answers, uploads become files, a request names its reader."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response, UploadFile
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from monailabel.config import settings as server_settings
from monailabel.endpoints.user.auth import RBAC, User

from xal.errors import BadInput, Refused, StoreError, Unavailable, Unreadable
from xal.images import suffix_of
from xal.pacs.waiting import for_somebody
from xal.reader import Reader, reader_of

AnyUser = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_USER))]
Annotator = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR))]
Reviewer = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_REVIEWER))]
Admin = Annotated[User, Depends(RBAC(server_settings.MONAI_LABEL_AUTH_ROLE_ADMIN))]
Json = dict[str, Any]

RETRY_SECONDS = 10
"""After which a client may ask again for what the archive could not give."""
LABEL_SUFFIXES = (".seg.nrrd", ".nrrd", ".nii.gz", ".nii")


class XalRoute(APIRoute):
    """A route whose refusals reach the client as 4xx with their text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, with our errors translated; handlers of the app are frozen when we get to it."""
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

        return translated


def parse_params(text: str | None) -> dict[str, Any]:
    """The JSON object clients send as a form field."""
    if not text:
        return {}
    try:
        params = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"params is not JSON: {error}") from error
    if not isinstance(params, dict):
        raise BadInput(f"params must be a JSON object, not {type(params).__name__}")
    return params


def reader_in(request: Request, params: dict[str, Any], user: User) -> Reader:
    """Who is asking; what `install` was told of reviewers decides whether it is one."""
    named = user.username if server_settings.MONAI_LABEL_AUTH_ENABLE else None
    reader = reader_of(params.get("client_id"), request.client.host if request.client else None, named)
    return replace(reader, reviewer=reader.name in request.app.state.xal_reviewers)


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
