"""Queue, progress and review in a real browser, in detail: what they show is what the store has, and stays so."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from harness.browser import SLOW, Tab, ids, rows, until_listed
from harness.pools import FINDINGS, Picture, write_label
from harness.room import Room, open_room
from PIL import Image

pytestmark = pytest.mark.e2e

WEAK = {"max_epochs": 1, "min_steps": 1, "learning_rate": 1e-9}
"""Training that learns nothing."""
GOOD = {"max_epochs": 10, "patience": 10, "min_steps": 8}
OTHER = {"disc": "square", "square": "disc"}
EPOCHS = 48
"""Of a training in a process of its own: long enough to be seen under way, once a second."""
BY_BOTH = range(36)
DISPUTED = (30, 31, 33, 34)
BY_THREE = range(6)
DRAWN = (36, 37, 39, 40)
"""Read by one of two readers, who outlined something: they wait, and are scored by what is drawn."""


def name(number: int) -> str:
    return f"picture_{number:04d}"


def say(room: Room, number: int, reader: str, finding: str | None = None, shift: int = 0) -> None:
    """Hand in an outline that lies so many pixels beside the right one, as this finding."""
    truth = room.pictures[name(number)]
    said = Picture(truth.id, finding or truth.finding, np.roll(truth.roi, shift, axis=1))
    reply = room.server.submit(truth.id, write_label(room.folder / "said.nii.gz", said), list(FINDINGS), reader)
    assert reply.ok, reply.text


def done(room: Room, path: str, options: dict) -> None:
    """Train or score inside the server: a process of its own would take longer to start than to do it."""
    reply = room.server.post(path, options, run_sync=True)
    assert reply.ok, reply.text


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """110 pictures, of which some were read by up to three readers, and three versions: weak, in use and refused."""
    room = open_room(
        tmp_path_factory.mktemp("grown"),
        110,
        "  per_image: 2\n",
        reviewers="boss",
        auto_score="false",
        environment={"OMP_NUM_THREADS": "1"},  # threads that wait for each other take minutes on a busy machine
    )
    task = room.folder / "tiny.yaml"
    task.write_text(
        task.read_text()
        .replace("max_epochs: 4", f"max_epochs: {EPOCHS}\n  min_steps: 10")
        .replace("e: 4", f"e: {EPOCHS}")
    )
    with room.server as server:
        for number in BY_BOTH:
            say(room, number, "dr_a")
            truth = room.pictures[name(number)].finding
            say(room, number, "dr_b", OTHER[truth] if number in DISPUTED else None, shift=1 + number % 4)
            if number == 11:
                done(room, "/train/classifier", WEAK)
        for number in BY_THREE:
            say(room, number, "dr_c", "square" if number == 3 else None, shift=1 + number)
        for number in DRAWN:
            say(room, number, "dr_a")
        for options in (GOOD, WEAK):
            done(room, "/train/classifier", options)
        assert server.status()["model_version"] == 2
        done(room, "/scoring/xal", {})
        yield room


@pytest.fixture
def overview(grown: Room) -> Room:
    """The same, with its second version in use, whatever the test before has brought back or trained."""
    if grown.server.status()["model_version"] != 2:
        assert grown.server.post("/xal/api/versions/2/publish", {"client_id": "boss"}).ok
        done(grown, "/scoring/xal", {})
    return grown


def scroll(tab: Tab) -> list[str]:
    """The images of the whole list, in the order in which they come into view on the way down."""
    pane = tab.page.get_by_role("list", name="Images").locator("..")
    seen = dict.fromkeys(ids(tab))
    pane.hover()
    until = time.monotonic() + SLOW / 1000
    while not pane.evaluate(
        "e => e.scrollTop + e.clientHeight > e.scrollHeight - 2 && !e.querySelector('.foot .busy')"
    ):
        assert time.monotonic() < until, "the list has no end"
        tab.page.mouse.wheel(0, 900)
        tab.settle()
        seen |= dict.fromkeys(ids(tab))
    return list(seen)


def waiting(room: Room) -> list[dict]:
    return list(room.server.get("/xal/api/queue", limit=500, client_id="boss").json()["items"])


def drawn(tab: Tab, canvas: Any) -> Any:
    """A chart's canvas, once the chart fills its place."""
    fits = """canvas => {
        const chart = globalThis.Chart?.getChart(canvas);
        const { clientWidth, clientHeight } = canvas.parentElement;
        return chart && Math.abs(chart.width - clientWidth) <= 1 && Math.abs(chart.height - clientHeight) <= 1;
    }"""
    tab.page.wait_for_function(fits, arg=canvas.element_handle())
    tab.settle()
    return canvas


