"""DICOM phantoms in the transfer syntaxes that archives keep: the same pixels, packed otherwise."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pydicom
from PIL import Image
from pydicom import uid as uids
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from phantoms.cases import Case, content

LOSSLESS: Mapping[str, str] = {
    "explicit": uids.ExplicitVRLittleEndian,
    "implicit": uids.ImplicitVRLittleEndian,
    "deflated": uids.DeflatedExplicitVRLittleEndian,
    "rle": uids.RLELossless,
    "jpeg-lossless": uids.JPEGLosslessSV1,
    "jpeg-ls": uids.JPEGLSLossless,
    "jpeg-2000": uids.JPEG2000Lossless,
}
"""Transfer syntaxes that keep every bit."""


def stored_as(original: Case, syntax: str) -> Case:
    """The same case in another transfer syntax, lossless or JPEG baseline (8 bits; colour becomes YBR_FULL_422)."""
    return replace(original, instances=tuple(encoded(instance, syntax) for instance in original.instances))


def encoded(instance: Dataset, syntax: str) -> Dataset:
    """A copy of one instance in another transfer syntax."""
    copy = pydicom.dcmread(io.BytesIO(content(instance)))
    copy.is_implicit_VR = syntax == uids.ImplicitVRLittleEndian
    if syntax == uids.JPEGBaseline8Bit:
        _to_jpeg(copy)
    elif uids.UID(syntax).is_compressed and syntax != uids.DeflatedExplicitVRLittleEndian:
        with tempfile.TemporaryDirectory() as folder:
            _by_gdcm(copy, syntax, Path(folder, "original.dcm"), Path(folder, "encoded.dcm"))
    copy.file_meta.TransferSyntaxUID = syntax
    return copy


def _by_gdcm(instance: Dataset, syntax: str, original: Path, encoded: Path) -> None:
    """Only the encoded frames are taken; the header stays ours."""
    import gdcm  # type: ignore[import-untyped]  # here, because serving does without

    original.write_bytes(content(instance))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(original))
    reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise ValueError(f"GDCM cannot store this {instance.Modality} phantom as {uids.UID(syntax).name}")
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(encoded))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.Write()
    written = pydicom.dcmread(encoded)
    _put_frames(instance, written.PixelData)
    instance.PhotometricInterpretation = written.PhotometricInterpretation
    if "PlanarConfiguration" in written:
        instance.PlanarConfiguration = written.PlanarConfiguration


def _to_jpeg(instance: Dataset) -> None:
    pixels = instance.pixel_array
    colour = instance.SamplesPerPixel == 3
    frames = []
    for frame in pixels if "NumberOfFrames" in instance else [pixels]:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=95, **({"subsampling": "4:2:2"} if colour else {}))
        frames.append(file.getvalue())
    _put_frames(instance, encapsulate(frames))
    instance.PhotometricInterpretation = "YBR_FULL_422" if colour else instance.PhotometricInterpretation
    instance.LossyImageCompression, instance.LossyImageCompressionMethod = "01", "ISO_10918_1"
    instance.LossyImageCompressionRatio = f"{pixels.nbytes / sum(len(frame) for frame in frames):.2f}"


def _put_frames(instance: Dataset, encapsulated: bytes) -> None:
    instance.PixelData = encapsulated
    instance["PixelData"].VR = "OB"
    instance["PixelData"].is_undefined_length = True
