"""What was drawn for something else is kept and told of, and never handed in as if it had been drawn for this."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness.browser import Tab, draw_box, stored
from harness.pools import TASK
from harness.room import Room, open_room
from harness.server import Server
from harness.viewing import go_on
from PIL import Image

pytestmark = pytest.mark.e2e


REPLACED = "The file of this image was replaced since this was outlined: please outline it anew."


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = open_room(tmp_path_factory.mktemp("keeping"), 40)
    with room.server:
        yield room


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
            with tab.page.expect_response(lambda reply: "datastore/label" in reply.url) as refused:
                pass
            assert refused.value.status == 409
            tab.page.get_by_text("The server has another task or other images now").wait_for()
            tab.page.get_by_role("button", name="Reload the page").click()
            tab.page.get_by_text(f"1 label is kept here for another task or other images: {image} (tiny)").wait_for()
            tab.page.wait_for_timeout(6000)  # it tries every five seconds
            tab.faults.clear()  # the browser itself reports the refusal as an error
            assert other.get("/xal/api/annotations", withdrawn=True).json()["items"] == []
        own.server.start()
        tab.reload()
        own.server.wait(lambda: own.server.get("/xal/api/annotations").json()["items"] != [], 30, "the label")
        assert stored(own.server, image, "dr_task")[0]["roi_voxels"] == 16


# other pixels


def replace(room: Room, image: str) -> None:
    """Another picture of the same size in the image's place, which the server knows of."""
    path = f"/xal/api/images/{image}"
    before = room.server.get(path, client_id="nobody").json()["checksum"]
    pixels = np.random.default_rng(len(image)).integers(0, 255, (32, 32), np.uint8)
    Image.fromarray(pixels).save(Path(room.server.studies) / f"{image}.png")
    room.server.wait(
        lambda: room.server.get(path, client_id="nobody").json()["checksum"] != before, 30, "the other file"
    )


def drawn_and_replaced(room: Room, tabs, reader: str) -> tuple[Tab, str]:
    """A reader has outlined nine pixels of an image, whose file is another one by now."""
    tab = tabs(room.server, reader).open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    replace(room, image)
    return tab, image


def test_an_outline_is_not_handed_in_for_a_file_that_was_replaced_meanwhile(keeping: Room, tabs):
    tab, image = drawn_and_replaced(keeping, tabs, "dr_replaced")
    hand_in(tab)
    tab.page.get_by_text(REPLACED).wait_for()
    tab.page.get_by_text(f"The server did not take it: the file of image '{image}' was replaced").wait_for()
    tab.faults.clear()  # the browser itself reports the refusal as an error
    assert tab.outlined() == 0
    draw_box(tab, (8, 8), (9, 9))
    tab.hand_in()
    assert stored(keeping.server, image, "dr_replaced")[0]["roi_voxels"] == 4


def test_a_draft_is_not_laid_on_the_pixels_of_another_file(keeping: Room, tabs):
    tab, image = drawn_and_replaced(keeping, tabs, "dr_resumed")
    tab.reload()
    tab.page.get_by_text(REPLACED).wait_for()
    assert (tab.reading(), tab.outlined()) == (image, 0)
    draw_box(tab, (8, 8), (9, 9))
    tab.reload()
    tab.reading()
    assert (tab.outlined(), tab.page.get_by_text(REPLACED).count()) == (4, 0)


