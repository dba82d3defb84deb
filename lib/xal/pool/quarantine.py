"""Images that an archive cannot give although it answers: not asked for again for a while, whichever process asks.

Scoring runs in a process of its own and goes by id: without this, every run would meet the same ones first.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path

from xal.system.durable import write_atomically

logger = logging.getLogger(__name__)

ASIDE_SECONDS = 600.0
"""The first time; twice as long every time after, else a run that meets many of them would come no further."""
LONGEST_SECONDS = 3600.0


class Aside:
    """A small file that may be deleted at any time."""

    def __init__(self, file: Path) -> None:
        """Keep it in `file`, which need not exist."""
        self._file = file

    def now(self) -> set[str]:
        """The ids of those that are aside at this moment."""
        now = time.time()
        return {image for image, (until, _) in self._known().items() if now < until}

    def put(self, ids: Iterable[str]) -> None:
        """Put these aside, from now on."""
        known, now = self._known(), time.time()
        for image in ids:
            pause = min(2 * known[image][1], LONGEST_SECONDS) if image in known else ASIDE_SECONDS
            known[image] = (now + pause, pause)
        content = json.dumps(known).encode()
        try:
            write_atomically(self._file, content, durable=False)
        except OSError as error:  # they are met again, and that is all
            logger.warning("what was put aside could not be kept: %s", error.strerror)

    def _known(self) -> dict[str, tuple[float, float]]:
        """Until when each is aside or was lately, and for how long that is."""
        now = time.time()
        try:
            known = {
                image: (float(until), float(pause))
                for image, (until, pause) in json.loads(self._file.read_text()).items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
        return {
            image: (until, pause)
            for image, (until, pause) in known.items()
            if until - pause <= now < until + LONGEST_SECONDS  # not a clock's that was put back
        }
