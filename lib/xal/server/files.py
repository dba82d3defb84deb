"""Files that browsers may keep: sent again only if they have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse

GZIP = "application/gzip"
PNG = "image/png"
YEAR = 31_536_000
FOR_GOOD = f"private, max-age={YEAR}, immutable"
"""For an address that names its content."""
A_WHILE = "private, max-age=300"
ASK_AGAIN = "private, max-age=0, must-revalidate"


def send_file(request: Request, path: Path, media_type: str, keep: str, content: object = None) -> Response:
    """A file, or word that the browser's copy is still the same; `content` names it better than name, size and time."""
    status = path.stat()
    tag = _tag(path.name, status.st_size, status.st_mtime_ns) if content is None else _tag(content)
    return _not_modified(request, tag, keep) or FileResponse(
        path, media_type=media_type, headers=_headers(tag, keep), stat_result=status
    )


def send_made(request: Request, made_of: object, make: Callable[[], bytes], media_type: str, keep: str) -> Response:
    """What `make` returns, or word that the browser's copy was made of the same."""
    tag = _tag(made_of)
    return _not_modified(request, tag, keep) or Response(make(), media_type=media_type, headers=_headers(tag, keep))


def _tag(*parts: object) -> str:
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _headers(tag: str, keep: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": keep}


def _not_modified(request: Request, tag: str, keep: str) -> Response | None:
    known = (part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(","))
    return Response(status_code=304, headers=_headers(tag, keep)) if tag in known else None
