"""Images that an archive lists and cannot give: the others are scored and learnt from; only an outage ends work."""

from __future__ import annotations

import logging
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness.archive import FakeArchive, project_on, x_rays
from harness.hospital import publish_untrained

import phantoms
from xal.errors import Unavailable
from xal.exchange.export import export_dataset
from xal.imaging.images import write_label
from xal.loop.rounds import train_round
from xal.loop.scoring import IN_A_ROW, put_aside, score_pool
from xal.loop.submission import Submission, submit
from xal.pool import quarantine as aside
from xal.pool.project import Project
from xal.server.datastore import XalDatastore
from xal.server.watch import Watch
from xal.task import TrainingSettings


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with FakeArchive() as made:
        yield made


def pool(archive: FakeArchive, count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    archive.admit(*x_rays(count))
    project = project_on(archive, folder, monkeypatch)
    publish_untrained(project)
    return project


def scored(project: Project) -> int:
    return score_pool(project, lambda done, total: None).scored


def test_a_few_images_that_always_fail_do_not_keep_the_pool_unscored(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = pool(archive, 40, tmp_path, monkeypatch)
    archive.refused = set(sorted(archive.pictures)[:4])
    assert scored(project) == 36
    assert project.store.predictions.stale_count(1) == 4

    archive.fetched.clear()
    again = Project.open(project.task, archive.address)  # as the next run's process
    assert scored(again) == 0
    assert archive.refused.isdisjoint(archive.fetched), "they are not met again at once"

    archive.refused.clear()
    now = time.time()
    monkeypatch.setattr(aside.time, "time", lambda: now + aside.ASIDE_SECONDS + 1)
    assert scored(project) == 4


def test_a_single_image_that_fails_does_not_start_a_run_every_minute(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project, asked = pool(archive, 6, tmp_path, monkeypatch), []
    archive.refused = {sorted(archive.pictures)[2]}
    assert scored(project) == 5
    assert put_aside(project).now() == archive.refused
    Watch(project, lambda: asked.append(1), lambda: None, scan_seconds=1)._score()
    assert asked == []


def test_who_is_put_aside_again_stays_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = 1000.0
    monkeypatch.setattr(aside.time, "time", lambda: now)
    kept = aside.Aside(tmp_path / "aside.json")
    for pause in (aside.ASIDE_SECONDS, 2 * aside.ASIDE_SECONDS, 4 * aside.ASIDE_SECONDS, aside.LONGEST_SECONDS):
        kept.put(["one"])
        now += pause - 1
        assert kept.now() == {"one"}
        now += 2
        assert kept.now() == set()


def test_what_is_at_hand_is_scored_although_the_archive_is_away(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = pool(archive, 8, tmp_path, monkeypatch)
    for row in project.store.images.find()[:2]:
        project.volume(row)
    archive.away = True
    with pytest.raises(Unavailable, match="answers 503"):
        scored(project)
    assert project.store.predictions.stale_count(1) == 6
    assert put_aside(project).now() == set()
    archive.away = False
    assert scored(project) == 6


def test_an_archive_that_lists_and_gives_nothing_is_not_asked_for_the_whole_pool(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = pool(archive, 20, tmp_path, monkeypatch)
    archive.refused = set(archive.pictures)
    with pytest.raises(Unavailable, match="answers 500"):
        scored(project)
    assert len(set(archive.fetched)) == IN_A_ROW


def test_the_watch_asks_for_no_run_that_would_only_pass_images_over(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project, asked = pool(archive, 6, tmp_path, monkeypatch), []
    watch = Watch(project, lambda: asked.append(1), lambda: None, scan_seconds=1)
    archive.refused = set(sorted(archive.pictures)[:3])
    watch._score()
    assert len(asked) == 1
    assert scored(project) == 3
    watch._score()
    assert len(asked) == 1
    archive.admit(*x_rays(7)[6:])
    project.sync()
    watch._score()
    assert len(asked) == 2


def annotated(archive: FakeArchive, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with twelve X-rays, handed in as they are; nothing of them is kept."""
    project = pool(archive, 12, folder, monkeypatch)
    for number in range(12):
        case = phantoms.case("dx", number)
        roi, label = case.roi.any(), folder / "label.nii.gz"
        write_label(label, case.roi.astype(np.uint8), project.volume(project.store.images.get(case.series)).affine)
        named = [{"name": case.finding, "idx": 1}] if roi else []
        submit(project, Submission(case.series, "ada", label, named, None if roi else case.finding))
    for kept in [*project.workspace.state.rglob("*.nii.gz"), *project.workspace.state.rglob("*.npz")]:
        if "labels" not in kept.parts:
            kept.unlink()
    return project


def train(project: Project):
    return train_round(project, TrainingSettings(max_epochs=1), lambda _: None, lambda: False)


def test_training_does_without_an_image_that_always_fails_and_says_so(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    project = annotated(archive, tmp_path, monkeypatch)
    (missing,) = archive.refused = {sorted(archive.pictures)[5]}
    with caplog.at_level(logging.WARNING, "xal.loop.rounds"):
        version = train(project).version
    assert version.metrics["not_given"] == [missing]
    assert f"image {missing} is left out of this training" in caplog.text


def test_training_ends_when_the_archive_is_away_or_gives_too_little(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = annotated(archive, tmp_path, monkeypatch)
    archive.refused = set(sorted(archive.pictures)[:2])
    with pytest.raises(Unavailable, match="answers 500"):
        train(project)
    archive.refused, archive.away = set(), True
    with pytest.raises(Unavailable, match="answers 503"):
        train(project)
    archive.away = False
    assert "not_given" not in train(project).version.metrics


def test_a_data_set_is_whole_or_names_what_is_missing_or_is_refused(
    archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = annotated(archive, tmp_path, monkeypatch)
    archive.away = True  # it answers, but 503 to everything
    with pytest.raises(Unavailable, match="answers 503"):
        export_dataset(project, tmp_path / "set")
    with pytest.raises(Unavailable, match="answers 503"):
        XalDatastore(project).get_dataset_archive(None)
    archive.away = False
    (missing,) = archive.refused = {sorted(archive.pictures)[5]}
    assert list(export_dataset(project, tmp_path / "set").left_out) == [missing]
    with zipfile.ZipFile(XalDatastore(project).get_dataset_archive(None)) as content:
        assert content.read("missing.txt").decode().startswith(f"{missing}: ")
