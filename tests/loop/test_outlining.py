"""Of which images an outline is wanted: a share of them, always the same ones, and nothing is told by that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness.local import INFO, Local
from harness.pools import write_label

from xal.errors import BadInput
from xal.imaging.images import write_label as write_map
from xal.loop import outlining
from xal.loop.outlining import wants_outline
from xal.loop.rounds import _cases
from xal.loop.submission import Receipt, Submission, submit
from xal.task import REGION, AcquisitionSettings, OutlineSettings, ReadingSettings

BY_CHANCE = OutlineSettings(share=0.33)
BY_MISALIGNMENT = OutlineSettings(share=0.33, by="misalignment")
ONCE = ReadingSettings(per_image=1, double=0)
TWICE = ReadingSettings(per_image=2, double=0)


def pool(folder: Path, count: int, outline: OutlineSettings, readings: ReadingSettings = ONCE) -> Local:
    acquisition = AcquisitionSettings(stand_in=("proposed",))
    return Local(folder, count, outline=outline, readings=readings, acquisition=acquisition)


def asked(local: Local, *images: str) -> list[str]:
    """Those of the images whose readers are asked for an outline."""
    store = local.project.store
    return [image for image in images or local.ids if wants_outline(local.project, store.images.get(image))]


def read_in_steps(local: Local, images: list[str], version: int = 1) -> None:
    """A model has read the images: it looks farther from its own ROI in each one than in the one before."""
    for image, wrong in zip(images, np.linspace(0.1, 0.9, len(images)), strict=True):
        local.model_read(image, version, misalignment=float(wrong))


def outline(local: Local, image: str, reader: str = "outliner") -> Receipt:
    label = write_label(local.folder / "region.nii.gz", local.pictures[image], (local.pictures[image].finding,))
    return submit(local.project, Submission(image, reader, label, [{"name": REGION, "idx": 1}]))


def alone(local: Local, image: str, finding: str, reader: str = "ada") -> Receipt:
    """Hand in a finding without an outline."""
    empty = local.folder / "empty.nii.gz"
    volume = local.project.volume(local.project.store.images.get(image))
    write_map(empty, np.zeros(volume.shape, np.uint8), volume.affine)
    return submit(local.project, Submission(image, reader, empty, INFO, finding=finding))


def test_unless_a_task_says_otherwise_all_images_are_to_be_outlined(tmp_path: Path):
    local = pool(tmp_path, 5, OutlineSettings())
    assert asked(local) == local.ids


def test_by_chance_it_is_about_the_share_and_always_the_same_images(tmp_path: Path):
    local = pool(tmp_path, 3, BY_CHANCE)
    chosen = [outlining._chance(local.project, f"image {number}") < 0.33 for number in range(2000)]
    assert 0.29 < np.mean(chosen) < 0.37
    local = pool(tmp_path / "larger", 12, BY_CHANCE)
    before = asked(local)
    read_in_steps(local, local.ids)
    outline(local, local.ids[0])
    assert asked(local) == before
    assert asked(local.copied(tmp_path / "copy")) == before, "another server of the same pool says the same"


def test_by_chance_it_is_not_the_order_in_which_chance_gives_images(tmp_path: Path):
    local = pool(tmp_path, 40, BY_CHANCE)
    by_shuffle = [row.id for row in local.project.store.queue.head(40, "uniform")]
    wanted = asked(local, *by_shuffle)
    assert wanted
    assert wanted != by_shuffle[: len(wanted)]


def test_none_and_all_are_shares_too(tmp_path: Path):
    assert asked(pool(tmp_path / "none", 6, OutlineSettings(share=0))) == []
    acquisition = AcquisitionSettings(stand_in=("proposed",))
    none = Local(
        tmp_path / "none by misalignment",
        6,
        outline=OutlineSettings(share=0, by="misalignment"),
        acquisition=acquisition,
    )
    read_in_steps(none, none.ids)
    assert asked(none) == []


def test_by_misalignment_it_is_the_third_on_which_the_model_looks_farthest_from_its_roi(tmp_path: Path):
    local = pool(tmp_path, 20, BY_MISALIGNMENT)
    read_in_steps(local, local.ids)
    first = local.project.store.queue.head(1)[0]
    wants_outline(local.project, first)
    wanted = asked(local)
    assert len(wanted) in (6, 7), "a third of twenty, rounded by chance"
    assert wanted == local.ids[-len(wanted) :]


def test_images_are_compared_twenty_at_a_time_in_the_order_of_the_queue(tmp_path: Path):
    local = pool(tmp_path, 45, BY_MISALIGNMENT)
    read_in_steps(local, local.ids)  # of equal uncertainty: those of the highest misalignment come first
    store = local.project.store
    order = [row.id for row in store.queue.head(45)]
    wants_outline(local.project, store.images.get(order[0]))
    decided = [image for image in local.ids if store.images.get(image).outline_wanted is not None]
    assert decided == sorted(order[:20])
    counts = [len(asked(local, *order[start : start + 20])) for start in (0, 20)]
    assert all(count in (6, 7) for count in counts), f"else the first twenty would all be outlined: {counts}"


def test_what_was_decided_by_misalignment_stays_whatever_happens(tmp_path: Path):
    local = pool(tmp_path, 20, BY_MISALIGNMENT, TWICE)
    read_in_steps(local, local.ids)
    before = asked(local)
    read_in_steps(local, local.ids[::-1], version=2)
    assert asked(local) == before, "another model thinks otherwise"
    outline(local, local.ids[0])
    outline(local, local.ids[-1])
    local.hand_in(local.ids[1])
    assert asked(local) == before, "and somebody has read or outlined them"
    assert asked(local.copied(tmp_path / "copy")) == before


def test_without_a_model_chance_decides_and_a_model_does_not_change_that(tmp_path: Path):
    local = pool(tmp_path, 12, BY_MISALIGNMENT)
    store = local.project.store
    expected = [image for image in local.ids if outlining._chance(local.project, image) < 0.33]
    met = local.ids[:6]
    assert asked(local, *met) == [image for image in expected if image in met]
    assert [store.images.get(image).outline_wanted for image in local.ids[6:]] == [None] * 6, "nobody has met these"
    read_in_steps(local, local.ids[::-1])
    assert asked(local, *met) == [image for image in expected if image in met]


@pytest.mark.parametrize(
    "thought",
    [
        {"misalignment": 1.0, "finding": "nothing"},  # what the absent finding is given against any ROI
        {"misalignment": None, "roi_source": "none"},  # mostly that the model sees nothing to outline
        {"misalignment": 0.97, "roi_source": "drawn"},  # how far it looks from what somebody outlined
        {"misalignment": 0.02, "roi_source": "drawn"},
    ],
)
def test_what_would_tell_a_blind_reader_something_is_left_to_chance(tmp_path: Path, thought: dict):
    local = pool(tmp_path, 24, BY_MISALIGNMENT)
    told, others = local.ids[:12], local.ids[12:]
    read_in_steps(local, others)
    for image in told:
        local.model_read(image, **thought)
    assert asked(local, *told) == [image for image in told if outlining._chance(local.project, image) < 0.33]
    assert len(asked(local, *others)) in (3, 4), "and the others are compared among themselves"


def test_what_is_said_of_an_image_that_nobody_is_given_any_more_stays_once_it_is_open_again(tmp_path: Path):
    local = pool(tmp_path, 20, BY_MISALIGNMENT)
    chances = {image: outlining._chance(local.project, image) < 0.33 for image in local.ids}
    ranked = sorted(local.ids, key=lambda image: not chances[image])  # a model would ask for those that chance does not
    wanted, unwanted = ranked[0], ranked[-1]
    annotations = [local.hand_in(image).annotation for image in (wanted, unwanted)]
    assert asked(local, wanted, unwanted) == [wanted]
    for annotation in annotations:
        local.project.store.annotations.withdraw(annotation.id, "ada")
    read_in_steps(local, ranked)
    assert all(local.project.store.images.get(image).open for image in (wanted, unwanted))
    assert asked(local, wanted, unwanted) == [wanted]


@pytest.mark.parametrize("outline_setting", [BY_CHANCE, OutlineSettings()])
def test_a_finding_alone_settles_an_image_and_is_learnt_from_without_an_roi(
    tmp_path: Path, outline_setting: OutlineSettings
):
    local = pool(tmp_path, 4, outline_setting)
    bare, drawn = [image for image in local.ids if local.pictures[image].finding != "nothing"][:2]
    alone(local, bare, local.pictures[bare].finding)
    local.hand_in(drawn)
    store = local.project.store
    row = store.images.get(bare)
    assert (row.status, row.finding, row.open) == ("settled", local.pictures[bare].finding, False)
    cases, _ = _cases(local.project, store.annotations.settled())
    rois = {case.image_id: case.roi is not None for case in cases}
    assert rois == {bare: False, drawn: True}


def test_an_outline_that_was_not_asked_for_is_taken_all_the_same(tmp_path: Path):
    local = pool(tmp_path, 3, OutlineSettings(share=0))
    image = next(image for image in local.ids if local.pictures[image].finding != "nothing")
    assert asked(local, image) == []
    assert local.hand_in(image).annotation.roi_voxels > 0


def test_a_finding_that_does_not_exist_is_still_refused(tmp_path: Path):
    local = pool(tmp_path, 3, BY_CHANCE)
    with pytest.raises(BadInput, match="is none of this task"):
        alone(local, local.ids[0], "cube")
