"""What a model had thought of an image when a reader handed in an annotation of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the stored prediction said, kept with the annotation for good; None is what has no value or was not kept.

    Every version of the program kept `model_version`, `finding` and `probability`; what came later has a default, so
    that older stories are read, too.
    """

    chosen: bool | None = None
    """Whether Next Sample had given the image to this reader."""
    chosen_by: str | None = None
    """By which method."""
    model_version: int
    finding: str
    """The predicted one."""
    probability: float
    """Of the predicted finding."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Of each finding."""
    uncertainty: float | None = None
    misalignment: float | None = None
    alpha: float | None = None
    score: float | None = None
    """What the image was ranked by."""
    roi_source: str | None = None
    """Where the ROI came from that the misalignment is of."""
    roi_origin: Sequence[str] | None = None
    """Where that was drawn, if people drew it; each origin once."""
    overlap_before: float | None = None
    """Of the attention and an outline that somebody had drawn of the image before, without a finding."""
    roi_confidence: float | None = None
    """Of the proposed ROI."""
    overlap: float | None = None
    """Of the attention and the reader's outline."""
    energy: float | None = None
    """The share of the attention in the reader's outline."""

    @classmethod
    def from_json(cls, kept: object) -> Self | None:
        """A story as it was kept; None if it does not say which version predicted what, with which probability.

        What another version kept and this one does not know is left out.
        """
        if not isinstance(kept, Mapping):
            return None
        names = {part.name for part in fields(cls)}
        known = {name: value for name, value in dict(kept).items() if name in names and value is not None}
        return cls(**known) if {"model_version", "finding", "probability"} <= known.keys() else None

    def as_json(self) -> dict[str, Any]:
        """What is kept of it, in the store and beside the label file."""
        return asdict(self)
