import gzip
import hashlib
import os
from io import BytesIO
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixel_data_handlers import apply_windowing
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid

from xal.errors import Oversized, Unreadable
from xal.imaging.images import (
    Volume,
    channel_as_nifti,
    fingerprint,
    image_id,
    is_served_as_is,
    read_image,
    read_label,
    stored_window,
    suffix_of,
    write_label,
)
from xal.task import Task

TURN = np.array([[0.936, -0.290, 0.199], [0.275, 0.956, 0.097], [-0.218, -0.036, 0.975]])
Q, _ = np.linalg.qr(TURN)
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Q @ np.diag([0.7, 1.1, 3.0])
OBLIQUE[:3, 3] = [-31.5, 12.25, 104.0]


def task(channels: int = 1) -> Task:
    findings = [{"name": "glioma"}, {"name": "none", "absent": True}]
    image = {"dimensions": 2, "size": (16, 16), "channels": channels}
    return Task.model_validate({"name": "t", "title": "T", "findings": findings, "image": image})


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)


def save_dicom(path: Path, pixels: np.ndarray, **fields: object) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.is_little_endian, data.is_implicit_VR = True, False
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID, data.Modality = "1.2.3", "1.2.3.4", "CT"
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelSpacing, data.SliceThickness = [0.5, 0.75], 2
    data.ImagePositionPatient, data.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    for name, value in fields.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data.save_as(path, write_like_original=False)
    return path


def save_series(folder: Path, pixels: np.ndarray, heights: list[float]) -> Path:
    folder.mkdir()
    for z, height in enumerate(heights):
        save_dicom(
            folder / f"IM{99 - z}",
            pixels[:, :, z].T.copy(),
            ImagePositionPatient=[1, 2, height],
            RescaleSlope=str(1 + z / 4),
            RescaleIntercept="-10",
        )
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("case_1.nii.gz", "case_1"),
        ("a.b.PNG", "a.b"),
        ("scan.NRRD", "scan"),
        ("x.dcm", "x"),
        ("x.seg.nrrd", None),
        ("notes.txt", None),
        (".hidden.png", None),
        (".png", None),
        ("folder/x.png", None),
        ("..\\x.png", None),
    ],
)
def test_the_id_is_the_file_name_without_its_suffix(name: str, expected: str | None):
    assert image_id(name) == expected


def test_the_suffix_is_the_longest_known_one():
    assert suffix_of("a.b.NII.GZ") == ".nii.gz"
    assert suffix_of("archive.gz") is None


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 1), (1, 6, 7), (5, 1, 7)])
def test_nifti_is_read_in_voxel_order_with_its_oblique_affine(tmp_path: Path, shape: tuple[int, ...]):
    pixels = random_pixels(*shape).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(pixels, OBLIQUE), tmp_path / "a.nii.gz")
    volume = read_image(tmp_path / "a.nii.gz")
    assert np.array_equal(volume.pixels[0], pixels)
    assert volume.pixels.dtype == np.float32
    assert np.allclose(volume.affine, OBLIQUE, atol=1e-5)
    assert volume.voxel_volume == pytest.approx(0.7 * 1.1 * 3.0, rel=1e-5)


def test_a_nifti_file_of_two_dimensions_has_the_geometry_that_itk_gives_it(tmp_path: Path):
    """ITK, and so 3D Slicer, drops what such a file says of the third dimension."""
    turned = np.diag([2.0, 3.0, 4.0, 1.0])
    turned[:3, 3] = [-5, 6, 7]
    pixels = random_pixels(5, 6).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(pixels, turned), tmp_path / "a.nii.gz")
    volume = read_image(tmp_path / "a.nii.gz")
    assert np.array_equal(volume.pixels[0, :, :, 0], pixels)
    assert np.allclose(volume.affine, [[2, 0, 0, -5], [0, 3, 0, 6], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_the_fourth_axis_of_a_nifti_file_is_channels(tmp_path: Path):
    pixels = random_pixels(5, 6, 7, 4).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(pixels, OBLIQUE), tmp_path / "a.nii")
    volume = read_image(tmp_path / "a.nii")
    assert np.array_equal(volume.pixels, np.moveaxis(pixels, -1, 0))
    assert np.allclose(volume.affine, OBLIQUE, atol=1e-5)


def test_nifti_slope_and_intercept_are_applied(tmp_path: Path):
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), OBLIQUE)
    image.header.set_slope_inter(2.5, -3)
    image.to_filename(tmp_path / "a.nii")
    stored = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    assert np.allclose(read_image(tmp_path / "a.nii").pixels[0], stored)


