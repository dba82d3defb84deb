"""The pages at `/xal/` and `/`: files from this folder's `page/`, and the rules under which a browser may run them."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).with_name("page")
VENDOR = FOLDER / "vendor"
"""Where `make page` puts what others wrote; without it the page says so."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",  # NiiVue keeps its font as a data: picture
        "connect-src 'self' data:",  # ... and its font's metrics, which it fetches
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from elsewhere, nothing inline: text from data cannot become script even where it was not escaped."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # ask whether it changed: a new version of the server has a new page
}


class PageFiles(StaticFiles):
    """Static files with these headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, an answer that it is unchanged, or 404; each with the headers."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def page_routes() -> list[BaseRoute]:
    """`/xal` and everything below it that no API route has taken, and the REST interface at `/`.

    MONAI Label's own pages for that, there and at `/docs`, load scripts from other hosts.
    """
    return [
        Route("/", lambda _: FileResponse(FOLDER / "rest.html", headers=HEADERS)),
        Route("/docs", lambda _: RedirectResponse("/")),
        Route("/xal", lambda _: RedirectResponse("/xal/")),
        Mount("/xal", PageFiles(directory=FOLDER, html=True), name="page"),
    ]
