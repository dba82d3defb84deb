"""A real browser on the page, that remembers whatever went wrong in it."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from harness.server import Server

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]
SLOW = 60_000
"""Milliseconds: WebGL is drawn by the processor here, which others may be using."""
PICTURE = (32, 32)
"""Columns and rows of the pictures of a pool."""


@dataclass
class Tab:
    """A page of one reader, with what a test asks of it."""

    page: Any
    server: Server
    reader: str
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Paths that were asked for, with their query."""
    may_lose_server: bool = False
    """The test takes the server away, so failing requests are no faults."""

    def open(self, where: str = "") -> Tab:
        """Go to a view."""
        self.page.goto(f"{self.server.url}/xal/{where}")
        return self

    def reload(self) -> None:
        """Load the page anew, once it would not ask whether to leave: a draft takes a moment to reach the disk."""
        self.settle()
        self.page.wait_for_function("() => dispatchEvent(new Event('beforeunload', { cancelable: true }))")
        self.page.reload()

    def next(self) -> str:
        """Ask for the next image; its id."""
        self.page.get_by_role(
            "button", name=re.compile("^(Next image|Next without|Another image|Ask again)")
        ).first.click()
        return self.reading()

    def reading(self) -> str:
        """Wait until an image can be outlined; its id."""
        self.page.get_by_role("group", name="Finding").wait_for(timeout=SLOW)
        return str(self.page.locator(".panel .id").inner_text())

    def tool(self, name: str) -> None:
        """Take a tool."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, finding: str) -> None:
        """Choose the finding."""
        self.page.get_by_role("radio", name=re.compile(f"^{re.escape(finding)}")).check(force=True)

    def drag(self, *places: tuple[float, float], button: str = "left") -> None:
        """Press at the first place of the window, go to all others, let go."""
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down(button=button)
        for place in places[1:]:
            mouse.move(*place, steps=4)
        mouse.up(button=button)
        self.settle()

    def settle(self) -> None:
        """Let the page draw twice."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def outlined(self) -> int:
        """How many voxels the page says are outlined."""
        said = str(self.page.locator(".measure").inner_text())
        return int(said.split()[0]) if said[0].isdigit() else 0

    def hand_in(self) -> None:
        """Hand in, and wait until the server has it."""
        self.page.get_by_role("button", name=re.compile("^Hand in")).click()
        self.page.locator(".receipt").wait_for(timeout=SLOW)

    def sound(self) -> None:
        """Fail if anything went wrong in the page, or another host was asked."""
        assert not self.faults, self.faults


def colours(tab: Tab) -> np.ndarray:
    """What the picture shows: (row, column, red green blue)."""
    return np.asarray(_shot(tab).convert("RGB")).astype(int)


def brightness(tab: Tab) -> np.ndarray:
    """What the picture shows, as numbers."""
    return np.asarray(_shot(tab).convert("L"), dtype=float)


def _shot(tab: Tab) -> Image.Image:
    return Image.open(io.BytesIO(tab.page.locator("#picture").screenshot()))


def colourful(tab: Tab) -> int:
    """How many pixels of the picture are not grey; at its edge the focus is shown."""
    return int((np.ptp(colours(tab)[5:-5, 5:-5], axis=2) > 40).sum())


def contrast(one: str, other: str) -> float:
    """How well two colours, `#rrggbb`, can be told apart, as WCAG counts it."""

    def luminance(colour: str) -> float:
        shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def draw_box(tab: Tab, first: tuple[int, int], last: tuple[int, int]) -> None:
    """Outline a rectangle, in a picture of 32 x 32, by its first and last pixel."""
    tab.tool("Box")
    tab.drag(place_of(tab, first, PICTURE), place_of(tab, last, PICTURE))


def place_of(tab: Tab, voxel: tuple[float, float], size: tuple[float, float]) -> tuple[float, float]:
    """Where the middle of a pixel of a picture is in the window: as large as fits, in the middle of its field."""
    box = tab.page.locator("#picture").bounding_box()
    scale = min(box["width"] / size[0], box["height"] / size[1])
    left = box["x"] + (box["width"] - scale * size[0]) / 2
    top = box["y"] + (box["height"] - scale * size[1]) / 2
    return left + (voxel[0] + 0.5) * scale, top + (voxel[1] + 0.5) * scale


