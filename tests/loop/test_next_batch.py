"""The next images are chosen together where the task's batch rule asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harness.local import Local
from sqlalchemy import select

import xal.loop.next_batch
import xal.method.batches
from xal.cli import main
from xal.loop.decisions import follow_settings, keep_conf_alpha, set_alpha
from xal.loop.next_batch import TOGETHER, order
from xal.loop.rounds import train_round
from xal.loop.scoring import score_pool
from xal.pool.project import Project
from xal.server.watch import Watch
from xal.store.schema import NO_PLACE, images
from xal.task import AcquisitionSettings, BatchSettings, ReadingSettings, TrainingSettings


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Local:
    """A pool of 60 pictures, 18 of them read, with a model, scored without a batch rule."""
    local = Local(tmp_path_factory.mktemp("trained"), 60, readings=ReadingSettings(per_image=1, double=0))
    for image in local.ids[:18]:
        local.hand_in(image)
    train_round(local.project, TrainingSettings(max_epochs=3), lambda _: None, lambda: False)
    assert score_pool(local.project, lambda done, total: None).scored == 42
    local.project.store.close()  # what was written is in its file then
    return local


@pytest.fixture
def made(trained: Local) -> Callable[..., Local]:
    """Makes that pool with a batch rule, by which the next scoring run chooses."""

    def make(folder: Path, **batch: object) -> Local:
        acquisition = AcquisitionSettings(batch=BatchSettings(**{"rule": "top", **batch}))
        local = trained.copied(folder, acquisition=acquisition)
        assert score_pool(local.project, lambda done, total: None).scored == 0
        return local

    return make


def given(local: Local, count: int) -> list[str]:
    offers = [local.project.store.queue.next_sample("ada", "queue", 60) for _ in range(count)]
    return [offer.image.id for offer in offers if offer is not None]


def by_score(local: Local) -> list[str]:
    rows = [row for row in local.project.store.images.find() if row.open and row.score is not None]
    return [row.id for row in sorted(rows, key=lambda row: (-row.score, row.shuffle))]


def test_with_the_plain_rule_the_score_alone_decides(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path)
    assert given(local, 42) == by_score(local)


@pytest.mark.parametrize("rule", ["power", "spread", "cover"])
def test_with_another_rule_the_batch_comes_first_and_everything_is_given_once(
    made: Callable[..., Local], tmp_path: Path, rule: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("xal.loop.next_batch.AHEAD", 6)
    local = made(tmp_path, rule=rule)
    plain = by_score(local)
    order = given(local, 42)
    assert sorted(order) == sorted(plain)
    assert order != plain


def test_balance_evens_out_what_is_predicted(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path, balance=True)
    store = local.project.store
    read = [image.finding for image in store.annotations.settled()]
    order = [store.predictions.get(image).finding for image in given(local, 12)]
    left = {name: [store.predictions.get(i).finding for i in by_score(local)].count(name) for name in set(order)}
    counts = {name: read.count(name) + order.count(name) for name in order if left[name] > order.count(name)}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_line_up_is_the_same_for_the_same_model_and_follows_alpha(
    made: Callable[..., Local], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("xal.loop.next_batch.AHEAD", 3)
    local = made(tmp_path, rule="spread", breadth=1.0)
    store = local.project.store
    first = [row.id for row in store.queue.head(3)]
    assert sorted(first) == sorted(by_score(local)[:3])
    order(local.project, store.versions.current().version)
    assert [row.id for row in store.queue.head(3)] == first
    store.predictions.line_up(by_score(local)[-3:])
    set_alpha(local.project, 1.0, by="ada")
    assert [row.id for row in store.queue.head(42)] == by_score(local), (
        "until scoring chooses anew, the score alone decides"
    )
    assert score_pool(local.project, lambda done, total: None).scored == 0
    assert sorted(row.id for row in store.queue.head(3)) == sorted(by_score(local)[:3])


def watched(local: Local) -> tuple[Watch, list[float]]:
    """A watch that scores in this process, and with which α it asked for that."""
    asked: list[float] = []

    def ask() -> None:
        asked.append(local.project.alpha())
        score_pool(local.project, lambda done, total: None)

    return Watch(local.project, ask, lambda: None, scan_seconds=5), asked


def batch(local: Local) -> list[str]:
    """The images that were chosen together."""
    query = select(images.c.id).where(images.c.place != NO_PLACE).order_by(images.c.place)
    with local.project.store.database.engine.connect() as connection:
        return list(connection.execute(query).scalars())


def test_whoever_sets_alpha_the_server_sees_that_a_batch_is_chosen_anew(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path, rule="cover")
    watch, asked = watched(local)
    watch._score()
    assert asked == []
    for alpha in (0.1, 0.9, 0.1):
        set_alpha(local.project, alpha, by="ada")
        watch._score()
        watch._score()
    assert asked == [0.1, 0.9, 0.1]


def test_alpha_there_and_back_again_does_not_lose_the_batch(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path, rule="cover")
    watch, _ = watched(local)
    first = batch(local)
    assert len(first) == 42
    for alphas in ([0.9, 0.5], [0.5]):
        for alpha in alphas:
            set_alpha(local.project, alpha, by="ada")
        watch._score()
        assert batch(local) == first


def test_alpha_set_while_a_batch_is_chosen_is_seen_afterwards(
    made: Callable[..., Local], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    local = made(tmp_path, rule="cover")
    version = local.project.store.versions.current().version
    choose = xal.loop.next_batch._chosen

    def meanwhile(*arguments: object) -> object:
        chosen = choose(*arguments)
        set_alpha(local.project, 0.9, by="ada")
        return chosen

    monkeypatch.setattr("xal.loop.next_batch._chosen", meanwhile)
    set_alpha(local.project, 0.1, by="ada")
    order(local.project, version)
    monkeypatch.undo()
    watch, asked = watched(local)
    watch._score()
    assert asked == [0.9]


def test_the_command_says_that_a_batch_is_still_to_be_chosen(
    made: Callable[..., Local], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for batch_settings, said in (({"rule": "cover"}, True), ({}, False)):
        local = made(tmp_path / str(said), **batch_settings)
        task = tmp_path / f"{said}.yaml"
        task.write_text(local.task.model_dump_json(exclude={"network": {"weights"}}))
        assert main(["alpha", "0.2", "--studies", str(local.studies), "--task", str(task)]) == 0
        assert ("xal score" in capsys.readouterr().out) == said


def test_a_server_started_with_another_alpha_or_rule_orders_the_queue_anew(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path, rule="cover")
    keep_conf_alpha(local.project, 0.2)
    follow_settings(local.project)
    assert [row.id for row in local.project.store.queue.head(42)] == by_score(local)
    watch, asked = watched(local)
    watch._score()
    assert asked == [0.2]
    assert len(batch(local)) == 42
    plain = local.task.model_copy(update={"acquisition": AcquisitionSettings(batch=BatchSettings(rule="top"))})
    follow_settings(Project.open(plain, str(local.studies)))
    assert batch(local) == []


def test_a_batch_that_could_not_be_chosen_is_chosen_as_soon_as_it_can_be(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path, rule="cover")
    store = local.project.store
    file = local.studies / "zz_new.png"
    file.write_bytes((local.studies / f"{local.ids[30]}.png").read_bytes() + b" ")
    local.project.sync()
    order(local.project, store.versions.current().version)
    assert batch(local) == []
    store.images.exclude("zz_new", "ada", "a copy")
    watch, asked = watched(local)
    watch._score()
    assert len(asked) == 1
    assert len(batch(local)) == 42


def test_a_batch_is_chosen_as_small_as_readers_hand_in(
    made: Callable[..., Local], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    counts: list[int] = []
    choose = xal.method.batches.choose

    def counted(pool: object, count: int, *rest: object) -> object:
        counts.append(count)
        return choose(pool, count, *rest)

    monkeypatch.setattr("xal.method.batches.choose", counted)
    made(tmp_path, rule="cover")
    assert counts == [TOGETHER] * 3


def test_without_a_batch_rule_another_alpha_needs_no_scoring_run(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path)
    set_alpha(local.project, 0.1, by="ada")
    Watch(local.project, lambda: pytest.fail("nothing is to be done"), lambda: None, scan_seconds=5)._score()
    assert [row.id for row in local.project.store.queue.head(42)] == by_score(local)


def test_a_line_up_is_forgotten_by_the_next_one(made: Callable[..., Local], tmp_path: Path):
    store = made(tmp_path, rule="cover").project.store
    version = store.versions.current().version
    last = store.predictions.candidates(version).ids[-3:]
    store.predictions.line_up(last)
    assert [row.id for row in store.queue.head(3)] == last
    store.predictions.line_up([])
    scores = [row.score for row in store.queue.head(42)]
    assert scores == sorted(scores, reverse=True)


def test_candidates_are_the_open_images_of_this_version(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path)
    store = local.project.store
    candidates = store.predictions.candidates(store.versions.current().version)
    assert candidates.ids == sorted(by_score(local))
    assert candidates.embeddings.shape == (42, 128)
    np.testing.assert_allclose(candidates.scores, [store.images.get(i).score for i in candidates.ids])
    assert store.predictions.candidates(99).ids == []


@pytest.mark.parametrize("rule", ["power", "spread", "cover"])
def test_when_everything_is_read_there_is_nothing_to_line_up(made: Callable[..., Local], tmp_path: Path, rule: str):
    local = made(tmp_path, rule=rule)
    for image in local.ids[18:]:
        local.hand_in(image)
    assert score_pool(local.project, lambda done, total: None).scored == 0
    set_alpha(local.project, 0.2, by="ada")
    assert local.project.store.queue.head(1) == []


def test_with_a_damaged_model_the_score_alone_decides(
    made: Callable[..., Local], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    local = made(tmp_path, rule="cover")
    store, version = local.project.store, local.project.store.versions.current()
    store.predictions.line_up(store.predictions.candidates(version.version).ids[-3:])
    (local.project.workspace.state / version.path).write_bytes(b"damaged")
    again = Project.open(local.task, str(local.studies))
    order(again, version.version)
    assert "each image is ranked by itself" in caplog.text
    assert [row.id for row in again.store.queue.head(42)] == by_score(local)


def test_half_a_scored_pool_is_not_lined_up(made: Callable[..., Local], tmp_path: Path):
    local = made(tmp_path, rule="spread", breadth=1.0)
    store, version = local.project.store, local.project.store.versions.current().version
    (local.studies / "zz_new.png").write_bytes((local.studies / f"{local.ids[30]}.png").read_bytes() + b" ")
    local.project.sync()
    assert store.predictions.stale_count(version) == 1
    order(local.project, version)
    assert [row.id for row in store.queue.head(42)] == by_score(local)[:42]
