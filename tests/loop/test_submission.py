"""Handing in: what is kept beside the label itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from harness.local import INFO, Local
from harness.pools import write_label as write_picture

from xal.errors import Conflict
from xal.imaging.images import write_label
from xal.loop.submission import Submission, parse_submission, submit
from xal.store import AnnotationRow, PredictionRow
from xal.store.rows import Rule
from xal.task import REGION, OutlineSettings


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 3)


def hand_in(local: Local, mask: np.ndarray, image: int = 0) -> AnnotationRow:
    """Hand in a label map (x, y) of a picture, with the picture's own geometry."""
    row = local.project.store.images.get(local.ids[image])
    path = local.folder / "own.nii.gz"
    write_label(path, mask[..., None], local.project.volume(row).affine)
    return submit(local.project, Submission(row.id, "ada", path, INFO)).annotation


def parse(image: str, file: Path = Path("label.nii.gz"), **params: object) -> Submission:
    return parse_submission(image, "ada", file, "final", params)


def test_the_centre_of_the_outline_is_kept_as_a_share_of_the_image(local: Local):
    mask = np.zeros((32, 32), np.uint8)
    mask[0:8, 16:20] = 1
    mask[8:16, 16:20] = 1
    assert hand_in(local, mask).centre == pytest.approx([8 / 32, 18 / 32, 0.5])


def test_the_centre_is_of_the_voxels_and_not_of_the_box_around_them(local: Local):
    mask = np.zeros((32, 32), np.uint8)
    mask[0:3, 0] = 1
    mask[31, 0] = 1
    assert hand_in(local, mask).centre == pytest.approx([(0.5 + 1.5 + 2.5 + 31.5) / 4 / 32, 0.5 / 32, 0.5])


def test_the_centre_is_of_the_finding_that_counts(tmp_path: Path):
    local = Local(tmp_path, 1, multiple="largest")
    mask = np.zeros((32, 32), np.uint8)
    mask[:4, :4] = 1
    mask[16:32, 16:32] = 2
    row = hand_in(local, mask)
    assert (row.finding, row.centre) == ("square", pytest.approx([0.75, 0.75, 0.5]))


def test_without_an_outline_there_is_no_centre(local: Local):
    assert hand_in(local, np.zeros((32, 32), np.uint8)).centre is None


def test_the_story_says_whether_next_sample_gave_the_image(local: Local):
    store = local.project.store
    for image in local.ids:
        row = store.images.get(image)
        local.project.volume(row)
        reading = PredictionRow(
            image=image,
            version=1,
            fingerprint=str(store.images.get(image).fingerprint),
            roi_key=None,
            finding="disc",
            probabilities={"disc": 0.9, "square": 0.05, "nothing": 0.05},
            uncertainty=0.3,
            misalignment=0.5,
            overlap=0.5,
            energy=0.5,
            roi_source="proposed",
            attention=np.full((4, 4), 0.5, np.float32),
        )
        store.predictions.save([reading], Rule())
    offer = store.queue.next_sample("ada", "queue", 60)
    assert offer is not None
    other = next(image for image in local.ids if image != offer.image.id)
    given, picked = local.hand_in(offer.image.id).annotation, local.hand_in(other).annotation
    assert given.story is not None
    assert picked.story is not None
    assert (given.story.chosen, picked.story.chosen) == (True, False)


def test_there_is_no_story_where_no_model_had_looked(local: Local):
    local.project.store.queue.next_sample("ada", "queue", 60)
    assert local.hand_in(local.ids[0]).annotation.story is None


def test_a_label_drawn_for_another_pool_is_refused_before_anything_is_looked_at(local: Local):
    with pytest.raises(Conflict, match=r"another pool of images \(elsewhere\): it is kept where it was drawn"):
        submit(local.project, parse("nowhere", pool="elsewhere"))
    assert local.project.store.annotations.find() == []


def test_a_label_drawn_for_another_task_is_refused_before_anything_is_looked_at(local: Local):
    with pytest.raises(Conflict, match=r"another task \(blobs; this is tiny\): it is kept where it was drawn"):
        submit(local.project, parse("nowhere", pool=local.project.store.pool, task="blobs"))
    assert local.project.store.annotations.find() == []


def test_a_label_drawn_on_other_pixels_is_refused_in_plain_words(local: Local):
    store, image = local.project.store, local.ids[0]
    local.project.volume(store.images.get(image))
    drawn_on = store.images.get(image).checksum
    label = write_picture(local.folder / "label.nii.gz", local.pictures[image])
    (local.studies / f"{image}.png").write_bytes((local.studies / f"{local.ids[1]}.png").read_bytes())
    local.project.sync()
    with pytest.raises(Conflict, match="was replaced since this was outlined: please outline it anew"):
        submit(local.project, parse(image, label, checksum=drawn_on, label_info=INFO))
    assert store.annotations.find() == []
    now = store.images.get(image)
    assert submit(local.project, parse(image, label, checksum=now.checksum, label_info=INFO)).created
    same_pixels = parse(
        image, label, checksum="of another file", pixels=now.fingerprint, label_info=INFO, client_id="x"
    )
    assert submit(local.project, same_pixels).annotation.finding == local.pictures[image].finding


