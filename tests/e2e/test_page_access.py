"""Reading by key, in light or dark, and without ever losing the focus: what needs no mouse, and what the eyes need."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from harness.browser import Tab, colourful, contrast, stored
from harness.room import Room, looked_at_a_corner
from harness.server import Server
from harness.viewing import (
    DIRECTIONS,
    FINDINGS,
    WINDOW,
    chosen,
    direction_list,
    go_on,
    grown,
    inner,
    moved,
    patch,
    place,
    press,
    slice_of,
    turn_to,
    wheel,
    window_of,
)

pytestmark = pytest.mark.e2e


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


@shortcut("G")
def chooses_the_region_without_a_finding(tab: Tab) -> None:
    press(tab, "1", "g")
    assert tab.page.get_by_role("radio", name="Region only").is_checked()


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


@shortcut("← → ↑ ↓")
def moves_and_changes_the_window_without_a_pointer(tab: Tab) -> None:
    tab.page.locator("#picture").focus()
    before = patch(tab)
    press(tab, "m", *["ArrowRight"] * 4, *["ArrowDown"] * 2)
    np.testing.assert_allclose(moved(patch(tab), before), (60, 30), atol=2)
    press(tab, "0", "w")
    width, level = window_of(tab)
    press(tab, *["ArrowRight"] * 3, *["ArrowUp"] * 2)
    assert window_of(tab)[0] > width + 30
    assert window_of(tab)[1] < level - 20
    turn_to(tab, "solid")
    before = inner(tab)
    press(tab, "m", *["ArrowLeft"] * 3)
    assert (inner(tab) != before).any()
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
    start = tab.page.get_by_role("button", name="Next image")
    grounds, pictures = {}, {}
    for theme in ("dark", "light"):
        if theme == "light":
            toggle.click()
        tab.reload()
        start.wait_for()
        assert scheme(tab) == theme
        grounds[theme] = {ground for _, _, ground in readable(tab)}
        tab.page.keyboard.press("?")
        readable(tab)
        tab.page.keyboard.press("Escape")
        for view in ("Queue", "Progress"):
            tab.page.get_by_role("link", name=view).click()
            tab.page.locator(f"section.view.{view.lower()}").get_by_role("heading").first.wait_for()
            readable(tab)
        tab.page.get_by_role("link", name="Read", exact=True).click()
        start.wait_for()
    tab.next()
    for theme in ("light", "dark"):
        assert scheme(tab) == theme
        tab.settle()
        grounds[theme] |= {ground for _, _, ground in readable(tab)}
        pictures[theme] = inner(tab)
        toggle.click()
    dark, light = grounds["dark"], grounds["light"]
    assert dark & light == {"#000000", "#05070a"}, "only the picture and what covers it are as dark as before"
    np.testing.assert_array_equal(pictures["dark"], pictures["light"])


def scheme(tab: Tab) -> str:
    """Dark or light."""
    return str(tab.page.evaluate("getComputedStyle(document.documentElement).colorScheme"))


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
    page.wait_for_timeout(300)  # a doubled Enter is none
    page.keyboard.press("Enter")
    page.locator(".receipt").wait_for()
    assert page.evaluate("document.activeElement.className") == "receipt"
    tab_to(tab, "button", "Next image")
    page.keyboard.press("Enter")
    second = tab.reading()
    assert page.evaluate("document.activeElement.id") == "picture"
    press(tab, "1", "Enter")
    page.get_by_role("dialog", name="Hand in without an outline?").wait_for()
    page.wait_for_timeout(300)  # a doubled Enter is none
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
