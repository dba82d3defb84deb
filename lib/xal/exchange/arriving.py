"""ROIs that somebody drew elsewhere and that lie in the archive: found, laid onto their images, and scored by.

Every series of objects that can hold outlines is looked at once, and again when it has grown. What is found is kept as
a label file of its own, without the words that were written to it: they may name a patient.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from xal.arrays import FloatArray
from xal.dicom.regions import Region, may_outline, number_of_rois, of_one_kind, regions
from xal.errors import BadInput, NotFound, Unavailable, Unreadable
from xal.imaging.dicom_planes import Plane, planes
from xal.imaging.images import read_header, write_label
from xal.loop.rescoring import rescore
from xal.pool.obtaining import Patience, Ready, Why, obtain
from xal.pool.project import Project
from xal.sources.source import Exchange
from xal.store.rows import ImageRow, OutlineRow
from xal.system.bounded_folder import remove

logger = logging.getLogger(__name__)

HOLDERS = ("SEG", "RTSTRUCT", "SR")
"""Modalities of objects that may hold outlines."""
READING = 4
"""Counts changes in how objects are read: what an earlier release made of them is found out anew."""
LATER_SECONDS = 300.0
"""After which a series that could not be looked at is tried again."""
SENT = "sent"
"""The state of a series that this app sent: nobody need look at it."""
FOLDER = "found"
"""Below the folder of labels, which otherwise has a folder per image."""


@dataclass(frozen=True)
class _Holder:
    """A series of objects, in a study that has images of the pool."""

    study: str
    series: str
    state: str
    """What decides what is found in it: its instances, the study's images, the names looked for."""


@dataclass(frozen=True)
class _Target:
    """An image, and which of its planes is which frame; without its pixels, which may be large."""

    row: ImageRow
    shape: tuple[int, int, int]
    affine: FloatArray
    planes: list[Plane]


