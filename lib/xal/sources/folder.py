"""A folder of images; `sources/archive.py` is the same for an archive."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xal.errors import BadInput, Conflict, NotFound
from xal.imaging.images import IMAGE_SUFFIXES, image_id
from xal.imaging.integrity import KINDS, unreadable
from xal.store.rows import ImageFile, ImageRow
from xal.system.error_log import tell

logger = logging.getLogger(__name__)

Entry = os.DirEntry[str] | Path
"""What is asked of an entry while a folder is listed costs no further look at the disk."""
LABELS_FOLDER = "labels"
"""MONAI Label's own folder for label files: never scanned for images."""
LONGEST_ID = 128
LONGEST_ID_BYTES = 200
"""A file name has at most 255 bytes, and suffixes are added to the id."""


def checked_id(identifier: str) -> str:
    """The id itself if it can safely be part of a file name; BadInput otherwise."""
    if (
        not identifier
        or len(identifier) > LONGEST_ID
        or len(identifier.encode(errors="replace")) > LONGEST_ID_BYTES
        or identifier[0] in ". "
        or identifier[-1] in ". "
        or any(character in '/\\:*?"<>|' or not character.isprintable() for character in identifier)
    ):
        raise BadInput(
            f"{identifier[:80]!r} cannot be an image id: use at most {LONGEST_ID} printable characters, "
            'none of / \\ : * ? " < > |, and no dot or space at the ends'
        )
    return identifier


