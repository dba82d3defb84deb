"""The rows of a simulation: one file per run (an arm with a seed), one JSON object per line.

First the header, then a line per round, then the end. A line counts once its line break is written, so what a killed
process leaves behind is at worst one cut line, which readers ignore and the next `append` removes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from xal.errors import XalError


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class Attention(_Row):
    """How well attention meets the ROIs of held-out images; all in [0, 1]."""

    dice: float
    energy: float
    pointing: float
    deletion: float | None = None
    insertion: float | None = None


class Header(_Row):
    """What a run is, and on what it was made."""

    kind: Literal["run"] = "run"
    format: Literal[1] = 1
    arm: str
    seed: int
    digest: str
    """Of the settings and the data: runs of one arm that differ in it cannot be averaged."""
    commit: str
    device: str
    torch: str
    started: float
    images: Mapping[str, int]
    """How many images there are (`total`), and how many of them are for what."""
    baselines: Mapping[str, Attention]
    """What attention would reach that knows nothing: `uniform` map, `centre` Gaussian, `untrained` network."""


Bin = tuple[int, float | None, float | None]
"""Count, mean confidence, accuracy; without images the last two are None."""


class Reliability(_Row):
    """Ten bins of confidence on the test set, before and after temperature scaling."""

    raw: tuple[Bin, ...]
    scaled: tuple[Bin, ...]


class Pool(_Row):
    """What the model of a round says of the images that nobody has read yet; correlations are Spearman's."""

    size: int
    score_area: float | None = None
    misalignment_area: float | None = None
    proposed_oracle: float | None = None
    roi_dice: float | None = None
    roi_confidence: float | None = None
    """Correlation of the confidence in proposed ROIs with their Dice."""
    by_area: tuple[tuple[float | None, float | None, int], ...] = ()
    """Deciles of ROI area: mean share of the image, mean score, count."""
    surely_wrong: float | None = None
    """The share of wrongly named images in the half of which the model is surer."""
    uncertainty_finds: float | None = None
    """How well uncertainty finds the wrongly named images: area under the ROC curve, 0.5 by chance."""
    contradicting: float | None = None
    """The share of images whose pattern is another finding's."""


class OfPattern(_Row):
    """Where a shortcut was put into the images: how the test set is named, and what was chosen."""

    contradicted: float | None
    """Accuracy where the pattern is another finding's."""
    agreeing: float | None
    """Accuracy where it is the finding's own."""
    chosen: float
    """The share of what was labelled before this training whose pattern is another finding's."""


class Proposed(_Row):
    """What the ROIs that the network proposes are worth on the test set; but for the last on images that have one."""

    dice: float
    """Mean soft Dice of the proposed ROI and the true one."""
    score: float | None = None
    """Spearman's correlation of the scores by proposed ROIs and those by true ones; None where none may stand in."""
    finds: float | None = None
    """How well the score by proposed ROIs finds wrongly named images: area under the ROC curve, 0.5 by chance."""
    oracle_finds: float | None = None
    """The same of the score by true ROIs."""
    where_nothing_is: float | None = None
    """The share of the images without an ROI in which one is proposed."""


class Seconds(_Row):
    """What a round took."""

    train: float = 0.0
    read: float = 0.0
    select: float = 0.0
    evaluate: float = 0.0


class Round(_Row):
    """A training and what it led to on the test set; round 0 is the start set alone."""

    kind: Literal["round"] = "round"
    round: int
    labels: int
    outlines: int
    picked: tuple[int, ...]
    """What was labelled before this training, in order of choice: positions in the truth's sorted images."""
    drawn: tuple[int, ...] | None = None
    """Those of them whose ROI was drawn; None: all."""
    balanced_accuracy: float
    auroc: float | None = None
    log_loss: float | None = None
    ece: float | None = None
    ece_raw: float | None = None
    temperature: float | None = None
    recall: Mapping[str, float | None] = Field(default_factory=dict)
    attention: Attention | None = None
    reliability: Reliability | None = None
    pool: Pool | None = None
    proposed: Proposed | None = None
    only_outlined: int | None = None
    """How many images without a label the ROI head learnt from; None: none were to be learnt from."""
    shortcut: OfPattern | None = None
    seconds: Seconds = Seconds()
    epochs: int = 0
    commit: str = ""
    device: str = ""
    torch: str = ""
    """With what this round was made: a run that was continued keeps its first header. Empty: as the header says."""


class End(_Row):
    """The run is complete."""

    kind: Literal["end"] = "end"
    seconds: float


Row = Header | Round | End
Making = Literal["commit", "device", "torch"]
_ANY: TypeAdapter[Row] = TypeAdapter(Annotated[Row, Field(discriminator="kind")])


@dataclass(frozen=True)
class Run:
    """One arm with one seed, as far as it got."""

    header: Header
    rounds: tuple[Round, ...]
    end: End | None

    @property
    def complete(self) -> bool:
        """Whether it was run to its end."""
        return self.end is not None and bool(self.rounds)

    def made_with(self, kind: Making) -> set[str]:
        """The commits, devices or versions of torch that its rounds were made with."""
        return {getattr(row, kind) or getattr(self.header, kind) for row in self.rounds}


def run_file(folder: Path, arm: str, seed: int) -> Path:
    """Where the rows of a run lie."""
    return folder / f"{arm}-{seed}.jsonl"


def append(path: Path, row: Row) -> None:
    """Add a row; once this returns it is on the disk. What a killed process left of a line is cut off first."""
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
        file.write(row.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_run(path: Path) -> Run | None:
    """The rows of one file; None where not even the header was written. A cut last line is as if never begun."""
    lines = path.read_bytes().split(b"\n")[:-1]
    rows = [_parse(path, number, line) for number, line in enumerate(lines, 1)]
    if not rows:
        return None
    header, rest = rows[0], rows[1:]
    if not isinstance(header, Header):
        raise XalError(f"{path}, line 1: a run begins with its header, kind 'run', not with {header.kind!r}")
    end = rest.pop() if rest and isinstance(rest[-1], End) else None
    rounds = [row for row in rest if isinstance(row, Round)]
    for number, row in enumerate(rest):
        if not isinstance(row, Round) or row.round != number:
            raise XalError(f"{path}, line {number + 2}: round {number} should follow, not {_named(row)}")
    return Run(header, tuple(rounds), end if isinstance(end, End) else None)


def read_runs(folder: Path) -> list[Run]:
    """All runs of a folder, begun or complete, by arm and seed."""
    runs = []
    for path in sorted(folder.glob("*.jsonl")):
        run = read_run(path)
        if run is not None:
            expected = run_file(folder, run.header.arm, run.header.seed)
            if path != expected:
                raise XalError(f"{path} holds the rows of {expected.name}: a copied or renamed file would count twice")
            runs.append(run)
    return sorted(runs, key=lambda run: (run.header.arm, run.header.seed))


def _parse(path: Path, number: int, line: bytes) -> Row:
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise XalError(f"{path}, line {number}: {where + ': ' if where else ''}{first['msg']}") from error


def _named(row: Row) -> str:
    return f"round {row.round}" if isinstance(row, Round) else f"{row.kind!r}"
