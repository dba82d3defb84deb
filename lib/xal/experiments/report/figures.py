"""The pictures of a report, drawn from numbers alone: nothing here shows an image of the set."""

from __future__ import annotations

from collections.abc import Mapping

from xal.experiments.report.curves import (
    budget_curves,
    cost_curves,
    exploratory_curves,
    gains,
    price_curves,
    shortcut_curves,
)
from xal.experiments.report.figure_parts import Drawing
from xal.experiments.report.measures import attention_curves, proposed_rois, reliability, score_by_area, seconds
from xal.experiments.report.results import Results
from xal.experiments.report.style import ACCENT, NEUTRAL, OTHERS


def colours_of(results: Results) -> dict[str, str]:
    """A colour for every arm, the same in all pictures: grey for the baseline, orange for the first xal."""
    rest = sorted(
        (arm.name for arm in results.headline if arm.name != results.baseline),
        key=lambda name: results.arms[name].plan.method != "xal",
    )
    colours = dict.fromkeys((arm.name for arm in results.exploratory), OTHERS[0])
    colours |= {name: (ACCENT, *OTHERS)[k % (1 + len(OTHERS))] for k, name in enumerate(rest)}
    return colours | {results.baseline: NEUTRAL}


FIGURES: Mapping[str, Drawing] = {
    "curves": budget_curves,
    "curves-cost": cost_curves,
    "price": price_curves,
    "gains": gains,
    "shortcut": shortcut_curves,
    "exploratory": exploratory_curves,
    "attention": attention_curves,
    "area": score_by_area,
    "reliability": reliability,
    "proposed": proposed_rois,
    "seconds": seconds,
}
