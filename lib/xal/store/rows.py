"""What the store takes and gives: plain frozen rows, so that no caller ever holds a live database object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

ImageState = Literal["ok", "unreadable", "gone", "deleted"]
Order = Literal["xal", "uncertainty", "uniform"]
Source = Literal["reader", "import"]
VersionState = Literal["candidate", "published", "refused", "withdrawn"]
JobKind = Literal["train", "score"]
JobState = Literal["running", "done", "failed", "stopped", "lost"]


@dataclass(frozen=True)
class ImageFile:
    """An image as a source lists it: enough to see whether it is new, changed or gone."""

    id: str
    path: str
    """Relative to the studies."""
    size: int
    mtime_ns: int
    state: ImageState = "ok"


@dataclass(frozen=True)
class ImageRow:
    """An image with everything the queue knows of it."""

    id: str
    path: str
    size: int
    mtime_ns: int
    state: ImageState
    problem: str | None
    """Why it cannot be read, where `state` is `unreadable`."""
    checksum: str | None
    fingerprint: str | None
    info: dict[str, Any]
    excluded: str | None
    """The reason why it is never offered again."""
    excluded_by: str | None
    finding: str | None
    """The settled finding."""
    labelled: bool
    """It has an annotation that is not withdrawn."""
    outdated: bool
    """It has an annotation that was drawn on other pixels than it has now, which does not count."""
    open: bool
    """It waits for a reader."""
    score: float | None
    uncertainty: float | None
    misalignment: float | None
    roi_source: str | None
    version: int | None
    """The model version of the score."""
    shuffle: int
    added_at: float

    @property
    def group(self) -> str:
        """What must not be split between training and validation: the patient, or the image itself."""
        return str(self.info.get("group") or self.id)


@dataclass(frozen=True)
class Offer:
    """An image given to a reader, and until when nobody else gets it."""

    image: ImageRow
    lease_until: float


@dataclass(frozen=True)
class Lease:
    """This reader has this image until then."""

    image: str
    reader: str
    until: float


@dataclass(frozen=True)
class NewAnnotation:
    """A decoded submission, before it is stored."""

    image: str
    reader: str
    finding: str
    roi_voxels: int
    roi_volume: float
    label_info: list[dict[str, Any]]
    params: dict[str, Any]
    story: dict[str, Any] | None
    """What the model had thought of the image when this was handed in."""
    digest: str
    """Hash of the label bytes: the same bytes again are the same submission."""
    submission_id: str | None = None
    source: Source = "reader"
    fingerprint: str | None = None
    """Of the pixels it was drawn on."""


@dataclass(frozen=True)
class AnnotationRow:
    """A stored annotation; withdrawn ones stay, with when and by whom."""

    id: int
    image: str
    reader: str
    revision: int
    finding: str
    roi_voxels: int
    roi_volume: float
    label_path: str
    label_info: list[dict[str, Any]]
    params: dict[str, Any]
    story: dict[str, Any] | None
    digest: str
    fingerprint: str | None
    """Of the pixels it was drawn on."""
    submission_id: str | None
    source: Source
    active: bool
    """It is its reader's latest revision that was not withdrawn."""
    created_at: float
    withdrawn_at: float | None
    withdrawn_by: str | None


@dataclass(frozen=True)
class SettledImage:
    """An image whose finding is settled, with its active annotations."""

    image: ImageRow
    finding: str
    annotations: list[AnnotationRow]


@dataclass(frozen=True, eq=False)
class Candidates:
    """The scored images of the pool; all four run in the same order."""

    ids: list[str]
    scores: Array
    predicted: list[str]
    """The predicted findings."""
    embeddings: Array
    """(n, K)."""


@dataclass(frozen=True, eq=False)
class ReadingRow:
    """What one forward pass said of one image, and the score that came of it."""

    image: str
    version: int
    fingerprint: str
    """Of the pixels that were read."""
    roi_key: str | None
    """The drawn ROIs that were used, as `stale` named them; None: none was drawn."""
    finding: str
    probabilities: dict[str, float]
    uncertainty: float
    misalignment: float | None
    overlap: float | None
    energy: float | None
    roi_source: str
    attention: npt.NDArray[Any]
    """Kept in half precision on the feature grid."""
    proposed: npt.NDArray[Any] | None = None
    embedding: npt.NDArray[Any] | None = None
    created_at: float = 0.0
    """Filled in by the store."""


@dataclass(frozen=True)
class VersionRow:
    """A model version."""

    version: int
    state: VersionState
    current: bool
    """It is the one in use."""
    path: str | None
    sha256: str | None
    metrics: dict[str, Any]
    verdict: dict[str, Any]
    settings: dict[str, Any]
    parent: int | None
    validation: int | None
    created_at: float
    published_at: float | None


@dataclass(frozen=True)
class JobRow:
    """A training or scoring job and the process that runs it."""

    id: int
    kind: JobKind
    state: JobState
    pid: int
    host: str
    process_start: float
    request: dict[str, Any]
    started_at: float
    heartbeat: float
    finished_at: float | None
    progress: dict[str, Any]
    message: str | None


@dataclass(frozen=True)
class Event:
    """Something that was done, by whom, to which image."""

    id: int
    at: float
    kind: str
    reader: str | None
    image: str | None
    detail: dict[str, Any] = field(default_factory=dict)


class Counts(TypedDict):
    """The pool in numbers; images that are gone or deleted are in none of them."""

    total: int
    completed: int
    """Images whose finding is settled."""
    open: int
    """Images that wait for a reader."""
    labelled: int
    """Images with an annotation that is not withdrawn."""
    review: int
    """Images read often enough whose readings disagree, or were made on other pixels."""
    excluded: int
    unreadable: int
    findings: dict[str, int]
    """Settled images per finding."""


Array = npt.NDArray[np.float64]
