"""MONAI Label's datastore, kept in xal's store."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import IO, Any

from monailabel.interfaces.datastore import Datastore

from xal.errors import BadInput, Conflict, NotFound, Oversized, Refused, Unreadable
from xal.imaging.geometry import prepare
from xal.imaging.images import image_id, read_image, suffix_of
from xal.loop.submission import FINAL, Receipt, parse_submission, submit
from xal.pool.label_check import checked_label
from xal.pool.label_files import Damaged
from xal.pool.obtaining import Patience, Ready, Why, obtain
from xal.pool.project import Project
from xal.sources.folder import checked_id
from xal.store.rows import AnnotationRow, ImageRow
from xal.system.waiting import patiently
from xal.task import REGION

logger = logging.getLogger(__name__)

MISSING = "missing.txt"
"""In the ZIP of the data set: images of which something is not there, and why."""
LARGE_POOL = 10_000
"""Above so many images, the listing of everything holds only those with labels."""


class XalDatastore(Datastore):  # type: ignore[misc]  # monailabel has no types
    """Images of a source, labels of the store; one class whatever the source is."""

    def __init__(self, project: Project) -> None:
        """Serve `project`."""
        self._project = project
        self._store = project.store
        self._adding = threading.Lock()

    # what it is called

    def name(self) -> str:
        """The task's title, unless a person gave another name."""
        return str(self._store.settings.get("datastore_name", self._project.task.title))

    def set_name(self, name: str) -> None:
        """Give it a name."""
        self._store.settings.set("datastore_name", name, by="client")

    def description(self) -> str:
        """What it is for."""
        return str(self._store.settings.get("datastore_description", f"xal: {self._project.task.title}"))

    def set_description(self, description: str) -> None:
        """Describe it."""
        self._store.settings.set("datastore_description", description, by="client")

    # images

    def list_images(self) -> list[str]:
        """Ids of all images that can be read."""
        return [row.id for row in self._store.images.find(state="ok")]

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Ids of the images with an annotation of one of the findings `labels` (None: of any)."""
        if label_tag not in (None, "", FINAL):
            return []
        return [row.id for row in self._store.images.find(labelled=True) if self._has_finding(row.id, labels)]

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Ids of the readable images without such an annotation."""
        labelled = set(self.get_labeled_images(label_tag, labels))
        return [identifier for identifier in self.list_images() if identifier not in labelled]

    def _has_finding(self, image: str, findings: list[str] | None) -> bool:
        if not findings:
            return True
        latest = self._store.annotations.latest(image)
        return latest is not None and latest.finding in findings

    def get_image(self, image_id: str, params: Any = None) -> bytes:
        """The bytes that clients are sent."""
        return Path(self.get_image_uri(image_id)).read_bytes()

    def get_image_uri(self, image_id: str) -> str:
        """The file that clients are sent."""
        row = self._store.images.get(image_id)
        try:
            return str(self._project.served(row)[0])
        except Unreadable as error:
            raise Conflict(f"image {image_id!r} cannot be read: {error}") from error

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """What is known of an image that is not the algorithm's opinion."""
        row = self._store.images.get(image_id)
        info = dict(row.info)
        if row.problem:
            info["problem"] = row.problem
        if row.excluded:
            info["excluded"] = row.excluded
        return info

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Add to what is known of an image."""
        self._store.images.update_info(image_id, info)

    def add_image(self, image_id: str | None, image_filename: str, image_info: dict[str, Any]) -> str:
        """Take an uploaded image into the pool; refused if it cannot be read or does not fit the task."""
        file = Path(image_filename)
        suffix = suffix_of(file.name)
        if suffix is None:
            raise BadInput(f"{file.name!r} has no suffix of an image format")
        identifier = checked_id(image_id or _id_of(file))
        self._project.space.check("no image is taken")
        self._check_fits(file)
        with self._adding:
            if identifier in self._store.images.known_ids([identifier]):
                raise Conflict(f"image {identifier!r} exists already")
            self._store.images.put([self._project.source.add(identifier, file, suffix)])
        self._project.volume(self._store.images.get(identifier))  # from now on a copy of it is known to be this image
        if image_info:
            self._store.images.update_info(identifier, image_info)
        return identifier

    def _check_fits(self, file: Path) -> None:
        try:
            prepare(read_image(file), self._project.task)
        except Oversized:
            raise
        except Unreadable as error:
            raise BadInput(f"the uploaded file is no image that can be read: {error}") from error

    def remove_image(self, image_id: str) -> None:
        """Take an image out of the pool for good; its file and its annotations are kept."""
        self._store.images.delete(image_id, by="client")

    # labels

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Hand in a label file; its id is the image's id, as in MONAI Label's own stores."""
        reader = str(label_info.get("client_id") or "anon:local")
        self.hand_in(image_id, reader, Path(label_filename), label_tag, label_info)
        return image_id

    def hand_in(self, image: str, reader: str, file: Path, tag: str | None, params: dict[str, Any]) -> Receipt:
        """Decode, check and store in one transaction; refused with nothing changed."""
        try:
            return submit(self._project, parse_submission(image, reader, file, tag, params))
        except Oversized:
            raise
        except Unreadable as error:
            raise Conflict(str(error)) from error

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        """The tags under which an image has a label."""
        return {FINAL: image_id} if self._store.annotations.latest(image_id) else {}

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        """The label's id, or an empty text."""
        return self.get_labels_by_image_id(image_id).get(tag, "")

    def get_label(self, label_id: str, label_tag: str, params: Any = None) -> bytes:
        """The bytes of the latest label file."""
        return Path(self.get_label_uri(label_id, label_tag)).read_bytes()

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """The latest label file of an image; Conflict if it is not the one that was handed in."""
        try:
            return str(checked_label(self._project, self._latest(label_id, label_tag)))
        except Damaged as error:
            raise Conflict(str(error)) from error

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """Who handed in the latest label, what it shows and what its voxel values mean."""
        return self._label_info(self._latest(label_id, label_tag))

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Refused: an annotation is never overwritten."""
        raise Conflict("an annotation is never changed: hand in a new revision instead")

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Withdraw the latest annotation of an image; its file is kept."""
        self._store.annotations.withdraw(self._latest(label_id, label_tag).id, by="client")

    def _latest(self, image: str, tag: str) -> AnnotationRow:
        self._store.images.get(image)
        latest = self._store.annotations.latest(image) if tag in ("", FINAL) else None
        if latest is None:
            raise NotFound(f"image {image!r} has no label tagged {tag!r}")
        return latest

    def _label_info(self, row: AnnotationRow) -> dict[str, Any]:
        return {
            "client_id": row.reader,
            "finding": row.finding,
            "revision": row.revision,
            "annotation": row.id,
            "ts": int(row.created_at),
            "roi_voxels": row.roi_voxels,
            "label_info": [{"name": name, "idx": self._project.task.value_of(name)} for name in self._names()],
            "model": row.params.get("model"),
        }

    def _names(self) -> tuple[str, ...]:
        """What voxels of a label file may be."""
        task = self._project.task
        return (*task.roi_findings, REGION) if task.regions else task.roi_findings

    # the whole

    def datalist(self) -> list[dict[str, Any]]:
        """The settled images with their label files."""
        return [
            {
                "image": str(self._project.served(settled.image)[0]),
                "label": str(checked_label(self._project, settled.annotations[-1])),
            }
            for settled in self._store.annotations.settled()
        ]

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """A ZIP of the annotated images, their label files and what is known of them.

        Not of those whose file has been replaced since: the label is not of these pixels. Unavailable if the images are
        an archive's that does not answer: a part of the data set would look like the whole.
        """
        self._project.source.check_not_away()
        rows = [row for row in self._store.images.find(labelled=True, limit=limit_cases or None) if not row.outdated]
        if not rows:
            raise NotFound("there is nothing to download: no image has been handed in")
        with tempfile.NamedTemporaryFile(prefix="dataset-", suffix=".zip", delete=False) as file:
            try:
                with patiently():
                    self._write_archive(file, rows)
            except BaseException:
                Path(file.name).unlink()
                raise
        return file.name

    def _write_archive(self, file: IO[bytes], rows: list[ImageRow]) -> None:
        """An image or a label that cannot be had (any more) costs only itself: the reason is in a list."""
        missing: dict[str, str] = {}
        patience = Patience(self._project.source, after=1)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for row in rows:
                self._project.space.check("no data set is made")
                try:
                    archive.write(self.get_label_uri(row.id, FINAL), f"label/{row.id}.nii.gz")
                except Refused as error:
                    missing[row.id] = str(error)
                    continue
                answer = obtain(self._project, row, self._project.served, patience)
                if isinstance(answer, Ready):
                    path, _ = answer.value
                    archive.write(path, f"image/{row.id}{suffix_of(path.name)}")
                elif patience.over or answer.ends_whole:
                    raise answer.error
                else:
                    said = f"image {row.id!r} cannot be read: " if answer.why is Why.DAMAGED else ""
                    missing[row.id] = f"{said}{answer.error}"
            if missing:
                logger.warning("the dataset lacks something of %d images: its %s says what", len(missing), MISSING)
                archive.writestr(MISSING, "".join(f"{image}: {reason}\n" for image, reason in missing.items()))
            archive.writestr("metadata.json", json.dumps(self._listing(rows), indent=2))

    def refresh(self) -> None:
        """Look at the source now."""
        self._project.sync()

    def status(self) -> dict[str, Any]:
        """The counts Slicer's bar shows."""
        counts = self._store.images.counts()
        return {
            "total": counts["total"],
            "completed": counts["completed"],
            "label_tags": {FINAL: counts["labelled"]},
            "open": counts["open"],
            "excluded": counts["excluded"],
            "unreadable": counts["unreadable"],
        }

    def json(self) -> dict[str, Any]:
        """Every image with its label, or, of a large pool, the labelled ones and a word that it is so."""
        truncated = self._store.images.counts()["total"] > LARGE_POOL
        listing = self._listing(self._store.images.find(labelled=True if truncated else None, limit=LARGE_POOL))
        return {**listing, "truncated": True} if truncated else listing

    def _listing(self, rows: list[ImageRow]) -> dict[str, Any]:
        latest = {annotation.image: annotation for annotation in self._store.annotations.find()}  # oldest first
        return {
            "name": self.name(),
            "description": self.description(),
            "images_dir": ".",
            "labels_dir": "labels",
            "objects": {
                row.id: {
                    "image": {"ext": suffix_of(row.path) or "", "info": dict(row.info)},
                    "labels": {FINAL: {"ext": ".nii.gz", "info": self._label_info(latest[row.id])}}
                    if row.id in latest
                    else {},
                }
                for row in rows
            },
        }


def _id_of(file: Path) -> str:
    identifier = image_id(file.name)
    if identifier is None:
        raise BadInput(f"{file.name!r} has no suffix of an image format")
    return identifier
