"""Scoring: only what changed, never held up by one image, and every score with its story."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from harness.local import Local

from xal.errors import Full, StoreError
from xal.loop.decisions import publish_version, set_alpha
from xal.loop.rounds import train_round
from xal.loop.scoring import score_pool
from xal.method.acquisition import roi_confidence
from xal.store.rows import ImageFile, ImageRow
from xal.task import ReadingSettings, TrainingSettings


def score(local: Local):
    return score_pool(local.project, lambda done, total: None)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Local:
    local = Local(tmp_path_factory.mktemp("scoring"), 75, readings=ReadingSettings(per_image=1, double=0))
    for image in local.ids[:36]:
        local.hand_in(image)
    train_round(local.project, TrainingSettings(max_epochs=4), lambda _: None, lambda: False)
    assert score(local).scored == 39
    return local


def test_without_a_model_nothing_is_scored(tmp_path: Path):
    local = Local(tmp_path, 3)
    assert score(local).version is None


def test_a_second_run_has_nothing_to_do(scored: Local):
    assert score(scored).scored == 0


def test_only_the_replaced_image_is_scored_again(scored: Local):
    file = scored.studies / f"{scored.ids[40]}.png"
    before = scored.project.store.images.get(scored.ids[40]).fingerprint
    sitk.WriteImage(sitk.GetImageFromArray(np.eye(32, dtype=np.uint8) * 200), str(file))
    os.utime(file, (1, 1))
    assert scored.project.sync()
    assert score(scored).scored == 1
    assert scored.project.store.images.get(scored.ids[40]).fingerprint != before


def test_a_file_that_vanishes_or_breaks_does_not_hold_the_others_up(scored: Local):
    (scored.studies / f"{scored.ids[41]}.png").unlink()
    (scored.studies / f"{scored.ids[42]}.png").write_bytes(b"broken")
    (scored.studies / "newcomer.png").write_bytes((scored.studies / f"{scored.ids[43]}.png").read_bytes())
    files = {file.id: file for file in scored.project.source.scan()}
    vanished = ImageFile(scored.ids[41], f"{scored.ids[41]}.png", 1, 1)  # changed, and gone before it could be read
    scored.project.store.images.put([files["newcomer"], files[scored.ids[42]], vanished])
    summary = score(scored)
    assert summary.scored == 1
    assert summary.unreadable == 2
    assert scored.project.store.images.get(scored.ids[42]).state == "unreadable"
    scored.project.sync()
    assert scored.project.store.images.get(scored.ids[41]).state == "gone"


def test_scores_add_up_and_absent_stories_stay_null(scored: Local):
    alpha = scored.project.alpha()
    for value in (1.0, alpha):  # ordered anew: what has no misalignment gets the middle of those there are now
        set_alpha(scored.project, value, by="boss")
    values = scored.project.store.predictions.misalignments(1)
    for row in scored.project.store.images.find(labelled=False, state="ok"):
        prediction = scored.project.store.predictions.get(row.id)
        assert prediction.misalignment == row.misalignment
        assert set(prediction.probabilities) == {"disc", "square", "nothing"}
        assert row.roi_source in ("proposed", "none")
        if row.misalignment is None:
            middle = float(np.median(values)) if len(values) >= 20 else 0.5
            assert row.score == pytest.approx(alpha * row.uncertainty + (1 - alpha) * middle, abs=1e-6)
        else:
            assert row.score == pytest.approx(alpha * row.uncertainty + (1 - alpha) * row.misalignment, abs=1e-6)


def test_alpha_reorders_without_a_forward_pass(scored: Local):
    set_alpha(scored.project, 1.0, by="boss")
    first = scored.project.store.queue.head(5)
    assert [row.score for row in first] == pytest.approx([row.uncertainty for row in first])
    set_alpha(scored.project, 0.5, by="boss")
    assert score(scored).scored == 0


def test_the_story_says_how_sure_the_network_was_of_the_roi_it_compared_with(scored: Local):
    row = scored.project.store.queue.head(1)[0]
    proposed = scored.project.store.predictions.get(row.id).proposed
    story = scored.hand_in(row.id, "carl").annotation.story
    assert story.roi_confidence == (None if proposed is None else pytest.approx(roi_confidence(proposed)))
    assert (story.roi_source == "none") == (not story.roi_confidence)


def test_another_version_scores_everything_again(scored: Local):
    outcome = train_round(scored.project, TrainingSettings(max_epochs=2), lambda _: None, lambda: False)
    publish_version(scored.project, outcome.version.version, by="boss")
    open_now = scored.project.store.images.counts()["open"]
    assert score(scored).scored == open_now
    publish_version(scored.project, 1, by="boss")
    assert score(scored).scored == open_now


def test_a_drawn_roi_is_preferred_to_a_proposed_one(tmp_path: Path):
    local = Local(tmp_path, 24, readings=ReadingSettings(per_image=2, double=0))
    for image in local.ids[:18]:
        local.hand_in(image, "ada")
        local.hand_in(image, "bob")
    train_round(local.project, TrainingSettings(max_epochs=2), lambda _: None, lambda: False)
    score(local)
    image = next(image for image in local.ids[18:] if local.pictures[image].finding != "nothing")
    local.hand_in(image, "ada")
    assert score(local).scored == 1, "the ROI is new, the model is not"
    row = local.project.store.images.get(image)
    assert row.open
    assert row.roi_source == "drawn"
    assert row.misalignment is not None


def test_a_damaged_outline_is_passed_over_and_noted(tmp_path: Path):
    local = Local(tmp_path, 27, readings=ReadingSettings(per_image=2, double=0))
    for image in local.ids[:18]:
        for reader in ("ada", "bob"):
            local.hand_in(image, reader)
    train_round(local.project, TrainingSettings(max_epochs=1), lambda _: None, lambda: False)
    row = local.hand_in(local.ids[18]).annotation
    (local.project.workspace.labels / row.label_path).write_bytes(b"")
    assert score(local).scored == 9
    prediction = local.project.store.predictions.get(local.ids[18])
    assert prediction is not None
    assert prediction.roi_source != "drawn"
    assert [noted.id for noted in local.project.store.annotations.damaged()] == [row.id]


def test_below_the_reserve_nothing_is_scored_trained_or_kept(scored: Local, monkeypatch: pytest.MonkeyPatch):
    project = scored.project
    monkeypatch.setattr(project, "space", replace(project.space, reserve=1 << 60))
    with pytest.raises(Full, match="the pool is not scored further"):
        score(scored)
    with pytest.raises(Full, match="no training is started"):
        train_round(project, TrainingSettings(max_epochs=1), lambda _: None, lambda: False)


@pytest.mark.parametrize("problem", [Full("the disk is full"), StoreError("the store is locked")])
def test_what_the_next_image_would_meet_too_ends_the_run(
    scored: Local, monkeypatch: pytest.MonkeyPatch, problem: Exception
):
    asked = []

    def fail(row: ImageRow) -> None:
        asked.append(row.id)
        raise problem

    waiting = [(scored.project.store.images.get(image), None) for image in scored.ids[41:43]]
    monkeypatch.setattr(scored.project.store.predictions, "stale", lambda version, limit, after=None: waiting)
    monkeypatch.setattr(scored.project, "prepared", fail)
    with pytest.raises(type(problem)):
        score(scored)
    assert len(asked) == 1
