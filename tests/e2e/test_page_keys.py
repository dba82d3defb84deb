"""Keys go to what has the focus, which stays where it is; a palm draws nothing, and no address is a fault."""

from __future__ import annotations

import re
from typing import Any

import pytest
from harness.browser import PICTURE, SLOW, Tab, place_of
from harness.room import Room
from harness.server import Server
from harness.viewing import WINDOW, place, press, slice_of

pytestmark = pytest.mark.e2e


def test_arrows_belong_to_the_control_that_has_the_focus(tab: Tab):
    tab.page.get_by_role("radio", name="bright").focus()
    press(tab, "Space", "ArrowDown")
    assert tab.page.get_by_role("radio", name="dark").is_checked()
    width = tab.page.get_by_role("slider", name="Width of the pen")
    width.focus()
    press(tab, "ArrowUp")
    assert (width.input_value(), slice_of(tab)) == ("3", "9 / 16")


def test_arrows_are_for_the_slices_once_a_finding_was_clicked(tab: Tab):
    tab.page.locator(".choice", has_text="dark").click()
    tab.settle()
    press(tab, "ArrowUp")
    assert tab.page.get_by_role("radio", name="dark").is_checked()
    assert slice_of(tab) == "10 / 16"


def test_undo_and_redo_have_the_keys_of_a_mac(tab: Tab):
    press(tab, "x")
    tab.drag(place(tab, 6, 14), place(tab, 9, 16))
    press(tab, "Meta+z")
    assert tab.outlined() == 0
    press(tab, "Meta+Shift+z")
    assert tab.outlined() == 12


def test_a_tab_or_a_chip_that_is_opened_keeps_the_focus(volumes: Server, tabs):
    tab = tabs(volumes, "dr_focus", *WINDOW).open()
    for name, current in (("Queue", "page"), ("Excluded", "true")):
        link = tab.page.get_by_role("link", name=re.compile(f"^{name}"))
        link.focus()
        tab.page.keyboard.press("Enter")
        tab.page.locator(f"a[aria-current={current}]", has_text=name).wait_for()
        tab.settle()
        assert link.evaluate("element => element === document.activeElement")
        assert tab.page.locator(f"a[aria-current={current}]").count() == 1


def test_who_has_not_said_who_reads_finds_the_way_back_to_the_question(volumes: Server, chromium: Any):
    context = chromium.new_context()
    context.set_default_timeout(SLOW)
    page = context.new_page()
    page.goto(f"{volumes.url}/xal/")
    question = page.get_by_role("dialog", name="Who reads?")
    question.wait_for()
    for _ in range(3):  # a browser closes it at the second, whatever a page says
        page.keyboard.press("Escape")
    question.wait_for(state="hidden")
    page.get_by_role("button", name="Who reads?").click()
    question.wait_for()
    context.close()


def test_an_address_that_cannot_be_decoded_names_no_image(room: Room, tabs):
    tab = tabs(room.server, "dr_typo")
    tab.may_lose_server = True
    tab.open("#/read/100%")
    tab.page.get_by_role("heading", name="This did not work").wait_for()
    tab.page.get_by_role("alert").get_by_text("100%").wait_for()
    tab.faults.clear()  # the browser itself reports the refusal as an error
    tab.next()


class Hand:
    """A pen, a mouse and fingers, any of them at the same time, on a picture of 32 x 32."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.session = tab.page.context.new_cdp_session(tab.page)

    def touch(self, kind: str, *pixels: tuple[int, int]) -> None:
        places = [place_of(self.tab, pixel, PICTURE) for pixel in pixels]
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    def point(self, device: str, kind: str, pixel: tuple[int, int]) -> None:
        x, y = place_of(self.tab, pixel, PICTURE)
        event = {"type": f"mouse{kind}", "x": x, "y": y, "button": "left", "buttons": 0 if kind == "Released" else 1}
        self.session.send("Input.dispatchMouseEvent", {**event, "clickCount": 1, "pointerType": device})


@pytest.mark.parametrize("device", ["pen", "mouse"])
def test_a_palm_beside_a_stroke_does_not_take_it_back(room: Room, tabs, device: str):
    tab = tabs(room.server, f"dr_{device}", 820, 1180, has_touch=True).open()
    tab.next()
    tab.tool("Box")
    hand = Hand(tab)
    hand.point(device, "Pressed", (4, 4))
    hand.point(device, "Moved", (6, 5))
    hand.touch("Start", (20, 20))
    hand.touch("Move", (21, 22))
    hand.point(device, "Moved", (7, 5))
    hand.point(device, "Released", (7, 5))
    hand.touch("End")
    tab.settle()
    assert tab.outlined() == 8


def test_a_pen_draws_although_a_palm_came_first(room: Room, tabs):
    tab = tabs(room.server, "dr_palm", 820, 1180, has_touch=True).open()
    tab.next()
    tab.tool("Box")
    hand = Hand(tab)
    hand.touch("Start", (20, 20))
    hand.touch("Move", (22, 22))
    hand.point("pen", "Pressed", (4, 4))
    hand.point("pen", "Moved", (7, 5))
    hand.touch("Move", (24, 24))
    hand.point("pen", "Released", (7, 5))
    hand.touch("End")
    tab.settle()
    assert tab.outlined() == 8