class FolderSource:
    """A flat folder: every image file is an image, every sub-folder of DICOM files is one series.

    Links may lead to anything inside it. What leads elsewhere, or is no file, is listed and never opened: `path` says
    why, so that it becomes a problem by name.
    """

    fetches = False
    exchange = None

    def __init__(self, folder: Path) -> None:
        """Serve the images of `folder`."""
        self.folder = folder
        self._warned: set[str] = set()
        self._looked_at: dict[Path, tuple[tuple[int, int], bool]] = {}

    def scan(self, known: Mapping[str, ImageFile] = MappingProxyType({})) -> list[ImageFile]:
        """Every image file and DICOM folder.

        Of two files with the same id the one known before counts, because its annotations are of its pixels; else
        the first by name.
        """
        found: dict[str, ImageFile] = {}
        with os.scandir(self.folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                file = self._as_image(entry)
                if file is None:
                    continue
                other = found.get(file.id)
                if other is not None:
                    kept = file if file.id in known and known[file.id].path == file.path else other
                    ignored = other if kept is file else file
                    self._warn_once(ignored.path, f"{ignored.path} is ignored: {kept.path} has the same id")
                    file = kept
                found[file.id] = file
        return list(found.values())

    def path(self, row: ImageRow) -> Path:
        """Where the image lies; NotFound if it has vanished since the scan, Unreadable if it must not be opened."""
        path = self.folder / row.path
        try:
            problem = self._problem(path)
        except FileNotFoundError as error:
            raise NotFound(f"the file of image {row.id!r} has vanished from the studies folder") from error
        if problem is not None:
            raise unreadable(path, problem)
        return path

    def still_is(self, row: ImageRow) -> bool:
        """Whether the file or folder has the size and time that the row has."""
        try:
            now = self._looked_up(self.folder / row.path)
        except OSError:
            return False
        return now is not None and (now.size, now.mtime_ns) == (row.size, row.mtime_ns)

    def answers(self) -> bool:
        """Whether the folder is there."""
        return self.folder.is_dir()

    def note_away(self, reason: str | None) -> None:
        """Nothing: nobody waits for a folder."""

    def check_not_away(self) -> None:
        """Nothing, for the same reason."""

    def tell(self, logger: logging.Logger, error: Exception, message: str, *values: object) -> None:
        """Log an error with its text: the files are the administrator's own."""
        tell(logger, error, message, *values)

    def add(self, identifier: str, file: Path, suffix: str) -> ImageFile:
        """Move `file` into the folder, atomically; Conflict if that name is taken."""
        target = self.folder / f"{checked_id(identifier)}{suffix}"
        partial = self.folder / f".{target.name}.partial"
        try:
            with file.open("rb") as source, partial.open("wb") as copy:
                while chunk := source.read(1 << 20):
                    copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            os.link(partial, target)
        except FileExistsError as error:
            raise Conflict(f"image {identifier!r} exists already") from error
        finally:
            partial.unlink(missing_ok=True)
        status = target.stat()
        return ImageFile(identifier, target.name, status.st_size, status.st_mtime_ns)

    def give_way(self, enough: Callable[[], bool]) -> None:
        """Nothing: what lies in the folder is nobody's copy."""

    def infos(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Nothing: files say of themselves what they are."""
        return {}

    def references(self, row: ImageRow) -> dict[str, str]:
        """Nothing: a file is known by its id."""
        return {}

    def _as_image(self, entry: os.DirEntry[str]) -> ImageFile | None:
        if entry.name.startswith("."):
            return None
        try:
            return None if entry.name == LABELS_FOLDER else self._looked_up(entry)
        except FileNotFoundError:  # vanished between listing and looking: not there
            return None
        except (BadInput, OSError) as error:  # one folder that may not be opened must not hide all the others
            self._warn_once(entry.name, f"{entry.name} is ignored: {error}")
            return None

    def _looked_up(self, entry: Entry) -> ImageFile | None:
        """A file or folder as an image; of what must not be opened, the entry itself."""
        fine = self._misplaced(entry) is None
        if fine and entry.is_dir():
            return self._as_series(Path(entry))
        identifier = image_id(entry.name) or (entry.name if entry.is_dir() else None)
        if identifier is None:
            return None
        status = entry.stat(follow_symlinks=fine)
        return ImageFile(checked_id(identifier), entry.name, status.st_size, status.st_mtime_ns)

    def _problem(self, path: Path) -> str | None:
        """Why a file or folder must not be opened; GDCM opens whatever lies in a folder."""
        problem = self._misplaced(path)
        if problem is None and path.is_dir():
            with os.scandir(path) as entries:
                others = ((entry.name, self._misplaced(entry)) for entry in entries)
                problem = next((f"holds {name!r}, which {why}" for name, why in others if why), None)
        return problem

    def _misplaced(self, entry: Entry) -> str | None:
        """What is wrong with an entry that is no file or folder in the studies folder, links followed."""
        if entry.is_symlink():
            try:
                if not Path(entry).resolve(strict=True).is_relative_to(self.folder.resolve()):
                    return "is a link out of the studies folder: copy or hard-link what it leads to"
            except (OSError, RuntimeError):  # Python 3.11 says RuntimeError of links that lead in circles
                return "is a link that leads nowhere"
        if entry.is_file() or entry.is_dir():
            return None
        return f"is {KINDS.get(stat.S_IFMT(entry.stat().st_mode), 'something else')}, not a file"

    def _as_series(self, folder: Path) -> ImageFile | None:
        """A folder of DICOM files as one image: its size is the sum, its time the newest."""
        sizes, newest, one_of_them, only_links = 0, 0, "", False
        with os.scandir(folder) as entries:
            for entry in entries:
                fine = self._misplaced(entry) is None
                if (fine and entry.is_dir()) or entry.name.startswith(".") or not _may_be_dicom(entry.name):
                    continue
                status = entry.stat(follow_symlinks=fine)
                sizes, newest = sizes + status.st_size, max(newest, status.st_mtime_ns)
                one_of_them = entry.path if fine else one_of_them
                only_links |= entry.name.lower().endswith(".dcm")
        if not (self._is_dicom(Path(one_of_them), (sizes, newest)) if one_of_them else only_links):
            return None
        return ImageFile(checked_id(folder.name), folder.name, sizes, newest)

    def _is_dicom(self, file: Path, state: tuple[int, int]) -> bool:
        """Whether a file of a folder starts as DICOM does; looked at once per state of the folder."""
        if self._looked_at.get(file.parent, ((0, 0), False))[0] != state:
            with file.open("rb") as content:
                self._looked_at[file.parent] = state, content.read(132)[128:] == b"DICM"
        return self._looked_at[file.parent][1]

    def _warn_once(self, name: str, text: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            logger.warning("%s", text)


def _may_be_dicom(name: str) -> bool:
    other = (*IMAGE_SUFFIXES, ".json", ".csv", ".txt", ".xml")
    return name.lower().endswith(".dcm") or not name.lower().endswith(other)