def test_nrrd_in_another_space_is_brought_to_ras(tmp_path: Path):
    pixels = random_pixels(4, 5, 6)
    for space, flip in (("right-anterior-superior", [1, 1, 1]), ("left-posterior-superior", [-1, -1, 1])):
        header = {
            "space": space,
            "space directions": (np.diag(flip) @ OBLIQUE[:3, :3]).T,
            "space origin": np.diag(flip) @ OBLIQUE[:3, 3],
        }
        nrrd.write(str(tmp_path / "a.nrrd"), pixels, header, index_order="F")
        volume = read_image(tmp_path / "a.nrrd")
        assert np.array_equal(volume.pixels[0], pixels)
        assert np.allclose(volume.affine, OBLIQUE)


def test_a_picture_is_a_slice_with_the_lps_identity(tmp_path: Path):
    grey = random_pixels(9, 5).astype(np.uint8)  # rows, columns
    Image.fromarray(grey).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", grey)
    for name in ("a.png", "a.tif"):
        volume = read_image(tmp_path / name)
        assert volume.shape == (5, 9, 1)
        assert np.array_equal(volume.pixels[0, :, :, 0], grey.T)
        assert np.array_equal(volume.affine, np.diag([-1, -1, 1, 1]))


def test_colours_are_channels(tmp_path: Path):
    colour = np.random.default_rng(0).integers(0, 255, (9, 5, 3)).astype(np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png").pixels[..., 0], colour.transpose(2, 1, 0))


def test_the_bytes_decide_on_the_format_not_the_suffix(tmp_path: Path):
    grey = random_pixels(9, 5).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "b.jpg")
    assert np.array_equal(read_image(tmp_path / "b.jpg").pixels[0, :, :, 0], grey.T)


def one_of_each(folder: Path) -> list[Path]:
    """Noisy files, whose end is really needed."""
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 4)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(pixels, OBLIQUE), folder / "a.nii.gz")
    nibabel.save(nibabel.Nifti1Image(pixels, OBLIQUE), folder / "b.nii")
    nibabel.save(nibabel.Nifti1Image(pixels.astype(">f4"), OBLIQUE), folder / "c.nii.gz")
    nrrd.write(str(folder / "d.nrrd"), pixels)
    nrrd.write(str(folder / "e.nrrd"), pixels, {"encoding": "raw"})
    Image.fromarray(pixels[..., 0]).save(folder / "f.png")
    Image.fromarray(pixels[..., 0]).save(folder / "g.jpg")
    Image.fromarray(pixels[..., 0]).save(folder / "h.jpg", progressive=True)
    tifffile.imwrite(folder / "i.tif", pixels[..., 0])
    tifffile.imwrite(folder / "j.tiff", pixels[..., 0], compression="zlib")
    Image.fromarray(pixels[..., 0]).save(folder / "k.tif", compression="tiff_lzw")
    save_dicom(folder / "l.dcm", random_pixels(20, 30))
    return sorted(folder.iterdir())


@pytest.mark.parametrize("index", range(12))
def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path: Path, index: int):
    path = one_of_each(tmp_path)[index]
    content = path.read_bytes()
    read_image(path)
    tail = 60 if path.suffix == ".tif" and path.stem == "k" else 1  # a TIFF may end in a comment
    for length in (1, 10, len(content) // 10, len(content) // 2, int(len(content) * 0.95), len(content) - tail):
        path.write_bytes(content[:length])
        with pytest.raises(Unreadable, match=path.name):
            read_image(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.png", "a.jpg", "a.tif", "a.dcm"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 40, b"\x1f\x8b" + b"\0" * 900, b"NRRD0004\n"])
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unreadable, match=name):
        read_image(tmp_path / name)


def test_a_missing_file_is_unreadable(tmp_path: Path):
    with pytest.raises(Unreadable, match=r"a\.png: No such file"):
        read_image(tmp_path / "a.png")


def test_a_damaged_gzip_stream_is_found_by_its_checksum(tmp_path: Path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((60, 60, 60), np.uint8), OBLIQUE), tmp_path / "a.nii")
    content = bytearray(gzip.compress((tmp_path / "a.nii").read_bytes(), compresslevel=0))
    content[-100] ^= 1
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(Unreadable, match=r"a\.nii\.gz"):
        read_image(tmp_path / "a.nii.gz")


