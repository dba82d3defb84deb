"""Labels from MONAI Label's own store: `datastore_v2.json`, imported once, so that a group's old work counts.

What was left out, because its image came later or its label was mended, is tried again when asked for: a label that
was imported before stays the annotation that it became, also if that was withdrawn.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xal.datasets.listing import LISTING
from xal.errors import BadInput, Conflict, Refused, Unreadable
from xal.loop.submission import FINAL, Submission, submit
from xal.pool.project import Project

logger = logging.getLogger(__name__)

SETTING = "imported_datastore_v2"


@dataclass
class Imported:
    """What came of an import."""

    labels: int = 0
    """Taken over now."""
    known: int = 0
    """Taken over earlier."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Image → why its label was left where it is."""


def import_at_start(project: Project) -> None:
    """Take over what is there, unless that was done before; a damaged list keeps no server from starting."""
    if project.store.settings.get(SETTING) is None and _listing(project).is_file():
        try:
            import_datastore_v2(project)
        except BadInput as error:
            logger.error("nothing is imported: %s", error)


def imported_before(project: Project) -> Imported | None:
    """What came of the last import; None if there was none."""
    done = project.store.settings.get(SETTING)
    return None if done is None else Imported(done["labels"], done["known"], done["skipped"])


def import_datastore_v2(project: Project) -> Imported:
    """Take over the labels that MONAI Label's folder store lists and that were not taken over before."""
    file = _listing(project)
    try:
        content = file.read_bytes()
        listing = json.loads(content)
        objects = dict(listing["objects"])
        folder = file.parent / str(listing.get("labels_dir") or "labels") / FINAL
    except FileNotFoundError as error:
        raise BadInput(f"there is no {LISTING} in the studies folder") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{LISTING} cannot be read: {error}") from error
    imported = Imported()
    infos: dict[str, dict[str, Any]] = {}
    for image, entry in objects.items():
        _import_one(project, folder, str(image), entry, imported, infos)
    _import_infos(project, infos)
    project.store.settings.set(
        SETTING,
        {"sha256": hashlib.sha256(content).hexdigest(), **asdict(imported)},
        by="import",
    )
    logger.info("imported %d labels from %s, %d left out", imported.labels, LISTING, len(imported.skipped))
    return imported


def _listing(project: Project) -> Path:
    return Path(project.workspace.studies) / LISTING


def _import_one(
    project: Project, folder: Path, image: str, entry: Any, imported: Imported, infos: dict[str, dict[str, Any]]
) -> None:
    """Take over a label; what is new about the image is noted in `infos`."""
    try:
        info = _new_info(project, image, entry.get("image", {}).get("info") or {})
        if info:
            infos[image] = info
        label = entry.get("labels", {}).get(FINAL)
        if label is None:
            return
        said = label.get("info") or {}
        reader = str(said.get("client_id") or "imported")
        if any(row.source == "reader" for row in project.store.annotations.find(image, reader=reader)):
            raise Conflict(f"{reader} has handed it in since")
        receipt = submit(
            project,
            Submission(
                image=image,
                reader=reader,
                file=folder / f"{image}{label.get('ext') or '.nii.gz'}",
                label_info=said.get("label_info") or _from_label_names(said),
                source="import",
                origin="file",
                params={"model": said.get("model")} if said.get("model") else {},
            ),
        )
        imported.labels += receipt.created
        imported.known += not receipt.created
    except (Refused, Unreadable, OSError) as error:
        logger.warning("the label of %s is left out: %s", image, error)
        imported.skipped[image] = str(error)
    except (AttributeError, TypeError, ValueError) as error:
        logger.warning("the entry of %s is not understood: %s", image, error)
        imported.skipped[image] = f"not understood: {error}"


def _new_info(project: Project, image: str, info: dict[str, Any]) -> dict[str, Any]:
    """What was known of an image, less what an algorithm had thought of it and what was said since."""
    known = project.store.images.get(image).info
    return {key: value for key, value in info.items() if key not in known and not _is_algorithms(key, value)}


def _import_infos(project: Project, infos: dict[str, dict[str, Any]]) -> None:
    """All at once, which takes seconds for thousands of images; one by one if entries of some cannot be used."""
    try:
        project.store.images.update_infos(infos)
        return
    except BadInput:
        logger.info("what was known of images cannot all be used")
    for image, info in infos.items():
        try:
            project.store.images.update_info(image, info)
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
