"""The strategies: which image a reader is given next, from an index, never from the network."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from xal.errors import Unavailable
from xal.imaging.images import suffix_of
from xal.loop.blind import score_alone, scores_only
from xal.loop.outlining import wants_outline
from xal.loop.reader import Reader, reader_of
from xal.pool.obtaining import Later, Patience, Ready, Waiting, Why, obtain
from xal.pool.project import Project
from xal.store.rows import ImageRow, Offer, Order
from xal.system.turns import GLANCE_SECONDS, one_request

FINDING_ALONE = ".finding-alone"
"""In the name that a client gives the image: all that 3D Slicer shows of a reply."""


class NextSample(Strategy):  # type: ignore[misc]  # monailabel has no types
    """Offers the best image of one order, and leases it to the reader who asked."""

    def __init__(self, project: Project, order: Order, description: str, share_paths: bool) -> None:
        """Order the pool of `project` by `order`."""
        super().__init__(description)
        self._project = project
        self._order = order
        self._share_paths = share_paths
        self._later = Waiting()

    def info(self) -> dict[str, Any]:
        """What Slicer shows in its Options tab."""
        return {"description": self.description, "config": {}}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The next image for the reader in `request`; {} when nothing is left."""
        reader = request.get("reader")
        if not isinstance(reader, Reader):
            reader = reader_of(request.get("client_id"), None)
        passed_over: list[Offer] = []
        try:
            return self._first_at_hand(reader, passed_over)
        finally:
            for offer in reversed(passed_over):  # the reader does not get them, so that nobody waits for them
                self._project.store.queue.take_back(offer, reader.name)

    def _first_at_hand(self, reader: Reader, passed_over: list[Offer]) -> dict[str, Any]:
        """The best image that can be had: one that the archive cannot give keeps nobody from the next ones."""
        failed: list[Later] = []
        patience, later = Patience(), self._later.now()
        order: Order = "telling" if self._asks_outline(reader) else self._order
        while True:
            offer = self._project.store.queue.next_sample(reader.name, order, self._project.task.lease_minutes * 60)
            if offer is None or offer.image.id in {one.image.id for one in passed_over}:
                passed_over += [offer] if offer else []
                if not passed_over:
                    return {}
                raise failed[0].error if failed else Unavailable("the archive cannot give the images that are left")
            if offer.image.id in later:
                passed_over.append(offer)
                continue
            with one_request(GLANCE_SECONDS):
                answer = obtain(self._project, offer.image, partial(self._reply, offer, reader))
            if isinstance(answer, Ready):
                return answer.value
            if isinstance(answer, Later):
                passed_over.append(offer)
                failed.append(answer)
                blames_image = self._project.source_problem is None or answer.why is Why.STUMBLED
                if blames_image:
                    self._later.add(answer)
                if patience.refuse():
                    raise answer.error
            elif answer.why is Why.GONE:  # since the last scan; if it returns, a scan finds it
                self._project.store.images.mark_gone([offer.image.id])

    def _asks_outline(self, reader: Reader) -> bool:
        return reader.outliner and self._project.task.regions

    def _reply(self, offer: Offer, reader: Reader, row: ImageRow) -> dict[str, Any]:
        path, checksum = self._project.served(row)
        asks_outline = self._asks_outline(reader)
        outline_wanted = asks_outline or wants_outline(self._project, row, self._order)
        row = score_alone(self._project, row) if scores_only(self._project, reader, [row.id]) else row
        called = row.id if outline_wanted else f"{row.id}{FINDING_ALONE}"
        single_slices = self._project.task.image.dimensions == 2
        reply: dict[str, Any] = {
            **self._project.source.references(row),
            "id": row.id,
            "name": lonely_name(called, path.name) if single_slices else f"{called}{suffix_of(path.name)}",
            "checksum": f"SHA256:{checksum}",
            "xal": {
                "score": row.score,
                "uncertainty": row.uncertainty,
                "misalignment": row.misalignment,
                "roi_source": row.roi_source,
                "alpha": self._project.alpha(),
                "model_version": row.version,
                "lease_until": offer.lease_until,
                "asked_for": "region" if asks_outline else "finding",
                "outline_wanted": outline_wanted,
            },
        }
        if self._share_paths and not single_slices:  # in place, a single slice lies among its like
            reply["path"] = str(path)
        if self._project.task.reveal == "always":
            prediction = self._project.store.predictions.get(row.id)
            if prediction is not None:
                reply["xal"] |= {"finding": prediction.finding, "probabilities": prediction.probabilities}
        return reply


def strategies(project: Project, share_paths: bool) -> dict[str, NextSample]:
    """All strategies, by the names clients use."""
    xal = NextSample(
        project,
        "xal",
        "Images on which the model is unsure or looks away from the ROI come first. "
        "(OHIF always asks for 'random': here that is this same strategy, not chance.)",
        share_paths,
    )
    return {
        "xal": xal,
        "random": xal,
        "uncertainty": NextSample(project, "uncertainty", "Where the model is unsure comes first", share_paths),
        "uniform": NextSample(project, "uniform", "By chance: every image is as likely as any other", share_paths),
    }


def lonely_name(identifier: str, name: str) -> str:
    """A file name for a single slice that Slicer cannot take for one slice of a volume.

    Slicer stacks all single-slice files of a folder whose names differ in one number only, and keeps everything it
    downloads in one folder: the second sample would open as a volume of two patients. These names differ in letters.
    """
    letters = str.maketrans("0123456789", "ghijklmnop")
    return f"{identifier}.{hashlib.sha256(identifier.encode()).hexdigest()[:12].translate(letters)}{suffix_of(name)}"