def test_an_nrrd_header_cannot_make_the_server_read_another_file(tmp_path: Path):
    (tmp_path / "secret.raw").write_bytes(bytes(range(60)))
    for field in ("data file", "DataFile", "datafile"):
        header = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 3 4 5\nencoding: raw\n{field}: secret.raw\n\n"
        (tmp_path / "a.nrrd").write_bytes(header.encode())
        with pytest.raises(Unreadable, match="another file"):
            read_image(tmp_path / "a.nrrd")


@pytest.mark.parametrize("start", [np.nan, np.inf, 1e30, 1e12, -5])
def test_a_damaged_nifti_header_is_refused(tmp_path: Path, start: float):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.uint8), OBLIQUE), tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[108:112] = np.float32(start).tobytes()  # vox_offset
    (tmp_path / "a.nii").write_bytes(content[:-1])
    with pytest.raises(Unreadable, match=r"a\.nii"):
        read_image(tmp_path / "a.nii")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(tmp_path: Path, bad: float):
    for dtype in ("<f4", ">f4", "<f8"):
        pixels = np.zeros((4, 5, 6), dtype)
        pixels[1, 2, 3] = bad
        nibabel.save(nibabel.Nifti1Image(pixels, OBLIQUE), tmp_path / "a.nii.gz")
        nrrd.write(str(tmp_path / "b.nrrd"), pixels)
        for name in ("a.nii.gz", "b.nrrd"):
            with pytest.raises(Unreadable, match="NaN or infinite"):
                read_image(tmp_path / name)


def test_nifti_2_is_refused_because_slicer_could_not_open_it(tmp_path: Path):
    nibabel.save(nibabel.Nifti2Image(np.zeros((4, 5, 6), np.uint8), OBLIQUE), tmp_path / "a.nii.gz")
    with pytest.raises(Unreadable, match="save it as NIfTI-1"):
        read_image(tmp_path / "a.nii.gz")


def test_complex_images_are_refused(tmp_path: Path):
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), np.complex64), OBLIQUE), tmp_path / "a.nii")
    with pytest.raises(Unreadable, match="complex"):
        read_image(tmp_path / "a.nii")


def test_errors_do_not_show_the_servers_folders(tmp_path: Path):
    for path in one_of_each(tmp_path):
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(Unreadable) as caught:
            read_image(path)
        assert str(tmp_path) not in str(caught.value)


def test_a_dicom_file_is_read_in_its_units_and_place(tmp_path: Path):
    stored = random_pixels(6, 8)
    volume = read_image(save_dicom(tmp_path / "a.dcm", stored, RescaleSlope="2.5", RescaleIntercept="-1000"))
    assert volume.shape == (8, 6, 1)
    assert np.array_equal(volume.pixels[0, :, :, 0], stored.T * 2.5 - 1000)
    assert np.allclose(volume.affine @ [1, 1, 0, 1], [-1.75, -2.5, 3, 1])


def test_monochrome1_is_turned_so_that_high_is_bright(tmp_path: Path):
    stored = random_pixels(6, 8)
    plain = read_image(save_dicom(tmp_path / "a.dcm", stored, RescaleSlope="2", RescaleIntercept="-5"))
    turned = save_dicom(
        tmp_path / "b.dcm",
        4095 - stored,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope="2",
        RescaleIntercept="-5",
    )
    assert np.array_equal(read_image(turned).pixels, plain.pixels)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT"])
@pytest.mark.parametrize(("bits", "signed"), [(12, 0), (16, 0), (16, 1)])
def test_the_stored_window_shows_what_a_viewer_shows(tmp_path: Path, photometric, function, bits, signed):
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    stored = np.random.default_rng(0).integers(lowest, highest, (40, 50), endpoint=True)
    fields = {"VOILUTFunction": function} if function else {}
    file = save_dicom(
        tmp_path / "a.dcm",
        stored.astype(np.int16 if signed else np.uint16),
        PhotometricInterpretation=photometric,
        PixelRepresentation=signed,
        BitsStored=bits,
        HighBit=bits - 1,
        RescaleSlope="1.5",
        RescaleIntercept="-100",
        WindowCenter=[1.5 * (lowest + highest) / 2 + 300, 7],
        WindowWidth=[900, 1],
        **fields,
    )
    data = pydicom.dcmread(file)
    shown = apply_windowing(stored * 1.5 - 100, data)
    shown = (shown - shown.min()) / np.ptp(shown)
    shown = 1 - shown if photometric == "MONOCHROME1" else shown
    volume = read_image(file)
    low, high = volume.window
    assert np.allclose(np.clip((volume.pixels[0, :, :, 0].T - low) / (high - low), 0, 1), shown, atol=1e-3)


