"""`xal …`: what an administrator does without a browser. Every command works while the server runs."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from xal.datasets.registry import ADAPTERS, known_options, read_options, read_source
from xal.datasets.truth import TRUTH, TRUTH_FOLDER
from xal.errors import XalError
from xal.loop.reader import IMPORTED
from xal.sources.address import is_address
from xal.task import TASKS, Method, load_task

if TYPE_CHECKING:  # a command that needs no project does not wait for its imports
    from xal.pool.project import Project

ROOT = Path(__file__).resolve().parents[2]
"""The checkout that this lies in, if it does."""
OWN_TASKS = ROOT / "apps" / "xal_radiology" / "tasks"
"""Where whoever runs the app of the checkout may put tasks that are named like shipped ones."""
APP = '''\
"""The xal app, as `monailabel start_server --app` wants it: wiring, no logic."""

from xal.server.app import XalApp

__all__ = ["XalApp"]
'''
"""The app as MONAI Label wants it: a folder with this file."""

Command = Callable[[argparse.Namespace], int | None]
"""Its exit status, if that is not 0."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 1 where it was refused, or where something could not be used."""
    given = _parser().parse_args(arguments)
    try:
        return given.run(given) or 0
    except XalError as error:
        _say(f"xal: {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("xal: interrupted", sys.stderr)
        return 130


class _Version(argparse.Action):
    """Asks for the version only when it is wanted: run from its folder, xal may not be installed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        _say(f"xal {version('xal')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xal", description="Active learning that looks where the radiologist looks.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show which xal this is, and leave")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Command, text: str, project: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if project:
            sub.add_argument("--studies", required=True, help="the folder or the archive's address")
            sub.add_argument("--task", default="phantom_2d", help="name of the task, or path of its file")
            sub.add_argument("--database", help="the server's database URL, if it was given one")
            sub.add_argument("--reader", default=getpass.getuser(), help="in whose name")
        return sub

    command("status", _status, "The pool, the model in use and the work in progress")
    sub = command("annotations", _annotations, "List annotations")
    sub.add_argument("--image", help="only of this image")
    sub.add_argument("--withdrawn", action="store_true", help="list withdrawn ones and older revisions too")
    sub = command("withdraw", _withdraw, "Take an annotation back; its file is kept")
    sub.add_argument("annotation", type=int, help="its number, as `xal annotations` lists it")
    sub = command("exclude", _exclude, "Never offer an image again")
    sub.add_argument("image", help="its id")
    sub.add_argument("reason", help="why, in your own words")
    sub = command("include", _include, "Take an exclusion back")
    sub.add_argument("image", help="its id")
    command("problems", _problems, "List images and label files that cannot be read, or are not those that they were")
    command("versions", _versions, "List model versions, with the reason why each was published or refused")
    sub = command("publish", _publish, "Bring a model version back")
    sub.add_argument("version", type=int, help="its number, as `xal versions` lists it")
    sub = command("alpha", _alpha, "Weigh uncertainty against misalignment, at once")
    sub.add_argument("alpha", type=float, help="1: uncertainty alone; 0: misalignment alone")
    sub = command("method", _method, "Choose images in another way, at once")
    sub.add_argument("method", choices=get_args(Method), help="how the next images are chosen")
    command("score", _score, "Bring the scores of the pool up to date")
    sub = command("import-labels", _import_labels, "Take over the labels of MONAI Label's own store, or list what was")
    sub.add_argument("--again", action="store_true", help="try again what was left out before")
    sub = command(
        "import-outlines",
        _import_outlines,
        "Take over outlines that people drew elsewhere, as regions without a finding; "
        f"in the name of {IMPORTED!r} unless --reader names another",
    )
    sub.add_argument("folder", type=Path, help="masks named like their images, and lists of boxes or polygons")
    sub.set_defaults(reader=IMPORTED)
    sub = command("export", _export, "Write the settled images as a data set, which `xal import folder` reads")
    sub.add_argument("folder", type=Path, help="a new or empty folder; an export that was cut off goes on")
    sub = command("backup", _backup, "Copy the whole state into a new folder")
    sub.add_argument("target", type=Path, help="the folder to make")
    sub = command("restore", _restore, "Put a backup in place, once the server is stopped")
    sub.add_argument("source", type=Path, help="a folder that `xal backup` made, or a copy that the server keeps")
    command("rebuild", _rebuild, "Make the store anew from label files and models, once the server is stopped")
    sub = command("import", _import, "Turn a public data set into a studies folder", project=False)
    sub.add_argument("name", choices=list(ADAPTERS), help="of the set: its official layout")
    sub.add_argument("source", type=Path, help="where the set lies; it is only read")
    sub.add_argument("studies", type=Path, help="the folder to fill, or to go on with after an interruption")
    sub.add_argument("--task", help="name of the task or path of its file (default: the set's own)")
    sub.add_argument("--start", type=int, default=10, help="labels per finding that come with it; 0: none")
    for option, text in known_options().items():
        sub.add_argument(f"--{option}", help=text)
    sub = command(
        "simulate", _simulate, "Let ways of choosing images compete on images whose truth is known", project=False
    )
    sub.add_argument("config", type=Path, help="the simulation's file; its rows lie in a folder of the same name")
    sub.add_argument(
        "--source",
        type=Path,
        help="where the data set that the config names lies: import it first, as far as that is not done, and write "
        "the report at the end",
    )
    sub.add_argument("--arms", type=_names, default=(), help="only these, separated by commas")
    sub.add_argument("--seeds", type=_numbers, default=(), help="only these, such as 0-4 or 1,3")
    sub.add_argument("--workers", type=int, default=0, help="runs at a time (default: one per core, one on a GPU)")
    sub.add_argument("--device", help="cpu, cuda or cuda:1 (default: CUDA where there is one)")
    sub = command("app", _app, "Write the MONAI Label app into a folder, for `monailabel start_server`", project=False)
    sub.add_argument("folder", type=Path, help="a new or empty folder; MONAI Label writes its log there")
    sub = command("phantom", _phantom, "Write the sample data", project=False)
    sub.add_argument("kind", choices=["2d", "3d"], help="2d: pictures; 3d: volumes")
    sub.add_argument("studies", type=Path, help="the folder for images and start labels")
    sub.add_argument("truth", type=Path, help="the folder for what the simulated reader knows")
    sub = command("demo", _demo, "What a clinic would run, beside labels alone: simulated readers", project=False)
    sub.add_argument("--rounds", type=int, default=2, help="how often the model is trained after its first training")
    sub.add_argument("--labels", type=int, default=30, help="images read per round")
    sub.add_argument("--seeds", type=_numbers, default=(0, 1, 2), help="courses of chance, such as 0-2 or 4,7")
    sub = command("report", _report, "What the rows of a simulation say: one HTML page and its pictures", project=False)
    sub.add_argument("config", type=Path, help="the simulation's file; its rows lie beside it")
    sub.add_argument("--out", type=Path, help="the folder for the page; `report` among the rows unless said")
    sub.add_argument("--markdown", type=Path, help="a file for sentences and tables, without pictures of images")
    sub.add_argument("--figures", type=Path, help="a folder for the pictures that show no image")
    return parser


def _open(given: argparse.Namespace) -> Project:
    from xal.pool.project import Project

    if not is_address(given.studies) and not Path(given.studies).is_dir():
        raise XalError(f"--studies {given.studies} is no folder, and no archive's address")
    return Project.open(load_task(given.task, OWN_TASKS), _studies(given), given.database, named=given.task)


def _studies(given: argparse.Namespace) -> str:
    """The folder, by its one name, or the archive's address."""
    return str(given.studies) if is_address(given.studies) else os.path.realpath(given.studies)


def _say(text: str, stream: Any = None) -> None:
    (stream or sys.stdout).write(text + "\n")


def _status(given: argparse.Namespace) -> None:
    project = _open(given)
    counts, version = project.store.images.counts(), project.store.versions.current()
    _say(f"task      {project.task.name}: {project.task.title}")
    others = f"{counts['open']} open, {counts['excluded']} excluded, {counts['unreadable']} unreadable"
    _say(f"images    {counts['total']} ({others})")
    findings = ", ".join(f"{name} {count}" for name, count in counts["findings"].items())
    _say(f"settled   {counts['completed']}" + (f" ({findings})" if findings else ""))
    if version is None:
        _say("model     none yet")
    else:
        metric = version.metrics.get("best_metric", 0.0)
        _say(f"model     v{version.version}, balanced accuracy {metric:.3f} on the validation set")
        _say(f"unscored  {project.store.predictions.stale_count(version.version)}")
    if problem := project.space.problem():
        _say(f"space     {problem}")
    if damaged := project.store.annotations.damaged_count():
        _say(f"damaged   {damaged} label files: see `xal problems`")
    for job in project.store.jobs.latest(limit=5):
        _say(f"job       {job.kind} {job.state} {json.dumps(job.progress)} {job.message or ''}".rstrip())


def _annotations(given: argparse.Namespace) -> None:
    for row in _open(given).store.annotations.find(given.image, active_only=not given.withdrawn, regions=True):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created_at))
        state = f"  withdrawn by {row.withdrawn_by}" if row.withdrawn_at else ""
        _say(
            f"{row.id:6d}  {when}  {row.image}  {row.reader} r{row.revision}  "
            f"{row.finding}  {row.roi_voxels} voxels{state}"
        )


