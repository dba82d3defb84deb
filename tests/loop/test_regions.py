"""An outline without a finding: the image stays open, and is scored by it at once, without the network."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from harness.local import INFO, Local
from harness.pools import write_label

from xal.errors import StoreError
from xal.exchange.rebuild import rebuild
from xal.exchange.spreadsheet import annotations_csv
from xal.imaging.images import read_label
from xal.loop import rescoring
from xal.loop.auto_train import labels_left
from xal.loop.blind import may_see, score_alone, scores_only
from xal.loop.reader import Reader
from xal.loop.rescoring import compare_anew, is_due, withdraw
from xal.loop.rounds import _cases, _outlined, _seen, train_round
from xal.loop.scoring import score_pool
from xal.loop.second_look import look_again
from xal.loop.submission import Receipt, Submission, submit
from xal.loop.why import explain
from xal.method.acquisition import neutral
from xal.pool.label_files import record_of
from xal.pool.notes import note_withdrawn
from xal.pool.project import Project
from xal.pool.rois import known_roi
from xal.store.rows import ImageFile, Rule
from xal.task import REGION, REGION_VALUE, AcquisitionSettings, BatchSettings, ReadingSettings, TrainingSettings

pytestmark = pytest.mark.slow

REGION_INFO = [{"name": REGION, "idx": 1}]
ADA, BOB = Reader("ada"), Reader("bob")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Local:
    """45 pictures, 24 of them handed in by "first", a model, and a scored rest; nobody opens it."""
    acquisition = AcquisitionSettings(stand_in=("proposed",), min_rois=5, batch=BatchSettings(rule="top"))
    once = ReadingSettings(per_image=1, double=0)
    local = Local(tmp_path_factory.mktemp("regions"), 45, readings=once, acquisition=acquisition)
    for image in local.ids[:24]:
        local.hand_in(image, "first")
    train_round(local.project, TrainingSettings(max_epochs=6), lambda _: None, lambda: False)
    score_pool(local.project, lambda done, total: None)
    local.project.store.close()
    local.project.workspace.close()
    return local


@pytest.fixture
def local(scored: Local, tmp_path: Path) -> Local:
    return scored.copied(tmp_path / "copy")


def waiting(local: Local, finding: str = "disc") -> str:
    """An image of the scored pool that shows this."""
    return next(image for image in local.ids[24:] if local.pictures[image].finding == finding)


def outline(local: Local, image: str, reader: str = "ada", of: str | None = None, **more: object) -> Receipt:
    """Hand in the image's lesion, or that of another one, as a region."""
    picture = local.pictures[of or image]
    label = write_label(local.folder / "region.nii.gz", picture, (picture.finding,))
    return submit(local.project, Submission(image, reader, label, REGION_INFO, **more))


