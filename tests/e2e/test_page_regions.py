"""An outline without a finding: it is handed in as any other, its image stays open, and its reader stays blind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from harness.browser import Tab, contrast, draw_box, stored
from harness.pools import FINDINGS, write_label
from harness.reviewing import look_again
from harness.room import Room, open_room
from harness.viewing import go_on, press

pytestmark = pytest.mark.e2e

REGION = 255
"""Of a region's voxels in stored label files."""


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = open_room(tmp_path_factory.mktemp("regions"), 30, reviewers="boss")
    with room.server:
        yield room


def choice(tab: Tab) -> Any:
    return tab.page.get_by_role("radio", name=re.compile("^Region only"))


def own_region(tab: Tab) -> Any:
    return tab.page.locator(".own-region")


def view(room: Room, image: str, reader: str) -> dict:
    return dict(room.server.get(f"/xal/api/images/{image}", client_id=reader).json())


def hand_in_region(tab: Tab, image: str) -> None:
    """By key; the toast says what the server said, and the next image comes."""
    tab.page.keyboard.press("Enter")
    tab.page.locator("#toasts").get_by_text(f"{image}: Your outline is kept").wait_for()
    tab.page.wait_for_function(
        "id => ![id, undefined].includes(document.querySelector('.panel .id')?.textContent)", arg=image
    )
    tab.reading()


def outline_region(tab: Tab) -> str:
    """The next image, with a region of 24 pixels that the server has."""
    image = tab.next()
    press(tab, "g")
    draw_box(tab, (10, 8), (15, 11))
    hand_in_region(tab, image)
    return image


def open_image(tab: Tab, image: str) -> None:
    tab.page.goto(f"{tab.server.url}/xal/#/read/{image}")
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent === id", arg=image)
    tab.reading()


def test_a_region_is_handed_in_and_its_image_comes_to_the_next_reader(drawing: Room, tabs):
    tab = tabs(drawing.server, "dr_outline").open()
    image = tab.next()
    draw_box(tab, (10, 8), (15, 11))
    tab.page.keyboard.press("g")
    assert choice(tab).is_checked()
    explained = tab.page.get_by_title("Outline what is to be seen without naming it: the image stays in the pool")
    assert explained.locator("kbd").inner_text() == "G"
    hand_in_region(tab, image)
    annotation, voxels, _ = stored(drawing.server, image, "dr_outline")
    expected = np.zeros((32, 32, 1), int)
    expected[10:16, 8:12] = REGION
    np.testing.assert_array_equal(voxels, expected)
    assert (annotation["region"], annotation["finding"], annotation["roi_voxels"]) == (True, None, 24)
    now = view(drawing, image, "dr_outline")
    assert (now["status"], now["may_see"], now["own"]) == ("waiting", False, None)
    assert not any(f"/images/{image}/why" in path for path in tab.asked), "its reader stays blind"
    other = tabs(drawing.server, "dr_other").open()
    given = other.next()
    while given != image:
        given = go_on(other)
    assert own_region(other).count() == 0
    draw_box(other, (10, 8), (15, 11))
    other.choose("disc")
    other.hand_in()
    assert stored(drawing.server, image, "dr_other")[0]["finding"] == "disc"


def test_a_region_that_is_being_outlined_survives_a_reload_and_is_nothing_without_its_outline(drawing: Room, tabs):
    tab = tabs(drawing.server, "dr_draft").open()
    image = tab.next()
    choice(tab).check(force=True)
    tab.page.locator("#picture").focus()
    tab.page.keyboard.press("Enter")
    tab.page.locator("#toasts").get_by_text("Outline the region first").wait_for()
    draw_box(tab, (3, 3), (5, 5))
    tab.reload()
    assert (tab.reading(), tab.outlined(), choice(tab).is_checked()) == (image, 9, True)
    go_on(tab)
    tab.page.get_by_role("link", name="Back to it").click()
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent === id", arg=image)
    assert (tab.reading(), tab.outlined(), choice(tab).is_checked()) == (image, 9, True)
    hand_in_region(tab, image)
    assert stored(drawing.server, image, "dr_draft")[0]["region"]