def _withdraw(given: argparse.Namespace) -> None:
    from xal.loop.rescoring import withdraw
    from xal.pool.notes import note_withdrawn

    project = _open(given)
    row = withdraw(project, given.annotation, by=given.reader)
    note_withdrawn(project.workspace.labels, [row])
    _say(f"annotation {row.id} of {row.image} is withdrawn")


def _exclude(given: argparse.Namespace) -> None:
    row = _open(given).store.images.exclude(given.image, given.reader, given.reason)
    _say(f"{row.id} will not be offered again: {row.excluded}")


def _include(given: argparse.Namespace) -> None:
    _say(f"{_open(given).store.images.include(given.image, given.reader).id} may be offered again")


def _problems(given: argparse.Namespace) -> None:
    from xal.exchange.adopting import orphans
    from xal.pool.label_check import check_all

    project = _open(given)
    store = project.store
    for row in store.images.find():
        if row.state == "unreadable":
            _say(f"{row.id}: {row.problem}")
        elif row.outdated and row.finding is None:
            made = ", ".join(f"{known.id} by {known.reader}" for known in store.annotations.find(row.id))
            _say(
                f"{row.id}: its file was replaced by one with other pixels after it was annotated ({made}), so nothing "
                "is learnt from it. Put the first file back, or withdraw the annotations to have it read anew"
            )
    for label in orphans(project.workspace.labels):
        _say(f"{label}: no annotation names this label file; `xal rebuild` tries to take it up")
    for damaged in check_all(project):
        _say(f"{damaged.file_problem}. Put the file back from a backup, or hand the image in again")


