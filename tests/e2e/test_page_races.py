"""What arrives late, is lost, or is asked for twice: the outline stays with its own image, and is never lost."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from harness.browser import PICTURE, Tab, brightness, draw_box, place_of, stored
from harness.pools import FINDINGS
from harness.room import Room, open_room
from harness.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def races(tmp_path_factory: pytest.TempPathFactory):
    room = open_room(tmp_path_factory.mktemp("races"), 40)
    with room.server:
        yield room


def hold(tab: Tab, path: str) -> list:
    """Requests of this path that are kept back until a test lets them go."""
    held: list = []
    tab.page.route(path, lambda route: held.append(route))
    return held


def until(tab: Tab, held: list, count: int = 1) -> None:
    """Wait until so many requests are kept back."""
    for _ in range(600):
        if len(held) >= count:
            return
        tab.page.wait_for_timeout(100)
    raise AssertionError(f"{len(held)} of {count} requests came")


def let_go(tab: Tab, path: str) -> None:
    """What was held goes on to the server, as does all that follows; its answer arrives only now."""
    with tab.page.expect_response(path):
        tab.page.unroute(path)


def shown_is(tab: Tab, image: str) -> None:
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent === id", arg=image)


def test_an_image_that_arrives_late_does_not_replace_the_one_asked_for_since(races: Room, tabs):
    tab = tabs(races.server, "dr_late").open()
    tab.page.get_by_role("button", name="Next image").wait_for()
    late, wanted = races.free()[:2]
    held = hold(tab, f"**/images/{late}/volume.nii.gz*")
    tab.page.evaluate("id => { location.hash = `#/read/${id}`; }", late)
    tab.page.wait_for_timeout(500)
    tab.page.evaluate("id => { location.hash = `#/read/${id}`; }", wanted)
    shown_is(tab, wanted)
    tab.settle()
    before = brightness(tab)
    assert held
    let_go(tab, f"**/images/{late}/volume.nii.gz*")
    tab.page.wait_for_timeout(1000)
    shown_is(tab, wanted)
    np.testing.assert_array_equal(brightness(tab), before)
    draw_box(tab, (1, 1), (2, 2))
    tab.choose("disc")
    tab.hand_in()
    assert stored(races.server, wanted, "dr_late")[0]["roi_voxels"] == 4


@pytest.mark.parametrize("path", ["**/mask.nii.gz*", "**/why?*"])
def test_next_right_after_handing_in_begins_with_nothing_drawn(races: Room, tabs, path: str):
    tab = tabs(races.server, f"dr_hasty{len(path)}").open()
    first = tab.next()
    draw_box(tab, (3, 3), (10, 10))
    tab.choose("square")
    held = hold(tab, path)
    tab.page.keyboard.press("Enter")
    tab.page.locator(".receipt").wait_for()
    until(tab, held)
    tab.page.keyboard.press("n")
    tab.page.wait_for_function(
        "id => !['', id].includes(document.querySelector('.panel .id')?.textContent ?? '')", arg=first
    )
    second = tab.reading()
    let_go(tab, path)
    tab.page.wait_for_timeout(1000)
    assert (tab.outlined(), tab.page.locator(".heat").count()) == (0, 0)
    shown_is(tab, second)
    assert second in tab.page.url


def test_a_question_about_one_image_is_not_answered_for_another(races: Room, tabs):
    server = races.server
    tab = tabs(server, "dr_asked").open()
    first = tab.next()
    other = races.free()[0]
    tab.choose("disc")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("dialog", name="Hand in without an outline?").wait_for()
    tab.page.evaluate("image => { location.hash = `#/read/${image}`; }", other)
    shown_is(tab, other)
    assert tab.page.get_by_role("dialog").count() == 0
    for image in (first, other):
        assert (
            server.get("/xal/api/annotations", image=image, reader="dr_asked", client_id="dr_asked").json()["items"]
            == []
        )


def test_drawing_again_begins_with_ones_own_outline(races: Room, tabs):
    server, image = races.server, races.free()[0]
    races.hand_in(image, "dr_first")
    tab = tabs(server, "dr_own").open(f"#/read/{image}")
    tab.reading()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    tab.page.get_by_role("radio", name=re.compile("^dr_first")).check(force=True)
    tab.page.wait_for_timeout(800)
    tab.page.keyboard.press("r")
    tab.reading()
    assert tab.outlined() == 9


def test_strokes_are_kept_while_the_lease_is_renewed(tmp_path: Path, tabs, serving):
    room = open_room(tmp_path, 6, "lease_minutes: 1\n")
    server = serving(room.server)
    tab = tabs(server, "dr_slow").open()
    tab.next()
    tab.page.wait_for_timeout(31_000)  # from half of the lease on it is renewed with a stroke
    held = hold(tab, "**/lease")
    draw_box(tab, (3, 3), (5, 5))
    draw_box(tab, (8, 8), (10, 10))
    tab.page.wait_for_timeout(500)
    assert held
    let_go(tab, "**/lease")
    tab.reload()
    tab.reading()
    assert tab.outlined() == 18


def test_keys_that_change_the_outline_wait_for_the_end_of_a_stroke(races: Room, tabs):
    tab = tabs(races.server, "dr_keys").open()
    tab.next()
    tab.choose("disc")
    tab.tool("Pen")
    tab.page.mouse.move(*place_of(tab, (5, 5), PICTURE))
    tab.page.mouse.down()
    tab.page.mouse.move(*place_of(tab, (9, 5), PICTURE), steps=4)
    for key in ("Delete", "Control+z", "Enter"):
        tab.page.keyboard.press(key)
    tab.page.mouse.move(*place_of(tab, (12, 5), PICTURE), steps=4)
    tab.page.mouse.up()
    tab.settle()
    assert tab.outlined() > 20
    assert tab.page.get_by_role("button", name=re.compile("^Hand in")).is_visible()


def test_a_label_and_a_draft_wait_for_their_own_pool(tmp_path: Path, tabs):
    """The same address may serve other images tomorrow, with the same names."""
    own, other = open_room(tmp_path / "own", 4), open_room(tmp_path / "other", 4)
    other.server.port, other.server.url = own.server.port, own.server.url
    with own.server:
        tab = tabs(own.server, "dr_pool").open()
        tab.may_lose_server = True
        image = tab.next()
        draw_box(tab, (3, 3), (5, 5))
        drafted = tab.page.url
        tab.page.keyboard.press("n")
        tab.page.wait_for_function("url => location.href !== url", arg=drafted)
        image = tab.reading()
        draw_box(tab, (6, 6), (9, 9))
        tab.choose("disc")
        own.server.kill()
        tab.page.get_by_role("button", name=re.compile("^Hand in")).click()
        tab.page.get_by_text("1 label is kept here").wait_for()
        with other.server:
            tab.reload()
            tab.reading()
            tab.faults.clear()  # it may have asked this one before the reload, and been refused
            assert tab.outlined() == 0
            tab.page.wait_for_timeout(6000)  # it tries every five seconds
            assert other.server.get("/xal/api/annotations", withdrawn=True).json()["items"] == []
        own.server.start()
        tab.open()
        tab.reload()
        own.server.wait(lambda: own.server.get("/xal/api/annotations").json()["items"] != [], 30, "the label")
        assert stored(own.server, image, "dr_pool")[0]["roi_voxels"] == 16


def private(tabs, server: Server, reader: str) -> Tab:
    """A window whose browser keeps nothing."""
    tab = tabs(server, reader)
    tab.page.add_init_script("indexedDB.open = () => { throw new Error('not in private windows'); }")
    return tab.open()


def test_where_the_browser_keeps_nothing_one_can_still_hand_in(races: Room, tabs):
    tab = private(tabs, races.server, "dr_private")
    image = tab.next()
    tab.page.get_by_text("This browser keeps nothing here (not in private windows)").first.wait_for()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    assert stored(races.server, image, "dr_private")[0]["roi_voxels"] == 9


def hand_in_without_server(tab: Tab) -> str:
    """Outline nine pixels of the next image and hand them in, while no label reaches the server; the image."""
    tab.may_lose_server = True
    tab.page.route("**/datastore/label?*", lambda route: route.abort())
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.page.get_by_role("button", name=re.compile("^Hand in")).click()
    tab.page.get_by_text("1 label is kept here").wait_for()
    return image


def test_where_the_browser_keeps_nothing_a_label_waits_in_the_page_and_so_does_a_drawing(races: Room, tabs):
    tab = private(tabs, races.server, "dr_offline")
    image = hand_in_without_server(tab)
    tab.page.keyboard.press("n")
    tab.page.wait_for_function("first => document.querySelector('.panel .id')?.textContent !== first", arg=image)
    drawn = tab.reading()
    draw_box(tab, (6, 6), (9, 9))
    tab.page.keyboard.press("n")
    tab.page.wait_for_function("first => document.querySelector('.panel .id')?.textContent !== first", arg=drawn)
    tab.reading()
    tab.page.unroute("**/datastore/label?*")
    races.server.wait(lambda: mine(races.server, image, "dr_offline") != [], 60, "the label")
    assert stored(races.server, image, "dr_offline")[0]["roi_voxels"] == 9
    tab.page.evaluate("id => { location.hash = `#/read/${id}`; }", drawn)
    shown_is(tab, drawn)
    tab.reading()
    assert tab.outlined() == 16


def mine(server: Server, image: str, reader: str) -> list:
    return server.get("/xal/api/annotations", image=image, reader=reader, client_id=reader).json()["items"]


def test_a_label_on_its_way_is_shown_again_and_comes_back_whole_when_it_is_refused(races: Room, tabs):
    tab = tabs(races.server, "dr_patient").open()
    image = hand_in_without_server(tab)
    tab.reload()
    tab.page.locator("aside").get_by_text("Handing in").wait_for()
    assert tab.page.get_by_role("group", name="Finding").count() == 0
    tab.page.unroute("**/datastore/label?*")
    refusal = {"status": 400, "content_type": "application/json", "body": '{"detail": "not now"}'}
    tab.page.route("**/datastore/label?*", lambda route: route.fulfill(**refusal))
    tab.page.get_by_text("The server did not take it: not now").wait_for()
    assert tab.outlined() == 9
    tab.page.unroute("**/datastore/label?*")
    tab.faults.clear()  # the browser itself reports the refusal as an error
    tab.hand_in()
    assert stored(races.server, image, "dr_patient")[0]["roi_voxels"] == 9


def test_an_answer_that_was_lost_does_not_make_a_second_annotation(races: Room, tabs):
    tab = tabs(races.server, "dr_twice").open()
    tab.may_lose_server = True
    arrived = []

    def lose_the_answer(route) -> None:
        arrived.append(route.fetch().status)
        route.abort()

    tab.page.route("**/datastore/label?*", lose_the_answer, times=1)
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    assert arrived == [200]
    assert [row["revision"] for row in mine(races.server, image, "dr_twice")] == [1]


def test_nothing_of_an_earlier_image_stands_beside_the_next(trained_room: Room, tabs):
    tab = tabs(trained_room.server, "dr_second").open()
    for first in (True, False):
        tab.next()
        draw_box(tab, (3, 3), (5, 5))
        tab.choose("disc")
        held = [] if first else hold(tab, "**/why?*")
        tab.hand_in()
        if first:
            tab.page.locator(".sentence").wait_for()
    tab.page.get_by_text("Looking up what the model had thought").wait_for()
    assert tab.page.locator(".sentence, .bars, .numbers").count() == 0
    assert held
    let_go(tab, "**/why?*")
    tab.page.locator(".sentence").wait_for()


def test_an_outline_that_arrives_late_does_not_replace_what_is_drawn(races: Room, tabs):
    tab = tabs(races.server, "dr_eager").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    tab.page.goto(f"{races.server.url}/xal/icon.svg")
    held = hold(tab, "**/mask.nii.gz*")
    tab.open(f"#/read/{image}")
    until(tab, held)
    tab.page.get_by_role("button", name=re.compile("^Draw again")).click()
    until(tab, held, 2)
    shown, again = held
    again.continue_()
    tab.reading()
    draw_box(tab, (8, 8), (10, 10))
    assert tab.outlined() == 18
    shown.continue_()
    tab.page.wait_for_timeout(1000)
    assert tab.outlined() == 18
    tab.page.get_by_role("button", name="Keep revision 1 as it is").click()
    tab.page.get_by_role("dialog", name="Delete what you have drawn?").get_by_role("button", name="Delete it").click()
    tab.page.get_by_role("button", name=re.compile("^Draw again")).wait_for()
    tab.page.unroute("**/mask.nii.gz*")
    tab.reload()
    tab.page.get_by_role("button", name=re.compile("^Draw again")).wait_for()
    assert [row["roi_voxels"] for row in mine(races.server, image, "dr_eager")] == [9]


def test_drawing_again_begins_with_ones_own_outline_whichever_is_looked_at_meanwhile(races: Room, tabs):
    tab = tabs(races.server, "dr_curious").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    lesion = next(name for name, picture in races.pictures.items() if picture.roi.sum() > 9)
    assert races.server.submit(image, races.label(lesion), list(FINDINGS), "dr_colleague").ok
    tab.hand_in()
    outlines = tab.page.get_by_role("group", name="Outlines")
    with tab.page.expect_response(re.compile("mask.nii.gz")):
        outlines.get_by_role("radio", name=re.compile("dr_colleague")).check(force=True)
    tab.page.wait_for_timeout(500)  # it is shown
    held = hold(tab, "**/mask.nii.gz*")
    tab.page.get_by_role("button", name=re.compile("^Draw again")).click()
    until(tab, held)
    outlines.get_by_role("radio", name=re.compile("dr_colleague")).click(force=True)
    outlines.get_by_role("radio", name=re.compile("dr_curious")).click(force=True)
    outlines.get_by_role("radio", name=re.compile("dr_colleague")).click(force=True)
    let_go(tab, "**/mask.nii.gz*")
    tab.reading()
    assert tab.outlined() == 9


def test_an_image_that_is_given_while_another_view_is_open_leaves_its_address_alone(races: Room, tabs):
    tab = tabs(races.server, "dr_away").open("#/read")
    held = hold(tab, "**/activelearning/*")
    tab.page.get_by_role("button", name=re.compile("^Next image")).first.click()
    until(tab, held)
    tab.page.get_by_role("link", name="Queue").click()
    tab.page.get_by_role("list", name="Images").wait_for()
    with tab.page.expect_response(re.compile("/images/.*/volume")):
        let_go(tab, "**/activelearning/*")
    tab.page.wait_for_timeout(500)
    assert tab.page.evaluate("location.hash") == "#/queue"
    tab.page.get_by_role("link", name="Read", exact=True).click()
    image = tab.reading()
    assert tab.page.evaluate("location.hash") == f"#/read/{image}"


def test_an_outline_that_cannot_be_fetched_spoils_nothing_else(races: Room, tabs):
    tab = tabs(races.server, "dr_unlucky").open()
    tab.may_lose_server = True
    tab.page.route("**/mask.nii.gz*", lambda route: route.abort())
    tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    tab.page.locator(".panel .note").get_by_text("cannot be reached").wait_for()
    tab.page.keyboard.press("r")
    tab.page.locator("#toasts").get_by_text("cannot be reached").wait_for()
    tab.page.unroute("**/mask.nii.gz*")
    tab.page.keyboard.press("r")
    tab.reading()
    assert tab.outlined() == 9


def test_a_browser_that_loses_its_graphics_says_so_and_keeps_the_outline(races: Room, tabs):
    tab = tabs(races.server, "dr_lost").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    lose = (
        "() => document.querySelector('#picture').getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
    )
    tab.page.evaluate(lose)
    tab.page.get_by_text("The browser has lost its graphics").wait_for()
    tab.reload()
    tab.page.get_by_role("link", name=image).click()
    tab.reading()
    assert tab.outlined() == 9
