"""What the model thought of an image, and why it was chosen, in English sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xal.loop.location import NOWHERE

_SAME_PLACE, _PARTLY = 0.5, 0.2
"""Overlaps from which on a sentence says "the same place" or "partly"."""

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


_WHATEVER_IT_THINKS = {
    "uniform": "Chosen by chance. ",
    "coverage": "Chosen because it stands for many others. ",
    "k_center": "Chosen because it is unlike all that is labelled. ",
    "badge": "Chosen because much is to be learnt from it. ",
    "bald": "Chosen because the model says other things of it when parts of it are left out. ",
    "outline": "Chosen because an outline would tell much. ",
}
"""Why these methods choose an image; all others choose it for what the model thought of it."""


def reason(uncertainty: float, gaze: Gaze, *, chosen: bool, by: str | None = None) -> str:
    """What the model thought of an image, and why it was chosen if it was, in a sentence or two for who may see it."""
    if chosen and by in _WHATEVER_IT_THINKS:
        return _WHATEVER_IT_THINKS[by] + reason(uncertainty, gaze, chosen=False)
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
