"""One task on one set of images: what the server, its child processes and the command line share.

A project knows where things lie and keeps what is costly to make (decoded images, the network). It takes
no decisions: scoring, training and hand-in are modules of their own that are given a project.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from xal.errors import BadInput, Full, NotFound, StoreLost, TaskError, Unavailable, Unreadable
from xal.imaging.colours import with_channels
from xal.imaging.geometry import Prepared, prepare
from xal.imaging.images import Volume, channel_as_nifti, fingerprint, is_served_as_is, read_image
from xal.imaging.integrity import check_readable, is_passing
from xal.method.acquisition import NEUTRAL
from xal.model.network import Network, load, pick_device
from xal.pool.copies import NIFTI, PNG, Copies
from xal.pool.lost_store import advice, check_store_file, check_store_knows
from xal.pool.tensor_cache import TensorCache
from xal.pool.weights import checked_weights
from xal.pool.workspace import Workspace, state_folder
from xal.sources.address import Address, is_address
from xal.sources.archive import DicomWebSource, default_modalities
from xal.sources.client import Archive
from xal.sources.folder import FolderSource
from xal.sources.source import ImageSource
from xal.store import Store
from xal.store.rows import THERE, ImageFile, ImageRow, VersionRow
from xal.system.bounded_folder import BoundedFolder, remove
from xal.system.disk_space import MB, Space
from xal.system.limits import Limits, enforce
from xal.task import Task

logger = logging.getLogger(__name__)

T = TypeVar("T")

FETCHED, COPIES, PREPARED = 0.6, 0.2, 0.2
"""How the allowed bytes are divided: what an archive gave (a folder's copies have that share, too), files made for
clients, and what the network is given."""
TENSORS, COPIED = "tensors", "copies"
"""Folders of what can be made again."""
SERVED = "served"
"""The kind of copy that clients are sent instead of the image itself."""
COMPARE_SECONDS = 60.0
"""How long an unchanged listing is believed to be what the store holds, too; other processes write there."""
ALPHA = "alpha"
"""The setting that a reviewer may change."""
NEUTRAL_NOW = "neutral"
"""The setting that holds what a missing misalignment counted when the pool was last ranked."""
CONF_ALPHA = "conf_alpha"
"""The setting that holds what the server was last started with, so that every process knows it."""
CONF_ARCHIVE = "conf_archive"
"""The same of the archive's images, and of how much is kept."""
CONF_LIMITS = "conf_limits"
"""The same of how large an image may be."""
FINDINGS = "findings"
"""The setting that holds the findings annotations were made with, in order."""


@dataclass(frozen=True)
class Model:
    """The published network and what is known of it."""

    version: VersionRow
    network: Network


@dataclass(frozen=True)
class ArchiveOptions:
    """How the images of an archive are looked for, and how much is kept of what can be had again."""

    modalities: tuple[str, ...] = ()
    """Of which modalities series are images; none: what is usual for the task's dimensions."""
    cache_gb: float = 20.0
    """How much is kept of what was fetched or made and can be fetched or made again, from a folder's images, too."""
    reserve_mb: int = 200
    """Below so much free space nothing is kept but labels."""

    def bytes_for(self, share: float) -> int:
        """This share of it."""
        return int(self.cache_gb * 1e9 * share)


class Project:
    """A task, its images, its store and its files."""

    def __init__(
        self,
        task: Task,
        workspace: Workspace,
        source: ImageSource,
        store: Store,
        options: ArchiveOptions,
        space: Space,
    ) -> None:
        """Tie the parts together; `open` is what callers use."""
        self.task = task
        self.workspace = workspace
        self.source = source
        self.store = store
        self.device: torch.device = pick_device(None)
        self.source_problem: str | None = None
        """Why the source cannot be looked at now, as the server's watch found."""
        self.space = space
        """On the disk of the state."""
        self._tensors = TensorCache(workspace.cache / TENSORS, options.bytes_for(PREPARED))
        copies = COPIES if source.fetches else COPIES + FETCHED
        self._copies = Copies(workspace.cache / COPIED, options.bytes_for(copies))
        self._preparation = hashlib.sha256(task.image.model_dump_json().encode()).hexdigest()[:16]
        self._known = store.images.known_files()
        self._compared: dict[str, tuple[tuple[int, int], str | None, str | None]] = {}
        """By image the state of the file that was last compared with its facts, and these."""
        self._listing: list[ImageFile] | None = None
        self._next_comparison = 0.0
        self._model: Model | None = None
        self._model_lock = threading.Lock()

    @classmethod
    def open(
        cls,
        task: Task,
        studies: str,
        database: str | None = None,
        archive: ArchiveOptions | None = None,
        limits: Limits | None = None,
        named: str | None = None,
    ) -> Project:
        """Open (and create, the first time) the project of `task` on the images at `studies`, folder or archive.

        StoreLost, with the commands that help, if it was there before and is not now; `named` is what a command calls
        the task, if not by its name. From then on this process keeps to the limits.
        """
        try:
            workspace, store = _open_store(task, studies, database, archive or ArchiveOptions())
        except StoreLost as error:
            hint = advice(state_folder(studies), studies, named or task.name, database)
            raise StoreLost(f"{error}.\n{hint}") from error
        keep_findings(store, task)
        if archive is None:  # a command beside the server: as the server was last started
            archive = ArchiveOptions(**store.settings.get(CONF_ARCHIVE, {}))
        enforce(Limits.model_validate(store.settings.get(CONF_LIMITS, {})) if limits is None else limits)
        space = Space(workspace.state, archive.reserve_mb * MB)
        return cls(task, workspace, _source(task, workspace, studies, archive, space), store, archive, space)

    # images

    def sync(self) -> bool:
        """Bring the store's list of images up to date with the source; true if anything changed."""
        if time.monotonic() >= self._next_comparison:
            self._listing = None
        listing = self.source.scan(self._known)
        if listing == self._listing:
            return False
        known = self.store.images.known_files()
        found = {file.id: file for file in listing}
        fresh = [
            file
            for file in found.values()
            if file.id not in known
            or known[file.id].state == "gone"
            or (known[file.id].size, known[file.id].mtime_ns, known[file.id].path)
            != (file.size, file.mtime_ns, file.path)
        ]
        vanished = [identifier for identifier, file in known.items() if identifier not in found and file.state in THERE]
        if fresh:
            self.store.images.put(fresh)
            self.store.images.update_infos(self.source.infos(file.id for file in fresh))
        if vanished:
            self.store.images.mark_gone(vanished)
        self._listing, self._known = listing, known | found
        self._next_comparison = time.monotonic() + COMPARE_SECONDS
        return bool(fresh or vanished)

    def volume(self, row: ImageRow) -> Volume:
        """Decode an image and, the first time, learn its facts; one that does not fit the task is as bad as none.

        Unavailable where its pixels are others than the row says: what the caller knows of it may not hold any more.
        """
        volume, found = self._reading(row)
        _check_same(row, found)
        return volume

    def learn(self, row: ImageRow) -> None:
        """Learn an image's facts as `volume` does, without holding its pixels, which may be many."""
        self.volume(row)

    def _reading(self, row: ImageRow) -> tuple[Volume, ImageRow]:
        """The image, and the row with the facts as they are now."""
        return self._with_file(row, lambda path: self._read(row, path))

    def _with_file(self, row: ImageRow, work: Callable[[Path], T]) -> T:
        """Do this with the image's file; Unreadable, which the store then knows, is the fault of the file as it is."""
        try:
            return self._tried(row, work)
        except (Unreadable, BadInput) as error:
            if self.source.still_is(row):
                self._mark_unreadable(row, error)
            raise Unreadable(str(error)) from error

    def _tried(self, row: ImageRow, work: Callable[[Path], T]) -> T:
        """Do it, and once more if the file was removed or replaced meanwhile, to make room or else.

        Unreadable is then the file's own fault, for as long as the file is this one. What may pass is Unavailable.
        """
        for again in (True, False):
            path = self.source.path(row)
            try:
                before = _state(path)
                try:
                    return work(path)
                except Unreadable as error:
                    check_readable(path)
                    reason: Exception = error
                    if _state(path) == before and not is_passing(error):
                        if not (again and self.source.fetches):
                            raise
                        remove(path)  # whole when it was kept, and damaged since: the archive has another
            except OSError as error:
                if isinstance(error, PermissionError) and not self.source.fetches:
                    raise Unreadable(f"{path.name}: the server may not read it") from error
                reason = error
            if not again:
                what = getattr(reason, "strerror", None) or "it was removed or replaced meanwhile"
                raise Unavailable(f"image {row.id!r} cannot be read at the moment ({what})") from reason
        raise AssertionError("the second try always ends")

    def _read(self, row: ImageRow, path: Path) -> tuple[Volume, ImageRow]:
        state = _state(path)
        volume = read_image(path)
        if not self.source.still_is(row):
            raise NotFound(f"the file of image {row.id!r} was replaced just now: ask again in some seconds")
        if row.fingerprint is not None and self._is_known(row, state):
            return volume, row
        found = replace(row, fingerprint=fingerprint(volume))
        found = replace(found, checksum=self._checksum(found, path, volume))
        if found != row:
            self._keep_prepared(found, prepare(volume, self.task))
            self._keep_facts(found)
        self._compared[row.id] = state, found.fingerprint, found.checksum
        return volume, found

    def _is_known(self, row: ImageRow, state: tuple[int, int]) -> bool:
        """Whether the row's facts are those of this file.

        In a folder a changed file has another time. What is fetched may be what somebody corrected in the archive under
        the same UID, so every fetched file is compared with the facts once.
        """
        return not self.source.fetches or self._compared.get(row.id) == (state, row.fingerprint, row.checksum)

    def prepared(self, row: ImageRow) -> Prepared:
        """The network's input for an image, from the cache if it was prepared before."""
        known = None if row.fingerprint is None else self._tensors.get(self._key(row))
        if known is not None:
            return known
        volume, found = self._reading(row)
        _check_same(row, found)
        try:
            prepared = prepare(volume, self.task)
        except BadInput as error:  # it fitted the task before the task file was changed
            self._mark_unreadable(row, error)
            raise Unreadable(str(error)) from error
        self._keep_prepared(found, prepared)
        return prepared

    def _keep_prepared(self, row: ImageRow, prepared: Prepared) -> None:
        if not self.space.is_low():
            self._tensors.put(self._key(row), prepared)

    def served(self, row: ImageRow) -> tuple[Path, str]:
        """The file that clients are sent, the image itself or its display channel as NIfTI, and its SHA-256."""
        return self._with_file(row, lambda path: self._served(row, path))

    def _served(self, row: ImageRow, file: Path) -> tuple[Path, str]:
        as_is = is_served_as_is(file, self.task)
        state = _state(file)
        if as_is and row.checksum is not None and not self._is_known(row, state) and _digest(file) == row.checksum:
            self._compared[row.id] = state, row.fingerprint, row.checksum
        if row.fingerprint is None or not self._is_known(row, state):
            _, row = self._reading(row)
        path = file
        if not as_is:
            path = self._place(row, SERVED, NIFTI)
            if not self._copies.has(path):  # it had to make room
                volume, row = self._reading(row)
                made = replace(row, checksum=self._checksum(row, file, volume))
                if made != row:  # the task shows another channel now, or another release wrote the first
                    self._keep_facts(made)
                row = made
                if not self._copies.has(path):
                    raise Full(f"there is no space for a copy of image {row.id!r}, which is what is sent: make space")
        return path, str(row.checksum)

    def copy(self, row: ImageRow, kind: str, suffix: str, make: Callable[[], bytes]) -> Path:
        """A file made from an image, by `make` if it is not kept."""
        if row.fingerprint is None:
            row = self.store.images.get(row.id)
        path = self._place(row, kind, suffix)
        if not self._copies.has(path):
            self._keep_copy(path, make())
        return path

    def _keep_copy(self, path: Path, content: bytes) -> None:
        self.space.check("no copy of the image can be made")
        self._copies.put(path, content)

    def _place(self, row: ImageRow, kind: str, suffix: str) -> Path:
        """Another place as soon as the image's file, its pixels or what the task shows changes."""
        shown = f"{self.task.image.channels}|{self.task.image.display_channel}"
        return self._copies.place(row.id, f"{kind}|{row.size}|{row.mtime_ns}|{row.fingerprint}|{shown}", suffix)

    def _checksum(self, row: ImageRow, path: Path, volume: Volume) -> str:
        """Of what clients are sent; if that is not the image's file itself, it is made."""
        if not is_served_as_is(path, self.task):
            seen = replace(volume, pixels=with_channels(volume.pixels, self.task.image.channels))
            content = channel_as_nifti(seen, self.task.image.display_channel)
            try:
                self._keep_copy(self._place(row, SERVED, NIFTI), content)
            except (OSError, Full) as error:  # made again when it is asked for; a label can be handed in without
                logger.warning("the copy of image %s is not kept: %s", row.id, error)
            return hashlib.sha256(content).hexdigest()
        return _digest(path)

    def _keep_facts(self, found: ImageRow) -> None:
        facts = {"checksum": found.checksum, "fingerprint": found.fingerprint}
        self.store.images.set_facts(found.id, size=found.size, mtime_ns=found.mtime_ns, **facts)

    def _key(self, row: ImageRow) -> str:
        return f"{row.id}|{row.size}|{row.mtime_ns}|{row.checksum}|{self._preparation}"

    def _mark_unreadable(self, row: ImageRow, error: Exception) -> None:
        self.store.images.set_facts(row.id, problem=str(error), size=row.size, mtime_ns=row.mtime_ns)

    def give_way(self) -> None:
        """Remove what can be made or fetched again, what costs least first, until there is space for labels."""
        for kept in (self._tensors, self._copies, self.source):
            if not self.space.is_relieved():
                kept.give_way(self.space.is_relieved)

    # settings

    def alpha(self) -> float:
        """α: what a reviewer set, else what the server was started with, else the task's."""
        chosen = (self.store.settings.get(key) for key in (ALPHA, CONF_ALPHA))
        return float(next((alpha for alpha in chosen if alpha is not None), self.task.acquisition.alpha))

    def neutral(self) -> float:
        """What a missing misalignment counts in the queue as it is now."""
        return float(self.store.settings.get(NEUTRAL_NOW, NEUTRAL))

    # the model

    def model(self) -> Model | None:
        """The published model, loaded again whenever another version has been published.

        Conflict if its weights are not those that were published.
        """
        version = self.store.versions.current()
        if version is None:
            return None
        with self._model_lock:
            if self._model is None or self._model.version.version != version.version:
                path = checked_weights(self.workspace.state, version)
                self._model = Model(version, load(path, self.task, self.device))
                logger.info("model v%d is in use on %s", version.version, self.device)
            return self._model


def _open_store(task: Task, studies: str, database: str | None, options: ArchiveOptions) -> tuple[Workspace, Store]:
    workspace = Workspace.open(studies, task.name)
    space = Space(workspace.state, options.reserve_mb * MB)
    if space.is_low():  # a store needs some to be opened at all
        for folder, suffixes in ((TENSORS, (".npz",)), (COPIED, (NIFTI, PNG))):
            if (workspace.cache / folder).is_dir():
                whole = BoundedFolder(workspace.cache / folder, suffixes, options.bytes_for(1), in_use_seconds=0)
                whole.give_way(space.is_relieved)
    url = workspace.database(database)
    check_store_file(workspace.state, url)
    store = Store.open(url, workspace.pool, task.name)
    check_store_knows(store, workspace.labels)
    return workspace, store


def _check_same(row: ImageRow, found: ImageRow) -> None:
    if row.fingerprint not in (None, found.fingerprint):
        raise Unavailable(f"image {row.id!r} has other pixels in the archive than it had: ask again")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: Path) -> tuple[int, int]:
    """What changes when another file takes its place."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _source(task: Task, workspace: Workspace, studies: str, options: ArchiveOptions, space: Space) -> ImageSource:
    if not is_address(studies):
        return FolderSource(Path(studies))
    archive = Archive(Address.parse(studies))
    modalities = options.modalities or default_modalities(task.image.dimensions)
    return DicomWebSource(archive, modalities, workspace.state, options.bytes_for(FETCHED), space)


def keep_findings(store: Store, task: Task) -> None:
    """Refuse a task file under which annotations would change their meaning: label files number the findings."""
    ours: dict[str, Any] = {"roi": list(task.roi_findings), "absent": task.absent}
    known = store.settings.get(FINDINGS)
    if known == ours:
        return
    if known is not None and store.annotations.find(regions=True):
        roi, absent = known["roi"], known["absent"]
        if ours["roi"][: len(roi)] != roi or (absent is not None and absent != task.absent):
            before = ", ".join(repr(name) for name in (*roi, *([absent] if absent else [])))
            raise TaskError(
                f"findings: {', '.join(repr(name) for name in task.finding_names)}; but this pool has annotations made "
                f"with {before}, numbered in this order: keep these names and this order and add new findings at the "
                "end, or give the task another name"
            )
    store.settings.set(FINDINGS, ours, by="task")
