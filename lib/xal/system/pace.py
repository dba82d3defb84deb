"""How often something is done that may take long, such as asking an archive what there is."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 4
"""A pause is at least so many times as long as what it follows: an archive of a million series has others to serve."""


class Pace:
    """Does something again and again: every so many seconds, or more seldom where it takes long."""

    def __init__(self, seconds: float) -> None:
        """Due at once."""
        self._seconds = seconds
        self._next = 0.0

    def run(self, work: Callable[[], object]) -> None:
        """Do it if it is due; what fails stays due."""
        began = time.monotonic()
        if began < self._next:
            return
        work()
        ended = time.monotonic()
        self._next = ended + max(self._seconds, PAUSE * (ended - began))
