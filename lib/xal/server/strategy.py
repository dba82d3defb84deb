"""The strategies: which image a reader is given next, from an index, never from the network."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from xal.errors import Conflict, Unavailable
from xal.imaging.images import suffix_of
from xal.loop.blind import may_see, score_alone, scores_only
from xal.loop.next_batch import is_lined_up
from xal.loop.origins import score_origins
from xal.loop.outlining import wants_outline
from xal.loop.reader import Reader, reader_of
from xal.loop.rules import behind, method, rule
from xal.pool.obtaining import Later, Patience, Ready, Waiting, Why, obtain
from xal.pool.project import Project
from xal.store.rows import ImageRow, Offer, Order, Rule
from xal.system.turns import GLANCE_SECONDS, one_request
from xal.task import BATCHES, Method

FINDING_ALONE = ".finding-alone"
"""In the name that a client gives the image: all that 3D Slicer shows of a reply."""


class NextSample(Strategy):  # type: ignore[misc]  # monailabel has no types
    """Offers the best image of one way of choosing, and leases it to the reader who asked."""

    def __init__(self, project: Project, own: Method | None, description: str, share_paths: bool) -> None:
        """Choose from the pool of `project` by its own method, or (None) by the one in use."""
        super().__init__(description)
        self._project = project
        self._own = own
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
        chosen_by, otherwise, order = self.order(reader)
        seconds = self._project.task.lease_minutes * 60
        while True:
            offer = self._project.store.queue.next_sample(
                reader.name, order, seconds, chosen_by=chosen_by, behind=otherwise
            )
            if offer is None or offer.image.id in {one.image.id for one in passed_over}:
                passed_over += [offer] if offer else []
                if not passed_over:
                    return {}
                raise failed[0].error if failed else Unavailable("the archive cannot give the images that are left")
            if offer.image.id in later:
                passed_over.append(offer)
                continue
            with one_request(GLANCE_SECONDS):
                answer = obtain(self._project, offer.image, partial(self._reply, offer, reader, order))
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

    def order(self, reader: Reader) -> tuple[str, str, Order | Rule]:
        """What the choice goes by, and what that is called: for images that are lined up, and for those behind them."""
        if self._asks_outline(reader):
            return "outline", "outline", "telling"
        project, in_use = self._project, method(self._project)
        chosen = self._own or in_use
        if chosen == "uniform":
            return chosen, chosen, "uniform"
        if chosen == in_use:
            lined_up = self._own not in BATCHES or project.store.versions.current() is None or is_lined_up(project)
            if not lined_up:
                raise Conflict(f"{chosen} is being lined up: ask again in a while, or ask for 'random' until then")
            return *behind(project, chosen), "queue"
        if chosen in BATCHES:
            raise Conflict(
                f"{chosen} is not lined up, since {in_use} is the method in use: a reviewer can change that "
                f'(PUT /xal/api/settings/method {{"method": "{chosen}"}})'
            )
        _, called = behind(project, chosen)
        return called, called, rule(project, chosen)

    def _asks_outline(self, reader: Reader) -> bool:
        return reader.outliner and self._project.task.regions

    def _reply(self, offer: Offer, reader: Reader, order: Order | Rule, row: ImageRow) -> dict[str, Any]:
        path, checksum = self._project.served(row)
        asks_outline = self._asks_outline(reader)
        outline_wanted = asks_outline or wants_outline(self._project, row, order)
        row = score_alone(self._project, row) if scores_only(self._project, reader, [row.id]) else row
        origins = score_origins(self._project, [row]) if may_see(self._project, reader, row.id) else {}
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
                "roi_origin": origins.get(row.id),
                "alpha": self._project.alpha(),
                "model_version": row.version,
                "lease_until": offer.lease_until,
                "chosen_by": offer.chosen_by,
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
    """All strategies, by the names clients use; those whose batches are not lined up say so when they are asked for."""
    own: dict[Method, str] = {
        "xal": "Where the model is unsure, or looks away from the ROI, comes first",
        "xal_evidence": "Where the model is unsure, or the ROI alone says something else to it, comes first",
        "entropy": "Where the model is unsure comes first",
        "margin": "Where the two likeliest findings are close comes first",
        "uniform": "By chance: every image is as likely as any other",
        "coverage": "Images that stand for many others come first",
        "k_center": "Images far from all that is labelled come first",
        "badge": "Images from which the model's last layer would learn most, and different things, come first",
        "bald": "Where random dropout changes what the model says comes first",
    }
    in_use = NextSample(
        project,
        None,
        "As the task, or a reviewer, says images are chosen. (OHIF always asks for 'random': here that is no chance.)",
        share_paths,
    )
    every: dict[str, NextSample] = {
        name: NextSample(project, name, text, share_paths) for name, text in own.items() if name in project.task.methods
    }
    return {**every, "random": in_use, "uncertainty": every["entropy"]}


def lonely_name(identifier: str, name: str) -> str:
    """A file name for a single slice that Slicer cannot take for one slice of a volume.

    Slicer stacks all single-slice files of a folder whose names differ in one number only, and keeps everything it
    downloads in one folder: the second sample would open as a volume of two patients. These names differ in letters.
    """
    letters = str.maketrans("0123456789", "ghijklmnop")
    return f"{identifier}.{hashlib.sha256(identifier.encode()).hexdigest()[:12].translate(letters)}{suffix_of(name)}"
