"""What the server does at an archive between other things: it looks for outlines, and sends what was handed in."""

from __future__ import annotations

from xal.exchange.arriving import Search
from xal.exchange.sending import Sending
from xal.system.pace import Pace

LOOK_SECONDS = 5.0
SEND_SECONDS = 5.0
"""Per errand: images that appear must not wait for long."""


class Errands:
    """Both errands, for the watch to do again and again."""

    def __init__(self, search: Search, sending: Sending, every: float) -> None:
        """`every` so many seconds the archive is asked for objects that may hold outlines."""
        self._search = search
        self._sending = sending
        self._surveys = Pace(every)

    def look(self) -> None:
        """Ask what there is, if it is time to, and look at some of it."""
        self._surveys.run(self._search.survey)
        self._search.look(LOOK_SECONDS)

    def send(self) -> None:
        """Send what waits."""
        self._sending.send(SEND_SECONDS)
