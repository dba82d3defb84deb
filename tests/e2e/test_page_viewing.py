"""What a reader does with the picture, mostly by mouse: window, zoom, slices, directions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from harness.browser import PICTURE, Tab, brightness, colourful, place_of
from harness.room import Room
from harness.viewing import (
    BLOB,
    FINDINGS,
    SEEN_IN,
    SPACING,
    WINDOW,
    blob_in,
    blob_size,
    direction_list,
    go_on,
    grown,
    handed_in,
    inner,
    moved,
    outline,
    patch,
    patches,
    place,
    press,
    reset_by_button,
    reset_by_clicks,
    reset_by_key,
    slice_of,
    slide_to,
    turn_to,
    wheel,
    whole,
    window_of,
)

pytestmark = pytest.mark.e2e


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
    tab.page.mouse.move(*place_of(tab, (x, y), PICTURE))
    wheel(tab, 1)
    zoomed = inner(tab)
    assert np.abs(zoomed - before).mean() > 2
    wheel(tab, -1)
    np.testing.assert_array_equal(inner(tab), before)
    tab.tool("Move")
    (left, top), (right, bottom) = place_of(tab, (4, 4), PICTURE), place_of(tab, (8, 6), PICTURE)
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
