"""Images that a client brings along for a while: taken in safely, and forgotten when their time is over.

MONAI Label unpacks what it is sent wherever an archive's names lead and however large that becomes, and looks for
expired sessions only among those that it has in memory.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import UploadFile
from monailabel.utils.sessions import Sessions

from xal.errors import BadInput, TooLarge
from xal.system.durable import is_full
from xal.system.limits import in_force

_CHUNK = 1 << 20
_LOCATOR = 20
"""Bytes before that record, by which a ZIP64 is known."""
_TAIL = _LOCATOR + 22 + (1 << 16)
"""Bytes at a ZIP's end that hold the record of where its list of files is, what is before it, and a comment."""
_LISTED = 1 << 10
"""Bytes of the list of a ZIP, per file."""
DEEPEST = 8
"""Folders in each other."""


def create(sessions: Sessions, files: Sequence[UploadFile], uncompress: bool, expiry: int) -> dict[str, Any]:
    """Keep an image file, a ZIP of one image, or the files of one series; MONAI Label's reply."""
    if len(files) > in_force().max_session_files:
        raise _too_large(f"{len(files)} files", str(in_force().max_session_files), "max_session_files")
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
        _check_list(archive)
        with zipfile.ZipFile(archive) as packed:
            _unpack(packed, target)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        if is_full(error):  # the server's disk, which is no fault of the file's
            raise
        raise BadInput(f"the ZIP file cannot be unpacked: {error}") from error
    return target


def _check_list(archive: Path) -> None:
    """Refuse a list of more files than there may be before Python makes objects of them.

    What needs the larger numbers of ZIP64 has too many files or bytes anyway.
    """
    with archive.open("rb") as file:
        file.seek(-min(_TAIL, archive.stat().st_size), 2)
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    record = tail[end : end + 22]
    if end < 0 or len(record) < 22:
        raise zipfile.BadZipFile("its list of files is missing")
    *_, listed, _offset, _comment = struct.unpack("<4s4H2LH", record)
    most = in_force().max_zip_entries
    if listed > most * _LISTED or tail[max(0, end - _LOCATOR) : end].startswith(b"PK\6\7"):
        raise _too_large("a ZIP of more files", str(most), "max_zip_entries")


def _unpack(packed: zipfile.ZipFile, target: Path) -> None:
    """Write the files of a ZIP; names that lead elsewhere are left out."""
    files = [one for one in packed.infolist() if not one.is_dir()]
    limits = in_force()
    if len(files) > limits.max_zip_entries:
        raise _too_large(f"a ZIP of {len(files)} files", str(limits.max_zip_entries), "max_zip_entries")
    left = limits.max_unpacked
    if sum(one.file_size for one in files) > left:
        raise _too_large("a ZIP that unpacks to more", f"{limits.max_unpacked_mb} MB", "max_unpacked_mb")
    target.mkdir()
    for one in files:
        inside = Path(one.filename)
        if inside.is_absolute() or ".." in inside.parts:
            continue
        if len(inside.parts) > DEEPEST:
            raise BadInput(f"the ZIP file has more than {DEEPEST} folders in each other")
        if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput("the ZIP file is compressed in an unusual way: only deflate is read")
        file = target / inside
        file.parent.mkdir(parents=True, exist_ok=True)
        with packed.open(one) as content, file.open("wb") as copy:
            while chunk := content.read(_CHUNK):  # no longer than the list says: Python sees to that
                copy.write(chunk)


def _too_large(what: str, most: str, setting: str) -> TooLarge:
    return TooLarge(f"a session of {what} is too large: this server takes {most} at most ({setting})")
