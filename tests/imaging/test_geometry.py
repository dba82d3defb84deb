import itertools

import numpy as np
import pytest
import torch
from nibabel.orientations import aff2axcodes

from xal.errors import BadInput
from xal.imaging.geometry import grid_to_image, prepare, roi_to_grid
from xal.imaging.images import Volume
from xal.task import Task

SPACING = (0.7, 1.1, 3.0)
SHAPE = (24, 20, 18)


def task(size: tuple[int, ...], **image: object) -> Task:
    findings = [{"name": "glioma"}, {"name": "none", "absent": True}]
    settings = {"dimensions": len(size), "size": size, **image}
    return Task.model_validate({"name": "t", "title": "T", "findings": findings, "image": settings})


def oblique(order: tuple[int, ...] = (0, 1, 2), flips: tuple[int, ...] = (1, 1, 1)) -> np.ndarray:
    """A tilted, anisotropic affine whose axes are permuted and flipped."""
    a, b, c = 0.25, -0.2, 0.15
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = (about_x @ about_y @ about_z)[:, list(order)] @ np.diag(np.multiply(flips, SPACING))
    affine[:3, 3] = [-31.5, 12.25, 104.0]
    return affine


ORIENTATIONS = [
    oblique(order, flips)
    for order in itertools.permutations(range(3))
    for flips in ((1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1))
]