def place_in_slice(tab: Tab, upright: nib.Nifti1Image, i: int, j: int) -> tuple[float, float]:
    """The same of a voxel in an axial slice of a volume in RAS order: the patient's right is left, the front on top."""
    (width, height), (x, y) = upright.shape[:2], upright.header.get_zooms()[:2]
    column, row = width - 1 - i, height - 1 - j
    return place_of(tab, ((column + 0.5) * x - 0.5, (row + 0.5) * y - 0.5), (width * x, height * y))


def rows(tab: Tab, name: str = "Images") -> Any:
    """The rows of a list, once there are any."""
    found = tab.page.get_by_role("list", name=name).locator("[data-image]")
    found.first.wait_for(timeout=SLOW)
    return found


def ids(tab: Tab, name: str = "Images") -> list[str]:
    """The images of the rows of a list, from top to bottom."""
    return list(rows(tab, name).evaluate_all("rows => rows.map((row) => row.dataset.image)"))


def until_listed(tab: Tab, images: set[str], name: str = "Images") -> None:
    """Wait until a list that fits on one page is of these images."""
    tab.page.wait_for_function(
        """([name, images]) => {
            const rows = [...document.querySelectorAll(`[role=list][aria-label="${name}"] [data-image]`)];
            return JSON.stringify(rows.map((row) => row.dataset.image).sort()) === JSON.stringify(images);
        }""",
        arg=[name, sorted(images)],
    )


def stored(server: Server, image: str, reader: str) -> tuple[dict, np.ndarray, np.ndarray]:
    """The standing annotation of this reader, its voxels and their affine."""
    (annotation,) = server.get("/xal/api/annotations", image=image, reader=reader, client_id=reader).json()["items"]
    file = Path(server.folder) / f"{image}.{annotation['id']}.nii.gz"
    reply = server.get(f"/xal/api/annotations/{annotation['id']}/mask.nii.gz", client_id=reader)
    assert reply.ok, reply.text
    file.write_bytes(reply.content)
    label = nib.load(file)
    return annotation, np.asarray(label.dataobj).astype(int), label.affine


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser for all tests; each gets windows of its own."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "chromium is missing: make test-rest installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def serving() -> Iterator[Any]:
    """Starts a server (or an archive) that ends with the test, after all of its windows."""
    with ExitStack() as started:
        yield started.enter_context


@contextmanager
def windows(chromium: Any) -> Iterator[Any]:
    """Opens the page for a reader; afterwards every one of them must have been sound."""
    opened: list[Tab] = []

    def open_tab(server: Server, reader: str, width: int = 1280, height: int = 720, **options: Any) -> Tab:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.add_init_script(f"localStorage.setItem('xal.reader', {reader!r})")
        context.set_default_timeout(SLOW)
        tab = Tab(context.new_page(), server, reader)
        _watch(tab)
        opened.append(tab)
        return tab

    yield open_tab
    for tab in opened:
        tab.page.context.close()
    for tab in opened:
        tab.sound()


@pytest.fixture
def tabs(chromium: Any, serving: Any) -> Iterator[Any]:
    """Opens the page for a reader, in a window that ends with the test."""
    with windows(chromium) as open_tab:
        yield open_tab


def _watch(tab: Tab) -> None:
    def said(message: Any) -> None:
        lost = tab.may_lose_server and "net::ERR" in message.text
        if message.type == "error" and not lost:
            tab.faults.append(f"console: {message.text} {message.location}")

    def asked(request: Any) -> None:
        address = urlparse(request.url)
        if address.scheme in ("http", "https"):
            tab.asked.append(f"{address.path}?{address.query}")
            if address.netloc != urlparse(tab.server.url).netloc:
                tab.faults.append(f"asked another host: {request.url}")

    def blocked(dialog: Any) -> None:
        tab.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    tab.page.on("console", said)
    tab.page.on("pageerror", lambda error: tab.faults.append(f"script: {error}"))
    tab.page.on("request", asked)
    tab.page.on("dialog", blocked)
