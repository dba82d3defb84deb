"""Pixels that somebody corrects in the archive under the same UID are another image, once they are fetched anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from harness.archive import FakeArchive, project_on, x_rays
from harness.hospital import publish_untrained
from pydicom import Dataset

import phantoms
from xal.errors import Unavailable
from xal.imaging.images import write_label
from xal.loop.scoring import put_aside, score_pool
from xal.loop.submission import Submission, submit
from xal.pool.project import Project
from xal.pool.views import thumbnail_file
from xal.store.rows import ImageRow


def picture(number: int, colour: bool, turned: bool = False) -> Dataset:
    """An X-ray, as grey or as colour values; turned, what was bright is dark."""
    instance = x_rays(number + 1)[number]
    grey = np.frombuffer(instance.PixelData, np.uint16) >> (instance.BitsStored - 8)
    grey = (grey.max() - grey if turned else grey).astype(np.uint8)
    instance.BitsAllocated, instance.BitsStored, instance.HighBit = 8, 8, 7
    instance.SamplesPerPixel, instance.PhotometricInterpretation = 1, "MONOCHROME2"
    if colour:
        instance.SamplesPerPixel, instance.PhotometricInterpretation, instance.PlanarConfiguration = 3, "RGB", 0
    instance.PixelData = np.repeat(grey, instance.SamplesPerPixel).tobytes()
    return instance


@dataclass
class Ward:
    """An archive of two X-rays, and the project on it."""

    archive: FakeArchive
    project: Project
    colour: bool

    def first(self) -> ImageRow:
        return self.project.store.images.get(phantoms.case("dx", 0).series)

    def make_room(self) -> None:
        """What was fetched is to be fetched again."""
        for fetched in (self.project.workspace.state / "archive").rglob("*.nii.gz"):
            fetched.unlink()

    def correct(self, pixels: bool = True) -> None:
        """Other pixels, or another spacing, under the same UID."""
        instance = picture(0, self.colour, turned=pixels)
        if not pixels:
            instance.ImagerPixelSpacing = instance.PixelSpacing = [0.25, 0.25]
        self.archive.admit(instance)
        self.make_room()

    def hand_in(self) -> None:
        row, label = self.first(), self.project.workspace.cache / "label.nii.gz"
        volume = self.project.volume(row)
        write_label(label, np.zeros(volume.shape, np.uint8), volume.affine)
        submit(self.project, Submission(row.id, "ada", label, [], self.project.task.absent))


@pytest.fixture(params=[False, True], ids=["sent as fetched", "sent as a copy"])
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Ward]:
    with FakeArchive() as archive:
        archive.admit(*(picture(number, request.param) for number in range(2)))
        project = project_on(archive, tmp_path, monkeypatch)
        publish_untrained(project)
        yield Ward(archive, project, request.param)


def score(ward: Ward) -> int:
    return score_pool(ward.project, lambda done, total: None).scored


@pytest.mark.parametrize("pixels", [True, False])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_sent_is_what_its_checksum_says(ward: Ward, pixels: bool, restarted: bool):
    before = ward.project.served(ward.first())[1]
    ward.correct(pixels)
    project = Project.open(ward.project.task, ward.archive.address) if restarted else ward.project
    path, checksum = project.served(ward.first())
    assert checksum == hashlib.sha256(path.read_bytes()).hexdigest() == ward.first().checksum != before
    assert project.served(ward.first()) == (path, checksum)


def test_annotations_of_other_pixels_do_not_count(ward: Ward):
    project = ward.project
    ward.hand_in()
    before = ward.first()
    assert before.status == "settled"
    prepared, thumbnail = project.prepared(before).tensor, thumbnail_file(project, before).read_bytes()
    pixels = project.volume(before).pixels
    ward.correct()
    for _ in range(2):  # whoever still has the old row is told again
        with pytest.raises(Unavailable, match="other pixels"):
            project.volume(before)
    now = ward.first()
    assert now.fingerprint != before.fingerprint
    assert (now.outdated, now.status) == (True, "review")
    np.testing.assert_array_equal(project.volume(now).pixels, pixels.max() - pixels)
    assert (project.prepared(now).tensor != prepared).any()
    assert thumbnail_file(project, now).read_bytes() != thumbnail


def test_an_image_that_waits_is_scored_anew(ward: Ward):
    assert score(ward) == 2
    ward.correct()
    assert ward.project.store.predictions.stale_count(1) == 0, "nobody has looked yet"
    ward.project.served(ward.first())
    assert ward.project.store.predictions.stale_count(1) == 1
    assert score(ward) == 1
    assert ward.project.store.predictions.get(ward.first().id).fingerprint == ward.first().fingerprint


def test_scoring_that_meets_a_corrected_image_takes_it_as_it_is_now(ward: Ward):
    ward.project.volume(ward.first())
    before = ward.first()
    ward.correct()
    for kept in ward.project.workspace.cache.rglob("*.npz"):
        kept.unlink()
    assert score(ward) == 2
    assert put_aside(ward.project).now() == set()
    assert ward.project.store.predictions.get(ward.first().id).fingerprint == ward.first().fingerprint
    assert ward.first().fingerprint != before.fingerprint


def test_what_is_fetched_again_unchanged_stays_as_it_was(ward: Ward):
    assert score(ward) == 2
    kept = ward.project.served(ward.first())
    ward.make_room()
    assert ward.project.served(ward.first()) == kept
    assert ward.project.volume(ward.first()).pixels.size
    assert ward.project.store.predictions.stale_count(1) == 0
