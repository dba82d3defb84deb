"""What a browser is shown of one image."""

from __future__ import annotations

import os
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from harness.official import write_xray
from PIL import Image
from synthetic import make_task

from xal.errors import Unreadable
from xal.imaging.display import screen_of, thumbnail
from xal.imaging.geometry import grid_to_image
from xal.imaging.images import Header, Volume, read_image
from xal.imaging.integrity import Kind
from xal.pool.project import Project
from xal.pool.views import attention_nifti, coarser, display_file, header_of, thumbnail_file
from xal.store.rows import ImageRow
from xal.task import Task

RNG = np.random.default_rng(3)
OBLIQUE = np.array([[0.0, 0.4, -2.4, 11], [-0.9, 0.0, 0.0, 40], [0.0, -0.3, -3.2, 7], [0, 0, 0, 1]])
"""A volume whose axes run back, right, and down and left, none of them straight."""


def project_on(folder: Path, dimensions: int = 2, channels: int = 1, display_channel: int = 0) -> Project:
    task = make_task(dimensions=dimensions, size=16, channels=channels)
    image = task.image.model_copy(update={"display_channel": display_channel})
    project = Project.open(task.model_copy(update={"image": image}), str(folder))
    project.sync()
    return project


def only_image(project: Project) -> ImageRow:
    (row,) = project.store.images.find()
    return row


def shown(project: Project) -> nibabel.Nifti1Image:
    return nibabel.load(display_file(project, only_image(project)))


def voxels(image: nibabel.Nifti1Image) -> np.ndarray:
    return np.asarray(image.dataobj)


# the display channel


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_png_keeps_its_values_and_their_type(tmp_path: Path, kind: type, top: int):
    pixels = RNG.integers(0, top, (20, 30)).astype(kind)
    pixels[0, 0] = top
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(tmp_path / "a.png"))
    image = shown(project_on(tmp_path))
    assert image.get_data_dtype() == kind
    assert np.array_equal(voxels(image)[:, :, 0], pixels.T)
    assert np.array_equal(image.affine, np.diag([-1, -1, 1, 1])), "as ITK places a picture"


def test_a_jpeg_is_what_the_network_sees(tmp_path: Path):
    Image.fromarray(RNG.integers(0, 255, (20, 30), np.uint8)).save(tmp_path / "a.jpg")
    assert np.array_equal(voxels(shown(project_on(tmp_path))), read_image(tmp_path / "a.jpg").pixels[0])


def test_a_dicom_file_keeps_spacing_and_sign(tmp_path: Path):
    write_xray(tmp_path / "a.dcm", 1, ImagerPixelSpacing=[0.2, 0.3], RescaleIntercept=-1024, RescaleSlope=1)
    image = shown(project_on(tmp_path))
    source = read_image(tmp_path / "a.dcm")
    assert voxels(image).min() < 0
    assert np.array_equal(voxels(image), source.pixels[0])
    assert np.allclose(image.affine, source.affine)
    assert np.allclose(image.header.get_zooms(), (0.3, 0.2, 1))


@pytest.mark.parametrize("values", [RNG.normal(0, 1, (6, 7, 8)).astype(np.float32), np.arange(336).reshape(6, 7, 8)])
def test_an_nrrd_volume_keeps_its_place(tmp_path: Path, values: np.ndarray):
    image = sitk.GetImageFromArray(values.astype(np.float32 if values.dtype == np.float32 else np.int16).T)
    image.SetSpacing((1, 2, 3))
    image.SetOrigin((5, -6, 7))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    opened = shown(project_on(tmp_path, 3))
    assert np.array_equal(voxels(opened), values)
    assert np.allclose(opened.affine, read_image(tmp_path / "a.nrrd").affine)
    assert opened.header["sform_code"] == opened.header["qform_code"] == 1


def test_of_a_colour_picture_the_tasks_channel_is_shown(tmp_path: Path):
    pixels = RNG.integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = shown(project_on(tmp_path, channels=3, display_channel=1))
    assert np.array_equal(voxels(image)[:, :, 0], pixels[:, :, 1].T)


def test_of_a_nifti_with_channels_one_is_shown(tmp_path: Path):
    values = RNG.integers(0, 900, (6, 7, 8, 4)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, OBLIQUE), tmp_path / "a.nii.gz")
    image = shown(project_on(tmp_path, 3, channels=4, display_channel=2))
    assert np.array_equal(voxels(image), values[..., 2])
    assert np.allclose(image.affine, read_image(tmp_path / "a.nii.gz").affine, atol=1e-4)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_a_nifti_of_one_channel_is_sent_as_it_is(tmp_path: Path, name: str):
    affine = np.diag([-2.0, 2, 3, 1])
    nibabel.save(nibabel.Nifti1Image(RNG.normal(0, 1, (6, 7, 8)).astype(np.float32), affine), tmp_path / name)
    project = project_on(tmp_path, 3)
    assert display_file(project, only_image(project)) == tmp_path / name


