"""Whether a trained candidate may replace the model in use, and the annotations set aside to judge that by."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xal.model.judging import Evaluation, balanced_accuracy
from xal.rounding import ROUNDING
from xal.task import GateSettings

_DRAWS = 1000
_SAME = 1e-9


@dataclass(frozen=True)
class Verdict:
    """The gate's decision, with what it rests on; the reason is for log, store and page."""

    publish: bool
    reason: str
    candidate: float | None = None
    """Balanced accuracy; None where nothing was compared."""
    current: float | None = None
    worse: float | None = None
    """Share of the bootstrap draws in which the candidate was worse."""


def gate(
    candidate: Evaluation, current: Evaluation | None, settings: GateSettings, rng: np.random.Generator
) -> Verdict:
    """Judge a candidate against the current model on the same validation images.

    Balanced accuracy decides, log loss where that is equal. The candidate is refused if its balanced accuracy fell by
    more than `max_fall`, or if a paired bootstrap over the images finds it worse with `confidence`. A first model is
    published; without validation images nothing replaces a model, because nothing could show that it is not worse.
    """
    if not np.isfinite(candidate.probabilities).all():
        return Verdict(False, "refused: the candidate's predictions are not numbers")
    new = balanced_accuracy(candidate.truth, candidate.correct) if len(candidate.truth) else None
    if current is None:
        return Verdict(True, "published: there was no model before", new)
    if candidate.image_ids != current.image_ids or not np.array_equal(candidate.truth, current.truth):
        raise ValueError("candidate and current model must be evaluated on the same cases, in the same order")
    if new is None:
        return Verdict(False, "refused: there are no validation images to compare it on")
    old = balanced_accuracy(current.truth, current.correct)
    worse = _share_worse(candidate, current, rng)
    figures = f"balanced accuracy {old:.3f} → {new:.3f}, worse in {worse:.0%} of {_DRAWS} bootstrap draws"
    if old - new > settings.max_fall + _SAME:
        return Verdict(False, f"refused: it falls by more than {settings.max_fall:.3f} ({figures})", new, old, worse)
    if worse >= settings.confidence:
        log_losses = f"log loss {current.losses.mean():.3f} → {candidate.losses.mean():.3f}"
        return Verdict(False, f"refused: it is probably worse ({figures}, {log_losses})", new, old, worse)
    return Verdict(True, f"published: not worse ({figures})", new, old, worse)


def draw_validation(
    cases_by_finding: Mapping[str, Sequence[str]],
    groups: Mapping[str, str],
    settings: GateSettings,
    seed: int,
    *,
    keep: Collection[str] = (),
    seen: Collection[str] = (),
) -> list[str]:
    """Choose the validation images: of each finding the share that the settings ask for, in whole groups.

    Of a finding with n annotations max(min_per_finding, validation · n) are wanted, but never more than n // 2: with
    few annotations at least half of them stay for training, and a finding with a single one is not validated.
    A group (a patient) that would break that bound is left to training. `keep` are the images of an earlier
    validation version, which stay; new ones come first from groups that the current model has not trained on (`seen`).
    An image missing from `groups` is its own group. The answer is sorted, and depends on nothing but the arguments.
    """
    members: dict[str, dict[str, list[str]]] = {}
    for finding, images in cases_by_finding.items():
        for image in images:
            members.setdefault(groups.get(image, image), {}).setdefault(finding, []).append(image)
    kept = {groups.get(image, image) for image in keep}
    bound = {finding: len(images) // 2 for finding, images in cases_by_finding.items()}
    chosen = {group for group in members if group in kept}
    count = {f: sum(len(members[g].get(f, ())) for g in chosen) for f in cases_by_finding}
    order = np.random.default_rng(seed).permutation(sorted(members)).tolist()
    known = {groups.get(image, image) for image in seen}
    order.sort(key=lambda group: group in known)
    for finding in sorted(cases_by_finding, key=lambda f: (len(cases_by_finding[f]), f)):
        for group in order:
            if count[finding] >= wanted(len(cases_by_finding[finding]), settings):
                break
            parts = members[group]
            if finding in parts and group not in chosen and all(count[f] + len(parts[f]) <= bound[f] for f in parts):
                chosen.add(group)
                for f, images in parts.items():
                    count[f] += len(images)
    return sorted({image for group in chosen for images in members[group].values() for image in images} | set(keep))


def wanted(annotations: int, settings: GateSettings) -> int:
    """How many of a finding's annotations should be validation images."""
    return min(max(settings.min_per_finding, math.ceil(settings.validation * annotations)), annotations // 2)


def lacks_validation(
    cases_by_finding: Mapping[str, Sequence[str]], validation: Collection[str], settings: GateSettings
) -> list[str]:
    """Findings whose validation images are too few, though annotations allow more; then a new version is due.

    Too few are fewer than the smallest useful number, or than half of what today's annotations ask for: so validation
    grows with the labels, and seldom, since with every version the model in use has to be judged anew.
    """
    inside = set(validation)
    return [
        finding
        for finding, images in cases_by_finding.items()
        if len(inside & set(images))
        < max(min(settings.min_per_finding, wanted(len(images), settings)), wanted(len(images), settings) / 2)
    ]


def training_images(images: Iterable[str], groups: Mapping[str, str], validation: Collection[str]) -> list[str]:
    """The images that may be trained on: none of the validation's groups, or the judgement would leak."""
    closed = {groups.get(image, image) for image in validation}
    return [image for image in images if groups.get(image, image) not in closed]


def _share_worse(candidate: Evaluation, current: Evaluation, rng: np.random.Generator) -> float:
    """In how many resamplings of the images, finding by finding, the candidate is worse than the current model."""
    accuracy = np.zeros(_DRAWS)
    loss = np.zeros(_DRAWS)
    gain = candidate.correct.astype(np.float64) - current.correct
    rise: npt.NDArray[np.float64] = candidate.losses - current.losses
    rise[np.abs(rise) <= ROUNDING] = 0  # the same model read once more is not worse
    present = np.unique(candidate.truth)
    for finding in present:
        cases = np.flatnonzero(candidate.truth == finding)
        drawn = cases[rng.integers(0, len(cases), (_DRAWS, len(cases)))]
        accuracy += gain[drawn].mean(1) / len(present)
        loss += rise[drawn].sum(1)
    worse = (accuracy < -_SAME) | ((np.abs(accuracy) <= _SAME) & (loss > _SAME))
    return float(worse.mean())
