"""A round: settled annotations in, a judged version out."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness.local import Local

from xal.cli import main
from xal.errors import Conflict
from xal.loop.decisions import publish_version
from xal.loop.rounds import _base, _cases, _judge, _look_at_annotated, train_round
from xal.loop.scoring import score_pool
from xal.model.training import Trained
from xal.pool.jobs import job
from xal.pool.project import Project
from xal.pool.workspace import ORPHANS
from xal.server.api.versions import version_reply
from xal.task import TrainingSettings

GOOD = TrainingSettings(max_epochs=5, patience=5)
USELESS = TrainingSettings(max_epochs=1, learning_rate=1e-12)


def run(local: Local, settings: TrainingSettings, **stop):
    return train_round(local.project, settings, lambda _: None, stop.get("stop", lambda: False))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Local:
    local = Local(tmp_path_factory.mktemp("rounds"), 60)
    for image in local.ids[:45]:
        local.hand_in(image)
    assert run(local, GOOD).version.state == "published"
    return local


def test_without_annotations_it_says_what_is_missing(tmp_path: Path):
    local = Local(tmp_path, 3)
    with pytest.raises(Conflict, match="disc 0, square 0, nothing 0"):
        run(local, GOOD)


@pytest.mark.slow
def test_the_first_version_is_published_with_its_metrics_and_history(trained: Local):
    version = trained.project.store.versions.current()
    assert version is not None
    assert version.version == 1
    assert version.metrics["judged_on"] == "validation"
    assert version.metrics["best_metric"] > 0.4
    assert len(version.metrics["history"]) == version.metrics["epochs"]
    assert (trained.project.workspace.state / version.path).is_file()
    assert trained.project.model() is not None


def test_five_of_each_finding_are_set_aside_and_not_trained_on(trained: Local):
    known = trained.project.store.versions.validation()
    assert known is not None
    findings = [trained.pictures[image].finding for image in known[1]]
    assert {finding: findings.count(finding) for finding in set(findings)} == {"disc": 5, "square": 5, "nothing": 5}
    assert trained.project.store.versions.current().metrics["trained_on"]["cases"] == 30


def test_a_learning_curve_is_made_of_what_a_round_stores(trained: Local):
    version = trained.project.store.versions.current()
    at = version_reply(version)
    assert (at.version, at.state, at.current, at.labels, at.parent) == (1, "published", True, 30, None)
    assert at.balanced_accuracy == pytest.approx(version.metrics["best_metric"], abs=1e-4)
    assert at.energy_in_roi == pytest.approx(version.metrics["energy_in_roi"], abs=1e-4)
    assert at.reasons == ["published: there was no model before"]
    assert at.interval[0] < at.balanced_accuracy < at.interval[1]
    learnt = version_reply(replace(version, metrics={**version.metrics, "judged_on": "training"}))
    assert (learnt.labels, learnt.balanced_accuracy, learnt.energy_in_roi) == (30, None, None)


def test_a_worse_model_is_not_published_and_log_and_store_say_why(trained: Local, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "xal.loop.rounds"):
        outcome = run(trained, USELESS)
    assert outcome.version.state == "refused"
    assert trained.project.store.versions.current().version == 1
    assert trained.project.model().version.version == 1
    assert "balanced accuracy" in outcome.version.verdict["reason"]
    assert version_reply(outcome.version).reasons == [outcome.version.verdict["reason"]]
    assert f"v{outcome.version.version} is refused: {outcome.version.verdict['reason']}" in caplog.text
    assert "refuse" in {event.kind for event in trained.project.store.events.read()}


def test_a_warm_round_begins_at_the_published_model_and_a_reset_one_does_not(trained: Local):
    published = trained.project.store.versions.current()
    reset = run(trained, USELESS).version.metrics
    warm = run(trained, USELESS.model_copy(update={"start": "warm"})).version.metrics
    publish_version(trained.project, published.version, by="boss")
    assert (warm["started_from"], reset["started_from"]) == (published.version, None)
    assert warm["best_metric"] == published.metrics["best_metric"] > reset["best_metric"]


def test_a_warm_round_begins_anew_where_the_published_model_may_have_learnt_the_validation_images(trained: Local):
    project = trained.project
    number, _ = project.store.versions.validation()
    assert _base(project, number).version.version == project.store.versions.current().version
    assert _base(project, number + 1) is None


def test_any_version_can_be_brought_back(trained: Local):
    other = run(trained, USELESS).version.version
    publish_version(trained.project, other, by="boss")
    assert trained.project.model().version.version == other
    publish_version(trained.project, 1, by="boss")
    assert trained.project.model().version.version == 1


def test_a_stopped_training_publishes_nothing(trained: Local):
    asked = iter([False] * 25 + [True] * 10_000)
    outcome = run(trained, GOOD, stop=lambda: next(asked))
    assert outcome.version.state == "refused"
    assert "stopped" in outcome.version.verdict["reason"]


def test_weights_that_are_gone_cannot_be_published(trained: Local):
    version = run(trained, USELESS).version
    (trained.project.workspace.state / version.path).unlink()
    with pytest.raises(Conflict, match="gone"):
        publish_version(trained.project, version.version, by="boss")


@pytest.fixture
def damaged(trained: Local) -> Iterator[Project]:
    """The project as a new process sees it, with one bit of the weights in use flipped."""
    weights = trained.project.workspace.state / trained.project.store.versions.current().path
    content = weights.read_bytes()
    weights.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    yield Project.open(trained.task, str(trained.studies))
    weights.write_bytes(content)


def test_weights_that_are_not_those_that_were_judged_are_not_used(damaged: Project):
    with pytest.raises(Conflict, match="v1 are damaged or were replaced"):
        damaged.model()
    with pytest.raises(Conflict, match="v1 are damaged or were replaced"):
        publish_version(damaged, 1, by="boss")


def test_scoring_with_damaged_weights_fails_with_the_reason_in_its_row(damaged: Project):
    with pytest.raises(Conflict), job(damaged.store, "score", {}) as running:
        score_pool(damaged, lambda done, total: None, running.stopped)
    row = damaged.store.jobs.latest("score")[0]
    assert row.state == "failed"
    assert "v1 are damaged or were replaced" in str(row.message)


def test_a_candidate_beside_damaged_weights_is_kept_for_a_person_to_publish(trained: Local, damaged: Project):
    outcome = train_round(damaged, USELESS, lambda _: None, lambda: False)
    assert outcome.version.state == "refused"
    assert "v1 are damaged" in outcome.verdict.reason
    publish_version(damaged, outcome.version.version, by="boss")
    assert damaged.model().version.version == outcome.version.version
    damaged.store.versions.publish(1, by="boss")


def test_an_image_whose_file_was_replaced_is_not_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    local = Local(tmp_path, 6)
    for image in local.ids:
        local.hand_in(image)
    first, other = (local.studies / f"{image}.png" for image in local.ids[:2])
    original = first.read_bytes()
    first.write_bytes(other.read_bytes())
    local.project.sync()
    _look_at_annotated(local.project)
    assert local.ids[0] not in [image.image.id for image in local.project.store.annotations.settled()]
    assert main(["problems", "--studies", str(local.studies), "--task", str(tmp_path / "tiny.yaml")]) == 0
    assert f"{local.ids[0]}: its file was replaced by one with other pixels" in capsys.readouterr().out
    first.write_bytes(original)
    local.project.sync()
    _look_at_annotated(local.project)
    assert len(local.project.store.annotations.settled()) == 6


def test_a_model_that_differs_in_its_temperature_alone_is_not_called_worse(trained: Local):
    project = trained.project
    current = project.model()
    assert current is not None
    cases, _ = _cases(project, project.store.annotations.settled()[:15])
    for temperature in (0.3, 8.0):
        candidate = copy.deepcopy(current.network)
        candidate.temperature.fill_(temperature)
        verdict = _judge(project, Trained(candidate, {"stopped": False}, []), current, cases)
        assert verdict.publish
        assert verdict.worse == 0


def test_a_training_overwrites_no_weights_that_an_older_store_does_not_know(trained: Local):
    models = trained.project.workspace.models
    later, aside = models / "v70" / "weights.pt", models / ORPHANS / "v71" / "weights.pt"
    for weights in (later, aside):
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"of a version that came after the copy")
    assert run(trained, USELESS).version.version == 72
    assert later.read_bytes() == aside.read_bytes() == b"of a version that came after the copy"