class Search:
    """Looks through the archive for outlines, a little at a time."""

    def __init__(self, project: Project, source: Exchange, names: str) -> None:
        """Of an object with ROIs of several kinds those count that are called like a finding, or as in `names`."""
        self.project = project
        self.source = source
        wanted = (*project.task.roi_findings, *names.split(","))
        self._names = frozenset(name.strip().casefold() for name in wanted if name.strip())
        self._waiting: deque[_Holder] = deque()
        self._later: dict[str, float] = {}
        self._missed: set[str] = set()
        self._untidy = True

    def survey(self) -> None:
        """Find out what there is that was not looked at as things are now, and forget what is gone.

        What one listing misses may have slipped between two pages of answers; what two miss is gone, as images are.
        """
        self._tidy()
        known, now = self.project.store.outlines.searched(), time.monotonic()
        there: set[str] = set()
        self._waiting.clear()
        for modality in HOLDERS:
            for answer in self.source.archive.series(Modality=modality):
                study, series = answer.get("StudyInstanceUID", ""), answer["SeriesInstanceUID"]
                there.add(series)
                images = self.source.of_study(study)
                state = self._state(answer.get("NumberOfSeriesRelatedInstances", ""), images)
                if images and known.get(series) not in (state, SENT) and self._later.get(series, 0.0) <= now:
                    self._waiting.append(_Holder(study, series, state))
        missed = {
            series for series, state in known.items() if state != SENT
        } - there  # what we sent is needed to reject it
        for series in missed & self._missed:
            self._compare(self.project.store.outlines.forget(series))
            self._untidy = True
        self._missed = missed

    def _tidy(self) -> None:
        """Remove the files of outlines that were forgotten; a listing later, when nobody is about to read one."""
        if not self._untidy:
            return
        labels, kept = self.project.workspace.labels, self.project.store.outlines.paths()
        for file in (labels / FOLDER).glob("*/*"):
            if file.relative_to(labels).as_posix() not in kept:
                remove(file)
        self._untidy = False

    def look(self, seconds: float) -> int:
        """Look at what waits, for about so long; how many series were looked at."""
        until, looked, patience = time.monotonic() + seconds, 0, Patience()
        while self._waiting and time.monotonic() < until:
            holder = self._waiting.popleft()
            looked += 1
            try:
                found, problem = self._outlines_in(holder)
            except (Unavailable, NotFound, Unreadable) as error:  # of the object or an image it may concern: later
                self._later[holder.series] = time.monotonic() + LATER_SECONDS
                logger.warning("series %s is looked at later: %s", holder.series, error)
                if isinstance(error, Unavailable) and patience.refuse():
                    raise
                continue
            self._compare(self.project.store.outlines.put(holder.series, holder.state, found, problem))
            self._untidy = True
            if found or problem:
                logger.info("series %s: %d outline(s)%s", holder.series, len(found), f"; {problem}" if problem else "")
        return looked

    def _compare(self, images: Sequence[str]) -> None:
        """Give images the score and the place that they have with the outlines which are known by now."""
        for image in images:
            rescore(self.project, image)

    def _state(self, count: str, images: Sequence[tuple[str, int]]) -> str:
        depends = [READING, count, sorted(images), sorted(self._names)]
        return hashlib.sha256(repr(depends).encode()).hexdigest()[:16]

    def _outlines_in(self, holder: _Holder) -> tuple[list[OutlineRow], str | None]:
        """What a series outlines of its study's images, and why some of it could not be used."""
        found: list[OutlineRow] = []
        problems: list[str] = []
        targets: list[_Target] | None = None
        for instance in self.source.archive.fetch(holder.study, holder.series):
            try:
                if not may_outline(instance):
                    continue
                targets = targets if targets is not None else list(self._targets(holder.study))
                for target in targets:
                    if meant := self._meant(instance, target, problems):
                        found.append(self._kept(holder, target, meant))
            except BadInput as error:
                problems.append(str(error))
        return found, "; ".join(dict.fromkeys(problems)) or None

    def _targets(self, study: str) -> Iterator[_Target]:
        """The study's images with what says which voxel is which frame; those that cannot be read are none."""
        for image, _ in self.source.of_study(study):
            row = self.project.store.images.get(image)
            if row.state == "ok" and row.fingerprint is None:
                answer = obtain(self.project, row, self.project.learn)
                if not isinstance(answer, Ready) and answer.why is not Why.DAMAGED:
                    raise answer.error
                row = answer.row
            if row.state != "ok":
                continue
            header = read_header(self.source.path(row))
            try:
                stack = planes(self.source.headers(row), header.shape, header.affine)
            except BadInput as error:
                logger.warning("image %s takes no outlines: %s", image, error)
                continue
            yield _Target(row, header.shape, header.affine, stack)

    def _meant(self, instance: Dataset, target: _Target, problems: list[str]) -> list[Region]:
        """The regions of an object in an image that are of a lesion, as far as their names tell."""
        drawn = regions(instance, target.planes, target.shape, target.affine)
        alone = max(len(drawn.regions) + len(drawn.unusable), number_of_rois(instance)) == 1
        every = alone or of_one_kind(instance)
        meant = [region for region in drawn.regions if every or self._is_of_a_lesion(region.label)]
        wrong = [one.reason for one in drawn.unusable if every or self._is_of_a_lesion(one.label)]
        problems += wrong
        if (drawn.regions or drawn.unusable) and not (meant or wrong):
            problems.append("it has ROIs of several kinds, and none is called like a finding: see roi_names")
        return meant

    def _is_of_a_lesion(self, label: str) -> bool:
        return label.strip().casefold() in self._names

    def _kept(self, holder: _Holder, target: _Target, meant: Sequence[Region]) -> OutlineRow:
        """All that one object outlines in an image, as one outline: each box of a film is there with full weight."""
        origin, image = f"{meant[0].origin}#0", target.row.id
        name = f"{FOLDER}/{image}/{hashlib.sha256(origin.encode()).hexdigest()[:16]}.nii.gz"
        mask = np.logical_or.reduce([region.mask for region in meant])
        write_label(self.project.workspace.labels / name, mask.astype(np.uint8), target.affine)
        return OutlineRow(image, origin, holder.series, name, int(mask.sum()), target.row.fingerprint, time.time())
