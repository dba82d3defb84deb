"""A shortcut: patterns beside the lesions agree with the findings in all images but those that judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from xal.arrays import Float32Array, IntArray
from xal.experiments.run.config import Shortcut
from xal.experiments.run.patterns import Patterns, box
from xal.experiments.run.prepared import Prepared

_CHANCE = 20260214
"""Of the patterns: the same for all seeds, as the test set is."""


def with_shortcut(data: Prepared, shortcut: Shortcut, judging: IntArray) -> Prepared:
    """The set with patterns that agree with the finding as often as is said, and in the images that judge by chance."""
    rng = np.random.default_rng(_CHANCE)
    count, findings = len(data.ids), len(data.task.findings)
    others = (data.findings + rng.integers(1, findings, count)) % findings
    shown = np.where(rng.random(count) < shortcut.agreement, data.findings, others)
    shown[judging] = rng.integers(findings, size=count)[judging]
    corners = np.array([_emptiest(roi, shortcut.side, rng) for roi in data.rois], np.int64)
    patterns = Patterns(shown, corners, shortcut.side, findings)
    return replace(data, patterns=patterns, digest=f"{data.digest} {shortcut.model_dump_json()}")


def contradicting(data: Prepared, positions: IntArray) -> npt.NDArray[np.bool_]:
    """Of which of these images the pattern is another finding's; of none where there are no patterns."""
    if data.patterns is None:
        return np.zeros(len(positions), bool)
    result: npt.NDArray[np.bool_] = data.patterns.shown[positions] != data.findings[positions]
    return result


def _emptiest(roi: Float32Array, side: float, rng: np.random.Generator) -> int:
    """The corner that the ROI covers least; of several, any."""
    covered = {
        int(corner): float(roi[box(roi.shape, int(corner), side)].sum()) for corner in rng.permutation(2**roi.ndim)
    }
    return min(covered, key=lambda corner: covered[corner])
