"""DICOM is read as it is meant: beside pydicom's own decoding of the same file, and the positions in its header."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from pydicom.pixel_data_handlers.util import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from phantoms import KINDS, Case, case, content, write
from phantoms.syntaxes import LOSSLESS, stored_as
from xal.errors import Unreadable
from xal.imaging import dicom_files
from xal.imaging.images import Volume, read_header, read_image

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(one: Case, folder: Path) -> Volume:
    return read_image(write(one, folder))


def changed(instance: Dataset, **fields: object) -> Dataset:
    """A copy with other elements; None removes one."""
    copy = pydicom.dcmread(io.BytesIO(content(instance)))
    for keyword, value in fields.items():
        if value is None:
            del copy[keyword]
        else:
            setattr(copy, keyword, value)
    return copy


def saved(instance: Dataset, path: Path) -> Path:
    path.write_bytes(content(instance))
    return path


def slice_of(volume: Volume) -> np.ndarray:
    """The picture as pydicom gives it: rows, columns."""
    return volume.pixels[0, :, :, 0].T


# Every kind in every transfer syntax


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_right_in_every_transfer_syntax(kind: str, syntax: str, tmp_path: Path):
    one = stored_as(case(kind, 1), LOSSLESS[syntax])
    volume = read(one, tmp_path)
    assert np.array_equal(volume.pixels, one.pixels)
    assert np.allclose(volume.affine, one.affine, atol=1e-5)


@pytest.mark.parametrize("kind", ["us", "us_doppler", "us_cine"])
def test_a_jpeg_is_read_as_pydicom_reads_it(kind: str, tmp_path: Path):
    one = stored_as(case(kind, 1), JPEGBaseline8Bit)
    file = write(one, tmp_path)
    decoded = pydicom.dcmread(file)
    expected = decoded.pixel_array
    if decoded.SamplesPerPixel == 3:
        expected = convert_color_space(expected, "YBR_FULL_422", "RGB").transpose(2, 1, 0)[..., np.newaxis]
    else:
        expected = expected.transpose(2, 1, 0)[np.newaxis]
    assert np.abs(read_image(file).pixels - expected).max() <= 1
    assert np.abs(expected - one.pixels).mean() < 4


@pytest.mark.filterwarnings("ignore:.*doesn't match the JPEG 2000 data")
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("kind", ["cr", "dx", "mg"])
def test_what_other_decoders_than_gdcm_find_is_what_is_read(kind: str, syntax: str, tmp_path: Path):
    file = write(stored_as(case(kind, 1), syntax), tmp_path)
    header = pydicom.dcmread(file)
    if syntax == JPEGLSLossless:
        import pillow_jpls  # noqa: F401 - teaches Pillow the format
        from PIL import Image

        frame = next(iter(generate_pixel_data_frame(header.PixelData)))
        stored = np.array(Image.open(io.BytesIO(frame)))
    else:
        header.convert_pixel_data("pillow" if syntax == JPEG2000Lossless else "rle")
        stored = header.pixel_array
    expected = 4095 - stored if header.PhotometricInterpretation == "MONOCHROME1" else stored
    assert np.array_equal(slice_of(read_image(file)), expected)


# Depths, signs, polarity


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("slope", [None, "1", "0.5"])
@pytest.mark.parametrize(
    ("allocated", "bits", "signed"),
    [(8, 8, 0), (8, 8, 1), (8, 6, 0), (16, 1, 0), (16, 10, 0), (16, 12, 0), (16, 12, 1), (16, 14, 1), (16, 15, 1),
     (16, 16, 0), (16, 16, 1), (32, 24, 0), (32, 32, 0), (32, 32, 1)],
)  # fmt: skip
def test_any_depth_sign_and_polarity(
    polarity: str, slope: str | None, allocated: int, bits: int, signed: int, tmp_path
):
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    stored = np.random.default_rng(0).integers(lowest, highest, (6, 8), endpoint=True)
    rescale = {} if slope is None else {"RescaleSlope": slope, "RescaleIntercept": "-100"}
    instance = changed(
        case("cr").instances[0], Rows=6, Columns=8, BitsAllocated=allocated, BitsStored=bits, HighBit=bits - 1,
        PixelRepresentation=signed, PhotometricInterpretation=polarity, **rescale,
    )  # fmt: skip
    instance.PixelData = stored.astype(f"<{'i' if signed else 'u'}{allocated // 8}").tobytes()
    file = saved(instance, tmp_path / "a.dcm")
    expected = apply_modality_lut(pydicom.dcmread(file).pixel_array.astype(np.int64), instance)
    if polarity == "MONOCHROME1":
        expected = apply_modality_lut(lowest + highest - stored, instance)
    assert np.array_equal(slice_of(read_image(file)), expected.astype(np.float32))
    assert read_header(file).shape == (8, 6, 1)


def test_bits_that_are_not_stored_do_not_count(tmp_path: Path):
    """Old machines keep overlays in the bits above or below the pixels."""
    instance = case("cr").instances[0]
    stored = instance.pixel_array
    above = changed(instance, PixelData=(stored | 0xF000).tobytes())
    below = changed(instance, PixelData=(stored << 4 | 0x000F).tobytes(), HighBit=15)
    for odd in (above, below, changed(above, PhotometricInterpretation="MONOCHROME1")):
        turned = odd.PhotometricInterpretation == "MONOCHROME1"
        assert np.array_equal(slice_of(read_image(saved(odd, tmp_path / "a.dcm"))), 4095 - stored if turned else stored)


def test_padding_has_the_value_that_it_has_in_the_file(tmp_path: Path):
    instance = case("ct").instances[0]
    stored = instance.pixel_array.copy()
    stored[:5] = -2000
    padded = changed(instance, PixelData=stored.tobytes(), PixelPaddingValue=-2000)
    padded["PixelPaddingValue"].VR = "SS"
    assert np.array_equal(slice_of(read_image(saved(padded, tmp_path / "a.dcm"))), stored * 0.5 - 24)


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
def test_a_modality_look_up_table_is_applied(polarity: str, tmp_path: Path):
    table = (np.arange(4096) // 2 + 7).astype("<u2")
    lut = Dataset()
    lut.add_new("LUTDescriptor", "US", [4096, 0, 16])
    lut.ModalityLUTType = "US"
    lut.add_new("LUTData", "OW", table.tobytes())
    instance = changed(case("cr").instances[0], ModalityLUTSequence=[lut], PhotometricInterpretation=polarity)
    expected = table[instance.pixel_array].astype(int)
    expected = 7 + 2054 - expected if polarity == "MONOCHROME1" else expected
    assert np.array_equal(slice_of(read_image(saved(instance, tmp_path / "a.dcm"))), expected)


def test_signed_monochrome1_shows_its_window_as_a_viewer_does(tmp_path: Path):
    instance = changed(case("cr_signed", 1).instances[0], WindowCenter="2500", WindowWidth="900")
    shown = apply_voi_lut(apply_modality_lut(instance.pixel_array, instance), instance)
    shown = 1 - (shown - shown.min()) / np.ptp(shown)
    volume = read_image(saved(instance, tmp_path / "a.dcm"))
    low, high = volume.window
    assert np.allclose(np.clip((slice_of(volume) - low) / (high - low), 0, 1), shown, atol=1e-3)


# Colour


@pytest.mark.parametrize(
    ("space", "rle"),
    [("RGB", False), ("RGB by plane", False), ("YBR_FULL", False), ("YBR_FULL_422", False), ("PALETTE COLOR", False),
     ("RGB", True), ("YBR_FULL", True), ("PALETTE COLOR", True)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:The Photometric Interpretation of the dataset is YBR_FULL_422")
def test_colours_are_those_that_pydicom_finds(space: str, rle: bool, tmp_path: Path):
    instance = changed(case("us_doppler", 1).instances[0], PhotometricInterpretation=space.removesuffix(" by plane"))
    rgb = expected = instance.pixel_array
    ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
    if space == "RGB by plane":
        instance.PlanarConfiguration, instance.PixelData = 1, rgb.transpose(2, 0, 1).tobytes()
    elif space == "YBR_FULL":
        instance.PixelData = ybr.tobytes()
        expected = convert_color_space(ybr, "YBR_FULL", "RGB")
    elif space == "YBR_FULL_422":
        parts = [ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]]
        instance.PixelData = np.stack(parts, axis=-1).tobytes()
        expected = convert_color_space(instance.pixel_array, "YBR_FULL_422", "RGB")
    elif space == "PALETTE COLOR":
        instance.SamplesPerPixel, instance.PixelData = 1, np.ascontiguousarray(rgb[..., 0]).tobytes()
        del instance.PlanarConfiguration
        for number, colour in enumerate(("Red", "Green", "Blue")):
            table = np.roll(np.arange(256), 50 * number).astype(np.uint8)
            instance.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
            instance.add_new(f"{colour}PaletteColorLookupTableData", "OW", table.tobytes())
        expected = apply_color_lut(rgb[..., 0], instance)
    if rle:
        instance.compress(RLELossless)
    volume = read_image(saved(instance, tmp_path / "a.dcm"))
    assert np.array_equal(volume.pixels[..., 0].transpose(2, 1, 0), expected)


def test_a_colour_cine_has_its_frames_as_planes(tmp_path: Path):
    instance = case("us_doppler", 1).instances[0]
    frames = np.stack([np.roll(instance.pixel_array, step, axis=1) for step in range(4)])
    cine = changed(instance, NumberOfFrames=4, PixelData=frames.tobytes())
    assert np.array_equal(read_image(saved(cine, tmp_path / "a.dcm")).pixels, frames.transpose(3, 2, 1, 0))


# Where it lies


def test_enhanced_frames_lie_where_their_positions_say(tmp_path: Path):
    one = case("mr_enhanced", 1)
    volume = read(one, tmp_path)
    header = one.instances[0]
    for n, group in enumerate(header.PerFrameFunctionalGroupsSequence):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        voxel = np.linalg.inv(LPS @ volume.affine) @ [*position, 1]
        assert np.allclose(voxel[:2], 0, atol=1e-3)
        k = round(voxel[2])
        assert voxel[2] == pytest.approx(k, abs=1e-3)
        rescale = group.PixelValueTransformationSequence[0]
        real = header.pixel_array[n] * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
        assert np.array_equal(volume.pixels[0, :, :, k], real.T)


def test_enhanced_frames_have_a_window_where_it_is_the_same_in_all(tmp_path: Path):
    instance = changed(case("mr_enhanced", 1).instances[0])
    assert read_image(saved(instance, tmp_path / "a.dcm")).window == (0, 2047)
    instance.PerFrameFunctionalGroupsSequence[3].FrameVOILUTSequence = [Dataset()]
    instance.PerFrameFunctionalGroupsSequence[3].FrameVOILUTSequence[0].WindowCenter = "5"
    instance.PerFrameFunctionalGroupsSequence[3].FrameVOILUTSequence[0].WindowWidth = "9"
    assert read_image(saved(instance, tmp_path / "a.dcm")).window is None


def test_enhanced_frames_with_gaps_are_refused(tmp_path: Path):
    instance = changed(case("mr_enhanced", 1).instances[0])
    groups = instance.PerFrameFunctionalGroupsSequence
    groups[4].PlanePositionSequence = groups[5].PlanePositionSequence
    with pytest.raises(Unreadable, match="20 frames are not evenly stacked"):
        read_image(saved(instance, tmp_path / "a.dcm"))


def test_a_monochrome1_series_lies_where_a_monochrome2_one_does(tmp_path: Path):
    one = case("mr", 1)
    turned = [changed(instance, PhotometricInterpretation="MONOCHROME1") for instance in one.instances]
    (tmp_path / "turned").mkdir()
    for n, instance in enumerate(turned):
        saved(instance, tmp_path / "turned" / str(n))
    volume = read_image(tmp_path / "turned")
    assert np.array_equal(volume.pixels, 4095 - one.pixels)
    assert np.allclose(volume.affine, one.affine, atol=1e-5)


def test_a_tilted_gantry_is_refused_in_either_polarity(tmp_path: Path):
    for polarity in ("MONOCHROME1", "MONOCHROME2"):
        (tmp_path / polarity).mkdir()
        for instance in case("mr", 1).instances:
            position = np.array(instance.ImagePositionPatient, dtype=float)
            across = np.array(instance.ImageOrientationPatient[:3], dtype=float)
            aside = [f"{value:.6f}" for value in position + across * int(instance.InstanceNumber)]
            tilted = changed(instance, ImagePositionPatient=aside, PhotometricInterpretation=polarity)
            saved(tilted, tmp_path / polarity / str(instance.InstanceNumber))
        with pytest.raises(Unreadable, match="gantry was tilted"):
            read_image(tmp_path / polarity)


def test_ultrasound_has_the_spacing_of_its_region(tmp_path: Path):
    instance = case("us", 1).instances[0]
    volume = read_image(saved(instance, tmp_path / "a.dcm"))
    assert np.allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), [0.5, 0.5, 1])
    seconds = changed(instance)
    seconds.SequenceOfUltrasoundRegions[0].PhysicalUnitsXDirection = 4
    assert np.allclose(read_image(saved(seconds, tmp_path / "b.dcm")).affine, np.diag([-1, -1, 1, 1]))


# What cannot be read

DAMAGES = {
    "no pixels": {"PixelData": None},
    "no rows": {"Rows": None},
    "too few pixels": {"PixelData": b"\0" * 100},
    "no depth": {"BitsAllocated": None, "BitsStored": None, "HighBit": None},
    "a depth that nothing has": {"BitsAllocated": 7},
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["cr", "dx", "cr_signed", "us", "us_cine", "mr_enhanced"])
def test_a_damaged_file_is_refused_without_a_word_of_the_patient(kind: str, damage: str, tmp_path: Path, caplog, capfd):
    instance = changed(case(kind, 1).instances[0], PatientName="Secret^Person", PatientID="SECRET", **DAMAGES[damage])
    file = saved(instance, tmp_path / "a.dcm")
    with pytest.raises(Unreadable, match=r"a\.dcm") as caught:
        read_image(file)
    said = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert "secret" not in said.lower()
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.filterwarnings("ignore:End of file reached")
@pytest.mark.parametrize("kind", ["dx", "mr_enhanced"])
@pytest.mark.parametrize("syntax", ["explicit", "rle", "jpeg-lossless", "jpeg-2000"])
@pytest.mark.parametrize("large", [64, 1 << 16])
def test_a_truncated_file_is_refused(
    kind: str, syntax: str, large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dicom_files, "_LARGE", large)
    whole = content(stored_as(case(kind, 1), LOSSLESS[syntax]).instances[0])
    for length in (len(whole) // 10, len(whole) // 2, int(len(whole) * 0.95)):
        (tmp_path / "a.dcm").write_bytes(whole[:length])
        with pytest.raises(Unreadable, match=r"a\.dcm"):
            read_image(tmp_path / "a.dcm")


@pytest.mark.parametrize("kind", ["us_cine", "mr_enhanced"])
@pytest.mark.parametrize("syntax", ["rle", "jpeg-lossless", "jpeg-ls", "jpeg-2000"])
def test_missing_frames_are_not_made_up(kind: str, syntax: str, tmp_path: Path):
    instance = stored_as(case(kind, 1), LOSSLESS[syntax]).instances[0]
    frames = list(generate_pixel_data_frame(instance.PixelData, int(instance.NumberOfFrames)))
    instance.PixelData = encapsulate(frames[:-3])
    instance["PixelData"].is_undefined_length = True
    with pytest.raises(Unreadable, match=r"a\.dcm"):
        read_image(saved(instance, tmp_path / "a.dcm"))


def test_a_slice_with_too_few_pixels_is_not_filled_up(tmp_path: Path):
    for instance in case("ct", 1).instances:
        saved(instance, tmp_path / f"{instance.InstanceNumber}.dcm")
    saved(changed(instance, PixelData=instance.PixelData[:1000]), tmp_path / f"{instance.InstanceNumber}.dcm")
    with pytest.raises(Unreadable, match="is truncated: 1584 bytes of pixels are missing"):
        read_image(tmp_path)


def test_slices_without_a_place_are_no_volume(tmp_path: Path):
    for number in range(3):
        instance = case("cr", number).instances[0]
        saved(changed(instance, SeriesInstanceUID="1.2.3"), tmp_path / f"{number}.dcm")
    with pytest.raises(Unreadable, match="3 of 3 files do not say where they lie"):
        read_image(tmp_path)


def test_nothing_of_the_patient_stays_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The stand-in that GDCM reads has the pixels and their place only."""
    made = []
    monkeypatch.setattr(
        dicom_files, "stand_in", lambda dataset, make=dicom_files.stand_in: made.append(make(dataset)) or made[-1]
    )
    read(case("dx", 1), tmp_path)
    assert made
    assert all(b"Phantom" not in stand_in and b"PHANTOM" not in stand_in for stand_in in made)


@pytest.mark.parametrize("kind", ["cr", "dx", "ct", "mr_enhanced"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_file_is_parsed_once_and_its_pixels_are_not_kept(
    kind: str, turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    parsed: list[tuple[Path, pydicom.Dataset]] = []

    def read_file(path: Path, *more: object, really=dicom_files.read) -> pydicom.Dataset:
        parsed.append((path, really(path, *more)))
        return parsed[-1][1]

    one = case(kind, 1)
    if turned:  # what ITK reads by itself otherwise is read by a stand-in
        polarity = {"PhotometricInterpretation": "MONOCHROME1"}
        one = replace(one, instances=[changed(instance, **polarity) for instance in one.instances])
    expected = read(one, tmp_path / "before").pixels
    monkeypatch.setattr(dicom_files, "read", read_file)
    monkeypatch.setattr(dicom_files, "_LARGE", 64)  # as if these few pixels were many
    assert np.array_equal(read(one, tmp_path / "now").pixels, expected)
    assert len(parsed) == len({path for path, _ in parsed}) == len(one.instances)
    kept = [element.value for _, told in parsed for element in told.values() if element.tag == 0x7FE00010]
    assert kept == [None] * len(one.instances)
