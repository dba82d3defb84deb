"""The sample data in a real browser: read, outlined and handed in, a slice and a volume."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from harness.browser import SLOW, Tab, place_in_slice, place_of, stored
from harness.server import Server

pytestmark = pytest.mark.e2e

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
FINDING = "solid"
"""The second of both tasks."""


def read_sample(name: str, folder: Path, tabs, serving) -> tuple[Tab, Server, str]:
    """Serve the sample data of a task, and open the first image for "dr_phantom"."""
    shutil.copytree(SAMPLE / name, folder / "studies")
    server = serving(Server(folder / "server", folder / "studies", name))
    tab = tabs(server, "dr_phantom").open()
    return tab, server, tab.next()


def test_a_slice_of_a_phantom_is_outlined_pixel_for_pixel(tmp_path: Path, tabs, serving):
    tab, server, image = read_sample("phantom_2d", tmp_path, tabs, serving)
    size = (96, 96)
    tab.tool("Box")
    tab.drag(place_of(tab, (20, 50), size), place_of(tab, (31, 57), size))
    tab.choose(FINDING)
    tab.hand_in()
    annotation, voxels, _ = stored(server, image, "dr_phantom")
    expected = np.zeros((96, 96, 1), int)
    expected[20:32, 50:58] = 2
    np.testing.assert_array_equal(voxels, expected)
    assert (annotation["finding"], annotation["roi_voxels"]) == (FINDING, 12 * 8)
    tab.page.get_by_text("No model had read this image").wait_for(timeout=SLOW)


def test_a_phantom_is_outlined_slice_by_slice_on_its_own_grid(tmp_path: Path, tabs, serving):
    tab, server, image = read_sample("phantom_3d", tmp_path, tabs, serving)
    volume = nib.load(tmp_path / "studies" / f"{image}.nii.gz")
    upright = nib.as_closest_canonical(volume)
    tab.tool("Box")
    expected = np.zeros(upright.shape, np.uint8)
    for k in (9, 10):
        tab.page.get_by_role("slider", name="Slice").fill(str(k))
        tab.drag(place_in_slice(tab, upright, 4, 6), place_in_slice(tab, upright, 8, 9))
        expected[4:9, 6:10, k] = 2
    tab.choose(FINDING)
    assert tab.outlined() == 40
    tab.hand_in()
    _, voxels, affine = stored(server, image, "dr_phantom")
    np.testing.assert_allclose(affine, volume.affine, atol=1e-5)
    drawn = nib.as_closest_canonical(nib.Nifti1Image(voxels.astype(np.uint8), affine))
    np.testing.assert_array_equal(np.asarray(drawn.dataobj), expected)
