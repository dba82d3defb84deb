"""Backup and restore of a project's state: the store, every label file, the weights of every version."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from xal.errors import BadInput, Conflict, StoreError, StoreLost, Unreadable
from xal.exchange.adopting import noted, put_unnamed_aside
from xal.imaging.integrity import check_readable
from xal.pool.label_check import check_all
from xal.pool.lost_store import STORE_FILE
from xal.pool.notes import withdrawn_note
from xal.pool.project import Project
from xal.pool.store_file import new_folder_aside, pools_in, put_in_place, whole_copy
from xal.pool.weights import version_folders
from xal.pool.workspace import ORPHANS, POOL_FILE, named_pool, state_folder
from xal.store import Store
from xal.system.durable import create, sync_to_disk
from xal.system.folder_lock import Hold, put_aside, staged
from xal.system.temporary_files import temporary_files

MANIFEST = "xal-backup.json"
DUMP = "store.dump"
"""What the advice calls the dump of a PostgreSQL database."""


def backup(project: Project, target: Path) -> Path:
    """Copy everything that cannot be computed again into a new folder, while the server runs.

    The store is copied first: files it names are never changed or removed afterwards, so they are all there. A label
    file that is damaged by now is noted in store and manifest, and keeps nothing from being copied; so does a file that
    the disk does not give, which is not in the backup. What is in
    PostgreSQL is dumped by its own tools, see `dump_advice`.
    """
    if target.exists():
        raise Conflict(f"{target} exists already: a backup goes into a new folder")
    partial = target.with_name(f".{target.name}.partial")
    database = project.store.database.url.get_backend_name()
    damaged = [str(row.file_problem) for row in check_all(project)]
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if database == "sqlite":
            project.store.backup(partial / STORE_FILE)
        unreadable = _copy_files(project.workspace.state, partial)
        manifest = {
            "pool": project.workspace.pool,
            "database": database,
            "made_at": time.time(),
            "damaged_labels": damaged,
            "unreadable_files": unreadable,
        }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        _sync_tree(partial)
        partial.rename(target)
        sync_to_disk(target.parent)
    except OSError as error:
        raise StoreError(f"no backup was made: {error}") from error
    return target


def dump_advice(project: Project, target: Path) -> str | None:
    """How to save a database that `backup` cannot copy; None where it did."""
    if project.store.database.url.get_backend_name() == "sqlite":
        return None
    command = f"pg_dump --format=custom --file={shlex.quote(str(target / DUMP))} {_plain(project.store.database.url)}"
    return (
        f"the database is not in it; dump it with\n  {command}\n"
        "What is handed in between the copy and a later dump lacks its label file: dump before the copy, or while "
        "nobody hands in"
    )


@dataclass(frozen=True)
class Restored:
    """What a restore came to."""

    aside: Path | None
    """Where what was there before is."""
    unnamed: int = 0
    """Label files that the store does not know, as it was before they came; they are put aside, too."""
    versions: int = 0
    """So are the weights of so many model versions."""


def restore_copy(source: Path, studies: str, database: str | None = None) -> Restored:
    """Put a copy that the server made in the place of the store, and of nothing else; nothing is erased.

    Conflict while any process uses the state.
    """
    if _kind(database) != "sqlite":
        raise BadInput(f"{source} is a copy of a store in sqlite: --database must say the same")
    state = state_folder(studies)
    try:
        held = Hold(state, alone=True)
        try:
            with tempfile.TemporaryDirectory(dir=temporary_files(state)) as folder:
                fresh = whole_copy(source, Path(folder))
                pool = _pool_of(state, source, pools_in(fresh))
                aside = put_in_place(fresh, state)
            return Restored(aside, *_put_later_aside(state, pool, aside))
        finally:
            held.release()
    except OSError as error:
        raise StoreError(f"the restore did not come to its end: {error}") from error


def _pool_of(state: Path, source: Path, known: set[str]) -> str:
    """The pool that the state is of; where nothing says which, it is the copy's."""
    try:
        pool = named_pool(state / POOL_FILE)
    except StoreLost as error:
        if len(known) != 1:
            raise BadInput(f"{error}, and {source} holds {len(known)} pools: restore {POOL_FILE}, too") from error
        (pool,) = known
        if (state / POOL_FILE).exists():
            (state / POOL_FILE).rename(new_folder_aside(state) / POOL_FILE)
        create(state / POOL_FILE, json.dumps({"pool": pool}).encode())
    if pool not in known:
        raise BadInput(f"{source} is of another pool of images ({', '.join(sorted(known))}) than {state} ({pool})")
    return pool


