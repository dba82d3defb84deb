"""What a reviewer decides in the browser, by key and by button, is what the store has afterwards."""

from __future__ import annotations

import re

import pytest
from harness.browser import draw_box
from harness.reviewing import CONTESTED, DOUBTED, FAR, SECOND
from harness.room import Room

pytestmark = pytest.mark.e2e


def annotations(room: Room, image: str) -> list[tuple[str, str | None]]:
    rows = room.server.get("/xal/api/annotations", image=image, withdrawn=True, client_id="boss").json()["items"]
    return [(row["reader"], row["withdrawn_by"]) for row in rows]


def test_an_outline_far_from_all_others_is_accepted_with_a_key(reviewed: Room, tabs):
    tab = tabs(reviewed.server, "boss").open("#/review")
    far = tab.page.get_by_role("listitem", name=f"Far from the others: {FAR}")
    far.get_by_text("dr_a's outline lies far from").wait_for()
    far.focus()
    tab.page.keyboard.press("a")
    far.wait_for(state="detached")
    assert annotations(reviewed, FAR) == [("dr_a", None)]
    tab.reload()
    tab.page.get_by_role("listitem", name=f"The model disagrees: {DOUBTED}").wait_for()
    assert far.count() == 0


def test_an_annotation_is_withdrawn_once_that_was_confirmed(reviewed: Room, tabs):
    tab = tabs(reviewed.server, "boss").open("#/review")
    doubted = tab.page.get_by_role("listitem", name=f"The model disagrees: {DOUBTED}")
    for confirmed in (False, True):
        doubted.get_by_role("button", name="Withdraw").click()
        dialog = tab.page.get_by_role("dialog", name="Withdraw this annotation?")
        dialog.get_by_text("dr_a said disc").wait_for()
        dialog.get_by_role("button", name=re.compile("^Withdraw" if confirmed else "^Cancel")).click()
        dialog.wait_for(state="hidden")
        if not confirmed:
            assert annotations(reviewed, DOUBTED) == [("dr_a", None)]
    doubted.wait_for(state="detached")
    assert annotations(reviewed, DOUBTED) == [("dr_a", "boss")]


def test_what_a_reader_said_is_revised_in_its_outline_also_after_a_reload(reviewed: Room, tabs):
    tab = tabs(reviewed.server, "boss").open("#/review")
    differ = tab.page.get_by_role("listitem", name=f"Readers differ: {SECOND}")
    differ.get_by_role("link", name="Revise dr_a’s annotation").click()
    assert tab.reading() == SECOND
    for _ in range(2):
        tab.page.get_by_text("You revise what dr_a said (disc).").wait_for()
        assert tab.outlined() == 64
        assert tab.page.get_by_role("radio", name="disc").is_checked()
        tab.settle()
        tab.reload()
        tab.reading()
    tab.choose("square")
    tab.hand_in()
    assert annotations(reviewed, SECOND) == [("dr_a", "boss"), ("dr_b", None), ("boss", None)]
    row = reviewed.server.get("/xal/api/annotations", image=SECOND, reader="boss", client_id="boss").json()["items"][0]
    assert (row["finding"], row["roi_voxels"]) == ("square", 64)
    tab.page.get_by_role("link", name="Review").click()
    differ.wait_for(state="detached")


def test_a_revision_can_be_given_up_and_asks_before_it_replaces_a_drawing(reviewed: Room, tabs):
    tab = tabs(reviewed.server, "chief").open(f"#/read/{FAR}")
    tab.page.get_by_role("button", name="Outline it myself").click()
    tab.reading()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("square")
    tab.open("#/review")
    differ = tab.page.get_by_role("listitem", name=f"Readers differ: {CONTESTED}")
    differ.wait_for()
    before = annotations(reviewed, FAR)
    tab.page.goto(f"{reviewed.server.url}/xal/#/read/{FAR}?revise={number(reviewed, FAR)}")
    dialog = tab.page.get_by_role("dialog", name="Forget your unfinished outline?")
    dialog.get_by_role("button", name="Cancel").click()
    tab.reading()
    assert tab.page.get_by_text("You revise").count() == 0
    tab.page.goto(f"{reviewed.server.url}/xal/#/read/{FAR}?revise={number(reviewed, FAR)}")
    dialog.get_by_role("button", name="Forget it and revise").click()
    tab.page.get_by_role("button", name="Leave it as dr_a said").click()
    differ.wait_for()
    assert annotations(reviewed, FAR) == before
    tab.page.get_by_role("link", name="Read", exact=True).click()
    tab.page.get_by_role("button", name="Next image").wait_for()
    assert tab.page.get_by_text("Unfinished").count() == 0


def test_a_refused_revision_is_still_one_after_a_reload_and_can_become_a_reading_of_ones_own(reviewed: Room, tabs):
    tab = tabs(reviewed.server, "boss").open(f"#/read/{FAR}?revise={number(reviewed, FAR)}")
    tab.reading()
    before = annotations(reviewed, FAR)
    tab.may_lose_server = True
    tab.page.route("**/datastore/label*", lambda route: route.abort())
    tab.page.get_by_role("button", name=re.compile("^Hand in")).click()
    tab.page.locator("aside").get_by_text("Handing in").wait_for()
    tab.reload()
    tab.page.locator("aside").get_by_text("Handing in").wait_for()
    tab.page.unroute("**/datastore/label*")
    refusal = {"status": 409, "content_type": "application/json", "body": '{"detail": "it stands no more"}'}
    tab.page.route("**/datastore/label*", lambda route: route.fulfill(**refusal))
    tab.page.get_by_text("The server did not take it: it stands no more").wait_for()
    tab.page.get_by_text("You revise what dr_a said").wait_for()
    tab.page.get_by_role("button", name="Make it a reading of my own").click()
    assert tab.page.get_by_text("You revise").count() == 0
    assert tab.outlined() == 64
    tab.page.unroute("**/datastore/label*")
    tab.faults.clear()  # the browser itself reports the refusal as an error
    tab.hand_in()
    assert annotations(reviewed, FAR) == [*before, ("boss", None)]


def number(room: Room, image: str) -> int:
    (row,) = room.server.get("/xal/api/annotations", image=image, client_id="boss").json()["items"]
    return int(row["id"])
