"""Of a DICOM instance, what its pixels and its place in space need: nothing else ever touches a disk.

A list of what is kept, not of what is removed: what a vendor adds tomorrow is not kept either. Nothing that is kept is
free text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from xal.errors import Unreadable
from xal.imaging.dicom_files import DAMAGED

_TAGS = frozenset(
    {
        0x00080016, 0x00080018,  # which kind of object, and which one
        0x00080060,  # modality
        0x00180050, 0x00180088,  # slice thickness and distance
        0x00181114, 0x00181164,  # magnification, spacing at the detector
        0x0020000D, 0x0020000E, 0x00200013,  # study, series, number in it
        0x00200032, 0x00200037, 0x00200052,  # where it lies
        0x00209057, 0x00209111, 0x00209113, 0x00209116, 0x00209128, 0x00209157,  # where its frames lie
        0x00209221, 0x00209222, 0x00209164, 0x00209165, 0x00209167,  # by which dimensions they are counted
        0x00186011, 0x00186018, 0x0018601A, 0x0018601C, 0x0018601E,  # where ultrasound lies in its picture
        0x0018602C, 0x0018602E, 0x00186024, 0x00186026,
        0x52009229, 0x52009230,  # what frames share, and what they do not
        0x00280002, 0x00280004, 0x00280006,  # how pixels are stored: samples, what they mean, how they are arranged
        0x00280008, 0x00280009, 0x00280010, 0x00280011,  # frames, in which order, rows, columns
        0x00280030, 0x00280034, 0x00289110,  # spacing, ratio, the same of frames
        0x00280100, 0x00280101, 0x00280102, 0x00280103,  # bits, and whether there is a sign
        0x00280106, 0x00280107, 0x00280120, 0x00280121,  # lowest and highest value, what pads
        0x00281050, 0x00281051, 0x00281056, 0x00289132, 0x00283010,  # windows
        0x00281052, 0x00281053, 0x00289145, 0x00283000,  # what values mean
        0x00283002, 0x00283006,  # tables
        0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203,  # palette
        0x00281221, 0x00281222, 0x00281223,
        0x00282110, 0x00282112, 0x00282114,  # what was lost
        0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00008, 0x7FE00009, 0x7FE00010,  # the pixels
    }
)  # fmt: skip


def scrubbed(instance: Dataset) -> Dataset:
    """A copy with what is on the list, in sequences too; readable by itself.

    Unreadable, in words that quote nothing, if any of that is damaged. Nothing else is even decoded.
    """
    copy = _kept(instance)
    for needed in ("SOPClassUID", "SOPInstanceUID"):
        if needed not in copy:
            raise Unreadable(f"has no {needed} in its DICOM header")
    meta = FileMetaDataset()
    with _damaged_as_unreadable("TransferSyntaxUID"):
        meta.TransferSyntaxUID = _transfer_syntax(instance)
    meta.MediaStorageSOPClassUID = copy.SOPClassUID
    meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
    copy.file_meta = meta
    copy.is_little_endian = instance.is_little_endian
    copy.is_implicit_VR = instance.is_implicit_VR
    return copy


def _kept(dataset: Dataset) -> Dataset:
    kept = Dataset()
    for tag in sorted(dataset.keys()):
        if int(tag) not in _TAGS:
            continue
        with _damaged_as_unreadable(keyword_for_tag(tag)):
            element = dataset[tag]
            items = [_kept(item) for item in element.value] if element.VR == "SQ" else None
            if element.VR in ("DS", "IS"):  # pydicom lets a word stand where a number should
                for number in element.value if element.VM > 1 else [element.value]:
                    float(number or 0)
        if items is None:
            kept.add(element)
        else:
            kept.add_new(tag, "SQ", items)
    return kept


@contextmanager
def _damaged_as_unreadable(keyword: str) -> Iterator[None]:
    """What pydicom says of a damaged element quotes it."""
    try:
        yield
    except DAMAGED:
        raise Unreadable(f"has a damaged {keyword} in its DICOM header") from None


def _transfer_syntax(instance: Dataset) -> str:
    return str(getattr(getattr(instance, "file_meta", None), "TransferSyntaxUID", ExplicitVRLittleEndian))
