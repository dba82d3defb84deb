"""Of a DICOM instance, what its pixels and its place in space need: nothing else ever touches a disk.

A list of what is kept, not of what is removed: what a vendor adds tomorrow is not kept either.
"""

from __future__ import annotations

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian

_GROUPS = frozenset({0x0028, 0x7FE0})
"""How pixels are stored, and the pixels."""
_TAGS = frozenset(
    {
        0x00080008,  # image type
        0x00080016, 0x00080018,  # which kind of object, and which one
        0x00080060,  # modality
        0x00180050, 0x00180088,  # slice thickness and distance
        0x00181114, 0x00181164,  # magnification, spacing at the detector
        0x0020000D, 0x0020000E, 0x00200013,  # study, series, number in it
        0x00200032, 0x00200037, 0x00200052,  # where it lies
        0x00209056, 0x00209057, 0x00209111, 0x00209113, 0x00209116, 0x00209128, 0x00209157,  # where its frames lie
        0x00209221, 0x00209222, 0x00209164, 0x00209165, 0x00209167,  # by which dimensions they are counted
        0x00186011, 0x00186018, 0x0018601A, 0x0018601C, 0x0018601E,  # where ultrasound lies in its picture
        0x0018602C, 0x0018602E, 0x00186024, 0x00186026,
        0x52009229, 0x52009230,  # what frames share, and what they do not
    }
)  # fmt: skip


def scrubbed(instance: Dataset) -> Dataset:
    """A copy with what is on the list, in sequences too; readable by itself."""
    copy = _kept(instance)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = _transfer_syntax(instance)
    meta.MediaStorageSOPClassUID = instance.SOPClassUID
    meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    copy.file_meta = meta
    copy.is_little_endian = instance.is_little_endian
    copy.is_implicit_VR = instance.is_implicit_VR
    return copy


def _kept(dataset: Dataset) -> Dataset:
    kept = Dataset()
    for element in dataset:
        if not _is_kept(element.tag):
            continue
        if element.VR == "SQ":
            setattr(kept, element.keyword, [_kept(item) for item in element.value])
        else:
            kept.add(element)
    return kept


def _is_kept(tag: BaseTag) -> bool:
    return tag.group in _GROUPS or int(tag) in _TAGS


def _transfer_syntax(instance: Dataset) -> str:
    return str(getattr(getattr(instance, "file_meta", None), "TransferSyntaxUID", ExplicitVRLittleEndian))
