"""The loop with 3D Slicer's own code: what is painted arrives in the store, and attention lands where Slicer shows it.

What Slicer holds is compared here with what was painted and stored,
with nibabel and pynrrd as independent readers of the files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from harness.pools import FINDINGS, TASK, write_label, write_pool
from harness.server import Server
from harness.slicer_core import read_with_slicer

from xal.store import AnnotationRow, Store

pytestmark = pytest.mark.e2e

ATTENTION = ["attention 1", "attention 2", "attention 3", "attention 4"]
EXTRA = "multiple: largest\ngate:\n  min_per_finding: 2\n"
TASK_3D = TASK.replace("dimensions: 2", "dimensions: 3").replace("[32, 32]", "[24, 20, 16]")
SAVES = (".nii.gz", ".nrrd", ".seg.nrrd", "cropped.seg.nrrd", "flat.seg.nrrd")
"""How the label is saved: a label map, or the segmentation (whole, or cropped to what is painted).

`flat` is a label map named .seg.nrrd, which the module makes where overlapping segments are not allowed.
"""
LAYERED = (".seg.nrrd", "cropped.seg.nrrd")
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Case:
    """One image of the pool and what Slicer's reader does with it."""

    id: str
    file: Path
    shape: tuple[int, int, int]
    save: str
    strokes: list[dict[str, np.ndarray]]
    """Per submission: voxels (n, 3) added to each segment."""
    remote: bool = False
    """Whether this Slicer runs on another machine than the server."""
    region: np.ndarray | None = None
    """Voxels (n, 3) that are handed in without a finding before all else."""

    def mask(self, segment: str, rounds: int) -> np.ndarray:
        """All that was painted into a segment until the end of a round."""
        mask = np.zeros(self.shape, bool)
        for strokes in self.strokes[:rounds]:
            mask[tuple(strokes.get(segment, np.zeros((0, 3), int)).T)] = True
        return mask

    def stored(self, rounds: int) -> np.ndarray:
        """The disc as the store must have it: in a label map, the square lies over it."""
        mask = self.mask("disc", rounds)
        return mask if self.save in LAYERED else mask & ~self.mask("square", rounds)


@dataclass(frozen=True)
class Session:
    """A pool that Slicer has gone through."""

    cases: dict[str, Case]
    report: dict[str, Any]
    pool: str

    def __getitem__(self, identifier: str) -> tuple[Case, dict[str, Any]]:
        said = self.report["images"].get(identifier, {"failed": f"{identifier} was never offered"})
        assert "failed" not in said, said["failed"]
        return self.cases[identifier], said


# pools


def oblique(spacing: tuple[float, float, float], degrees: tuple[float, float], origin: tuple[float, ...]) -> np.ndarray:
    """Voxel → RAS: two turns, anisotropic spacing."""
    a, b = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt * spacing
    affine[:3, 3] = origin
    return affine.astype(np.float32).astype(np.float64)


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.Nifti1Image(values, affine).to_filename(path)
    return path