def _versions(given: argparse.Namespace) -> None:
    for row in _open(given).store.versions.all():
        mark = "*" if row.current else " "
        metric = row.metrics.get("best_metric", 0.0)
        _say(f"{mark} v{row.version}  {row.state}  balanced accuracy {metric:.3f}  {row.verdict.get('reason', '')}")


def _publish(given: argparse.Namespace) -> None:
    from xal.loop.decisions import publish_version

    _say(f"v{publish_version(_open(given), given.version, by=given.reader).version} is in use")


def _alpha(given: argparse.Namespace) -> None:
    from xal.loop.decisions import set_alpha

    if not 0 <= given.alpha <= 1:
        raise XalError(f"alpha lies between 0 and 1, not at {given.alpha:g}")
    project = _open(given)
    set_alpha(project, given.alpha, by=given.reader)
    _say(f"alpha is {project.alpha():g}")
    _say_whether_due(project)


def _method(given: argparse.Namespace) -> None:
    from xal.loop.decisions import set_method

    project = _open(given)
    set_method(project, given.method, by=given.reader)
    _say(f"images are chosen by {given.method}")
    _say_whether_due(project)


def _say_whether_due(project: Project) -> None:
    from xal.loop.next_batch import is_due

    version = project.store.versions.current()
    if version is not None and is_due(project, version.version):
        _say(
            "the next batch is chosen with it by the next scoring run: a server starts one by itself, else `xal score`"
        )


