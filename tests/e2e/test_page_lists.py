"""The queue, progress and review in a real browser: what is there, what may be seen, and what the buttons do."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest
from harness.browser import SLOW, contrast, ids, rows
from harness.pools import FINDINGS
from harness.room import Room, open_room

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def busy_room(tmp_path_factory: pytest.TempPathFactory):
    """Ninety pictures, 36 handed in by "first", a model, one image that readers say different things of."""
    room = open_room(tmp_path_factory.mktemp("busy"), 90, reviewers="dr_r")
    with room.server as server:
        names = sorted(room.pictures)
        for image in names[:36]:
            room.hand_in(image, "first")
        assert server.train()["state"] == "published"
        server.wait_scored()
        disputed = next(name for name in names[:36] if room.pictures[name].finding == "disc")
        wrong = server.submit(disputed, room.label(disputed), ["square"], "second")
        assert wrong.ok, wrong.text
        server.wait(lambda: server.status()["review"] == 1, 20, "a review")
        yield room


def test_the_queue_is_in_the_order_in_which_images_are_given(busy_room: Room, tabs):
    tab = tabs(busy_room.server, "dr_queue").open("#/queue")
    first = ids(tab)[:3]
    given = [busy_room.server.post("/activelearning/xal", {"client_id": "dr_given"}).json()["id"] for _ in range(3)]
    assert first == given
    for image in given:
        busy_room.server.post(f"/xal/api/images/{image}/release", {"client_id": "dr_given"})


def test_a_reader_sees_scores_only_and_a_reviewer_what_the_model_says(busy_room: Room, tabs):
    blind, reviewer = (tabs(busy_room.server, name).open("#/queue") for name in ("dr_blind", "dr_r"))
    for tab in (blind, reviewer):
        rows(tab).first.locator("img").wait_for()
        assert re.search(r"Score\s*\d\.\d\d", rows(tab).first.inner_text())
    assert blind.page.get_by_text("says the model").count() == 0
    assert reviewer.page.get_by_text("says the model").count() > 0
    blind.open("#/queue/settled")
    blind.page.get_by_text("not shown: you read blind").first.wait_for()
    assert not any(finding in rows(blind).first.inner_text() for finding in FINDINGS)


def test_a_reviewer_looks_at_what_waits_without_taking_it_and_may_then_outline_it(busy_room: Room, tabs):
    server = busy_room.server
    image = sorted(busy_room.free())[-1]
    tab = tabs(server, "dr_r").open(f"#/read/{image}")
    tab.page.locator(".heat").wait_for()
    tab.page.locator(".bars").wait_for()
    assert server.get(f"/xal/api/images/{image}").json()["lease"] is None
    tab.page.get_by_role("button", name="Outline it myself").click()
    assert tab.reading() == image
    assert server.get(f"/xal/api/images/{image}").json()["lease"]["reader"] == "dr_r"
    assert tab.page.locator(".heat").count() == 0
    tab.reload()
    assert tab.reading() == image, "whoever has taken it is drawing"
    server.post(f"/xal/api/images/{image}/release", {"client_id": "dr_r"})


def test_a_row_opens_its_image_and_so_does_a_point(busy_room: Room, tabs):
    tab = tabs(busy_room.server, "dr_open").open("#/queue")
    image = ids(tab)[4]
    rows(tab).nth(4).get_by_role("link", name=image).click()
    assert tab.reading() == image
    tab.open("#/queue")
    chart = tab.page.get_by_role("application")
    chart.focus()
    tab.page.keyboard.press("ArrowRight")
    said = tab.page.locator("output.said").inner_text()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_function("first => document.querySelector('.panel .id')?.textContent !== first", arg=image)
    assert tab.reading() in said
    lease = busy_room.server.get(f"/xal/api/images/{image}").json()["lease"]
    assert lease is None, "who has only looked at an image does not keep it from others"


def test_states_and_filters_list_what_they_say(busy_room: Room, tabs):
    server = busy_room.server
    tab = tabs(server, "dr_lists").open("#/queue/handed_in")
    assert len(ids(tab)) == 37
    tab.page.get_by_label("Reader").select_option("second")
    tab.page.wait_for_function(
        "() => document.querySelectorAll('[role=list][aria-label=Images] [data-image]').length === 1"
    )
    tab.open("#/queue/review")
    tab.page.wait_for_function(
        "() => document.querySelectorAll('[role=list][aria-label=Images] [data-image]').length === 1"
    )
    tab.open("#/queue/unreadable")
    tab.page.get_by_text("Every image can be read.").wait_for()
    waiting = server.status()["open"]
    tab.open("#/queue/waiting")
    tab.page.get_by_role("link", name=re.compile(rf"^Waiting\s*{waiting}$")).wait_for()


def test_an_excluded_image_is_listed_with_its_reason_and_can_come_back(busy_room: Room, tabs):
    server = busy_room.server
    tab = tabs(server, "dr_include").open("#/queue")
    image = ids(tab)[-1]
    server.post(f"/xal/api/images/{image}/exclude", {"reason": "<b>foreign</b> body", "client_id": "dr_x"})
    tab.open("#/queue/excluded")
    row = tab.page.get_by_role("list", name="Images").locator(f"[data-image={image}]")
    row.get_by_text("Excluded by dr_x: <b>foreign</b> body").wait_for()
    row.get_by_role("button", name="Include again").click()
    row.wait_for(state="detached")
    assert server.get(f"/xal/api/images/{image}", client_id="dr_include").json()["status"] == "waiting"


def test_progress_tells_of_versions_readers_and_agreement(busy_room: Room, tabs):
    tab = tabs(busy_room.server, "dr_progress").open("#/progress")
    page = tab.page
    page.get_by_role("row", name=re.compile("^v1 in use")).wait_for(timeout=SLOW)
    curve = page.get_by_role("img", name=re.compile("balanced accuracy", re.I)).first.get_attribute("aria-label")
    assert re.search(r"version 1, published, \d+ labels, \d\.\d\d", curve)
    page.get_by_role("row", name=re.compile(r"^first \d+")).wait_for()
    assert page.get_by_role("button", name="Bring back v1").count() == 0
    page.get_by_text("No image has been read by two readers yet.").wait_for(state="hidden")
    page.get_by_role("row", name=re.compile("first.*second")).wait_for()


def test_training_is_started_and_stopped_from_the_page(busy_room: Room, tabs):
    tab = tabs(busy_room.server, "dr_r").open("#/progress")
    tab.page.get_by_role("button", name="Train", exact=True).click()
    tab.page.get_by_role("button", name="Stop training").click(timeout=SLOW)
    tab.page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    tab.page.get_by_text("Training stopped").first.wait_for(timeout=SLOW)
    jobs = busy_room.server.get("/xal/api/jobs").json()["items"]
    assert next(job for job in jobs if job["kind"] == "train")["state"] == "stopped"


def test_annotations_and_data_set_are_downloaded_by_reviewers(busy_room: Room, tabs, tmp_path: Path):
    tab = tabs(busy_room.server, "dr_r", accept_downloads=True).open("#/progress")
    for name, file in (("annotations", "annotations.csv"), ("data ?set", "dataset.zip")):
        with tab.page.expect_download() as download:
            tab.page.get_by_role("link", name=re.compile(name, re.I)).first.click()
        download.value.save_as(tmp_path / file)
    tab.page.get_by_text("The data set is being made.").wait_for()
    table = list(csv.DictReader(io.StringIO((tmp_path / "annotations.csv").read_text(encoding="utf-8-sig"))))
    assert len(table) == 37
    names = zipfile.ZipFile(tmp_path / "dataset.zip").namelist()
    assert any(name.endswith("labels.csv") for name in names)
    assert sum("masks/" in name and name.endswith(".nii.gz") for name in names) >= 20


def test_a_reviewer_settles_what_readers_disagree_about(busy_room: Room, tabs):
    server = busy_room.server
    tab = tabs(server, "dr_r").open("#/review")
    suspect = tab.page.get_by_role("listitem", name=re.compile("^Readers differ: "))
    image = suspect.get_attribute("data-image", timeout=SLOW)
    suspect.get_by_text(re.compile("(first|second) says .*, (first|second) says ")).wait_for()
    suspect.get_by_role("button", name="Settle on square").click()
    suspect.wait_for(state="detached")
    row = server.get(f"/xal/api/images/{image}", client_id="dr_r").json()
    assert (row["status"], row["finding"]) == ("settled", "square")


def test_review_is_for_reviewers(busy_room: Room, tabs):
    tab = tabs(busy_room.server, "dr_nobody").open("#/review")
    tab.page.get_by_role("button", name="Next image").wait_for()
    assert tab.page.get_by_role("link", name="Review").count() == 0
    assert busy_room.server.get("/xal/api/review", client_id="dr_nobody").status_code == 403


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (820, 1180), (420, 800)])
@pytest.mark.parametrize("view", ["read", "queue", "progress", "review"])
def test_nothing_is_wider_than_the_window(busy_room: Room, tabs, view: str, width: int, height: int):
    tab = tabs(busy_room.server, "dr_r", width, height).open(f"#/{view}")
    tab.page.locator(f"section.view.{view}").wait_for()
    tab.settle()
    wide = (
        "([name]) => [document.documentElement, document.querySelector(name)].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert tab.page.evaluate(wide, [f"section.view.{view}"]) == [0, 0]


def test_colours_can_be_told_from_their_ground():
    """WCAG AA, for text of ordinary size, of every pair that the style sheet uses."""
    style = (Path(__file__).resolve().parents[2] / "lib/xal/server/page/style.css").read_text()
    for theme in re.findall(r":root[^{]*\{([^}]*--ground[^}]*)\}", style):
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme))
        for text in ("text", "quiet", "accent", "bad", "good"):
            for ground in ("ground", "panel", "raised"):
                assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
        for ground in ("ground", "panel", "raised"):
            assert contrast(colour["edge"], colour[ground]) >= 3, f"fields and buttons on {ground}"
        assert contrast(colour["on-accent"], colour["accent"]) >= 4.5
        assert contrast(colour["bad"], colour["bad-ground"]) >= 4.5