def test_ones_own_region_is_told_of_withdrawn_and_followed_by_a_finding(drawing: Room, tabs):
    tab = tabs(drawing.server, "dr_again").open()
    image = outline_region(tab)
    assert own_region(tab).count() == 0, "it is another image's"
    tab.page.get_by_role("link", name="Back to it").click()
    own_region(tab).get_by_text("You outlined a region here (24 pixels).").wait_for()
    tab.reading()
    assert tab.outlined() == 0
    question = tab.page.get_by_role("dialog", name="Withdraw your region?")
    for answer in ("Cancel", "Withdraw"):
        own_region(tab).get_by_role("button", name="Withdraw").click()
        question.get_by_role("button", name=answer).click()
        question.wait_for(state="hidden")
        assert (view(drawing, image, "dr_again")["own_region"] is None) <= (answer == "Withdraw")
    own_region(tab).wait_for(state="detached")
    assert view(drawing, image, "dr_again")["own_region"] is None
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("square")
    tab.hand_in()
    assert stored(drawing.server, image, "dr_again")[0]["finding"] == "square"


def test_a_finding_begins_with_the_region_and_takes_no_second_one(drawing: Room, tabs):
    tab = tabs(drawing.server, "dr_begin").open()
    image = outline_region(tab)
    open_image(tab, image)
    begin = own_region(tab).get_by_role("button", name="Start from it")
    draw_box(tab, (3, 3), (5, 5))
    assert begin.is_disabled(), "what is drawn would be lost"
    tab.page.keyboard.press("Delete")
    begin.click()
    tab.page.wait_for_function("() => document.querySelector('.measure').textContent.startsWith('24 ')")
    tab.choose("disc")
    tab.reload()
    assert (tab.reading(), tab.outlined()) == (image, 24)
    draw_box(tab, (16, 8), (16, 11))
    tab.hand_in()
    rows = drawing.server.get("/xal/api/annotations", image=image, client_id="dr_begin").json()["items"]
    assert [(row["finding"], row["roi_voxels"]) for row in rows] == [(None, 24), ("disc", 28)]
    outlines = tab.page.get_by_role("group", name="Outlines")
    assert outlines.get_by_role("radio", name="dr_begin: disc").is_checked()
    outlines.get_by_role("radio", name="dr_begin: region only").check(force=True)
    tab.page.keyboard.press("r")
    tab.reading()
    assert (tab.outlined(), choice(tab).count()) == (28, 0)
    press(tab, "g")
    assert tab.page.get_by_role("radio", name=re.compile("^disc")).is_checked()


def test_a_region_that_is_called_absent_is_for_a_reviewer_to_decide(drawing: Room, tabs):
    tab = tabs(drawing.server, "dr_sees").open()
    image = outline_region(tab)
    nothing = write_label(drawing.folder / "nothing.nii.gz", drawing.pictures[image], ())
    assert drawing.server.submit(image, nothing, list(FINDINGS), "dr_blank", finding="nothing").ok
    look_again(drawing)
    boss = tabs(drawing.server, "boss").open("#/review")
    doubted = boss.page.get_by_role("listitem", name=f"Outlined, but called absent: {image}")
    doubted.get_by_text("dr_blank says nothing, but dr_sees outlined something.").wait_for()
    for action in ("Accept", "Revise", "Withdraw"):
        assert doubted.get_by_role("button", name=action).count() == 1
    doubted.get_by_role("link", name="Open").click()
    boss.page.get_by_role("radio", name="dr_sees: region only").check(force=True)
    boss.open("#/review")
    doubted.focus()
    boss.page.keyboard.press("a")
    doubted.wait_for(state="detached")