# the queue


def test_the_queue_is_filtered_by_whose_roi_the_score_has_used(overview: Room, tabs):
    tab = tabs(overview.server, "boss").open("#/queue")
    of_source = {
        source: [item["id"] for item in waiting(overview) if item["roi_source"] == source]
        for source in ("drawn", "proposed", "none")
    }
    assert set(of_source["drawn"]) == {name(number) for number in DRAWN}
    said = {"drawn": "ROI sent by a program", "proposed": "ROI proposed by the model", "none": "no ROI to compare with"}
    for source, images in of_source.items():
        tab.page.get_by_label("ROI used").select_option(source)
        rows(tab).first.get_by_text(said[source]).wait_for()
        assert scroll(tab) == images
        assert all(said[source] in text for text in rows(tab).all_inner_texts())
    tab.page.get_by_label("ROI used").select_option("any ROI")
    rows(tab).get_by_text(said["drawn"]).first.wait_for(state="attached")
    assert len(scroll(tab)) == sum(map(len, of_source.values()))


def test_a_blind_reader_has_no_filter_that_would_tell_what_others_or_the_model_found(overview: Room, tabs):
    tab = tabs(overview.server, "dr_blind").open("#/queue")
    rows(tab).first.get_by_text("parts shown after handing in").wait_for()
    assert tab.page.get_by_label("ROI used").count() == 0


def test_what_was_handed_in_and_what_is_leased_is_filtered_by_reader(overview: Room, tabs):
    server = overview.server
    tab = tabs(server, "boss").open("#/queue/handed_in")
    tab.page.get_by_label("Reader").select_option("dr_c")
    until_listed(tab, {name(number) for number in BY_THREE})
    assert all("dr_c" in text for text in rows(tab).all_inner_texts())
    leased = {
        reader: {name(number) for number in numbers} for reader, numbers in {"ann": (50, 51), "bob": (52,)}.items()
    }
    for reader, images in leased.items():
        for image in images:
            assert server.post(f"/xal/api/images/{image}/lease", {"client_id": reader}).ok
    tab.page.get_by_role("link", name=re.compile(r"^With somebody\s*3$")).click()
    until_listed(tab, leased["ann"] | leased["bob"])
    for reader, images in leased.items():
        tab.page.get_by_label("Reader").select_option(reader)
        until_listed(tab, images)
    for reader, images in leased.items():
        for image in images:
            server.post(f"/xal/api/images/{image}/release", {"client_id": reader})
    tab.page.get_by_text("No image fits this filter.").wait_for()  # it follows what is given back


PLACES = """canvas => {
    const chart = Chart.getChart(canvas);
    const at = (share) => [chart.scales.x.getPixelForValue(share), chart.scales.y.getPixelForValue(share)];
    const marks = chart.data.datasets.flatMap((set, number) => chart.getDatasetMeta(number).data);
    return { shown: marks.map((mark) => [mark.x, mark.y]), zero: at(0), one: at(1) };
}"""
"""Where the points of the scatter plot are on its canvas, and where those of 0 and of 1 would be."""


def test_a_click_on_a_point_opens_the_image_of_that_uncertainty_and_misalignment(overview: Room, tabs):
    server = overview.server
    tab = tabs(server, "boss", device_scale_factor=2).open("#/queue")
    chart = tab.page.get_by_role("application", name=re.compile("waiting images"))
    drawn(tab, chart)
    tab.page.set_viewport_size({"width": 1180, "height": 800})
    drawn(tab, chart)
    places = chart.evaluate(PLACES)
    zero, one, shown = (np.array(places[key]) for key in ("zero", "one", "shown"))
    points = server.get("/xal/api/queue/points", client_id="boss").json()["points"]
    assert len(shown) == len(points) == len(waiting(overview))
    measured = [point for point in points if point["misalignment"] is not None]
    marks = np.array([zero + (one - zero) * (point["uncertainty"], point["misalignment"]) for point in measured])
    alone = np.sort(np.linalg.norm(marks[:, None] - shown, axis=2), axis=1)[:, 1]
    at = int(alone.argmax())
    assert alone[at] > 12, "every point lies on another one"
    image, box = measured[at]["id"], chart.bounding_box()
    tab.page.mouse.move(box["x"] + marks[at][0], box["y"] + marks[at][1])
    tab.page.get_by_text(f"{image}: score {measured[at]['score']:.2f}").wait_for()
    tab.page.mouse.down()
    tab.page.mouse.up()
    tab.page.locator(".panel .id").get_by_text(image, exact=True).wait_for()


