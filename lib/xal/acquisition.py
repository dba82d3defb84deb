"""Which image to read next: where the model is unsure and where it looks in the wrong place.

score = α · uncertainty + (1 − α) · misalignment. Pure functions; the store keeps every part of the sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xal.attention import FloatArray, overlap, support
from xal.place import NOWHERE
from xal.task import AcquisitionSettings

RoiSource = Literal["drawn", "proposed", "none"]

NEUTRAL = 0.5
"""What a missing misalignment counts while too few images have one."""
_BACKGROUND = 0.2
"""A proposed ROI is empty where its coverage stays below this."""
_ENOUGH_FOR_MEDIAN = 20
_SAME_PLACE, _PARTLY = 0.5, 0.2
"""Overlaps from which on a sentence says "the same place" or "partly"."""


@dataclass(frozen=True)
class Misalignment:
    """How far the attention is from the ROI; `value` and `overlap` are None where that has no meaning."""

    value: float | None
    source: RoiSource
    overlap: float | None


Against = Literal["outline", "no outline", "absent", "proposal", "nothing"]
"""What attention is compared with: an ROI that a reader drew, a finding stated without one, the absent finding, the ROI
that the network proposes, or nothing yet."""


@dataclass(frozen=True)
class Gaze:
    """Where the model looked, and what there is to compare that with."""

    place: str | None
    """In words, such as "at the lower left"; None where it is not known any more."""
    against: Against = "nothing"
    overlap: float | None = None
    reached: bool = True
    """The ROI covers some of that place."""
    blank: bool = False
    """It predicts the absent finding: it looked nowhere, it saw nothing."""
    who: str = "you"
    """Who annotated the image, to whoever reads the sentence."""
    finding: str = ""
    """What they annotated."""


def uncertainty(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Entropy of the findings / log(number of findings), along the last axis: 0 certain, 1 no idea."""
    p = np.asarray(probabilities, dtype=np.float64)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    result: npt.NDArray[np.float64] = np.clip(-terms.sum(axis=-1) / np.log(p.shape[-1]), 0.0, 1.0)
    return result


def misalignment(
    attention: FloatArray,
    evidence: FloatArray,
    drawn: FloatArray | None,
    coverage: FloatArray | None,
    *,
    predicts_absent: bool,
    settings: AcquisitionSettings,
) -> Misalignment:
    """1 − the agreement of what the network sees with the drawn ROI, or else with the one that `coverage` proposes.

    Agreement is Dice with the predicted finding's attention, or what the ROI alone says for that finding. An ROI
    without voxels is no ROI. Without any the value is None, the absent finding predicted or not: there is nothing to
    compare with. The absent finding predicted against an ROI is as wrong as can be: 1.
    """
    for source, roi in _rois(drawn, coverage):
        if predicts_absent:
            return Misalignment(1.0, source, 0.0)
        shared = overlap(attention, roi, settings)
        if settings.misalignment == "overlap":
            return Misalignment(1.0 - shared, source, shared)
        weights = coverage if source == "proposed" and coverage is not None else roi
        return Misalignment(1.0 - support(evidence, weights), source, shared)
    return Misalignment(None, "none", None)


def proposed_roi(coverage: FloatArray) -> FloatArray:
    """The ROI that the network proposes: where it is sure enough, because a sigmoid never says zero."""
    roi: FloatArray = np.where(coverage < _BACKGROUND, np.zeros_like(coverage), coverage)
    return roi


def roi_confidence(proposed: FloatArray) -> float:
    """Σ c² / Σ c of a proposed ROI's coverage c: how covered it believes a cell to be that it points at; 0 if empty."""
    c = np.asarray(proposed, np.float64)
    total = float(c.sum())
    return float((c * c).sum()) / total if total > 0 else 0.0


def _rois(drawn: FloatArray | None, coverage: FloatArray | None) -> Iterator[tuple[RoiSource, FloatArray]]:
    """What there is to compare with, the best first."""
    if drawn is not None and drawn.any():
        yield "drawn", drawn
    if coverage is not None and (coverage >= _BACKGROUND).any():
        yield "proposed", proposed_roi(coverage)


