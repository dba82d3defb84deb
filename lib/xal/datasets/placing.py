"""How an image gets into a studies folder: unchanged where the app reads it as it is, else written as NIfTI."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
from pathlib import Path

import nibabel
import numpy as np

from xal.datasets.cases import Case
from xal.datasets.listing import START_LABELS
from xal.datasets.truth import MASKS, TRUTH_FOLDER
from xal.errors import BadInput
from xal.imaging.images import Volume, suffix_of
from xal.imaging.integrity import Kind, sniff
from xal.imaging.nifti import FAST
from xal.system.durable import UNFINISHED, write_atomically

DRAFT = ".import-"
"""How the names of unfinished files and folders begin."""


def place(case: Case, studies: Path) -> str:
    """Put the image of a case in place, whole or not at all; the name of its file or folder."""
    if isinstance(case.pixels, Volume):
        return _write(studies / f"{case.image}.nii.gz", case.pixels)
    if case.pixels.is_dir():
        return _link_folder(case.pixels, studies / case.image)
    target = studies / f"{case.image}{_suffix(case.pixels)}"
    draft = studies / f"{DRAFT}{secrets.token_hex(8)}"
    _link(case.pixels, draft)
    draft.replace(target)
    draft.unlink(missing_ok=True)  # renaming onto another name of the same file does nothing
    return target.name


def remove_drafts(studies: Path) -> None:
    """What a killed run has left behind, here and as half-written files where it writes them."""
    for draft in studies.glob(f"{DRAFT}*"):
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink()
    truth = studies / TRUTH_FOLDER
    for folder in (studies, truth, truth / MASKS, studies / START_LABELS):
        for draft in folder.glob(UNFINISHED):
            draft.unlink()


def _suffix(file: Path) -> str:
    """What makes the app read the file: its own suffix, or that of DICOM whatever it was called."""
    suffix = suffix_of(file.name)
    if suffix is not None:
        return suffix
    if sniff(file) is not Kind.DICOM:
        raise BadInput(f"{file.name} has a suffix that the app does not read")
    return ".dcm"


def _link(source: Path, target: Path) -> None:
    """A second name for the same file; a copy where the disk is another one, or the file somebody else's."""
    source = source.resolve()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _link_folder(source: Path, target: Path) -> str:
    draft = target.with_name(f"{DRAFT}{secrets.token_hex(8)}")
    draft.mkdir()
    for file in source.iterdir():
        if file.is_file():
            _link(file, draft / file.name)
    if target.is_dir():
        shutil.rmtree(target)
    draft.rename(target)
    return target.name


def _write(target: Path, volume: Volume) -> str:
    """Several channels become the fourth axis; whole numbers are kept as int16."""
    values = np.moveaxis(volume.pixels, 0, -1) if len(volume.pixels) > 1 else volume.pixels[0]
    limits = np.iinfo(np.int16)
    if values.dtype != np.int16:
        small = limits.min <= values.min() and values.max() <= limits.max
        values = values.astype(np.int16 if small and np.array_equal(values, np.rint(values)) else np.float32)
    image = nibabel.Nifti1Image(values, volume.affine)
    image.header.set_xyzt_units("mm")
    write_atomically(target, gzip.compress(image.to_bytes(), FAST, mtime=0), durable=False)
    return target.name
