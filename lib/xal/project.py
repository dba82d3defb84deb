"""One task on one set of images: what the server, its child processes and the command line share.

A project knows where things lie and keeps what is costly to make (decoded images, the network). It takes
no decisions: scoring, training and hand-in are modules of their own that are given a project.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xal.cache import TensorCache
from xal.errors import BadInput, TaskError, Unreadable
from xal.geometry import Prepared, prepare
from xal.images import Volume, fingerprint, is_served_as_is, read_image, write_volume
from xal.network import Network, load, pick_device
from xal.source import FolderSource, ImageSource
from xal.store import Store
from xal.store.rows import ImageRow, VersionRow
from xal.task import Task
from xal.workspace import Workspace

logger = logging.getLogger(__name__)

TENSOR_CACHE_BYTES = 4 << 30
ALPHA = "alpha"
"""The setting that a reviewer may change."""
FINDINGS = "findings"
"""The setting that holds the findings annotations were made with, in order."""


@dataclass(frozen=True)
class Model:
    """The published network and what is known of it."""

    version: VersionRow
    network: Network


class Project:
    """A task, its images, its store and its files."""

    def __init__(self, task: Task, workspace: Workspace, source: ImageSource, store: Store) -> None:
        """Tie the parts together; `open` is what callers use."""
        self.task = task
        self.workspace = workspace
        self.source = source
        self.store = store
        self.device: torch.device = pick_device(None)
        self._tensors = TensorCache(workspace.cache / "tensors", TENSOR_CACHE_BYTES)
        self._preparation = hashlib.sha256(task.image.model_dump_json().encode()).hexdigest()[:16]
        self._served: dict[tuple[str, int, int], Path] = {}
        self._model: Model | None = None
        self._model_lock = threading.Lock()

    @classmethod
    def open(cls, task: Task, studies: str, database: str | None = None) -> Project:
        """Open (and create, the first time) the project of `task` on the images at `studies`."""
        if "://" in studies:
            raise BadInput(f"the studies {studies} are a server; a folder is what can be served so far")
        workspace = Workspace.open(studies, task.name)
        store = Store.open(workspace.database(database), workspace.pool, task.name)
        _keep_findings(store, task)
        return cls(task, workspace, FolderSource(Path(studies)), store)

    # images

    def sync(self) -> bool:
        """Bring the store's list of images up to date with the source; true if anything changed."""
        known = self.store.known_files()
        found = {file.id: file for file in self.source.scan(known)}
        fresh = [
            file
            for file in found.values()
            if file.id not in known
            or known[file.id].state == "gone"
            or (known[file.id].size, known[file.id].mtime_ns, known[file.id].path)
            != (file.size, file.mtime_ns, file.path)
        ]
        there = ("ok", "unreadable")
        vanished = [identifier for identifier, file in known.items() if identifier not in found and file.state in there]
        if fresh:
            self.store.put_images(fresh)
        if vanished:
            self.store.mark_gone(vanished)
        return bool(fresh or vanished)

    def volume(self, row: ImageRow) -> Volume:
        """Decode an image; one that cannot be decoded is marked so in the store."""
        try:
            return read_image(self.source.path(row))
        except Unreadable as error:
            self.store.set_facts(row.id, problem=str(error), size=row.size, mtime_ns=row.mtime_ns)
            raise

    def prepared(self, row: ImageRow) -> Prepared:
        """The network's input for an image, from the cache if it was prepared before."""
        key = f"{row.id}|{row.size}|{row.mtime_ns}|{self._preparation}"
        known = self._tensors.get(key)
        if known is not None and row.fingerprint is not None:
            return known
        volume = self.volume(row)
        try:
            prepared = prepare(volume, self.task)
        except BadInput as error:
            self.store.set_facts(row.id, problem=str(error), size=row.size, mtime_ns=row.mtime_ns)
            raise Unreadable(str(error)) from error
        self._tensors.put(key, prepared)
        if row.fingerprint is None:
            self._learn_facts(row, volume)
        return prepared

    def facts(self, row: ImageRow) -> ImageRow:
        """The row with its checksum and fingerprint, computed if this is the first time the file is read."""
        if row.checksum is not None and row.fingerprint is not None:
            return row
        self._learn_facts(row, self.volume(row))
        return self.store.image(row.id)

    def served(self, row: ImageRow) -> Path:
        """The file that clients are sent: the image itself, or its display channel as NIfTI."""
        known = self._served.get((row.id, row.size, row.mtime_ns))
        if known is not None and known.exists():
            return known
        return self._serve(row, self.volume(row))

    def _serve(self, row: ImageRow, volume: Volume) -> Path:
        path = self.source.path(row)
        if not is_served_as_is(path, volume, self.task):
            path = self._derived(row)
            if not path.exists():
                write_volume(path, volume, self.task.image.display_channel)
        self._served[(row.id, row.size, row.mtime_ns)] = path
        return path

    def _derived(self, row: ImageRow) -> Path:
        identity = hashlib.sha256(f"{row.size}|{row.mtime_ns}|{self._preparation}".encode()).hexdigest()[:12]
        return self.workspace.cache / "served" / identity / f"{row.id}.nii.gz"

    def _learn_facts(self, row: ImageRow, volume: Volume) -> None:
        checksum = hashlib.sha256(self._serve(row, volume).read_bytes()).hexdigest()
        self.store.set_facts(
            row.id, checksum=checksum, fingerprint=fingerprint(volume), size=row.size, mtime_ns=row.mtime_ns
        )

    # settings

    def alpha(self) -> float:
        """α: what a reviewer set, else what the server was started with, else the task's."""
        return float(self.store.get_setting(ALPHA, self.task.acquisition.alpha))

    # the model

    def model(self) -> Model | None:
        """The published model, loaded again whenever another version has been published."""
        version = self.store.current_version()
        if version is None:
            return None
        with self._model_lock:
            if self._model is None or self._model.version.version != version.version:
                path = self.workspace.state / str(version.path)
                self._model = Model(version, load(path, self.task, self.device))
                logger.info("model v%d is in use on %s", version.version, self.device)
            return self._model


def _keep_findings(store: Store, task: Task) -> None:
    """Refuse a task file under which annotations would change their meaning: label files number the findings."""
    ours: dict[str, Any] = {"roi": list(task.roi_findings), "absent": task.absent}
    known = store.get_setting(FINDINGS)
    if known == ours:
        return
    if known is not None and store.annotations():
        roi, absent = known["roi"], known["absent"]
        if ours["roi"][: len(roi)] != roi or (absent is not None and absent != task.absent):
            before = ", ".join(repr(name) for name in (*roi, *([absent] if absent else [])))
            raise TaskError(
                f"findings: {', '.join(repr(name) for name in task.finding_names)}; but this pool has annotations made "
                f"with {before}, numbered in this order: keep these names and this order and add new findings at the "
                "end, or give the task another name"
            )
    store.set_setting(FINDINGS, ours, by="task")
