"""One round of training: settled annotations in, a judged and perhaps published model version out."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xal.errors import Conflict, Refused, Unreadable
from xal.network import save
from xal.project import Project
from xal.roi import drawn_roi
from xal.store.rows import SettledImage, VersionRow
from xal.task import TrainingSettings
from xal.training import Case, Evaluation, Progress, evaluate, train
from xal.versions import Verdict, draw_validation, gate

logger = logging.getLogger(__name__)

FEWEST_PER_FINDING = 2


@dataclass(frozen=True)
class Round:
    """What a round of training came to."""

    version: VersionRow
    verdict: Verdict
    stopped: bool


def train_round(
    project: Project,
    settings: TrainingSettings,
    on_epoch: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Round:
    """Train a candidate, judge it beside the published model, publish it if it is not worse."""
    settled = project.store.settled()
    _require_enough(project, settled)
    validation_version, validation_ids = _validation(project, settled)
    cases = _cases(project, settled)
    learning = [case for case in cases if case.image_id not in validation_ids]
    judging = [case for case in cases if case.image_id in validation_ids]
    current = project.model()
    logger.info("training on %d images, judging on %d", len(learning), len(judging))

    trained = train(project.task, learning, judging, settings, project.device, on_epoch, stop)
    judged_on = judging or learning
    candidate = evaluate(trained.network, project.task, judged_on, project.device)
    beside = evaluate(current.network, project.task, judged_on, project.device) if current else None
    verdict = gate(candidate, beside, project.task.gate)
    version = project.store.add_version(
        metrics=_metrics(candidate, trained.metrics, learning, judging),
        verdict=verdict.as_dict(),
        settings=settings.model_dump(mode="json"),
        parent=current.version.version if current else None,
        validation=validation_version,
    )
    folder = project.workspace.models / f"v{version}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    digest = save(folder / "weights.pt", trained.network, project.task)
    path = (folder / "weights.pt").relative_to(project.workspace.state)
    project.store.set_version(version, path=str(path), sha256=digest)
    if verdict.publish:
        project.store.publish(version, by="training")
    else:
        project.store.set_version(version, state="refused")
    logger.info("v%d is %s: %s", version, "published" if verdict.publish else "refused", verdict.reason)
    return Round(project.store.version(version), verdict, trained.stopped)


def _require_enough(project: Project, settled: Sequence[SettledImage]) -> None:
    counts = Counter(image.finding for image in settled)
    ready = [name for name in project.task.finding_names if counts[name] >= FEWEST_PER_FINDING]
    if len(ready) < 2:
        have = ", ".join(f"{name} {counts[name]}" for name in project.task.finding_names)
        raise Conflict(
            f"training needs at least {FEWEST_PER_FINDING} settled annotations of at least two findings; there are: {have}"
        )


def _validation(project: Project, settled: Sequence[SettledImage]) -> tuple[int, frozenset[str]]:
    """The images set aside to judge models; drawn anew when a finding that could be judged is not."""
    known = project.store.validation()
    by_id = {image.image.id: image for image in settled}
    if known is not None:
        version, ids = known
        judged = {by_id[identifier].finding for identifier in ids if identifier in by_id}
        drawable = {
            name
            for name, count in Counter(image.finding for image in settled).items()
            if count > project.task.gate.min_per_finding
        }
        if drawable <= judged:
            return version, frozenset(ids)
        logger.info("a new validation set is drawn: %s had none", ", ".join(sorted(drawable - judged)))
    drawn = draw_validation(
        {image.image.id: image.finding for image in settled},
        {image.image.id: image.image.group for image in settled},
        project.task.gate,
        project.task.training.seed,
    )
    return project.store.set_validation(sorted(drawn)), frozenset(drawn)


def _cases(project: Project, settled: Sequence[SettledImage]) -> list[Case]:
    cases = []
    for image in settled:
        try:
            roi = None if image.finding == project.task.absent else drawn_roi(
                project, [row for row in image.annotations if row.finding == image.finding]
            )
            cases.append(Case(image.image.id, project.prepared(image.image).tensor, image.finding, roi))
        except (Unreadable, Refused) as error:
            logger.warning("image %s is left out: %s", image.image.id, error)
    return cases


def _metrics(
    candidate: Evaluation, training: dict[str, float], learning: Sequence[Case], judging: Sequence[Case]
) -> dict[str, float]:
    return {
        **training,
        **candidate.metrics,
        "images": len(learning),
        "rois": sum(case.roi is not None for case in learning),
        "validation_images": len(judging),
    }
