"""Servers and pools that several test files share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from harness.room import Room, open_room

from xal.limits import Limits, enforce

pytest_plugins = ["harness.browser", "harness.postgres", "harness.reviewing"]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A server on 60 pictures, without a model; shared by the tests of a file."""
    room = open_room(tmp_path_factory.mktemp("room"), 60)
    with room.server:
        yield room


@pytest.fixture(scope="module")
def trained_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A server on 90 pictures, 36 of them handed in by reader "first", with a published model and a scored pool."""
    room = open_room(tmp_path_factory.mktemp("trained"), 90)
    with room.server:
        for image in sorted(room.pictures)[:36]:
            room.hand_in(image, "first")
        version = room.server.train()
        assert version["state"] == "published", version
        room.server.wait_scored()
        yield room


@pytest.fixture
def limited() -> Iterator[Callable[..., None]]:
    """Let other limits be in force, for as long as the test runs."""
    yield lambda **limits: enforce(Limits(**limits))
    enforce(Limits())
