"""What a reader does with the picture, by mouse and by key: window, zoom, slices, directions, theme, shortcuts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest
from harness.browser import Tab, brightness, colourful, colours, contrast, place_of, windows
from harness.room import Room, looked_at_a_corner
from harness.server import Server
from scipy import ndimage
from test_page_reading import SIZE, TURNED, stored

pytestmark = pytest.mark.e2e

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
    window.sound()


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


# window


@pytest.mark.parametrize(
    ("tool", "button", "reset"), [("Window", "left", reset_by_clicks), ("Pen", "right", reset_by_button)]
)
def test_the_window_changes_what_is_seen_and_nothing_else(tab: Tab, tool: str, button: str, reset: Callable):
    blob, tissue = place(tab, 3, 8), place(tab, 8, 15)
    before, (width, level) = inner(tab), window_of(tab)

    def seen(at: tuple[float, float]) -> float:
        box = tab.page.locator("#picture").bounding_box()
        return float(brightness(tab)[int(at[1] - box["y"]), int(at[0] - box["x"])])

    def pull(right: float, down: float) -> None:
        tab.drag(tissue, (tissue[0] + right, tissue[1] + down), button=button)

    tab.tool(tool)
    assert seen(blob) > 250
    assert seen(tissue) < 40
    pull(0, -150)
    assert window_of(tab)[0] == width
    assert window_of(tab)[1] < level - 100
    assert seen(tissue) > 100, "a lower level makes it brighter"
    reset(tab)
    assert window_of(tab) == (width, level)
    np.testing.assert_array_equal(inner(tab), before)
    pull(0, 150)
    assert seen(blob) < 160, "a higher level makes it darker"
    reset_by_key(tab)
    np.testing.assert_array_equal(inner(tab), before)
    pull(200, 0)
    assert window_of(tab)[0] > width + 100
    assert window_of(tab)[1] == level
    assert seen(blob) < 230, "a wider window shows less contrast"
    assert seen(tissue) > 40
    assert tab.outlined() == 0, "this draws nothing"
    outline(tab, whole(tab), blob_size("axial"))
    np.testing.assert_array_equal(handed_in(tab), blob_in("axial", 8))


# zoom and place


def grown(now: Patch, before: Patch) -> float:
    """How many times as large a patch is by now."""
    across, down = now.size / before.size
    assert across == pytest.approx(down, rel=0.04)
    return float(across + down) / 2


def moved(now: Patch, before: Patch) -> np.ndarray:
    """How far the middle of a patch has gone since."""
    return now.middle - before.middle


def test_zoomed_and_moved_a_slice_is_drawn_on_where_it_is_seen(tab: Tab):
    before, picture = patch(tab), inner(tab)
    x, y = middle = tuple(before.middle)
    tab.page.mouse.move(*middle)
    tab.page.keyboard.down("Control")
    wheel(tab, 1)
    wheel(tab, 1)
    tab.page.keyboard.up("Control")
    zoomed = patch(tab)
    assert grown(zoomed, before) == pytest.approx(1.15**2, rel=0.03)
    np.testing.assert_allclose(moved(zoomed, before), 0, atol=2)
    assert slice_of(tab) == "9 / 16", "with Ctrl the wheel does not go through the slices"
    tab.tool("Move")
    tab.drag(middle, (x - 90, y + 40))
    np.testing.assert_allclose(moved(patch(tab), zoomed), (-90, 40), atol=2)
    assert tab.outlined() == 0
    outline(tab, patch(tab), blob_size("axial"))
    reset_by_button(tab)
    outlined = brightness(tab)
    press(tab, "o")
    assert np.abs(outlined - brightness(tab)).max() > 20
    np.testing.assert_array_equal(inner(tab), picture)
    np.testing.assert_array_equal(handed_in(tab), blob_in("axial", 8))


def test_a_single_picture_is_zoomed_by_the_wheel_and_moved_by_dragging(room: Room, tabs):
    tab = tabs(room.server, "dr_flat", *WINDOW).open()
    image = tab.next()
    tab.settle()
    before = inner(tab)
    x, y = np.argwhere(room.pictures[image].roi.T)[0] if room.pictures[image].roi.any() else (20, 11)
    tab.page.mouse.move(*place_of(tab, (x, y), SIZE))
    wheel(tab, 1)
    zoomed = inner(tab)
    assert np.abs(zoomed - before).mean() > 2
    wheel(tab, -1)
    np.testing.assert_array_equal(inner(tab), before)
    tab.tool("Move")
    (left, top), (right, bottom) = place_of(tab, (4, 4), SIZE), place_of(tab, (8, 6), SIZE)
    tab.drag((left, top), (right, bottom))
    across, down = round(right - left), round(bottom - top)
    np.testing.assert_allclose(
        inner(tab)[150:300, 150:300], before[150 - down : 300 - down, 150 - across : 300 - across], atol=12
    )
    reset_by_clicks(tab)
    np.testing.assert_array_equal(inner(tab), before)
    assert tab.outlined() == 0


# slices and directions


def test_wheel_keys_and_slider_go_through_the_slices_and_stop_at_the_last(tab: Tab):
    first, last = BLOB[2].start, BLOB[2].stop - 1
    tab.page.mouse.move(*place(tab, 8, 15))
    for up in (lambda: wheel(tab, 1), lambda: press(tab, "ArrowUp"), lambda: press(tab, "PageUp")):
        slide_to(tab, first - 1)
        assert (slice_of(tab), patches(tab)) == (f"{first} / 16", [])
        up()
        assert slice_of(tab) == f"{first + 1} / 16"
        np.testing.assert_allclose(patch(tab), whole(tab), atol=3)
    for down in (lambda: wheel(tab, -1), lambda: press(tab, "ArrowDown"), lambda: press(tab, "PageDown")):
        slide_to(tab, last + 1)
        assert patches(tab) == []
        down()
        assert slice_of(tab) == f"{last + 1} / 16"
        np.testing.assert_allclose(patch(tab), whole(tab), atol=3)
    slide_to(tab, 15)
    press(tab, "ArrowUp")
    assert slice_of(tab) == "16 / 16"
    slide_to(tab, 0)
    press(tab, "ArrowDown")
    assert slice_of(tab) == "1 / 16"


@pytest.mark.parametrize(("direction", "at"), [("axial", 5), ("coronal", 11), ("sagittal", 2)])
def test_what_is_drawn_in_a_direction_is_stored_where_it_was_seen(tab: Tab, direction: str, at: int):
    turn_to(tab, direction)
    slide_to(tab, at)
    np.testing.assert_allclose(patch(tab), whole(tab, direction), atol=3)
    outline(tab, patch(tab), blob_size(direction))
    np.testing.assert_array_equal(handed_in(tab), blob_in(direction, at))


def test_all_three_directions_beside_each_other_can_be_drawn_in(tab: Tab):
    tab.tool("Point: show the slices through a place")
    tab.page.mouse.click(*place(tab, 3, 8))
    turn_to(tab, "all")
    seen = patches(tab)
    assert len(seen) == 3
    for direction, axes in SEEN_IN.items():
        across, down = np.multiply(blob_size(direction), [SPACING[axis] for axis in axes])
        (one,) = [each for each in seen if each.size[0] / each.size[1] == pytest.approx(across / down, rel=0.08)]
        outline(tab, one, blob_size(direction))
    expected = blob_in("axial", 8) | blob_in("coronal", 8) | blob_in("sagittal", 3)
    np.testing.assert_array_equal(handed_in(tab), expected)


def test_the_volume_as_a_body_is_turned_and_zoomed_and_cannot_be_drawn_on(tab: Tab):
    before = inner(tab)
    turn_to(tab, "solid")
    assert tab.page.get_by_role("slider", name="Slice").count() == 0
    body = inner(tab)
    assert np.abs(body[:400] - before[:400]).mean() > 5
    middle = place(tab, 6, 10)
    tab.page.mouse.move(*middle)
    wheel(tab, 1)
    assert lit(inner(tab)) > lit(body) * 1.1, "the wheel zooms"
    press(tab, "+")
    assert lit(inner(tab)) > lit(body) * 1.5, "and so does the key"
    press(tab, "0")
    np.testing.assert_array_equal(inner(tab), body)
    tab.drag(middle, (middle[0] + 60, middle[1] + 30))
    assert np.abs(inner(tab) - body).mean() > 2
    assert tab.outlined() == 0
    tab.drag((middle[0] + 60, middle[1] + 30), middle)
    np.testing.assert_array_equal(inner(tab), body)
    turn_to(tab, "axial")
    np.testing.assert_array_equal(inner(tab), before)


def lit(seen: np.ndarray) -> int:
    """How many pixels are bright."""
    return int((seen > 100).sum())


def test_once_a_direction_is_chosen_the_keys_are_the_pictures_again(tab: Tab):
    turn_to(tab, "coronal")
    slide_to(tab, 8)
    turn_to(tab, "axial")
    direction_list(tab).focus()
    press(tab, "c")
    assert direction_list(tab).input_value() == "coronal"
    press(tab, "ArrowUp", "3")
    assert direction_list(tab).input_value() == "coronal"
    assert slice_of(tab) == "10 / 20"
    assert tab.page.get_by_role("radio", name=FINDINGS[2]).is_checked()


def test_an_outline_that_was_hidden_is_shown_with_the_next_image(tab: Tab):
    press(tab, "x")
    tab.drag(place(tab, 6, 14), place(tab, 9, 17))
    press(tab, "o")
    go_on(tab)
    tab.drag(place(tab, 6, 14), place(tab, 9, 17))
    shown = colourful(tab)
    press(tab, "o")
    hidden = colourful(tab)
    assert shown > hidden + 500
    press(tab, "o")
    assert colourful(tab) == shown


# shortcuts

CHECKS: dict[str, Callable[[Tab], None]] = {}


def shortcut(keys: str) -> Callable[[Callable[[Tab], None]], Callable[[Tab], None]]:
    """What the keys of a line of the list do."""

    def add(check: Callable[[Tab], None]) -> Callable[[Tab], None]:
        CHECKS[keys] = check
        return check

    return add


def draw_a_box(tab: Tab) -> None:
    """Twelve voxels."""
    press(tab, "x")
    tab.drag(place(tab, 6, 14), place(tab, 9, 16))


@shortcut("1 … 9")
def chooses_the_finding(tab: Tab) -> None:
    for number, finding in enumerate(FINDINGS, 1):
        press(tab, str(number))
        assert tab.page.get_by_role("radio", name=finding).is_checked()


@shortcut("B")
def takes_the_pen(tab: Tab) -> None:
    press(tab, "x", "b")
    assert chosen(tab) == "pen"
    tab.drag(place(tab, 6, 14), place(tab, 9, 14), place(tab, 9, 16))
    assert tab.outlined() == 4 + 2


@shortcut("F")
def takes_the_filled_pen(tab: Tab) -> None:
    press(tab, "f")
    assert chosen(tab) == "filled"
    tab.drag(*(place(tab, *corner) for corner in ((3, 3), (8, 3), (8, 9), (3, 9), (3, 3))))
    assert tab.outlined() == 6 * 7


@shortcut("X")
def takes_the_box(tab: Tab) -> None:
    draw_a_box(tab)
    assert (chosen(tab), tab.outlined()) == ("box", 12)


@shortcut("E")
def takes_the_eraser(tab: Tab) -> None:
    draw_a_box(tab)
    press(tab, "e")
    assert chosen(tab) == "eraser"
    tab.drag(place(tab, 7, 15), place(tab, 11, 15))
    assert tab.outlined() == 12 - 3


@shortcut("[ ]")
def makes_the_pen_thinner_or_thicker(tab: Tab) -> None:
    press(tab, "]")
    tab.drag(place(tab, 6, 14), place(tab, 6, 14))
    assert tab.outlined() == 9
    press(tab, "[")
    tab.drag(place(tab, 9, 17), place(tab, 9, 17))
    assert tab.outlined() == 9 + 1


@shortcut("Ctrl Z Ctrl Y")
def undoes_and_redoes(tab: Tab) -> None:
    draw_a_box(tab)
    press(tab, "Control+z")
    assert tab.outlined() == 0
    press(tab, "Control+y")
    assert tab.outlined() == 12


@shortcut("Del")
def clears_the_outline(tab: Tab) -> None:
    draw_a_box(tab)
    press(tab, "Delete")
    assert tab.outlined() == 0
    press(tab, "Control+z")
    assert tab.outlined() == 12


@shortcut("Enter")
def hands_in(tab: Tab) -> None:
    image = tab.page.locator(".panel .id").inner_text()
    draw_a_box(tab)
    press(tab, "2", "Enter")
    tab.page.locator(".receipt").wait_for()
    annotation, voxels, _ = stored(tab.server, image, tab.reader)
    assert annotation["finding"] == "dark"
    assert (voxels == 2).sum() == 12


@shortcut("N")
def goes_on_to_the_next_image(tab: Tab) -> None:
    skipped = tab.page.locator(".panel .id").inner_text()
    draw_a_box(tab)
    handed = go_on(tab)
    assert (handed != skipped, tab.outlined()) == (True, 0)
    assert tab.server.get(f"/xal/api/images/{skipped}", client_id=tab.reader).json()["own"] is None
    draw_a_box(tab)
    press(tab, "1", "Enter")
    tab.page.locator(".receipt").wait_for()
    assert go_on(tab) != handed


@shortcut("R")
def draws_again(tab: Tab) -> None:
    image = tab.page.locator(".panel .id").inner_text()
    draw_a_box(tab)
    press(tab, "1", "Enter")
    tab.page.locator(".receipt").wait_for()
    press(tab, "r")
    assert tab.reading() == image
    assert tab.outlined() == 12
    tab.page.get_by_text("This will be revision 2.").wait_for()


@shortcut("↑ ↓")
def goes_through_the_slices(tab: Tab) -> None:
    press(tab, "ArrowUp")
    assert slice_of(tab) == "10 / 16"
    press(tab, "ArrowDown", "ArrowDown")
    assert slice_of(tab) == "8 / 16"
    tab.page.mouse.move(*place(tab, 6, 10))
    wheel(tab, 1)
    assert slice_of(tab) == "9 / 16"


@shortcut("V")
def turns_to_another_direction(tab: Tab) -> None:
    views = []
    for direction in (*DIRECTIONS[1:], DIRECTIONS[0]):
        press(tab, "v")
        assert direction_list(tab).input_value() == direction
        views.append(inner(tab)[:400])
    assert len({view.tobytes() for view in views}) == len(DIRECTIONS)


@shortcut("+ −")
def zooms(tab: Tab) -> None:
    before, picture = patch(tab), inner(tab)
    press(tab, "+")
    assert grown(patch(tab), before) == pytest.approx(1.25, rel=0.03)
    press(tab, "-")
    np.testing.assert_array_equal(inner(tab), picture)


@shortcut("M P W")
def takes_the_tools_that_do_not_draw(tab: Tab) -> None:
    before, there = patch(tab), place(tab, 6, 10)
    press(tab, "m")
    tab.drag(there, (there[0] + 40, there[1] + 20))
    np.testing.assert_allclose(moved(patch(tab), before), (40, 20), atol=2)
    press(tab, "0", "w")
    width, level = window_of(tab)
    tab.drag(there, (there[0] + 50, there[1] + 30))
    assert window_of(tab)[0] > width + 30
    assert window_of(tab)[1] > level + 20
    press(tab, "0", "p")
    tab.page.mouse.click(*place(tab, 4, 11))
    for direction, at in (("coronal", "12 / 20"), ("sagittal", "5 / 12")):
        turn_to(tab, direction)
        assert slice_of(tab) == at
    assert tab.outlined() == 0


@shortcut("0")
def shows_the_whole_image_in_its_own_window(tab: Tab) -> None:
    picture, windowed, there = inner(tab), window_of(tab), place(tab, 6, 10)
    press(tab, "+", "+", "w")
    tab.drag(there, (there[0] + 50, there[1] + 30))
    press(tab, "m")
    tab.drag(there, (there[0] + 40, there[1] + 20))
    assert window_of(tab) != windowed
    press(tab, "0")
    assert window_of(tab) == windowed
    np.testing.assert_array_equal(inner(tab), picture)


@shortcut("Shift drag")
def moves_the_image_whatever_the_tool(tab: Tab) -> None:
    before, there = patch(tab), place(tab, 6, 10)
    tab.page.keyboard.down("Shift")
    tab.drag(there, (there[0] + 40, there[1] + 20))
    tab.page.keyboard.up("Shift")
    np.testing.assert_allclose(moved(patch(tab), before), (40, 20), atol=2)
    tab.drag((there[0] + 40, there[1] + 20), there, button="middle")
    np.testing.assert_allclose(moved(patch(tab), before), 0, atol=2)
    assert tab.outlined() == 0


@shortcut("right drag")
def changes_the_window_whatever_the_tool(tab: Tab) -> None:
    (width, level), there = window_of(tab), place(tab, 6, 10)
    tab.drag(there, (there[0] - 50, there[1] - 30), button="right")
    assert window_of(tab)[0] < width - 30
    assert window_of(tab)[1] < level - 20
    assert tab.outlined() == 0


@shortcut("A")
def shows_and_hides_the_attention(tab: Tab) -> None:
    looked_at_a_corner(tab.server, tab.page.locator(".panel .id").inner_text())
    press(tab, "a")  # not shown yet: nothing happens
    press(tab, "1", "Enter")
    tab.page.get_by_role("dialog").get_by_role("button", name="Hand in").click()
    tab.page.locator(".heat").wait_for()
    turn_to(tab, "solid")
    tab.page.get_by_role("slider", name="Opacity of the attention").fill("1")
    tab.settle()
    shown = colourful(tab)
    press(tab, "a")
    assert colourful(tab) + 500 < shown
    press(tab, "a")
    assert colourful(tab) == shown


@shortcut("O")
def shows_and_hides_the_outline(tab: Tab) -> None:
    bare = colourful(tab)
    draw_a_box(tab)
    shown = colourful(tab)
    assert shown > bare + 500
    press(tab, "o")
    assert colourful(tab) == bare
    press(tab, "o")
    assert colourful(tab) == shown
    assert tab.outlined() == 12


@shortcut("?")
def shows_this_list(tab: Tab) -> None:
    tab.page.locator("#picture").focus()
    press(tab, "?")
    tab.page.get_by_role("dialog", name="Keyboard").wait_for()
    press(tab, "x")
    assert chosen(tab) == "pen", "the list has the keys for itself"
    press(tab, "Escape")
    tab.page.get_by_role("dialog").wait_for(state="detached")
    assert tab.page.evaluate("document.activeElement.id") == "picture"


def test_there_is_a_test_of_every_line_of_the_list(tab: Tab):
    press(tab, "?")
    lines = tab.page.locator(".keys dt").all()
    assert [" ".join(line.locator("kbd").all_inner_texts()) for line in lines] == list(CHECKS)


@pytest.mark.parametrize("keys", CHECKS)
def test_a_shortcut_does_what_the_list_says(tab: Tab, keys: str):
    CHECKS[keys](tab)


# theme

TEXTS = """() => {
  const hex = (colour) => `#${colour.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    const [red, green, blue, alpha = 1] = parts(getComputedStyle(element).backgroundColor);
    return alpha ? [red, green, blue] : ground(element.parentElement);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const { data, parentElement } = texts.currentNode;
    if (!data.trim() || !parentElement.checkVisibility() || parentElement.closest(":disabled, noscript")) continue;
    const [red, green, blue] = parts(getComputedStyle(parentElement).color);
    found.push([data, hex([red, green, blue]), hex(ground(parentElement))]);
  }
  return found;
}"""


def readable(tab: Tab) -> list[tuple[str, str, str]]:
    """Every text in view with its colour and its ground, once each can be told from its ground."""
    texts = [tuple(text) for text in tab.page.evaluate(TEXTS)]
    assert len(texts) > 10
    assert [text for text in texts if contrast(*text[1:]) < 4.5] == []
    return texts


def test_the_light_theme_is_readable_and_is_kept(volumes: Server, tabs):
    tab = tabs(volumes, "dr_light", *WINDOW).open()
    toggle = tab.page.get_by_role("button", name="Light or dark")
    seen = {}
    for theme in ("dark", "light"):
        if theme == "light":
            toggle.click()
        tab.open("#/read")
        tab.page.reload()
        tab.page.get_by_role("button", name="Next image").wait_for()
        assert tab.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
        texts = readable(tab)
        tab.next()
        tab.settle()
        texts += readable(tab)
        seen[theme] = {ground for _, _, ground in texts}, inner(tab)
        tab.page.keyboard.press("?")
        readable(tab)
        tab.page.keyboard.press("Escape")
        for view in ("Queue", "Progress"):
            tab.page.get_by_role("link", name=view).click()
            tab.page.locator(f"section.view.{view.lower()}").get_by_role("heading").first.wait_for()
            readable(tab)
    (dark, picture), (light, same) = seen.values()
    assert dark & light == {"#000000", "#05070a"}, "only the picture and what covers it are as dark as before"
    assert float(picture.mean()) == pytest.approx(float(same.mean()), abs=2)


# the keyboard alone

LOST = """() => {
  window.lost = [];
  new MutationObserver(() => {
    if (document.activeElement === document.body) lost.push(document.querySelector("#view").innerText);
  }).observe(document.querySelector("#view"), { childList: true, subtree: true });
}"""


def tab_to(tab: Tab, role: str, name: str) -> None:
    """Press Tab until this has the focus."""
    wanted = tab.page.get_by_role(role, name=re.compile(f"^{name}")).first
    for _ in range(40):
        tab.page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the focus never came to {name}")


def test_the_whole_loop_needs_no_mouse_and_never_loses_the_focus(room: Room, tabs):
    tab = tabs(room.server, "dr_keyboard", *WINDOW).open()
    page = tab.page
    start = page.get_by_role("button", name="Next image")
    start.wait_for()
    tab_to(tab, "button", "Next image")
    page.evaluate(LOST)
    said = page.locator(".panel p").first.inner_text()
    room.hand_in(room.free()[-1], "dr_other")
    page.wait_for_function("said => document.querySelector('.panel p').innerText !== said", arg=said)
    assert start.evaluate("element => element === document.activeElement"), "news does not take the focus away"
    page.keyboard.press("Enter")
    first = tab.reading()
    tab_to(tab, "radio", "disc")
    press(tab, "Space", "ArrowDown")
    assert page.get_by_role("radio", name="square").is_checked()
    tab_to(tab, "button", "Hand in")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Hand in without an outline?").wait_for()
    page.keyboard.press("Enter")
    page.locator(".receipt").wait_for()
    assert page.evaluate("document.activeElement.className") == "receipt"
    tab_to(tab, "button", "Next image")
    page.keyboard.press("Enter")
    second = tab.reading()
    assert page.evaluate("document.activeElement.id") == "picture"
    press(tab, "1", "Enter")
    page.get_by_role("dialog", name="Hand in without an outline?").wait_for()
    page.keyboard.press("Enter")
    page.locator(".receipt").wait_for()
    page.keyboard.press("n")
    assert tab.reading() not in (first, second)
    assert page.evaluate("lost") == []
    for image, finding in ((first, "square"), (second, "disc")):
        annotation, voxels, _ = stored(room.server, image, "dr_keyboard")
        assert (annotation["finding"], voxels.any()) == (finding, False)


def test_the_way_to_the_content_stays_in_the_view(room: Room, tabs):
    tab = tabs(room.server, "dr_skip").open("#/queue")
    tab.page.locator("section.view.queue").wait_for()
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "view"
    tab.settle()
    assert tab.page.locator("section.view.queue").is_visible()
    assert tab.page.url.endswith("#/queue")
