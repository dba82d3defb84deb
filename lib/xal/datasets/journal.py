"""Which entries of a source are in the studies folder: a line each, written when all that belongs to it is in place."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from xal.datasets.cases import Problem
from xal.datasets.seen import File, Seen
from xal.datasets.truth import TruthRow


@dataclass(frozen=True)
class Placed:
    """One image in the studies folder."""

    file: str
    truth: TruthRow
    mask: str | None
    """Its mask's file name."""


@dataclass(frozen=True)
class Done:
    """One entry of the source, imported."""

    name: str
    placed: Sequence[Placed]
    problems: Sequence[Problem]
    seen: Seen | None = None
    """What the entry was; None where this was not yet written down."""

    def is_there(self, studies: Path, masks: Path) -> bool:
        """Whether what was written is still there; a power cut can leave a name with no content."""
        files = [studies / one.file for one in self.placed]
        files += [masks / one.mask for one in self.placed if one.mask is not None]
        return all(file.exists() and file.stat().st_size > 0 for file in files)


class Journal:
    """An append-only file of JSON lines; the line that a kill cut short is dropped."""

    def __init__(self, file: Path) -> None:
        """Go on with `file`, or begin it."""
        content = file.read_bytes() if file.is_file() else b""
        whole = content[: content.rfind(b"\n") + 1]
        self.done: dict[str, Done] = {done.name: done for done in map(_decode, whole.splitlines())}
        self._file = file.open("ab")
        self._file.truncate(len(whole))

    def add(self, done: Done) -> None:
        """From now on this entry is done."""
        self.done[done.name] = done
        self._file.write(json.dumps(asdict(done)).encode() + b"\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def _decode(line: bytes) -> Done:
    said: dict[str, Any] = json.loads(line)
    placed = [Placed(one["file"], TruthRow(**one["truth"]), one["mask"]) for one in said["placed"]]
    seen = said.get("seen")
    if seen is not None:
        seen = Seen(seen["listed"], [File(**file) for file in seen["files"]])
    return Done(said["name"], placed, [Problem(**problem) for problem in said["problems"]], seen)
