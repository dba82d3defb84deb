"""Backup and restore of a project's state: the store, every label file, the weights of every version."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from xal.errors import BadInput, Conflict
from xal.project import Project
from xal.workspace import Workspace

MANIFEST = "xal-backup.json"
SQLITE_FILE = "store.sqlite"


def backup(project: Project, target: Path) -> Path:
    """Copy everything that cannot be computed again into a new folder, while the server runs.

    The store is copied first: files it names are never changed or removed afterwards, so they are all there.
    """
    if target.exists():
        raise Conflict(f"{target} exists already: a backup goes into a new folder")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    project.store.backup(partial / SQLITE_FILE)
    state = project.workspace.state
    for task in sorted(folder for folder in state.iterdir() if (folder / "labels").is_dir()):
        for kind in ("labels", "models"):
            if (task / kind).is_dir():
                shutil.copytree(task / kind, partial / task.name / kind)
    for file in state.iterdir():
        if file.is_file() and not file.name.startswith(SQLITE_FILE):
            shutil.copy2(file, partial / file.name)
    manifest = {"pool": project.workspace.pool, "made_at": time.time()}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    partial.rename(target)
    return target


def restore(source: Path, studies: str, task: str) -> Path:
    """Put a backup in the place of a project's state; what is there now is moved aside, never erased."""
    if not (source / MANIFEST).is_file():
        raise BadInput(f"{source} is no backup: it has no {MANIFEST}")
    state = Workspace.open(studies, task).state
    aside = state.with_name(f"{state.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    fresh = state.with_name(f"{state.name}.restoring")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh, ignore=shutil.ignore_patterns(MANIFEST))
    state.rename(aside)
    fresh.rename(state)
    return aside