@pytest.mark.parametrize("fields", [{}, {"WindowCenter": 40}, {"WindowCenter": 40, "WindowWidth": 1}])
def test_an_image_without_a_usable_window_has_none(tmp_path: Path, fields):
    assert read_image(save_dicom(tmp_path / "a.dcm", random_pixels(6, 8), **fields)).window is None
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").window is None


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "damaged",
    [
        {"RescaleSlope": "", "RescaleIntercept": "-1000"},
        {"RescaleSlope": "2", "RescaleIntercept": ""},
        {"RescaleSlope": "0", "RescaleIntercept": "0"},
        {"WindowWidth": ""},
        {"WindowWidth": "inf"},
    ],
)
def test_damaged_fields_of_a_window_do_not_keep_an_image_from_being_read(tmp_path: Path, polarity, damaged):
    fields = {"WindowCenter": "100", "WindowWidth": "50", "PhotometricInterpretation": polarity} | damaged
    with pydicom.config.disable_value_validation():
        file = save_dicom(tmp_path / "a.dcm", random_pixels(6, 8), **fields)
    window = read_image(file).window
    assert window is None or (np.isfinite(window).all() and window[0] < window[1])


@pytest.mark.parametrize("damaged", ["0028|0101", "0028|0103", "0028|1050"])
@pytest.mark.parametrize("value", [None, " ", "nonsense"])
def test_a_window_that_cannot_be_placed_is_none(damaged: str, value: str | None):
    negative = {
        "0028|0004": "MONOCHROME1", "0028|0101": "12", "0028|0103": "0", "0028|1050": "100", "0028|1051": "51",
    }  # fmt: skip
    assert stored_window(negative) is not None
    fields = {key: text for key, text in (negative | {damaged: value}).items() if text is not None}
    assert stored_window(fields) is None


def test_a_colour_picture_has_no_window():
    fields = {"0028|0004": "RGB", "0028|0101": "8", "0028|0103": "0", "0028|1050": "40", "0028|1051": "350"}
    assert stored_window(fields) is None


def test_a_series_has_the_window_of_its_slices_where_it_is_the_same_in_all(tmp_path: Path):
    for name, widths in {"same": [401, 401, 401], "differs": [401, 11, 1601]}.items():
        (tmp_path / name).mkdir()
        for z, width in enumerate(widths):
            file, place = tmp_path / name / str(z), [0, 0, z]
            save_dicom(file, random_pixels(6, 8), ImagePositionPatient=place, WindowCenter=40.5, WindowWidth=width)
    assert read_image(tmp_path / "same").window == (-160, 240)
    assert read_image(tmp_path / "differs").window is None


def test_compressed_dicom_is_read(tmp_path: Path):
    stored = random_pixels(16, 24)
    plain = read_image(save_dicom(tmp_path / "a.dcm", stored))
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.compress(RLELossless)
    data.save_as(tmp_path / "rle.dcm")
    frame = BytesIO()
    Image.fromarray(stored).save(frame, "JPEG2000", irreversible=False, no_jp2=True)
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.file_meta.TransferSyntaxUID = JPEG2000Lossless
    data.PixelData = encapsulate([frame.getvalue()])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "j2k.dcm")
    for name in ("rle.dcm", "j2k.dcm"):
        assert np.array_equal(read_image(tmp_path / name).pixels, plain.pixels)


def test_a_folder_of_dicom_is_one_volume_sorted_by_place(tmp_path: Path):
    stored = random_pixels(8, 6, 4)
    volume = read_image(save_series(tmp_path / "series", stored, [3, 7, 11, 15]))
    expected = stored * (1 + np.arange(4) / 4) - 10
    assert np.allclose(volume.pixels[0], expected)
    assert np.allclose(volume.affine @ [1, 1, 2, 1], [-1.75, -2.5, 11, 1])


def test_a_monochrome1_series_is_turned_slice_by_slice(tmp_path: Path):
    folder = tmp_path / "series"
    folder.mkdir()
    stored = random_pixels(6, 8)
    for z in range(3):
        save_dicom(
            folder / f"{z}.dcm", stored, PhotometricInterpretation="MONOCHROME1", ImagePositionPatient=[0, 0, 2 * z]
        )
    assert np.array_equal(read_image(folder).pixels[0, :, :, 1], 4095 - stored.T)


