"""Make the pictures of OHIF in docs/pacs: a real archive with phantoms, a real server, a real browser."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from harness.browser import FLAGS, SLOW  # noqa: E402
from harness.hospital import Hospital  # noqa: E402
from harness.ohif import Viewer  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from phantoms import Case  # noqa: E402
from xal.task import TASKS  # noqa: E402

TARGET = ROOT / "docs" / "pacs"
PER_KIND = 24


def main() -> None:
    """Volumes with the panel, films in the basic viewer, and the list of both."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=FLAGS)
        volumes(browser, Path(folder) / "volumes")
        films(browser, Path(folder) / "films")
        browser.close()


def volumes(browser: Any, folder: Path) -> None:
    """Attention over a CT, in MONAI Label's mode."""
    hospital = Hospital.build(folder, TASKS / "phantom_3d.yaml", send="seg,sr,attention")
    with hospital.archive, admitted(hospital, ("ct", "mr")).server:
        case = read(hospital)
        viewer = Viewer(page(browser), hospital.server).open(f"monai-label?StudyInstanceUIDs={case.study}", 3)
        viewer.connect()
        viewer.run()
        keep(viewer, "ohif-attention")


def films(browser: Any, folder: Path) -> None:
    """The study list; outline and attention over a DX, in the basic viewer."""
    hospital = Hospital.build(folder, TASKS / "phantom_2d.yaml", send="seg,sr,attention")
    with hospital.archive, admitted(hospital, ("dx", "cr", "mg", "us")).server:
        case = read(hospital)
        viewer = Viewer(page(browser), hospital.server).open()
        viewer.studies()
        keep(viewer, "ohif-studies")
        viewer = Viewer(page(browser), hospital.server).open(f"viewer?StudyInstanceUIDs={case.study}", 1)
        viewer.lay_over(re.compile(f"^xal: {case.finding} by dr_smith"))
        viewer.lay_over(re.compile("^xal: attention of model"))
        keep(viewer, "ohif-film")


def admitted(hospital: Hospital, kinds: tuple[str, ...]) -> Hospital:
    """Its archive holds these; it has to run."""
    for kind in kinds:
        for number in range(PER_KIND // len(kinds) * 2):
            hospital.admit(kind, number)
    return hospital


def read(hospital: Hospital) -> Case:
    """Hand in all but one lesion of the first kind, train, then hand that in: it is what the pictures show."""
    server, cases = hospital.server, list(hospital.cases.values())
    server.wait(lambda: server.status()["open"] == len(cases), 120, "the pool")
    shown = [case for case in cases if case.kind == cases[0].kind and case.roi.any()][-1]
    for case in cases:
        if case is not shown:
            hospital.hand_in(case)
    print(server.train()["state"])
    server.wait_scored()
    hospital.hand_in(shown)
    server.wait(lambda: not server.status()["archive"]["waiting"], 120, "the objects to arrive")
    return shown


def page(browser: Any) -> Any:
    """A window of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(SLOW)
    return context.new_page()


def keep(viewer: Viewer, name: str) -> None:
    """Keep what the window shows, once messages have gone."""
    viewer.page.wait_for_timeout(6000)
    viewer.page.screenshot(path=TARGET / f"{name}.png")
    print(f"docs/pacs/{name}.png")


if __name__ == "__main__":
    main()