def test_where_a_task_takes_no_regions_the_page_offers_none(tmp_path, tabs, serving):
    room = open_room(tmp_path, 4, task_extra="regions: false\n")
    tab = tabs(serving(room.server), "dr_without").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    press(tab, "g")
    assert tab.page.get_by_role("radio").count() == len(FINDINGS) + 1
    assert tab.page.get_by_role("radio", checked=True).count() == 0
    press(tab, "?")
    help_text = tab.page.get_by_role("dialog", name="Keyboard").inner_text()
    assert ("choose the finding" in help_text, "region" in help_text) == (True, False)
    press(tab, "Escape")
    tab.choose("disc")
    tab.hand_in()
    assert stored(room.server, image, "dr_without")[0]["finding"] == "disc"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_entry_is_readable_and_marked_in_both_themes(drawing: Room, tabs, theme: str):
    tab = tabs(drawing.server, f"dr_{theme}")
    tab.page.add_init_script(f"localStorage.setItem('xal.theme', {theme!r})")
    tab.open()
    tab.next()
    press(tab, "g")
    border, ground = (
        "#{:02x}{:02x}{:02x}".format(*map(int, re.findall(r"\d+", colour)[:3]))
        for colour in tab.page.evaluate(
            """() => ["border-top-color", "background-color"].map((name, at) =>
                 getComputedStyle(document.querySelector([".choice.region", ".panel"][at])).getPropertyValue(name))"""
        )
    )
    assert contrast(border, ground) >= 3


def put_region(room: Room, image: str, reader: str) -> int:
    """Hand in the image's lesion as a region, as 3D Slicer would; the number of its pixels."""
    picture = room.pictures[image]
    label = write_label(room.folder / f"region-{reader}.nii.gz", picture, (picture.finding,))
    reply = room.server.submit(image, label, ["region"], reader, origin="slicer")
    assert reply.ok, reply.text
    return int(reply.json()["xal"]["roi_voxels"])


def test_where_the_task_shows_it_anothers_region_is_begun_with_and_the_receipt_says_whose_it_was(
    tmp_path, tabs, serving
):
    room = open_room(tmp_path, 6, task_extra="show_regions: true\n")
    server = serving(room.server)
    image = next(one for one in sorted(room.pictures) if room.pictures[one].finding == "disc")
    voxels = put_region(room, image, "ada")
    tab = tabs(server, "bob").open()
    open_image(tab, image)
    shown = tab.page.locator(".shown-region")
    shown.get_by_text("ada outlined a region here (drawn in 3D Slicer).").wait_for()
    assert tab.outlined() == 0, "nothing is begun with unasked"
    begin = shown.get_by_role("button", name="Start from it")
    draw_box(tab, (1, 1), (2, 2))
    assert begin.is_disabled(), "what is drawn would be lost"
    tab.page.keyboard.press("Delete")
    begin.click()
    tab.page.wait_for_function(f"() => document.querySelector('.measure').textContent.startsWith('{voxels} ')")
    tab.reload()
    assert (tab.reading(), tab.outlined()) == (image, voxels), "it is a draft"
    draw_box(tab, (1, 1), (2, 2))
    tab.choose("disc")
    tab.hand_in()
    tab.page.locator(".receipt").get_by_text("You were shown what ada had outlined.").wait_for()
    (row,) = server.get("/xal/api/annotations", image=image, reader="bob", client_id="bob").json()["items"]
    assert row["roi_voxels"] == voxels + 4
    origins = [
        said["origin"] for said in server.get(f"/xal/api/images/{image}/why", client_id="bob").json()["annotations"]
    ]
    assert origins == ["slicer", "page"]
    readings = tab.page.get_by_role("group", name="Outlines")
    assert readings.get_by_title("drawn in 3D Slicer").inner_text() == "ada: region only"


def test_by_default_the_page_tells_nothing_of_anothers_region(drawing: Room, tabs):
    tab = tabs(drawing.server, "dr_blind").open()
    image = tab.next()
    while drawing.pictures[image].finding not in FINDINGS:
        image = go_on(tab)
    put_region(drawing, image, "ada")
    tab.reload()
    assert tab.reading() == image
    assert tab.page.locator(".shown-region").count() == 0
    assert "ada" not in tab.page.locator(".panel").inner_text()
