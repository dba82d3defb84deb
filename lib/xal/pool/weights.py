"""The weights of a model version on disk: used only if they are, byte for byte, those that were judged."""

from __future__ import annotations

import hashlib
from pathlib import Path

from xal.errors import Conflict
from xal.store.rows import VersionRow


def digest(path: Path) -> str:
    """What a version's row keeps of its weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version_folders(models: Path) -> dict[int, Path]:
    """What lies in a folder of models: version → its folder."""
    return {int(folder.name[1:]): folder for folder in models.glob("v[1-9]*") if folder.name[1:].isdecimal()}


def checked_weights(state: Path, version: VersionRow) -> Path:
    """The file of a version's weights; Conflict if it is gone, or is not the one the version was judged by."""
    other = "bring another version back (xal publish), or restore the file from a backup"
    if version.path is None or not (state / version.path).is_file():
        raise Conflict(f"the weights of v{version.version} are gone: {other}")
    if version.sha256 is not None and digest(state / version.path) != version.sha256:
        raise Conflict(f"the weights of v{version.version} are damaged or were replaced (other SHA-256): {other}")
    return state / version.path