def test_a_click_beside_all_points_opens_nothing(overview: Room, tabs):
    tab = tabs(overview.server, "boss").open("#/queue")
    chart = drawn(tab, tab.page.get_by_role("application", name=re.compile("waiting images")))
    places = chart.evaluate(PLACES)
    (left, bottom), (right, top), shown = (np.array(places[key]) for key in ("zero", "one", "shown"))
    grid = np.stack(np.meshgrid(np.arange(left, right, 4), np.arange(top, bottom, 4)), -1).reshape(-1, 2)
    far = grid[np.linalg.norm(grid[:, None] - shown, axis=2).min(axis=1).argmax()]
    box = chart.bounding_box()
    tab.page.mouse.click(box["x"] + far[0], box["y"] + far[1])
    tab.settle()
    assert tab.page.url.endswith("#/queue")


PIXELS = """pictures => pictures.map((picture) => {
    const context = Object.assign(document.createElement("canvas"), { width: 32, height: 32 }).getContext("2d");
    context.drawImage(picture, 0, 0, 32, 32);
    return [...context.getImageData(0, 0, 32, 32).data].filter((_, at) => at % 4 === 0);
})"""


def test_every_row_has_the_small_picture_of_its_own_image(overview: Room, tabs):
    tab = tabs(overview.server, "dr_small").open("#/queue")
    first = ids(tab)[:6]
    pictures = tab.page.locator(", ".join(f"[data-image={image}] img.thumb" for image in first))
    tab.page.wait_for_function(
        "shown => shown.every((id) => document.querySelector(`[data-image=${id}] img.thumb`)?.naturalWidth > 0)",
        arg=first,
    )
    small = np.array(pictures.evaluate_all(PIXELS), float)
    own = np.array([np.asarray(Image.open(overview.server.studies / f"{image}.png"), float).ravel() for image in first])
    alike = np.corrcoef(small.reshape(len(first), -1), own)[: len(first), len(first) :]
    assert alike.argmax(axis=1).tolist() == list(range(len(first)))
    assert alike.diagonal().min() > 0.9


def test_the_list_goes_on_beyond_its_first_page_in_the_order_of_the_queue(overview: Room, tabs):
    tab = tabs(overview.server, "dr_scroll").open("#/queue")
    expected = [item["id"] for item in waiting(overview)]
    assert len(expected) > 60
    assert scroll(tab) == expected
    assert rows(tab).last.locator(".rank").inner_text().endswith(str(len(expected)))
    tab.page.mouse.wheel(0, -100_000)
    rows(tab).nth(0).get_by_role("link", name=expected[0]).wait_for()


def test_the_list_follows_what_others_hand_in_and_the_focus_stays_where_it_was(overview: Room, tabs):
    tab = tabs(overview.server, "dr_watch").open("#/queue")
    expected = scroll(tab)
    read, below = expected[-8], expected[-2]
    row = tab.page.get_by_role("list", name="Images").locator(f"[data-image={below}]")
    count = tab.page.get_by_role("navigation", name="State of the images").get_by_role(
        "link", name=re.compile("^Waiting")
    )
    assert count.inner_text().split()[-1] == str(len(expected))
    row.get_by_role("link").focus()
    tab.page.evaluate("window.same = true")
    for reader in ("dr_a", "dr_b"):
        overview.hand_in(read, reader)
    tab.page.locator(f"[data-image={read}]").wait_for(state="detached")
    tab.page.wait_for_function("() => document.activeElement.closest('[data-image]')")
    assert tab.page.evaluate("document.activeElement.textContent") == below
    assert count.inner_text().split()[-1] == str(len(expected) - 1)
    assert tab.page.evaluate("window.same"), "the page was loaded again"
    tab.page.mouse.wheel(0, -100_000)
    rows(tab).nth(0).get_by_role("link", name=expected[0]).wait_for()
    assert scroll(tab) == [image for image in expected if image != read]


