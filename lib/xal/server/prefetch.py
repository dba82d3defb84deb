"""What readers have, and what they are given next, is kept at hand, whatever else comes to an archive's cache and goes.

A reader hands in against the pixels: they must be here even if the archive is away by then. Every look counts as use of
the files, and comes often enough that they are never the ones that make room: where the cache is smaller than these few
images, it is too large by them rather than that they are fetched again and again.
"""

from __future__ import annotations

import time

from xal.errors import NotFound, Unavailable
from xal.pool.obtaining import RETRY_SECONDS, Later, Patience, Ready, obtain
from xal.pool.project import Project

HEAD = 8
"""So many images of the head of the queue."""
LATE, LATE_SECONDS = 100, 86_400.0
"""So many images that were given so short a time ago and not handed in: a reader may be late, and the archive away."""
LOOK_SECONDS = 20.0
"""Between two looks at an image that is here; with the watch's waits far below `bounded_folder.IN_USE_SECONDS`."""
READY_SECONDS = 0.5
"""Per call: what is read here for the first time must not starve those who use the server."""


class Prefetch:
    """Keeps the files of these few images, for the watch to do again and again."""

    def __init__(self, project: Project) -> None:
        """Keep images of `project`."""
        self._project = project
        self._next_look: dict[str, float] = {}
        self._here: set[str] = set()
        self._refused: dict[str, str] = {}

    def keep(self) -> None:
        """Use what is here, then get what is not, first what is being read and was not refused before.

        Unavailable if several images were refused, none was to be had, and the archive does not answer either; those
        that were refused before tell nothing.
        """
        now = time.monotonic()
        patience, fetched = Patience(self._project.source), False
        wanted = self._wanted()
        self._here &= wanted.keys()
        self._refused = {image: reason for image, reason in self._refused.items() if image in wanted}
        self._next_look = {image: at for image, at in self._next_look.items() if at > now and image in wanted}
        due = (image for image in wanted if image not in self._next_look)
        for image in sorted(due, key=lambda image: (image not in self._here, image in self._refused)):
            new = image not in self._here
            self._get(image, None if image in self._refused else patience)
            fetched |= new and image in self._here
            if patience.over or time.monotonic() > now + READY_SECONDS:
                break
        if patience.over and not fetched:
            raise Unavailable(next(reversed(self._refused.values())))

    def _wanted(self) -> dict[str, None]:
        """Ids, those being read first, and last those whose lease may be over while somebody still draws on them."""
        store = self._project.store
        leased, head = (lease.image for lease in store.queue.leases()), (row.id for row in store.queue.head(HEAD))
        return dict.fromkeys([*leased, *head, *store.queue.given_lately(time.time() - LATE_SECONDS, LATE)])

    def _get(self, image: str, patience: Patience | None) -> None:
        self._next_look[image] = time.monotonic() + RETRY_SECONDS
        self._here.discard(image)
        self._refused.pop(image, None)
        try:
            row = self._project.store.images.get(image)
        except NotFound:  # taken out of the pool for good
            return
        answer = obtain(self._project, row, self._project.served, patience) if row.state == "ok" else Ready(None, row)
        if isinstance(answer, Later):
            self._refused[image] = str(answer.error)
        elif isinstance(answer, Ready):
            self._here.add(image)
            self._next_look[image] = time.monotonic() + LOOK_SECONDS
