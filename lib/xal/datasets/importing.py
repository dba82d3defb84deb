"""`xal import`: a public set becomes a studies folder that MONAI Label and 3D Slicer open.

Images are taken one at a time, each is read once as the app reads it, and a line in a journal says that it is done. A
process that is killed loses at most the image it was at; the same command goes on from there. What cannot be used is
left out by name, and the rest is imported.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xal.arrays import BoolArray
from xal.datasets.cases import Case, Contents, Item, Problem, mask_of
from xal.datasets.journal import Done, Journal, Placed
from xal.datasets.placing import place, remove_drafts
from xal.datasets.progress import track
from xal.datasets.seen import is_unchanged, look
from xal.datasets.start import write_start
from xal.datasets.truth import MASKS, TRUTH_FOLDER, write_mask, write_truth
from xal.datasets.truth import TruthRow as Row
from xal.errors import BadInput, Conflict, Refused, Unreadable, XalError
from xal.imaging.geometry import prepare
from xal.imaging.images import Volume, read_image
from xal.sources.folder import checked_id
from xal.system.durable import write_atomically
from xal.system.folder_lock import Hold
from xal.task import Task

SETTINGS = "import.json"
JOURNAL = "done.jsonl"
SKIPPED = "skipped.csv"
SHOWN = 20
"""Problems of a kind that are printed."""


@dataclass(frozen=True)
class Plan:
    """What is imported, and how; a folder is never filled in two ways."""

    name: str
    """Of the set."""
    source: str
    options: Mapping[str, Any]
    task: str | None
    start: int
    """Labels per finding that the pool begins with."""


@dataclass(frozen=True)
class Summary:
    """What came of an import."""

    findings: Mapping[str, int]
    started: int
    problems: Sequence[Problem]

    def lines(self) -> list[str]:
        """For a person: how many of each, and what is wrong with the source, by name."""
        counted = ", ".join(f"{name} {count}" for name, count in self.findings.items())
        labelled = f"; {self.started} of them come with a label" if self.started else ""
        lines = [f"{sum(self.findings.values())} images: {counted}{labelled}"]
        for kept, title in ((False, "left out"), (True, "imported, but not quite as listed")):
            those = [problem for problem in self.problems if problem.kept is kept]
            if those:
                lines.append(f"{len(those)} {title}:")
                lines += [f"  {problem.name}: {problem.reason}" for problem in those[:SHOWN]]
            if len(those) > SHOWN:
                lines.append(f"  and {len(those) - SHOWN} more, all named in {TRUTH_FOLDER}/{SKIPPED}")
        return lines


def import_set(contents: Contents, plan: Plan, studies: Path, task: Task | None, say: Callable[[str], None]) -> Summary:
    """Fill `studies` with what a source holds, or go on with what an earlier run had begun."""
    _check_place(Path(plan.source), studies)
    truth = studies / TRUTH_FOLDER
    try:
        hold = Hold(truth, alone=True)
    except Conflict as error:
        raise Conflict(f"{studies} is being filled by another import: wait until that is done") from error
    try:
        with Journal(truth / JOURNAL) as journal:
            run = _Import(contents, studies, task, journal)
            _keep_settings(truth / SETTINGS, run.settings(plan), begun=bool(journal.done))
            remove_drafts(studies)
            return run.run(plan, say)
    except OSError as error:
        raise XalError(f"{studies} cannot be written ({error}); the same command goes on from here") from error
    except KeyboardInterrupt as error:
        raise XalError("stopped; the same command goes on from here") from error
    finally:
        hold.release()


class _Import:
    """One run."""

    def __init__(self, contents: Contents, studies: Path, task: Task | None, journal: Journal) -> None:
        self._contents = contents
        self._studies = studies
        self._truth = studies / TRUTH_FOLDER
        self._task = task
        self._journal = journal
        self._findings = task.finding_names if task else contents.findings
        self._absent = task.absent if task else contents.absent
        self._owner = {one.truth.image: done.name for done in journal.done.values() for one in done.placed}

    def settings(self, plan: Plan) -> dict[str, Any]:
        """What must stay as it is while a folder is filled, and where it is filled from."""
        settings = {**asdict(plan), "findings": self._findings, "absent": self._absent}
        return dict(json.loads(json.dumps(settings)))

    def run(self, plan: Plan, say: Callable[[str], None]) -> Summary:
        items, problems = _unique(self._contents.items)
        problems = [*self._contents.problems, *problems]
        masks = self._truth / MASKS
        known = {name: done for name, done in self._journal.done.items() if done.is_there(self._studies, masks)}
        problems += _changed(items, known)
        new = [item for item in items if item.name not in known]
        if len(new) < len(items):
            say(f"{len(items) - len(new)} of {len(items)} were imported before")
        for item in track(new, len(items) - len(new)):
            done = self._take(item)
            problems += [] if done.placed else done.problems
            if done.placed:
                self._journal.add(done)
                known[done.name] = done
        placed = [one for done in known.values() for one in done.placed]
        problems += [problem for done in known.values() for problem in done.problems]
        if not placed:
            told = "\n".join(f"  {problem.name}: {problem.reason}" for problem in problems[:SHOWN])
            raise XalError(f"nothing in {plan.source} could be imported:\n{told}")
        return self._finish(plan, placed, problems)

    def _take(self, item: Item) -> Done:
        """Everything of one entry; it is done when its images and masks are in place."""
        placed: list[Placed] = []
        problems: list[Problem] = []
        try:
            for case in item.read():
                if isinstance(case, Problem):
                    problems.append(case)
                    continue
                try:
                    volume, mask, parts = self._check(item, case)
                except (Refused, Unreadable) as error:
                    problems.append(_problem(item, case, str(error)))
                    continue
                problems += [_problem(item, case, part, kept=True) for part in parts]
                placed.append(self._place(item, case, volume, mask))
        except (Refused, Unreadable) as error:
            problems.append(Problem(item.name, str(error)))
        if not placed:
            problems = [Problem(problem.name, problem.reason) for problem in problems]
        return Done(item.name, placed, problems, look(item) if placed else None)

    def _check(self, item: Item, case: Case) -> tuple[Volume, BoolArray | None, list[str]]:
        """The image and its ROI as the app will see them, and what is wrong with parts of the ROI.

        Refused or Unreadable if it cannot be used.
        """
        checked_id(case.image)
        owner = self._owner.get(case.image, item.name)
        if owner != item.name:
            raise Conflict(f"{owner} has the id {case.image!r} already")
        if case.finding not in self._findings:
            close = difflib.get_close_matches(case.finding, self._findings, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f", which has {', '.join(map(repr, self._findings))}"
            raise BadInput(f"{case.finding!r} is no finding of task {self._task.name if self._task else ''!r}{hint}")
        volume = case.pixels if isinstance(case.pixels, Volume) else read_image(case.pixels)
        if self._task is not None:
            prepare(volume, self._task)
        mask, parts = mask_of(case, volume)
        drawn = mask is not None and bool(mask.any())
        if case.finding == self._absent and drawn:
            raise BadInput(f"it is {case.finding!r}, and yet something is outlined")
        if case.finding != self._absent and not drawn:
            what = "nothing is outlined" if mask is None else "its mask is empty"
            raise BadInput(f"{what}; if {case.finding!r} means that nothing is there, --task names a task that says so")
        return volume, mask if drawn else None, parts

    def _place(self, item: Item, case: Case, volume: Volume, mask: BoolArray | None) -> Placed:
        file = place(case, self._studies)
        written = None if mask is None else write_mask(self._truth, case.image, mask, volume.affine).name
        self._owner[case.image] = item.name
        return Placed(file, Row(case.image, case.finding, case.group, dict(case.provenance)), written)

    def _finish(self, plan: Plan, placed: Sequence[Placed], problems: Sequence[Problem]) -> Summary:
        """Lists last: a folder without `truth.csv` is not complete."""
        os.sync()  # all the files at once: one by one takes four times as long as all the rest
        roi_findings = [finding for finding in self._findings if finding != self._absent]
        started = write_start(self._studies, plan.name, placed, roi_findings, plan.start)
        _write_problems(self._truth / SKIPPED, problems)
        write_truth(self._truth, [one.truth for one in placed])
        counted = Counter(one.truth.finding for one in placed)
        return Summary({name: counted[name] for name in self._findings}, started, tuple(problems))


def _problem(item: Item, case: Case, reason: str, kept: bool = False) -> Problem:
    """Named as the source does; with the image's id where one entry becomes several images."""
    return Problem(item.name, reason if case.image in item.name else f"{case.image}: {reason}", kept)


