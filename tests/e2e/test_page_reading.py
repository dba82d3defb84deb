"""The reading room in a real browser: what a reader draws is what the store has, and nothing of it is lost."""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from harness.browser import PICTURE, SLOW, colourful, draw_box, place_in_slice, place_of, stored
from harness.pools import FINDINGS, write_pool
from harness.room import VOLUME_TASK, Room, open_room
from harness.server import Server
from harness.viewing import TURNED

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def reading_room(tmp_path_factory: pytest.TempPathFactory):
    room = open_room(tmp_path_factory.mktemp("page"), 40, reviewers="dr_r")
    with room.server:
        yield room


def test_a_box_in_a_picture_is_stored_pixel_for_pixel(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_box").open()
    image = tab.next()
    draw_box(tab, (10, 8), (19, 15))
    tab.choose("square")
    assert tab.outlined() == 80
    tab.hand_in()
    annotation, voxels, affine = stored(reading_room.server, image, "dr_box")
    expected = np.zeros((32, 32, 1), int)
    expected[10:20, 8:16] = FINDINGS.index("square") + 1
    assert annotation["finding"] == "square"
    np.testing.assert_array_equal(voxels, expected)
    np.testing.assert_allclose(affine, np.diag([-1, -1, 1, 1]))  # how ITK reads pictures


@pytest.mark.parametrize("affine", [np.diag([-2.0, 3, 4, 1]), TURNED], ids=["flipped", "turned"])
def test_a_box_in_a_slice_of_a_volume_is_stored_voxel_for_voxel(tmp_path: Path, tabs, serving, affine: np.ndarray):
    pixels = np.random.default_rng(0).normal(0, 100, (20, 16, 12)).astype(np.int16)
    (tmp_path / "studies").mkdir()
    for name in ("one", "two"):
        nib.save(nib.Nifti1Image(pixels, affine), tmp_path / "studies" / f"{name}.nii.gz")
    (tmp_path / "blobs.yaml").write_text(VOLUME_TASK)
    server = serving(Server(tmp_path / "server", tmp_path / "studies", str(tmp_path / "blobs.yaml")))
    tab = tabs(server, "dr_cube").open()
    image = tab.next()
    upright = nib.as_closest_canonical(nib.Nifti1Image(np.zeros(pixels.shape, np.uint8), affine))
    assert tab.page.get_by_role("slider", name="Slice").get_attribute("max") == str(upright.shape[2] - 1)
    tab.page.get_by_role("slider", name="Slice").fill("7")
    tab.tool("Box")
    place = partial(place_in_slice, tab, upright)
    tab.drag(place(2, 3), place(6, 5))
    tab.page.keyboard.press("ArrowUp")
    tab.drag(place(3, 3), place(4, 4))
    tab.choose("dark")
    assert tab.outlined() == 15 + 4
    tab.hand_in()
    _, voxels, stored_affine = stored(server, image, "dr_cube")
    np.testing.assert_allclose(stored_affine, affine)
    drawn = np.asarray(nib.as_closest_canonical(nib.Nifti1Image(voxels.astype(np.uint8), stored_affine)).dataobj)
    expected = np.zeros(upright.shape, np.uint8)
    expected[2:7, 3:6, 7] = 2
    expected[3:5, 3:5, 8] = 2
    np.testing.assert_array_equal(drawn, expected)


def test_pen_eraser_undo_and_redo_do_what_they_say(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_pen").open()
    image = tab.next()
    page = tab.page
    page.keyboard.press("[")  # three pixels wide → one
    tab.tool("Pen")
    tab.drag(place_of(tab, (5, 20), PICTURE), place_of(tab, (14, 20), PICTURE))
    assert tab.outlined() == 10
    tab.tool("Eraser")
    tab.drag(place_of(tab, (12, 20), PICTURE), place_of(tab, (14, 20), PICTURE))
    assert tab.outlined() == 7
    page.keyboard.press("Control+z")
    assert tab.outlined() == 10
    page.keyboard.press("Control+z")
    assert tab.outlined() == 0
    page.keyboard.press("Control+y")
    page.keyboard.press("Control+y")
    assert tab.outlined() == 7
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.locator(".receipt").wait_for(timeout=SLOW)
    annotation, voxels, _ = stored(reading_room.server, image, "dr_pen")
    assert annotation["finding"] == "disc"
    assert sorted(zip(*np.nonzero(voxels[..., 0]), strict=True)) == [(x, 20) for x in range(5, 12)]


def test_a_filled_pen_fills_what_it_goes_around_even_if_it_leaves_the_picture(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_fill").open()
    image = tab.next()
    tab.tool("Filled pen")
    corners = [(4, 4), (12, 4), (12, 12), (4, 12), (4, 4)]
    tab.drag(*(place_of(tab, corner, PICTURE) for corner in corners))
    assert tab.outlined() == 81
    box = tab.page.locator("#picture").bounding_box()
    outside = (box["x"] + 40, box["y"] - 20)  # in the header
    tab.drag(
        place_of(tab, (20, 5), PICTURE),
        place_of(tab, (20, 0), PICTURE),
        outside,
        place_of(tab, (28, 0), PICTURE),
        place_of(tab, (28, 5), PICTURE),
    )
    assert tab.outlined() > 81 + 9
    tab.choose("disc")
    tab.hand_in()
    _, voxels, _ = stored(reading_room.server, image, "dr_fill")
    assert voxels[4:13, 4:13, 0].all()
    assert voxels[21:28, 2:5, 0].all()


def test_a_finger_draws_and_two_fingers_zoom_without_drawing(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_touch", 820, 1180, has_touch=True).open()
    tab.next()
    tab.tool("Box")
    fingers = tab.page.context.new_cdp_session(tab.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", place_of(tab, (4, 4), PICTURE))
    touch("touchMove", place_of(tab, (7, 5), PICTURE))
    touch("touchEnd")
    tab.settle()
    assert tab.outlined() == 8
    left, right = place_of(tab, (14, 16), PICTURE), place_of(tab, (18, 16), PICTURE)
    touch("touchStart", left)
    touch("touchMove", place_of(tab, (13, 15), PICTURE))
    touch("touchStart", left, right)
    touch("touchMove", place_of(tab, (10, 16), PICTURE), place_of(tab, (22, 16), PICTURE))
    touch("touchEnd")
    tab.settle()
    assert tab.outlined() == 8, "what the first finger had begun is no stroke"
    tab.tool("Undo")  # and nothing that could be undone
    assert tab.outlined() == 0
    tab.drag(place_of(tab, (15, 15), PICTURE), place_of(tab, (16, 16), PICTURE))
    assert tab.outlined() == 1, "zoomed in, the same way on the screen is a shorter one in the picture"


def test_zoomed_and_moved_the_pointer_still_draws_what_lies_under_it(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_zoom", device_scale_factor=2).open()
    image = tab.next()
    page = tab.page
    page.mouse.move(*place_of(tab, (10, 12), PICTURE))
    for _ in range(6):
        page.mouse.wheel(0, -100)
    tab.tool("Box")
    tab.drag(place_of(tab, (10, 12), PICTURE), place_of(tab, (10, 12), PICTURE))
    assert tab.outlined() == 1, "the place under the pointer stays there"
    page.set_viewport_size({"width": 1100, "height": 900})
    page.keyboard.press("0")
    tab.settle()
    tab.drag(place_of(tab, (20, 25), PICTURE), place_of(tab, (21, 25), PICTURE))
    tab.choose("disc")
    tab.hand_in()
    _, voxels, _ = stored(reading_room.server, image, "dr_zoom")
    assert sorted(zip(*np.nonzero(voxels[..., 0]), strict=True)) == [(10, 12), (20, 25), (21, 25)]


def test_nothing_of_the_model_is_shown_before_handing_in(tabs, trained_room: Room):
    tab = tabs(trained_room.server, "dr_blind").open()
    image = tab.next()
    draw_box(tab, (2, 2), (6, 6))
    assert not [path for path in tab.asked if re.search(r"/api/.*(why|attention|mask)", path)]
    assert tab.page.locator(".heat, .bars, .sentence").count() == 0
    assert trained_room.server.get(f"/xal/api/images/{image}/attention.nii.gz", client_id="dr_blind").status_code == 403
    before = colourful(tab)
    tab.choose("disc")
    tab.hand_in()
    tab.page.locator(".heat").wait_for(timeout=SLOW)
    assert re.match(
        r"Chosen (because|although) the model was .*\(\d\.\d\d\)", tab.page.locator(".sentence").inner_text()
    )
    assert tab.page.locator(".bars dt").all_inner_texts() == [*FINDINGS, "nothing"]
    tab.page.get_by_role("slider", name="Opacity of the attention").fill("1")
    tab.settle()
    assert colourful(tab) > before + 500, "no heat map over the image"
    tab.page.get_by_role("slider", name="Opacity of the attention").fill("0")
    tab.settle()
    assert colourful(tab) < before + 500


def test_who_has_given_up_blind_reading_sees_the_attention_while_outlining(tmp_path: Path, tabs, serving):
    room = open_room(tmp_path, 40, "reveal: always\n")
    server = serving(room.server)
    for image in sorted(room.pictures)[:20]:
        room.hand_in(image, "first")
    assert server.train()["state"] == "published"
    server.wait_scored()
    tab = tabs(server, "dr_open").open()
    image = tab.next()
    tab.page.locator(".heat").wait_for(timeout=SLOW)
    assert re.match(r"The model was .*not yet an outline", tab.page.locator(".sentence").inner_text())
    assert tab.page.locator(".bars dt").all_inner_texts() == [*FINDINGS, "nothing"]
    tab.page.get_by_role("slider", name="Opacity of the attention").fill("1")
    tab.settle()
    shown = colourful(tab)
    tab.page.locator("#picture").focus()
    tab.page.keyboard.press("a")
    tab.settle()
    assert shown > colourful(tab) + 500, "no heat map over the image"
    tab.page.keyboard.press("a")
    draw_box(tab, (2, 2), (6, 6))
    assert tab.outlined() == 25
    tab.choose("disc")
    tab.hand_in()
    assert stored(server, image, "dr_open")[0]["roi_voxels"] == 25


def test_next_without_handing_in_gives_another_image_and_keeps_the_draft(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_skip").open()
    first = tab.next()
    draw_box(tab, (3, 3), (8, 8))
    tab.page.keyboard.press("n")
    tab.page.wait_for_function("first => document.querySelector('.panel .id')?.textContent !== first", arg=first)
    assert tab.reading() != first
    tab.page.goto(f"{reading_room.server.url}/xal/#/read/{first}")
    tab.page.wait_for_function("first => document.querySelector('.panel .id')?.textContent === first", arg=first)
    assert tab.outlined() == 36


def test_a_reload_in_the_middle_of_a_drawing_loses_nothing(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_reload").open()
    image = tab.next()
    draw_box(tab, (10, 10), (14, 14))
    tab.choose("square")
    time.sleep(0.5)
    tab.reload()
    assert tab.reading() == image
    assert tab.outlined() == 25
    assert tab.page.get_by_role("radio", name=re.compile("^square")).is_checked()
    tab.hand_in()
    annotation, voxels, _ = stored(reading_room.server, image, "dr_reload")
    assert (annotation["finding"], int((voxels > 0).sum())) == ("square", 25)


def test_a_look_at_the_other_views_in_the_middle_of_a_drawing_loses_nothing(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_look").open()
    tab.page.get_by_role("button", name="Next image").wait_for()
    for view in ("Queue", "Progress", "Read"):  # without an image, too
        tab.page.get_by_role("link", name=re.compile(f"^{view}")).click()
        tab.page.locator(f".view.{view.lower()}").wait_for()
    image = tab.next()
    draw_box(tab, (10, 10), (14, 14))
    tab.choose("square")
    for view in ("Queue", "Progress", "Read"):
        tab.page.get_by_role("link", name=re.compile(f"^{view}")).click()
        tab.page.locator(f".view.{view.lower()}").wait_for()
    tab.settle()
    assert tab.reading() == image
    assert tab.outlined() == 25
    assert tab.page.get_by_role("radio", name=re.compile("^square")).is_checked()
    tab.reload()
    assert tab.reading() == image
    assert tab.outlined() == 25, "what is kept in the browser was forgotten"


def test_two_browsers_never_have_the_same_image(reading_room: Room, tabs):
    one, other = tabs(reading_room.server, "dr_one").open(), tabs(reading_room.server, "dr_other").open()
    seen: dict[str, list[str]] = {"one": [], "other": []}
    for _ in range(3):
        seen["one"].append(one.next())
        seen["other"].append(other.next())
    assert not set(seen["one"]) & set(seen["other"])
    refused = tabs(reading_room.server, "dr_one").open(f"#/read/{seen['other'][-1]}")
    refused.page.get_by_text("dr_other is reading image").wait_for()
    refused.faults.clear()  # the browser itself reports the refusal as an error


def test_a_finding_without_an_outline_is_asked_for_and_stored(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_bare").open()
    image = tab.next()
    tab.choose("disc")
    tab.page.get_by_role("button", name=re.compile("^Hand in")).click()
    dialog = tab.page.get_by_role("dialog", name="Hand in without an outline?")
    dialog.get_by_role("button", name="Cancel").click()
    assert reading_room.server.get("/xal/api/annotations", image=image).json()["items"] == []
    tab.page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Hand in").click()
    tab.page.locator(".receipt").wait_for()
    annotation, voxels, _ = stored(reading_room.server, image, "dr_bare")
    assert (annotation["finding"], annotation["roi_voxels"], voxels.any()) == ("disc", 0, False)


def test_no_finding_clears_the_outline_only_after_asking(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_none").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("nothing")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("dialog", name="Clear the outline?").get_by_role("button", name="Clear it and hand in").click()
    tab.page.locator(".receipt").wait_for()
    annotation, voxels, _ = stored(reading_room.server, image, "dr_none")
    assert (annotation["finding"], voxels.any()) == ("nothing", False)


def test_drawing_again_makes_a_second_revision(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_again").open()
    image = tab.next()
    draw_box(tab, (3, 3), (5, 5))
    tab.choose("disc")
    tab.hand_in()
    tab.page.keyboard.press("r")
    tab.reading()
    assert tab.outlined() == 9
    draw_box(tab, (6, 3), (7, 5))
    tab.choose("square")
    tab.hand_in()
    annotation, voxels, _ = stored(reading_room.server, image, "dr_again")
    assert (annotation["revision"], annotation["finding"]) == (2, "square")
    assert sorted(zip(*np.nonzero(voxels[..., 0] == 2), strict=True)) == [
        (x, y) for x in range(3, 8) for y in range(3, 6)
    ]


def test_an_excluded_image_is_never_offered_again(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_out").open()
    image = tab.next()
    tab.page.get_by_role("button", name="Exclude this image").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("combobox").or_(dialog.get_by_role("textbox")).fill("foreign body")
    dialog.get_by_role("button", name="Exclude").click()
    tab.page.wait_for_function("first => document.querySelector('.panel .id')?.textContent !== first", arg=image)
    row = reading_room.server.get(f"/xal/api/images/{image}", client_id="dr_out").json()
    assert (row["status"], row["excluded"], row["excluded_by"]) == ("excluded", "foreign body", "dr_out")


def test_a_label_drawn_while_the_server_is_away_arrives_once(tmp_path: Path, tabs):
    room = open_room(tmp_path, 12)
    with room.server:
        tab = tabs(room.server, "dr_away").open()
        tab.may_lose_server = True
        image = tab.next()
        draw_box(tab, (10, 8), (19, 15))
        room.server.kill()
        draw_box(tab, (3, 3), (4, 4))  # drawing goes on
        tab.choose("disc")
        tab.page.get_by_text("The server cannot be reached.").wait_for()
        tab.page.get_by_role("button", name=re.compile("^Hand in")).click()
        tab.page.get_by_text("1 label is kept here").wait_for()
        room.server.start()
        tab.page.locator(".receipt").wait_for(timeout=SLOW)
        annotation, voxels, _ = stored(room.server, image, "dr_away")
        assert (annotation["revision"], int((voxels > 0).sum())) == (1, 84)
        tab.page.locator("#banner").wait_for(state="hidden")
        every = room.server.get("/xal/api/annotations", withdrawn=True).json()["items"]
        assert len(every) == 1


def test_a_label_that_is_refused_is_a_draft_again_with_the_reason(reading_room: Room, tabs):
    tab = tabs(reading_room.server, "dr_refused").open()
    image = tab.next()
    draw_box(tab, (10, 8), (12, 9))
    tab.choose("disc")
    refuse = '{"detail": "the label does not lie on the image\'s voxels"}'
    tab.page.route(
        "**/datastore/label*", lambda route: route.fulfill(status=400, content_type="application/json", body=refuse)
    )
    tab.page.get_by_role("button", name=re.compile("^Hand in")).click()
    tab.page.get_by_text("The server did not take it: the label does not lie on the image's voxels").wait_for()
    assert tab.outlined() == 6
    tab.page.unroute("**/datastore/label*")
    tab.faults.clear()  # the browser itself reports the refusal as an error
    tab.hand_in()
    assert stored(reading_room.server, image, "dr_refused")[0]["roi_voxels"] == 6


def test_markup_in_names_is_only_text(tmp_path: Path, tabs, serving):
    evil = "<img src=x onerror=alert(1)>"
    write_pool(tmp_path / "studies", 6)
    task = tmp_path / "evil.yaml"
    task.write_text(
        f"name: evil\ntitle: '<b>{evil}</b>'\nfindings:\n  - name: '{evil}'\n  - name: other\n"
        "image: {dimensions: 2, size: [32, 32]}\n"
    )
    server = serving(Server(tmp_path / "server", tmp_path / "studies", str(task)))
    tab = tabs(server, "<i>dr</i>").open()
    tab.next()
    assert tab.page.get_by_text(evil, exact=True).is_visible()
    tab.page.keyboard.press("1")
    tab.drag(place_of(tab, (3, 3), PICTURE), place_of(tab, (9, 9), PICTURE))
    tab.hand_in()
    tab.open("#/queue")
    tab.reload()
    tab.settle()
    assert tab.page.locator("#view img[src=x], #head img, #view b, #view i").count() == 0
