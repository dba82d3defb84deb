"""Where things lie: which pool the studies are, and the folder that keeps its state."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from xal.errors import StoreError, StoreLost
from xal.pool.lost_store import STORE_FILE, check_pool_known
from xal.sources.address import Address, is_address
from xal.system.folder_lock import Hold
from xal.system.network_drive import network_filesystem

ORPHANS = ".orphans"
"""Below the folder of labels: label files that no annotation names and that were not taken up. Of models likewise."""
POOL_FILE = "pool.json"


@dataclass(frozen=True)
class Workspace:
    """The folders of one task on one pool, all of them existing."""

    studies: str
    """The folder's absolute path, or the DICOMweb URL without credentials."""
    pool: str
    """Short hash of the studies' URI; a state folder keeps its first one when it moves."""
    task: str
    state: Path
    """`<studies>/.xal`, or a folder in the user's data folder for a URL."""
    _hold: Hold | None = field(default=None, compare=False, repr=False)
    """While this process has it open, nothing is restored over it."""

    @classmethod
    def open(cls, studies: str, task: str, state: Path | None = None) -> Self:
        """Find the pool and its state folder and make the folders that are missing; StoreError where that cannot be."""
        place, pool = _place(studies)
        folder = (state or state_folder(studies)).expanduser().resolve()
        try:
            hold = Hold(folder)
            check_pool_known(folder, folder / POOL_FILE)
            workspace = cls(place, _kept_pool(folder, pool, place), task, folder, hold)
            for needed in (workspace.labels, workspace.models, workspace.cache):
                needed.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the state of the studies cannot be kept in {folder}: {error.strerror}") from error
        return workspace

    def close(self) -> None:
        """Let a restore have the state; this process must not use it any more."""
        if self._hold is not None:
            self._hold.release()

    @property
    def labels(self) -> Path:
        """Label files as handed in."""
        return self.state / self.task / "labels"

    @property
    def models(self) -> Path:
        """Weights of the model versions."""
        return self.state / self.task / "models"

    @property
    def cache(self) -> Path:
        """What can be computed again."""
        return self.state / self.task / "cache"

    @property
    def sessions(self) -> Path:
        """Images that clients brought along for a while."""
        return self.state / "sessions"

    def database(self, url: str | None = None) -> str:
        """The store's URL: the one given, else SQLite in the state folder; StoreError on a network file system."""
        if url:
            return url
        kind = network_filesystem(self.state)
        if kind is not None:
            raise StoreError(
                f"{self.state} lies on a network file system ({kind}), where SQLite would lose data; "
                "keep the state in a local folder, or name a PostgreSQL database"
            )
        return f"sqlite:///{self.state / STORE_FILE}"


def state_folder(studies: str) -> Path:
    """Where the state of the studies is kept, be it there or not."""
    place, pool = _place(studies)
    return (_user_data() / "xal" / pool if is_address(studies) else Path(place) / ".xal").resolve()


def pool_of(studies: str) -> str:
    """The pool that is begun for studies that have none."""
    return _place(studies)[1]


def _place(studies: str) -> tuple[str, str]:
    """The studies in their one spelling, and the pool that is begun for them."""
    if is_address(studies):
        place = Address.parse(studies).url
        return place, _hash(place)
    root = Path(studies).expanduser().resolve()
    if not root.is_dir():
        raise StoreError(f"the studies {studies!r} are neither a folder nor a URL")
    return str(root), _hash(root.as_uri())


def _hash(uri: str) -> str:
    return hashlib.sha256(uri.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _user_data() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _kept_pool(folder: Path, pool: str, place: str) -> str:
    """The pool this state was begun for: everything in the store carries it, so a studies folder may be moved.

    Linked into place rather than written there, so that two processes that start at once agree.
    """
    file = folder / POOL_FILE
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".pool-", encoding="utf-8") as draft:
            json.dump({"pool": pool, "studies": place}, draft)
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                file.hardlink_to(draft.name)
    return named_pool(file)


def named_pool(file: Path) -> str:
    """The pool that a state folder's file names; StoreLost if it does not."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["pool"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreLost(f"{file} does not name a pool ({error})") from error
