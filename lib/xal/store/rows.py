"""What the store takes and gives: plain frozen rows, so that no caller ever holds a live database object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import numpy.typing as npt

from xal.arrays import Float64Array
from xal.method.story import Story

ImageState = Literal["ok", "unreadable", "gone", "deleted"]
ImageStatus = Literal["waiting", "settled", "review", "excluded", "unreadable", "gone", "deleted"]
Order = Literal["queue", "uncertainty", "uniform", "telling"]
"""As the line-up and the rule in use rank images; where the model is unsure; by chance; what an outline would tell."""
RankedBy = Literal["score", "other_score", "uncertainty", "margin", "nothing"]
"""α · uncertainty + (1 − α) · misalignment, or the other misalignment; or uncertainty or margin alone, or chance."""
Source = Literal["reader", "import"]
VersionState = Literal["candidate", "published", "refused", "withdrawn"]
DeliveryState = Literal["waiting", "sent", "dropped", "withdrawn", "rejected"]
"""Of an annotation: `withdrawn` once it was sent, and `rejected` once the archive was told so."""
JobKind = Literal["train", "score"]
JobState = Literal["running", "done", "failed", "stopped", "lost"]

THERE: tuple[ImageState, ...] = ("ok", "unreadable")
"""The states of an image whose file is where it was found."""


@dataclass(frozen=True)
class Rule:
    """What images are ranked by: one of their values, and what a score is made of."""

    by: RankedBy = "score"
    alpha: float = 0.5
    neutral: float = 0.5
    """What a missing misalignment counts."""


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
    decision: dict[str, Any] | None
    """What a reviewer decided where readings disagree: finding, by, at, reason."""
    open: bool
    """It waits for a reader."""
    status: ImageStatus
    """What a person would say of it."""
    score: float | None
    uncertainty: float | None
    misalignment: float | None
    roi_source: str | None
    version: int | None
    """The model version of the score."""
    shuffle: int
    added_at: float
    outline_wanted: bool | None
    """Of those who read it; None until that is decided."""

    @property
    def group(self) -> str:
        """What must not be split between training and validation: the patient, or the image itself."""
        return str(self.info.get("group") or self.id)


@dataclass(frozen=True)
class Offer:
    """An image given to a reader, and until when nobody else gets it."""

    image: ImageRow
    lease_until: float
    turn_before: dict[str, Any] | None = None
    """If this reader was given it before: which turn that was, when, and chosen by what."""
    lease_before: float | None = None
    """If this reader had it still: until when."""
    chosen_by: str | None = None
    """What the order is called that it was the first of."""


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
    story: Story | None
    """What the model had thought of the image when this was handed in."""
    digest: str
    """Of the label bytes and the finding and, behind a dot, of the label map that they became: what has the same digest
    is the same submission."""
    submission_id: str | None = None
    source: Source = "reader"
    fingerprint: str | None = None
    """Of the pixels it was drawn on."""
    centre: list[float] | None = None
    """Of the ROI, as a share of the image along each of its axes."""
    file_size: int | None = None
    file_sha256: str | None = None
    """Of the label file."""


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
    story: Story | None
    digest: str
    fingerprint: str | None
    """Of the pixels it was drawn on."""
    submission_id: str | None
    source: Source
    centre: list[float] | None
    """Of the ROI, as a share of the image along each of its axes."""
    active: bool
    """It is its reader's latest revision that was not withdrawn."""
    created_at: float
    withdrawn_at: float | None
    withdrawn_by: str | None
    file_size: int | None
    """Of the label file; None for one of an older version that nobody has looked at yet."""
    file_sha256: str | None
    file_problem: str | None
    """What is wrong with the label file."""
    seconds: float | None
    """From when Next Sample gave its reader the image, or from that reader's hand-in before, if that was later."""


@dataclass(frozen=True)
class Blind:
    """Who is told of no outline without a finding but the own ones, until an image was handed in."""

    name: str
    by: str | None
    """Whose hand-in that is; None: anybody's."""


@dataclass(frozen=True)
class OutlineRow:
    """An ROI that a person had drawn elsewhere before, found in an archive; it says nothing of the finding."""

    image: str
    origin: str
    """The object it was found in, and which of its ROIs."""
    series: str
    """Of the object."""
    path: str
    """Of its label file, below the folder of labels."""
    voxels: int
    fingerprint: str | None
    """Of the pixels it lies on."""
    found_at: float


@dataclass(frozen=True)
class DeliveryRow:
    """An annotation on its way to an archive."""

    annotation: int
    state: DeliveryState
    next_try: float
    tries: int
    problem: str | None
    """Why the last try failed, or why it is not sent at all."""
    ended_at: float | None


@dataclass(frozen=True)
class SettledImage:
    """An image whose finding is settled, with its active annotations."""

    image: ImageRow
    finding: str
    annotations: list[AnnotationRow]


@dataclass(frozen=True, eq=False)
class Candidates:
    """The scored images of the pool; all lists run in the same order."""

    ids: list[str]
    scores: Float64Array
    """What they are ranked by."""
    uncertainty: Float64Array
    predicted: list[str]
    """The predicted findings."""
    probabilities: list[dict[str, float]]
    embeddings: Float64Array
    """(n, K)."""


@dataclass(frozen=True, eq=False)
class PredictionRow:
    """What one forward pass said of one image, and the score that came of it."""

    image: str
    version: int
    fingerprint: str
    """Of the pixels that were read."""
    roi_key: str | None
    """The ROIs that were known, as `stale` named them; None: none was."""
    finding: str
    probabilities: dict[str, float]
    uncertainty: float
    misalignment: float | None
    overlap: float | None
    energy: float | None
    roi_source: str
    attention: npt.NDArray[Any]
    """Kept in half precision on the feature grid."""
    evidence: npt.NDArray[Any] | None = None
    """(F, *feature grid): what each cell says for each finding; None if an earlier version read the image."""
    coverage: npt.NDArray[Any] | None = None
    """How much of each cell is ROI, the network thinks; None until it learnt enough drawn ROIs."""
    other_misalignment: float | None = None
    """By the comparison that the task does not ask for: what the ROI alone says, or Dice."""
    proposed: npt.NDArray[Any] | None = None
    """The ROI that this proposes."""
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
    """Images of the status `settled`: excluded and unreadable ones may have a finding, too."""
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
