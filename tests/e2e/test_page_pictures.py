"""Pictures and volumes of every shape lie in the browser as they should, and attention lies on them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from harness.browser import PICTURE, Tab, brightness, colours, draw_box, place_of, stored
from harness.pools import write_pool, write_task
from harness.room import VOLUME_TASK, Room, looked_at_a_corner
from harness.server import Server
from PIL import Image

pytestmark = pytest.mark.e2e


def test_attention_lies_where_the_model_looked_at_every_zoom(trained_room: Room, tabs):
    server = trained_room.server
    tab = tabs(server, "dr_heat").open()
    image = tab.next()
    draw_box(tab, (0, 0), (1, 1))
    tab.choose("disc")
    tab.hand_in()
    tab.page.locator(".heat").wait_for()
    tab.page.get_by_role("slider", name="Opacity of the attention").fill("1")
    reply = server.get(f"/xal/api/images/{image}/attention.nii.gz", client_id="dr_heat")
    file = Path(server.folder) / "attention.nii.gz"
    file.write_bytes(reply.content)
    attention = np.asarray(nib.load(file).dataobj)[:, :, 0]
    strong, weak = (np.argwhere(attention == level)[0] for level in (attention.max(), attention.min()))
    for zoomed in (False, True):
        if zoomed:
            tab.page.mouse.move(*place_of(tab, tuple(strong), PICTURE))
            tab.page.mouse.wheel(0, -100)
        tab.settle()
        assert colour_at(tab, tuple(strong))[0] > 240, "the strongest place is pale yellow"
        if not zoomed and attention.min() < 0.1:
            assert np.ptp(colour_at(tab, tuple(weak))) < 40, "where there is no attention the image is as it was"


CONNECTED = """async now => {
    const { live } = await import("./live.js");
    Object.defineProperty(live, "connected", { configurable: true, get: () => now, set: () => {} });
    live.dispatchEvent(new Event("connection"));
}"""


@pytest.mark.parametrize("window", [(1280, 720), (800, 1100)])
def test_the_picture_stays_where_it_is_whatever_comes_and_goes(trained_room: Room, tabs, window: tuple[int, int]):
    tab = tabs(trained_room.server, "dr_still", *window).open()
    tab.page.get_by_role("button", name="Next image").wait_for()
    seen = [tab.page.locator("#picture").bounding_box()]
    tab.next()
    seen.append(tab.page.locator("#picture").bounding_box())
    draw_box(tab, (0, 0), (9, 9))
    tab.page.evaluate(CONNECTED, False)
    tab.page.get_by_text("The server cannot be reached.").wait_for()
    seen.append(tab.page.locator("#picture").bounding_box())
    tab.page.evaluate(CONNECTED, True)
    tab.page.get_by_text("The server cannot be reached.").wait_for(state="hidden")
    tab.choose("disc")
    tab.hand_in()
    tab.page.locator(".bars").wait_for()
    seen.append(tab.page.locator("#picture").bounding_box())
    assert seen == [seen[0]] * len(seen)


def colour_at(tab: Tab, voxel: tuple[int, int]) -> np.ndarray:
    box = tab.page.locator("#picture").bounding_box()
    x, y = place_of(tab, voxel, PICTURE)
    return colours(tab)[int(y - box["y"]), int(x - box["x"])]


def test_a_picture_larger_than_volume_textures_is_drawn_the_right_way_round(tmp_path: Path, tabs, serving):
    width, height = 2600, 3000
    pixels = np.random.default_rng(0).integers(20, 40, (height, width)).astype(np.uint8)
    pixels[300:900, 400:900] = 220  # rows, columns: upper left
    (tmp_path / "studies").mkdir()
    for name in ("one", "two"):
        Image.fromarray(pixels).save(tmp_path / "studies" / f"{name}.png")
    server = serving(Server(tmp_path / "server", tmp_path / "studies", str(write_task(tmp_path))))
    tab = tabs(server, "dr_film").open()
    image = tab.next()
    tab.settle()
    box = tab.page.locator("#picture").bounding_box()
    bright = brightness(tab) > 128
    middle = place_of(tab, (650, 600), (width, height))
    assert bright[int(middle[1] - box["y"]), int(middle[0] - box["x"])]
    mirrored = place_of(tab, (width - 650, height - 600), (width, height))
    assert not bright[int(mirrored[1] - box["y"]), int(mirrored[0] - box["x"])]
    tab.tool("Box")
    tab.drag(place_of(tab, (400, 300), (width, height)), place_of(tab, (899, 899), (width, height)))
    tab.choose("square")
    tab.hand_in()
    _, voxels, _ = stored(server, image, "dr_film")
    drawn = voxels[:, :, 0].T > 0
    assert (drawn & (pixels == 220)).sum() / (drawn | (pixels == 220)).sum() > 0.97


@pytest.mark.parametrize("through", [0, 1])
def test_a_single_slice_is_seen_from_the_front_whichever_way_it_lies(tmp_path: Path, tabs, serving, through: int):
    write_pool(tmp_path / "pictures", 1)
    shape = [24, 20]
    shape.insert(through, 1)
    pixels = np.random.default_rng(0).normal(0, 100, shape).astype(np.int16)
    (tmp_path / "studies").mkdir()
    nib.save(nib.Nifti1Image(pixels, np.diag([1.0, 1, 1, 1])), tmp_path / "studies" / "slice.nii.gz")
    server = serving(Server(tmp_path / "server", tmp_path / "studies", str(write_task(tmp_path))))
    tab = tabs(server, "dr_slice").open()
    image = tab.next()
    tab.tool("Box")
    size = (24, 20)
    tab.drag(place_of(tab, (2, 3), size), place_of(tab, (6, 4), size))
    assert tab.outlined() == 10
    tab.choose("disc")
    tab.hand_in()
    _, voxels, _ = stored(server, image, "dr_slice")
    assert voxels.shape == tuple(shape)
    drawn = np.squeeze(voxels, through) > 0
    # up is the head; a coronal slice has the patient's right on the left, a sagittal one looks to the left
    columns = slice(24 - 7, 24 - 2)
    expected = np.zeros((24, 20), bool)
    expected[columns, 20 - 5 : 20 - 3] = True
    np.testing.assert_array_equal(drawn, expected)


def test_attention_lies_over_a_volume_where_the_model_looked(tmp_path: Path, tabs, serving):
    shape = (24, 20, 16)
    (tmp_path / "studies").mkdir()
    pixels = np.random.default_rng(0).normal(0, 100, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(pixels, np.diag([1.0, 1, 1, 1])), tmp_path / "studies" / "volume.nii.gz")
    (tmp_path / "blobs.yaml").write_text(VOLUME_TASK)
    server = serving(Server(tmp_path / "server", tmp_path / "studies", str(tmp_path / "blobs.yaml")))
    tab = tabs(server, "dr_deep").open()
    image = tab.next()
    looked_at_a_corner(server, image)
    tab.choose("dark")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("dialog").get_by_role("button", name="Hand in").click()
    tab.page.locator(".heat").wait_for()
    sent = tmp_path / "attention.nii.gz"
    sent.write_bytes(server.get(f"/xal/api/images/{image}/attention.nii.gz", client_id="dr_deep").content)
    attention = nib.as_closest_canonical(nib.load(sent)).get_fdata()
    i, j, k = (int(place[0]) for place in np.nonzero(attention == attention.max()))
    tab.page.get_by_role("slider", name="Slice").fill(str(k))
    tab.page.get_by_role("slider", name="Opacity of the attention").fill("1")
    tab.settle()
    box = tab.page.locator("#picture").bounding_box()
    for mirrored, seen in ((False, True), (True, False)):
        column, row = (i, j) if mirrored else (shape[0] - 1 - i, shape[1] - 1 - j)  # right is on the left, front on top
        x, y = place_of(tab, (column, row), shape[:2])
        assert (np.ptp(colours(tab)[round(y - box["y"]), round(x - box["x"])]) > 40) == seen
