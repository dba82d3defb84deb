"""What a reader's client is told about the next image."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from harness.pools import TASK, write_pool

from xal.loop.reader import Reader
from xal.pool.project import Project
from xal.server.strategy import lonely_name, strategies
from xal.task import load_task


def next_samples(folder: Path, task: str, share_paths: bool) -> list[dict]:
    (folder / "task.yaml").write_text(task)
    project = Project.open(load_task(folder / "task.yaml"), str(folder / "studies"))
    project.sync()
    chosen = strategies(project, share_paths)["xal"]
    return [chosen({"client_id": "reader"}, None) for _ in range(3)]


def taken_for_a_series(names: list[str]) -> bool:
    """Slicer's rule: two names that are the same but for one number are slices of one volume."""
    patterns = set()
    for name in names:
        for number in re.finditer("[0-9]+", name):
            pattern = (name[: number.start()], name[number.end() :])
            if pattern in patterns:
                return True
            patterns.add(pattern)
    return False


def test_names_of_single_slices_are_no_series():
    plain = [f"scan{series}_{n:03d}.png" for series in (1, 2) for n in range(500)]
    assert taken_for_a_series(plain)
    assert not taken_for_a_series([lonely_name(name.removesuffix(".png"), name) for name in plain])


def test_an_images_name_is_always_the_same_and_keeps_its_suffix():
    assert lonely_name("a_1", "a_1.nii.gz") == lonely_name("a_1", "a_1.nii.gz")
    assert lonely_name("a_1", "a_1.nii.gz").endswith(".nii.gz")
    assert lonely_name("a_1", "a_1.png").startswith("a_1.")


@pytest.mark.parametrize("share_paths", [True, False])
def test_single_slices_are_always_downloaded(tmp_path, share_paths):
    write_pool(tmp_path / "studies", 3)
    samples = next_samples(tmp_path, TASK, share_paths)
    assert not any("path" in sample for sample in samples)
    assert not taken_for_a_series([sample["name"] for sample in samples])


@pytest.mark.parametrize("share_paths", [True, False])
def test_volumes_are_opened_in_place_where_that_is_allowed(tmp_path, share_paths):
    (tmp_path / "studies").mkdir()
    values = np.random.default_rng(0).normal(0, 1, (3, 18, 17, 16)).astype(np.float32)
    for number, volume in enumerate(values):
        nibabel.Nifti1Image(volume, np.eye(4)).to_filename(tmp_path / "studies" / f"volume_{number}.nii.gz")
    task = TASK.replace("dimensions: 2", "dimensions: 3").replace("[32, 32]", "[16, 16, 16]")
    samples = next_samples(tmp_path, task, share_paths)
    for sample in samples:
        assert sample.get("path") == (str(tmp_path / "studies" / sample["name"]) if share_paths else None)


def test_the_name_tells_slicer_of_which_images_the_finding_alone_is_wanted(tmp_path):
    write_pool(tmp_path / "studies", 3)
    for share, wanted in (("1", True), ("0", False)):
        samples = next_samples(tmp_path, f"{TASK}outline: {{share: {share}}}\n", False)
        assert [sample["xal"]["outline_wanted"] for sample in samples] == [wanted] * 3
        assert [".finding-alone." in sample["name"] for sample in samples] == [not wanted] * 3
        assert all(sample["name"].startswith(sample["id"]) for sample in samples)
        assert not taken_for_a_series([sample["name"] for sample in samples])


def test_who_is_asked_for_outlines_is_asked_for_all_of_them(tmp_path):
    write_pool(tmp_path / "studies", 3)
    (tmp_path / "task.yaml").write_text(f"{TASK}outline: {{share: 0}}\n")
    project = Project.open(load_task(tmp_path / "task.yaml"), str(tmp_path / "studies"))
    project.sync()
    said = strategies(project, False)["xal"]({"reader": Reader("technologist", outliner=True)}, None)["xal"]
    assert (said["asked_for"], said["outline_wanted"]) == ("region", True)


def test_what_an_image_asks_for_is_the_same_for_all_who_are_given_it(tmp_path):
    write_pool(tmp_path / "studies", 12)
    (tmp_path / "task.yaml").write_text(f"{TASK}outline: {{share: 0.5}}\n")
    project = Project.open(load_task(tmp_path / "task.yaml"), str(tmp_path / "studies"))
    project.sync()
    chosen = strategies(project, False)

    def all_asked(reader: str, strategy: str) -> dict[str, bool]:
        said = {}
        for _ in range(12):
            sample = chosen[strategy]({"client_id": reader}, None)
            said[sample["id"]] = sample["xal"]["outline_wanted"]
            project.store.queue.release(sample["id"], reader)
        return said

    first = all_asked("ada", "xal")
    assert len(first) == 12
    assert set(first.values()) == {True, False}
    assert all_asked("bob", "uniform") == first