def test_what_was_stored_is_said_again_whatever_has_become_of_the_image(local: Local):
    image = local.ids[0]
    label = write_picture(local.folder / "label.nii.gz", local.pictures[image])
    said = parse(image, label, submission_id="once", label_info=INFO)
    first = submit(local.project, said)
    (local.studies / f"{image}.png").unlink()
    local.project.sync()
    again = submit(local.project, said)
    assert (again.annotation, again.created) == (first.annotation, False)
    with pytest.raises(Conflict, match="is gone"):
        submit(local.project, parse(image, label, submission_id="twice", label_info=INFO))


def test_a_label_drawn_for_this_pool_is_taken_and_the_pool_is_not_kept_with_it(local: Local):
    label = write_picture(local.folder / "label.nii.gz", local.pictures[local.ids[0]])
    said = parse(local.ids[0], label, pool=local.project.store.pool, task="tiny", label_info=INFO, client="page")
    assert submit(local.project, said).annotation.params == {"client": "page", "origin": "rest"}


def test_the_receipt_says_the_note_and_what_the_model_thought_in_sentences(local: Local):
    label = write_picture(local.folder / "label.nii.gz", local.pictures[local.ids[2]])  # with nothing on it
    said = submit(local.project, parse(local.ids[2], label, label_info=INFO)).sentence
    assert said.endswith("withdraw it if that is not what you meant. No model had looked at this image yet.")
    assert local.hand_in(local.ids[0]).sentence == "No model had looked at this image yet."


def test_the_story_keeps_score_and_alpha_as_they_were_then(local: Local):
    local.model_read(local.ids[0])
    story = local.hand_in(local.ids[0]).annotation.story
    assert story is not None
    alpha = local.project.alpha()
    assert story.alpha == alpha
    assert story.score == pytest.approx(alpha * story.uncertainty + (1 - alpha) * story.misalignment)
    local.project.store.settings.set("alpha", 1 - alpha / 2, by="boss")
    (kept,) = local.project.store.annotations.find(local.ids[0])
    assert kept.story == story


@pytest.fixture
def half(tmp_path: Path) -> Local:
    """Where a mark can say a finding without an outline."""
    return Local(tmp_path, 3, outline=OutlineSettings(share=0.5))


def sent(half: Local, segment: str, finding: str | None = None) -> tuple[AnnotationRow, bool]:
    """The first picture's one file, and what its segment is called."""
    picture = half.pictures[half.ids[0]]
    file = write_picture(half.folder / "label.nii.gz", picture, (picture.finding,))
    receipt = submit(half.project, Submission(picture.id, "ada", file, [{"name": segment, "idx": 1}], finding))
    return receipt.annotation, receipt.created


def test_a_mark_that_is_corrected_to_an_outline_is_no_resend_though_the_file_is_the_same(half: Local):
    mark, created = sent(half, "disc, no outline")
    assert (created, mark.finding, mark.roi_voxels) == (True, "disc", 0)
    assert sent(half, "disc, no outline") == (mark, False)
    outline, created = sent(half, "disc")
    assert (created, outline.finding, outline.revision) == (True, "disc", 2)
    assert outline.roi_voxels == half.pictures[half.ids[0]].roi.sum()
    assert sent(half, "disc") == (outline, False)
    back, created = sent(half, "disc, no outline")
    assert (created, back.roi_voxels, back.revision) == (True, 0, 3), "and the other way round"


def test_a_region_beside_the_finding_is_no_resend_of_a_mark(half: Local):
    mark, _ = sent(half, "disc, no outline")
    beside, created = sent(half, REGION, "disc")
    assert (created, beside.finding, beside.roi_voxels) == (True, "disc", 0)
    assert beside.file_sha256 != mark.file_sha256, "the region is in its label file"


def test_what_a_former_version_stored_is_recognised_when_it_is_sent_again(half: Local):
    mark, _ = sent(half, "disc, no outline")
    with sqlite3.connect(half.project.workspace.state / "store.sqlite") as store:
        store.execute("UPDATE annotations SET digest = substr(digest, 1, 64)")
    kept = half.project.store.annotations.get(mark.id)
    assert sent(half, "disc, no outline") == (kept, False)
    outline, created = sent(half, "disc")
    assert (created, outline.roi_voxels > 0) == (True, True)
