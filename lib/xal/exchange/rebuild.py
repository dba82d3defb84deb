"""The store made anew: from the newest copy that is whole, if any, and from the files that it does not know."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from xal.errors import BadInput, StoreError, StoreLost
from xal.exchange.adopting import Adopted, adopt_all, end_withdrawn
from xal.exchange.store_copies import copies
from xal.pool.label_files import Damaged, read_record
from xal.pool.lost_store import BACKUPS, STORE_FILE, label_files
from xal.pool.notes import VERSION, read_note
from xal.pool.project import keep_findings
from xal.pool.store_file import new_folder_aside, pools_in, put_in_place, whole_copy
from xal.pool.weights import digest, version_folders
from xal.pool.workspace import ORPHANS, POOL_FILE, named_pool, pool_of, state_folder
from xal.sources.address import is_address
from xal.sources.folder import FolderSource
from xal.store import Store
from xal.store.rows import VersionRow
from xal.system.durable import create
from xal.system.folder_lock import Hold
from xal.system.temporary_files import temporary_files
from xal.task import Task


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild came to."""

    begun_with: Path | None
    """The store or the copy of it that was whole; None if there was none."""
    ended: int
    """So many annotations stand in the copy that it was begun with, and were withdrawn since."""
    adopted: Adopted
    versions: list[int]
    unread_versions: dict[int, str]
    """Those whose weights cannot be read → why."""
    current: int | None
    aside: Path | None
    """Where the store is that was there before."""

    def lines(self) -> list[str]:
        """For a person."""
        adopted = self.adopted
        added = len(adopted.recorded) + len(adopted.guessed)
        lines = [
            f"begun with {self.begun_with}"
            if self.begun_with
            else "begun with nothing: no store and no backup is whole"
        ]
        lines.append(f"annotations: {added} taken up from label files, {adopted.withdrawn} of them withdrawn")
        if self.ended:
            lines.append(
                f"  {self.ended} that stood when {self.begun_with} was made were withdrawn since, as notes say"
            )
        if adopted.guessed:
            lines.append(
                f"  {len(adopted.guessed)} of them have no record: reader and revision are as the file is called, the "
                "finding is what is painted, the time is the file's"
            )
        lines += [f"  left out, in .orphans: {name}: {why}" for name, why in adopted.aside.items()]
        lines += [f"  left out, cannot be read: {name}: {why}" for name, why in adopted.unread.items()]
        use = "none is in use: `xal publish N` says which" if self.current is None else f"v{self.current} is in use"
        lines.append(f"model versions: {len(self.versions)} taken up from their weights; {use}")
        lines += [f"  left out, its weights cannot be read: v{n}: {why}" for n, why in self.unread_versions.items()]
        lines.append("scores: the server makes them anew")
        if added:
            lines.append("how long the readings that were taken up took is not known any more")
        since = f"since {self.begun_with} was made" if self.begun_with else "ever"
        lines.append(
            f"not known any more, where it happened {since}: exclusions, reviewers' decisions, accepted doubts, a "
            "method or an α that was set, of which images outlines were asked for, images that were deleted, what was "
            "known of images, and what was sent to an archive"
        )
        if self.aside is not None:
            lines.append(f"what was there before is in {self.aside}")
        return lines


def rebuild(task: Task, studies: str, database: str | None = None) -> Rebuilt:
    """Make the store anew; Conflict while any process uses the state. Nothing is erased, and it can be done again."""
    state = state_folder(studies)
    if not state.is_dir():
        raise BadInput(f"{state} is not there: there is nothing to make a store of")
    held = Hold(state, alone=True)
    try:
        return _rebuild(task, studies, state, database)
    except OSError as error:
        raise StoreError(f"the rebuild did not come to its end: {error}") from error
    finally:
        held.release()