# progress


def versions_of(tab: Tab) -> dict[str, list[str]]:
    """What the table of versions says, by the name of the version."""
    table = tab.page.get_by_role("region", name="Model versions").get_by_role("row")
    tab.page.get_by_role("row", name=re.compile("^v1 ")).wait_for()
    return {cells[0]: cells[1:] for cells in (row.locator("th, td").all_inner_texts() for row in table.all()[1:])}


DOTS = """canvas => {
    const chart = Chart.getChart(canvas);
    const { x, y } = chart.scales;
    const ratio = chart.currentDevicePixelRatio;
    const dots = chart.getDatasetMeta(0).data.map((at) => {
        const place = [at.x, at.y].map((length) => Math.round(length * ratio));
        const colour = [...canvas.getContext("2d").getImageData(...place, 1, 1).data];
        return [Math.round(x.getValueForPixel(at.x)), y.getValueForPixel(at.y).toFixed(2), colour];
    });
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    return [dots, [1, 3, 5].map((digit) => parseInt(accent.slice(digit, digit + 2), 16))];
}"""
"""Labels, value and colour of what a curve draws for published versions, and the colour that it should have."""


@pytest.mark.parametrize(("curve", "column"), [("Balanced accuracy", 2), ("Energy in ROI", 3)])
def test_a_curve_has_a_point_for_every_published_version(overview: Room, tabs, curve: str, column: int):
    tab = tabs(overview.server, "dr_curve").open("#/progress")
    canvas = drawn(tab, tab.page.get_by_role("img", name=re.compile(f"^{curve}: version")))
    published = {
        version: (cells[1], cells[column].split()[0])
        for version, cells in versions_of(tab).items()
        if cells[0] in ("in use", "published")
    }
    assert {"v1", "v2"} <= set(published)
    told = re.findall(r"version (\d+), published, (\d+) labels, (\d\.\d\d)", canvas.get_attribute("aria-label"))
    assert {f"v{version}": (labels, value) for version, labels, value in told} == published
    dots, accent = canvas.evaluate(DOTS)
    assert sorted((str(labels), value) for labels, value, _ in dots) == sorted(published.values())
    for *_, colour in dots:
        assert np.abs(np.array(colour[:3]) - accent).max() <= 4, "nothing is drawn where the point is"


def kappa_of(pairs: list[tuple[str, str]]) -> float:
    """Cohen's, of what two readers said of the same images."""
    kinds = sorted({finding for pair in pairs for finding in pair})
    table = np.zeros((len(kinds), len(kinds)))
    for one, other in pairs:
        table[kinds.index(one), kinds.index(other)] += 1
    table /= table.sum()
    by_chance = table.sum(axis=1) @ table.sum(axis=0)
    return float((np.trace(table) - by_chance) / (1 - by_chance))


def test_agreement_is_that_of_the_annotations(overview: Room, tabs):
    server = overview.server
    masks: dict[tuple[str, str], tuple[str, np.ndarray]] = {}
    for row in server.get("/xal/api/annotations", client_id="boss").json()["items"]:
        file = overview.folder / "mask.nii.gz"
        file.write_bytes(server.get(f"/xal/api/annotations/{row['id']}/mask.nii.gz", client_id="boss").content)
        masks[row["reader"], row["image"]] = row["finding"], np.asarray(nib.load(file).dataobj) > 0
    expected, kappas, dices = {}, [], []
    for one, other in combinations(sorted({reader for reader, _ in masks}), 2):
        both = sorted({image for r, image in masks if r == one} & {image for r, image in masks if r == other})
        if not both:
            continue
        said = [(masks[one, image], masks[other, image]) for image in both]
        kappa = kappa_of([(first[0], second[0]) for first, second in said])
        dice = [
            2 * (mine & theirs).sum() / (mine.sum() + theirs.sum())
            for (finding, mine), (same, theirs) in said
            if finding == same and mine.any() and theirs.any()
        ]
        expected[f"{one} and {other}"] = [str(len(both)), f"{kappa:.2f}", f"{np.mean(dice):.2f}"]
        kappas += [kappa] * len(both)
        dices += dice
    assert len({tuple(figures) for figures in expected.values()}) == 3
    assert abs(np.mean(kappas) - np.mean(dices)) > 0.01, "these could be mistaken for each other"
    tab = tabs(server, "dr_agree").open("#/progress")
    card = tab.page.get_by_role("region", name="Agreement between readers")
    card.get_by_role("row", name=re.compile("^dr_b and dr_c")).wait_for()
    card.get_by_text("still to be compared").wait_for(state="detached")
    cells = [row.locator("th, td").all_inner_texts() for row in card.get_by_role("row").all()[1:]]
    assert {pair: figures for pair, *figures in cells} == expected
    assert card.locator("dl.stats dd:first-child").all_inner_texts() == [
        f"{np.mean(kappas):.2f}",
        f"{np.mean(dices):.2f}",
        str(len({image for _, image in masks if sum(image == other for _, other in masks) > 1})),
    ]