def score(
    uncertainty: npt.ArrayLike, misalignment: npt.ArrayLike | None, alpha: float, neutral: float = NEUTRAL
) -> npt.NDArray[np.float64]:
    """α · uncertainty + (1 − α) · misalignment, of one image or many; a missing one (None, NaN) counts as `neutral`."""
    wrong = np.asarray(misalignment, np.float64)  # None becomes NaN
    result: npt.NDArray[np.float64] = alpha * np.asarray(uncertainty, np.float64) + (1 - alpha) * np.where(
        np.isnan(wrong), neutral, wrong
    )
    return result


def neutral(misalignments: npt.NDArray[np.floating[Any]]) -> float:
    """The median misalignment of a scored pool, or one half while fewer than 20 images have one."""
    return float(np.median(misalignments)) if len(misalignments) >= _ENOUGH_FOR_MEDIAN else NEUTRAL


def reason(uncertainty: float, gaze: Gaze, *, chosen: bool) -> str:
    """What the model thought of an image, and so why it was chosen if it was, in one sentence for who may see it."""
    sure = "unsure" if uncertainty >= 0.6 else "somewhat unsure" if uncertainty >= 0.3 else "sure"
    looked, right = _against_absence(gaze) if gaze.blank or gaze.against == "absent" else _against_roi(gaze)
    if sure == "sure":
        opening, joint = ("because" if right is False else "although"), (" but " if right is False else " and ")
    else:
        opening, joint = "because", (", though it " if right else " and ")
    model = f"Chosen {opening} the model" if chosen else "The model"
    return f"{model} was {sure} ({uncertainty:.2f}){joint if looked else ''}{looked}."


def _against_absence(gaze: Gaze) -> tuple[str, bool | None]:
    """What to say where the model or the reader saw nothing, and whether the model was right; None: nobody knows."""
    if not gaze.blank:
        return f"looked {gaze.place or 'at something'}, while {gaze.who} saw nothing", False
    return {
        "outline": (f"saw nothing where {gaze.who} outlined {gaze.finding}", False),
        "no outline": (f"saw nothing where {gaze.who} said {gaze.finding}", False),
        "absent": (f"saw nothing, as {gaze.who} did", True),
        "proposal": ("saw nothing, though its own proposal outlines something", False),
        "nothing": ("saw nothing", None),
    }[gaze.against]


def _against_roi(gaze: Gaze) -> tuple[str, bool | None]:
    """What to say of where the model looked, and whether that is where the ROI lies; None: there is no ROI."""
    if gaze.overlap is None:
        if gaze.place is None:
            return "", None
        said = f"{gaze.who} said {gaze.finding} without" if gaze.against == "no outline" else "there is not yet"
        return f"looked {gaze.place}; {said} an outline to compare that with", None
    roi, no_roi = f"what {gaze.who} outlined", f"where {gaze.who} outlined nothing"
    if gaze.against == "proposal":
        roi, no_roi = "the place where it expects the lesion", "where it expects no lesion"
    shown = f"(overlap {gaze.overlap:.2f})"
    if gaze.overlap >= _SAME_PLACE:
        return f"looked at {roi} {shown}", True
    partly = gaze.overlap >= _PARTLY
    if gaze.place is None:
        return f"looked {'partly at' if partly else 'mostly away from'} {roi} {shown}", False
    if partly or gaze.reached:
        return f"looked {gaze.place}, {'partly at' if partly else 'which shares little with'} {roi} {shown}", False
    return f"looked {gaze.place}{'' if gaze.place == NOWHERE else f', {no_roi}'} {shown}", False


def sentence(finding: str, predicted: str, probability: float, overlap: float | None) -> str:
    """What the model had thought of an image that was just handed in, in one sentence for its reader."""
    agrees = predicted == finding
    said = f"The model had {'also ' if agrees else ''}said {predicted} ({probability:.2f})"
    if overlap is None:
        return f"{said}."
    elsewhere = "partly elsewhere" if overlap >= _PARTLY else "mostly elsewhere"
    joint = "but" if agrees and overlap < _SAME_PLACE else "and"
    where = "at the same place" if overlap >= _SAME_PLACE else elsewhere
    return f"{said} {joint} looked {where}: overlap of its attention with your outline {overlap:.2f}."
