"""OHIF in a real browser: what it shows, what it has in memory, and whom it asked."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image

from harness.browser import SLOW
from harness.server import Server
from phantoms import Case

KNOWN = (
    "fonts.googleapis.com",  # OHIF's first page asks for a typeface; our policy stops it, and the browser says so
    "status of 404",  # of /train/?check_if_running=true: MONAI Label's way to say that no training runs
)
"""What its console tells and is no fault."""
_CANVAS = "canvas.cornerstone-canvas"
_DRAWN = """([selector, count]) => {
  const all = [...document.querySelectorAll(selector)];
  if (all.length < count) return false;
  const pictures = all.map(canvas => canvas.toDataURL());
  const shades = canvas => new Set(
    new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
  const same = JSON.stringify(pictures) === window.xalPictures;
  window.xalPictures = JSON.stringify(pictures);
  return same && all.every(canvas => canvas.width && shades(canvas) > 16);
}"""
"""Every canvas has a picture, and the same one as when asked the last time."""
_VOXELS = """labels => {
  const volume = labels ? services.segmentationService.getLabelmapVolume('1')
    : cornerstone.cache.getVolumes().find(one => one.volumeId.startsWith('cornerstoneStreamingImageVolume'));
  return { size: volume.dimensions, values: Array.from(volume.voxelManager.getCompleteScalarDataArray()) };
}"""
_LOADED = """() => {
  const last = services.segmentationService.getSegmentations().at(-1);
  const planes = last.representationData.Labelmap.imageIds.map(id => cornerstone.cache.getImage(id));
  return Object.fromEntries(planes.map(plane => [
    /instances\\/([0-9.]+)/.exec(plane.referencedImageId)[1], Array.from(plane.voxelManager.getScalarData())]));
}"""


@dataclass
class Viewer:
    """OHIF in a window of its own."""

    page: Any
    server: Server
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Method and path of what the server was asked, with the query."""
    confirmed: list[str] = field(default_factory=list)
    """Questions that were answered with yes."""

    def open(self, where: str = "", canvases: int = 0) -> Viewer:
        """Go to a part of OHIF, and wait until that many pictures are drawn."""
        self.page.goto(f"{self.server.url}/ohif/{where}", wait_until="commit")
        self.page.get_by_role("button", name="Confirm and Hide").click()
        if canvases:
            self.drawn(canvases)
        return self

    def drawn(self, canvases: int = 1) -> None:
        """Wait until so many pictures are there and do not change any more."""
        self.page.wait_for_function(_DRAWN, arg=[_CANVAS, canvases], polling=700)

    def picture(self, number: int = 0) -> Any:
        """The picture in a viewport, (rows, columns, RGB), without the texts over it."""
        url = self.page.locator(_CANVAS).nth(number).evaluate("canvas => canvas.toDataURL()")
        image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
        return np.asarray(image)

    def voxels(self) -> Any:
        """The volume that is shown, (X, Y, Z)."""
        return self._in_memory(labels=False)

    def labels(self) -> Any:
        """What the panel's models have put over it, (X, Y, Z)."""
        return self._in_memory(labels=True)

    def connect(self) -> None:
        """Connect the panel to its server."""
        self.page.locator(".settingsTable button").click()
        self.page.locator(".monaiLabelPanel select").first.wait_for(state="attached")

    def run(self) -> None:
        """Run the model that the panel has chosen, and wait until its answer is over the image."""
        with self.page.expect_console_message(lambda said: "updated the segmentation" in said.text):
            self.page.get_by_role("button", name="Run", exact=True).first.click()
        self.drawn()

    def studies(self) -> int:
        """How many studies the list shows."""
        rows = self.page.locator("[data-cy^=studyRow]")
        rows.first.wait_for()
        return int(rows.count())

    def lay_over(self, series: re.Pattern[str]) -> None:
        """Open a segmentation of the list, and load it."""
        self.page.get_by_text(series).dblclick()
        load = self.page.get_by_role("button", name="Yes")
        load.click()
        load.wait_for(state="detached")
        self.drawn()

    def next_plane(self) -> None:
        """Turn to the next plane of the first viewport."""
        box = self.page.locator(_CANVAS).first.bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.wheel(0, 100)
        self.drawn()

    def segments(self) -> list[list[str]]:
        """The names in every segmentation that is loaded."""
        return list(
            self.page.evaluate(
                "() => services.segmentationService.getSegmentations()"
                ".map(one => Object.values(one.segments).map(segment => segment.label))"
            )
        )

    def loaded(self, case: Case) -> Any:
        """Where the last loaded segmentation lies on the voxels of a series, (X, Y, Z)."""
        found = self.page.evaluate(_LOADED)
        mask = np.zeros(case.roi.shape, bool)
        ordered = sorted(case.instances, key=lambda one: int(one.InstanceNumber))
        number = {str(one.SOPInstanceUID): k for k, one in enumerate(ordered)}
        for instance, values in found.items():
            plane = np.array(values).reshape(mask.shape[1::-1])
            mask[:, :, number[instance]] = plane.T > 0
        return mask

    def _in_memory(self, labels: bool) -> Any:
        volume = self.page.evaluate(_VOXELS, labels)
        return np.array(volume["values"]).reshape(volume["size"][::-1]).T


def overlay(picture: Any) -> Any:
    """Where a picture is coloured."""
    return np.ptp(picture.astype(int), axis=2) > 24


def in_frame(picture: Any, of: Any, size: tuple[int, int]) -> Any:
    """`of` where the picture is not black, as (columns, rows) of this size: on the image's own pixels."""
    rows, columns = (np.flatnonzero((picture.max(axis=2) > 0).any(axis=axis)) for axis in (1, 0))
    cut = of[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    image = Image.fromarray(cut.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.asarray(image).T


@pytest.fixture
def viewers(chromium: Any, serving: Any) -> Iterator[Any]:
    """Opens OHIF; afterwards nothing may have gone wrong in it, and nobody else may have been asked."""
    opened: list[Viewer] = []

    def open_viewer(server: Server, width: int = 1280, height: int = 800) -> Viewer:
        context = chromium.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(SLOW)
        viewer = Viewer(context.new_page(), server)
        _watch(viewer)
        opened.append(viewer)
        return viewer

    yield open_viewer
    for viewer in opened:
        viewer.page.context.close()
    for viewer in opened:
        assert not viewer.faults, viewer.faults


def _watch(viewer: Viewer) -> None:
    def said(message: Any) -> None:
        if message.type == "error" and not any(known in message.text for known in KNOWN):
            viewer.faults.append(f"console: {message.text}")

    def answered(response: Any) -> None:
        address = urlparse(response.url)
        if address.scheme not in ("http", "https"):
            return
        viewer.asked.append(f"{response.request.method} {address.path}?{address.query}")
        if address.netloc != urlparse(viewer.server.url).netloc:
            viewer.faults.append(f"another host answered: {response.url}")

    def failed(request: Any) -> None:
        address = urlparse(request.url)
        if address.netloc != urlparse(viewer.server.url).netloc and request.failure != "csp":
            viewer.faults.append(f"another host was asked: {request.url}")

    def asked(dialog: Any) -> None:
        viewer.confirmed.append(dialog.message)
        dialog.accept()

    viewer.page.on("console", said)
    viewer.page.on("pageerror", lambda error: viewer.faults.append(f"script: {error}"))
    viewer.page.on("response", answered)
    viewer.page.on("requestfailed", failed)
    viewer.page.on("dialog", asked)