def _score(given: argparse.Namespace) -> None:
    from xal.loop.scoring import score_pool
    from xal.pool.jobs import AnotherRuns, job

    project = _open(given)
    project.sync()
    try:
        with job(project.store, "score", {}) as running:

            def on_progress(done: int, total: int) -> None:
                running.report(done=done, total=total)
                _say(f"scored {done} of {total}")

            summary = score_pool(project, on_progress, running.stopped)
    except AnotherRuns as error:
        raise XalError(str(error)) from error
    _say(f"{summary.scored} scored, {summary.unreadable} unreadable, in {summary.seconds:.1f} s")


def _import_labels(given: argparse.Namespace) -> None:
    from xal.exchange.monailabel_store import import_datastore_v2, imported_before

    project = _open(given)
    before = imported_before(project)
    if before is None or given.again:
        project.sync()
        imported = import_datastore_v2(project)
    else:
        imported = before
    known = f", {imported.known} known before" if imported.known else ""
    _say(f"{imported.labels} labels imported{known}, {len(imported.skipped)} left out")
    for image, reason in imported.skipped.items():
        _say(f"{image}: {reason}")
    if imported is before and imported.skipped:
        _say("this was done earlier: --again tries what was left out once more")


def _import_outlines(given: argparse.Namespace) -> int:
    from xal.datasets.progress import track
    from xal.exchange.import_outlines import check_takes_regions, import_outlines

    project = _open(given)
    check_takes_regions(project)
    project.sync()
    imported = import_outlines(project, given.folder, given.reader, track)
    for line in imported.lines():
        _say(line)
    return 1 if imported.unusable else 0


def _export(given: argparse.Namespace) -> None:
    from xal.datasets.progress import track
    from xal.exchange.export import export_dataset

    project = _open(given)
    project.sync()
    for line in export_dataset(project, given.folder, partial(track, doing="exporting")).summary():
        _say(line)


def _backup(given: argparse.Namespace) -> None:
    from xal.exchange.backup import backup, dump_advice, unreadable_in

    project = _open(given)
    _say(f"the state is in {backup(project, given.target)}")
    for damaged in project.store.annotations.damaged():
        _say(f"damaged before the backup: {damaged.file_problem}")
    for name in unreadable_in(given.target):
        _say(f"not in the backup, it cannot be read: {name}")
    advice = dump_advice(project, given.target)
    if advice is not None:
        _say(advice)


def _restore(given: argparse.Namespace) -> None:
    from xal.exchange.backup import load_advice, restore, restore_copy

    if given.source.is_file():
        restored = restore_copy(given.source, _studies(given), given.database)
        _say("restored" if restored.aside is None else f"restored; the store that was there is in {restored.aside}")
        if restored.unnamed:
            _say(
                f"{restored.unnamed} label files came after this copy was made: they are put aside, in .orphans among "
                "the label files, and `xal rebuild` takes them up"
            )
        if restored.versions:
            _say(
                f"{restored.versions} model versions came after it, too: their weights are in .orphans among the models"
            )
        return
    aside = restore(given.source, _studies(given), given.database)
    _say("restored" if aside is None else f"restored; what was there before is in {aside}")
    advice = load_advice(given.source, given.database)
    if advice is not None:
        _say(advice)


def _rebuild(given: argparse.Namespace) -> None:
    from xal.exchange.rebuild import rebuild

    for line in rebuild(load_task(given.task, OWN_TASKS), _studies(given), given.database).lines():
        _say(line)


def _import(given: argparse.Namespace) -> None:
    if given.start < 0:
        raise XalError(f"--start is 0 or more, not {given.start}")
    chosen = {option: getattr(given, option) for option in known_options() if getattr(given, option) is not None}
    named = _fill(given.name, given.source, given.studies, chosen, given.task, given.start)
    _say(f"the truth is in {given.studies / TRUTH_FOLDER}; make serve STUDIES={given.studies} TASK={named or '…'}")
    if named and named.endswith(".yaml") and named != given.task:
        _say(f"the task {named} was made for these findings; a simulation names both, as studies and as task")


