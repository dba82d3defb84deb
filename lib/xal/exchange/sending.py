"""Annotations go back to the archive as standard objects, once no other reader's eyes could be led by them.

An annotation is kept as waiting until all of its objects are in the archive. Their UIDs follow from the annotation, so
sending again after a crash stores the same objects, not copies. What was sent of an annotation that is withdrawn is
rejected by a note, which an archive may heed. What a model thought goes only where annotations go:
nothing is written for an image that nobody has handed in.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from pydicom import Dataset

from xal.dicom.attention import PARAMETRIC_MAP, attention_bands, attention_map
from xal.dicom.derived import Stamp
from xal.dicom.rejection import Stored, rejection
from xal.dicom.report import COMPREHENSIVE_SR, Statement, report
from xal.dicom.segmentation import SEGMENTATION, Outline, segmentation
from xal.errors import BadInput, NotFound, StoreError, Unavailable, XalError
from xal.exchange.arriving import SENT
from xal.imaging.dicom_planes import Plane, planes
from xal.imaging.geometry import grid_to_image
from xal.imaging.images import Volume
from xal.loop.why import standing_prediction
from xal.pool.obtaining import Patience
from xal.pool.project import Project
from xal.pool.rois import drawn_mask
from xal.sources.source import Exchange
from xal.store.rows import AnnotationRow, DeliveryRow, ImageRow, ImageStatus
from xal.task import ATTENTION_LEVELS

logger = logging.getLogger(__name__)

KINDS = {
    "seg": SEGMENTATION,
    "sr": COMPREHENSIVE_SR,
    "attention": SEGMENTATION,
    "attention_map": PARAMETRIC_MAP,
}
"""What can be sent, and the SOP class that it is."""
REJECTION = "rejection"
AS_USUAL = ("seg", "sr")
AT_ONCE = 50
FIRST_NUMBER = 9_000
"""Of our series: behind those of the study itself, where viewers list them by number."""
WAITS_SECONDS = 60.0
"""After which an image that waits for other readers, or is not to be read now, is looked at again."""
NOT_NOW: dict[ImageStatus, str] = {
    "excluded": "the image is excluded",
    "unreadable": "the image cannot be read any more",
    "gone": "the image is not in the archive any more",
}
"""Why nothing is sent of an image; each of these may be taken back."""
SHORTEST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
"""Before something that could not be sent is tried again; it doubles with every try, and ends with the first success
after the archive took nothing."""


def checked_kinds(names: str) -> tuple[str, ...]:
    """What `--conf send` asks for, by commas; BadInput names what there is."""
    chosen = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip() not in ("", "nothing")))
    unknown = [name for name in chosen if name not in KINDS]
    if unknown:
        raise BadInput(
            f"--conf send: {unknown[0]!r} is nothing that can be sent; there are: {', '.join(KINDS)}, nothing"
        )
    return chosen


@dataclass
class Sending:
    """What of the annotations of a project is sent to its archive."""

    project: Project
    source: Exchange
    kinds: tuple[str, ...] = AS_USUAL
    _patience: Patience = field(default_factory=Patience, init=False)
    _away: bool = field(default=True, init=False)
    """The archive took nothing for a while, or may have before this process began."""

    def send(self, seconds: float) -> int:
        """Send what waits, for about so long; how many annotations arrived."""
        store, until, sent = self.project.store, time.monotonic() + seconds, 0
        store.deliveries.note_new()
        for delivery, annotation in store.deliveries.due(AT_ONCE):
            sent += self._deliver(delivery, annotation)
            if time.monotonic() >= until:
                return sent
        for delivery, annotation in store.deliveries.due(AT_ONCE, state="withdrawn"):
            self._reject(delivery, annotation)
            if time.monotonic() >= until:
                break
        return sent

    def _deliver(self, delivery: DeliveryRow, annotation: AnnotationRow) -> bool:
        store, now = self.project.store, time.time()
        if annotation.source != "reader" or not annotation.active:
            store.deliveries.end(annotation.id, "dropped", "it does not stand, or came from elsewhere")
            return False
        try:
            row = store.images.get(annotation.image)
        except NotFound:
            store.deliveries.end(annotation.id, "dropped", "its image was taken out of the pool for good")
            return False
        try:
            if row.status in NOT_NOW or self._may_lead_others(row, annotation):
                store.deliveries.put_off(annotation.id, now + WAITS_SECONDS, NOT_NOW.get(row.status), tried=False)
                return False
            if row.fingerprint is None or row.fingerprint != annotation.fingerprint:
                raise NotFound("the image has other pixels now than it was drawn on")
            objects = list(self._objects(row, annotation))
            if objects:
                self.source.archive.store(objects)
            for made in objects:
                store.outlines.put(str(made.SeriesInstanceUID), SENT, [])
        except StoreError:  # the next annotation would meet it, too
            raise
        except Exception as error:  # whatever it is, it must not keep the others from being sent
            self._tell("annotation %d is not in the archive yet", annotation.id, error)
            if self._put_off(delivery, error):
                raise
            return False
        self._arrived()
        store.deliveries.end(annotation.id, "sent")
        store.deliveries.reject_if_withdrawn(annotation.id)  # while it was on its way
        logger.info("annotation %d is in the archive (%d objects)", annotation.id, len(objects))
        return True

    def _reject(self, delivery: DeliveryRow, annotation: AnnotationRow) -> None:
        """Tell the archive that what it has of an annotation is not to be used."""
        store = self.project.store
        try:
            objects = list(self._stored(annotation))
            if objects:
                header = self.source.headers(store.images.get(annotation.image))[0]
                stamp = self._stamp(annotation, REJECTION)
                by = annotation.withdrawn_by or annotation.reader
                self.source.archive.store([rejection(header, objects, by=by, stamp=stamp)])
        except NotFound:  # the image is gone from there, and what was sent of it with it
            objects = []
        except StoreError:
            raise
        except Exception as error:
            self._tell("annotation %d is not rejected yet", annotation.id, error)
            if self._put_off(delivery, error):
                raise
            return
        self._arrived()
        store.deliveries.end(annotation.id, "rejected" if objects else "dropped")
        logger.info("annotation %d is rejected in the archive (%d objects)", annotation.id, len(objects))

    def _stored(self, annotation: AnnotationRow) -> Iterator[Stored]:
        """What was sent of an annotation, in whatever version its attention was."""
        known = self.project.store.outlines.searched()
        stamps = [(kind, self._stamp(annotation, kind)) for kind in AS_USUAL]
        for row in self.project.store.versions.all():
            stamps += [(kind, self._stamp(annotation, kind, row.version)) for kind in ("attention", "attention_map")]
        for kind, stamp in stamps:
            if known.get(stamp.series) == SENT:
                yield Stored(KINDS[kind], stamp.series, stamp.instance)

    def _put_off(self, delivery: DeliveryRow, error: Exception) -> bool:
        """Try again later; whether it is the archive, not this annotation."""
        pause = min(SHORTEST_PAUSE * 2.0 ** min(delivery.tries, 20), LONGEST_PAUSE)
        problem = str(error) if isinstance(error, XalError) else type(error).__name__
        self.project.store.deliveries.put_off(delivery.annotation, time.time() + pause, problem, tried=True)
        if not isinstance(error, Unavailable) or not self._patience.refuse():
            return False
        self._patience, self._away = Patience(), True
        return True

    def _tell(self, message: str, annotation: int, error: Exception) -> None:
        """Log why not; what nobody foresaw is logged as the source allows."""
        if isinstance(error, XalError):
            logger.warning(f"{message}: %s", annotation, error)
        else:
            self.source.tell(logger, error, message, annotation)

    def _arrived(self) -> None:
        self._patience = Patience()
        if self._away:
            self._away = False
            self.project.store.deliveries.hurry()

    def _may_lead_others(self, row: ImageRow, annotation: AnnotationRow) -> bool:
        """Whether another reader is still to read the image, or is reading it: the archive is open to all viewers."""
        leased = self.project.store.queue.leased_by(row.id)
        return row.status not in ("settled", "review") or leased not in (None, annotation.reader)

    def _objects(self, row: ImageRow, annotation: AnnotationRow) -> Iterator[Dataset]:
        """What is to be stored, the outline first, because the report refers to it."""
        volume = self.project.volume(row)
        stack = planes(self.source.headers(row), volume.shape, volume.affine)
        outline = self._outline(annotation, stack, volume) if annotation.roi_voxels > 0 else None
        if outline is not None and "seg" in self.kinds:
            yield outline
        if "sr" in self.kinds:
            said = Statement(
                finding=annotation.finding,
                reader=annotation.reader,
                story=annotation.story,
                segmentation=outline if "seg" in self.kinds else None,
                roi_voxels=annotation.roi_voxels,
            )
            yield report(stack, volume.affine, said, task=self.project.task, stamp=self._stamp(annotation, "sr"))
        yield from self._attention(row, annotation, stack, volume)

    def _outline(self, annotation: AnnotationRow, stack: list[Plane], volume: Volume) -> Dataset:
        mask, _ = drawn_mask(self.project, annotation)
        finding = self.project.task.findings[self.project.task.index(annotation.finding)]
        outline = Outline(mask, finding.name, finding.code, finding.color)
        stamp = self._stamp(annotation, "seg")
        return segmentation(stack, volume.affine, [outline], reader=annotation.reader, stamp=stamp)

    def _attention(
        self, row: ImageRow, annotation: AnnotationRow, stack: list[Plane], volume: Volume
    ) -> Iterator[Dataset]:
        """What the model looks at now, where it looked at these pixels."""
        wanted = {"attention", "attention_map"} & set(self.kinds)
        prediction = standing_prediction(self.project, row) if wanted else None
        if prediction is None:
            return
        spread = grid_to_image(prediction.attention.astype(np.float32), volume, self.project.task, "linear")
        attention = np.clip(spread, 0, 1)
        finding, version = prediction.finding, prediction.version
        if "attention" in self.kinds and float(attention.max()) >= ATTENTION_LEVELS[0]:
            stamp = self._stamp(annotation, "attention", version)
            yield attention_bands(stack, volume.affine, attention, finding=finding, version=version, stamp=stamp)
        if "attention_map" in self.kinds:
            stamp = self._stamp(annotation, "attention_map", version)
            yield attention_map(stack, volume.affine, attention, finding=finding, version=version, stamp=stamp)

    def _stamp(self, annotation: AnnotationRow, kind: str, *more: object) -> Stamp:
        """The same for the same content."""
        parts = (
            self.project.store.pool,
            self.project.task.name,
            annotation.id,
            annotation.created_at,
            kind,
            *more,
        )
        return Stamp(
            series=uid_of("series", *parts),
            instance=uid_of("instance", *parts),
            at=datetime.fromtimestamp(annotation.created_at if kind != REJECTION else annotation.withdrawn_at or 0.0),
            number=FIRST_NUMBER + 10 * annotation.id + [*KINDS, REJECTION].index(kind),
        )


def uid_of(*parts: object) -> str:
    """A UID that is always the same for the same parts."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
