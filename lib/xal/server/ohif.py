"""OHIF at `/ohif/`: the build that MONAI Label ships, as it is, told where it is and kept from asking anybody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import monailabel
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from xal.server.http import AnyUser, XalRoute

FOLDER = Path(monailabel.__file__).parent / "endpoints" / "static" / "ohif"
ARCHIVE = "/proxy/dicom"
CONFIGURATION: dict[str, Any] = {
    "routerBasename": "/ohif/",
    "showStudyList": True,
    "extensions": [],
    "modes": [],
    "showWarningMessageForCrossOrigin": True,
    "showCPUFallbackMessage": True,
    "showLoadingIndicator": True,
    "strictZSpacingForVolumeViewport": True,
    "useSharedArrayBuffer": "FALSE",
    "defaultDataSourceName": "dicomweb",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "dicomweb",
            "configuration": {
                "friendlyName": "The archive",
                "name": "archive",
                "wadoUriRoot": f"{ARCHIVE}/wado",
                "qidoRoot": f"{ARCHIVE}/qido",
                "wadoRoot": f"{ARCHIVE}/wado",
                "qidoSupportsIncludeField": True,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": False,
                "supportsFuzzyMatching": True,
                "supportsWildcard": True,
                "bulkDataURI": {"enabled": True},
                "supportsReject": False,  # the archive is read through us, not written
                "dicomUploadEnabled": False,
            },
        }
    ],
}
_CONFIG_FILE = "app-config.js"
_CONFIG_SCRIPT = f"""window.config = {json.dumps(CONFIGURATION, indent=2)};
// the panel takes port 8000 for its server's unless this cookie, which it keeps itself, says otherwise
document.cookie = 'MONAILABEL_SERVER_URL=' + escape(location.origin + '/') + '; path=/ohif';
"""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # its first lines, its codecs, its reader of segmentations
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' blob: data:",
        "font-src 'self' data:",
        "connect-src 'self' blob: data:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)
"""Only from here: as it comes, it asks Google for its typeface, and so tells who reads, and when."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # its addresses name studies
    "cache-control": "no-cache",
}


class OhifFiles(StaticFiles):
    """The build's files; every other address is one of the app's own, which its first page knows."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, our configuration, or the first page; 404 for a file that is not there."""
        if path == _CONFIG_FILE:
            response = Response(_CONFIG_SCRIPT, media_type="text/javascript")
        else:
            try:
                response = await super().get_response(path, scope)
            except HTTPException as error:
                if error.status_code != 404 or Path(path).suffix:
                    raise
                response = await super().get_response("index.html", scope)
        response.headers.update(HEADERS)
        return response


def ohif_routes() -> APIRouter:
    """`/ohif/…`, for whoever may see the pool."""
    router = APIRouter(route_class=XalRoute, tags=["Others"])
    files = OhifFiles(directory=FOLDER)

    @router.get("/ohif/{path:path}", include_in_schema=False)
    async def file(request: Request, path: str, user: AnyUser) -> Response:
        return await files.get_response(path or "index.html", request.scope)

    return router
