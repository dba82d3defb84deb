"""Handing in: a submitted label map becomes an annotation, or is refused with everything as it was."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xal.arrays import BoolArray
from xal.errors import BadInput, Conflict, NotFound, Unavailable, XalError
from xal.imaging.geometry import roi_to_grid
from xal.imaging.images import Volume, fingerprint, label_as_nifti
from xal.imaging.label_map import Decoded, decode_label
from xal.loop.origins import ORIGIN, Origin, roi_origin, said_origin
from xal.loop.rescoring import rescore
from xal.loop.sentences import sentence
from xal.loop.shown import SHOWN, drawers_of, drawn_by, in_words, noted, shown_before
from xal.method.acquisition import roi_confidence
from xal.method.attention import energy_in_roi, overlap
from xal.method.story import Story
from xal.pool.label_check import checked_label
from xal.pool.label_files import LABEL, Damaged, checksum, give_name, take_back
from xal.pool.project import Project
from xal.pool.rois import coarse
from xal.store.rows import AnnotationRow, ImageRow, NewAnnotation, Source
from xal.system.durable import HOST, remove_left_behind, remove_unfinished, write_atomically
from xal.system.turns import HAND_IN_SECONDS, one_request
from xal.task import REGION

logger = logging.getLogger(__name__)

FINAL = "final"
"""The only label tag that makes annotations."""
STATED = ("finding", "submission_id", "pool", "task", "checksum", "pixels")
"""Short texts that a client may send with a label."""
INCOMING = ".incoming"
"""Below the folder of labels: files whose submission is not stored yet."""
DRAFT = re.compile(r"((?P<host>[A-Za-z0-9_-]+)\.)?(?P<pid>[0-9]+)-[0-9a-f]+\.nii\.gz")
"""Of a label file that has no name yet, by the machine and the process that writes it."""


@dataclass(frozen=True)
class Submission:
    """What a client hands in."""

    image: str
    reader: str
    file: Path
    label_info: Sequence[Mapping[str, Any]] | None = None
    finding: str | None = None
    """A finding stated without an ROI."""
    submission_id: str | None = None
    pool: str | None = None
    """Whose image it was drawn on, if the client says so: images of other pools may have the same id."""
    task: str | None = None
    """Which task it was drawn for, if the client says so: another one may have findings of the same name."""
    checksum: str | None = None
    """Of the image's bytes that it was drawn on: its file may be another one by now."""
    pixels: str | None = None
    """Fingerprint of the pixels that it was drawn on, if the client was told one: other bytes may show the same."""
    source: Source = "reader"
    origin: Origin = "rest"
    """With what it was drawn."""
    revises: int | None = None
    """The annotation whose place it takes."""
    params: dict[str, Any] = field(default_factory=dict)
    """What else the client said; kept as it is, with the origin."""


@dataclass(frozen=True)
class Receipt:
    """What became of it."""

    annotation: AnnotationRow
    created: bool
    """False: the same had been handed in before, and this is the first result again."""
    sentence: str


def submit(project: Project, submission: Submission) -> Receipt:
    """Decode, check and store a label map; raises Refused and changes nothing if it cannot be used."""
    drawn_for = _drawn_elsewhere(project, submission)
    if drawn_for is not None:
        raise Conflict(f"this label was drawn for {drawn_for}: it is kept where it was drawn")
    before = project.store.annotations.sent_before(submission.image, submission.reader, submission.submission_id)
    if before is not None and before.file_problem is None:  # whatever has become of the image since
        return Receipt(before, False, _sentence(before))
    row = project.store.images.get(submission.image)
    if row.state != "ok":
        raise Conflict(f"image {row.id!r} is {row.state}{f': {row.problem}' if row.problem else ''}")
    with one_request(HAND_IN_SECONDS, ahead=True):
        return _decoded_and_stored(project, submission, row)