def _put_later_aside(state: Path, pool: str, aside: Path | None) -> tuple[int, int]:
    """Put aside what came after the store: how many label files, and how many versions' weights, it does not know.

    So are the notes of withdrawals that it knows nothing of, or the next rebuild would undo what was restored.
    """
    unnamed = versions = 0
    for labels in sorted(state.glob("*/labels")):
        store = Store.open(f"sqlite:///{state / STORE_FILE}", pool, labels.parent.name)
        try:
            for row in noted(store, labels):
                aside = aside or new_folder_aside(state)
                note = withdrawn_note(labels / row.label_path)
                place = aside / note.relative_to(state)
                place.parent.mkdir(parents=True, exist_ok=True)
                note.rename(place)
            unnamed += len(put_unnamed_aside(store, labels))
            versions += _put_versions_aside(store, labels.with_name("models"))
        finally:
            store.close()
    return unnamed, versions


def _put_versions_aside(store: Store, models: Path) -> int:
    """Else the next training would take their numbers."""
    known = {row.version for row in store.versions.all()}
    unknown = [folder for version, folder in version_folders(models).items() if version not in known]
    for folder in unknown:
        place, number = models / ORPHANS / folder.name, 1
        while place.exists():
            number += 1
            place = place.with_name(f"{folder.name}-{number}")
        place.parent.mkdir(exist_ok=True)
        folder.rename(place)
    return len(unknown)


def restore(source: Path, studies: str, database: str | None = None) -> Path | None:
    """Put a backup in the place of a project's state; where what was there is now, which is never erased.

    Conflict while any process uses the state. Cut off at any point, either state is complete: the old one in its place,
    or the new one beside it, and then the state cannot be opened until this was done again.
    """
    kept = _manifest(source).get("database")
    if kept != _kind(database):
        raise BadInput(f"this is a backup of a project with its store in {kept}: --database must say the same")
    state = state_folder(studies)
    try:
        held = Hold(state, alone=True)
        try:
            return _replace(state, source)
        finally:
            held.release()
    except OSError as error:
        raise StoreError(f"the restore did not come to its end: {error}") from error


def load_advice(source: Path, database: str | None) -> str | None:
    """How to bring back a database that `restore` cannot; None where it did."""
    if database is None or _kind(database) == "sqlite":
        return None
    dump = shlex.quote(str(source / DUMP))
    return (
        "the database is brought back from its dump with\n"
        f"  pg_restore --clean --if-exists --dbname={_plain(make_url(database))} {dump}"
    )


def unreadable_in(backup: Path) -> list[str]:
    """The files of the state that could not be read for this backup, and so are not in it."""
    return [str(name) for name in _manifest(backup).get("unreadable_files", [])]


def _copy_files(state: Path, target: Path) -> list[str]:
    """Copy label files, models and settings; those that cannot be read are left out: their names in the state."""
    unreadable = []

    def copy(source: str, place: str) -> None:
        try:
            shutil.copy2(source, place)
        except OSError:
            if _can_be_read(Path(source)):
                raise
            Path(place).unlink(missing_ok=True)
            unreadable.append(Path(source).relative_to(state).as_posix())

    for task in sorted(folder for folder in state.iterdir() if (folder / "labels").is_dir()):
        for kind in ("labels", "models"):
            if (task / kind).is_dir():
                shutil.copytree(task / kind, target / task.name / kind, ignore=_unfinished, copy_function=copy)
    for file in state.iterdir():
        if file.is_file() and not file.name.startswith((STORE_FILE, ".")):
            shutil.copy2(file, target / file.name)
    return sorted(unreadable)


def _can_be_read(file: Path) -> bool:
    try:
        check_readable(file)
    except (OSError, Unreadable):
        return False
    return True


def _unfinished(_folder: str, names: list[str]) -> list[str]:
    """Files that are being written; no label or model is called so."""
    return [name for name in names if name.startswith(".") and name != ORPHANS]


def _manifest(source: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((source / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{source} is no backup: it has no {MANIFEST} that can be read") from error


def _replace(state: Path, source: Path) -> Path | None:
    """First the whole new state, on disk beside the old one; then two renames, between which none is in its place."""
    fresh = staged(state)
    partial = fresh.with_name(f"{fresh.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, ignore=shutil.ignore_patterns(MANIFEST, DUMP))
    _sync_tree(partial)
    shutil.rmtree(fresh, ignore_errors=True)
    partial.rename(fresh)
    sync_to_disk(state.parent)
    aside = _move_aside(state)
    fresh.rename(state)
    sync_to_disk(state.parent)
    return aside


def _move_aside(state: Path) -> Path | None:
    """Where the state went; None if there was nothing in it, so that the new one simply takes its place."""
    if not any(state.iterdir()):
        return None
    moment = time.strftime("%Y%m%d-%H%M%S")
    aside, number = put_aside(state, moment), 1
    while aside.exists():
        number += 1
        aside = put_aside(state, f"{moment}-{number}")
    state.rename(aside)
    return aside


def _kind(database: str | None) -> str:
    try:
        return "sqlite" if database is None else make_url(database).get_backend_name()
    except ArgumentError as error:
        raise BadInput("--database is not a database URL") from error


def _plain(url: URL) -> str:
    """The URL as PostgreSQL's own tools take it, without the password, which they ask for or find in ~/.pgpass."""
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    return shlex.quote(plain.difference_update_query(["password"]).render_as_string())


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        sync_to_disk(path)
