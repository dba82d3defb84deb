"""The settled images as a set that other programs read, and that `xal import folder` reads back.

`images/` are the files themselves (DICOM, which may name the patient, as NIfTI), `masks/` the ROIs on the images' own
voxels (1 where the finding was outlined), `labels.csv` a line per image, `provenance.json` where all of it is from. A
folder also has `annotations.csv`: whatever was handed in, settled or not, with older revisions.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from xal.errors import Conflict, NotFound, StoreError
from xal.exchange.spreadsheet import annotations_csv, harmless, moment, table
from xal.imaging.integrity import Kind, sniff
from xal.imaging.nifti import nifti
from xal.loop.origins import origin_of
from xal.loop.shown import shown_before
from xal.pool.obtaining import Patience, Ready, obtain
from xal.pool.project import Project
from xal.pool.rois import drawn_mask
from xal.store.rows import AnnotationRow, ImageRow, SettledImage
from xal.system.disk_space import Space
from xal.system.durable import copy_atomically, write_atomically

LIST, OUTLINELESS, PROVENANCE, ALL = "labels.csv", "without_outline.csv", "provenance.json", "annotations.csv"
"""Findings that were stated without an outline have a list of their own: the others always have one."""
COLUMNS = ("image", "mask", "label", "group", "reader", "revision", "annotation", "roi_voxels", "created_at", "origin")

Watch = Callable[[Sequence[SettledImage]], Iterator[SettledImage]]
"""Goes through the images and shows how far it is."""


@dataclass
class Exported:
    """What was written."""

    lines: list[tuple[Any, ...]] = field(default_factory=list)
    without_outline: list[tuple[Any, ...]] = field(default_factory=list)
    images: dict[str, Any] = field(default_factory=dict)
    """Image → what `provenance.json` says of it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Image → why its file could not be had."""

    def summary(self) -> list[str]:
        """For who asked for it."""
        counts = Counter(line[COLUMNS.index("label")] for line in (*self.lines, *self.without_outline))
        said = [f"{len(self.images)} images: " + ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))]
        if self.without_outline:
            said.append(f"{len(self.without_outline)} of them, outlined by nobody, are listed in {OUTLINELESS}")
        return [*said, *(f"{image} is left out: {reason}" for image, reason in self.left_out.items())]


class _Target(Protocol):
    """Where the files go."""

    def has(self, name: str) -> bool:
        """Whether this file, whose name stands for its content, is there from an earlier run."""
        ...

    def put(self, name: str, file: Path) -> None:
        """Take a file that lies elsewhere."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Take a new file."""
        ...