def _decoded_and_stored(project: Project, submission: Submission, row: ImageRow) -> Receipt:
    try:
        volume = project.volume(row)
    except NotFound as error:  # vanished or replaced just now: the next scan tells which
        raise Unavailable(str(error)) from error
    if _drawn_on_others(submission, volume, project.store.images.get(row.id).checksum):
        raise Conflict(f"the file of image {row.id!r} was replaced since this was outlined: please outline it anew")
    decoded = decode_label(submission.file, submission.label_info, volume, project.task, submission.finding)
    if decoded.finding == REGION:
        _refuse_untouched(project, submission, decoded)
    content = label_as_nifti(decoded.mask, volume.affine)
    new = NewAnnotation(
        image=row.id,
        reader=submission.reader,
        finding=decoded.finding,
        roi_voxels=decoded.roi_voxels,
        roi_volume=decoded.roi_volume,
        label_info=[dict(entry) for entry in submission.label_info or []],
        params={**submission.params, ORIGIN: submission.origin, **_shown(project, submission)},
        story=None if decoded.finding == REGION else _story(project, submission, decoded, volume),
        digest=_digest(submission.file, decoded),
        submission_id=submission.submission_id,
        source=submission.source,
        fingerprint=fingerprint(volume),
        centre=_centre(decoded.roi),
        file_size=len(content),
        file_sha256=checksum(content),
    )
    annotation, created = _store(project, new, content, submission.revises)
    if not created:
        _make_whole(project, annotation, content)
    elif annotation.finding == REGION:
        rescore(project, row.id)
    note = f"{decoded.note}. " if decoded.note else ""
    return Receipt(annotation, created, note + _sentence(annotation))


def _make_whole(project: Project, row: AnnotationRow, content: bytes) -> None:
    """What is sent again heals the label file, if that was lost or damaged: nobody else may have it any more."""
    with suppress(Damaged):
        checked_label(project, row)
        return
    if row.file_sha256 == checksum(content):
        write_atomically(project.workspace.labels / row.label_path, content)
        checked_label(project, project.store.annotations.get(row.id))
        logger.warning("the label file of annotation %d is whole again: it was sent once more", row.id)


def _shown(project: Project, submission: Submission) -> dict[str, Any]:
    """What the reader was sent of others' outlines until now, whether that stands still or not."""
    if submission.source == "import":
        return {}
    return noted(project, submission.reader, submission.image)


def _refuse_untouched(project: Project, submission: Submission, decoded: Decoded) -> None:
    """What others outlined is not taken as a region of its reader's own: it would count twice in the mean of the ROIs.

    Slicer has it painted already, so that who sees nothing there and paints nothing would hand it in.
    """
    if submission.source == "import" or submission.revises is not None:
        return
    drawers = drawers_of(project, submission.reader, submission.image, decoded.roi)
    if drawers:
        raise BadInput(
            f"the region is exactly {drawn_by(drawers)}, as you were shown it, and is kept already. If it is wrong, "
            "correct it; if nothing is there, clear it; else name the finding, or leave it as it is and go on"
        )


def _digest(file: Path, decoded: Decoded) -> str:
    """Of what was handed in, which may be large; behind the dot, of what it became.

    The same bytes can say the same finding by an outline or by a mark: only what its segments are called tells.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    digest.update(decoded.finding.encode())
    return f"{digest.hexdigest()}.{hashlib.sha256(decoded.mask.tobytes()).hexdigest()}"


def _drawn_elsewhere(project: Project, submission: Submission) -> str | None:
    """What else it was drawn for, in words."""
    if submission.pool not in (None, project.store.pool):
        return f"another pool of images ({submission.pool})"
    if submission.task not in (None, project.task.name):
        return f"another task ({submission.task}; this is {project.task.name})"
    return None


def _drawn_on_others(submission: Submission, volume: Volume, checksum: str | None) -> bool:
    """Whether it was drawn on other pixels than the image has now."""
    return submission.checksum not in (None, checksum) and submission.pixels != fingerprint(volume)


def _store(project: Project, new: NewAnnotation, content: bytes, revises: int | None) -> tuple[AnnotationRow, bool]:
    """Write the label file before the transaction, in which others wait; there it is only given its name."""
    labels = project.workspace.labels
    draft = labels / INCOMING / f"{HOST}.{os.getpid()}-{uuid.uuid4().hex}{LABEL}"
    at = time.time()
    said = {**vars(new), "story": new.story and new.story.as_json()}
    record = {"pool": project.store.pool, "task": project.task.name, "created_at": at, **said}
    other = None if revises is None else project.store.annotations.get(revises).reader
    if other not in (None, new.reader):
        record["in_place_of"] = other
    named: list[str] = []

    def name_it(revision: int) -> str:
        while named:  # in a transaction that the database wants tried again
            take_back(labels, named.pop())
        path = label_path(new.image, new.reader, revision)
        named.append(give_name(draft, labels, path, record | {"revision": revision}))
        return named[0]

    stored = False
    try:
        write_atomically(draft, content)
        row, stored = project.store.annotations.add(new, name_it, project.task.readings, revises=revises, now=at)
        return row, stored
    finally:
        if not stored:
            _take_back(project, named)
        draft.unlink(missing_ok=True)


def _take_back(project: Project, named: Sequence[str]) -> None:
    """Remove files that became no annotation; where the store cannot say, they stay: the next start looks again."""
    with suppress(XalError):
        for name in named:
            project.store.annotations.unless_label_is_named(name, partial(take_back, project.workspace.labels, name))


def forget_drafts(project: Project) -> None:
    """Remove what processes that were killed had begun to write; nobody was told that it had arrived."""
    for draft in (project.workspace.labels / INCOMING).glob(f"*{LABEL}"):
        parts = DRAFT.fullmatch(draft.name)
        remove_left_behind(draft, parts and parts["host"], int(parts["pid"]) if parts else 0)
    for folder in (project.workspace.labels, project.workspace.models):
        remove_unfinished(folder)


def parse_submission(image: str, reader: str, file: Path, tag: str | None, params: Mapping[str, Any]) -> Submission:
    """A submission as MONAI Label's clients send it; BadInput if its parts make no sense."""
    if tag not in (None, "", FINAL):
        raise BadInput(f"labels are handed in under the tag {FINAL!r}, not {tag!r}")
    label_info = params.get("label_info")
    if label_info is not None and not (
        isinstance(label_info, list)
        and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in label_info)
    ):
        raise BadInput('label_info must be a list of {"name": …, "idx": …}, one entry per exported segment')
    stated: dict[str, Any] = {key: params.get(key) for key in STATED}
    for key, value in stated.items():
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()):
            raise BadInput(f"{key} must be a short text, not {value!r}")
    revises = params.get("revises")
    if revises is not None and (type(revises) is not int or not 0 < revises < 2**31):
        raise BadInput(f"revises must be the number of an annotation, not {revises!r}")
    kept = {key: value for key, value in params.items() if key not in ("label_info", SHOWN, *STATED)}
    origin = said_origin(params)
    return Submission(image, reader, file, label_info, origin=origin, revises=revises, params=kept, **stated)