def _fill(
    name: str, source: Path, studies: Path, chosen: Mapping[str, str], named: str | None, start: int
) -> str | None:
    """Import a set into a studies folder, or go on with it; the task that it is for."""
    from xal.datasets.importing import Plan, import_set
    from xal.datasets.own_task import own_task

    options = read_options(name, chosen)
    task = load_task(named, OWN_TASKS) if named else None
    contents = read_source(name, source, options, task)
    own = None
    if contents.needs_own_task and contents.task is not None:
        own = own_task(studies, TASKS / f"{contents.task}.yaml", contents.findings, contents.absent)
        named, task = str(own.file), own.task
    named = named or contents.task
    task = task or (load_task(named, OWN_TASKS) if named else None)
    plan = Plan(name, str(source.resolve()), options.model_dump(), task.name if task else None, start)
    for line in import_set(contents, plan, studies, task, _say).lines():
        _say(line)
    if own is not None:
        own.keep()
    return named


def _app(given: argparse.Namespace) -> None:
    if given.folder.exists() and not (given.folder.is_dir() and not any(given.folder.iterdir())):
        raise XalError(f"{given.folder} is no empty folder")
    given.folder.mkdir(parents=True, exist_ok=True)
    (given.folder / "main.py").write_text(APP, encoding="utf-8")
    _say(f"the app is in {given.folder}: monailabel start_server --app {given.folder} --studies FOLDER")


def _phantom(given: argparse.Namespace) -> None:
    from xal.datasets.phantom import write_phantoms

    write_phantoms(given.kind, given.studies, given.truth)
    _say(f"phantoms are in {given.studies}, their truth in {given.truth}")


def _simulate(given: argparse.Namespace) -> None:
    from xal.experiments.run.config import load_simulation
    from xal.experiments.run.simulate import Wish, simulate

    plan, rows = load_simulation(given.config), given.config.with_suffix("")
    if given.source is not None:
        if plan.dataset is None:
            raise XalError(f"{given.config} names no dataset, so --source cannot be imported: `xal import` does that")
        _say(f"importing {plan.dataset.name} from {given.source} into {plan.studies.resolve()}")
        _fill(plan.dataset.name, given.source, plan.studies.resolve(), plan.dataset.chosen, plan.task, start=0)
    elif plan.dataset is not None and not (plan.studies / TRUTH_FOLDER / TRUTH).is_file():
        raise XalError(
            f"{plan.studies.resolve()} is not filled yet: --source says where {plan.dataset.name!r} lies, to import it"
        )
    completed = simulate(plan, rows, OWN_TASKS, Wish(given.arms, given.seeds, given.workers, given.device))
    _say(f"{completed} runs completed; the rows are in {rows}")
    if given.source is None:
        return
    if given.arms or given.seeds:
        _say(f"the report, once all arms and seeds are done: xal report {given.config}")
    else:
        _report(argparse.Namespace(config=given.config, out=None, markdown=None, figures=None))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _numbers(text: str) -> tuple[int, ...]:
    """What "0-2,5" means: 0, 1, 2 and 5; argparse says which option has something else."""
    spans = [part.partition("-") for part in text.split(",")]
    if any(int(last or first) < int(first) for first, _, last in spans):
        raise ValueError(f"{text!r} counts backwards")
    return tuple(n for first, _, last in spans for n in range(int(first), int(last or first) + 1))


def _demo(given: argparse.Namespace) -> None:
    if min(given.rounds, given.labels) < 1:
        raise XalError("--rounds and --labels are at least 1")
    from xal.experiments.demo.demo import demo
    from xal.experiments.demo.outcome import Plan

    demo(Path.cwd() / "var" / "demo", Plan(seeds=given.seeds, rounds=given.rounds, labels=given.labels), _say)


def _report(given: argparse.Namespace) -> None:
    from xal.experiments.report.report import report

    for path in report(given.config, OWN_TASKS, ROOT, given.out, given.markdown, given.figures):
        _say(f"{path}")


if __name__ == "__main__":
    sys.exit(main())