def test_drawing_again_does_not_begin_with_an_outline_of_other_pixels(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_anew").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    replace(keeping, image)
    tab.reload()
    tab.page.get_by_role("button", name=re.compile("^(Draw again|Next without)")).first.wait_for()
    tab.page.keyboard.press("r")
    tab.page.get_by_text(REPLACED).wait_for()
    assert tab.outlined() == 0


def test_the_browser_is_asked_once_to_keep_what_is_drawn(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_lasting")
    tab.page.add_init_script("window.asked = 0; StorageManager.prototype.persist = async () => { asked += 1; };")
    tab.open()
    tab.next()
    assert tab.page.evaluate("asked") == 0
    draw_box(tab, (3, 3), (5, 5))
    tab.page.wait_for_function("() => asked === 1")
    draw_box(tab, (7, 7), (8, 8))
    tab.page.wait_for_timeout(500)
    assert tab.page.evaluate("asked") == 1


# leaving an image


def skip(tab: Tab) -> str:
    """Leave the image with N; it."""
    left = str(tab.page.locator(".panel .id").inner_text())
    go_on(tab)
    return left


def test_there_is_a_way_back_to_an_image_that_was_left(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_back").open()
    tab.next()
    draw_box(tab, (3, 3), (5, 5))
    left = skip(tab)
    tab.page.locator("#toasts").get_by_text(f"{left} is kept.").wait_for()
    tab.page.get_by_role("link", name="Back to it").click()
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent === id", arg=left)
    tab.reading()
    assert tab.outlined() == 9
    assert tab.page.locator(".panel").get_by_text("Unfinished").count() == 0, "it is in view"
    skip(tab)
    tab.page.locator(".panel").get_by_role("link", name=left).wait_for()


def test_an_unfinished_outline_is_discarded_only_after_asking(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_discard").open()
    tab.next()
    draw_box(tab, (3, 3), (5, 5))
    left = skip(tab)
    discard = tab.page.get_by_role("button", name=f"Discard {left}")
    question = tab.page.get_by_role("dialog", name="Discard this outline?")
    discard.click()
    question.get_by_role("button", name="Cancel").click()
    discard.click()
    question.get_by_role("button", name="Discard").click()
    discard.wait_for(state="detached")
    tab.open(f"#/read/{left}")
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent === id", arg=left)
    tab.reading()
    assert tab.outlined() == 0


def test_a_finding_alone_is_no_draft_once_the_image_is_left(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_nothing").open()
    tab.next()
    tab.choose("disc")
    tab.page.wait_for_timeout(500)
    left = skip(tab)
    assert tab.page.locator("#toasts").get_by_text("is kept").count() == 0
    assert tab.page.locator(".panel").get_by_text("Unfinished").count() == 0
    tab.open(f"#/read/{left}")
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent === id", arg=left)
    tab.reading()
    assert not tab.page.get_by_role("radio", name=re.compile("^disc")).is_checked()


def test_what_was_drawn_since_is_not_deleted_unasked(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_since").open()
    tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.page.get_by_role("button", name="Exclude this image").click()
    exclusion = tab.page.get_by_role("dialog", name="Never offer this image again")
    exclusion.get_by_text("What you have drawn is deleted.").wait_for()
    exclusion.get_by_role("button", name="Cancel").click()
    tab.choose("disc")
    tab.hand_in()
    keep = tab.page.get_by_role("button", name="Keep revision 1 as it is")
    question = tab.page.get_by_role("dialog", name="Delete what you have drawn?")
    tab.page.keyboard.press("r")
    keep.click()
    tab.page.get_by_role("button", name=re.compile("^Draw again")).wait_for()  # nothing was drawn
    tab.page.keyboard.press("r")
    tab.reading()
    draw_box(tab, (8, 8), (9, 9))
    tab.reload()
    tab.reading()
    keep.click()
    question.get_by_role("button", name="Cancel").click()
    assert tab.outlined() == 13
    keep.click()
    question.get_by_role("button", name="Delete it").click()
    tab.page.get_by_role("button", name=re.compile("^Draw again")).wait_for()


def test_what_is_unfinished_is_offered_where_nothing_is_left(tmp_path: Path, tabs, serving):
    room = open_room(tmp_path, 2)
    tab = tabs(serving(room.server), "dr_last").open()
    tab.next()
    draw_box(tab, (3, 3), (5, 5))
    left = skip(tab)
    room.hand_in(left, "somebody")
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    tab.page.keyboard.press("n")
    tab.page.get_by_role("heading", name="Nothing left to read").wait_for()
    tab.page.locator(".panel").get_by_role("link", name=left).click()
    tab.reading()
    assert tab.outlined() == 9


# handing in


def said_of(room: Room, image: str) -> list:
    return list(room.server.get("/xal/api/annotations", image=image).json()["items"])


def test_enter_held_or_doubled_answers_no_question(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_heavy").open()
    image = tab.next()
    tab.choose("disc")
    keyboard = tab.page.keyboard
    question = tab.page.get_by_role("dialog", name="Hand in without an outline?")
    tab.page.evaluate(
        """() => document.body.addEventListener("keydown", () => {
             const again = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
             new MutationObserver((_, seen) => {
               const [answer] = document.querySelectorAll("dialog[open] button.primary");
               if (!answer) return;
               seen.disconnect();
               if (answer.dispatchEvent(again)) answer.click();
             }).observe(document.body, { childList: true, subtree: true, attributes: true });
           }, { once: true })"""
    )
    keyboard.down("Enter")  # and again as soon as the question is there
    question.wait_for()
    tab.page.wait_for_timeout(600)
    for _ in range(3):
        keyboard.down("Enter")  # a repeated one
    keyboard.up("Enter")
    tab.page.wait_for_timeout(600)
    assert question.is_visible()
    assert said_of(keeping, image) == []
    keyboard.press("Enter")
    tab.page.locator(".receipt").wait_for()


def test_enter_held_while_an_image_is_opened_does_not_hand_it_in(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_holding").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    left = skip(tab)
    tab.page.get_by_role("link", name=left).last.focus()
    tab.page.keyboard.down("Enter")
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent === id", arg=left)
    tab.reading()
    for _ in range(3):
        tab.page.keyboard.down("Enter")
    tab.page.wait_for_timeout(1000)
    tab.page.keyboard.up("Enter")
    assert said_of(keeping, image) == []
    tab.hand_in()


def test_a_label_file_that_cannot_be_made_leaves_the_outline(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_memory").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.page.evaluate(
        """async () => {
          const { NVImage } = await import("/xal/vendor/niivue.js");
          const { saveToUint8Array } = NVImage.prototype;
          NVImage.prototype.saveToUint8Array = () => {
            NVImage.prototype.saveToUint8Array = saveToUint8Array;
            throw new RangeError("out of memory");
          };
        }"""
    )
    hand_in(tab)
    tab.page.get_by_text(f"{image} could not be handed in").wait_for()
    tab.reading()
    assert tab.outlined() == 9
    tab.hand_in()
    assert stored(keeping.server, image, "dr_memory")[0]["roi_voxels"] == 9


def test_a_refusal_that_another_tab_was_told_of_stands_until_it_is_looked_at(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_tabs").open()
    tab.may_lose_server = True
    tab.page.context.route("**/datastore/label?*", lambda route: route.abort())
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    hand_in(tab)
    tab.page.get_by_text("1 label is kept here").wait_for()
    tab.page.keyboard.press("n")
    tab.page.wait_for_function("id => document.querySelector('.panel .id')?.textContent !== id", arg=image)
    tab.reading()
    tab.page.route("**/datastore/label?*", lambda route: route.abort())  # this tab does not hear of it itself
    refusal = {"status": 400, "content_type": "application/json", "body": '{"detail": "not now"}'}
    tab.page.context.unroute("**/datastore/label?*")
    tab.page.context.route("**/datastore/label?*", lambda route: route.fulfill(**refusal))
    other = tab.page.context.new_page()
    other.goto(f"{keeping.server.url}/xal/#/queue")
    tab.page.locator("#toasts").get_by_text(f"{image}: not now").wait_for()
    other.close()
    tab.reload()
    told = tab.page.locator("#banner")
    told.get_by_text("1 label was refused").wait_for()
    told.get_by_role("link", name=image).click()
    tab.page.get_by_text("The server did not take it: not now").wait_for()
    told.wait_for(state="hidden")
    assert tab.outlined() == 9
    tab.open("#/queue")
    tab.reload()
    tab.page.get_by_role("list", name="Images").wait_for()
    tab.page.wait_for_timeout(1000)
    assert told.is_hidden()


def test_an_outline_that_is_drawn_in_another_tab_is_neither_written_over_nor_dropped(keeping: Room, tabs):
    tab = tabs(keeping.server, "dr_twice").open()
    image = tab.next()
    other = Tab(tab.page.context.new_page(), tab.server, tab.reader).open(f"#/read/{image}")
    assert other.reading() == image
    draw_box(other, (3, 3), (5, 5))
    tab.page.bring_to_front()
    draw_box(tab, (8, 8), (9, 9))
    tab.page.locator("#toasts").get_by_text(f"{image} was outlined in another tab meanwhile").wait_for()
    tab.choose("disc")
    tab.hand_in()
    assert stored(keeping.server, image, "dr_twice")[0]["roi_voxels"] == 4
    other.page.bring_to_front()
    other.reload()
    other.reading()
    assert other.outlined() == 9
    other.page.close()
