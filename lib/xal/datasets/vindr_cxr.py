"""VinDr-CXR: chest X-rays in DICOM, each read by three radiologists who drew boxes.

Both official layouts are read: PhysioNet's (`train/*.dicom`, `annotations/annotations_train.csv` and
`image_labels_train.csv`) and Kaggle's (`train/*.dicom`, `train.csv`).

What counts is what more than half of an image's readers say. Boxes of a class that overlap are fused into their mean,
and kept if more than half of the readers drew one of them. The finding of an image is, of the findings that are
imported, the one whose fused boxes cover most; its ROI are these boxes. Images on which the readers agree on nothing
are left out. The set says nothing of patients: every image is a group of its own.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from xal.datasets.cases import Box, Case, Contents, Item, Problem, dominant
from xal.datasets.options import Options
from xal.datasets.tables import Line, number, read_table, says_nothing
from xal.errors import BadInput
from xal.task import Task

NO_FINDING = "No finding"
FREQUENT = ("Aortic enlargement", "Cardiomegaly", "Pulmonary fibrosis", "Pleural thickening", "Pleural effusion")
"""The findings of the shipped task: common ones, with boxes that are not lost at its image size."""
CLASSES = (
    *FREQUENT, "Atelectasis", "Calcification", "Clavicle fracture", "Consolidation", "Edema", "Emphysema",
    "Enlarged PA", "ILD", "Infiltration", "Lung cavity", "Lung cyst", "Lung Opacity", "Mediastinal shift",
    "Nodule/Mass", "Other lesion", "Pneumothorax", "Rib fracture",
)  # fmt: skip
"""All that has boxes."""
NO_CLASS = "Other lesion"
"""What fits no other class is no finding that could be learnt."""
SAME = 0.4
"""Boxes of one class are about the same thing if their overlap (intersection over union) is at least this."""

_LISTS = ("annotations/annotations_train.csv", "annotations_train.csv", "train.csv")
_IMAGE_LABELS = ("annotations/image_labels_train.csv", "image_labels_train.csv")
_READERS = 3
_SIDES = ("x_min", "y_min", "x_max", "y_max")
_CANONICAL = {name.lower(): name for name in (*CLASSES, NO_FINDING)}


class VindrOptions(Options):
    """Which findings."""

    findings: Annotated[int, Field(ge=1, le=len(CLASSES) - 1)] | None = Field(
        None,
        description=f"K: the K findings that are most frequent in the source, and {NO_FINDING!r}, for which a task is "
        "written beside the studies folder; without it those of the task",
    )


@dataclass
class _Readings:
    """What readers said of one image."""

    readers: set[str] = field(default_factory=set)
    normal: set[str] = field(default_factory=set)
    """Readers who found nothing."""
    boxes: dict[str, list[tuple[str, Box]]] = field(default_factory=lambda: defaultdict(list))
    """Class → reader and box."""

    @property
    def majority(self) -> int:
        """Of the three readers that every image has, also where a list lacks some of them."""
        return max(_READERS, len(self.readers)) // 2 + 1

    def said(self) -> str:
        """All of it, the same whatever the order of lines."""
        boxes = sorted((name, repr(sorted(map(repr, boxes)))) for name, boxes in self.boxes.items())
        return repr((sorted(self.readers), sorted(self.normal), boxes))

    def agreed(self) -> dict[str, list[Box]]:
        """Class → the fused boxes that a majority drew."""
        fused = {name: fuse(boxes, self.majority) for name, boxes in self.boxes.items()}
        return {name: boxes for name, boxes in fused.items() if boxes}


def read_vindr(source: Path, options: VindrOptions, task: Task | None) -> Contents:
    """The images of the training part, with the findings of the task if one is named."""
    listed, problems = _read_lists(source)
    files: dict[str, list[Path]] = defaultdict(list)
    for path in _images(source / "train"):
        files[path.stem].append(path)
    agreed = {image: readings.agreed() for image, readings in listed.items()}
    findings = _findings(task, None if options.findings is None else most_frequent(agreed.values(), options.findings))
    problems += [
        Problem(path.name, "is on no list") for image, paths in files.items() if image not in listed for path in paths
    ]
    items = [
        Item(
            image,
            partial(_read, source, files.get(image, ()), image, listed[image], agreed[image], findings),
            listed[image].said(),
            files.get(image, ()),
        )
        for image in sorted(listed)
    ]
    others = task is None and set(findings) != set(FREQUENT)
    return Contents(items, (*findings, NO_FINDING), NO_FINDING, problems, "vindr_cxr", needs_own_task=others)


def _findings(task: Task | None, frequent: Sequence[str] | None) -> Sequence[str]:
    """The classes that are imported; BadInput where they are not those of the task, or the task's not of this set."""
    if task is None:
        return FREQUENT if frequent is None else frequent
    if frequent is not None:
        lacking = ", ".join(repr(finding) for finding in frequent if finding not in task.roi_findings)
        if lacking:
            raise BadInput(
                f"--findings takes the {len(frequent)} most frequent, and of these task {task.name!r} lacks {lacking}: "
                "--task names one that has them, and without it one is written"
            )
        return frequent
    known = [finding for finding in task.roi_findings if finding in CLASSES]
    if not known:
        raise BadInput(f"task {task.name!r} has none of the classes of VinDr-CXR, which are {', '.join(CLASSES)}")
    return known