def label_path(image: str, reader: str, revision: int) -> str:
    """Where the label file of a reader's revision lies, below the folder of labels."""
    slug = re.sub(r"[^A-Za-z0-9_-]", "_", reader)[:40]
    if slug != reader:
        slug = f"{slug}-{hashlib.sha256(reader.encode()).hexdigest()[:8]}"
    return f"{image}/{slug}.r{revision}{LABEL}"


def _sentence(annotation: AnnotationRow) -> str:
    """What the reader is told; not of the model, as long as the image's finding is to be named."""
    return f"{_result(annotation)}{in_words(shown_before(annotation))}"


def _result(annotation: AnnotationRow) -> str:
    if annotation.finding == REGION:
        return f"Your outline is kept ({annotation.roi_voxels} voxels). The image stays open: its finding is not named."
    story = annotation.story
    if story is None:
        return "No model had looked at this image yet."
    return sentence(annotation.finding, story.finding, story.probability, story.overlap)


def _centre(roi: BoolArray) -> list[float] | None:
    """Where the ROI's centroid lies, as a share of the image along each of its axes; None without an ROI."""
    if not roi.any():
        return None
    profiles = [roi.sum(tuple(other for other in range(roi.ndim) if other != axis)) for axis in range(roi.ndim)]
    return [float(np.average(np.arange(len(profile)) + 0.5, weights=profile)) / len(profile) for profile in profiles]


def _story(project: Project, submission: Submission, decoded: Decoded, volume: Volume) -> Story | None:
    """What the model had thought of the image before it was handed in, from the stored prediction."""
    prediction = project.store.predictions.get(submission.image)
    if prediction is None:
        return None
    row = project.store.images.get(submission.image)
    story = Story(
        chosen=project.store.annotations.was_given(submission.image, submission.reader),
        chosen_by=project.store.annotations.chosen_by(submission.image, submission.reader),
        model_version=prediction.version,
        finding=prediction.finding,
        probability=prediction.probabilities[prediction.finding],
        probabilities=prediction.probabilities,
        uncertainty=prediction.uncertainty,
        misalignment=prediction.misalignment,
        alpha=project.alpha(),
        score=row.score if row.version == prediction.version else None,
        roi_source=prediction.roi_source,
        roi_origin=roi_origin(project, prediction.roi_source, prediction.roi_key),
        overlap_before=prediction.overlap if prediction.roi_source == "drawn" else None,
        roi_confidence=None if prediction.proposed is None else roi_confidence(prediction.proposed),
    )
    if prediction.finding == project.task.absent or not decoded.roi.any():
        return story
    attention = prediction.attention.astype(np.float32)
    roi = roi_to_grid(decoded.roi, volume.affine, project.task)
    return replace(
        story,
        overlap=overlap(attention, roi, project.task.acquisition),
        energy=energy_in_roi(attention, coarse(roi, attention.shape)),
    )