def without_sform(image: nibabel.Nifti1Image) -> None:
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)


def other_qform(image: nibabel.Nifti1Image) -> None:
    image.set_qform(np.diag([2.0, 2, 3, 1]), code=2)
    image.set_sform(np.diag([-2.0, 2, 3, 1]), code=1)


@pytest.mark.parametrize("ambiguous", [without_sform, other_qform])
def test_a_nifti_that_browsers_would_place_elsewhere_is_sent_with_the_place_itk_gives_it(tmp_path: Path, ambiguous):
    image = nibabel.Nifti1Image(RNG.normal(0, 1, (6, 7, 8)).astype(np.float32), np.diag([-2.0, 2, 3, 1]))
    ambiguous(image)
    nibabel.save(image, tmp_path / "a.nii.gz")
    project = project_on(tmp_path, 3)
    assert display_file(project, only_image(project)) != tmp_path / "a.nii.gz"
    opened = shown(project)
    expected = read_image(tmp_path / "a.nii.gz")
    assert np.array_equal(voxels(opened), expected.pixels[0])
    assert np.allclose(opened.get_sform(), expected.affine, atol=1e-4)
    assert np.allclose(opened.get_qform(), expected.affine, atol=1e-4)


def test_the_copy_is_kept_until_the_file_changes(tmp_path: Path):
    for value in (10, 200):
        Image.new("L", (20, 20), value).save(tmp_path / "a.png")
        os.utime(tmp_path / "a.png", ns=(value, time.time_ns()))
        project = project_on(tmp_path)
        first = display_file(project, only_image(project))
        written = first.stat().st_mtime_ns
        assert display_file(project, only_image(project)).stat().st_mtime_ns == written
        assert voxels(shown(project)).max() == value
        assert Image.open(thumbnail_file(project, only_image(project))).size == (96, 96)
    copies = [path.suffix for path in (tmp_path / ".xal").rglob("copies/*/*")]
    assert sorted(copies) == [".gz", ".gz", ".png", ".png"], "and nothing half-written beside them"


@pytest.mark.parametrize("make", [display_file, thumbnail_file])
def test_an_image_that_cannot_be_decoded_says_so(tmp_path: Path, make):
    (tmp_path / "a.png").write_bytes(b"no picture")
    project = project_on(tmp_path)
    with pytest.raises(Unreadable, match=r"a\.png"):
        make(project, only_image(project))


# thumbnails


