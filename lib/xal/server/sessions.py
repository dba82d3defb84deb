"""Images that a client brings along for a while: taken in safely, and forgotten when their time is over.

MONAI Label unpacks what it is sent wherever an archive's names lead, and looks for expired sessions only among those
that it has in memory.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import UploadFile
from monailabel.utils.sessions import Sessions

from xal.errors import BadInput


def create(sessions: Sessions, files: Sequence[UploadFile], uncompress: bool, expiry: int) -> dict[str, Any]:
    """Keep an image file, a ZIP of one image, or the files of one series; MONAI Label's reply."""
    with tempfile.TemporaryDirectory(prefix="xal-session-") as folder:
        received = Path(folder) / "images"
        received.mkdir()
        for upload in files:
            with (received / _plain_name(upload.filename)).open("wb") as copy:
                shutil.copyfileobj(upload.file, copy)
        image = _only_file(_unzipped(received) if uncompress else received)
        name, info = sessions.add_session(str(image), expiry, False)
    return {"session_id": name, "session_info": info.to_json()}


def remove_expired(sessions: Sessions, now: float | None = None) -> int:
    """Remove the sessions whose time is over, also those of earlier servers and those cut off while they were made."""
    at = time.time() if now is None else now
    removed = 0
    folder = Path(sessions.store_path)
    for session in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # a client was faster
            if session.is_dir() and _ends(session, sessions.expiry) < at:
                sessions.remove_session(session.name)
                removed += 1
    return removed


def _ends(session: Path, expiry: int) -> float:
    try:
        said = json.loads((session / "meta.info").read_text(encoding="utf-8"))
        return float(said["last_access_ts"]) + float(said["expiry"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return session.stat().st_mtime + expiry


def _plain_name(name: str | None) -> str:
    plain = Path((name or "image").replace("\\", "/")).name
    if plain.startswith(".") or not plain.isprintable() or not 0 < len(plain.encode(errors="replace")) <= 200:
        raise BadInput(f"{(name or '')[:80]!r} cannot be the name of a file")
    return plain


def _only_file(folder: Path) -> Path:
    """The file in a folder that holds nothing else, or the folder."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_file() else folder


def _unzipped(folder: Path) -> Path:
    archive, target = _only_file(folder), folder.with_name("unzipped")
    if not archive.is_file() or not zipfile.is_zipfile(archive):
        raise BadInput("what is to be uncompressed must be one ZIP file")
    try:
        shutil.unpack_archive(archive, target, "zip")  # which leaves out names that lead elsewhere
    except (zipfile.BadZipFile, shutil.ReadError, OSError, RuntimeError, NotImplementedError) as error:
        raise BadInput(f"the ZIP file cannot be unpacked: {error}") from error
    return target
