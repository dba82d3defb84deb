"""A pool that is new, whose names are markup, and a server that fails: what every view says, and how it comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from harness.browser import Tab, ids, rows, until_listed
from harness.pools import Picture, write_label, write_pool
from harness.room import Room
from harness.server import Server

pytestmark = pytest.mark.e2e


def name(number: int) -> str:
    return f"picture_{number:04d}"


# a fresh pool, whose names are markup

MARKUP = "<img src=x onerror=alert(1)>"
OTHER_MARKUP = "<svg onload=alert(2)>"
REASON = "<script>alert(3)</script><b>unreadable</b>"
ENCODED = "%3Cimg src=x onerror=alert(4)%3E &lt;b&gt; 100%"
"""An id has none of < > : this would be markup for who decodes it once too often."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Eight pictures that nobody has read, to be read by two each; findings, a reviewer and an image have odd names."""
    folder = tmp_path_factory.mktemp("fresh")
    pictures = {picture.id: picture for picture in write_pool(folder / "studies", 8)}
    first = pictures.pop(name(0))
    (folder / "studies" / f"{first.id}.png").rename(folder / "studies" / f"{ENCODED}.png")
    pictures[ENCODED] = Picture(ENCODED, first.finding, first.roi)
    task = folder / "fresh.yaml"
    task.write_text(
        f"name: fresh\ntitle: '{MARKUP}'\nfindings: [{{name: '{MARKUP}'}}, {{name: other}}]\n"
        "image: {dimensions: 2, size: [32, 32]}\nreadings: {per_image: 2, double: 0}\n"
    )
    room = Room(Server(folder / "server", folder / "studies", str(task), reviewers=f"boss, {MARKUP}"), pictures, folder)
    with room.server:
        yield room


EMPTY = {
    "With somebody": "Nobody has an image now.",
    "Handed in": "Nothing has been handed in yet.",
    "Settled": "No image has a settled finding yet.",
    "In review": "No image waits for a decision between readers.",
    "Excluded": "No image is excluded.",
    "Unreadable": "Every image can be read.",
}


def read(room: Room, image: str, reader: str, finding: str) -> None:
    """Hand in a box as this finding; the task has only findings with an outline."""
    box = np.zeros((32, 32), bool)
    box[4:12, 4:12] = True
    said = write_label(room.folder / "said.nii.gz", Picture(image, finding, box), (MARKUP, "other"))
    reply = room.server.submit(image, said, [MARKUP, "other"], reader)
    assert reply.ok, reply.text


def test_every_view_of_a_fresh_pool_says_that_there_is_nothing_yet_and_fills_by_itself(fresh: Room, tabs):
    server = fresh.server
    tab = tabs(server, "boss").open()
    page = tab.page
    page.get_by_text("Ready when you are.").wait_for()
    page.get_by_text("8 of 8 images wait; 0 are settled.").wait_for()
    page.get_by_text("no model yet").wait_for()
    tab.open("#/queue")
    assert set(ids(tab)) == set(fresh.pictures)
    assert all("no score yet" in text for text in rows(tab).all_inner_texts())
    page.get_by_text("No image has a score yet.").wait_for()
    page.get_by_text("Images get their place here once a model has read them.").wait_for()
    for state, text in EMPTY.items():
        page.get_by_role("navigation", name="State of the images").get_by_role(
            "link", name=re.compile(f"^{state}")
        ).click()
        page.get_by_role("status").filter(has_text=text).wait_for()
        assert page.locator(".pool [data-image]").count() == 0
    tab.open("#/progress")
    page.get_by_text("No model has been trained yet.").wait_for()
    page.get_by_text("Nothing has been handed in yet.").locator("visible=true").wait_for()
    page.get_by_text("No image has been read by two readers yet.").wait_for()
    page.get_by_text("Nothing is being computed.").wait_for()
    assert page.get_by_text("The first training makes the first point.").count() == 2
    assert page.get_by_role("button", name="Score now").get_attribute("aria-disabled") == "true"
    page.get_by_role("link", name="Dataset (ZIP)").click()
    page.get_by_text("No image is settled yet: there is no data set to export.").wait_for()
    tab.open("#/review")
    page.get_by_text("Nothing looks wrong. What does appears here by itself.").wait_for()
    page.get_by_text("No image is excluded.").locator("visible=true").wait_for()

    progress, queue = (tabs(server, "boss").open(f"#/{view}") for view in ("progress", "queue/handed_in"))
    queue.page.get_by_text("Nothing has been handed in yet.").wait_for()
    progress.page.get_by_text("Nothing has been handed in yet.").wait_for()
    agreement = progress.page.get_by_role("region", name="Agreement between readers")
    queue.page.get_by_role("link", name=re.compile(r"^With somebody\s*0$")).wait_for()  # it has heard of the server
    read(fresh, name(7), "first", "other")  # the first of two readings: the image still waits
    until_listed(queue, {name(7)})
    progress.page.get_by_role("row", name=re.compile("^first 0 1 1")).wait_for()
    read(fresh, name(7), "second", "other")
    agreement.get_by_role("row", name=re.compile("^first and second 1 1.00 1.00")).wait_for()
    agreement.get_by_text("still to be compared").wait_for(state="detached")
    server.post(f"/xal/api/images/{name(6)}/exclude", {"reason": "duplicate", "client_id": "first"})
    until_listed(tab, {name(6)}, "Excluded images")
    server.post(f"/xal/api/images/{name(6)}/include", {"client_id": "first"})