def body() -> np.ndarray:
    """A volume in RAS whose middle axial slice is bright at the patient's right and, half as much, in front."""
    values = np.zeros((8, 12, 5), np.float32)
    values[6:, 4:8, 2] = 100
    values[2:5, 10:, 2] = 50
    return values


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_an_axial_slice_is_shown_from_the_feet_with_the_front_up(axes: tuple[int, ...], flips: tuple[int, ...]):
    stored = body().transpose(axes)[tuple(slice(None, None, flip) for flip in flips)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for column, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        affine[axis, column] = flip
    picture = np.asarray(thumbnail(stored, affine, 12))
    assert picture.shape == (12, 8)
    assert picture[5, 0] == 255, "the patient's right is on the viewer's left"
    assert picture[5, 7] == 0
    assert 100 < picture[0, 4] < 150, "the front is up"
    assert picture[11, 4] == 0


def test_a_picture_is_upright_as_it_is(tmp_path: Path):
    pixels = np.zeros((30, 60), np.uint8)
    pixels[:10, :20] = 250
    Image.fromarray(pixels).save(tmp_path / "a.png")
    project = project_on(tmp_path)
    picture = np.asarray(Image.open(thumbnail_file(project, only_image(project))))
    assert picture.shape == (48, 96)
    assert picture[2, 2] == 255
    assert picture[-3, 2] == picture[2, -3] == 0


def test_a_slice_keeps_the_proportions_of_the_body():
    assert thumbnail(np.ones((10, 10, 4)), np.diag([1.0, 3, 1, 1]), 96).size == (32, 96)


@pytest.mark.parametrize(
    ("shape", "affine", "expected"),
    [
        ((9, 1, 7), np.diag([1.0, 1, 1, 1]), (1, 0, 2, (True, True))),  # coronal: the head is up
        ((1, 9, 7), np.diag([1.0, 1, 1, 1]), (0, 1, 2, (True, True))),  # sagittal: the face to the left
        ((9, 7, 1), np.diag([-1.0, -1, 1, 1]), (2, 0, 1, (False, False))),
        ((9, 7, 1), np.diag([1.0, 1, 1, 1]), (2, 0, 1, (True, True))),
    ],
)
def test_a_single_slice_is_shown_as_it_lies(shape, affine, expected):
    screen = screen_of(shape, affine)
    assert (screen.through, screen.across, screen.down, screen.flipped) == expected


def test_the_window_leaves_out_what_is_rare_and_a_constant_image_is_black():
    values = np.tile(np.linspace(0, 100, 200), (200, 1))[:, :, None]
    values[0, 0, 0] = 100_000
    affine = np.diag([-1.0, -1, 1, 1])
    picture = np.asarray(thumbnail(values, affine, 200))
    assert picture[100, 100] == pytest.approx(127, abs=3)
    assert not np.asarray(thumbnail(np.full((9, 9, 1), 7.0), affine, 96)).any()
    lone = np.zeros((20, 20, 1))
    lone[4, 4] = 1
    assert np.asarray(thumbnail(lone, affine, 20))[4, 4] == 255


# attention


def header(shape: tuple[int, int, int], affine: np.ndarray) -> Header:
    return Header(Kind.NIFTI, shape, 1, affine, {})


def opened_attention(attention: np.ndarray, of: Header, task: Task, folder: Path) -> nibabel.Nifti1Image:
    (folder / "attention.nii.gz").write_bytes(attention_nifti(attention, of, task))
    return nibabel.load(folder / "attention.nii.gz")


def spaced(dimensions: int) -> Task:
    """A task that crops: the network sees a part of the image only."""
    task = make_task(dimensions=dimensions, size=16)
    image = task.image.model_copy(update={"spacing": (1.5,) * dimensions})
    return task.model_copy(update={"image": image})


@pytest.mark.parametrize("task", [make_task(dimensions=3, size=16), spaced(3)], ids=["whole", "cropped"])
def test_attention_at_full_resolution_is_the_map_on_the_image(tmp_path: Path, task: Task):
    shape = (40, 37, 12)
    attention = RNG.random((4, 5, 3)).astype(np.float16)
    image = opened_attention(attention, header(shape, OBLIQUE), task, tmp_path)
    volume = Volume(np.zeros((1, *shape), np.float32), OBLIQUE)
    expected = grid_to_image(attention.astype(np.float32), volume, task, "linear")
    assert image.get_data_dtype() == np.float32
    assert np.allclose(voxels(image), expected, atol=1e-6)
    assert np.allclose(image.affine, OBLIQUE, atol=1e-5)


@pytest.mark.parametrize("task", [make_task(dimensions=2, size=16), spaced(2)], ids=["whole", "cropped"])
def test_attention_on_a_large_picture_is_coarser_but_in_the_same_place(tmp_path: Path, task: Task):
    shape, affine = (1024, 700, 1), np.array([[-0.02, 0, 0, 8], [0, -0.03, 0, 4], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    attention = RNG.random((4, 5)).astype(np.float16)
    image = opened_attention(attention, header(shape, affine), task, tmp_path)
    assert image.shape == (256, 256, 1)
    fine = grid_to_image(attention.astype(np.float32), Volume(np.zeros((1, *shape), np.float32), affine), task)
    # where the centres of the coarse voxels lie among the image's own
    onto = np.linalg.inv(affine) @ image.affine
    x, y = (onto[axis, axis] * np.arange(256) + onto[axis, 3] for axis in (0, 1))
    assert (x[0] + 0.5) / onto[0, 0] == pytest.approx(0.5, abs=1e-3), "both fields begin at the same edge"
    assert (x[-1] + 0.5) / 1024 * 256 == pytest.approx(255.5, abs=1e-3), "and end at the same one"
    nearest = fine[np.rint(x).astype(int)][:, np.rint(y).astype(int)]
    assert np.abs(voxels(image) - nearest).max() < 0.01


def test_a_coarser_field_has_the_same_corners():
    volume = coarser((300, 40, 1000), OBLIQUE, 128)
    assert volume.shape == (128, 40, 128)

    def corners(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
        ends = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in shape])).reshape(3, -1)
        return affine @ np.vstack([ends, np.ones(8)])

    assert np.allclose(corners(volume.shape, volume.affine), corners((300, 40, 1000), OBLIQUE))


def test_attention_on_a_large_volume_takes_milliseconds():
    task = make_task(dimensions=3, size=32)
    started = time.perf_counter()
    content = attention_nifti(RNG.random((8, 8, 8)).astype(np.float16), header((512, 512, 300), OBLIQUE), task)
    assert time.perf_counter() - started < 5, "0.3 s on an idle machine"
    assert len(content) < 10 << 20


def test_the_header_of_a_dicom_file_is_that_of_what_is_sent(tmp_path: Path):
    write_xray(tmp_path / "a.dcm", 1)
    project = project_on(tmp_path)
    assert header_of(project, only_image(project)).shape == (60, 50, 1)
