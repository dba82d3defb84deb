"""A window on volumes with one bright blob each, and what a test does and sees in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from harness.browser import Tab, brightness, colours, place_of, stored, windows
from harness.server import Server

TURNED = np.array([[0, 0, 4, -20], [-2, 0, 0, 30], [0, 3, 0, 5], [0, 0, 0, 1]], float)  # i to the back, j up, k right
FINDINGS = ("bright", "dark", "cyst", "stone", "bleed", "scar", "gas", "cleft", "nothing")
TASK = f"""\
name: blobs
title: Blobs in volumes
findings: [{", ".join(f"{{name: {name}}}" for name in FINDINGS[:-1])}, {{name: {FINDINGS[-1]}, absent: true}}]
image: {{dimensions: 3, size: [24, 24, 24]}}
"""
SHAPE = (12, 20, 16)
"""Voxels to the right, to the front and to the head, as are all places in this file."""
SPACING = (4, 2, 3)
BLOB = (slice(2, 5), slice(4, 12), slice(5, 14))
"""What is bright in every volume; it is not in the middle, and nowhere as large as elsewhere."""
SEEN_IN = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
"""The axes along columns and rows: the patient's right, or front, is on the left; front, or head, is on top."""
WINDOW = (920, 520)
"""Small, because the processor draws it."""
DIRECTIONS = ("axial", "coronal", "sagittal", "all", "solid")


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("viewing")
    (folder / "studies").mkdir()
    noise = np.random.default_rng(0)
    for number in range(60):
        pixels = noise.normal(100, 5, SHAPE).astype(np.int16)
        pixels[BLOB] = 400
        in_file = pixels[:, ::-1].transpose(1, 2, 0)
        nib.save(nib.Nifti1Image(in_file, TURNED), folder / "studies" / f"volume_{number:02d}.nii.gz")
    (folder / "blobs.yaml").write_text(TASK)
    with Server(folder / "server", folder / "studies", str(folder / "blobs.yaml")) as server:
        yield server


@pytest.fixture(scope="module")
def window(chromium: Any, volumes: Server) -> Iterator[Tab]:
    with windows(chromium) as open_tab:
        tab = open_tab(volumes, "dr_view", *WINDOW).open()
        tab.page.get_by_role("button", name="Next image").wait_for()
        yield tab


@pytest.fixture
def tab(window: Tab) -> Iterator[Tab]:
    """A window that all tests share, on an image that nothing was done to; the pen is one voxel wide."""
    window.page.keyboard.press("Escape")
    go_on(window)
    window.tool("Pen")
    window.page.get_by_role("slider", name="Width of the pen").fill("1")
    slide_to(window, 8)
    yield window
    faults = list(window.faults)
    window.faults.clear()  # the next test has its own
    assert not faults, faults


