"""Which story is told of an image, and what its sentence may say."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from harness.local import INFO, Local
from harness.pools import write_label
from PIL import Image

from xal.loop.reader import Reader
from xal.loop.submission import Submission, submit
from xal.loop.why import Explanation, explain

ADA, CHIEF = Reader("ada"), Reader("chief", reviewer=True)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 6)


def told(local: Local, image: str, reader: Reader = ADA) -> Explanation:
    found = explain(local.project, reader, local.project.store.images.get(image))
    assert found is not None
    return found


def of(local: Local, finding: str) -> str:
    return next(image for image in local.ids if local.pictures[image].finding == finding)


def looking_at(local: Local, image: str) -> np.ndarray:
    """A map that is highest on the picture's ROI."""
    roi = local.pictures[image].roi.T.astype(np.float32)
    return roi.reshape(8, 4, 8, 4).mean(axis=(1, 3))


def test_a_reader_is_told_where_the_model_looked_instead(local: Local):
    image = of(local, "disc")
    local.model_read(image)
    local.hand_in(image)
    found = told(local, image)
    assert found.sentence == (
        "The model was unsure (0.81) and looked at the lower left, where you outlined nothing (overlap 0.00)."
    )
    assert found.thought.model_version == found.attention_version == 1
    assert found.score == pytest.approx(0.5 * 0.81 + 0.5 * 0.9)


def test_an_image_of_the_queue_was_chosen(local: Local):
    for image in local.ids:
        local.model_read(image)
    offer = local.project.store.queue.next_sample("ada", "queue", 60)
    assert offer is not None
    local.hand_in(offer.image.id)
    assert told(local, offer.image.id).thought.chosen
    assert told(local, offer.image.id).sentence.startswith("Chosen because the model was unsure")


def test_attention_on_a_part_of_the_outline_is_not_called_nothing(local: Local):
    image = of(local, "square")
    wide = 0.9 + 0.1 * looking_at(local, image)
    local.model_read(image, finding="square", attention=wide.astype(np.float32))
    local.hand_in(image)
    assert "which shares little with what you outlined" in told(local, image).sentence


def test_attention_on_the_outline_is_said_to_be_there(local: Local):
    image = of(local, "square")
    local.model_read(image, finding="square", attention=looking_at(local, image))
    local.hand_in(image)
    assert "though it looked at what you outlined" in told(local, image).sentence


def test_a_reviewer_is_told_of_the_reader_and_a_reader_of_the_own_annotation(local: Local):
    image = of(local, "disc")
    local.model_read(image)
    local.hand_in(image, "ben")
    local.model_read(image, 2, uncertainty=0.1)
    local.hand_in(image, "ada")
    assert told(local, image, Reader("ben")).thought.model_version == 1
    assert told(local, image, ADA).thought.model_version == 2
    assert "where you outlined nothing" in told(local, image, ADA).sentence
    assert "where ada outlined nothing" in told(local, image, CHIEF).sentence, "the latest annotation's"


def test_the_place_of_another_version_is_not_passed_off_as_what_was_thought(local: Local):
    image = of(local, "disc")
    local.model_read(image)
    local.hand_in(image)
    local.model_read(image, 2)
    found = told(local, image)
    assert "looked mostly away from what you outlined" in found.sentence
    assert (found.thought.model_version, found.attention_version) == (1, 2)


@pytest.mark.parametrize(
    ("predicted", "annotated", "said"),
    [
        ("nothing", "disc", "saw nothing where you outlined disc"),
        ("nothing", "nothing", "saw nothing, as you did"),
        ("disc", "nothing", "looked at the lower left, while you saw nothing"),
    ],
)
def test_the_absent_finding(local: Local, predicted: str, annotated: str, said: str):
    image = of(local, annotated)
    local.model_read(image, finding=predicted)
    local.hand_in(image)
    assert said in told(local, image).sentence


def test_a_finding_without_an_outline(local: Local):
    image = of(local, "disc")
    local.model_read(image)
    empty = write_label(local.folder / "empty.nii.gz", local.pictures[of(local, "nothing")])
    submit(local.project, Submission(image, "ada", empty, INFO, finding="disc"))
    assert "at the lower left; you said disc without an outline" in told(local, image).sentence


def test_an_image_that_nobody_annotated_is_told_from_the_reading(local: Local):
    image = local.ids[0]
    assert explain(local.project, CHIEF, local.project.store.images.get(image)) is None
    proposed = np.zeros((6, 6), np.float32)
    proposed[5, 0] = 0.5
    local.model_read(image, proposed=proposed)
    found = told(local, image, CHIEF)
    assert "at the lower left, where it expects no lesion (overlap 0.10)" in found.sentence
    assert found.thought.roi_confidence == 0.5
    local.model_read(image, misalignment=None, overlap=None, roi_source="none")
    found = told(local, image, CHIEF)
    assert "there is not yet an outline" in found.sentence
    assert found.score == local.project.store.images.get(image).score


def test_where_an_earlier_version_kept_too_little_the_latest_prediction_speaks(local: Local):
    image = local.ids[0]
    local.model_read(image)
    local.hand_in(image)
    kept = json.dumps({"model_version": 1, "finding": "square", "probability": 0.5})
    with closing(sqlite3.connect(local.project.store.where)) as connection, connection:
        connection.execute("UPDATE annotations SET story = ?", (kept,))
    assert told(local, image).thought.finding == "disc"
    assert told(local, image).thought.uncertainty == 0.81


def test_a_reading_of_the_file_before_is_not_shown(local: Local):
    image = local.ids[0]
    local.model_read(image)
    Image.new("L", (32, 32), 9).save(local.studies / f"{image}.png")
    local.project.sync()
    assert explain(local.project, CHIEF, local.project.store.images.get(image)) is None


def test_the_place_on_other_pixels_is_not_passed_off_as_what_was_thought(local: Local):
    image = of(local, "disc")
    local.model_read(image)
    local.hand_in(image)
    Image.new("L", (32, 32), 9).save(local.studies / f"{image}.png")
    local.project.sync()
    local.model_read(image)
    assert "looked mostly away from what you outlined" in told(local, image).sentence


def test_a_story_outlives_the_file(local: Local):
    image = of(local, "disc")
    local.model_read(image)
    local.hand_in(image)
    (local.studies / f"{image}.png").unlink()
    local.project.sync()
    assert "away from what you outlined" in told(local, image).sentence