def test_a_version_that_the_gate_refused_is_listed_with_its_reason(overview: Room, tabs):
    tab = tabs(overview.server, "dr_refused").open("#/progress")
    cells = versions_of(tab)["v3"]
    assert cells[0] == "refused"
    before, after = re.fullmatch(
        r"refused: it falls by more than 0\.020 \(balanced accuracy (\d\.\d+) → (\d\.\d+), .*\)", cells[-1]
    ).groups()
    assert float(after) == pytest.approx(float(cells[2].split()[0]), abs=0.006)
    assert float(before) - float(after) > 0.02
    assert "version 3, refused" in tab.page.get_by_role("img", name=re.compile("^Balanced acc")).get_attribute(
        "aria-label"
    )


def test_an_earlier_version_is_brought_back_once_that_was_confirmed(overview: Room, tabs):
    server = overview.server
    tab = tabs(server, "boss").open("#/progress")
    page = tab.page
    page.get_by_role("row", name=re.compile("^v2 in use")).wait_for()
    page.get_by_role("button", name="Bring back v3").click()
    dialog = page.get_by_role("dialog", name="Use v3 from now on?")
    dialog.get_by_text("The gate had said: refused: it falls by more than").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    for confirmed in (False, True):
        page.get_by_role("button", name="Bring back v1").click()
        dialog = page.get_by_role("dialog", name="Use v1 from now on?")
        dialog.get_by_role("button", name="Bring back" if confirmed else "Cancel").click()
        dialog.wait_for(state="hidden")
        if not confirmed:
            assert server.status()["model_version"] == 2
    page.get_by_role("row", name=re.compile("^v1 in use")).wait_for()
    page.get_by_role("row", name=re.compile("^v2 published")).wait_for()
    page.get_by_role("button", name="Bring back v2").wait_for()
    assert page.get_by_role("button", name="Bring back v1").count() == 0
    page.get_by_text("model v1", exact=True).wait_for()
    assert server.status()["model_version"] == 1
    page.reload()
    page.get_by_role("row", name=re.compile("^v1 in use")).wait_for()


def hears_of_last_job(tab: Tab) -> int:
    """Wait until the page has been told of the last job, which is done; its number."""
    last = int(tab.server.get("/xal/api/jobs").json()["items"][0]["id"])
    tab.page.evaluate("async () => { window.live = (await import('./live.js')).live; }")
    heard = "job => window.live.state?.jobs.some(({ id, state }) => id === job && state === 'done')"
    tab.page.wait_for_function(heard, arg=last)
    return last


def test_score_now_reads_the_pool_with_the_model_in_use_and_says_when_it_is_done(overview: Room, tabs):
    server = overview.server
    assert server.post("/xal/api/versions/1/publish", {"client_id": "boss"}).ok
    assert server.status()["unscored"] > 60
    tab = tabs(server, "dr_score").open("#/progress")
    work = tab.page.get_by_role("region", name="Now")
    work.get_by_text("Nothing is being computed.").wait_for()
    tab.page.get_by_text("model v1", exact=True).wait_for()
    last = hears_of_last_job(tab)
    work.get_by_role("button", name="Score now").click()
    work.get_by_text(re.compile("Scoring begins …|of [0-9]+ images")).first.wait_for()
    work.get_by_text("Nothing is being computed.").wait_for()
    job = server.get("/xal/api/jobs").json()["items"][0]
    assert (job["kind"], job["state"]) == ("score", "done")
    assert job["id"] > last
    work.get_by_role("list", name="What was computed last").locator("li").first.get_by_text("Scoring done").wait_for()
    assert server.status()["unscored"] == 0
    tab.open("#/queue")
    rows(tab).first.get_by_text("· v1").wait_for()