class Patch(NamedTuple):
    """A bright rectangle in the window."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def size(self) -> np.ndarray:
        return np.array([self.right - self.left, self.bottom - self.top])

    @property
    def middle(self) -> np.ndarray:
        return np.array([self.left + self.right, self.top + self.bottom]) / 2


def go_on(tab: Tab) -> str:
    """Go to another image by key; its id."""
    before = tab.page.locator(".panel .id").all_inner_texts()
    tab.page.locator("#picture").focus()
    tab.page.keyboard.press("n")
    tab.page.wait_for_function(
        "([id]) => ![id, undefined].includes(document.querySelector('.panel .id')?.textContent)", arg=before
    )
    image = tab.reading()
    tab.settle()
    return image


def press(tab: Tab, *keys: str) -> None:
    for key in keys:
        tab.page.keyboard.press(key)
    tab.settle()


def wheel(tab: Tab, up: int) -> None:
    tab.page.mouse.wheel(0, -100 * up)
    tab.settle()


def slide_to(tab: Tab, at: int) -> None:
    tab.page.get_by_role("slider", name="Slice").fill(str(at))
    tab.settle()


def turn_to(tab: Tab, direction: str) -> None:
    direction_list(tab).select_option(direction)
    tab.settle()


def direction_list(tab: Tab):
    return tab.page.get_by_role("combobox", name="Direction of the slices")


def slice_of(tab: Tab) -> str:
    """Which slice the page says it shows."""
    return str(tab.page.locator(".slices output").inner_text())


def window_of(tab: Tab) -> tuple[int, int]:
    """Width and level, as the page says."""
    width, level = re.findall(r"-?[\d.]+", tab.page.locator(".marks").inner_text())
    return int(width), int(level)


def chosen(tab: Tab) -> str | None:
    tool = tab.page.locator(".tool[aria-pressed=true]")
    return tool.get_attribute("data-tool")


def place(tab: Tab, first: float, second: float, direction: str = "axial") -> tuple[float, float]:
    """Where the middle of a voxel of the slice is in the window, before anything is zoomed or moved."""
    axes = SEEN_IN[direction]
    millimetres = [
        (SHAPE[axis] - at - 0.5) * SPACING[axis] - 0.5 for axis, at in zip(axes, (first, second), strict=True)
    ]
    return place_of(tab, tuple(millimetres), tuple(SHAPE[axis] * SPACING[axis] for axis in axes))


def whole(tab: Tab, direction: str = "axial") -> Patch:
    """Where the blob is in the window, before anything is zoomed or moved."""
    across, down = (BLOB[axis] for axis in SEEN_IN[direction])
    left, top = place(tab, across.stop - 0.5, down.stop - 0.5, direction)
    right, bottom = place(tab, across.start - 0.5, down.start - 0.5, direction)
    return Patch(left, top, right, bottom)


def patches(tab: Tab) -> list[Patch]:
    """The bright rectangles of the picture, also across the lines of the crosshair; letters and bodies are none."""
    shown = colours(tab).min(axis=2)
    box = tab.page.locator("#picture").bounding_box()
    parts, _ = ndimage.label(ndimage.binary_closing(shown > 128, np.ones((15, 15))))
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1):
        inside = parts[rows, columns] == number
        if inside.sum() > 400 and inside.mean() > 0.95 and shown[rows, columns].max() > 250:
            left, top = box["x"] + columns.start, box["y"] + rows.start
            found.append(Patch(left, top, box["x"] + columns.stop, box["y"] + rows.stop))
    return found


def patch(tab: Tab) -> Patch:
    (found,) = patches(tab)
    return found


def outline(tab: Tab, seen: Patch, voxels: tuple[int, int]) -> None:
    """Drag a box from the first to the last of so many voxels that a bright rectangle has."""
    half = seen.size / voxels / 2
    tab.tool("Box")
    tab.drag((seen.left + half[0], seen.top + half[1]), (seen.right - half[0], seen.bottom - half[1]))


def blob_in(direction: str, at: int) -> np.ndarray:
    """The blob in one slice only."""
    (through,) = {0, 1, 2} - set(SEEN_IN[direction])
    voxels = np.zeros(SHAPE, int)
    places = list(BLOB)
    places[through] = slice(at, at + 1)
    voxels[tuple(places)] = 1
    return voxels


def blob_size(direction: str) -> tuple[int, int]:
    first, second = (BLOB[axis].stop - BLOB[axis].start for axis in SEEN_IN[direction])
    return first, second


def handed_in(tab: Tab) -> np.ndarray:
    """Hand in as the first finding; which voxels the server then has."""
    image = str(tab.page.locator(".panel .id").inner_text())
    tab.choose(FINDINGS[0])
    tab.hand_in()
    _, voxels, affine = stored(tab.server, image, tab.reader)
    return np.asarray(nib.as_closest_canonical(nib.Nifti1Image(voxels.astype(np.uint8), affine)).dataobj).astype(int)


def inner(tab: Tab) -> np.ndarray:
    """The picture without its edge, where the focus is shown."""
    return brightness(tab)[5:-5, 5:-5]


def reset_by_key(tab: Tab) -> None:
    press(tab, "0")


def reset_by_button(tab: Tab) -> None:
    tab.tool("Whole image")
    tab.settle()


def reset_by_clicks(tab: Tab) -> None:
    tab.page.mouse.dblclick(*place(tab, 8, 15))
    tab.settle()


def grown(now: Patch, before: Patch) -> float:
    """How many times as large a patch is by now."""
    across, down = now.size / before.size
    assert across == pytest.approx(down, rel=0.04)
    return float(across + down) / 2


def moved(now: Patch, before: Patch) -> np.ndarray:
    """How far the middle of a patch has gone since."""
    return now.middle - before.middle
