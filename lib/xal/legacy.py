"""Labels from MONAI Label's own store: `datastore_v2.json`, imported once, so that a group's old work counts."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xal.errors import BadInput, Refused, Unreadable
from xal.project import Project
from xal.submission import FINAL, Submission, submit

logger = logging.getLogger(__name__)

NAME = "datastore_v2.json"
SETTING = "imported_datastore_v2"


@dataclass
class Imported:
    """What came of an import."""

    labels: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    """Image → why its label was left where it is."""


def import_datastore_v2(project: Project) -> Imported | None:
    """Take over the labels that MONAI Label's folder store lists; None if there are none or it was done before."""
    file = Path(project.workspace.studies) / NAME
    if project.store.get_setting(SETTING) is not None or not file.is_file():
        return None
    content = file.read_bytes()
    imported = Imported()
    try:
        listing = json.loads(content)
        objects = dict(listing["objects"])
    except (ValueError, KeyError, TypeError) as error:
        logger.error("%s cannot be read, nothing is imported from it: %s", NAME, error)
        return None
    folder = file.parent / str(listing.get("labels_dir") or "labels") / FINAL
    for image, entry in objects.items():
        _import_one(project, folder, str(image), entry, imported)
    project.store.set_setting(
        SETTING,
        {"sha256": hashlib.sha256(content).hexdigest(), "labels": imported.labels, "skipped": imported.skipped},
        by="import",
    )
    logger.info("imported %d labels from %s, %d left out", imported.labels, NAME, len(imported.skipped))
    return imported


def _import_one(project: Project, folder: Path, image: str, entry: Any, imported: Imported) -> None:
    try:
        _import_info(project, image, entry.get("image", {}).get("info") or {})
        label = entry.get("labels", {}).get(FINAL)
        if label is None:
            return
        said = label.get("info") or {}
        submit(
            project,
            Submission(
                image=image,
                reader=str(said.get("client_id") or "imported"),
                file=folder / f"{image}{label.get('ext') or '.nii.gz'}",
                label_info=said.get("label_info") or _from_label_names(said),
                source="import",
                params={"model": said.get("model")} if said.get("model") else {},
            ),
        )
        imported.labels += 1
    except (Refused, Unreadable, OSError) as error:
        logger.warning("the label of %s is left out: %s", image, error)
        imported.skipped[image] = str(error)
    except (AttributeError, TypeError, ValueError) as error:
        logger.warning("the entry of %s is not understood: %s", image, error)
        imported.skipped[image] = f"not understood: {error}"


def _import_info(project: Project, image: str, info: dict[str, Any]) -> None:
    """What was known of an image, less what an algorithm had thought of it; unusable entries cost no label."""
    try:
        project.store.update_info(image, {key: value for key, value in info.items() if not _is_algorithms(key, value)})
    except BadInput as error:
        logger.warning("what was known of %s is left out: %s", image, error)


def _is_algorithms(key: str, value: Any) -> bool:
    """MONAI Label's scores are the floats of an image's info (some are NaN), its strategies one entry."""
    return key == "strategy" or isinstance(value, float)


def _from_label_names(said: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Older stores say what values mean as {name: value}; as entries by position, with gaps unnamed."""
    names = (said.get("params") or {}).get("label_names")
    if not isinstance(names, dict):
        return None
    by_value = {int(value): str(name) for name, value in names.items()}
    return [
        {"name": by_value.get(value, f"value {value}"), "idx": value}
        for value in range(1, max(by_value, default=0) + 1)
    ]
