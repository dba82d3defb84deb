"""The truth of a set: what is really on each image. Simulated readers and tests look here, servers never.

A folder with `truth.csv` (image, finding, group, then where each came from) and `masks/` with the ROIs, one file per
image that has one: PNG for pictures, NIfTI for volumes, of the same voxels as the image. An imported set keeps it
hidden in its studies folder, where no image is looked for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from xal.arrays import BoolArray, FloatArray
from xal.errors import XalError
from xal.imaging.images import image_id, read_image, write_label
from xal.system.durable import write_atomically

TRUTH_FOLDER = ".truth"
"""In the studies folder of an imported set."""
TRUTH = "truth.csv"
MASKS = "masks"
_COLUMNS = ("image", "finding", "group")


@dataclass(frozen=True)
class Known:
    """What is really on one image."""

    image: str
    finding: str
    group: str
    mask: Path | None
    """The picture of its ROI; None for the absent finding."""

    def roi(self) -> BoolArray | None:
        """The ROI (X, Y, Z)."""
        if self.mask is None:
            return None
        roi: BoolArray = read_image(self.mask).pixels[0] > 0
        return roi


Truth = Mapping[str, Known]


@dataclass(frozen=True)
class TruthRow:
    """One line of `truth.csv`."""

    image: str
    finding: str
    group: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Where image, finding and ROI came from: column → text."""


def read_truth(folder: Path) -> Truth:
    """Read `truth.csv` and note where the masks beside it lie."""
    file = folder / TRUTH
    if not file.is_file():
        raise XalError(f"{file} does not exist: nobody would know what is on the images")
    found = ((image_id(path.name), path) for path in (folder / MASKS).glob("*"))
    masks = {image: path for image, path in found if image is not None}
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [(row["image"], row["finding"], row["group"]) for row in csv.DictReader(lines)]
    return {image: Known(image, finding, group, masks.get(image)) for image, finding, group in rows}


def write_truth(folder: Path, rows: Iterable[TruthRow]) -> None:
    """Write `truth.csv`, by image; it is whole or not there."""
    listed = sorted(rows, key=lambda row: row.image)
    extra = list(dict.fromkeys(name for row in listed for name in row.provenance))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*_COLUMNS, *extra])
    for row in listed:
        table.writerow([row.image, row.finding, row.group, *(row.provenance.get(name, "") for name in extra)])
    write_atomically(folder / TRUTH, text.getvalue().encode())


def write_mask(folder: Path, image: str, roi: BoolArray, affine: FloatArray) -> Path:
    """Write the ROI (X, Y, Z) of an image; a single slice as a PNG of one bit, which takes next to nothing."""
    if roi.shape[2] > 1:
        path = folder / MASKS / f"{image}.nii.gz"
        write_label(path, roi.astype(np.uint8), affine)
        return path
    path = folder / MASKS / f"{image}.png"
    picture = Image.fromarray(np.ascontiguousarray(roi[:, :, 0].T))
    content = io.BytesIO()
    picture.save(content, "PNG")
    write_atomically(path, content.getvalue(), durable=False)
    return path