def _rebuild(task: Task, studies: str, state: Path, database: str | None) -> Rebuilt:
    with tempfile.TemporaryDirectory(dir=temporary_files(state)) as folder:
        kept = _kept_pool(state)
        begun_with = None if database else _begin(state, Path(folder), kept)
        draft = Path(folder) / STORE_FILE
        pool = kept or _pool(state, task.name, studies, draft if begun_with else None)
        _name_pool(state, pool, studies, kept)
        ended = 0 if begun_with in (None, state / STORE_FILE) else _end_withdrawn(state, f"sqlite:///{draft}", pool)
        store = Store.open(database or f"sqlite:///{draft}", pool, task.name)
        try:
            keep_findings(store, task)
            _list_images(store, studies)
            adopted = adopt_all(store, state / task.name / "labels", task)
            versions, unread = _adopt_versions(store, state, state / task.name / "models")
            current = store.versions.current()
        finally:
            store.close()
        aside = None
        if not database:
            aside = put_in_place(whole_copy(draft, _new(Path(folder) / "whole")), state)
    return Rebuilt(begun_with, ended, adopted, versions, unread, current.version if current else None, aside)


def _begin(state: Path, folder: Path, pool: str | None) -> Path | None:
    """Copy the first that is whole and knows the pool: the store itself, else the newest of its copies."""
    for candidate in (state / STORE_FILE, *copies(state / BACKUPS)):
        try:
            copy = whole_copy(candidate, folder)
            if pool is None or pool in pools_in(copy):
                return candidate
        except StoreLost:
            continue
    for left in folder.iterdir():
        left.unlink()
    return None


def _kept_pool(state: Path) -> str | None:
    try:
        return named_pool(state / POOL_FILE)
    except StoreLost:
        return None


def _pool(state: Path, task: str, studies: str, store: Path | None) -> str:
    """The pool, where nothing names it: the one that the store knows or the records of label files, else a new one."""
    if store is not None:
        known = pools_in(store)
        if len(known) == 1:
            return known.pop()
    named: Counter[str] = Counter()
    for label in label_files(state / task / "labels"):
        try:
            named.update(str(record["pool"]) for record in [read_record(label)] if record)
        except (Damaged, KeyError, OSError):
            continue
    return named.most_common(1)[0][0] if named else pool_of(studies)


def _name_pool(state: Path, pool: str, studies: str, kept: str | None) -> None:
    if kept is not None:
        return
    if (state / POOL_FILE).exists():
        (state / POOL_FILE).rename(new_folder_aside(state) / POOL_FILE)
    create(state / POOL_FILE, json.dumps({"pool": pool, "studies": studies}).encode())


def _list_images(store: Store, studies: str) -> None:
    """A folder's images; an archive's come with the next start of the server."""
    if not is_address(studies):
        source = FolderSource(Path(studies))
        listed = source.scan(store.images.known_files())
        store.images.put(listed)
        store.images.update_infos(source.infos(file.id for file in listed))


def _end_withdrawn(state: Path, url: str, pool: str) -> int:
    """Of every task, which share the store: how many annotations of the copy stand no more."""
    ended = 0
    for labels in sorted(state.glob("*/labels")):
        store = Store.open(url, pool, labels.parent.name)
        try:
            ended += len(end_withdrawn(store, labels))
        finally:
            store.close()
    return ended


def _adopt_versions(store: Store, state: Path, models: Path) -> tuple[list[int], dict[int, str]]:
    """Versions whose weights are there; as their notes say, else as candidates of which nothing is known.

    And those whose weights cannot be read, with the reason.
    """
    known = {row.version for row in store.versions.all()}
    for folder in version_folders(models / ORPHANS).values():
        if not (models / folder.name).exists():
            folder.rename(models / folder.name)
    adopted, unread = [], {}
    for version, folder in sorted(version_folders(models).items()):
        weights = folder / "weights.pt"
        try:
            if version not in known and weights.is_file():
                store.versions.adopt(_version(version, weights, state, read_note(folder / VERSION)))
                adopted.append(version)
        except OSError as error:
            unread[version] = str(error.strerror)
    return adopted, unread


def _version(version: int, weights: Path, state: Path, note: Mapping[str, Any]) -> dict[str, Any]:
    found = digest(weights)
    unknown: dict[str, Any] = {
        "state": "candidate",
        "current": False,
        "metrics": {},
        "verdict": {"publish": False, "reason": "what was said of it is not known any more"},
        "settings": {},
        "parent": None,
        "validation": None,
        "created_at": weights.stat().st_mtime,
        "published_at": None,
        "sha256": found,
    }
    row = unknown | {part.name: note[part.name] for part in fields(VersionRow) if part.name in note}
    damaged = {"current": False} if row["sha256"] != found else {}
    return row | damaged | {"version": version, "path": str(weights.relative_to(state))}


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
