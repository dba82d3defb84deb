"""By which method images are chosen, and that a change of it needs no network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness.local import Local
from sqlalchemy import select
from test_regions import outline, scored, waiting  # noqa: F401  # scored is a fixture

from xal.errors import BadInput, Conflict, TaskError
from xal.loop import rescoring
from xal.loop.blind import score_alone, untouched_score
from xal.loop.decisions import set_alpha, set_method
from xal.loop.next_batch import AHEAD, is_lined_up
from xal.loop.reader import Reader
from xal.loop.rules import COMPARED_BY, method, rule
from xal.loop.scoring import score_pool
from xal.loop.sentences import Gaze, reason
from xal.method.acquisition import margin, neutral
from xal.method.batches import typical
from xal.server.strategy import NextSample
from xal.settings import validated
from xal.store.schema import NO_PLACE, images
from xal.task import COMPARING, AcquisitionSettings, BatchSettings, Method, Task

pytestmark = pytest.mark.slow

VALUED: tuple[Method, ...] = ("xal", "xal_evidence", "entropy", "margin", "uniform")
LINED_UP: tuple[Method, ...] = ("coverage", "k_center", "badge")
OPEN = 21


@pytest.fixture
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Local:
    """A scored pool, whose own ROIs stand in."""
    made: Local = request.getfixturevalue("scored")
    return made.copied(tmp_path / "copy")


def score(local: Local) -> None:
    """A scoring run that has no use for the network."""
    assert score_pool(local.project, lambda done, total: None).scored == 0


def asked(local: Local, name: Method | None) -> list[str]:
    """All images that wait, in the order of this strategy."""
    chosen_by, _, order = NextSample(local.project, name, "", share_paths=False).order(Reader("ann"))
    assert chosen_by == (name or method(local.project))
    return [row.id for row in local.project.store.queue.head(OPEN, order)]


def ranked(local: Local, value: Callable[..., float]) -> list[str]:
    """The pool by a value of what is stored of each image, computed here."""
    store = local.project.store
    rows = [row for row in store.images.find() if row.open]
    return [row.id for row in sorted(rows, key=lambda row: (-value(store.predictions.get(row.id)), row.shuffle))]


def mixed(wrong: float | None, uncertainty: float, middle: float, alpha: float = 0.5) -> float:
    return alpha * uncertainty + (1 - alpha) * (middle if wrong is None else wrong)


def is_order(local: Local, wanted: list[str]) -> bool:
    """Whether the queue is in this order, but for what lies closer together than the precision of what is stored."""
    scores = [local.project.store.images.get(image).score for image in wanted]
    same = sorted(asked(local, None)) == sorted(wanted)
    return same and all(one >= other - 1e-3 for one, other in itertools.pairwise(scores))


def medians(local: Local) -> tuple[float, float]:
    store = local.project.store
    mine, other = (neutral(store.predictions.misalignments(1, other=other)) for other in (False, True))
    return mine, other


def test_five_methods_answer_at_any_time_from_what_is_stored(local: Local):
    middle, other = medians(local)
    expected = {
        "xal": ranked(local, lambda p: mixed(p.misalignment, p.uncertainty, middle)),
        "xal_evidence": ranked(local, lambda p: mixed(p.other_misalignment, p.uncertainty, other)),
        "entropy": ranked(local, lambda p: p.uncertainty),
        "margin": ranked(local, lambda p: float(margin(list(p.probabilities.values())))),
        "uniform": ranked(local, lambda p: 0.0),
    }
    assert len({tuple(order) for order in expected.values()}) >= 4, "margin and entropy may agree"
    for name in VALUED:
        assert asked(local, name) == expected[name], name


@pytest.mark.parametrize("name", VALUED)
def test_the_method_in_use_may_be_changed_and_orders_the_queue_at_once(local: Local, name: str):
    wanted = asked(local, name)
    set_method(local.project, name, by="boss")
    assert asked(local, None) == wanted, "before scoring has run"
    score(local)
    assert asked(local, None) == asked(local, name)
    assert is_order(local, wanted)
    set_method(local.project, "xal", by="boss")
    score(local)
    assert asked(local, None) == asked(local, "xal")


def test_alpha_and_the_other_comparison_go_together(local: Local):
    set_alpha(local.project, 0.0, by="boss")
    _, other = medians(local)
    wanted = ranked(local, lambda p: mixed(p.other_misalignment, p.uncertainty, other, 0.0))
    assert asked(local, "xal_evidence") == wanted
    set_method(local.project, "xal_evidence", by="boss")
    score(local)
    store = local.project.store
    assert wanted == ranked(local, lambda p: mixed(p.misalignment, p.uncertainty, other, 0.0)), (
        "the values have changed places"
    )
    shown = store.images.get(wanted[0])
    assert shown.misalignment == store.predictions.get(wanted[0]).misalignment


@pytest.mark.parametrize("name", LINED_UP)
def test_what_needs_a_batch_is_lined_up_by_scoring_and_refused_until_then(local: Local, name: str):
    strategy = NextSample(local.project, name, "", share_paths=False)
    with pytest.raises(Conflict, match=f"{name} is not lined up.*settings/method"):
        strategy({"reader": Reader("ann")}, None)
    set_method(local.project, name, by="boss")
    assert not is_lined_up(local.project)
    with pytest.raises(Conflict, match="ask again in a while, or ask for 'random'"):
        strategy({"reader": Reader("ann")}, None)
    assert asked(local, None)
    score(local)
    assert is_lined_up(local.project)
    order = asked(local, name)
    assert len(set(order)) == OPEN
    assert order != asked(local, "xal")
    assert AHEAD >= OPEN, "all of them have a place"
    score(local)
    assert asked(local, name) == order, "the same for the same model"


def test_bald_takes_a_network_with_dropout(local: Local):
    with pytest.raises(BadInput, match=r"network\.dropout"):
        set_method(local.project, "bald", by="boss")
    task = local.project.task.model_dump()
    task["acquisition"]["method"] = "bald"
    with pytest.raises(TaskError, match=r"network\.dropout"):
        validated(task, Task, "task")
    with_dropout = local.project.task.network.model_copy(update={"dropout": 0.5})
    assert local.project.model() is not None, "it is trained without: its head does for this"
    local.project.task = local.project.task.model_copy(update={"network": with_dropout})
    plain = asked(local, "xal")
    set_method(local.project, "bald", by="boss")
    score(local)
    scores = [local.project.store.images.get(image).score for image in asked(local, "bald")]
    assert scores == sorted(scores, reverse=True)
    assert asked(local, "bald") != plain


def test_uniform_is_lined_up_by_nothing_whatever_the_batch_rule(local: Local):
    batch = BatchSettings(rule="cover")
    acquisition = local.project.task.acquisition.model_copy(update={"batch": batch})
    local.project.task = local.project.task.model_copy(update={"acquisition": acquisition})
    by_chance = asked(local, "uniform")
    set_method(local.project, "uniform", by="boss")
    score(local)
    assert asked(local, None) == by_chance
    assert is_lined_up(local.project)
    assert not local.project.store.database.read(
        lambda c: c.execute(select(images.c.id).where(images.c.place != NO_PLACE)).all()
    )


def test_what_an_earlier_program_compared_one_way_is_compared_the_other_way_too(local: Local):
    store = local.project.store
    wanted = asked(local, "xal_evidence")
    rows = [store.predictions.get(row.id) for row in store.images.find() if row.open]
    store.predictions.save([replace(row, other_misalignment=None) for row in rows], rule(local.project))
    store.settings.set(COMPARED_BY, {k: v for k, v in store.settings.get(COMPARED_BY).items() if k != "other"}, by="x")
    assert asked(local, "xal_evidence") != wanted
    score(local)
    set_method(local.project, "xal_evidence", by="boss")
    assert is_order(local, wanted)


def test_which_method_chose_an_image_is_part_of_its_story(local: Local):
    for name in ("margin", "uniform"):
        reader = Reader(name)
        image = NextSample(local.project, name, "", share_paths=False)({"reader": reader}, None)["id"]
        story = local.hand_in(image, reader=name).annotation.story
        assert story is not None
        assert (story.chosen, story.chosen_by) == (True, name)


def test_without_a_comparison_a_drawn_roi_does_not_tell_by_the_score(local: Local):
    image = waiting(local)
    outline(local, image, "bob")
    row = local.project.store.images.get(image)
    assert row.roi_source == "drawn"
    assert untouched_score(local.project, row) == pytest.approx(mixed(None, row.uncertainty, local.project.neutral()))
    set_method(local.project, "entropy", by="boss")
    row = local.project.store.images.get(image)
    assert untouched_score(local.project, row) == row.score == row.uncertainty


def told_blind(local: Local) -> dict[str, float | None]:
    """The scores of all that waits, as whoever reads blind is shown them."""
    return {row.id: score_alone(local.project, row).score for row in local.project.store.images.find() if row.open}


@pytest.mark.parametrize("by", COMPARING)
def test_the_scores_that_a_blind_reader_is_shown_do_not_tell_what_is_outlined(local: Local, by: Method):
    set_method(local.project, by, by="boss")
    first, second = [image for image in local.ids[24:] if local.pictures[image].finding != "nothing"][:2]
    before = told_blind(local)
    outline(local, first, "bob")
    assert told_blind(local) != before, "it is told as if no ROI had been proposed"
    before = told_blind(local)
    outline(local, second, "eve")
    changed = {image for image, score in told_blind(local).items() if score != before[image]}
    assert changed <= {second}


def test_an_outline_between_two_changes_of_the_method_is_compared_as_all_others_are(local: Local):
    image, store = waiting(local), local.project.store
    set_method(local.project, "xal_evidence", by="boss")
    outline(local, image)
    between = store.images.get(image)
    set_method(local.project, "xal", by="boss")
    prediction, row = store.predictions.get(image), store.images.get(image)
    assert prediction.misalignment == pytest.approx(1 - prediction.overlap, abs=1e-3)
    assert row.score == pytest.approx(mixed(prediction.misalignment, row.uncertainty, 0))
    assert between.score == pytest.approx(mixed(prediction.other_misalignment, row.uncertainty, 0))


@pytest.mark.parametrize("name", ["coverage", "entropy", "bald"])
def test_an_outline_moves_nothing_where_the_method_does_not_look_at_it(local: Local, name: Method):
    assert local.project.model() is not None, "it is trained without dropout: its head does for this"
    with_dropout = local.project.task.network.model_copy(update={"dropout": 0.5})
    local.project.task = local.project.task.model_copy(update={"network": with_dropout})
    set_method(local.project, name, by="boss")
    score(local)
    image = waiting(local)
    before, scores = asked(local, None), local.project.store.images.get(image).score
    outline(local, image)
    assert asked(local, None) == before
    assert local.project.store.images.get(image).score == scores


def test_a_comparison_of_the_pool_that_was_cut_off_goes_on(local: Local, monkeypatch: pytest.MonkeyPatch):
    wanted = asked(local, "xal_evidence")
    set_method(local.project, "xal_evidence", by="boss")
    with monkeypatch.context() as patch:
        patch.setattr(rescoring, "AT_ONCE", 5)
        saved = local.project.store.predictions.save

        def cut(rows: list, rule: object) -> int:
            patch.setattr(local.project.store.predictions, "save", lambda *_: pytest.fail("cut off"))
            return saved(rows, rule)

        patch.setattr(local.project.store.predictions, "save", cut)
        with pytest.raises(pytest.fail.Exception):
            score_pool(local.project, lambda done, total: None)
    assert rescoring.is_due(local.project)
    score(local)
    assert not rescoring.is_due(local.project)
    assert is_order(local, wanted)


@pytest.mark.parametrize(("name", "behind"), [("coverage", "uniform"), ("badge", "entropy"), ("margin", "margin")])
def test_what_comes_behind_a_batch_is_called_what_it_is_chosen_by(local: Local, name: Method, behind: str):
    set_method(local.project, name, by="boss")
    if name != "margin":
        local.project.store.predictions.line_up([waiting(local)])
    ask = NextSample(local.project, None, "", share_paths=False)
    called = [ask({"reader": Reader("ann")}, None)["xal"]["chosen_by"] for _ in range(2)]
    assert called == [name, behind]


@pytest.mark.parametrize("own", ["coverage", None, "entropy"])
def test_without_a_model_every_method_answers_and_says_what_it_went_by(tmp_path: Path, own: Method | None):
    local = Local(tmp_path, 3, acquisition=AcquisitionSettings(method="coverage"))
    local.project.store.predictions.line_up([local.ids[1]])
    ask = NextSample(local.project, own, "", share_paths=False)
    given = [ask({"reader": Reader("ann")}, None) for _ in range(3)]
    assert {one["id"] for one in given} == set(local.ids)
    first = "uniform" if own == "entropy" else "coverage"
    assert [one["xal"]["chosen_by"] for one in given] == [first, "uniform", "uniform"]


def test_a_method_that_the_task_has_lost_gives_way_to_its_own(local: Local):
    local.project.store.settings.set("method", "bald", by="boss")
    assert method(local.project) == "xal"
    local.project.store.settings.set("method", "a method of a later version", by="boss")
    assert method(local.project) == "xal"
    assert rule(local.project).by == "score"


def test_sentences_say_what_the_method_looked_for():
    gaze = Gaze(place="at the left")
    assert reason(0.9, gaze, chosen=True, by="xal").startswith("Chosen because the model was unsure")
    assert reason(0.9, gaze, chosen=True, by="uniform").startswith("Chosen by chance. The model was unsure")
    assert reason(0.9, gaze, chosen=False, by="uniform").startswith("The model was unsure")


def test_typical_images_are_the_middles_of_large_groups_without_a_label():
    rng = np.random.default_rng(0)
    centres, sizes = np.array([[0.0, 0], [10, 0], [0, 10]]), (30, 20, 10)
    points = np.concatenate([c + rng.normal(size=(n, 2)) for c, n in zip(centres, sizes, strict=True)])
    group = np.repeat(np.arange(3), sizes)
    chosen = typical(points, np.empty((0, 2)), 3, np.random.default_rng(1))
    assert group[chosen].tolist() == [0, 1, 2]
    for k, position in enumerate(chosen):
        own = np.linalg.norm(points[group == k] - points[group == k].mean(0), axis=1)
        assert np.linalg.norm(points[position] - points[group == k].mean(0)) == own.min()
    after = typical(points, centres[:1], 2, np.random.default_rng(1))
    assert set(group[after]) == {1, 2}, "the largest group has a label"
    assert sorted(typical(points, np.empty((0, 2)), 100, rng)) == list(range(60))
    assert typical(points[:0], centres, 5, rng).tolist() == []
