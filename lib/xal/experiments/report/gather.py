"""Runs sorted into the arms of a simulation; what is missing or cannot be compared is said in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from xal.errors import XalError
from xal.experiments.report.results import LOOKING, Arm, Plan, Results, Role, shared_seeds
from xal.experiments.run.config import Simulation
from xal.experiments.run.rows import Making, Run

_MAKINGS: Mapping[Making, str] = {"commit": "commits", "device": "devices", "torch": "versions of torch"}


def plan_arms(simulation: Simulation, tasks: Path) -> list[Plan]:
    """What a config asks for; `tasks` has the tasks that come with the app."""
    plans = []
    for name, arm in simulation.arms.items():
        if name == simulation.ceiling or arm.everything:
            role: Role = "ceiling"
        else:
            role = "headline" if name in (*simulation.headline, simulation.baseline) else "exploratory"
        plans.append(
            Plan(
                name,
                role,
                arm.method,
                arm.roi if arm.method in LOOKING else "none",
                simulation.load_task(name, tasks),
                tuple(simulation.seeds_of(name)),
                simulation.roi_cost,
                arm.outlined,
                arm.outline,
            )
        )
    return plans


def gather(title: str, plans: Sequence[Plan], baseline: str, runs: Iterable[Run]) -> Results:
    """Sort runs into arms; XalError if nothing can be compared yet."""
    found = {(run.header.arm, run.header.seed): run for run in runs}
    problems = []
    not_run = []
    arms = {}
    for plan in plans:
        mine = [found.pop((plan.name, seed)) for seed in plan.seeds if (plan.name, seed) in found]
        done = tuple(run for run in mine if run.complete)
        if mine:
            problems += _absences(plan, mine, done)
        else:
            not_run.append(plan.name)
        if done:
            arms[plan.name] = Arm(plan, done)
    if not_run:
        problems.append(f"Not run at all: {', '.join(not_run)}.")
    if found:
        extra = ", ".join(f"{arm} {seed}" for arm, seed in sorted(found))
        problems.append(f"Left out, because the config does not ask for them: {extra}.")
    if baseline not in arms:
        raise XalError(f"no run of the baseline {baseline!r} is complete: there is nothing to compare with yet")
    problems += _mixtures(list(arms.values()))
    problems += _unpaired(arms[baseline], list(arms.values()))
    return Results(title, tuple(plans), arms, baseline, tuple(problems))


def _absences(plan: Plan, begun: Sequence[Run], done: Sequence[Run]) -> list[str]:
    seeds = {run.header.seed for run in begun}
    missing = [seed for seed in plan.seeds if seed not in seeds]
    unfinished = [f"{run.header.seed} (rounds so far: {len(run.rounds)})" for run in begun if run not in done]
    said = []
    if missing:
        said.append(f"{plan.name}: {_seeds(missing)} not run.")
    if unfinished:
        said.append(f"{plan.name}: not finished and left out: {_seeds(unfinished)}.")
    return said


def _mixtures(arms: Sequence[Arm]) -> list[str]:
    """Runs that were not made from the same settings and data, or not with the same code, device and torch."""
    said = []
    for arm in arms:
        digests = {run.header.digest for run in arm.runs}
        if len(digests) > 1:
            said.append(f"{arm.name}: its runs were made with {len(digests)} different settings or data sets.")
        said += _makings(arm)
        lengths = {len(run.rounds) for run in arm.runs}
        if len(lengths) > 1:
            said.append(
                f"{arm.name}: its runs have {min(lengths)} to {max(lengths)} rounds; the later ones are cut off."
            )
    images = {(run.header.seed, *sorted(run.header.images.items())) for arm in arms for run in arm.runs}
    if len(images) > len({run.header.seed for arm in arms for run in arm.runs}):
        said.append("The runs of a seed were not all made on the same numbers of images.")
    return said


def _makings(arm: Arm) -> list[str]:
    """What the rounds of an arm were made with, where that is not one and the same."""
    said = []
    for kind, text in _MAKINGS.items():
        used = {run.header.seed: run.made_with(kind) for run in arm.runs}
        every = sorted(set().union(*used.values()))
        if len(every) > 1:
            within = [seed for seed, some in used.items() if len(some) > 1]
            where = f", {_seeds(within)} within the run" if within else ""
            said.append(f"{arm.name}: made with {len(every)} {text} ({', '.join(every)}){where}.")
    return said


def _unpaired(base: Arm, arms: Sequence[Arm]) -> list[str]:
    """Seeds whose start set is not the baseline's."""
    said = []
    for arm in arms:
        shared = [] if arm.plan.role == "ceiling" else shared_seeds(arm, base)
        other = [s for s in shared if arm.by_seed[s].rounds[0].picked != base.by_seed[s].rounds[0].picked]
        if other:
            said.append(
                f"{arm.name}: {_seeds(other)} did not begin with the start set of {base.name}: not truly paired."
            )
    return said


def _seeds(seeds: Sequence[object]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(str(seed) for seed in seeds)}"