def _changed(items: Sequence[Item], known: Mapping[str, Done]) -> list[Problem]:
    """Entries that are no longer what was imported. Their images stay as they are: people may have labelled them."""
    by_name = {item.name: item for item in items}
    problems = []
    for name, done in known.items():
        item = by_name.get(name)
        if item is None:
            gone = (
                "is no longer in the source, and stays as it was imported; to be without it, import into a new folder"
            )
            problems.append(Problem(name, gone, kept=True))
        elif done.seen is not None and not is_unchanged(item, done.seen):
            changed = (
                "changed since it was imported, and stays as it was; to have it as it is, import into a new folder"
            )
            problems.append(Problem(name, changed, kept=True))
    return problems


def _unique(items: Sequence[Item]) -> tuple[list[Item], list[Problem]]:
    by_name: dict[str, Item] = {}
    problems = []
    for item in items:
        if by_name.setdefault(item.name, item) is not item:
            problems.append(Problem(item.name, "is there twice; the first one counts", kept=True))
    return list(by_name.values()), problems


def _check_place(source: Path, studies: Path) -> None:
    source, studies = source.resolve(), studies.resolve()
    if source == studies or source in studies.parents or studies in source.parents:
        raise BadInput(f"{studies} and the source {source} lie in one another: name a studies folder beside it")
    if studies.is_dir() and not (studies / TRUTH_FOLDER / SETTINGS).is_file():
        other = sorted(path.name for path in studies.iterdir() if not path.name.startswith("."))
        if other:
            raise Conflict(f"{studies} holds other files ({', '.join(other[:3])}): name a folder that is new or empty")


def _keep_settings(file: Path, ours: Mapping[str, Any], begun: bool) -> None:
    """Refuse to go on in another way than begun: findings and start set would not fit together.

    Nothing binds before the first image is in place. The source may be mounted elsewhere by now.
    """
    if begun and file.is_file():
        theirs = json.loads(file.read_text(encoding="utf-8"))
        other = [key for key in ours if key != "source" and key in theirs and theirs[key] != ours[key]]
        said = "; ".join(f"{key} {theirs[key]!r}, not {ours[key]!r}" for key in other)
        if {"findings", "absent"} & set(other) and "task" not in other:
            raise Conflict(
                f"this studies folder was filled with {said}: its labels mean findings by their order, so import "
                "into a new folder"
            )
        if other:
            raise Conflict(f"this studies folder was filled with {said}: go on with that, or name another one")
    write_atomically(file, (json.dumps(ours, indent=1) + "\n").encode())


def _write_problems(file: Path, problems: Sequence[Problem]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["name", "imported", "reason"])
    table.writerows([problem.name, "yes" if problem.kept else "no", problem.reason] for problem in problems)
    write_atomically(file, text.getvalue().encode())
