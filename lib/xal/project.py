"""One task on one set of images: what the server, its child processes and the command line share.

A project knows where things lie and keeps what is costly to make (decoded images, the network). It takes
no decisions: scoring, training and hand-in are modules of their own that are given a project.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xal.cache import TensorCache
from xal.errors import BadInput, NotFound, TaskError, Unreadable
from xal.geometry import Prepared, prepare
from xal.images import Volume, fingerprint, is_served_as_is, read_image, write_volume
from xal.network import Network, load, pick_device
from xal.source import FolderSource, ImageSource
from xal.store import Store
from xal.store.rows import ImageFile, ImageRow, VersionRow
from xal.task import Task
from xal.weights import checked_weights
from xal.workspace import Workspace

logger = logging.getLogger(__name__)

TENSOR_CACHE_BYTES = 4 << 30
COMPARE_SECONDS = 60.0
"""How long an unchanged listing is believed to be what the store holds, too; other processes write there."""
ALPHA = "alpha"
"""The setting that a reviewer may change."""
CONF_ALPHA = "conf_alpha"
"""The setting that holds what the server was last started with, so that every process knows it."""
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
        self._known = store.known_files()
        self._listing: list[ImageFile] | None = None
        self._next_comparison = 0.0
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
        if time.monotonic() >= self._next_comparison:
            self._listing = None
        listing = self.source.scan(self._known)
        if listing == self._listing:
            return False
        known = self.store.known_files()
        found = {file.id: file for file in listing}
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
        self._listing, self._known = listing, known | found
        self._next_comparison = time.monotonic() + COMPARE_SECONDS
        return bool(fresh or vanished)

    def volume(self, row: ImageRow) -> Volume:
        """Decode an image and, the first time, learn its facts; one that does not fit the task is as bad as none."""
        try:
            volume = read_image(self.source.path(row))
            if not self.source.still_is(row):
                raise NotFound(f"the file of image {row.id!r} was replaced just now: ask again in some seconds")
            if row.fingerprint is None:
                self._tensors.put(self._key(row), prepare(volume, self.task))
                facts = {"checksum": self._checksum(row, volume), "fingerprint": fingerprint(volume)}
                self.store.set_facts(row.id, size=row.size, mtime_ns=row.mtime_ns, **facts)
        except (Unreadable, BadInput) as error:
            if self.source.still_is(row):
                self._mark_unreadable(row, error)
            raise Unreadable(str(error)) from error
        return volume

    def prepared(self, row: ImageRow) -> Prepared:
        """The network's input for an image, from the cache if it was prepared before."""
        known = None if row.fingerprint is None else self._tensors.get(self._key(row))
        if known is not None:
            return known
        try:
            prepared = prepare(self.volume(row), self.task)
        except BadInput as error:  # it fitted the task before the task file was changed
            self._mark_unreadable(row, error)
            raise Unreadable(str(error)) from error
        self._tensors.put(self._key(row), prepared)
        return prepared

    def served(self, row: ImageRow) -> tuple[Path, str]:
        """The file that clients are sent, the image itself or its display channel as NIfTI, and its SHA-256."""
        path = self.source.path(row)
        if row.fingerprint is None:
            self.volume(row)
            row = self.store.image(row.id)
        if not is_served_as_is(path, self.task):
            path = self._derived(row)
            if not path.exists():  # the cache was emptied, or the task shows another channel now
                checksum = self._checksum(row, self.volume(row))
                self.store.set_facts(row.id, checksum=checksum, size=row.size, mtime_ns=row.mtime_ns)
                return path, checksum
        return path, str(row.checksum)

    def _checksum(self, row: ImageRow, volume: Volume) -> str:
        path = self.source.path(row)
        if not is_served_as_is(path, self.task):
            path = self._derived(row)
            write_volume(path, volume, self.task.image.display_channel)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def _derived(self, row: ImageRow) -> Path:
        state = f"{row.size}|{row.mtime_ns}|{self.task.image.channels}|{self.task.image.display_channel}"
        return self.workspace.cache / "served" / hashlib.sha256(state.encode()).hexdigest()[:12] / f"{row.id}.nii.gz"

    def _key(self, row: ImageRow) -> str:
        return f"{row.id}|{row.size}|{row.mtime_ns}|{self._preparation}"

    def _mark_unreadable(self, row: ImageRow, error: Exception) -> None:
        self.store.set_facts(row.id, problem=str(error), size=row.size, mtime_ns=row.mtime_ns)

    # settings

    def alpha(self) -> float:
        """α: what a reviewer set, else what the server was started with, else the task's."""
        chosen = (self.store.get_setting(key) for key in (ALPHA, CONF_ALPHA))
        return float(next((alpha for alpha in chosen if alpha is not None), self.task.acquisition.alpha))

    # the model

    def model(self) -> Model | None:
        """The published model, loaded again whenever another version has been published.

        Conflict if its weights are not those that were published.
        """
        version = self.store.current_version()
        if version is None:
            return None
        with self._model_lock:
            if self._model is None or self._model.version.version != version.version:
                path = checked_weights(self.workspace.state, version)
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
