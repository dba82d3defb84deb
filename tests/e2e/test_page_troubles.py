"""What the page says of its server's disk, while labels go on being taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.browser import draw_box
from harness.disk import MB, small_disk
from harness.pools import write_pool, write_task
from harness.server import Server

pytestmark = pytest.mark.e2e


def test_a_disk_that_is_nearly_full_and_a_damaged_label_are_said_above_everything(tmp_path: Path, tabs):
    with small_disk(tmp_path / "disk", 96) as disk:
        write_pool(disk.folder / "studies", 12)
        server = Server(tmp_path / "server", disk.folder / "studies", str(write_task(tmp_path)), reserve_mb=40)
        with server:
            tab = tabs(server, "ada").open("#/read")
            tab.next()
            disk.fill(leave=20 * MB)
            banner = tab.page.locator("#banner")
            banner.get_by_text("less than the 40 MB are free that are reserved for labels").wait_for()
            draw_box(tab, (8, 8), (16, 16))
            tab.choose("disc")
            tab.hand_in()
            disk.release()
            banner.wait_for(state="hidden")
            (label,) = (disk.folder / "studies/.xal/tiny/labels").glob("*/*.nii.gz")
            label.write_bytes(b"")
            assert server.get("/xal/api/annotations/1/mask.nii.gz", client_id="ada").status_code == 409
            banner.get_by_text("1 label file is damaged on the server").wait_for()
            tab.page.screenshot(path=tmp_path / "troubles.png")
