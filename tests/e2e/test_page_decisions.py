"""What a reviewer decides in the browser, by key and by button, is what the store has afterwards."""

from __future__ import annotations

import re

import pytest
from harness.room import Room
from test_api_review import DOUBTED, FAR, reviewed  # noqa: F401

pytestmark = pytest.mark.e2e


def annotations(room: Room, image: str) -> list[tuple[str, str | None]]:
    rows = room.server.get("/xal/api/annotations", image=image, withdrawn=True, client_id="boss").json()["items"]
    return [(row["reader"], row["withdrawn_by"]) for row in rows]


def test_an_outline_far_from_all_others_is_accepted_with_a_key(reviewed: Room, tabs):  # noqa: F811
    tab = tabs(reviewed.server, "boss").open("#/review")
    far = tab.page.get_by_role("listitem", name=f"Far from the others: {FAR}")
    far.get_by_text("dr_a's outline lies far from").wait_for()
    far.focus()
    tab.page.keyboard.press("a")
    far.wait_for(state="detached")
    assert annotations(reviewed, FAR) == [("dr_a", None)]
    tab.page.reload()
    tab.page.get_by_role("listitem", name=f"The model disagrees: {DOUBTED}").wait_for()
    assert far.count() == 0


def test_an_annotation_is_withdrawn_once_that_was_confirmed(reviewed: Room, tabs):  # noqa: F811
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
