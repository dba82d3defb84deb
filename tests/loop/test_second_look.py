"""Looking again: what is compared, and which annotations are said to look wrong."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.local import INFO, Local
from harness.stopwatch import fastest

from xal.imaging.images import write_label
from xal.loop import second_look
from xal.loop.second_look import NEARBY, look_again, model_doubt, outlier_bound
from xal.loop.submission import Submission, submit
from xal.method.story import Story
from xal.store import AnnotationRow
from xal.task import ReadingSettings

SURE = Story(model_version=1, finding="square", probability=0.93, overlap=0.71)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 15, readings=ReadingSettings(per_image=2, double=0))


def draw(local: Local, image: int, x: int, y: int, reader: str = "ada", value: int = 1, side: int = 4) -> AnnotationRow:
    """Hand in a square outline of value 1 (disc) or 2 (square), its corner at (x, y)."""
    row = local.project.store.images.get(local.ids[image])
    mask = np.zeros((32, 32, 1), np.uint8)
    mask[x : x + side, y : y + side] = value
    path = local.folder / "own.nii.gz"
    write_label(path, mask, local.project.volume(row).affine)
    return submit(local.project, Submission(row.id, reader, path, INFO)).annotation


def doubts(local: Local) -> list[tuple[str, str, dict[str, Any]]]:
    return [(s.kind, s.image, s.detail) for s in local.project.store.review.suspects(100).items if s.kind != "disagree"]


# comparing


def test_two_outlines_of_the_same_finding_are_compared_voxel_by_voxel(local: Local):
    draw(local, 0, 8, 8)
    draw(local, 0, 8, 10, "bob")
    assert look_again(local.project, 60) == 2
    ((together,), images) = local.project.store.looking.together()
    assert (together.one, together.other, together.said) == ("ada", "bob", ("disc", "disc"))
    assert (together.outlined, together.dice, images) == (1, pytest.approx(0.5), 1)


def test_of_different_findings_only_the_findings_are_compared(local: Local):
    draw(local, 0, 8, 8)
    draw(local, 0, 8, 8, "bob", value=2)
    look_again(local.project, 60)
    ((together,), _) = local.project.store.looking.together()
    assert (together.said, together.images, together.outlined) == (("disc", "square"), 1, 0)


def test_nothing_is_looked_at_twice(local: Local):
    draw(local, 0, 8, 8)
    draw(local, 0, 8, 8, "bob")
    assert [look_again(local.project, 60), look_again(local.project, 60)] == [2, 0]
    draw(local, 1, 8, 8)
    assert look_again(local.project, 60) == 1


def test_it_stops_when_its_time_is_up_and_goes_on_the_next_time(local: Local):
    for image in range(3):
        draw(local, image, 8, 8)
    assert [look_again(local.project, 0) for _ in range(4)] == [1, 1, 1, 0]


def test_a_label_file_that_is_gone_is_said_and_does_not_stop_it(local: Local, caplog: pytest.LogCaptureFixture):
    lost = draw(local, 0, 8, 8)
    draw(local, 0, 8, 8, "bob")
    for reader in ("ada", "bob"):
        draw(local, 1, 8, 8, reader)
    (local.project.workspace.labels / lost.label_path).unlink()
    with caplog.at_level(logging.WARNING, "xal.loop.second_look"):
        assert look_again(local.project, 60) == 4
    assert f"of {local.ids[0]} are not compared" in caplog.text
    ((together,), images) = local.project.store.looking.together()
    assert (together.images, together.outlined, together.dice, images) == (2, 1, 1.0, 2)


def test_a_revision_that_stands_again_was_compared_before(local: Local):
    """Superseded before anybody looked, it comes back when the later one is withdrawn."""
    draw(local, 0, 8, 8)
    later = draw(local, 0, 20, 20)
    draw(local, 0, 8, 8, "bob")
    look_again(local.project, 60)
    assert local.project.store.looking.together()[0][0].dice == 0
    local.project.store.annotations.withdraw(later.id, "ada")
    assert local.project.store.looking.together()[0][0].dice == 1


# the model


def _row(local: Local, story: Story | None) -> AnnotationRow:
    return replace(draw(local, 0, 8, 8), story=story)


@pytest.mark.parametrize(
    ("said", "doubted"),
    [
        ({}, True),
        ({"probability": 0.8, "overlap": 0.5}, True),
        ({"probability": 0.79}, False),
        ({"overlap": 0.49}, False),
        ({"overlap": None}, False),
        ({"finding": "disc"}, False),
    ],
)
def test_a_sure_model_that_looked_there_and_names_another_finding_is_a_doubt(local: Local, said: dict, doubted: bool):
    story = replace(SURE, **said)
    doubt = model_doubt(_row(local, story))
    assert (doubt is not None) == doubted
    if doubt is not None:
        assert doubt.detail == {"finding": "square", "probability": story.probability, "overlap": story.overlap}


def test_without_a_story_there_is_no_doubt(local: Local):
    assert model_doubt(_row(local, None)) is None


# places


def test_an_outline_far_from_all_others_of_its_finding_is_a_doubt(local: Local):
    for image in range(12):
        draw(local, image, 8 + image % 3, 8 + image % 2)
    odd = draw(local, 12, 27, 27)
    look_again(local.project, 60)
    ((kind, image, detail),) = doubts(local)
    assert (kind, image, detail["others"]) == ("far", odd.image, 12)
    assert detail["distance"] > detail["bound"] == NEARBY


def test_an_outline_that_was_too_early_to_be_compared_is_so_once_there_are_enough(local: Local):
    odd = draw(local, 0, 27, 27)
    for image in range(1, 10):
        draw(local, image, 8 + image % 3, 8 + image % 2)
    look_again(local.project, 60)
    assert doubts(local) == []
    draw(local, 10, 8, 8)
    look_again(local.project, 60)
    ((kind, image, detail),) = doubts(local)
    assert (kind, image, detail["others"]) == ("far", odd.image, 10)
    local.project.store.review.accept(odd.id, "far", "boss")
    for image in (11, 12):
        draw(local, image, 9, 8)
    look_again(local.project, 60)
    assert doubts(local) == [], "a person has looked at it"


def test_other_findings_and_the_same_image_say_nothing_about_a_place(local: Local):
    for image in range(9):
        draw(local, image, 8, 8)
    draw(local, 12, 8, 8, "bob")
    for image in range(9, 12):
        draw(local, image, 8, 8, value=2)
    draw(local, 12, 27, 27)  # on an image on which bob outlined the tenth disc
    look_again(local.project, 60)
    assert doubts(local) == []


def test_an_outline_at_one_of_two_usual_places_is_none(local: Local):
    for image in range(12):
        draw(local, image, 2 if image % 2 else 26, 14)
    draw(local, 12, 2, 15)
    look_again(local.project, 60)
    assert doubts(local) == []


def test_an_outline_on_the_bound_is_no_doubt_whatever_rounding_says(local: Local, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(second_look, "NEARBY", float(np.nextafter(0.5, 0)))
    for image in range(10):
        draw(local, image, 8, 8)
    draw(local, 10, 8, 24)  # half the image away
    look_again(local.project, 60)
    assert doubts(local) == []


def test_the_bound_is_the_formula():
    rng = np.random.default_rng(0)
    points = rng.random((30, 3))
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    nearest = gaps.min(1)
    spread = np.median(np.abs(nearest - np.median(nearest)))
    assert outlier_bound(points) == pytest.approx(np.median(nearest) + 5 * spread)
    assert outlier_bound(points) > NEARBY


def test_the_bound_does_not_stretch_with_what_already_lies_wrong():
    rng = np.random.default_rng(0)
    points = 0.5 + 0.2 * rng.random((40, 3))
    odd = np.concatenate([points, [[0, 0, 0], [1, 1, 1], [0, 1, 0]]])
    assert outlier_bound(odd) < 1.3 * outlier_bound(points)


def test_the_bound_never_falls_below_a_harmless_step():
    assert outlier_bound(np.full((10, 3), 0.5)) == NEARBY


def test_a_thousand_outlines_are_weighed_in_milliseconds():
    points = np.random.default_rng(0).random((1000, 3))
    assert fastest(lambda: outlier_bound(points), 5) < 0.2
