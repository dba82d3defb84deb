"""What was drawn for something else is kept and told of, and never handed in as if it had been drawn for this."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness.browser import Tab, draw_box, stored
from harness.pools import TASK
from harness.room import open_room
from harness.server import Server

pytestmark = pytest.mark.e2e


def hand_in(tab: Tab) -> None:
    """Press the button, whatever comes of it."""
    tab.page.get_by_role("button", name=re.compile("^Hand in")).click()


def test_a_label_waits_for_its_own_task(tmp_path: Path, tabs):
    """The same pool may be served with another task tomorrow, whose findings have the same names."""
    own = open_room(tmp_path / "own", 4)
    task = tmp_path / "other.yaml"
    task.write_text(TASK.replace("name: tiny", "name: other", 1))
    other = Server(tmp_path / "other", own.server.studies, str(task))
    other.port, other.url = own.server.port, own.server.url
    with own.server:
        tab = tabs(own.server, "dr_task").open()
        tab.may_lose_server = True
        image = tab.next()
        draw_box(tab, (6, 6), (9, 9))
        tab.choose("disc")
        own.server.kill()
        hand_in(tab)
        tab.page.get_by_text("1 label is kept here").wait_for()
        with other:
            tab.page.reload()
            tab.page.get_by_text(f"1 label is kept here for another task or other images: {image} (tiny)").wait_for()
            tab.page.wait_for_timeout(6000)  # it tries every five seconds
            assert other.get("/xal/api/annotations", withdrawn=True).json()["items"] == []
        own.server.start()
        tab.page.reload()
        own.server.wait(lambda: own.server.get("/xal/api/annotations").json()["items"] != [], 30, "the label")
        assert stored(own.server, image, "dr_task")[0]["roi_voxels"] == 16
