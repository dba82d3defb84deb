"""While there is no model, images that look like many others come first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from harness.hospital import publish_untrained
from harness.local import Local

from xal.errors import Full
from xal.imaging.geometry import Prepared
from xal.loop import first_batch
from xal.loop.decisions import set_method
from xal.loop.first_batch import is_due, look
from xal.loop.scoring import score_pool
from xal.server import watch
from xal.server.watch import Watch
from xal.store.rows import ImageRow
from xal.system.disk_space import Space
from xal.task import AcquisitionSettings


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    """A pool of 18 pictures, of which six are to be chosen."""
    monkeypatch.setattr(first_batch, "AHEAD", 6)
    return Local(tmp_path, 18)


def first(local: Local, count: int = 6) -> list[str]:
    return [row.id for row in local.project.store.queue.head(count)]


def chosen(local: Local) -> list[str]:
    score_pool(local.project, lambda done, total: None)
    return first(local)


def test_the_first_images_are_those_that_stand_for_the_most_others(local: Local):
    by_chance = first(local)
    assert is_due(local.project)
    some = chosen(local)
    assert not is_due(local.project)
    assert some != by_chance
    looks = {image: look(local.project.prepared(local.project.store.images.get(image)).tensor) for image in local.ids}

    def distance(those: list[str]) -> float:
        """Of an image to the nearest of those, on average."""
        return float(np.mean([min(np.linalg.norm(look - looks[one]) for one in those) for look in looks.values()]))

    rng = np.random.default_rng(0)
    others = [distance(list(rng.choice(local.ids, 6, replace=False))) for _ in range(50)]
    assert distance(some) < np.percentile(others, 20)
    assert sorted(first(local, 18)) == local.ids, "everything is still given"


def test_it_is_done_once_and_by_the_same_chance(local: Local, tmp_path: Path):
    other = local.copied(tmp_path / "copy")
    some = chosen(local)
    local.project.store.predictions.line_up([])
    assert chosen(local) != some
    assert chosen(other) == some


def test_a_task_may_want_chance_and_a_small_pool_is_read_whole(local: Local, tmp_path: Path):
    by_chance = local.copied(tmp_path / "chance", acquisition=AcquisitionSettings(first="uniform"))
    before = first(by_chance)
    assert chosen(by_chance) == before
    assert not is_due(by_chance.project)
    assert not is_due(Local(tmp_path / "small", 6).project)


def test_it_is_not_due_where_a_task_or_a_reviewer_chooses_by_chance(local: Local, tmp_path: Path):
    task = local.copied(tmp_path / "task", acquisition=AcquisitionSettings(method="uniform"))
    before = first(task)
    assert not is_due(task.project)
    assert chosen(task) == before
    set_method(local.project, "uniform", by="boss")
    assert not is_due(local.project)
    set_method(local.project, "xal", by="boss")
    assert is_due(local.project)


def test_an_image_that_cannot_be_read_is_no_obstacle(local: Local):
    for image in local.ids[:3]:
        next((local.studies).glob(f"{image}*")).write_bytes(b"damaged")
    local.project.sync()
    some = chosen(local)
    assert len(some) == 6
    assert not set(some) & set(local.ids[:3])


def test_what_is_settled_already_is_not_what_is_looked_for(local: Local):
    for image in local.ids[:3]:
        local.hand_in(image)
    assert not set(chosen(local)) & set(local.ids[:3])


def test_the_server_asks_for_it_until_it_is_done_and_never_for_an_archives_images(
    local: Local, monkeypatch: pytest.MonkeyPatch
):
    asked: list[bool] = []
    watching = Watch(local.project, lambda: asked.append(True), lambda: None, 60.0)
    watching._score()
    watching._score()
    assert asked == [True]
    monkeypatch.setattr(watch, "RETRY_SECONDS", -1.0)
    watching._score()
    assert asked == [True, True], "that was long ago, and nothing is chosen yet"
    chosen(local)
    watching._score()
    assert asked == [True, True]
    monkeypatch.setattr(local.project, "source", SimpleNamespace(fetches=True))
    assert not is_due(local.project)


def counted(local: Local, monkeypatch: pytest.MonkeyPatch, after: int, then: Callable[[], object]) -> list[str]:
    """The images that are prepared from now on; something happens after so many of them."""
    prepared: list[str] = []
    prepare = local.project.prepared

    def counting(row: ImageRow) -> Prepared:
        prepared.append(row.id)
        if len(prepared) == after:
            then()
        return prepare(row)

    monkeypatch.setattr(local.project, "prepared", counting)
    return prepared


def test_it_ends_where_it_is_stopped_and_is_begun_again(local: Local, monkeypatch: pytest.MonkeyPatch):
    by_chance = first(local)
    stopped: list[bool] = []
    prepared = counted(local, monkeypatch, 3, lambda: stopped.append(True))
    score_pool(local.project, lambda done, total: None, lambda: bool(stopped))
    assert len(prepared) == 3
    assert first(local) == by_chance
    assert is_due(local.project)
    stopped.clear()
    score_pool(local.project, lambda done, total: None, lambda: bool(stopped))
    assert not is_due(local.project)


def test_it_ends_where_space_runs_short(local: Local, monkeypatch: pytest.MonkeyPatch):
    def run_short() -> None:
        monkeypatch.setattr(local.project, "space", Space(local.folder, 10**18))

    prepared = counted(local, monkeypatch, 3, run_short)
    with pytest.raises(Full, match="the first images are not chosen"):
        chosen(local)
    assert len(prepared) == 3
    assert is_due(local.project)


def test_a_model_that_comes_meanwhile_scores_the_pool_in_the_same_run(local: Local, monkeypatch: pytest.MonkeyPatch):
    prepared = counted(local, monkeypatch, 3, lambda: publish_untrained(local.project))
    summary = score_pool(local.project, lambda done, total: None)
    assert (summary.version, summary.scored) == (1, 18)
    assert len(prepared) == 3 + 18, "the rest was not looked at before"
    assert not local.project.store.settings.get(first_batch.DONE)


def test_a_look_forgets_contrast_and_brightness():
    image = torch.rand(2, 32, 48, generator=torch.Generator().manual_seed(0))
    assert look(image).shape == (2 * 64,)
    np.testing.assert_allclose(look(3 * image + 7), look(image), atol=1e-4)
    assert look(torch.rand(1, 16, 16, 16)).shape == (64,)
    assert not look(torch.ones(1, 32, 32)).any()
