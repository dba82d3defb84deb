"""Where not all images are to be outlined: clients say a finding alone, and time is told for both."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from harness.room import Room, open_room, store_of
from harness.slicer_like import SlicerLike

from xal.server.api.progress import IDLE_SECONDS

pytestmark = pytest.mark.server

HALF = "outline: {share: 0.5}\n"


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = open_room(tmp_path_factory.mktemp("half"), 24, HALF, auto_train="never")
    with room.server:
        yield room


def given(room: Room, slicer: SlicerLike, *, wanted: bool) -> str:
    """The next image of this kind that shows something; the others stay as they are."""
    for _ in range(24):
        sample = slicer.next_sample()
        shows = room.pictures[sample["id"]].finding
        if sample["xal"]["outline_wanted"] == wanted and shows != "nothing":
            return str(sample["id"])
    raise AssertionError("there is none")


def durations(room: Room) -> dict:
    return dict(room.server.get("/xal/api/progress").json()["durations"])


def test_slicer_says_a_finding_alone_with_one_mark_and_that_settles_the_image(half: Room):
    slicer = SlicerLike(half.server.url, "dr_mark")
    image = given(half, slicer, wanted=False)
    assert slicer.sample["name"].startswith(f"{image}.finding-alone."), "which is what Slicer calls the volume"
    finding = half.pictures[image].finding
    slicer.paint(f"{finding}, no outline", (slice(0, 1), slice(5, 8), slice(5, 8)))
    reply = slicer.submit()["xal"]
    assert (reply["finding"], reply["roi_voxels"], reply["region"]) == (finding, 0, False)
    known = half.server.get(f"/xal/api/images/{image}", client_id="dr_mark").json()
    assert (known["status"], known["finding"], known["outline_wanted"]) == ("settled", finding, False)


def test_slicer_may_outline_what_need_not_be_and_the_other_way_round(half: Room):
    slicer = SlicerLike(half.server.url, "dr_free")
    image = given(half, slicer, wanted=False)
    picture = half.pictures[image]
    slicer.paint(picture.finding, np.nonzero(picture.roi[None]))
    assert slicer.submit()["xal"]["roi_voxels"] == picture.roi.sum()
    image = given(half, slicer, wanted=True)
    slicer.paint(f"{half.pictures[image].finding}, no outline", (slice(0, 1), slice(5, 6), slice(5, 6)))
    assert slicer.submit()["xal"]["finding"] == half.pictures[image].finding


def test_the_page_is_told_the_same_of_an_image_as_next_sample(half: Room):
    slicer = SlicerLike(half.server.url, "dr_page")
    for _ in range(4):
        sample = slicer.next_sample()
        view = half.server.get(f"/xal/api/images/{sample['id']}", client_id="dr_other").json()
        assert view["outline_wanted"] == sample["xal"]["outline_wanted"]
    assert half.server.get("/xal/api/room").json()["outline_share"] == 0.5


def test_time_is_told_for_both_and_who_was_away_counts_as_that_long(tmp_path):
    room = open_room(tmp_path, 9, HALF, auto_train="never")
    with room.server:
        assert durations(room) == {
            "outlined": {"images": 0, "median_seconds": None, "total_seconds": 0, "idle": 0},
            "alone": {"images": 0, "median_seconds": None, "total_seconds": 0, "idle": 0},
            "idle_seconds": IDLE_SECONDS,
        }
        slicer = SlicerLike(room.server.url, "dr_time")
        for _ in range(4):
            picture = room.pictures[slicer.next_sample()["id"]]
            slicer.paint("disc", np.nonzero(picture.roi[None]) if picture.roi.any() else (slice(0, 1), 3, 3))
            slicer.submit()
        slicer.next_sample()
        slicer.submit()  # nothing painted
        said = durations(room)
        assert (said["outlined"]["images"], said["alone"]["images"]) == (4, 1)
        assert 0 < said["outlined"]["total_seconds"] < 60
    store = store_of(room.server, "tiny")
    store.database.write(lambda c: c.exec_driver_sql("UPDATE annotations SET seconds = 30 * id * id * id"))
    store.close()  # 30, 240, 810 and 1920 s with an outline, 3750 s without
    with room.server:
        said = durations(room)
    assert said["outlined"] == {
        "images": 4,
        "median_seconds": (240 + 810) / 2,
        "total_seconds": 30 + 240 + 810 + IDLE_SECONDS,
        "idle": 1,
    }
    assert said["alone"]["total_seconds"] == said["alone"]["median_seconds"] == IDLE_SECONDS
