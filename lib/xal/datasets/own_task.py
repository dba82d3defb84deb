"""A task for findings that no shipped task has: the shipped task with other findings, as a file beside the studies."""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from xal.errors import Conflict
from xal.settings import validated
from xal.system.durable import write_atomically
from xal.task import Task, load_task

_HUES = 36
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class OwnTask:
    """A task and the file that it is in, or will be in."""

    file: Path
    task: Task
    text: str

    def keep(self) -> None:
        """Write the file; one that is there stays as it is, because people may have changed it."""
        if not self.file.exists():
            write_atomically(self.file, self.text.encode())


def own_task(studies: Path, shipped: Path, findings: Sequence[str], absent: str | None) -> OwnTask:
    """The task for these findings, in `STUDIES.yaml`; Conflict where that file is of other findings."""
    studies = studies.resolve()
    file = studies.with_name(f"{studies.name}.yaml")
    if file.exists():
        task = load_task(file)
        if task.finding_names != tuple(findings):
            raise Conflict(
                f"{file} is a task with the findings {', '.join(task.finding_names)}, and these images have "
                f"{', '.join(findings)}: move it away, or name another studies folder"
            )
        return OwnTask(file, task, file.read_text(encoding="utf-8"))
    content: dict[str, Any] = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    many = len(findings) - (absent is not None)
    known = {finding["name"]: finding for finding in content["findings"]}
    content["name"] = f"{content['name']}_{many}"
    content["title"] = f"{content['title']}: the {many} most frequent"
    content["findings"] = _findings(known, findings, absent)
    said = f"# {shipped.name} with the findings that are most frequent in the source of {studies.name}.\n"
    text = said + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)
    return OwnTask(file, validated(content, Task, str(file)), text)


def _findings(known: dict[str, dict[str, Any]], findings: Sequence[str], absent: str | None) -> list[dict[str, Any]]:
    """As the shipped task has them; new ones with a colour of their own."""
    used = [tuple(entry["color"]) for name, entry in known.items() if name in findings and "color" in entry]
    entries = []
    for name in findings:
        if name in known:
            entries.append(known[name])
        elif name == absent:
            entries.append({"name": name, "absent": True})
        else:
            used.append(_unlike(used))
            entries.append({"name": name, "color": list(used[-1])})
    return entries


def _unlike(used: Collection[Colour]) -> Colour:
    """The colour that is farthest from all that are used."""

    def distance(colour: Colour) -> int:
        return min((sum((a - b) ** 2 for a, b in zip(colour, other, strict=True)) for other in used), default=0)

    return max((_colour(k / _HUES, value) for value in (0.9, 0.6) for k in range(_HUES)), key=distance)


def _colour(hue: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.65, value))
    return red, green, blue
