"""The series of an archive as the images of a pool."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydicom import Dataset

from xal.errors import BadInput, NotFound, Unavailable
from xal.sources.client import Answer, Archive
from xal.sources.folder import checked_id
from xal.sources.series_cache import SeriesCache
from xal.store.rows import THERE, ImageFile, ImageRow
from xal.system.disk_space import Space
from xal.system.error_log import tell_unquoted
from xal.system.waiting import Turns

logger = logging.getLogger(__name__)

PICTURES = ("CR", "DX", "MG", "US", "XA", "RF", "IO", "PX", "OP", "XC")
STACKS = ("CT", "MR", "PT", "NM")
_KEY = "patients.key"
_NOBODYS = "2.25.0"
_MOST = 1 << 30
"""Of instances, and of their numbers."""


class DicomWebSource:
    """Every series of these modalities is an image: its id is its SeriesInstanceUID, its size its number of instances.

    Nothing here ever changes an image's time: what is in an archive under a UID stays as it is. More slices under it
    are another image. Only series of slices are stacked: of several pictures in one series (views of a chest, stills of
    an ultrasound) one has the series' id, and each of the others is an image by its SOPInstanceUID. Which one has it is
    settled when the series is first seen and never changes, because outlines are kept by id.
    """

    fetches = True

    def __init__(
        self, archive: Archive, modalities: Sequence[str], folder: Path, cache_bytes: int, space: Space
    ) -> None:
        """Serve `archive`; `folder` is the pool's state: it keeps the key that hides patients, and what was fetched."""
        self.archive = archive
        self._space = space
        self._modalities = modalities
        self._key = _kept_key(folder / _KEY)
        self._turns = Turns()
        self._cache = SeriesCache(folder / "archive", cache_bytes)
        self._infos: dict[str, dict[str, Any]] = {}
        self._sizes: dict[str, int] = {}
        self._studies: dict[str, list[tuple[str, int]]] = {}
        self._listed: dict[str, ImageFile] | None = None
        self._passed_over = 0

    @property
    def exchange(self) -> Self:
        """This archive: it keeps more than images."""
        return self

    def scan(self, known: Mapping[str, ImageFile] = MappingProxyType({})) -> list[ImageFile]:
        """Every image there is; raises where the archive does not answer, so that nothing is taken for gone.

        What one scan does not see may have slipped between two pages of answers; what two do not see is gone. A stack
        that is new or has grown counts once it has stopped growing.
        """
        listed: dict[str, ImageFile] = {}
        infos: dict[str, dict[str, Any]] = {}
        pictures: set[str] = set()
        passed_over = 0
        for modality in self._modalities:
            stacked = modality in STACKS
            search = self.archive.series if stacked else self.archive.instances
            found = [one for one in search(Modality=modality) if _is(one, modality)]
            answers = [one for one in found if _has_proper_uids(one)]
            passed_over += len(found) - len(answers)
            for file, answer in _stacks(answers) if stacked else _pictures(answers, known):
                listed[file.id] = file
                infos[file.id] = {"modality": modality, "group": self._group(answer)}
                if not stacked:
                    pictures.add(file.id)
        self._tell(passed_over)
        before, self._listed, self._infos = self._listed, listed, infos
        seen = {uid: file for uid, file in known.items() if file.state in THERE} if before is None else before
        files = {uid: file for uid, file in seen.items() if uid not in listed}
        for uid, file in listed.items():
            if before is None or uid in pictures or before.get(uid) == file:
                files[uid] = file
            elif uid in known and known[uid].state in THERE:
                files[uid] = ImageFile(uid, known[uid].path, known[uid].size, 0)
        self._sizes = {uid: file.size for uid, file in files.items()}
        self._studies = {}
        for uid, file in files.items():
            self._studies.setdefault(file.path.partition("/")[0], []).append((uid, file.size))
        return list(files.values())

    def _tell(self, passed_over: int) -> None:
        """Say how many answers were no use, once: what is wrong with them is the same with every scan."""
        if passed_over not in (0, self._passed_over):
            logger.warning("%d answers of the archive are passed over: their UIDs are none", passed_over)
        self._passed_over = passed_over

    def infos(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What the last scan learnt of these images: their modality, and which are of one patient, not of whom."""
        return {identifier: self._infos[identifier] for identifier in ids if identifier in self._infos}

    def path(self, row: ImageRow) -> Path:
        """The image as NIfTI, fetched if it has to be."""
        return self._cache.get(row.id, row.path, row.size, lambda: self._fetch(row), self._turns.one)

    def _fetch(self, row: ImageRow) -> Iterable[Dataset]:
        self._space.check("the image is not fetched")
        return self.archive.fetch(*_place(row))

    def give_way(self, enough: Callable[[], bool]) -> None:
        """Forget what was fetched until there is enough space for others."""
        self._cache.give_way(enough)

    def still_is(self, row: ImageRow) -> bool:
        """Whether the last scan saw as many instances; a process that never scanned believes the row."""
        return self._sizes.get(row.id, row.size) == row.size

    def answers(self) -> bool:
        """Whether the archive answers, asked for a series that nobody has: that costs it one look into its index."""
        try:
            any(self.archive.series(SeriesInstanceUID=_NOBODYS))
        except Unavailable:
            return False
        self._turns.heard()
        return True

    def note_away(self, reason: str | None) -> None:
        """Let no client wait for it while it is away."""
        self._turns.away = reason

    def check_not_away(self) -> None:
        """Unavailable, at once, while it is known to be away, or was silent just now."""
        self._turns.check()

    def tell(self, logger: logging.Logger, error: Exception, message: str, *values: object) -> None:
        """Log an error without its text, which may quote a header."""
        tell_unquoted(logger, error, message, *values)

    def add(self, identifier: str, file: Path, suffix: str) -> ImageFile:
        """Refused: images come from the archive alone."""
        raise BadInput("the images of this server are an archive's: send this one there as DICOM")

    def headers(self, row: ImageRow) -> list[Dataset]:
        """The headers of the image's instances; they name the patient and stay in memory."""
        with self._turns.one():
            return self.archive.headers(*_place(row))

    def references(self, row: ImageRow) -> dict[str, str]:
        """What OHIF goes to the study by, in DICOM's own words."""
        study, series, _ = _place(row)
        modality = str(row.info.get("modality", ""))
        return {"StudyInstanceUID": study, "SeriesInstanceUID": series, "Modality": modality}

    def of_study(self, study: str) -> Sequence[tuple[str, int]]:
        """The images of a study and their sizes, as the last scan saw them."""
        return self._studies.get(study, ())

    def _group(self, answer: Answer) -> str:
        """The same for all series of a patient, and without the key nobody can tell whose they are."""
        patient = answer.get("PatientID") or answer["StudyInstanceUID"]
        return hmac.new(self._key, patient.encode(), hashlib.sha256).hexdigest()[:16]


def default_modalities(dimensions: int) -> tuple[str, ...]:
    """What a task of so many dimensions is usually asked of."""
    return PICTURES if dimensions == 2 else STACKS


def _is(answer: Answer, modality: str) -> bool:
    """Whether an answer is what was asked for: some archives pass over a filter that they do not know."""
    return answer.get("Modality", modality) == modality and {"StudyInstanceUID", "SeriesInstanceUID"} <= answer.keys()


def _has_proper_uids(answer: Answer) -> bool:
    """Whether its UIDs can be ids of images and parts of addresses: archives keep whatever a device made up."""
    try:
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            checked_id(answer.get(keyword, "1"))
    except BadInput:
        return False
    return True


def _number(said: str) -> int:
    """A whole number however it is written; 0 where none is said, or none that can be meant."""
    try:
        number = int(float(said))
    except (ValueError, OverflowError):
        return 0
    return number if abs(number) <= _MOST else 0


def _stacks(answers: Iterable[Answer]) -> Iterator[tuple[ImageFile, Answer]]:
    """Each series as an image."""
    for answer in answers:
        series, count = answer["SeriesInstanceUID"], _number(answer.get("NumberOfSeriesRelatedInstances", ""))
        yield ImageFile(series, f"{answer['StudyInstanceUID']}/{series}", count, 0), answer


def _pictures(answers: Iterable[Answer], known: Mapping[str, ImageFile]) -> Iterator[tuple[ImageFile, Answer]]:
    """Each instance as an image; one of a series, always the same, by the series' id."""
    by_series: dict[str, list[Answer]] = {}
    for answer in answers:
        if "SOPInstanceUID" in answer:
            by_series.setdefault(answer["SeriesInstanceUID"], []).append(answer)
    for series, pictures in by_series.items():
        pictures.sort(key=lambda one: (_number(one.get("InstanceNumber", "")), one["SOPInstanceUID"]))
        first = known[series].path.rpartition("/")[2] if series in known else pictures[0]["SOPInstanceUID"]
        for picture in pictures:
            instance = picture["SOPInstanceUID"]
            uid = series if instance == first else instance
            yield ImageFile(uid, f"{picture['StudyInstanceUID']}/{series}/{instance}", 1, 0), picture


def _place(row: ImageRow) -> tuple[str, str, str | None]:
    """Study, series, and which of its pictures, if it has several."""
    study, _, rest = row.path.partition("/")
    series, _, instance = rest.partition("/")
    if not series:
        raise NotFound(f"image {row.id!r} is no series of an archive")
    return study, series, instance or None


def _kept_key(file: Path) -> bytes:
    """A secret of this pool, made at first use, readable by its owner only; two processes that begin at once agree."""
    if not file.exists():
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".key-") as draft:  # made with mode 600
            draft.write(secrets.token_bytes(32))
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                file.hardlink_to(draft.name)
    return file.read_bytes()
