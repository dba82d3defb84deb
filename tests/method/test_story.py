"""A story as it is kept, and as earlier versions kept it."""

from __future__ import annotations

import json

import pytest

from xal.method.story import Story

STORY = Story(
    chosen=True,
    model_version=3,
    finding="glioma",
    probability=0.75,
    probabilities={"glioma": 0.75, "none": 0.25},
    uncertainty=0.5,
    misalignment=0.25,
    alpha=0.5,
    score=0.375,
    roi_source="proposed",
    roi_confidence=0.875,
    overlap=0.625,
    energy=0.375,
)
FIRST = {
    "model_version": 2,
    "finding": "glioma",
    "probability": 0.75,
    "probabilities": {"glioma": 0.75, "none": 0.25},
    "uncertainty": 0.5,
    "misalignment": None,
    "roi_source": "proposed",
    "overlap": 0.625,
    "energy": 0.375,
}
"""What the first version kept."""


@pytest.mark.parametrize("story", [STORY, Story(model_version=1, finding="none", probability=0.5)])
def test_what_is_kept_is_read_as_it_was(story: Story):
    assert Story.from_json(json.loads(json.dumps(story.as_json()))) == story


def test_every_entry_is_kept_under_its_name():
    assert STORY.as_json() == {
        "chosen": True,
        "chosen_by": None,
        "model_version": 3,
        "finding": "glioma",
        "probability": 0.75,
        "probabilities": {"glioma": 0.75, "none": 0.25},
        "uncertainty": 0.5,
        "misalignment": 0.25,
        "alpha": 0.5,
        "score": 0.375,
        "roi_source": "proposed",
        "roi_origin": None,
        "overlap_before": None,
        "roi_confidence": 0.875,
        "overlap": 0.625,
        "energy": 0.375,
    }


def test_what_an_earlier_version_did_not_keep_has_no_value():
    story = Story.from_json(FIRST)
    assert story is not None
    assert (story.overlap, story.misalignment, story.uncertainty) == (0.625, None, 0.5)
    assert (story.chosen, story.alpha, story.score, story.roi_confidence) == (None, None, None, None)


def test_a_story_that_says_hardly_anything_is_read():
    story = Story.from_json({"model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": None})
    assert story == Story(model_version=2, finding="glioma", probability=0.75)


def test_what_another_version_kept_is_left_out():
    assert Story.from_json({**FIRST, "mood": "sure", "finding_code": {"scheme": "SCT"}}) == Story.from_json(FIRST)


@pytest.mark.parametrize("missing", ["model_version", "finding", "probability"])
@pytest.mark.parametrize("how", ["not there", "null"])
def test_what_does_not_say_what_was_predicted_is_no_story(missing: str, how: str):
    rest = {name: value for name, value in FIRST.items() if name != missing}
    assert Story.from_json(rest if how == "not there" else {**rest, missing: None}) is None
