"""What is too large to be taken is refused while it arrives: nothing of it is parsed or stored."""

from __future__ import annotations

import time

from fastapi import HTTPException
from monailabel.config import settings as server_settings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xal.errors import Full
from xal.system.disk_space import Space
from xal.system.limits import in_force

PLAIN_MB = 4
"""Where no file belongs."""
_IMAGES = frozenset({("PUT", "/datastore"), ("PUT", "/datastore/image"), ("PUT", "/session")})
COPIES = 3
"""As many times as its size an upload may be on the disk, until it has become an image."""
NOT_TAKEN = "no image is taken"
DRAIN_SECONDS = 3.0
"""A client that sends all before it listens has so long to come to its end; it would only see a broken connection."""


class LimitBodies:
    """Answers 413 as soon as it is known that a request is too large, by what it announces or by what has come."""

    def __init__(self, app: ASGIApp, space: Space) -> None:
        """Stand in front of `app`; what is no label may not use the space that is reserved for labels."""
        self._app = app
        self._space = space

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, whose body ends with an error where it grows too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most, setting = _most(scope)
        said = Headers(scope=scope).get("content-length", "")
        announced = int(said) if said.isdecimal() else 0
        if announced > most << 20:
            await _refuse(scope, receive, send, 413, _words(most, setting))
            return
        is_image = setting == "max_body_mb"
        if is_image:
            try:
                self._space.check(NOT_TAKEN, COPIES * announced)
            except Full as error:
                await _refuse(scope, receive, send, Full.status, str(error))
                return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most << 20:
                raise HTTPException(413, _words(most, setting), {"connection": "close"})
            if is_image and self._space.is_low():
                raise HTTPException(Full.status, f"{NOT_TAKEN}: the disk has filled up", {"connection": "close"})
            return message

        await self._app(scope, counted, send)


def _most(scope: Scope) -> tuple[int, str]:
    """Megabytes that this request may have, and which setting says so."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    path = path.removeprefix(server_settings.MONAI_LABEL_API_STR).rstrip("/")
    method, limits = scope["method"], in_force()
    if (method, path) == ("PUT", "/datastore/label"):
        return limits.max_label_mb, "max_label_mb"
    if (method, path) in _IMAGES or (method == "POST" and path.startswith("/infer/")):
        return limits.max_body_mb, "max_body_mb"
    return PLAIN_MB, "for requests without a file"


def _words(most: int, setting: str) -> str:
    return f"the request is too large: this server takes {most} MB at most ({setting})"


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    """Answer, but keep the connection until the client has sent what it began to, or for some seconds."""
    reply = JSONResponse({"detail": words}, status, {"connection": "close"})
    if "expect" in Headers(scope=scope):  # it asked before sending
        await reply(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": status, "headers": reply.raw_headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until and (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.body", "body": b""})
