"""An image, or why there is none: whether that is for now or for good, and when a loop over images stops asking.

Whoever goes through images asks `obtain` for each of them and is told *ready*, *later* or *never*. What is wrong with
the store every image would meet: that is no answer, but raised. A request for one image needs none of this: its error
is what its client is told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar, Generic, TypeVar

from xal.errors import Full, NotFound, Refused, StoreError, Unavailable, Unreadable
from xal.pool.project import Project
from xal.sources.source import ImageSource
from xal.store.rows import ImageRow
from xal.system.turns import one_piece

logger = logging.getLogger(__name__)

T = TypeVar("T")

GIVE_UP = 3
"""So many images that are not given: it may be the source, not the images."""
IN_A_ROW = 12
"""So many of them one after the other: what keeps an archive's pixels is away, although the archive answers."""
RETRY_SECONDS = 30.0
"""Before an image is asked for again that could not be had."""


class Why(Enum):
    """What keeps an image from being had."""

    SOURCE = auto()
    """Its source does not give it now."""
    CORRECTED = auto()
    """Somebody changed its pixels in the archive: what the caller knew of it may not hold any more."""
    DISK = auto()
    """There is no space here."""
    STUMBLED = auto()
    """Nobody foresaw it; the log says more."""
    DAMAGED = auto()
    """Its file cannot be decoded or does not fit the task, which the store knows; or a label file of it is damaged."""
    GONE = auto()
    """Its file has vanished or was replaced, or the archive has it no more."""


@dataclass(frozen=True)
class Ready(Generic[T]):
    """It is here."""

    value: T
    row: ImageRow
    """As it is now: an image's first reading tells what the row did not know before."""


@dataclass(frozen=True)
class Later:
    """It cannot be had at this moment."""

    why: Why
    error: Refused
    row: ImageRow
    when: float
    """By the monotonic clock, from when on it is worth asking again."""

    @property
    def ends_whole(self) -> bool:
        """Whether what is made of all images has to end, because a part would pass for the whole."""
        return self.why in (Why.DISK, Why.STUMBLED) and isinstance(self.error, Unavailable)


@dataclass(frozen=True)
class Never:
    """Its file, as it is now, gives no image; a scan that finds another one makes it an image again."""

    ends_whole: ClassVar[bool] = False
    """What is made of all images goes on without it, and names it."""
    why: Why
    error: Refused | Unreadable
    row: ImageRow


Answer = Ready[T] | Later | Never


class Patience:
    """When a loop over images stops asking, because the source is away and it is not the images.

    Each time that `after` more images were refused, the source is asked whether it answers at all. Where no source is
    named that many are simply too many: a client waits, or the archive is to take something and not to give it.
    """

    def __init__(self, source: ImageSource | None = None, after: int = GIVE_UP, in_a_row: int | None = None) -> None:
        """Nothing was refused yet; `in_a_row`, if any, are too many even if the source answers."""
        self.away = self.over = False
        self._source, self._after, self._most = source, after, in_a_row
        self._refused = self._in_a_row = 0

    def hear(self, answer: Answer[Any]) -> None:
        """Learn from what became of an image."""
        if isinstance(answer, Ready):
            self._in_a_row = 0
        elif answer.why is Why.SOURCE:
            self.refuse()

    def refuse(self) -> bool:
        """One more was refused; whether this was one too many."""
        self._refused += 1
        self._in_a_row += 1
        if self._refused % self._after == 0:
            self.away = self._source is None or not self._source.answers()
        self.over = self.away or self._in_a_row == self._most
        return self.over


class Waiting:
    """The images that are not worth asking for yet; each process finds out for itself."""

    def __init__(self) -> None:
        """None so far."""
        self._until: dict[str, float] = {}

    def add(self, answer: Later) -> None:
        """Wait for as long as the answer says."""
        self._until[answer.row.id] = answer.when

    def now(self) -> set[str]:
        """Their ids."""
        now = time.monotonic()
        for image, until in list(self._until.items()):  # other threads add to them
            if until <= now:
                self._until.pop(image, None)
        return set(self._until)


def obtain(
    project: Project, row: ImageRow, work: Callable[[ImageRow], T], patience: Patience | None = None
) -> Answer[T]:
    """What `work` (such as `project.prepared`) makes of an image, or why it cannot; `patience` hears of it.

    StoreError, and nothing else, is raised.
    """
    answer: Answer[T]
    with one_piece():
        try:
            value = work(row)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not keep the others from being had
            answer = _without(project, row, error)
            _let_go(error)
        else:
            answer = Ready(value, _as_it_is(project, row))
    if patience is not None:
        patience.hear(answer)
    return answer


def _without(project: Project, row: ImageRow, error: Exception) -> Later | Never:
    now = _as_it_is(project, row)
    if isinstance(error, Unreadable):
        return Never(Why.DAMAGED, error, now)
    if isinstance(error, NotFound):
        return Never(Why.GONE, error, now)
    if isinstance(error, Unavailable) and row.fingerprint not in (None, now.fingerprint):
        return Later(Why.CORRECTED, error, now, time.monotonic())
    when = time.monotonic() + RETRY_SECONDS
    if isinstance(error, Unavailable):
        return Later(Why.DISK if isinstance(error, Full) else Why.SOURCE, error, now, when)
    if not isinstance(error, Refused):  # its text may quote a patient, so nobody is told
        project.source.tell(logger, error, "image %s cannot be given", row.id)
        error = Unavailable(f"image {row.id} cannot be given ({type(error).__name__}); the server's log says more")
    return Later(Why.STUMBLED, error, now, when)


def _let_go(error: BaseException | None) -> None:
    """Forget where it was raised: whoever keeps an answer would keep the pixels that were being worked on there."""
    while error is not None:
        error.__traceback__, error = None, error.__cause__ or error.__context__


def _as_it_is(project: Project, row: ImageRow) -> ImageRow:
    try:
        return project.store.images.get(row.id)
    except NotFound:  # taken out of the pool for good
        return row
