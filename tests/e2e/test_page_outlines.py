"""Where not all images are to be outlined: the page says which, a finding alone is one key, both are timed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from harness.browser import Tab, draw_box, stored
from harness.room import Room, open_room
from harness.viewing import press

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = open_room(tmp_path_factory.mktemp("half"), 40, "outline: {share: 0.5}\n", auto_train="never")
    with room.server:
        yield room


def next_that(tab: Tab, room: Room, *, wants_outline: bool) -> str:
    """The next image of this kind; the others are left."""
    for _ in range(40):
        image = tab.next()
        view = room.server.get(f"/xal/api/images/{image}", client_id=tab.reader).json()
        if view["outline_wanted"] == wants_outline:
            return image
    raise AssertionError("there is none")


def alone(tab: Tab) -> Any:
    return tab.page.get_by_role("button", name=re.compile("^Finding alone"))


def test_where_the_finding_is_enough_it_is_handed_in_unasked(half: Room, tabs):
    tab = tabs(half.server, "dr_enough").open()
    image = next_that(tab, half, wants_outline=False)
    tab.page.get_by_text("The finding alone is enough here.").wait_for()
    press(tab, "1")
    press(tab, "Enter")
    tab.page.locator(".receipt").wait_for()
    annotation, voxels, _ = stored(half.server, image, "dr_enough")
    assert (annotation["finding"], annotation["roi_voxels"], voxels.any()) == ("disc", 0, False)
    assert half.server.get(f"/xal/api/images/{image}", client_id="dr_enough").json()["status"] == "settled"


def test_who_outlines_all_the_same_has_outlined(half: Room, tabs):
    tab = tabs(half.server, "dr_more").open()
    image = next_that(tab, half, wants_outline=False)
    draw_box(tab, (10, 8), (15, 11))
    tab.choose("square")
    assert alone(tab).is_disabled(), "the outline would be lost"
    press(tab, "s")
    tab.page.get_by_text("There is an outline: clear it first").wait_for()
    tab.hand_in()
    annotation, _, _ = stored(half.server, image, "dr_more")
    assert (annotation["finding"], annotation["roi_voxels"]) == ("square", 24)


def test_where_an_outline_is_wanted_the_page_asks_and_a_key_says_it_is_meant(half: Room, tabs):
    tab = tabs(half.server, "dr_wanted").open()
    image = next_that(tab, half, wants_outline=True)
    tab.page.get_by_text("Please outline this one").wait_for()
    press(tab, "s")
    tab.page.get_by_text("Choose the finding first.").wait_for()
    press(tab, "2")
    press(tab, "Enter")
    dialog = tab.page.get_by_role("dialog", name="Hand in without an outline?")
    dialog.get_by_role("button", name="Cancel").click()
    press(tab, "s")
    tab.page.locator(".receipt").wait_for()
    annotation, voxels, _ = stored(half.server, image, "dr_wanted")
    assert (annotation["finding"], voxels.any()) == ("square", False)


def test_the_page_says_it_again_after_a_reload(half: Room, tabs):
    tab = tabs(half.server, "dr_reload").open()
    next_that(tab, half, wants_outline=False)
    tab.reload()
    tab.reading()
    tab.page.get_by_text("The finding alone is enough here.").wait_for()


def test_progress_shows_the_time_of_both(half: Room, tabs):
    tab = tabs(half.server, "dr_clock").open()
    next_that(tab, half, wants_outline=False)
    press(tab, "1")
    press(tab, "s")
    tab.page.locator(".receipt").wait_for()
    tab.next()
    draw_box(tab, (10, 8), (15, 11))
    tab.choose("disc")
    tab.hand_in()
    said = half.server.get("/xal/api/progress").json()["durations"]
    tab.open("#/progress")
    tab.page.get_by_role("rowheader", name="the finding alone").wait_for()
    rows = [text.split("\t") for text in tab.page.locator(".durations-part tbody tr").all_inner_texts()]
    assert [row[:2] for row in rows] == [
        ["with an outline", str(said["outlined"]["images"])],
        ["the finding alone", str(said["alone"]["images"])],
    ]
    assert all(re.fullmatch(r"\d+ s", row[2]) for row in rows)
    tab.page.get_by_text("Who takes longer than 15 min was away").wait_for()


def test_a_task_that_wants_all_outlines_shows_nothing_of_that(room: Room, tabs):
    tab = tabs(room.server, "dr_all").open()
    image = tab.next()
    assert tab.page.locator(".wish").count() == 0
    assert alone(tab).count() == 0
    press(tab, "1")
    press(tab, "s")
    assert tab.page.locator(".receipt").count() == 0
    assert room.server.get("/xal/api/annotations", image=image).json()["items"] == []
