"""A pool that two readers are through with, and that a reviewer has to look at again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813

from harness.pools import FINDINGS
from harness.room import Room, open_room, store_of
from xal.store import PredictionRow
from xal.store.rows import Rule

DOUBTED, FAR, CONTESTED, SECOND = (f"picture_{number:04d}" for number in (12, 13, 14, 15))
AGREED, LENT = "picture_0000", "picture_0016"


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A server whose images take two readings: twelve discs in the middle, one far off, and three to look at again.

    Of the last ones nobody has said anything: what a test changes is to be its own.
    """
    room = open_room(tmp_path_factory.mktemp("review"), 28, "  per_image: 2\n", reviewers="boss, chief")
    with room.server:
        for number in range(12):
            draw(room, f"picture_{number:04d}", "disc")
        say(room, DOUBTED, "square")
        draw(room, DOUBTED, "disc")
        draw(room, FAR, "disc", corner=(0, 0))
        for image in (CONTESTED, SECOND):
            draw(room, image, "disc")
            draw(room, image, "square", reader="dr_b")
        draw(room, AGREED, "disc", reader="dr_b", corner=(12, 14))
        look_again(room)
        yield room


def look_again(room: Room) -> None:
    """Wait until the server has had a second look at all that was handed in."""

    def pending() -> int:
        return int(room.server.get("/xal/api/progress").json()["agreement"]["pending"])

    room.server.wait(lambda: pending() == 0, 30, "the second look")


def draw(room: Room, image: str, finding: str, reader: str = "dr_a", corner: tuple[int, int] = (12, 12)) -> None:
    """Hand in a square of eight by eight pixels."""
    reply = drawn(room, image, finding, reader, corner)
    assert reply.ok, reply.text


def drawn(
    room: Room, image: str, finding: str, reader: str, corner: tuple[int, int] = (12, 12), **params: object
) -> requests.Response:
    """What the server answers to such a square."""
    mask = np.zeros((1, 32, 32), np.uint8)
    mask[0, corner[1] : corner[1] + 8, corner[0] : corner[0] + 8] = FINDINGS.index(finding) + 1
    path = room.folder / "own.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(path))
    return room.server.submit(image, path, list(FINDINGS), reader, **params)


def say(room: Room, image: str, finding: str) -> None:
    """Let a model have said this of the image, surely, and have looked at its middle."""
    attention = np.zeros((8, 8), np.float32)
    attention[3:5, 3:5] = 1
    row = PredictionRow(
        image=image,
        version=1,
        fingerprint="",
        roi_key=None,
        finding=finding,
        probabilities={**dict.fromkeys((*FINDINGS, "nothing"), 0.035), finding: 0.93},
        uncertainty=0.2,
        misalignment=0.5,
        overlap=0.5,
        energy=0.5,
        roi_source="proposed",
        attention=attention,
    )
    store = store_of(room.server, "tiny")
    store.predictions.save([row], Rule())
    store.close()