def strokes(shape: tuple[int, int, int], rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """A ragged disc and one voxel in the last corner; then more of it everywhere, with a square over a part of it.

    Nothing of the first lies near the first corner, so cropping moves the origin.
    """
    size = np.array(shape)
    middle, reach = size // 2, np.maximum(size // 5, 1)
    box = np.argwhere(np.ones(np.minimum(2 * reach, size), bool)) + np.maximum(middle - reach, 0)
    ragged = box[rng.random(len(box)) < 0.7]
    left_over = rng.integers(size // 4, size, (25, 3))  # of an earlier run, under and beside the disc
    more = np.vstack([rng.integers(0, size, (40, 3)), [[0, 0, 0]]])
    return [
        {"disc": np.vstack([ragged, [size - 1]]), "attention 2": np.vstack([box[::3], left_over])},
        {"disc": more, "square": ragged[: len(ragged) // 4]},
    ]


def picture_cases(studies: Path) -> list[Case]:
    """Per way of saving a PNG, a slice as volume of one slice, the same slice across the first axis, a flat NIfTI."""
    rng = np.random.default_rng(7)
    tilted = oblique((0.7, 1.9, 5.0), (31, -17), (12.5, -40.25, 7.75))
    on_edge = tilted @ np.eye(4)[[1, 2, 0, 3]]
    cases = []
    for number, save in enumerate(SAVES):
        pixels = {
            name: rng.integers(0, 250, (40, 28)).astype(np.uint8) for name in ("picture", "slice", "edge", "flat")
        }
        file = studies / f"picture_{number}.png"
        sitk.WriteImage(sitk.GetImageFromArray(pixels["picture"].T), str(file))
        files = {
            "picture": ((40, 28, 1), file),
            "slice": ((40, 28, 1), write_nifti(studies / f"slice_{number}.nii.gz", pixels["slice"][..., None], tilted)),
            "edge": ((1, 40, 28), write_nifti(studies / f"edge_{number}.nii.gz", pixels["slice"][None], on_edge)),
            "flat": ((40, 28, 1), write_nifti(studies / f"flat_{number}.nii", pixels["flat"], tilted)),
        }
        for kind, (shape, path) in files.items():
            cases.append(Case(f"{kind}_{number}", path, shape, save, strokes(shape, rng)))
    return cases


def volume_cases(studies: Path) -> list[Case]:
    """Per way of saving one body, stored obliquely, and once more with its axes exchanged and two of them turned."""
    rng = np.random.default_rng(8)
    cases = []
    for number, save in enumerate(SAVES):
        body = rng.normal(0, 15, (22, 18, 13)).astype(np.int16)
        body[4:11, 8:14, 3:8] += 120
        affine = oblique((1.1, 2.3, 4.7), (20, 14), (-71.3, 33.1, 410.7))
        other, other_affine = rearranged(body, affine)
        for kind, values, geometry in (("oblique", body, affine), ("permuted", other, other_affine)):
            file = write_nifti(studies / f"{kind}_{number}.nii.gz", values, geometry)
            painted = strokes(values.shape, rng)
            cases.append(Case(f"{kind}_{number}", file, values.shape, save, painted, remote=kind == "permuted"))
        if save == "cropped.seg.nrrd":  # Slicer crops nothing to one voxel of uninitialised memory
            continue
        file = write_nifti(studies / f"blank_{number}.nii.gz", body[::-1].copy(), affine)
        cases.append(Case(f"blank_{number}", file, body.shape, save, [{}]))
    return cases


def rearranged(values: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same body: new axes (k reversed, i, j reversed), and the affine that says so."""
    change = np.zeros((4, 4))
    change[2, 0], change[0, 1], change[1, 2], change[3, 3] = -1, 1, -1, 1
    change[2, 3], change[1, 3] = values.shape[2] - 1, values.shape[1] - 1
    return values[:, ::-1, ::-1].transpose(2, 0, 1).copy(), affine @ change


def start_set_2d(folder: Path) -> dict[str, Path]:
    pictures = write_pool(folder / "studies", 30, seed=3)
    return {picture.id: write_label(folder / f"{picture.id}.nii.gz", picture) for picture in pictures}


def start_set_3d(folder: Path) -> dict[str, Path]:
    rng = np.random.default_rng(4)
    labels = {}
    for number in range(15):
        body, roi = rng.normal(0, 15, (22, 18, 13)), np.zeros((22, 18, 13), np.uint8)
        i, j, k = rng.integers(0, (15, 12, 8))
        if number % 3:
            roi[i : i + 7, j : j + 6, k : k + (5 if number % 3 == 1 else 2)] = number % 3
            body[roi > 0] += 120 if number % 3 == 1 else 240
        write_nifti(
            folder / "studies" / f"start_{number:02d}.nii.gz", body.astype(np.int16), np.diag([1.1, 2.3, 4.7, 1])
        )
        labels[f"start_{number:02d}"] = write_nifti(
            folder / f"start_{number:02d}.nii.gz", roi, np.diag([1.1, 2.3, 4.7, 1])
        )
    return labels


def go_through(folder: Path, task: str, start_set: dict[str, Path], cases: list[Case]) -> Session:
    """Serve a pool, train on its start set, and let Slicer read the rest."""
    (folder / "task.yaml").write_text(task + EXTRA)
    with Server(folder / "server", folder / "studies", str(folder / "task.yaml")) as server:
        for image, label in start_set.items():
            reply = server.submit(image, label, list(FINDINGS), "first")
            assert reply.ok, reply.text
        version = server.train()
        assert version["state"] == "published", version
        server.wait_scored()
        asked = {
            case.id: {
                "save": case.save,
                "remote": case.remote,
                "ask": ["predicted", *FINDINGS],
                "region": None if case.region is None else case.region.tolist(),
                "strokes": [{name: voxels.tolist() for name, voxels in round_.items()} for round_ in case.strokes],
            }
            for case in cases
        }
        report = read_with_slicer(server.url, folder, asked)
    pool = json.loads((folder / "studies/.xal/pool.json").read_text())["pool"]
    return Session({case.id: case for case in cases}, report, pool)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("pictures")
    start_set = start_set_2d(folder)
    return go_through(folder, TASK, start_set, picture_cases(folder / "studies"))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("volumes")
    (folder / "studies").mkdir()
    return go_through(folder, TASK_3D, start_set_3d(folder), volume_cases(folder / "studies"))


@pytest.fixture(params=SAVES)
def save(request: pytest.FixtureRequest) -> int:
    """A way of saving, as its position."""
    return SAVES.index(request.param)


@pytest.fixture(params=["picture", "slice", "edge", "flat", "oblique", "permuted"])
def case(request: pytest.FixtureRequest, save: int) -> tuple[Case, dict[str, Any]]:
    """One image and what Slicer reported of it."""
    pool = "volumes" if request.param in ("oblique", "permuted") else "pictures"
    return request.getfixturevalue(pool)[f"{request.param}_{save}"]


# comparing


def voxels_at(points: list[list[float]], affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The voxels whose centres lie at these RAS points; each point must be such a centre."""
    mask = np.zeros(shape, bool)
    if points:
        at = (np.array(points) - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
        assert np.abs(at - np.rint(at)).max() < 1e-3
        mask[tuple(np.rint(at).astype(int).T)] = True
        assert mask.sum() == len(points)
    return mask


def read_nrrd(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Values (i, j, k) and voxel → RAS of a NRRD file, read without ITK."""
    values, header = nrrd.read(path)
    assert header["space"] == "left-posterior-superior"
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.array(header["space directions"]).T, header["space origin"]
    return values, LPS @ affine


def test_slicer_sees_the_images_own_pixels_and_geometry(case):
    image, said = case
    assert tuple(said["shape"]) == image.shape
    affine, pixels = np.array(said["ijk_to_ras"]), np.array(said["pixels"])
    if image.file.suffix == ".png":
        assert np.array_equal(affine, LPS)
        assert np.array_equal(pixels[:, :, 0], sitk.GetArrayFromImage(sitk.ReadImage(str(image.file))).T)
        return
    file = nibabel.load(image.file)
    assert np.array_equal(pixels.reshape(file.shape), np.asanyarray(file.dataobj))
    if file.ndim == 3:  # of a two-dimensional file each reader makes its own third axis
        assert np.allclose(affine, file.affine, atol=1e-4)


def test_the_store_has_exactly_the_voxels_painted(case):
    image, said = case
    for rounds, submitted in enumerate(said["rounds"], start=1):
        stored = nibabel.load(submitted["stored"])
        values = np.asanyarray(stored.dataobj)
        assert values.shape == image.shape
        assert np.array_equal(values == 1, image.stored(rounds)), f"revision {rounds}"
        assert np.array_equal(values == 2, image.mask("square", rounds) & ~image.stored(rounds)), "no outline is lost"
        assert np.allclose(stored.affine, said["ijk_to_ras"], atol=1e-4)
        reply = submitted["reply"]
        assert (reply["finding"], reply["revision"]) == ("disc", rounds)
        assert reply["roi_voxels"] == image.stored(rounds).sum()
    assert "more than one finding was painted" in said["rounds"][1]["reply"]["message"]


def test_the_store_has_them_where_slicer_shows_them(case):
    image, said = case
    for submitted in said["rounds"]:
        stored = nibabel.load(submitted["stored"])
        shown = voxels_at(submitted["before"]["disc"], stored.affine, image.shape)
        if image.save not in LAYERED:
            shown &= ~voxels_at(submitted["before"]["square"], stored.affine, image.shape)
        assert np.array_equal(shown, np.asanyarray(stored.dataobj) == 1)


def test_segments_that_overlap_were_handed_in_as_layers_and_cropped(case):
    image, said = case
    first = said["rounds"][0]
    assert first["layers"] == 2
    if image.save in LAYERED:
        values, header = nrrd.read(first["file"])
        assert header["dimension"] == 4
        assert values.shape[0] == 2
        assert (values.shape[1:] == image.shape) == (image.save == ".seg.nrrd")


def test_nothing_is_shown_before_handing_in(case):
    _, said = case
    assert not any(said["blind"]["points"][name] for name in ATTENTION)
    assert "hand this image in" in said["blind"]["said"]["message"]


def test_attention_lands_where_slicer_shows_it(case):
    image, said = case
    for shown in (shown for submitted in said["rounds"] for shown in submitted["shown"]):
        values, affine = read_nrrd(shown["file"])
        assert values.shape == image.shape
        assert np.allclose(affine, said["ijk_to_ras"], atol=1e-4)
        names = shown["said"]["label_names"]
        assert sorted(names) == ATTENTION
        assert set(np.unique(values)) <= {0, *names.values()}
        for name in ATTENTION:
            assert np.array_equal(voxels_at(shown["points"][name], affine, image.shape), values == names[name]), name


def test_importing_attention_leaves_the_outlines_alone(case):
    _, said = case
    for submitted in said["rounds"]:
        for finding in FINDINGS:
            assert submitted["after"][finding] == submitted["before"][finding]


@pytest.mark.parametrize("kind", ["picture", "slice", "edge", "flat", "oblique", "permuted"])
def test_there_is_attention_to_be_seen(request, kind):
    session = request.getfixturevalue("volumes" if kind in ("oblique", "permuted") else "pictures")
    rounds = [session[f"{kind}_{number}"][1]["rounds"][0] for number in range(len(SAVES))]
    for name in ATTENTION:
        assert any(shown["points"][name] for submitted in rounds for shown in submitted["shown"]), name


@pytest.mark.parametrize(("pool", "kind", "other"), [("pictures", "slice", "edge"), ("volumes", "oblique", "permuted")])
def test_the_same_body_stored_otherwise_has_its_attention_at_the_same_place(request, save, pool, kind, other):
    session = request.getfixturevalue(pool)
    image, said = session[f"{kind}_{save}"]
    _, otherwise = session[f"{other}_{save}"]
    affine = np.array(said["ijk_to_ras"])
    for one, two in zip(said["rounds"][0]["shown"], otherwise["rounds"][0]["shown"], strict=True):
        for name in ATTENTION:
            here = voxels_at(one["points"][name], affine, image.shape)
            there = voxels_at(two["points"][name], affine, image.shape)
            assert (here != there).mean() < 0.005  # rounding may move a voxel that lies on the edge of a band


@pytest.mark.parametrize("save", [n for n, name in enumerate(SAVES) if name != "cropped.seg.nrrd"])
def test_an_empty_segmentation_is_the_absent_finding(volumes, save):
    image, said = volumes[f"blank_{save}"]
    (submitted,) = said["rounds"]
    assert submitted["reply"]["finding"] == "nothing"
    stored = nibabel.load(submitted["stored"])
    assert stored.shape == image.shape
    assert not np.asanyarray(stored.dataobj).any()
    assert np.allclose(stored.affine, said["ijk_to_ras"], atol=1e-4)


@pytest.fixture(scope="module")
def outlined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, dict[str, list[AnnotationRow]]]:
    """Pictures that Slicer's reader outlines first and names later, and what the store then has of each."""
    folder = tmp_path_factory.mktemp("outlined")
    start_set = start_set_2d(folder)
    rng = np.random.default_rng(9)
    cases = []
    for number, save in enumerate(SAVES):
        file = folder / "studies" / f"outlined_{number}.png"
        sitk.WriteImage(sitk.GetImageFromArray(rng.integers(0, 250, (28, 40)).astype(np.uint8)), str(file))
        shape = (40, 28, 1)
        region = np.array([12, 11, 0]) + np.argwhere(np.ones((9 + number, 7, 1), bool))
        cases.append(Case(file.stem, file, shape, save, strokes(shape, rng)[:1], region=region))
    session = go_through(folder, TASK, start_set, cases)
    store = Store.open(f"sqlite:///{folder / 'studies/.xal/store.sqlite'}", session.pool, "tiny")
    kept = {case.id: store.annotations.find(case.id, regions=True) for case in cases}
    store.close()
    return session, kept


def test_an_outline_without_a_finding_leaves_the_image_open_until_the_finding_is_handed_in(outlined, save):
    session, kept = outlined
    image, said = session[f"outlined_{save}"]
    first = said["region"]
    assert (first["reply"]["finding"], first["reply"]["region"]) == (None, True)
    assert first["reply"]["roi_voxels"] == len(image.region)
    assert "hand this image in" in first["blind"]["message"], "who only outlined it reads on blind"
    assert [(row["region"], row["finding"]) for row in first["listed"]] == [(True, None)]
    (submitted,) = said["rounds"]
    assert (submitted["reply"]["finding"], submitted["reply"]["region"]) == ("disc", False)
    assert np.array_equal(np.asanyarray(nibabel.load(submitted["stored"]).dataobj) == 1, image.stored(1))
    region, finding = kept[image.id]
    assert (region.finding, region.active, finding.finding, finding.active) == ("region", True, "disc", True)
    assert finding.story.roi_source == "drawn"
    assert finding.story.overlap_before is not None
    if finding.story.finding != "nothing":
        assert finding.story.misalignment == pytest.approx(1 - finding.story.overlap_before, abs=1e-6)


def test_this_was_slicer(pictures, volumes):
    assert pictures.report["slicer"].startswith("5.")
    assert set(pictures.report["images"]) == set(pictures.cases)
    assert set(volumes.report["images"]) == set(volumes.cases)
