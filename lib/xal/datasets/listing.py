"""MONAI Label's own list of images and labels (LocalDatastoreModel in monailabel/datastore/local.py)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LISTING = "datastore_v2.json"
START_LABELS = "labels/final"
"""Where the labels of a start set lie in a studies folder, as .nii.gz."""


@dataclass(frozen=True)
class Listed:
    """One image of the list."""

    image: str
    suffix: str
    """Of its file; empty for a folder of DICOM."""
    group: str
    started: bool
    """It comes with a label."""


def listing(name: str, description: str, images: Iterable[Listed], roi_findings: Sequence[str], reader: str) -> bytes:
    """The list's content; value k of a label file is the k-th of `roi_findings`."""
    label_info = [{"name": finding, "idx": position} for position, finding in enumerate(roi_findings, start=1)]
    objects = {
        row.image: {
            "image": {"ext": row.suffix, "info": {"name": f"{row.image}{row.suffix}", "group": row.group}},
            "labels": {
                "final": {
                    "ext": ".nii.gz",
                    "info": {"name": f"{row.image}.nii.gz", "client_id": reader, "label_info": label_info},
                }
            }
            if row.started
            else {},
        }
        for row in images
    }
    content = {
        "name": name,
        "description": description,
        "images_dir": ".",
        "labels_dir": "labels",
        "objects": objects,
    }
    return (json.dumps(content, indent=1) + "\n").encode()