@pytest.mark.parametrize("heights", [[3, 7, 15, 19], [3, 3, 7, 7]])
def test_a_series_with_missing_or_doubled_slices_is_refused(tmp_path: Path, heights: list[float]):
    with pytest.raises(Unreadable, match="series: its 4 slices are not evenly stacked"):
        read_image(save_series(tmp_path / "series", random_pixels(8, 6, 4), heights))


def test_a_series_is_as_large_as_its_files_together(tmp_path: Path, limited):
    folder = save_series(tmp_path / "series", random_pixels(8, 6, 4), [0, 1, 2, 3])
    assert read_image(folder).pixels.size == 192
    limited(max_voxels=191)
    with pytest.raises(Oversized, match="192 pixels"):
        read_image(folder)


def test_a_folder_must_hold_exactly_one_series(tmp_path: Path):
    folder = save_series(tmp_path / "series", random_pixels(8, 6, 2), [0, 1])
    save_dicom(folder / "other", random_pixels(6, 8), SeriesInstanceUID="1.2.3.5")
    with pytest.raises(Unreadable, match="holds 2"):
        read_image(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unreadable, match="holds 0"):
        read_image(tmp_path / "empty")


def test_the_fingerprint_is_that_of_the_picture_not_of_the_file(tmp_path: Path):
    grey = random_pixels(9, 5).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey).save(tmp_path / "b.tif")
    Image.fromarray(grey).convert("RGB").save(tmp_path / "c.png")
    marks = {fingerprint(read_image(path)) for path in tmp_path.iterdir()}
    assert len(marks) == 1
    other = grey.copy()
    other[0, 0] ^= 1
    Image.fromarray(other).save(tmp_path / "d.png")
    assert fingerprint(read_image(tmp_path / "d.png")) not in marks
    pixels = np.zeros((1, 4, 6, 1), np.float32)
    assert fingerprint(Volume(pixels, np.eye(4))) != fingerprint(Volume(pixels.reshape(1, 6, 4, 1), np.eye(4)))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("flip", [[1, 1, 1], [-1, 1, 1], [-1, -1, -1]])
@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 1)])
def test_labels_come_back_as_they_were_stored(
    tmp_path: Path, suffix: str, flip: list[int], shape: tuple[int, int, int]
):
    mask = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    affine = OBLIQUE @ np.diag([*flip, 1])
    write_label(tmp_path / f"a{suffix}", mask, affine)
    values, stored = read_label(tmp_path / f"a{suffix}")
    assert np.array_equal(values, mask)
    assert np.allclose(stored, affine, atol=1e-5)
    if suffix == ".nii.gz":
        assert np.allclose(nibabel.load(tmp_path / "a.nii.gz").affine, affine, atol=1e-5)


def test_a_stored_label_that_is_none_is_refused(tmp_path: Path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.float32), OBLIQUE), tmp_path / "a.nii.gz")
    with pytest.raises(Unreadable, match="no stored label map"):
        read_label(tmp_path / "a.nii.gz")


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "labels" / "a.nii.gz"
    write_label(path, np.ones((3, 4, 5), np.uint8), OBLIQUE)
    before = hashlib.sha256(path.read_bytes()).hexdigest()

    def disk_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_label(path, np.zeros((3, 4, 5), np.uint8), OBLIQUE)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.nii.gz"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_the_display_channel_is_stored_without_loss(tmp_path: Path):
    whole = random_pixels(2, 5, 6, 7).astype(np.float32)
    for pixels in (whole, whole / 3):
        (tmp_path / "a.nii.gz").write_bytes(channel_as_nifti(Volume(pixels, OBLIQUE), 1))
        again = read_image(tmp_path / "a.nii.gz")
        assert np.array_equal(again.pixels[0], pixels[1])
        assert np.allclose(again.affine, OBLIQUE, atol=1e-5)


def test_what_clients_would_see_differently_is_not_served_as_is(tmp_path: Path):
    Image.fromarray(random_pixels(9, 5).astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 5, 3)).astype(np.uint8)).save(tmp_path / "b.png")
    save_dicom(tmp_path / "c.dcm", random_pixels(6, 8))
    save_series(tmp_path / "series", random_pixels(8, 6, 2), [0, 1])
    served = {
        name: is_served_as_is(tmp_path / name, task(3 if name == "b.png" else 1))
        for name in ("a.png", "b.png", "c.dcm", "series")
    }
    assert served == {"a.png": True, "b.png": False, "c.dcm": False, "series": False}