class _Folder:
    """A folder that an earlier run may have begun to fill."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()

    def has(self, name: str) -> bool:
        self._names.add(name)
        return (self._folder / name).is_file()

    def put(self, name: str, file: Path) -> None:
        target, source = self._folder / name, file.resolve()
        if self.has(name) and _is_copy(target, source):
            return
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:  # on another disk, or somebody else's
            copy_atomically(source, target)

    def write(self, name: str, content: bytes) -> None:
        self._names.add(name)
        write_atomically(self._folder / name, content, durable=False)

    def tidy(self) -> None:
        """Remove what only an earlier run wanted here, or was cut off at."""
        for path in self._folder.rglob("*"):
            if path.is_file() and path.relative_to(self._folder).as_posix() not in self._names:
                path.unlink()


class _Archive:
    """A new ZIP; images and masks are compressed already."""

    def __init__(self, archive: zipfile.ZipFile, space: Space) -> None:
        self._archive = archive
        self._space = space

    def has(self, name: str) -> bool:
        return False

    def put(self, name: str, file: Path) -> None:
        self._space.check("no data set is made")
        self._archive.write(file, name)

    def write(self, name: str, content: bytes) -> None:
        self._archive.writestr(name, content)


def export_dataset(project: Project, folder: Path, watch: Watch = iter) -> Exported:
    """Fill a new or empty folder, which is complete or not there; cut off, the next call goes on where this one was."""
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is not empty: a data set is exported into a folder that is new or empty")
    draft = folder.with_name(f".{folder.name}.{project.workspace.pool}-{project.task.name}.partial")
    target = _Folder(draft)
    try:
        draft.mkdir(parents=True, exist_ok=True)
        exported = _export(project, target, watch)
        target.write(ALL, "".join(annotations_csv(project, withdrawn=True)).encode())
        target.tidy()
        os.sync()  # all the files at once
        draft.rename(folder)
    except OSError as error:
        raise StoreError(f"nothing was exported to {folder}: {error}") from error
    return exported


def export_zip(project: Project) -> Path:
    """The same as a temporary ZIP file, which the caller removes."""
    with tempfile.NamedTemporaryFile(prefix="dataset-", suffix=".zip", delete=False) as file:
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
                _export(project, _Archive(archive, project.space), iter)
        except BaseException:
            Path(file.name).unlink()
            raise
    return Path(file.name)


def _export(project: Project, target: _Target, watch: Watch) -> Exported:
    """Lists last: what has them is complete."""
    settled = project.store.annotations.settled()
    if not settled:
        raise NotFound("there is nothing to export: no image has a settled finding")
    exported, patience = Exported(), Patience(project.source, after=1)
    for one in watch(settled):
        answer = obtain(project, one.image, partial(_gathered, project, one, target), patience)
        if isinstance(answer, Ready):
            _put(project, one, answer.value, target, exported)
        elif patience.over or answer.ends_whole:
            raise answer.error
        else:
            exported.left_out[one.image.id] = str(answer.error)
    target.write(LIST, table([COLUMNS, *exported.lines]).encode())
    if exported.without_outline:
        target.write(OUTLINELESS, table([COLUMNS, *exported.without_outline]).encode())
    target.write(PROVENANCE, json.dumps(_provenance(project, exported), indent=1, ensure_ascii=False).encode())
    return exported


@dataclass(frozen=True)
class _Gathered:
    """One image, before anything of it is written."""

    name: str
    """In the set."""
    file: Path
    checksum: str
    masks: dict[int, str]
    """Annotation → name of its mask."""
    drawn: dict[str, bytes]
    """Name → content of the masks that an earlier run has not written."""


def _gathered(project: Project, settled: SettledImage, target: _Target, row: ImageRow) -> _Gathered:
    """An image with all its channels, and the outlines of all its readers."""
    name, file, checksum = _file(project, row)
    masks = {one.id: f"masks/{row.id}_a{one.id}.nii.gz" for one in settled.annotations if one.roi_voxels > 0}
    missing = [one for one in settled.annotations if one.id in masks and not target.has(masks[one.id])]
    return _Gathered(name, file, checksum, masks, {masks[one.id]: _mask(project, one) for one in missing})


def _mask(project: Project, annotation: AnnotationRow) -> bytes:
    roi, affine = drawn_mask(project, annotation)
    return nifti(roi.astype(np.uint8), affine)


def _put(project: Project, settled: SettledImage, gathered: _Gathered, target: _Target, exported: Exported) -> None:
    """Write an image and its masks; the list names the latest one."""
    row, name, masks = settled.image, gathered.name, gathered.masks
    target.put(name, gathered.file)
    for mask_name, content in gathered.drawn.items():
        target.write(mask_name, content)
    listed = max(settled.annotations, key=lambda one: (one.id in masks, one.id))
    mask = masks.get(listed.id, "")
    lines = exported.lines if mask or settled.finding == project.task.absent else exported.without_outline
    lines.append(_line(row, name, mask, listed))
    exported.images[row.id] = {
        "file": name,
        "sha256": gathered.checksum,
        "group": row.group,
        "finding": settled.finding,
        "annotations": [_said(one, masks.get(one.id)) for one in settled.annotations],
    }


def _file(project: Project, row: ImageRow) -> tuple[str, Path, str]:
    """Name in the set, file and SHA-256 of an image, with all its channels."""
    source = project.source.path(row)
    file, checksum = project.served(row)
    if source.is_file() and sniff(source) is not Kind.DICOM:
        name = source.name
        if file != source:
            file, checksum = source, hashlib.sha256(source.read_bytes()).hexdigest()
    else:
        name = f"{row.id}.nii.gz"
    if not project.source.still_is(row):
        raise NotFound("its file was replaced just now")
    return f"images/{name}", file, checksum


def _line(row: ImageRow, image: str, mask: str, annotation: AnnotationRow) -> tuple[Any, ...]:
    """The label stays as the task spells it: it is read back."""
    return (
        image,
        mask,
        annotation.finding,
        harmless(row.group),
        harmless(annotation.reader),
        annotation.revision,
        annotation.id,
        annotation.roi_voxels,
        moment(annotation.created_at),
        origin_of(annotation),
    )


def _said(annotation: AnnotationRow, mask: str | None) -> dict[str, Any]:
    return {
        "annotation": annotation.id,
        "reader": annotation.reader,
        "revision": annotation.revision,
        "source": annotation.source,
        "origin": origin_of(annotation),
        "shown": [asdict(drawer) for drawer in shown_before(annotation)],
        "roi_voxels": annotation.roi_voxels,
        "roi_volume_mm3": annotation.roi_volume,
        "mask": mask,
        "created_at": moment(annotation.created_at),
    }


def _provenance(project: Project, exported: Exported) -> dict[str, Any]:
    model = project.store.versions.current()
    return {
        "task": project.task.name,
        "title": project.task.title,
        "findings": list(project.task.finding_names),
        "absent": project.task.absent,
        "pool": project.workspace.pool,
        "exported_at": moment(time.time()),
        "xal_version": version("xal"),
        "model_version": model.version if model else None,
        "images": exported.images,
        "left_out": exported.left_out,
    }


def _is_copy(target: Path, source: Path) -> bool:
    ours, theirs = target.stat(), source.stat()
    same_file = (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)
    return same_file or (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
