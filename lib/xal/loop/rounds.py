"""One round of training: settled annotations in, a judged and perhaps published model version out.

Outlines of images that wait for a finding are learnt from, too, by the head that proposes ROIs.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from xal.arrays import Float32Array
from xal.errors import Conflict, Refused, Unavailable, Unreadable
from xal.model.calibration import fit_temperature
from xal.model.gate import Verdict, draw_validation, gate, lacks_validation, training_images
from xal.model.judging import Case, Evaluation, evaluate
from xal.model.network import save
from xal.model.training import Outlined, Progress, Trained, train
from xal.pool.obtaining import Never, Patience, Ready, obtain
from xal.pool.project import Model, Project
from xal.pool.rois import drawn_roi, found_roi, known_roi
from xal.pool.weights import digest, version_folders
from xal.pool.workspace import ORPHANS
from xal.store.rows import ImageRow, SettledImage, VersionRow
from xal.task import REGION, TrainingSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")

FEWEST_PER_FINDING = 2
MOST_MISSING = 0.1
"""The share of the settled images that a training may do without, if an archive answers and cannot give them."""


@dataclass(frozen=True)
class Round:
    """What a round of training came to."""

    version: VersionRow
    verdict: Verdict


def train_round(
    project: Project,
    settings: TrainingSettings,
    on_epoch: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Round:
    """Train a candidate, judge it beside the published model, publish it if it is not worse."""
    project.space.check("no training is started")
    _look_at_annotated(project)
    settled = project.store.annotations.settled()
    _require_enough(project, settled)
    validation_version, validation_ids = _validation(project, settled)
    cases, not_given = _cases(project, settled)
    allowed = set(training_images((case.image_id for case in cases), _groups(settled), validation_ids))
    learning = [case for case in cases if case.image_id in allowed]
    judging = [case for case in cases if case.image_id in set(validation_ids)]
    outlined = _outlined(project, validation_ids) if settings.roi > 0 else []
    logger.info(
        "training on %d images, and on the outlines of %d more; judging on %d",
        len(learning),
        len(outlined),
        len(judging),
    )

    base = _base(project, validation_version) if settings.start == "warm" else None
    network = base.network if base else None
    trained = train(project.task, learning, judging, settings, project.device, on_epoch, stop, network, outlined)
    current, broken = _current(project)  # now, not before: a reviewer may have brought another one back meanwhile
    missing: dict[str, list[Any]] = {"not_given": not_given} if not_given else {}
    damaged = [row.id for row in project.store.annotations.damaged() if row.active]
    if damaged:  # their findings are learnt, and not their outlines
        missing["damaged_labels"] = damaged
    started_from = base.version.version if base else None
    project.space.check("the trained weights are not kept")
    version = project.store.versions.add(
        metrics={**trained.metrics, "started_from": started_from, "history": trained.history, **missing},
        settings=settings.model_dump(mode="json"),
        parent=current.version.version if current else None,
        validation=validation_version,
        at_least=_free_number(project),
    )
    path = project.workspace.models / f"v{version}" / "weights.pt"
    save(path, trained.network, project.task, {"version": version})
    project.store.versions.update(version, path=str(path.relative_to(project.workspace.state)), sha256=digest(path))
    verdict = broken or _judge(project, trained, current, judging)
    project.store.versions.update(version, verdict=dataclasses.asdict(verdict))
    if verdict.publish:
        row = project.store.versions.publish(version, by="training")
    else:
        row = project.store.versions.update(version, state="refused", by="training")
    logger.info("v%d is %s: %s", version, row.state, verdict.reason)
    return Round(row, verdict)


def _free_number(project: Project) -> int:
    """Above all whose weights lie here: a store that is older than they are does not know them."""
    models = project.workspace.models
    return max([*version_folders(models), *version_folders(models / ORPHANS)], default=0) + 1


def _base(project: Project, validation: int) -> Model | None:
    """The published model, for a training to begin at, unless it may have learnt what is validation today."""
    current, _ = _current(project)
    if current is None or current.version.validation == validation:
        return current
    logger.info("training begins anew: v%d was judged on other validation images", current.version.version)
    return None


def _current(project: Project) -> tuple[Model | None, Verdict | None]:
    """The published model; where it cannot be loaded, the verdict on a candidate that cannot be compared with it."""
    try:
        return project.model(), None
    except (Refused, Unreadable) as error:
        logger.error("the model in use cannot be loaded: %s", error)
        reason = f"refused: it cannot be compared with the model in use ({error}); a person may publish it"
        return None, Verdict(publish=False, reason=reason)


def _judge(project: Project, trained: Trained, current: Model | None, cases: Sequence[Case]) -> Verdict:
    """The candidate beside the published model, on the same images, both with the temperature that suits these best.

    The candidate's was fitted on them: with its own, the published one would lose by log loss what it lost by chance.
    """
    if trained.metrics["stopped"]:
        return Verdict(publish=False, reason="training was stopped before its end")
    task, device = project.task, project.device
    candidate = _at_its_best(evaluate(trained.network, task, cases, device))
    beside = _at_its_best(evaluate(current.network, task, cases, device)) if current else None
    return gate(candidate, beside, task.gate, np.random.default_rng(0))


def _at_its_best(evaluation: Evaluation) -> Evaluation:
    return dataclasses.replace(evaluation, temperature=fit_temperature(evaluation.logits, evaluation.truth))


def _look_at_annotated(project: Project) -> None:
    """Read what was replaced since it was annotated: only the pixels tell whether its annotations still count."""
    for row in project.store.images.find(labelled=True, state="ok"):
        if row.fingerprint is None:
            answer = obtain(project, row, project.prepared)
            if not isinstance(answer, Ready):
                logger.warning("image %s is left out: %s", row.id, answer.error)


def has_enough(project: Project) -> bool:
    """Whether there is enough to learn from, as far as counts tell."""
    return _are_enough(project, project.store.images.counts()["findings"])


def _are_enough(project: Project, counts: Mapping[str, int]) -> bool:
    ready = [name for name in project.task.finding_names if counts.get(name, 0) >= FEWEST_PER_FINDING]
    return len(ready) >= 2


def _require_enough(project: Project, settled: Sequence[SettledImage]) -> None:
    counts = Counter(image.finding for image in settled)
    if not _are_enough(project, counts):
        have = ", ".join(f"{name} {counts[name]}" for name in project.task.finding_names)
        raise Conflict(
            f"training needs {FEWEST_PER_FINDING} settled annotations of each of two findings; there are: {have}"
        )


def _validation(project: Project, settled: Sequence[SettledImage]) -> tuple[int, list[str]]:
    """The images set aside to judge models; drawn anew when a finding has too few, first from what is new."""
    by_finding: dict[str, list[str]] = {}
    for image in settled:
        by_finding.setdefault(image.finding, []).append(image.image.id)
    gate_settings = project.task.gate
    known = project.store.versions.validation()
    kept = [] if known is None else [image.image.id for image in settled if image.image.id in set(known[1])]
    lacking = lacks_validation(by_finding, kept, gate_settings)
    if known is not None and not lacking:
        return known
    seed = project.task.training.seed
    drawn = draw_validation(by_finding, _groups(settled), gate_settings, seed, keep=kept, seen=_seen(project, settled))
    number = project.store.versions.set_validation(drawn)
    logger.info("validation set %d has %d images; too few were of: %s", number, len(drawn), ", ".join(lacking))
    return number, drawn


def _seen(project: Project, settled: Sequence[SettledImage]) -> list[str]:
    """What the model in use may have been trained on: whatever was annotated or outlined before it was made.

    Nobody knows when an archive's outlines were first learnt, so any may have been.
    """
    current = project.store.versions.current()
    if current is None:
        return []
    outlined = project.store.annotations.outlined_by(current.created_at)
    return [
        image.image.id
        for image in settled
        if image.image.id in outlined
        or any(row.created_at <= current.created_at for row in image.annotations)
        or project.store.outlines.of(image.image.id)
    ]


def _groups(settled: Sequence[SettledImage]) -> dict[str, str]:
    return {image.image.id: image.image.group for image in settled}


def _cases(project: Project, settled: Sequence[SettledImage]) -> tuple[list[Case], list[str]]:
    """What can be learnt from of the settled images, and those that are not given."""
    return _given(project, [(image.image, partial(_case, project, image)) for image in settled])


def _outlined(project: Project, validation: Sequence[str]) -> list[Outlined]:
    """What can be learnt from of the images that have an outline and no finding.

    None is of a group that judges: the backbone, which the ROI head shares with the findings, would have seen it.
    What the archive does not give is told to the log alone: readers who are blind may see what is kept of a version.
    """
    rows = project.store.annotations.only_outlined()
    judging = project.store.listing.image_rows(validation)  # whether they are settled today or not
    groups = {row.id: row.group for row in (*rows, *judging.values())}
    allowed = set(training_images((row.id for row in rows), groups, validation))
    found, _ = _given(project, [(row, partial(_only_outlined, project)) for row in rows if row.id in allowed])
    return [one for one in found if one is not None]


def _given(project: Project, wanted: Sequence[tuple[ImageRow, Callable[[ImageRow], T]]]) -> tuple[list[T], list[str]]:
    """What is made of each image, and the few images that the archive cannot give although it answers.

    Unavailable if it does not, or cannot give many: a model of what happened to be at hand would be a worse one, and
    nobody would know.
    """
    made: list[T] = []
    not_given: list[str] = []
    patience = Patience(project.source, after=1)
    for row, work in wanted:
        answer = obtain(project, row, work, patience)
        if isinstance(answer, Ready):
            made.append(answer.value)
        elif isinstance(answer, Never) or not isinstance(answer.error, Unavailable):
            logger.warning("image %s is left out: %s", row.id, answer.error)
        else:
            not_given.append(row.id)
            too_many = len(not_given) > max(1, MOST_MISSING * len(wanted))
            if patience.over or too_many or answer.ends_whole:
                raise answer.error
            logger.warning("image %s is left out of this training: %s", row.id, answer.error)
    return made, not_given


def _case(project: Project, image: SettledImage, row: ImageRow) -> Case:
    tensor = project.prepared(row).tensor
    roi = None if image.finding == project.task.absent else _roi(project, image)
    return Case(row.id, tensor, image.finding, roi)


def _only_outlined(project: Project, row: ImageRow) -> Outlined | None:
    """None where no outline is left: it was of other pixels, or its label file is damaged."""
    tensor = project.prepared(row).tensor  # first: only the pixels tell whether what was outlined still counts
    roi = known_roi(project, row.id)
    return None if roi is None or not roi.any() else Outlined(row.id, tensor, roi)


def _roi(project: Project, image: SettledImage) -> Float32Array | None:
    """What those who say what is settled outlined; else what was outlined without a finding, here or elsewhere."""
    drawn = drawn_roi(project, [row for row in image.annotations if row.finding == image.finding])
    if drawn is not None:
        return drawn
    counting = project.store.annotations.drawn_roi(image.image.id)
    region = drawn_roi(project, [row for row in counting if row.finding == REGION])
    return region if region is not None else found_roi(project, image.image.id)
