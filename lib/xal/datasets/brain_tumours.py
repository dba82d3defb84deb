"""Brain tumours in slices of contrast-enhanced T1 MRI (Cheng, figshare 1512427): a MATLAB 7.3 file for each.

Files `N.mat` lie anywhere below the source, since the published archives unpack into folders of their own. Each has a
record `cjdata` of `label`, `PID` (the patient), `image` and `tumorMask`. The group is the patient. Nothing is said of
where a slice lies in space, so it is written like a picture, with its values as they are. Numbers run by finding: ids
are hashes of names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xal.arrays import AnyArray
from xal.datasets.cases import Case, Contents, Item
from xal.datasets.naming import short_hash
from xal.errors import BadInput
from xal.imaging.images import Volume

LABELS: Mapping[int, str] = {1: "meningioma", 2: "glioma", 3: "pituitary"}
FINDINGS = ("glioma", "meningioma", "pituitary")

_RECORD = "cjdata"
_LABEL, _PATIENT, _IMAGE, _MASK = _FIELDS = ("label", "PID", "image", "tumorMask")
_FOLDS = "cvind.mat"
"""Which patients the authors validated on: no image."""
_PICTURE = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Where a file without geometry lies: columns to the right of the screen, rows down."""
_OLDER = b"MATLAB 5.0"
"""How files of versions 5 to 7.2 begin, and those of 7.3 that were saved without -v7.3."""
_UTF_16_UNIT = 2


def read_brain_tumours(source: Path) -> Contents:
    """All slices below `source`; a name that is there twice is one slice."""
    items = [
        Item(file.name, partial(_read, file, file.relative_to(source).as_posix()), files=[file])
        for file in _slices(source)
    ]
    return Contents(items, FINDINGS, None, task="brain_tumours")


def _slices(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
        if path.suffix.lower() == ".mat" and path.name.lower() != _FOLDS and path.is_file() and not hidden:
            yield path


def _read(file: Path, name: str) -> list[Case]:
    fields = _load(file)
    identifier = f"image_{short_hash(file.name)}"
    image = Volume(_flat(fields, _IMAGE).astype(np.float32)[np.newaxis], _PICTURE)
    provenance = {"source": name, "roi": _MASK}
    return [Case(identifier, image, _finding(fields), _patient(fields[_PATIENT]), _flat(fields, _MASK) > 0, provenance)]


def _load(file: Path) -> Mapping[str, AnyArray]:
    """The fields of the record. MATLAB counts the first axis fastest, so (row, column) is read as [column, row]."""
    import h5py  # here, because nothing else that xal does needs it

    try:
        if not h5py.is_hdf5(file):
            raise BadInput(_no_hdf5(file))
        with h5py.File(file, "r", locking=False) as content:  # network drives may refuse locks
            record = content.get(_RECORD)
            if not isinstance(record, h5py.Group):
                raise BadInput(f"has no record {_RECORD}")
            fields = {name: record.get(name) for name in _FIELDS}
            lacking = [name for name, field in fields.items() if not isinstance(field, h5py.Dataset)]
            if lacking:
                raise BadInput(f"its record {_RECORD} has no field {', '.join(lacking)}")
            return {name: np.asarray(field[()]) for name, field in fields.items()}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # all that h5py says of damaged files
        raise BadInput(f"cannot be read, it may be damaged or cut short ({error})") from error


def _no_hdf5(file: Path) -> str:
    with file.open("rb") as content:
        older = content.read(len(_OLDER)) == _OLDER
    return "is a MATLAB file without HDF5: save it with -v7.3" if older else "is no MATLAB 7.3 file, or a damaged one"


def _flat(fields: Mapping[str, AnyArray], name: str) -> AnyArray:
    """A picture as (X, Y, Z): columns, rows and the one slice."""
    values = fields[name]
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise BadInput(f"its {name} is no picture of rows and columns with a number at each place")
    return values[:, :, np.newaxis]


def _finding(fields: Mapping[str, AnyArray]) -> str:
    label = fields[_LABEL]
    value: Any = label.item() if label.size == 1 and label.dtype.kind in "iuf" else None
    if value not in LABELS:
        known = ", ".join(f"{number} ({finding})" for number, finding in LABELS.items())
        raise BadInput(f"its label is {'no number' if value is None else f'{value:g}'}, and not one of {known}")
    return LABELS[value]


def _patient(text: AnyArray) -> str:
    """What MATLAB keeps as UTF-16, a number for each unit."""
    if text.dtype.kind != "u" or text.dtype.itemsize != _UTF_16_UNIT:
        raise BadInput(f"its {_PATIENT} is no text")
    patient = text.astype("<u2").tobytes().decode("utf-16-le", errors="backslashreplace").strip(" \0")
    if not patient:
        raise BadInput(f"its {_PATIENT} is empty: whose image it is must be known, to keep a patient's images together")
    return patient
