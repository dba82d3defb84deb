"""The sample data: two made-up studies folders, the same bit for bit wherever they are made.

A studies folder holds the images and a start set of labels in MONAI Label's own format. The truth of all images lies
apart from it, where only a simulated reader and tests look. Nothing in the studies folder tells the finding of an
image without a label: names and order are shuffled, all files of a kind are equally long, groups say nothing about
findings.

The shortcut of phantom_2d: a bright sign in a corner claims a finding. The claim is mostly true in the start set; in
the pool it is true for half of the images and otherwise names one of the other findings. A model trained on the
start set can be confident for the wrong reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from xal.datasets import encode, phantom_2d, phantom_3d
from xal.datasets.listing import LISTING, START_LABELS, Listed, listing
from xal.datasets.truth import TRUTH

PhantomKind = Literal["2d", "3d"]

Files = Mapping[str, bytes]
"""Relative path → content."""

_SEED = 20260213
_APART = 1000
"""Between the seeds of sets of other numbers: more than a set has images."""
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Voxel → RAS of a picture without geometry, as ITK reads it: spacing 1, LPS identity."""


@dataclass(frozen=True)
class Plan:
    """What a phantom set consists of."""

    findings: tuple[str, ...]
    """The last one is the absent one."""
    per_finding: tuple[int, ...]
    start: tuple[int, ...]
    """How many of each finding come annotated."""
    marked: bool
    start_true: float = 0.9
    """Share of the start set, per finding, whose marker tells the truth."""
    pool_true: float = 0.5


@dataclass(frozen=True)
class Row:
    """One line of the truth."""

    image: str
    finding: str
    group: str
    marker: str
    """The finding that the marker claims; empty without a marker."""
    started: bool
    patient: int
    seed: int


PLANS: dict[PhantomKind, Plan] = {
    "2d": Plan(("ring", "solid", "spiculated", "no finding"), (60, 60, 60, 60), (10, 10, 10, 10), marked=True),
    "3d": Plan(("ring", "solid", "no finding"), (11, 11, 10), (4, 3, 3), marked=False),
}


def plan_rows(kind: PhantomKind, number: int = 0, plan: Plan | None = None) -> list[Row]:
    """Deal out findings, start set, markers and patients; the order of images says nothing about any of them.

    Number 0 is the sample data. Others have other patients and other images; their plan may be another one, too.
    """
    plan = plan or PLANS[kind]
    first = number * _APART
    seed = _SEED + first
    rng = np.random.default_rng([seed, len(kind), plan.per_finding[0]])
    cards: list[tuple[str, bool, str]] = []
    for finding, count, start in zip(plan.findings, plan.per_finding, plan.start, strict=True):
        others = [name for name in plan.findings if name != finding]
        for started, share, size in ((True, plan.start_true, start), (False, plan.pool_true, count - start)):
            true = round(share * size)
            claims = [finding] * true + [others[k % len(others)] for k in range(size - true)]
            cards += [(finding, started, claim if plan.marked else "") for claim in claims]
    rng.shuffle(cards)
    patients = [first + patient for patient in range(len(cards)) for _ in range(1 + patient % 2)][: len(cards)]
    rng.shuffle(patients)
    return [
        Row(f"phantom_{n:03d}", finding, f"patient {patient:03d}", marker, started, patient, seed + n)
        for n, ((finding, started, marker), patient) in enumerate(zip(cards, patients, strict=True))
    ]


def phantom_files(kind: PhantomKind, number: int = 0, plan: Plan | None = None) -> tuple[Files, Files]:
    """The files of the studies folder, and those of the truth."""
    return _files(kind, plan_rows(kind, number, plan))


def write_phantoms(kind: PhantomKind, studies: Path, truth: Path, number: int = 0, plan: Plan | None = None) -> None:
    """Write the studies folder and the truth; of the sample data, or of another set of the kind."""
    for folder, files in zip((studies, truth), phantom_files(kind, number, plan), strict=True):
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def check_phantoms(kind: PhantomKind, studies: Path, truth: Path) -> list[str]:
    """The files that are missing, differ or are not part of the set, as sentences; empty if all is as generated."""
    problems = []
    for folder, files in zip((studies, truth), phantom_files(kind), strict=True):
        for name, content in files.items():
            path = folder / name
            if not path.is_file():
                problems.append(f"{path} is missing")
            elif path.read_bytes() != content:
                problems.append(f"{path} differs from what is generated")
        found = (path for path in folder.rglob("*") if path.is_file())
        problems += sorted(f"{path} is not part of the set" for path in found if _name(path, folder) not in files)
    return problems


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def write(kind: PhantomKind, folder: Path) -> None:
    """Write phantom_2d or phantom_3d below `folder`, the truth below `folder`/truth."""
    write_phantoms(kind, *_places(kind, folder))


def check(kind: PhantomKind, folder: Path) -> list[str]:
    """What `write` would change below `folder`."""
    return check_phantoms(kind, *_places(kind, folder))


def _places(kind: PhantomKind, folder: Path) -> tuple[Path, Path]:
    return folder / f"phantom_{kind}", folder / "truth" / f"phantom_{kind}"


@dataclass(frozen=True)
class _Drawn:
    """One image as files, and its ROI as an array (X, Y, Z)."""

    image: bytes
    roi: npt.NDArray[np.bool_]
    roi_file: bytes
    affine: npt.NDArray[np.float64]


def _draw(kind: PhantomKind, row: Row) -> _Drawn:
    if kind == "2d":
        pixels, mask = phantom_2d.draw(phantom_2d.draw_body(row.patient), row.finding, row.marker, row.seed)
        return _Drawn(encode.png(pixels), mask.T[:, :, None], encode.png(mask * np.uint8(255)), _LPS)
    voxels, roi, affine = phantom_3d.draw(row.patient, row.finding, row.seed)
    return _Drawn(encode.nifti(voxels, affine), roi, encode.nifti(roi.astype(np.uint8), affine), affine)


def _files(kind: PhantomKind, rows: Sequence[Row]) -> tuple[Files, Files]:
    roi_findings = PLANS[kind].findings[:-1]
    suffix = ".png" if kind == "2d" else ".nii.gz"
    studies, truth = {}, {TRUTH: _truth(rows)}
    for row in rows:
        drawn = _draw(kind, row)
        studies[f"{row.image}{suffix}"] = drawn.image
        if row.finding in roi_findings:
            truth[f"masks/{row.image}{suffix}"] = drawn.roi_file
        if row.started:
            value = roi_findings.index(row.finding) + 1 if row.finding in roi_findings else 0
            label = drawn.roi.astype(np.uint8) * np.uint8(value)
            studies[f"{START_LABELS}/{row.image}.nii.gz"] = encode.nifti(label, drawn.affine)
    studies[LISTING] = listing(
        f"phantom_{kind}",
        "Made-up images with made-up findings; part of them come annotated",
        (Listed(row.image, suffix, row.group, row.started) for row in rows),
        roi_findings,
        "sample",
    )
    return studies, truth


def _truth(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["image", "finding", "group", "marker"])
    table.writerows([row.image, row.finding, row.group, row.marker] for row in rows)
    return text.getvalue().encode()
