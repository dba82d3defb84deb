"""The Medical Segmentation Decathlon: `dataset.json`, `imagesTr` and `labelsTr`.

The finding of a volume is the label with most voxels, its ROI all of that label. A volume without any is left out: the
decathlon has no healthy ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from xal.datasets.cases import Case, Contents, Item, Problem, dominant
from xal.errors import BadInput
from xal.imaging.images import Volume, image_id, read_image

LIST = "dataset.json"


def read_msd(source: Path) -> Contents:
    """The volumes of the training part."""
    file = source / LIST
    try:
        listed = json.loads(file.read_text(encoding="utf-8-sig"))
        labels = {int(value): str(name) for value, name in listed["labels"].items() if int(value) != 0}
        pairs = [(str(pair["image"]), str(pair["label"])) for pair in listed["training"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{LIST} cannot be read: {error!r}") from error
    items = [
        Item(image, partial(_read, source, image, label, labels), repr(labels), [source / image, source / label])
        for image, label in pairs
    ]
    known = {Path(image).name for image, _ in pairs}
    others = [path.name for path in sorted((source / "imagesTr").glob("[!.]*.nii*")) if path.name not in known]
    problems = [Problem(name, f"{LIST} does not list it") for name in others]
    return Contents(items, tuple(labels.values()), None, problems)


def _read(source: Path, image: str, label: str, labels: Mapping[int, str]) -> list[Case]:
    painted = read_image(source / label)
    values = [value for value in np.unique(painted.pixels).tolist() if value != 0]
    strange = [value for value in values if value not in labels]
    if strange:
        raise BadInput(f"{label} has the value {strange[0]:g}, which {LIST} gives no name")
    if not values:
        raise BadInput(f"{label} outlines nothing")
    masks = {labels[int(value)]: painted.pixels[0] == value for value in values}
    finding = dominant(masks)
    identifier = image_id(Path(image).name)
    if identifier is None:
        raise BadInput("its name is not that of an image")
    roi = Volume(masks[finding][np.newaxis].astype(np.float32), painted.affine)
    return [Case(identifier, source / image, finding, identifier, roi, {"source": image, "roi": label})]