def fuse(boxes: Sequence[tuple[str, Box]], majority: int) -> list[Box]:
    """The mean of every cluster of overlapping boxes to which at least so many readers gave one."""
    clusters: list[dict[str, Box]] = []
    for reader, box in sorted(boxes, key=lambda drawn: (-drawn[1].area, drawn[0], drawn[1].x, drawn[1].y)):
        open_to = [cluster for cluster in clusters if reader not in cluster]
        best = max(open_to, key=lambda cluster: overlap(_mean(cluster.values()), box), default=None)
        if best is not None and overlap(_mean(best.values()), box) >= SAME:
            best[reader] = box
        else:
            clusters.append({reader: box})
    return [_mean(cluster.values()) for cluster in clusters if len(cluster) >= majority]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    common = max(0.0, width) * max(0.0, height)
    return common / (one.area + other.area - common)


def most_frequent(agreed: Iterable[Collection[str]], count: int) -> tuple[str, ...]:
    """The classes on which the readers of most images agree; equally frequent ones by name."""
    counted = Counter(name for names in agreed for name in names if name != NO_CLASS)
    return tuple(sorted(counted, key=lambda name: (-counted[name], name))[:count])


def _mean(boxes: Iterable[Box]) -> Box:
    those = list(boxes)
    return Box(*(math.fsum(sides) / len(those) for sides in zip(*map(_sides, those), strict=True)))


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def _images(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in (".dicom", ".dcm"))


def _read_lists(source: Path) -> tuple[dict[str, _Readings], list[Problem]]:
    file = next((source / name for name in _LISTS if (source / name).is_file()), None)
    if file is None:
        raise BadInput(f"{source} has neither {_LISTS[0]} (PhysioNet) nor {_LISTS[-1]} (Kaggle)")
    listed: dict[str, _Readings] = defaultdict(_Readings)
    problems: list[Problem] = []
    for line in read_table(file, ("image_id", "rad_id", "class_name", *_SIDES)):
        _take(line, listed[line["image_id"]], problems)
    labels = next((source / name for name in _IMAGE_LABELS if (source / name).is_file()), None)
    if labels is not None:
        for line in read_table(labels, ("image_id", "rad_id", NO_FINDING.lower())):
            readings = listed[line["image_id"]]
            readings.readers.add(line["rad_id"])
            try:
                normal = not says_nothing(line[NO_FINDING.lower()]) and number(line[NO_FINDING.lower()]) == 1
            except BadInput as error:
                said = f"what {line['rad_id']} says of {NO_FINDING!r} cannot be read: {error}"
                problems.append(Problem(line["image_id"], said, kept=True))
                continue
            if normal:
                readings.normal.add(line["rad_id"])
    for image, readings in listed.items():
        drew = {reader for boxes in readings.boxes.values() for reader, _ in boxes}
        for reader in sorted(readings.normal & drew):
            problems.append(Problem(image, f"{reader} found nothing and drew a box: the box counts", kept=True))
            readings.normal.discard(reader)
    return dict(listed), problems


def _take(line: Line, readings: _Readings, problems: list[Problem]) -> None:
    """One reader's word on one image: a box of a class, or that there is nothing."""
    image, reader = line["image_id"], line["rad_id"]
    readings.readers.add(reader)
    name = _CANONICAL.get(line["class_name"].lower())
    cells = [line[side] for side in _SIDES]
    if name is None:
        problems.append(Problem(image, f"{reader} names the unknown class {line['class_name']!r}", kept=True))
    elif name == NO_FINDING:
        readings.normal.add(reader)
    else:
        try:
            left, top, right, bottom = map(number, cells)
        except BadInput as error:
            problems.append(Problem(image, f"the box of {name} by {reader} cannot be read: {error}", kept=True))
            return
        if right <= left or bottom <= top:
            said = f"from {left:g}, {top:g} to {right:g}, {bottom:g}"
            problems.append(Problem(image, f"the box of {name} by {reader} is none: {said}", kept=True))
            return
        readings.boxes[name].append((reader, Box(left, top, right - left, bottom - top)))


def _read(
    source: Path,
    files: Collection[Path],
    image: str,
    readings: _Readings,
    agreed: Mapping[str, Sequence[Box]],
    findings: Sequence[str],
) -> list[Case]:
    if len(files) != 1:
        raise BadInput(f"it is listed, and train/ has {len(files) or 'no'} files of it")
    file = next(iter(files))
    finding, boxes = _dominant(readings, agreed, findings)
    provenance = {
        "source": file.relative_to(source).as_posix(),
        "roi": f"{len(boxes)} fused boxes" if boxes else "",
        "readers": str(len(readings.readers)),
    }
    return [Case(image, file, finding, image, boxes or None, provenance)]


def _dominant(
    readings: _Readings, agreed: Mapping[str, Sequence[Box]], findings: Sequence[str]
) -> tuple[str, Sequence[Box]]:
    among = {name: agreed[name] for name in findings if name in agreed}
    if among:
        name = dominant(among)
        return name, among[name]
    if agreed:
        raise BadInput(f"its readers agree on {', '.join(sorted(agreed))}, which is not imported")
    if len(readings.normal) < readings.majority:
        raise BadInput(f"its {len(readings.readers)} readers agree on no finding, and not on that there is none")
    return NO_FINDING, ()
