"""When a training begins by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.local import Local

from xal.loop.auto_train import is_due, is_first_due, keep_conf, kept_conf, labels_left, note_begun
from xal.server import watch as watching
from xal.server.watch import Watch
from xal.task import ReadingSettings


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """30 pictures of which nine are labelled, three of each finding."""
    local = Local(tmp_path, 30, readings=ReadingSettings(per_image=1, double=0))
    for image in local.ids[:9]:
        local.hand_in(image)
    return local


def test_a_first_start_with_labels_trains_and_a_later_one_does_not(local: Local):
    assert is_first_due(local.project, "first")
    assert is_first_due(local.project, 20)
    assert not is_first_due(local.project, "never")
    note_begun(local.project)
    assert is_first_due(local.project, 20), "a training that came to nothing is tried again at the next start"


def test_without_enough_labels_nothing_is_due(tmp_path: Path):
    empty = Local(tmp_path, 6)
    assert labels_left(empty.project, 1) == 1
    empty.hand_in(empty.ids[0])
    assert labels_left(empty.project, 1) == 0
    assert not is_first_due(empty.project, "first")
    assert not is_due(empty.project, 1), "one label of one finding teaches nothing"


def test_a_store_that_has_a_version_is_past_its_first_training(local: Local):
    local.project.store.versions.add(metrics={}, settings={}, parent=None, validation=None)
    assert not is_first_due(local.project, "first")
    keep_conf(local.project, 5)
    assert kept_conf(local.project) == 5
    assert labels_left(local.project, 5) == 5, "what a store of an earlier program has was learnt from already"


def test_every_so_many_new_labels_are_counted_from_the_last_training(local: Local):
    note_begun(local.project)
    left = [labels_left(local.project, 5)]
    for image in local.ids[9:15]:
        local.hand_in(image)
        left.append(labels_left(local.project, 5))
    assert left == [5, 4, 3, 2, 1, 0, 0]
    assert is_due(local.project, 5)
    note_begun(local.project)
    for image in local.ids[:3]:
        local.project.store.images.exclude(image, "ada", "blurred")
    assert labels_left(local.project, 5) == 5


@pytest.mark.parametrize("often", ["never", "first"])
def test_where_no_number_was_said_no_number_is_told(local: Local, often: str):
    assert labels_left(local.project, often) is None
    assert not is_due(local.project, often)


def test_it_is_asked_for_once_and_never_beside_another_training(local: Local, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    busy = [True]
    monkeypatch.setattr(watching, "are_under_way", lambda: busy[0])
    watch = Watch(local.project, None, lambda: None, 5, ask_for_training=lambda: asked.append(1), auto_train=5)
    watch._train()
    assert asked == []
    busy[0] = False
    local.project.source_problem = "the archive is away"
    watch._train()
    assert asked == []
    local.project.source_problem = None
    for _ in range(3):
        watch._train()
    assert asked == [1], "a training that failed at once would not begin again and again"
    for image in local.ids[9:15]:
        local.hand_in(image)
    watch._train()
    watch._train()
    assert asked == [1, 1]


def test_what_another_server_has_trained_meanwhile_is_not_trained_again(local: Local, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    monkeypatch.setattr(watching, "are_under_way", lambda: False)
    watch = Watch(local.project, None, lambda: None, 5, ask_for_training=lambda: asked.append(1), auto_train="first")
    local.project.store.versions.add(metrics={}, settings={}, parent=None, validation=None)
    watch._train()
    assert asked == []
