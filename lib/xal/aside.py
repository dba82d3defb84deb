"""Images that an archive cannot give although it answers: not asked for again for a while, whichever process asks.

Scoring runs in a process of its own and goes by id: without this, every run would meet the same ones first.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path

from xal.durable import write_atomically

logger = logging.getLogger(__name__)

ASIDE_SECONDS = 600.0
"""So long; long enough that whoever is asked for them has time for the others."""


class Aside:
    """A small file that may be deleted at any time."""

    def __init__(self, file: Path) -> None:
        """Keep it in `file`, which need not exist."""
        self._file = file

    def now(self) -> set[str]:
        """The ids of those that are aside at this moment."""
        return set(self._until())

    def put(self, ids: Iterable[str]) -> None:
        """Put these aside, from now on."""
        until = time.time() + ASIDE_SECONDS
        content = json.dumps(self._until() | dict.fromkeys(ids, until))
        try:
            write_atomically(self._file, ".json", lambda draft: draft.write_text(content), durable=False)
        except OSError as error:  # they are met again, and that is all
            logger.warning("what was put aside could not be kept: %s", error.strerror)

    def _until(self) -> dict[str, float]:
        try:
            known = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        now = time.time()
        return {image: until for image, until in known.items() if now < until <= now + ASIDE_SECONDS}
