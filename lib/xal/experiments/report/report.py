"""`xal report`: what the rows of a simulation say, in sentences, tables and pictures; a loss as plainly as a win."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib

from xal.errors import XalError
from xal.experiments.report.figure_parts import FEWEST_SHADED
from xal.experiments.report.figures import FIGURES, colours_of
from xal.experiments.report.first_choices import Gallery, first_picks, open_gallery
from xal.experiments.report.gather import gather, plan_arms
from xal.experiments.report.page import Block, Bullets, Code, Heading, Paragraph, Picture, to_html, to_markdown
from xal.experiments.report.results import Results
from xal.experiments.report.sentences import lead, summary
from xal.experiments.report.style import STYLE, save
from xal.experiments.report.tables import (
    area_tables,
    attention_table,
    cost_blocks,
    end_table,
    grid_table,
    outlines_table,
    price_blocks,
    proposed_table,
    reach_table,
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
    looks = _looks(results, gallery, rows, out)
    said = lead(results)
    numbers, making = compose(results, drawn), _making(results, simulation, config, root, changed)
    page = out / PAGE
    page.write_text(to_html(results.title, said, [*numbers, *looks, *making], out), encoding="utf-8")
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
        markdown.write_text(to_markdown(results.title, said, [*numbers, *making], public), encoding="utf-8")
        written.append(markdown)
    return written


def compose(results: Results, drawn: Sequence[str]) -> list[Block]:
    """The report as far as numbers go; `drawn` are the pictures that there are."""

    def shown(name: str, caption: str) -> list[Block]:
        return [Picture(name, caption)] if name in drawn else []

    curves = (
        f"Left: mean balanced accuracy on the test set; bands are 95 % intervals (from {FEWEST_SHADED} seeds on) and "
        "overlap, because seeds differ more than methods do. Right: what decides, the difference to "
        f"{results.baseline} within each seed."
    )
    blocks: list[Block] = [
        *_section("In short", Bullets(summary(results))),
        *_section("What was run", runs_table(results), *_problems(results)),
        *_section(
            "Accuracy for labels",
            *shown("curves", curves),
            *area_tables(results),
            *shown("gains", "The same differences as a picture. Exploratory arms are grey."),
            *reach_table(results, "labels"),
        ),
        *_section("Accuracy for annotation cost", *cost_blocks(results, shown("curves-cost", curves))),
        *_section("Every headline arm against every other", *win_table(results)),
        *_section("Acquisition and loss", *grid_table(results), *outlines_table(results)),
        *_section(
            "What outlines save, and what they cost",
            *price_blocks(results, shown("price", "Over the seeds that all of these arms share.")),
        ),
        *_section(
            "Where the models look",
            *shown(
                "attention",
                "Attention to the true finding on held-out images with an ROI, by number of labels; "
                "dotted: maps that know nothing.",
            ),
            *attention_table(results),
        ),
        *_section(
            "Does the score only rank lesions by size?",
            *shown(
                "area",
                "Left and middle: images of the pool in ten groups by the area of their ROI. Right: Spearman's "
                "correlation of score and misalignment with that area; 0 is no preference.",
            ),
        ),
        *_section(
            "Proposed ROIs and true ones",
            *shown(
                "proposed",
                "Of the same model: scores with its proposed ROIs beside scores with the true ROIs; "
                "the proposals' Dice; and whether its confidence in a proposal tells how good that is.",
            ),
            *proposed_table(results),
        ),
        *_section(
            "Confidence",
            *shown(
                "reliability",
                "With the full budget, all seeds together; hollow: before temperature scaling, filled: after. "
                "The larger a point, the more images.",
            ),
        ),
        *_section("With the full budget", *end_table(results)),
        *_section(
            "Exploratory arms",
            *shown("exploratory", f"Mean balanced accuracy; grey: {results.baseline}. Differences of area in points."),
        ),
        *_section(
            "Time", *shown("seconds", "Rounds after the first; the first training is shared by arms that begin alike.")
        ),
    ]
    return blocks


def _section(heading: str, *blocks: Block) -> list[Block]:
    """A heading stands only where something stands below it."""
    return [Heading(heading), *blocks] if blocks else []


def _problems(results: Results) -> list[Block]:
    if not results.problems:
        return [Paragraph("Every run that the config asks for is complete.")]
    return [Paragraph("Missing, unfinished, or not to be trusted:"), Bullets(results.problems)]


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


def _changed(results: Results, simulation: Simulation) -> list[str]:
    """The arms whose rows were made with other settings than the config has now, or with other images."""
    changed = []
    for name, arm in results.arms.items():
        now = run_digest(simulation, name, arm.plan.task, set_digest(simulation.studies, arm.plan.task))
        if {run.header.digest for run in arm.runs} != {now}:
            changed.append(name)
    return changed


def _looks(results: Results, gallery: Gallery | None, rows: Path, folder: Path) -> list[Block]:
    """The first picks of every arm of which they were kept, or why they are not shown."""
    looks = [(arm, rows / LOOKS / f"{arm.name}-0.npz") for arm in results.curves]
    kept = [(arm, look) for arm, look in looks if look.is_file()]
    absent = [arm.name for arm, look in looks if not look.is_file()]
    blocks: list[Block] = []
    if gallery is None and kept:
        blocks.append(Paragraph("The images are not on this machine, so the first picks are not shown."))
    elif gallery is not None:
        for arm, look in kept:
            picture = Picture(
                f"{PICKS}{arm.name}",
                f"{arm.name}, seed 0: the first images that it asked for after the start set, in the order of choice. "
                "Green where the model knew the finding, red where not; u is uncertainty, m misalignment.",
                shows_images=True,
            )
            with matplotlib.rc_context(STYLE):
                save(first_picks(look, replace(gallery, task=arm.plan.task)), folder / picture.file, _DPI)
            blocks.append(picture)
    if absent:
        blocks.append(Paragraph(f"No pictures of first picks were kept for {', '.join(absent)}."))
    return _section("The first twenty picks", *blocks)


def _making(
    results: Results, simulation: Simulation, config: Path, root: Path, changed: Sequence[str] | None
) -> list[Block]:
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
    source = " --source SOURCE" if simulation.dataset is not None else ""
    commands = Code(f"xal simulate {name.as_posix()}{source}\nxal report {name.as_posix()}")
    return _section("How this was made", commands, Bullets(made), Code(config.read_text(encoding="utf-8")))
