"""What others outlined without a finding, shown to be corrected where the task says so, and to nobody elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness.local import INFO, Local
from harness.pools import write_label

from xal.errors import BadInput
from xal.imaging.images import write_label as write_mask
from xal.loop.origins import Origin
from xal.loop.shown import Drawer, mask_of, note, shown_before, shown_region
from xal.loop.submission import Receipt, Submission, submit
from xal.store.rows import OutlineRow

REGION_INFO = [{"name": "region", "idx": 1}]


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 6, show_regions=True)


def discs(local: Local) -> list[str]:
    return [image for image in local.ids if local.pictures[image].finding == "disc"]


def outline(local: Local, image: str, reader: str, of: str | None = None, origin: Origin = "rest") -> Receipt:
    picture = local.pictures[of or image]
    label = write_label(local.folder / "region.nii.gz", picture, (picture.finding,))
    return submit(local.project, Submission(image, reader, label, REGION_INFO, origin=origin))


def is_shown(local: Local, image: str, reader: str) -> bool:
    """Send this reader what there is to be shown."""
    shown = shown_region(local.project, reader, image)
    if shown is not None:
        note(local.project, reader, image, shown)
    return shown is not None


def archived(local: Local, image: str) -> np.ndarray:
    """An outline that the archive has of an image."""
    volume = local.project.volume(local.project.store.images.get(image))
    mask = np.zeros(volume.shape, np.uint8)
    mask[:2, :3] = 1
    write_mask(local.project.workspace.labels / "found/x.nii.gz", mask, volume.affine)
    fingerprint = local.project.store.images.get(image).fingerprint
    found = OutlineRow(image, "1.2.3#0", "series", "found/x.nii.gz", 6, fingerprint, 0.0)
    local.project.store.outlines.put("series", "1", [found])
    return mask > 0


def test_others_regions_are_shown_as_one_and_their_drawers_named(local: Local):
    image, square = discs(local)[0], next(one for one in local.ids if local.pictures[one].finding == "square")
    outline(local, image, "ada", origin="slicer")
    outline(local, image, "bob", of=square, origin="page")
    shown = shown_region(local.project, "cid", image)
    assert shown is not None
    assert shown.drawers == [Drawer("ada", "slicer"), Drawer("bob", "page")]
    mask, _ = mask_of(local.project, shown)
    both = local.pictures[image].roi | local.pictures[square].roi
    assert mask.sum() == both.sum()
    of_ada = shown_region(local.project, "ada", image)
    assert of_ada is not None
    assert of_ada.drawers == [Drawer("bob", "page")], "one's own is no other's"


def test_what_the_archive_has_is_shown_where_nobody_else_outlined(local: Local):
    image = discs(local)[0]
    there = archived(local, image)
    shown = shown_region(local.project, "ada", image)
    assert shown is not None
    assert shown.drawers == [Drawer(None, "archive")]
    np.testing.assert_array_equal(mask_of(local.project, shown)[0], there)
    assert is_shown(local, image, "ada")
    receipt = local.hand_in(image, "ada")
    assert receipt.sentence.endswith("You were shown what the archive has.")
    outline(local, image, "bob")
    assert shown_region(local.project, "ada", image).drawers == [Drawer("bob", "rest")]


def test_the_receipt_says_who_drew_what_was_shown_and_it_is_kept(local: Local):
    image = discs(local)[0]
    assert "shown" not in outline(local, image, "ada", origin="slicer").sentence, "there was nothing to show"
    assert is_shown(local, image, "bob")
    receipt = local.hand_in(image, "bob")
    assert receipt.sentence.endswith("You were shown what ada had outlined.")
    assert shown_before(local.project.store.annotations.get(receipt.annotation.id)) == [Drawer("ada", "slicer")]
    again = local.hand_in(image, "bob")
    assert (again.created, again.sentence) == (False, receipt.sentence)
    assert is_shown(local, image, "cid")
    corrected = outline(local, image, "cid", of=discs(local)[1])
    assert corrected.sentence.endswith("You were shown what ada had outlined.")


def test_a_finding_that_somebody_named_is_never_shown_nor_an_outline_of_other_pixels(local: Local):
    image, other = discs(local)[:2]
    local.hand_in(image, "ada")
    assert shown_region(local.project, "bob", image) is None
    outline(local, other, "ada")
    file = local.studies / f"{other}.png"
    file.write_bytes((local.studies / f"{image}.png").read_bytes())
    local.project.sync()
    local.project.volume(local.project.store.images.get(other))
    assert shown_region(local.project, "bob", other) is None


def test_what_was_shown_is_kept_although_it_was_withdrawn_meanwhile(local: Local):
    image = discs(local)[0]
    by_ada = outline(local, image, "ada", origin="slicer").annotation
    assert is_shown(local, image, "bob")
    local.project.store.annotations.withdraw(by_ada.id, "ada")
    receipt = local.hand_in(image, "bob")
    assert receipt.sentence.endswith("You were shown what ada had outlined.")
    assert shown_before(receipt.annotation) == [Drawer("ada", "slicer")]


def test_what_was_outlined_meanwhile_was_not_shown(local: Local):
    image = discs(local)[0]
    assert not is_shown(local, image, "bob")
    outline(local, image, "ada")
    receipt = local.hand_in(image, "bob")
    assert "shown" not in receipt.sentence
    assert shown_before(receipt.annotation) == []


def test_all_that_was_shown_one_after_the_other_is_kept_and_nothing_twice(local: Local):
    image = discs(local)[0]
    outline(local, image, "ada")
    assert is_shown(local, image, "cid")
    assert is_shown(local, image, "cid")
    outline(local, image, "bob", of=discs(local)[1])
    assert is_shown(local, image, "cid")
    assert len(local.project.store.shown.of(image, "cid")) == 2
    assert local.project.store.shown.of(image, "ada") == local.project.store.shown.of(discs(local)[1], "cid") == []
    assert shown_before(local.hand_in(image, "cid").annotation) == [Drawer("ada", "rest"), Drawer("bob", "rest")]


def test_what_was_shown_is_not_taken_as_a_region_of_ones_own_unless_it_is_changed(local: Local):
    image, other = discs(local)[:2]
    by_ada = outline(local, image, "ada").annotation
    assert is_shown(local, image, "bob")
    with pytest.raises(BadInput, match=r"exactly what ada had outlined, as you were shown it, .* clear it; else name"):
        outline(local, image, "bob")
    found = local.project.store.annotations.find(image, regions=True)
    assert [row.id for row in found] == [by_ada.id], "else it would count twice"
    local.project.store.annotations.withdraw(by_ada.id, "ada")
    with pytest.raises(BadInput, match="exactly what ada had outlined"):
        outline(local, image, "bob")
    assert outline(local, image, "bob", of=other).created, "corrected"
    assert local.hand_in(image, "cid").created
    assert local.hand_in(image, "bob").created, "the same voxels with a finding"


def test_what_nobody_was_shown_may_be_the_same(local: Local):
    image = discs(local)[0]
    outline(local, image, "ada")
    assert outline(local, image, "bob").created
    assert is_shown(local, image, "boss")
    revised = Submission(image, "boss", local.folder / "region.nii.gz", REGION_INFO, revises=2)
    assert submit(local.project, revised).created, "it takes the place of the other"


def test_what_several_outlined_or_the_archive_has_is_known_as_it_was_sent(local: Local):
    image, other = discs(local)[:2]
    outline(local, image, "ada")
    outline(local, image, "bob", of=other)
    assert is_shown(local, image, "cid")
    volume = local.project.volume(local.project.store.images.get(image))
    both, _ = mask_of(local.project, shown_region(local.project, "cid", image))
    write_mask(local.folder / "both.nii.gz", both.astype(np.uint8), volume.affine)
    with pytest.raises(BadInput, match="exactly what ada and bob had outlined"):
        submit(local.project, Submission(image, "cid", local.folder / "both.nii.gz", REGION_INFO))
    there = archived(local, other)
    assert is_shown(local, other, "cid")
    write_mask(local.folder / "there.nii.gz", there.astype(np.uint8), volume.affine)
    with pytest.raises(BadInput, match="exactly what the archive has"):
        submit(local.project, Submission(other, "cid", local.folder / "there.nii.gz", REGION_INFO))


def test_what_was_taken_over_was_shown_nothing(local: Local):
    image = discs(local)[0]
    outline(local, image, "ada")
    label = write_label(local.folder / "label.nii.gz", local.pictures[image])
    taken = submit(local.project, Submission(image, "imported", label, INFO, source="import", origin="file"))
    assert shown_before(taken.annotation) == []


def test_a_label_file_that_is_damaged_shows_nothing(local: Local):
    image = discs(local)[0]
    receipt = outline(local, image, "ada")
    (local.project.workspace.labels / receipt.annotation.label_path).write_bytes(b"torn")
    assert mask_of(local.project, shown_region(local.project, "bob", image)) is None


@pytest.mark.parametrize(
    ("task", "shows"),
    [
        ({}, False),
        ({"show_regions": True}, True),
        ({"reveal": "always"}, True),
        ({"reveal": "always", "regions": False}, False),
    ],
)
def test_the_task_decides(tmp_path: Path, task: dict, shows: bool):
    local = Local(tmp_path, 6)
    image = discs(local)[0]
    outline(local, image, "ada")
    asked = local.copied(tmp_path / "copy", **task)
    assert is_shown(asked, image, "bob") is shows
    receipt = asked.hand_in(image, "bob")
    assert ("You were shown" in receipt.sentence) is shows
    assert ("shown" in receipt.annotation.params) is shows