def blob(affine: np.ndarray, centre: np.ndarray, radius: float, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A Gaussian at a place in the world, as an image with this affine shows it."""
    index = np.stack([*np.indices(shape), np.ones(shape)])
    world = np.tensordot(affine, index, axes=1)[:3]
    return np.exp(-((world - centre[:, None, None, None]) ** 2).sum(0) / (2 * radius**2)).astype(np.float32)


def centre_of_mass(values: np.ndarray) -> np.ndarray:
    return np.array([(index * values).sum() / values.sum() for index in np.indices(values.shape)])


@pytest.mark.parametrize("affine", ORIENTATIONS)
@pytest.mark.parametrize("spacing", [None, (1.2, 1.4, 1.3)])
def test_a_place_in_the_world_lands_where_the_grid_matrix_says(affine: np.ndarray, spacing: tuple[float, ...] | None):
    centre = (affine @ [11.3, 9.8, 8.9, 1])[:3]
    volume = Volume(blob(affine, centre, 3.5)[None], affine)
    prepared = prepare(volume, task((40, 44, 48), spacing=spacing, intensity={"kind": "window", "low": 0, "high": 1}))
    seen = centre_of_mass(prepared.tensor[0].numpy())
    assert np.allclose((affine @ prepared.grid @ [*seen, 1])[:3], centre, atol=0.15)


@pytest.mark.parametrize("affine", ORIENTATIONS)
def test_the_grid_of_a_volume_points_right_anterior_and_superior(affine: np.ndarray):
    prepared = prepare(Volume(np.ones((1, *SHAPE), np.float32), affine), task((16, 17, 18)))
    assert aff2axcodes(affine @ prepared.grid) == ("R", "A", "S")


def test_the_same_world_gives_the_same_tensor_however_its_axes_are_stored():
    random = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    settings = task((16, 17, 18))
    reference = prepare(Volume(random[None], oblique()), settings)
    # The reference stored with other axes: a permutation and flips of voxels, with the affine that undoes them.
    for order, flips in (((2, 0, 1), (1, -1, 1)), ((1, 0, 2), (-1, -1, 1))):
        stored = random.transpose(order)[tuple(slice(None, None, flip) for flip in flips)]
        move = np.zeros((4, 4))
        for position, (axis, flip) in enumerate(zip(order, flips, strict=True)):
            move[axis, position] = flip
            move[axis, 3] = SHAPE[axis] - 1 if flip < 0 else 0
        move[3, 3] = 1
        again = prepare(Volume(np.ascontiguousarray(stored)[None], oblique() @ move), settings)
        assert torch.allclose(again.tensor, reference.tensor, atol=1e-5)
        assert np.allclose(oblique() @ move @ again.grid, oblique() @ reference.grid)


@pytest.mark.parametrize("affine", ORIENTATIONS)
@pytest.mark.parametrize(
    ("size", "spacing"), [((16, 17, 19), None), ((40, 40, 40), None), ((20, 30, 60), (1.9, 2.3, 1.1))]
)
def test_the_volume_of_an_roi_is_conserved(
    affine: np.ndarray, size: tuple[int, int, int], spacing: tuple[float, ...] | None
):
    mask = np.random.default_rng(0).random(SHAPE) < 0.2
    settings = task(size, spacing=spacing)
    if spacing is None:
        inside = mask
    else:  # keep the mask where the grid certainly reaches
        inside = np.zeros_like(mask)
        inside[9:15, 8:12, 7:11] = mask[9:15, 8:12, 7:11]
    coverage = roi_to_grid(inside, affine, settings)
    grid = prepare(Volume(np.ones((1, *SHAPE), np.float32), affine), settings).grid
    cell = abs(np.linalg.det((affine @ grid)[:3, :3]))
    assert coverage.dtype == np.float32
    assert coverage.shape == size
    assert coverage.sum() * cell == pytest.approx(inside.sum() * abs(np.linalg.det(affine[:3, :3])), rel=1e-4)


def test_coverage_is_the_share_of_each_cell():
    mask = np.zeros((64, 32, 1), bool)
    mask[2:4, 0, 0] = True  # a cell is two voxels wide: this is the whole second one
    mask[8, 5, 0] = True
    coverage = roi_to_grid(mask, np.eye(4), task((32, 32)))
    assert coverage[1, 0] == pytest.approx(1)
    assert coverage[4, 5] == pytest.approx(0.5)
    assert coverage.sum() == pytest.approx(1.5)


def test_a_single_voxel_is_never_lost():
    mask = np.zeros((160, 160, 1), bool)
    mask[81, 3, 0] = True
    assert roi_to_grid(mask, np.eye(4), task((16, 16))).sum() == pytest.approx(0.01, rel=1e-5)


@pytest.mark.parametrize("affine", ORIENTATIONS)
@pytest.mark.parametrize("spacing", [None, (1.2, 1.4, 1.3)])
def test_attention_comes_back_to_the_place_it_was_paid_to(affine: np.ndarray, spacing: tuple[float, ...] | None):
    """A map that is linear in the world is, between the cells' centres, the same linear function on the image."""
    settings = task((24, 28, 32), spacing=spacing)
    volume = Volume(np.zeros((1, *SHAPE), np.float32), affine)
    to_world = affine @ prepare(volume, settings).grid
    cells = np.stack([*((np.indices((6, 7, 8)) + 0.5) * 4 - 0.5), np.ones((6, 7, 8))])
    direction = np.array([0.3, -0.7, 0.5])
    attention = np.tensordot(direction, np.tensordot(to_world, cells, axes=1)[:3], axes=1)
    shown = grid_to_image(attention, volume, settings, "linear")
    voxels = np.stack([*np.indices(SHAPE), np.ones(SHAPE)])
    seen_at = np.tensordot(np.linalg.inv(prepare(volume, settings).grid), voxels, axes=1)[:3]
    ends = np.array([24, 28, 32])[:, None, None, None] - 2.5
    between = ((seen_at >= 1.5) & (seen_at <= ends)).all(axis=0)
    expected = np.tensordot(direction, np.tensordot(affine, voxels, axes=1)[:3], axes=1)
    assert shown.shape == SHAPE
    assert shown.dtype == np.float32
    assert between.sum() > 1000
    assert np.allclose(shown[between], expected[between], atol=1e-3)


def test_linear_shows_a_ramp_as_a_ramp_and_nearest_shows_the_cells():
    volume = Volume(np.zeros((1, 64, 32, 1), np.float32), np.eye(4))
    ramp = np.repeat(np.arange(4.0)[:, None], 4, axis=1)
    linear = grid_to_image(ramp, volume, task((32, 32)), "linear")
    centres = (np.arange(64) + 0.5) / 16 - 0.5
    assert np.allclose(linear[:, 7, 0], np.clip(centres, 0, 3), atol=1e-6)
    nearest = grid_to_image(ramp, volume, task((32, 32)), "nearest")
    assert np.array_equal(nearest[:, 7, 0], np.arange(64) // 16)


def test_what_the_network_did_not_see_gets_no_attention():
    volume = Volume(np.zeros((1, 64, 64, 1), np.float32), np.eye(4))
    shown = grid_to_image(np.ones((2, 2)), volume, task((32, 32), spacing=(1, 1)), "nearest")
    assert shown[16:48, 16:48].min() == 1
    assert shown.sum() == 32 * 32


def test_an_image_that_fits_is_passed_on_bit_for_bit():
    pixels = np.random.default_rng(0).random((1, 32, 48, 1)).astype(np.float32)
    settings = task((32, 48), intensity={"kind": "window", "low": 0, "high": 1})
    prepared = prepare(Volume(pixels, np.diag([-1.0, -1, 1, 1])), settings)
    assert np.array_equal(prepared.tensor.numpy(), pixels[..., 0])
    assert prepared.tensor.dtype == torch.float32
    assert np.array_equal(prepared.grid, np.eye(4))


def test_shrinking_averages_instead_of_skipping():
    stripes = np.zeros((1, 128, 16, 1), np.float32)
    stripes[:, ::2] = 1
    prepared = prepare(Volume(stripes, np.eye(4)), task((16, 16), intensity={"kind": "window", "low": 0, "high": 1}))
    assert np.allclose(prepared.tensor.numpy(), 0.5, atol=0.05)


@pytest.mark.parametrize("through", [0, 1, 2])
def test_the_slice_of_a_2d_task_may_lie_along_any_axis(through: int):
    shape = [20, 24, 28]
    shape[through] = 1
    affine = oblique()
    pixels = np.random.default_rng(0).random(shape).astype(np.float32)
    settings = task((16, 16), intensity={"kind": "window", "low": 0, "high": 1})
    prepared = prepare(Volume(pixels[None], affine), settings)
    assert prepared.tensor.shape == (1, 16, 16)
    kept = [axis for axis in range(3) if axis != through]
    corner = prepared.grid @ [-0.5, -0.5, 0, 1]
    opposite = prepared.grid @ [15.5, 15.5, 0, 1]
    assert np.allclose(corner[kept], -0.5)
    assert np.allclose(opposite[kept], [shape[axis] - 0.5 for axis in kept])
    assert corner[through] == opposite[through] == 0
    assert abs(np.linalg.det(prepared.grid)) > 0
    assert grid_to_image(np.ones((4, 4)), Volume(pixels[None], affine), settings).shape == tuple(shape)
    assert roi_to_grid(np.ones(shape, bool), affine, settings) == pytest.approx(np.ones((16, 16)))


def test_a_grid_with_a_spacing_is_centred_and_padded_with_the_darkest_value():
    pixels = np.linspace(1, 2, 10 * 12, dtype=np.float32).reshape(1, 10, 12, 1)
    volume = Volume(pixels, np.diag([2.0, 2, 1, 1]))
    for kind in ("percentile", "zscore"):
        prepared = prepare(volume, task((32, 32), spacing=(2, 2), intensity={"kind": kind}))
        tensor = prepared.tensor[0].numpy()
        assert np.allclose(prepared.grid @ [15.5, 15.5, 0, 1], [4.5, 5.5, 0, 1])
        assert np.allclose(tensor[:11], tensor.min())
        assert tensor[11:21, 10:22].std() > 0.1
        assert tensor[11:21, 10:22].max() == tensor.max()


def test_intensity_is_measured_on_the_image_not_on_the_padding():
    pixels = np.random.default_rng(0).normal(100, 7, (1, 20, 20, 1)).astype(np.float32)
    prepared = prepare(Volume(pixels, np.eye(4)), task((40, 40), spacing=(1, 1), intensity={"kind": "zscore"})).tensor[
        0, 10:30, 10:30
    ]
    assert float(prepared.mean()) == pytest.approx(0, abs=1e-4)
    assert float(prepared.std(correction=0)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", ["percentile", "zscore", "window", "stored"])
def test_a_flat_image_stays_finite(kind: str):
    pixels = np.full((1, 20, 20, 1), 7.0, np.float32)
    prepared = prepare(Volume(pixels, np.eye(4)), task((16, 16), intensity={"kind": kind}))
    assert torch.isfinite(prepared.tensor).all()


def test_percentiles_map_to_zero_and_one():
    pixels = np.arange(32 * 32, dtype=np.float32).reshape(1, 32, 32, 1)
    prepared = prepare(Volume(pixels, np.eye(4)), task((32, 32), intensity={"low": 10, "high": 90}))
    assert float((prepared.tensor == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float((prepared.tensor == 1).float().mean()) == pytest.approx(0.1, abs=0.01)


def test_the_stored_window_maps_to_zero_and_one_and_without_one_the_percentiles_do():
    pixels = np.arange(32 * 32, dtype=np.float32).reshape(1, 32, 32, 1)
    settings = task((32, 32), intensity={"kind": "stored", "low": 10, "high": 90})
    shown = prepare(Volume(pixels, np.eye(4), window=(256.0, 768.0)), settings).tensor
    assert float((shown == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float((shown == 1).float().mean()) == pytest.approx(0.25, abs=0.01)
    percentiles = prepare(Volume(pixels, np.eye(4)), task((32, 32), intensity={"low": 10, "high": 90})).tensor
    assert torch.equal(prepare(Volume(pixels, np.eye(4)), settings).tensor, percentiles)


def test_channels_are_scaled_one_by_one():
    pixels = (
        np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32) * np.array([1, 1000])[:, None, None, None]
    )
    prepared = prepare(Volume(pixels.astype(np.float32), np.eye(4)), task((32, 32), channels=2))
    assert np.allclose(prepared.tensor.amax(dim=(1, 2)), 1)


def test_a_grey_picture_stored_in_colour_fits_a_task_of_one_channel():
    grey = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
    opaque = np.concatenate([grey, grey, grey, np.full_like(grey, 255)])
    expected = prepare(Volume(grey, np.eye(4)), task((32, 32))).tensor
    assert torch.equal(prepare(Volume(opaque, np.eye(4)), task((32, 32))).tensor, expected)
    assert prepare(Volume(opaque, np.eye(4)), task((32, 32), channels=3)).tensor.shape == (3, 32, 32)


def test_a_colour_picture_is_grey_to_a_task_of_one_channel():
    colour = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype(np.float32)
    luma = np.rint(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])[np.newaxis].astype(np.float32)
    expected = prepare(Volume(luma, np.eye(4)), task((32, 32))).tensor
    assert torch.equal(prepare(Volume(colour, np.eye(4)), task((32, 32))).tensor, expected)
    assert prepare(Volume(colour, np.eye(4)), task((32, 32), channels=3)).tensor.shape == (3, 32, 32)


def test_three_measurements_are_not_taken_for_colours():
    measured = np.random.default_rng(0).normal(300, 100, (3, 32, 32, 1)).astype(np.float32)
    with pytest.raises(BadInput, match=r"3 channel\(s\), task 't' wants 1"):
        prepare(Volume(measured, np.eye(4)), task((32, 32)))


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((2, 32, 32, 1), task((16, 16)), r"2 channel\(s\), task 't' wants 1"),
        ((1, 32, 32, 5), task((16, 16)), "volume \\(32×32×5\\), task 't' wants single slices"),
        ((1, 32, 32, 1), task((16, 16, 16)), "single slice \\(32×32×1\\), task 't' wants volumes"),
        ((1, 32, 2, 1), task((16, 16), spacing=(1, 5)), "axis j spans 2 mm"),
    ],
)
def test_an_image_that_does_not_fit_the_task_is_refused(shape: tuple[int, ...], settings: Task, message: str):
    with pytest.raises(BadInput, match=message):
        prepare(Volume(np.random.default_rng(0).random(shape).astype(np.float32), np.eye(4)), settings)
