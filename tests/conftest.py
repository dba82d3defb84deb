"""Servers and pools that several test files share, and the order of the tests."""

from __future__ import annotations

import fcntl
import gc
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest
from harness.room import Room, open_room
from harness.warm import fork_workers

from xal.system.limits import Limits, enforce

gc.disable()  # nothing of what is imported is garbage; from the first test on there is some

pytest_plugins = ["harness.browser", "harness.postgres", "harness.reviewing"]


LONG = (
    "test_server_", "test_simulate", "test_demo", "test_full_disk", "test_paper", "test_next_batch", "test_training",
    "test_api_", "test_import_served", "test_lost_store",
)  # fmt: skip
"""What the names of the modules that take longest begin with."""
SLOW = (
    "test_importing",
    "test_wheel",
    "test_flaky",
    "test_notebook",
    "test_openapi",
    "test_experiment_report",
    "test_jobs",
    "test_connections",
)
"""What those of others begin with that take seconds a test; single tests are marked where they stand."""
EARLY = (
    "test_store_queue", "test_refused_images", "test_damaged_instances", "test_rebuild", "test_export",
    "test_on_a_gpu", "test_network", "test_regions", "test_results", "test_store_copies", "test_measures",
)  # fmt: skip
"""What those of others begin with that take ten seconds or more together: none of them is to be the last one."""
SERVERS = {"Server", "Room", "open_room", "open_ward", "Hospital", "FakeArchive", "OnAir"}
"""What a module that starts servers imports."""


def _needs_server(item: pytest.Item) -> bool:
    """Whether a test's module starts servers."""
    module = getattr(item, "module", None)
    return module is not None and not SERVERS.isdisjoint(vars(module))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run in an order of chance, the same for the same seed"
    )


def pytest_configure() -> None:
    fork_workers()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for garbage from here on, but never again through all that was imported: that took a test in twenty."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # pytest then brings together again what shares a parametrized fixture
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest modules first, or shuffled, and then tests within them, too: what a module shares is made once."""
    for item in items:
        if _needs_server(item):
            item.add_marker("server")
        elif item.path.name.startswith((*LONG, *SLOW)):
            item.add_marker("slow")
    seed = config.getoption("--shuffle")
    if seed is None:
        items.sort(key=lambda item: not item.path.name.startswith((*LONG, *SLOW, *EARLY)))
        return
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    chance, order = random.Random(seed), list(modules.values())
    for tests in (order, *order):
        chance.shuffle(tests)
    items[:] = chain(*order)


@pytest.fixture(autouse=True)
def same_chance() -> None:
    """What torch draws does not depend on the tests that came before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A server on 60 pictures, without a model; shared by the tests of a file."""
    room = open_room(tmp_path_factory.mktemp("room"), 60)
    with room.server:
        yield room


@pytest.fixture(scope="session")
def open_trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Room]:
    """Prepare a server as `open_room` does, on 90 pictures of which reader "first" has handed in the first 36.

    A model is published and has scored the rest. It was trained once for all processes that run tests.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    pool, unfinished = shared / "trained-pool", shared / "trained-pool-unfinished"
    with (shared / "trained-pool.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not pool.exists():
            _train_once(unfinished)
            unfinished.rename(pool)

    def opened(folder: Path, task_extra: str = "", **conf: object) -> Room:
        room = open_room(folder, 90, task_extra, **conf)
        shutil.copytree(pool / "studies", folder / "studies", dirs_exist_ok=True)  # with the times of all files
        return room

    return opened


def _train_once(folder: Path) -> None:
    room = open_room(folder, 90)
    with room.server:
        for image in sorted(room.pictures)[:36]:
            room.hand_in(image, "first")
        version = room.server.train()
        assert version["state"] == "published", version
        room.server.wait_scored()


@pytest.fixture(scope="module")
def trained_room(tmp_path_factory: pytest.TempPathFactory, open_trained: Callable[..., Room]) -> Iterator[Room]:
    """A server on 90 pictures, 36 of them handed in by reader "first", with a published model and a scored pool."""
    room = open_trained(tmp_path_factory.mktemp("trained"))
    with room.server:
        room.server.wait_scored()
        yield room


@pytest.fixture
def limited() -> Iterator[Callable[..., None]]:
    """Let other limits be in force, for as long as the test runs."""
    yield lambda **limits: enforce(Limits(**limits))
    enforce(Limits())