FOLLOW = """() => {
    window.epochs = [];
    const look = () => {
        const bar = document.querySelector("progress[aria-label^='Training']");
        const now = bar?.hasAttribute("value") && [bar.value, bar.max, bar.getAttribute("aria-label")];
        if (now && now[2] !== window.epochs.at(-1)?.[2]) window.epochs.push(now);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
}"""


def test_training_moves_on_before_ones_eyes_and_ends_with_a_new_version(overview: Room, tabs):
    tab = tabs(overview.server, "boss").open("#/progress")
    before = versions_of(tab)
    tab.page.evaluate(FOLLOW)
    work = tab.page.get_by_role("region", name="Now")
    work.get_by_role("button", name="Train", exact=True).click()
    work.get_by_text("Training begins …").wait_for()
    tab.page.get_by_text(re.compile(r"^training \d+ %$")).wait_for(timeout=2 * SLOW)
    tab.page.wait_for_function("() => window.epochs.length >= 2")
    work.get_by_text(re.compile(r"loss \d+\.\d+ · balanced accuracy \d\.\d\d")).wait_for()
    work.get_by_text("Nothing is being computed.").wait_for(timeout=2 * SLOW)
    work.get_by_role("list", name="What was computed last").locator("li").first.get_by_text("Training done").wait_for()
    epochs = tab.page.evaluate("window.epochs")
    assert [done for done, *_ in epochs] == sorted({done for done, *_ in epochs})
    assert all(said == f"Training: {done} of {total} epochs" and total == EPOCHS for done, total, said in epochs)
    tab.page.get_by_role("row", name=re.compile(f"^v{len(before) + 1} ")).wait_for()
    assert tab.page.evaluate("window.epochs.length") == len(epochs), "the page was loaded again"
    overview.server.wait(lambda: overview.server.get("/train/").json()["status"] == "DONE", 30, "the process to end")


def test_what_was_trained_while_another_view_was_open_is_there_on_coming_back(overview: Room, tabs):
    tab = tabs(overview.server, "dr_back").open("#/progress")
    new = len(versions_of(tab)) + 1
    tab.page.get_by_role("link", name=re.compile("^Queue")).click()
    rows(tab)
    done(overview, "/train/classifier", WEAK)
    hears_of_last_job(tab)
    tab.page.get_by_role("link", name="Progress").click()
    tab.page.get_by_role("row", name=re.compile(f"^v{new} refused")).wait_for()


# review


def test_excluded_images_are_listed_with_reason_and_reader_and_go_back_to_the_pool(overview: Room, tabs):
    server = overview.server
    tab = tabs(server, "boss").open("#/review")
    tab.page.get_by_text("No image is excluded.").wait_for()
    for number, reader, reason in ((60, "dr_a", "wrong body part"), (61, "dr_b", "duplicate")):
        assert server.post(f"/xal/api/images/{name(number)}/exclude", {"reason": reason, "client_id": reader}).ok
    until_listed(tab, {name(60), name(61)}, "Excluded images")
    one, other = (tab.page.locator(f".item.excluded[data-image={name(number)}]") for number in (60, 61))
    assert one.locator("p").all_inner_texts() == ["wrong body part", "by dr_a"]
    assert other.locator("p").all_inner_texts() == ["duplicate", "by dr_b"]
    assert name(60) not in [item["id"] for item in waiting(overview)]
    one.get_by_role("button", name=f"Include {name(60)} again").click()
    tab.page.get_by_text(f"{name(60)} is offered again.").wait_for()
    until_listed(tab, {name(61)}, "Excluded images")
    assert name(60) in [item["id"] for item in waiting(overview)]
    assert server.get(f"/xal/api/images/{name(60)}", client_id="boss").json()["excluded"] is None
    server.post(f"/xal/api/images/{name(61)}/include", {"client_id": "boss"})
    tab.page.get_by_text("No image is excluded.").wait_for()  # somebody else did it: the list follows
