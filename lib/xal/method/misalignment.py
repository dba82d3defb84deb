"""How far the attention is from the region of interest: drawn by a person, or proposed by the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xal.arrays import FloatArray
from xal.method.attention import overlap, support
from xal.task import AcquisitionSettings

RoiSource = Literal["drawn", "proposed", "none"]

_BACKGROUND = 0.2
"""A proposed ROI is empty where its coverage stays below this."""


@dataclass(frozen=True)
class Misalignment:
    """How far the attention is from the ROI; `value` and `overlap` are None where that has no meaning."""

    value: float | None
    source: RoiSource
    overlap: float | None


def misalignment(
    attention: FloatArray,
    evidence: FloatArray,
    drawn: FloatArray | None,
    coverage: FloatArray | None,
    *,
    predicts_absent: bool,
    settings: AcquisitionSettings,
) -> Misalignment:
    """1 − the agreement of what the network sees with the drawn ROI, or else with what may stand in for one.

    That may be the ROI that the network's `coverage` proposes, where the settings say so.
    Agreement is Dice with the predicted finding's attention, or what the ROI alone says for that finding. An ROI
    without voxels is no ROI. Without any the value is None, the absent finding predicted or not: there is nothing to
    compare with. The absent finding predicted against an ROI is as wrong as can be: 1.
    """
    for source, roi in _rois(drawn, coverage if "proposed" in settings.stand_in else None):
        if predicts_absent:
            return Misalignment(1.0, source, 0.0)
        shared = overlap(attention, roi, settings)
        by = settings.misalignment if source == "drawn" else settings.stand_in_by or settings.misalignment
        if by == "dice":
            return Misalignment(1.0 - shared, source, shared)
        weights = coverage if source == "proposed" and coverage is not None else roi
        return Misalignment(1.0 - support(evidence, weights), source, shared)
    return Misalignment(None, "none", None)


def proposed_roi(coverage: FloatArray) -> FloatArray:
    """The ROI that the network proposes: where it is sure enough, because a sigmoid never says zero."""
    roi: FloatArray = np.where(coverage < _BACKGROUND, np.zeros_like(coverage), coverage)
    return roi


def _rois(drawn: FloatArray | None, coverage: FloatArray | None) -> Iterator[tuple[RoiSource, FloatArray]]:
    """What there is to compare with, the best first."""
    if drawn is not None and drawn.any():
        yield "drawn", drawn
    if coverage is not None and (coverage >= _BACKGROUND).any():
        yield "proposed", proposed_roi(coverage)
