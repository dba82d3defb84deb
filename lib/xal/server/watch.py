"""What the server does without being asked: it notices new images and new models, and sees that scores follow."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from xal.errors import NotFound, Unreadable, XalError
from xal.lineup import is_due
from xal.project import Project
from xal.server.queue import scoring_is_due

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
RETRY_SECONDS = 60.0
"""After a scoring run that changed nothing, wait so long before trying the same again."""
TIDY_SECONDS = 300.0
READ_AHEAD = 8
"""So many images at the head of the queue come first."""
READ_AHEAD_IMAGES = 100
READ_AHEAD_SECONDS = 0.5
"""Per tick: reading a pool for the first time must not starve those who use the server."""


class Watch:
    """A background thread of the server."""

    def __init__(
        self,
        project: Project,
        ask_for_scoring: Callable[[], Any] | None,
        tidy_up: Callable[[], Any],
        scan_seconds: float,
    ) -> None:
        """Watch `project`; `ask_for_scoring` is None where scoring is only started by hand."""
        self._project = project
        self._ask = ask_for_scoring
        self._tidy_up = tidy_up
        self._next_tidying = 0.0
        self._scan_seconds = scan_seconds
        self._next_scan = 0.0
        self._asked_for: tuple[int, int, float | None] | None = None
        self._asked_at = 0.0

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._run, daemon=True, name="watch").start()

    def _run(self) -> None:
        while True:
            for duty in (self._scan, self._bury, self._score, self._read_ahead, self._tidy):
                try:
                    duty()
                except XalError as error:
                    logger.warning("%s", error)
                except Exception:  # a watch that dies silently would leave a server that no longer notices anything
                    logger.exception("the watch stumbled and goes on")
            time.sleep(TICK_SECONDS)

    def _scan(self) -> None:
        if time.monotonic() >= self._next_scan:
            self._project.sync()
            self._next_scan = time.monotonic() + self._scan_seconds

    def _bury(self) -> None:
        """A job whose process was killed from outside is not said to run."""
        self._project.store.live_orphans()

    def _score(self) -> None:
        """Ask for scoring when scores, or the images chosen by them, are out of date and nobody is on it."""
        version = self._project.store.current_version()
        if self._ask is None or version is None or not scoring_is_due():
            return
        stale, unchosen = self._project.store.stale_count(version.version), is_due(self._project, version.version)
        wanted = (version.version, stale, self._project.alpha() if unchosen else None)
        again = wanted != self._asked_for or time.monotonic() > self._asked_at + RETRY_SECONDS
        if (stale or unchosen) and again:
            logger.info("%d images are to be scored with v%d%s", stale, version.version, ", then chosen" * unchosen)
            self._asked_for, self._asked_at = wanted, time.monotonic()
            self._ask()

    def _tidy(self) -> None:
        if time.monotonic() >= self._next_tidying:
            self._next_tidying = time.monotonic() + TIDY_SECONDS
            self._tidy_up()

    def _read_ahead(self) -> None:
        """Read images for the first time before anybody asks: the head of the queue, then all others.

        Their checksums are then at hand, what cannot be read is known, and a copy of any of them is recognised.
        """
        until = time.monotonic() + READ_AHEAD_SECONDS
        store = self._project.store
        for row in (*store.head(READ_AHEAD), *store.unread(READ_AHEAD_IMAGES)):
            if row.fingerprint is None:
                with contextlib.suppress(Unreadable, NotFound):  # marked in the store; gone with the next scan
                    self._project.volume(row)
            if time.monotonic() > until:
                break
