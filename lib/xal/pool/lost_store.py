"""A store that is gone while readers' label files are there: nothing is begun anew over them.

An empty store numbers revisions from 1 again. So where label files lie in a state folder, what belongs to them must be
there, too, before anything opens.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from xal.errors import StoreLost
from xal.store import Store

STORE_FILE = "store.sqlite"
BACKUPS = "backups"
"""The folder, beside the store, of the copies that the server keeps by itself."""
BACKUP_NAMES = "store-*.sqlite"
LABEL_NAME = re.compile(r"(?P<reader>[A-Za-z0-9_-]+)\.r(?P<revision>[1-9][0-9]*)(-[0-9]+)?\.nii\.gz")
"""Of a label file, in its image's folder; hidden folders hold what is not in its place."""


def label_files(labels: Path) -> Iterator[Path]:
    """The label files of a task that are in their place, image by image."""
    for folder in sorted(labels.iterdir()) if labels.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith("."):
            yield from sorted(file for file in folder.iterdir() if LABEL_NAME.fullmatch(file.name))


def check_pool_known(state: Path, pool_file: Path) -> None:
    """Refuse to begin a pool where label files of one lie already."""
    if not pool_file.exists():
        _refuse_beside(state, f"{pool_file}, which names the pool of images, is missing")


def check_store_file(state: Path, url: str) -> None:
    """Refuse to make a new SQLite file where there was one before; one that is empty is as good as none."""
    database = make_url(url)
    if database.get_backend_name() != "sqlite":
        return
    file = Path(str(database.database))
    if file.exists() and file.stat().st_size:
        return
    gone = f"{file} is {'empty' if file.exists() else 'missing'}"
    _refuse_beside(state, gone)
    journal = file.with_name(f"{file.name}-wal")
    if journal.exists() and journal.stat().st_size:
        raise StoreLost(f"{gone}, but {journal.name}, which is a part of it, is there")


def check_store_knows(store: Store, labels: Path) -> None:
    """Refuse a store that never saw an image of this pool and task, for which label files lie here."""
    if store.images.any():
        return
    count = sum(1 for _ in label_files(labels))
    if count:
        raise StoreLost(
            f"{store.where} knows nothing of the task {store.task!r} on this pool of images ({store.pool}), "
            f"but {_there_are(count, labels)}"
        )


def newest_backup(state: Path) -> Path | None:
    """The latest copy that a server made of the store."""
    return max((state / BACKUPS).glob(BACKUP_NAMES), default=None)


def advice(state: Path, studies: str, task: str, database: str | None) -> str:
    """What to do about a store that is lost, with commands that can be pasted."""
    options = ["--studies", studies, "--task", str(Path(task).resolve()) if Path(task).is_file() else task]
    copy = newest_backup(state)
    if database is not None:
        options += ["--database", make_url(database).set(password=None).render_as_string()]
        first = ["Bring the database back from its dump, or let it be filled from label files and models:"]
    elif copy is not None:
        first = [
            f"The newest backup is {copy}. Bring it back with",
            f"  {_command('restore', *options, str(copy))}",
            "or make the store anew from it and from the label files and models that it does not know:",
        ]
    else:
        first = [
            f"There is no backup in {state / BACKUPS}. If there is one elsewhere, bring it back with",
            f"  {_command('restore', *options)} BACKUP",
            "or make the store anew from label files and models:",
        ]
    return "\n".join([*first, f"  {_command('rebuild', *options)}"])


def _command(*words: str) -> str:
    """How this program is called here."""
    program = Path(sys.executable).with_name("xal")
    return shlex.join([str(program) if program.exists() else "xal", *words])


def _refuse_beside(state: Path, what: str) -> None:
    """Refuse if any task's label files lie in the state folder: it has one store for all of them."""
    for labels in sorted(state.glob("*/labels")):
        count = sum(1 for _ in label_files(labels))
        if count:
            raise StoreLost(f"{what}, but {_there_are(count, labels)}")


def _there_are(count: int, labels: Path) -> str:
    return f"{labels} holds {count} label {'file' if count == 1 else 'files'} that readers handed in"
