"""Make the pictures of the page in docs/page: a real server, simulated readers, a real browser.

Two readers work through the sample data for three rounds; then the page is looked at, as a reader and as a reviewer.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness.browser import FLAGS, SLOW, Tab, place_of  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.simulated_reader import SimulatedReader  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from xal.datasets.truth import Truth, read_truth  # noqa: E402
from xal.imaging.images import write_label  # noqa: E402
from xal.task import Task, load_task  # noqa: E402

TARGET = ROOT / "docs" / "page"
TASK = "phantom_2d"
SIZE = (96, 96)
ROUNDS = 3
PER_ROUND = 12


def main() -> None:
    """Serve, read, look."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        studies = Path(folder) / "studies"
        shutil.copytree(ROOT / "sample_data" / TASK, studies)
        task = load_task(TASK)
        truth = read_truth(ROOT / "sample_data" / "truth" / TASK)
        with Server(Path(folder) / "server", studies, TASK, reviewers="dr_weber") as server:
            work(server, task, truth)
            look(server, truth)


def work(server: Server, task: Task, truth: Truth) -> None:
    """What two readers do in some days, with a few slips for the review."""
    readers = [SimulatedReader(server.url, name, task, truth, lambda: None) for name in ("dr_lee", "dr_okafor")]
    readers[0].train({}, lambda share, what: None)
    for number in range(ROUNDS):
        readers[0].wait_scored(lambda share, what: None)
        for k in range(PER_ROUND):
            readers[k % 2].read_next("xal")
        version = readers[0].train({}, lambda share, what: None)
        print(f"round {number + 1}: v{version['version']} {version['state']}")
    readers[0].wait_scored(lambda share, what: None)
    disagree(server, task, truth)
    readers[1].exclude(server.get("/xal/api/queue", limit=40).json()["items"][-1]["id"], "motion: nothing can be told")


def disagree(server: Server, task: Task, truth: Truth) -> None:
    """Another reader says something else of two images, and the same of four."""
    read = server.get("/xal/api/annotations", reader="dr_lee").json()["items"]
    outlined = [row for row in read if row["roi_voxels"]][-6:]
    with tempfile.TemporaryDirectory() as folder:
        for number, row in enumerate(outlined):
            finding = task.roi_findings[(task.roi_findings.index(row["finding"]) + (number < 2)) % 3]
            roi = np.roll(truth[row["image"]].roi(), 2, axis=0)
            label = Path(folder) / f"{row['image']}.nii.gz"
            write_label(label, roi.astype(np.uint8), np.diag([-1.0, -1, 1, 1]))
            assert server.submit(row["image"], label, [finding], "dr_okafor").ok
    server.wait(lambda: server.status()["review"] == 2, 30, "two images in review")


def look(server: Server, truth: Truth) -> None:
    """Every view, as people see it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=FLAGS)

        def tab(reader: str, where: str = "", width: int = 1280, height: int = 720, theme: str = "dark") -> Tab:
            context = browser.new_context(viewport={"width": width, "height": height})
            context.add_init_script(
                f"localStorage.setItem('xal.reader', {reader!r}); localStorage.setItem('xal.theme', {theme!r})"
            )
            context.set_default_timeout(SLOW)
            return Tab(context.new_page(), server, reader).open(where)

        reading = tab("dr_lee")
        read_one(reading, truth)
        for name, reader, where, ready in (
            ("queue", "dr_lee", "#/queue", "[data-image] img"),
            ("progress", "dr_weber", "#/progress", "table tbody tr"),
            ("review", "dr_weber", "#/review", "[data-kind]"),
        ):
            opened = tab(reader, where)
            opened.page.locator(ready).first.wait_for()
            keep(opened, name)
        tablet = tab("dr_weber", "#/queue", 820, 1180, "light")
        tablet.page.locator("[data-image] img").first.wait_for()
        keep(tablet, "queue-tablet-light")
        browser.close()


def read_one(tab: Tab, truth: Truth) -> None:
    """Outline the lesion of an image that has one, and hand it in."""
    while (roi := truth[tab.next()].roi()) is None:
        tab.choose("no finding")
        tab.hand_in()
    image = str(tab.page.locator(".panel .id").inner_text())
    tab.choose(truth[image].finding)
    tab.tool("Filled pen")
    tab.drag(*(place_of(tab, voxel, SIZE) for voxel in around(roi[:, :, 0])))
    keep(tab, "read")
    tab.hand_in()
    tab.page.locator(".heat").wait_for()
    keep(tab, "why")


def around(roi: Any) -> list[tuple[float, float]]:
    """A closed curve about a region, as a hand would draw it: its farthest voxel in every direction."""
    voxels = np.argwhere(roi)
    centre = voxels.mean(axis=0)
    angles = np.linspace(0, 2 * np.pi, 32)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    reach = ((voxels - centre) @ directions).max(axis=0)
    return [tuple(centre + reach[k] * 0.95 * directions[:, k]) for k in range(len(angles))]


def keep(tab: Tab, name: str) -> None:
    """Keep what the window shows."""
    tab.settle()
    tab.page.wait_for_timeout(1500)
    tab.page.screenshot(path=TARGET / f"{name}.png")
    print(f"docs/page/{name}.png")


if __name__ == "__main__":
    main()