def only_text(tab: Tab, *texts: str) -> None:
    """Each of these is to be read in view, and nothing of it has become an element."""
    for text in texts:
        tab.page.get_by_text(text).locator("visible=true").first.wait_for()
    made = tab.page.locator("[onerror], [onload], img[src=x], #view script, #view b:text-is('unreadable')")
    assert made.count() == 0
    assert not [path for path in tab.asked if path.startswith("/xal/x")]


def test_markup_in_names_is_only_text_in_queue_progress_and_review(fresh: Room, tabs):
    server = fresh.server
    for image, findings in ((ENCODED, (MARKUP, "other")), (name(1), (MARKUP, MARKUP))):
        for reader, finding in zip((MARKUP, OTHER_MARKUP), findings, strict=True):
            read(fresh, image, reader, finding)
    assert server.post(f"/xal/api/images/{name(2)}/exclude", {"reason": REASON, "client_id": OTHER_MARKUP}).ok
    assert server.post(f"/xal/api/images/{name(3)}/lease", {"client_id": OTHER_MARKUP}).ok
    tab = tabs(server, MARKUP).open("#/queue/handed_in")
    page = tab.page
    page.get_by_label("Reader").select_option(OTHER_MARKUP)
    until_listed(tab, {ENCODED, name(1)})
    only_text(tab, OTHER_MARKUP, MARKUP, ENCODED)
    for state, texts in (
        ("leased", [f"with {OTHER_MARKUP} until"]),
        ("settled", [MARKUP]),
        ("review", [ENCODED]),
        ("excluded", [f"Excluded by {OTHER_MARKUP}: {REASON}"]),
    ):
        tab.open(f"#/queue/{state}")
        page.locator(f".chip[href='#/queue/{state}'][aria-current]").wait_for()
        only_text(tab, *texts)
    tab.open("#/progress")
    page.get_by_role("rowheader", name=f"{MARKUP} and {OTHER_MARKUP}").wait_for()
    only_text(tab, MARKUP, OTHER_MARKUP)
    tab.open("#/review")
    suspect = page.get_by_role("listitem", name=f"Readers differ: {ENCODED}")
    suspect.get_by_text(f"{MARKUP} says {MARKUP}, {OTHER_MARKUP} says other.").wait_for()
    suspect.get_by_role("button", name=f"Withdraw {OTHER_MARKUP}’s annotation").click()
    dialog = page.get_by_role("dialog", name="Withdraw this annotation?")
    dialog.get_by_text(f"{OTHER_MARKUP} said other of {ENCODED}").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    only_text(tab, REASON, f"by {OTHER_MARKUP}")
    suspect.get_by_role("button", name=f"Settle on {MARKUP}").click()
    only_text(tab, f"{ENCODED} is {MARKUP}.")
    tab.open("#/queue/settled")
    rows(tab).get_by_role("link", name=ENCODED, exact=True).click()
    page.get_by_role("heading", name=ENCODED).wait_for()
    only_text(tab, ENCODED)
    assert server.get("/xal/api/status").json()["findings"][MARKUP] >= 2


# a server that fails, does not answer, or is away

ASKED = ("**/xal/api/queue?*", "**/xal/api/queue/points?*", "**/xal/api/progress?*", "**/xal/api/review?*")
PARTS = {"queue": 2, "progress": 1, "review": 2}
"""How many parts of each view fetch something of their own."""