def test_the_image_stays_open_and_is_scored_by_the_outline_at_once(local: Local, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("xal.model.network.predict", None)
    image, store = waiting(local), local.project.store
    before, counts = store.predictions.get(image), store.images.counts()
    receipt = outline(local, image)
    assert (receipt.annotation.finding, receipt.annotation.story) == (REGION, None)
    assert receipt.sentence.startswith(f"Your outline is kept ({receipt.annotation.roi_voxels} voxels)")
    row, now = store.images.get(image), store.predictions.get(image)
    assert (row.open, row.status, row.labelled, row.finding) == (True, "waiting", False, None)
    assert store.images.counts() == counts, "it does not count as completed"
    assert row.roi_source == now.roi_source == "drawn"
    assert before.roi_source != "drawn"
    middle = neutral(store.predictions.misalignments(1))
    wrong = middle if row.misalignment is None else row.misalignment
    assert row.score == pytest.approx(0.5 * row.uncertainty + 0.5 * wrong)
    assert store.predictions.stale_count(1) == 0, "nothing is left for a scoring run"


def test_a_scoring_run_would_have_said_the_same(scored: Local, local: Local, monkeypatch: pytest.MonkeyPatch):
    image, other = waiting(local), scored.copied(local.folder.with_name("other"))
    outline(local, image)
    monkeypatch.setattr("xal.loop.submission.rescore", lambda *_: False)
    outline(other, image)
    assert other.project.store.predictions.stale_count(1) == 1
    assert score_pool(other.project, lambda done, total: None).scored == 1
    at_once, by_run = (one.project.store.predictions.get(image) for one in (local, other))
    assert (at_once.roi_key, at_once.roi_source, at_once.finding) == (by_run.roi_key, "drawn", by_run.finding)
    for name in ("misalignment", "overlap", "energy"):
        assert getattr(at_once, name) == pytest.approx(getattr(by_run, name), abs=2e-3), name


@pytest.mark.parametrize(("wrong", "place"), [(1.0, 0), (0.0, None)])
def test_a_lined_up_image_takes_the_place_of_its_new_score(
    local: Local, monkeypatch: pytest.MonkeyPatch, wrong: float, place: int | None
):
    found = SimpleNamespace(value=wrong, source="drawn", overlap=1 - wrong)
    monkeypatch.setattr(rescoring, "misalignment", lambda *_, **__: found)
    monkeypatch.setattr(local.project, "alpha", lambda: 0.0)
    store = local.project.store
    ranked = [row.id for row in store.queue.head(21)]
    store.predictions.line_up(ranked[5:10])
    image = ranked[7]
    outline(local, image, of=waiting(local))
    rest = [*(ranked[5:7] + ranked[8:10])]
    head = [row.id for row in store.queue.head(5)]
    if place is None:  # it comes by its score alone, behind all that is lined up
        assert head[:4] == rest
        assert store.queue.head(21)[-1].id == image
    else:
        assert head == [image, *rest]


def test_withdrawn_it_is_as_if_nobody_had_drawn_and_a_revision_takes_its_place(local: Local):
    image, store = waiting(local), local.project.store
    before = store.predictions.get(image)
    first = outline(local, image)
    again = outline(local, image, of=next(one for one in local.ids if local.pictures[one].finding == "square"))
    assert [(row.revision, row.active) for row in store.annotations.find(image, active_only=False, regions=True)] == [
        (1, False),
        (2, True),
    ]
    withdraw(local.project, again.annotation.id, "ada")
    assert store.annotations.find(image, regions=True) == [store.annotations.get(first.annotation.id)]
    withdraw(local.project, first.annotation.id, "ada")
    assert store.annotations.find(image, regions=True) == []
    assert store.predictions.stale_count(1) == 0
    after = store.predictions.get(image)
    assert (after.roi_source, after.roi_key) == (before.roi_source, None)
    assert after.misalignment == pytest.approx(before.misalignment, abs=2e-3)


def test_the_same_handed_in_twice_is_one(local: Local):
    image = waiting(local)
    first, again = outline(local, image), outline(local, image)
    assert first.created
    assert (again.created, again.annotation.id) == (False, first.annotation.id)
    numbered = outline(local, image, "bob", submission_id="n")
    assert outline(local, image, "bob", submission_id="n").annotation.id == numbered.annotation.id


def test_then_a_finding_is_handed_in_and_the_story_tells_of_the_outline_before(local: Local):
    image, store = waiting(local), local.project.store
    outline(local, image, "ada")
    overlap = store.predictions.get(image).overlap
    receipt = local.hand_in(image, "bob")
    story = receipt.annotation.story
    assert story.roi_source == "drawn"
    assert story.overlap_before == pytest.approx(overlap)
    row = store.images.get(image)
    assert (row.open, row.finding) == (False, "disc")
    (region,) = [one for one in store.annotations.find(image, regions=True) if one.finding == REGION]
    assert region.active, "it is kept, and counts where nobody has outlined the finding"
    store.annotations.withdraw(receipt.annotation.id, "bob")
    assert store.images.get(image).open
    assert store.annotations.drawn_roi(image) == [region]


def test_a_region_of_a_reader_who_had_handed_in_changes_nothing_of_the_finding(local: Local):
    image, store = waiting(local), local.project.store
    local.hand_in(image, "ada")
    before = store.images.get(image)
    outline(local, image, "ada", of=next(one for one in local.ids if local.pictures[one].finding == "square"))
    assert store.images.get(image).finding == before.finding == "disc"
    assert [row.finding for row in store.annotations.find(image)] == ["disc"]
    assert [row.finding for row in store.annotations.drawn_roi(image)] == ["disc"], "the finding's outline counts"
    assert [one.annotations[0].finding for one in store.annotations.settled() if one.image.id == image] == ["disc"]


def test_the_drawer_stays_blind_and_nobody_else_is_told(local: Local):
    image = waiting(local)
    outline(local, image, "ada")
    for reader in (ADA, BOB, Reader("anon:x", never_submits=True)):
        assert not may_see(local.project, reader, image)
        assert scores_only(local.project, reader, [image]) == {image}
    table = "".join(annotations_csv(local.project, BOB))
    assert REGION not in table
    assert f",{REGION}," in "".join(annotations_csv(local.project))


def test_the_image_comes_to_others_and_to_the_drawer_later(local: Local):
    store = local.project.store
    given = store.queue.next_sample("ada", "queue", 3600).image.id
    outline(local, given, "ada", of=waiting(local))
    assert store.queue.leased_by(given) is None
    mine = [store.queue.next_sample("ada", "queue", 3600).image.id for _ in range(20)]
    assert given not in mine
    for image in mine:
        store.queue.release(image, "ada")
    assert given in [store.queue.next_sample("bob", "queue", 3600).image.id for _ in range(21)]
    store.queue.release(given, "bob")
    assert store.queue.next_sample("ada", "queue", 3600).image.id == given, "it was given longest ago"


def test_an_image_that_was_taken_by_name_and_outlined_comes_behind_the_others(local: Local):
    store = local.project.store
    best = store.queue.head(1)[0].id
    store.queue.lease(best, "ada", 3600)
    outline(local, best, "ada", of=waiting(local))
    assert not store.annotations.was_given(best, "ada"), "Next Sample did not choose it"
    given = [store.queue.next_sample("ada", "queue", 3600).image.id for _ in range(21)]
    assert given[-1] == best


@pytest.mark.parametrize("region_first", [True, False])
def test_an_outline_of_what_is_called_absent_is_a_doubt(local: Local, region_first: bool):
    image, store = waiting(local, "nothing"), local.project.store

    def deny() -> None:
        label = write_label(local.folder / "nothing.nii.gz", local.pictures[image])
        submit(local.project, Submission(image, "bob", label, INFO))
        look_again(local.project, 60)

    def draw() -> None:
        outline(local, image, "ada", of=waiting(local))
        look_again(local.project, 60)

    for act in (draw, deny) if region_first else (deny, draw):
        act()
    (suspect,) = [found for found in store.review.suspects(100).items if found.image == image]
    assert (suspect.kind, suspect.annotations[0].finding) == ("region", "nothing")
    assert suspect.detail["readers"] == ["ada"]
    assert store.images.get(image).finding == "nothing", "a person decides"
    (region,) = [row for row in store.annotations.find(image, regions=True) if row.finding == REGION]
    withdraw(local.project, region.id, "ada")
    assert [found for found in store.review.suspects(100).items if found.image == image] == []


def test_what_a_reviewer_accepted_is_a_doubt_again_once_somebody_else_outlines_something(local: Local):
    image, store = waiting(local, "nothing"), local.project.store

    def doubts() -> list[list[str]]:
        look_again(local.project, 60)
        return [found.detail["readers"] for found in store.review.suspects(100).items if found.image == image]

    label = write_label(local.folder / "nothing.nii.gz", local.pictures[image])
    denied = submit(local.project, Submission(image, "bob", label, INFO)).annotation
    outline(local, image, "ada", of=waiting(local))
    assert doubts() == [["ada"]]
    store.review.accept(denied.id, "region", "boss")
    local.hand_in(waiting(local), "bob")
    assert doubts() == []
    outline(local, image, "eve", of=waiting(local))
    assert doubts() == [["ada", "eve"]]
    store.review.accept(denied.id, "region", "boss")
    assert doubts() == []


def test_its_voxels_have_a_value_of_their_own_and_a_rebuild_brings_it_back(local: Local, tmp_path: Path):
    image = waiting(local)
    row = outline(local, image).annotation
    path = local.project.workspace.labels / row.label_path
    values, _ = read_label(path)
    assert set(np.unique(values)) == {0, REGION_VALUE}
    assert (values > 0).sum() == row.roi_voxels == local.pictures[image].roi.sum()
    guessed = outline(local, waiting(local, "square"), "bob").annotation
    record_of(local.project.workspace.labels / guessed.label_path).unlink()
    local.project.store.close()
    local.project.workspace.close()
    (local.studies / ".xal" / "store.sqlite").unlink()
    rebuild(local.task, str(local.studies))
    project = Project.open(local.task, str(local.studies))
    back = {(one.image, one.reader): one for one in project.store.annotations.find(regions=True)}
    assert back[image, "ada"].finding == back[guessed.image, "bob"].finding == REGION
    project.sync()
    assert project.store.images.get(image).open


def test_pixels_that_were_replaced_are_not_scored_by_an_outline_of_others(local: Local):
    image, store = waiting(local), local.project.store
    outline(local, image)
    file = local.studies / f"{image}.png"
    shutil.copyfile(local.studies / f"{waiting(local, 'square')}.png", file)
    local.project.sync()
    local.project.volume(store.images.get(image))
    assert store.annotations.drawn_roi(image) == []
    assert store.images.roi_key(image) is None


def test_before_any_model_and_with_an_older_prediction_the_outline_waits_for_scoring(tmp_path: Path, local: Local):
    fresh = Local(tmp_path / "fresh", 3)
    outline(fresh, fresh.ids[0])
    assert fresh.project.store.predictions.get(fresh.ids[0]) is None
    assert fresh.project.store.images.get(fresh.ids[0]).open
    image, store = waiting(local), local.project.store
    old = replace(store.predictions.get(image), evidence=None)
    store.predictions.save([old], Rule())
    outline(local, image)
    assert store.predictions.stale_count(1) == 1


def test_who_had_only_outlined_is_not_shown_why(local: Local):
    image = waiting(local)
    outline(local, image, "ada")
    found = explain(local.project, ADA, local.project.store.images.get(image))
    assert found is not None
    assert found.thought.roi_source == "drawn"
    assert "handed in" not in found.sentence


def test_in_a_pool_of_ten_thousand_the_image_has_its_new_place_within_two_seconds(local: Local):
    image, store = waiting(local), local.project.store
    known = store.predictions.get(image)
    others = [f"other_{number:05d}" for number in range(10_000)]
    store.images.put(ImageFile(name, f"{name}.png", 1, 1) for name in others)
    rng = np.random.default_rng(0)
    made = [
        replace(known, image=name, fingerprint="", uncertainty=u, misalignment=m)
        for name, u, m in zip(others, rng.random(10_000), rng.random(10_000), strict=True)
    ]
    store.predictions.save(made, Rule())
    store.predictions.line_up(others[:100])
    before = store.images.get(image)
    began = time.perf_counter()
    outline(local, image)
    seconds = time.perf_counter() - began
    after = store.images.get(image)
    print(f"hand-in and rescoring in a pool of 10,000: {seconds:.2f} s")
    assert before.roi_source != after.roi_source == "drawn"
    assert seconds < 2


@pytest.mark.parametrize(
    "changes",
    [{"misalignment": "evidence"}, {"dice": "relative"}, {"stand_in": ()}, {"stand_in_by": "evidence"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_changed_rule_ranks_the_pool_anew_without_the_network(
    scored: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
):
    rule = scored.task.acquisition.model_copy(update=changes)
    local, read_again = (scored.copied(tmp_path / name, acquisition=rule) for name in ("copy", "other"))
    image = waiting(local)
    for one in (local, read_again):
        outline(one, image)
    assert is_due(local.project)
    read_again.project.store.predictions.forget(read_again.ids[24:])
    assert score_pool(read_again.project, lambda done, total: None).scored == 21
    monkeypatch.setattr("xal.loop.scoring.predict", None)
    assert score_pool(local.project, lambda done, total: None).scored == 0
    assert not is_due(local.project)
    for name in local.ids[24:]:
        here, there = (one.project.store.predictions.get(name) for one in (local, read_again))
        assert here.roi_source == there.roi_source, name
        assert here.misalignment == pytest.approx(there.misalignment, abs=4e-3), name
    sources = {name: local.project.store.images.get(name).roi_source for name in local.ids[24:]}
    assert sources.pop(image) == "drawn"
    assert ("proposed" in sources.values()) == bool(rule.stand_in)


def test_what_an_earlier_program_kept_too_little_of_is_read_again(local: Local):
    store = local.project.store
    old = [replace(store.predictions.get(name), evidence=None) for name in local.ids[24:27]]
    store.predictions.save(old, Rule())
    store.settings.set("compared_by", None, by="test")
    compare_anew(local.project, 1)
    assert [row.id for row, _ in store.predictions.stale(1, 10)] == local.ids[24:27]


def test_a_comparison_that_fails_takes_nothing_back(local: Local, monkeypatch: pytest.MonkeyPatch):
    image, store = waiting(local), local.project.store

    def busy(*_: object, **__: object) -> None:
        raise StoreError("the store is busy")

    monkeypatch.setattr(store.predictions, "move", busy)
    receipt = outline(local, image)
    assert store.annotations.find(image, regions=True) == [receipt.annotation]
    monkeypatch.undo()
    store.images.delete(image, "boss")
    assert withdraw(local.project, receipt.annotation.id, "ada").withdrawn_by == "ada"


def test_a_rebuild_lets_a_region_stand_whose_readers_finding_was_revised(local: Local):
    image, labels = waiting(local), local.project.workspace.labels
    region = outline(local, image, "bob").annotation
    said = local.hand_in(image, "bob").annotation
    other = write_label(local.folder / "other.nii.gz", local.pictures[waiting(local, "square")])
    submit(local.project, Submission(image, "carol", other, INFO, revises=said.id))
    assert [row.reader for row in local.project.store.annotations.drawn_roi(image)] == ["carol"]
    assert local.project.store.annotations.get(region.id).active
    note_withdrawn(labels, [local.project.store.annotations.get(said.id)])
    local.project.store.close()
    local.project.workspace.close()
    (local.studies / ".xal" / "store.sqlite").unlink()
    rebuild(local.task, str(local.studies))
    known = Project.open(local.task, str(local.studies)).store.annotations.find(image, active_only=False, regions=True)
    assert {(row.reader, row.finding): row.active for row in known} == {
        ("bob", REGION): True,
        ("bob", "disc"): False,
        ("carol", "square"): True,
    }


def test_an_image_that_was_closed_when_the_rule_changed_is_read_again_once_it_is_open(scored: Local, tmp_path: Path):
    rule = scored.task.acquisition.model_copy(update={"misalignment": "evidence"})
    local = scored.copied(tmp_path / "copy", acquisition=rule)
    image, store = waiting(local), local.project.store
    store.images.exclude(image, "ada", "blurred")
    score_pool(local.project, lambda done, total: None)
    store.images.include(image, "ada")
    assert [row.id for row, _ in store.predictions.stale(1, 5)] == [image]


def test_pixels_that_come_back_bring_the_outline_back(local: Local):
    image, store = waiting(local), local.project.store
    outline(local, image)
    key, file = store.images.roi_key(image), local.studies / f"{image}.png"
    old = file.read_bytes()
    for content in ((local.studies / f"{waiting(local, 'square')}.png").read_bytes(), old):
        file.write_bytes(content)
        local.project.sync()
        local.project.volume(store.images.get(image))
    assert store.images.roi_key(image) == key is not None


def test_who_reads_blind_cannot_compute_from_the_score_how_far_the_model_looks_from_an_outline(local: Local):
    local.project.task = local.task.model_copy(
        update={"acquisition": local.task.acquisition.model_copy(update={"stand_in": ()})}
    )
    store = local.project.store
    score_pool(local.project, lambda done, total: None)
    image = waiting(local)
    before = score_alone(local.project, store.images.get(image))
    outline(local, image)
    row = store.images.get(image)
    assert row.roi_source == "drawn"
    assert score_alone(local.project, row).score == pytest.approx(before.score)


def test_a_superseded_word_that_nothing_is_there_is_doubted_as_well(local: Local):
    image, store = waiting(local, "nothing"), local.project.store
    label = write_label(local.folder / "nothing.nii.gz", local.pictures[image])
    submit(local.project, Submission(image, "bob", label, INFO))
    again = local.hand_in(image, "bob", truth=waiting(local)).annotation
    look_again(local.project, 60)
    outline(local, image, "ada", of=waiting(local))
    look_again(local.project, 60)
    assert [found for found in store.review.suspects(100).items if found.image == image] == []
    withdraw(local.project, again.id, "bob")
    assert [found.kind for found in store.review.suspects(100).items if found.image == image] == ["region"]


# --- what is learnt from it ---


def taught(local: Local, validation: tuple[str, ...] = ()) -> list[str]:
    """The images that the ROI head would learn from without a finding."""
    return [one.image_id for one in _outlined(local.project, validation)]


def test_the_next_training_learns_from_it_and_says_so_and_its_finding_is_still_to_be_named(local: Local):
    store, discs = local.project.store, [one for one in local.ids[24:] if local.pictures[one].finding == "disc"][:3]
    left = labels_left(local.project, 20)
    for image in discs:
        outline(local, image)
    assert labels_left(local.project, 20) == left, "no label is settled by it"
    before = store.versions.current().metrics["trained_on"]
    version = train_round(local.project, TrainingSettings(max_epochs=1), lambda _: None, lambda: False).version
    now = version.metrics["trained_on"]
    assert (before["only_outlined"], now["only_outlined"]) == (0, 3)
    assert (now["cases"], now["with_roi"]) == (before["cases"], before["with_roi"])
    assert all(store.images.get(image).open for image in discs)
    without = TrainingSettings(max_epochs=1, roi=0)
    last = train_round(local.project, without, lambda _: None, lambda: False).version
    assert last.metrics["trained_on"]["only_outlined"] == 0, "there is no head to learn from it"


def test_of_several_outlines_what_the_score_is_made_of_is_learnt(local: Local):
    image, other = waiting(local), waiting(local, "square")
    outline(local, image, "ada")
    outline(local, image, "bob", of=other)
    (one,) = _outlined(local.project, ())
    np.testing.assert_array_equal(one.roi, known_roi(local.project, image))
    assert 0.5 in one.roi, "where one of two outlined it"


def test_what_is_withdrawn_excluded_damaged_or_of_other_pixels_is_not_learnt(local: Local):
    store, images = local.project.store, [one for one in local.ids[24:] if local.pictures[one].roi.any()][:5]
    rows = [outline(local, image).annotation for image in images]
    _, excluded, _, replaced, stays = images
    assert taught(local) == images
    withdraw(local.project, rows[0].id, "ada")
    store.images.exclude(excluded, "ada", "blurred")
    (local.project.workspace.labels / rows[2].label_path).write_bytes(b"torn")
    shutil.copyfile(local.studies / f"{local.ids[0]}.png", local.studies / f"{replaced}.png")
    local.project.sync()
    assert store.images.get(replaced).fingerprint is None, "nobody has looked at it yet"
    assert taught(local) == [stays]


def test_what_shares_its_patient_with_an_image_that_judges_is_not_learnt(local: Local):
    store, images = local.project.store, [one for one in local.ids[24:] if local.pictures[one].roi.any()][:3]
    for image in images:
        outline(local, image)
    judging = store.versions.validation()[1]
    store.images.update_info(images[0], {"group": "patient"})
    store.images.update_info(judging[0], {"group": "patient"})
    assert taught(local, tuple(judging)) == images[1:]
    for row in store.annotations.find(judging[0]):
        store.annotations.withdraw(row.id, "first")
    outline(local, judging[0], of=local.ids[0])
    assert taught(local, tuple(judging)) == images[1:], "it may judge again, once its finding is settled"


def test_what_was_learnt_without_a_finding_is_not_new_to_the_model_that_it_would_judge(local: Local):
    store, early, late = local.project.store, waiting(local), waiting(local, "square")
    outline(local, early)
    train_round(local.project, TrainingSettings(max_epochs=1), lambda _: None, lambda: False)
    store.versions.publish(2, by="boss")
    outline(local, late)
    for image in (early, late):
        local.hand_in(image, "bob")
    seen = _seen(local.project, store.annotations.settled())
    assert (early in seen, late in seen) == (True, False)


def test_a_finding_has_its_own_outline_and_else_the_one_that_nobody_has_named(local: Local):
    own, alone, nothing = waiting(local), waiting(local, "square"), waiting(local, "nothing")
    for image in (own, alone, nothing):
        outline(local, image, of=local.ids[0])
    local.hand_in(own, "bob")
    empty = write_label(local.folder / "empty.nii.gz", local.pictures[nothing])
    submit(local.project, Submission(alone, "bob", empty, INFO, finding="square"))
    submit(local.project, Submission(nothing, "bob", empty, INFO))
    settled = [one for one in local.project.store.annotations.settled() if one.image.id in (own, alone, nothing)]
    cases = {case.image_id: case for case in _cases(local.project, settled)[0]}
    region = local.pictures[local.ids[0]].roi
    assert cases[nothing].roi is None
    assert taught(local) == []
    assert cases[own].roi.sum() == local.pictures[own].roi.sum()
    np.testing.assert_array_equal(cases[alone].roi > 0, known_roi(local.project, alone) > 0)
    assert cases[alone].roi.sum() == region.sum()
