"""3D Slicer's own code on an archive: a series is shown where DICOM says it lies, and painted where it is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness.hospital import Hospital, quick_task
from harness.slicer_core import read_with_slicer

from phantoms import Case
from xal.imaging.dicom_planes import Plane, place

pytestmark = pytest.mark.e2e

KINDS = ("ct", "mr", "mr_enhanced")
LPS = np.array([-1.0, -1.0, 1.0])


def painted(case: Case) -> np.ndarray:
    """Voxels (n, 3) of a ragged ball that no flip or exchange of axes leaves as it is."""
    shape = np.array(case.pixels.shape[1:])
    grid = np.argwhere(np.ones(shape, bool))
    ball = grid[(((grid - shape * (0.3, 0.4, 0.6)) / (shape / 6)) ** 2).sum(1) < 1]
    return np.vstack([ball, [[1, 2, 0], [shape[0] - 2, 1, 1]]])


@pytest.fixture(scope="module")
def gone_through(tmp_path_factory: pytest.TempPathFactory) -> tuple[Hospital, dict[str, Any], dict[str, Any]]:
    """What Slicer saw of a CT, an oblique MR and an enhanced MR, and the segmentation the archive has of each."""
    folder = tmp_path_factory.mktemp("slicer")
    hospital = Hospital.build(folder, quick_task(folder, "phantom_3d"))
    with hospital.archive:
        for kind in KINDS:
            hospital.admit(kind, 1)
        with hospital.server as server:
            asked = {
                uid: {"save": ".nii.gz", "remote": True, "ask": [], "strokes": [{"solid": painted(case).tolist()}]}
                for uid, case in hospital.cases.items()
            }
            report = read_with_slicer(server.url, folder, asked)
            outlines = hospital.wait_for_objects("SEG", len(KINDS))
    return hospital, report["images"], {str(one.StudyInstanceUID): one for one in outlines}


@pytest.mark.parametrize("kind", KINDS)
def test_slicer_shows_a_series_where_it_lies_and_the_archive_gets_what_was_painted_there(gone_through, kind: str):
    hospital, seen, outlines = gone_through
    case = next(case for case in hospital.cases.values() if case.kind == kind)
    said = seen[case.series]
    assert "failed" not in said, said.get("failed")
    np.testing.assert_allclose(said["ijk_to_ras"], case.affine, atol=1e-3)
    np.testing.assert_allclose(np.array(said["pixels"]), case.pixels[0], rtol=1e-5)
    assert said["rounds"][0]["reply"]["finding"] == "solid"
    shown = np.array(said["rounds"][0]["before"]["solid"])  # RAS millimetres, by Slicer
    assert same_points(shown, positions(outlines[case.study]))
    assert len(shown) == len(painted(case))


def positions(outline: Any) -> np.ndarray:
    """Where the pixels of a segmentation lie by its own header, in RAS millimetres."""
    frames = np.atleast_3d(outline.pixel_array.reshape(-1, outline.Rows, outline.Columns))
    found = []
    for number, frame in enumerate(frames, start=1):
        where = place(Plane(outline, number))
        assert where is not None
        rows, columns = np.nonzero(frame)
        found.append(where.position + np.outer(columns, where.across) + np.outer(rows, where.down))
    return np.vstack(found) * LPS


def same_points(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether each point has its like among the others, within a hundredth of a millimetre."""
    distances = np.linalg.norm(some[:, None] - others[None], axis=2)
    return len(some) == len(others) and bool((distances.min(1) < 0.01).all() and (distances.min(0) < 0.01).all())