def go(tab: Tab, view: str) -> None:
    tab.page.get_by_role("link", name=re.compile(f"^{view}", re.IGNORECASE)).click()


def until_all_say(tab: Tab, view: str, text: str) -> None:
    """Wait until every part of a view says this of what it has fetched."""
    tab.page.wait_for_function(
        """([view, parts, text]) => {
            const said = [...document.querySelectorAll(`.view.${view} [role=alert]`)].map((alert) => alert.textContent);
            return said.length === parts && said.every((one) => one === text);
        }""",
        arg=[view, PARTS[view], text],
    )


def until_filled(tab: Tab, view: str) -> None:
    """Wait until every part of a view shows what it has fetched."""
    page = tab.page
    page.wait_for_function("view => !document.querySelector(`.view.${view} [role=alert]`)", arg=view)
    if view == "queue":
        rows(tab)
        page.get_by_text("No image has a score yet.").wait_for()
    elif view == "progress":
        page.get_by_text("No model has been trained yet.").wait_for()
    else:
        page.get_by_text("Nothing looks wrong").or_(page.locator(".item.suspect")).first.wait_for()
        excluded = page.locator(".view.review > .excluded")
        excluded.locator(".item").or_(excluded.get_by_text("No image is excluded.")).first.wait_for()


def try_again(tab: Tab, view: str) -> None:
    """Press every "Try again" of a view, one after the other, and wait until it is filled."""
    for left in range(PARTS[view], 0, -1):
        tab.page.locator(f".view.{view}").get_by_role("button", name="Try again").first.click()
        fewer = "([view, left]) => document.querySelectorAll(`.view.${view} [role=alert]`).length < left"
        tab.page.wait_for_function(fewer, arg=[view, left])
    until_filled(tab, view)


def test_a_view_says_that_the_server_fails_or_does_not_answer_and_its_button_brings_it_back(fresh: Room, tabs):
    held: list = []
    silent, tab = tabs(fresh.server, "boss"), tabs(fresh.server, "boss")
    for path in ASKED:
        silent.page.route(path, lambda route: held.append(route))
    for view in PARTS:
        silent.open(f"#/{view}")
        silent.page.locator(f".view.{view}").wait_for()

    page = tab.page
    for path in (*ASKED, "**/xal/api/room?*", "**/activelearning/random"):
        page.route(path, lambda route: route.fulfill(status=500, body="Internal Server Error"))
    tab.open()
    page.get_by_role("alert").filter(has_text="The server answered 500.").wait_for()
    page.unroute("**/xal/api/room?*")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Next image").click()
    page.get_by_role("heading", name="This did not work").wait_for()
    page.get_by_role("alert").filter(has_text="The server answered 500.").wait_for()
    page.unroute("**/activelearning/random")
    image = tab.next()
    fresh.server.post(f"/xal/api/images/{image}/release", {"client_id": "boss"})
    for view in PARTS:
        go(tab, view)
        until_all_say(tab, view, "The server answered 500.")
    for path in ASKED:
        page.unroute(path)
    for view in PARTS:
        go(tab, view)
        try_again(tab, view)
    # the browser itself reports a failed request as an error; anything else is one of the page
    assert [fault for fault in tab.faults if "status of 500" not in fault] == []
    tab.faults.clear()

    for view in PARTS:
        go(silent, view)
        until_all_say(silent, view, "The server did not answer in time.")
    assert len(held) == sum(PARTS.values())
    silent.page.unroute_all()
    for view in PARTS:
        go(silent, view)
        try_again(silent, view)


def test_a_view_comes_back_by_itself_once_the_server_can_be_reached_again(fresh: Room, tabs):
    tab = tabs(fresh.server, "boss")
    tab.may_lose_server = True
    for path in (*ASKED, "**/xal/api/live"):
        tab.page.route(path, lambda route: route.abort("connectionrefused"))
    tab.open("#/read")
    for view in PARTS:
        go(tab, view)
        until_all_say(tab, view, "The server cannot be reached.")
    banner = tab.page.locator("#banner")
    banner.get_by_text("The server cannot be reached. What you draw is kept in this browser.").wait_for()
    tab.page.unroute_all()
    banner.wait_for(state="hidden")
    for view in PARTS:
        go(tab, view)
        until_filled(tab, view)
