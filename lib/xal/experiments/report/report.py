"""`xal report`: what the rows of a simulation say, in sentences, tables and pictures; a loss as plainly as a win."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib

from xal.errors import XalError
from xal.experiments.report.figure_parts import FEWEST_SHADED
from xal.experiments.report.figures import FIGURES, colours_of
from xal.experiments.report.first_choices import Gallery, first_picks, open_gallery
from xal.experiments.report.gather import gather, plan_arms
from xal.experiments.report.page import render
from xal.experiments.report.results import Results
from xal.experiments.report.sentences import lead, summary
from xal.experiments.report.shortcut import shortcut_sentences, shortcut_tables
from xal.experiments.report.style import STYLE, save
from xal.experiments.report.tables import (
    area_tables,
    attention_table,
    cost_table,
    end_table,
    grid_table,
    outlines_table,
    price_table,
    proposed_table,
    reach_table,
    recall_table,
    runs_table,
    win_table,
)
from xal.experiments.run.config import Simulation, load_simulation
from xal.experiments.run.digest import run_digest
from xal.experiments.run.first_choices import LOOKS
from xal.experiments.run.prepared import set_digest
from xal.experiments.run.rows import Making, read_runs

PAGE = "report.html"
PICKS = "picks-"
_DPI = 130


@dataclass(frozen=True)
class Picks:
    """Of which arms the first picks are shown."""

    drawn: Sequence[str]
    absent: Sequence[str]
    """The arms of which none were kept."""
    hidden: bool
    """Whether some were kept, but the images are not here."""


def report(
    config: Path,
    tasks: Path,
    root: Path,
    out: Path | None = None,
    markdown: Path | None = None,
    figures: Path | None = None,
) -> list[Path]:
    """Write the page and its pictures (beside the rows unless `out` says where), and what may be published.

    `tasks` has the tasks that come with the app; paths below `root` are shown as seen from there. `markdown` gets
    sentences and tables, `figures` the pictures without images of the set. Returns what was written.
    """
    simulation = load_simulation(config)
    rows = config.with_suffix("")
    if not rows.is_dir():
        raise XalError(f"{rows} does not exist: `xal simulate {config}` writes the rows there")
    results = gather(simulation.title, plan_arms(simulation, tasks), simulation.baseline, read_runs(rows))
    gallery = open_gallery(simulation.studies, results.base.plan.task)
    changed = None if gallery is None else _changed(results, simulation)
    if changed:
        said = "settings, or the images, are others now than those that its rows were made with"
        results = replace(results, problems=(*results.problems, *(f"{name}: its {said}." for name in changed)))
    out = rows / "report" if out is None else out
    out.mkdir(parents=True, exist_ok=True)
    for old in (*(out / f"{name}.png" for name in FIGURES), *out.glob(f"{PICKS}*.png")):
        old.unlink(missing_ok=True)
    drawn = _draw(results, out)
    picks = _draw_picks(results, gallery, rows, out)
    values = compose(results) | _making(results, simulation, config, root, changed)
    inside = {name: _inside(out / f"{name}.png") for name in (*drawn, *(f"{PICKS}{arm}" for arm in picks.drawn))}
    page = out / PAGE
    page.write_text(render("html", values | {"pictures": inside, "picks": picks}), encoding="utf-8")
    written = [page]
    public: dict[str, str] = {}
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        for name in drawn:
            copy = figures / f"{name}.png"
            copy.write_bytes((out / f"{name}.png").read_bytes())
            written.append(copy)
            if markdown is not None:
                public[name] = Path(os.path.relpath(copy, markdown.parent)).as_posix()
    if markdown is not None:
        markdown.write_text(render("markdown", values | {"pictures": public}), encoding="utf-8")
        written.append(markdown)
    return written


def compose(results: Results) -> dict[str, object]:
    """What the templates write, as far as it follows from the rows alone."""
    tables = {
        "runs": runs_table(results),
        "areas": area_tables(results),
        "shortcut": shortcut_tables(results),
        "reach": reach_table(results, "labels"),
        "cost": cost_table(results),
        "reach_by_cost": reach_table(results, "cost"),
        "wins": win_table(results),
        "grid": grid_table(results),
        "outlines": outlines_table(results),
        "price": price_table(results),
        "attention": attention_table(results),
        "proposed": proposed_table(results),
        "ends": end_table(results),
        "recalls": recall_table(results),
    }
    return {
        "results": results,
        "lead": lead(results),
        "summary": [*summary(results), *shortcut_sentences(results)],
        "tables": tables,
        "fewest_shaded": FEWEST_SHADED,
    }


def _draw(results: Results, folder: Path) -> list[str]:
    """The names of the pictures there are."""
    colours = colours_of(results)
    drawn = []
    with matplotlib.rc_context(STYLE):
        for name, drawing in FIGURES.items():
            figure = drawing(results, colours)
            if figure is not None:
                save(figure, folder / f"{name}.png", _DPI)
                drawn.append(name)
    return drawn


def _inside(picture: Path) -> str:
    """A PNG as the address of itself, so that the page needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"


def _changed(results: Results, simulation: Simulation) -> list[str]:
    """The arms whose rows were made with other settings than the config has now, or with other images."""
    changed = []
    for name, arm in results.arms.items():
        now = run_digest(simulation, name, arm.plan.task, set_digest(simulation.studies, arm.plan.task))
        if {run.header.digest for run in arm.runs} != {now}:
            changed.append(name)
    return changed


def _draw_picks(results: Results, gallery: Gallery | None, rows: Path, folder: Path) -> Picks:
    """The first picks of every arm of which they were kept."""
    looks = {arm.name: rows / LOOKS / f"{arm.name}-0.npz" for arm in results.curves}
    kept = [name for name, look in looks.items() if look.is_file()]
    if gallery is not None:
        for name in kept:
            task = results.arms[name].plan.task
            with matplotlib.rc_context(STYLE):
                save(first_picks(looks[name], replace(gallery, task=task)), folder / f"{PICKS}{name}.png", _DPI)
    return Picks(
        drawn=kept if gallery is not None else [],
        absent=[name for name in looks if name not in kept],
        hidden=gallery is None and bool(kept),
    )


def _making(
    results: Results, simulation: Simulation, config: Path, root: Path, changed: Sequence[str] | None
) -> dict[str, object]:
    """Everything that is needed to make this again."""
    shown = config.resolve()
    name = shown.relative_to(root) if shown.is_relative_to(root) else Path(config.name)
    runs = [run for arm in results.arms.values() for run in arm.runs]
    first, last = (
        time.strftime("%Y-%m-%d", time.gmtime(moment(run.header.started for run in runs))) for moment in (min, max)
    )
    kinds: tuple[Making, ...] = ("commit", "device", "torch")
    commits, devices, versions = (", ".join(sorted(set().union(*(run.made_with(k) for run in runs)))) for k in kinds)
    made = [
        f"Commits: {commits}" + (" (+: with changes that were not committed)." if "+" in commits else "."),
        f"Device: {devices}; torch {versions}.",
        f"{len(runs)} complete runs, begun {first}" + (f" to {last}." if last != first else "."),
    ]
    if changed is None:
        made.append(
            "Whether settings or images have changed since was not looked at: the images are not on this machine."
        )
    elif not changed:
        made.append("All rows were made with the settings below, and with the images that are here now.")
    return {
        "config": name.as_posix(),
        "imported": simulation.dataset is not None,
        "making": made,
        "settings": config.read_text(encoding="utf-8"),
    }
