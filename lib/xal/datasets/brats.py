"""BraTS 2018 to 2021 and 2023: a folder per case with four scans on one grid and a segmentation of the tumour.

The four become the channels of one image, in the order of CHANNELS. The finding is the grade (HGG or LGG) where the
source says it, in folders of these names (2018, 2019) or in `name_mapping.csv` (2019, 2020); the ROI is then the whole
tumour. 2021 and 2023 publish no grades: there the finding of a slice is the sub-region that most of its tumour belongs
to, and the ROI that sub-region. Of whole volumes that would nearly always be the oedema, so it must be asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from xal.arrays import BoolArray
from xal.datasets.cases import Case, Contents, Item, Problem, dominant, same_place
from xal.datasets.options import Options
from xal.datasets.tables import read_table
from xal.errors import BadInput
from xal.imaging.images import Volume, read_image

CHANNELS: Mapping[str, tuple[str, ...]] = {
    "T1": ("t1", "t1n"),
    "T1 with contrast": ("t1ce", "t1c"),
    "T2": ("t2", "t2w"),
    "FLAIR": ("flair", "t2f"),
}
"""Channel → how files of it end, until 2021 and since 2023."""
_SINCE_2023 = frozenset(endings[1] for endings in CHANNELS.values())
GRADES = ("HGG", "LGG")
REGIONS: Mapping[str, tuple[int, ...]] = {"enhancing tumour": (3, 4), "necrotic core": (1,), "oedema": (2,)}
"""Sub-region → its values in segmentations; until 2021 the value 1 meant necrotic or non-enhancing core."""
ENHANCING: Mapping[bool, int] = {True: 4, False: 3}
"""Until 2021, and since 2023. Since 2024 the value 4 is a cavity, which is no tumour."""
LEAST_VOXELS = 50
"""A slice with less of the finding (half a square centimetre) shows too little of it to be a case."""

_NAME = re.compile(r"(?P<case>.+?)[_-](?P<what>t1|t1n|t1ce|t1c|t2|t2w|flair|t2f|seg)\.nii(\.gz)?", re.IGNORECASE)
_TIME_POINT = re.compile(r"(?P<patient>BraTS1\d_.+)_\d+|(?P<patient2>BraTS-.+)-\d{3}", re.IGNORECASE)
_MAPPING = "name_mapping.csv"
_SEGMENTATION = "seg"


class BratsOptions(Options):
    """Volumes or slices, and what their finding is."""

    slices: Literal["largest"] | Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="'largest' (of every case the axial slice with most tumour), or N (every Nth slice that shows "
        "some); without it whole volumes are imported",
    )
    by: Literal["grade", "region"] | None = Field(
        None,
        description="'grade' (HGG or LGG), or 'region' (the sub-region that most of the tumour belongs to); without it "
        "the grade where the source says it, else the region of slices",
    )


@dataclass
class _Folder:
    """The files of one case."""

    path: Path
    case: str
    files: dict[str, Path] = field(default_factory=dict)
    """How their names end → file."""
    others: list[Path] = field(default_factory=list)
    """Files that are no scan of any case."""
    foreign: list[Path] = field(default_factory=list)
    """Scans of other cases, in a folder that has this one's name."""
    flat: bool = False
    """The folder is not the case's own."""

    def name(self, source: Path) -> str:
        """Where it lies in the source, and which case of that place it is."""
        place = self.path.relative_to(source)
        return (place / self.case if self.flat else place).as_posix()


def read_brats(source: Path, options: BratsOptions) -> Contents:
    """All cases below `source`."""
    folders = sorted(_folders(source), key=lambda folder: folder.name(source))
    mapping, problems = _read_mapping(source)
    grades = {folder.name(source): _grades(folder, source, mapping) for folder in folders}
    by_grade = options.by == "grade" or (options.by is None and any(grades.values()))
    if not folders:
        return Contents((), (), None)
    if by_grade and not any(grades.values()):
        raise BadInput(
            f"no grade is known: there are no folders HGG and LGG and no {_MAPPING} with a column Grade; "
            "2021 and 2023 are imported with --slices and without --by grade"
        )
    if not by_grade and options.slices is None and options.by is None:
        raise BadInput(
            "no grade is known, and of whole volumes the dominant sub-region is nearly always the oedema: import "
            f"slices (--slices largest), add a {_MAPPING} with the columns Grade and, say, BraTS_2021_subject_ID, or "
            "say --by region if that is what you want"
        )
    items = [
        Item(
            folder.name(source),
            partial(_read, source, folder, grades[folder.name(source)] if by_grade else None, options.slices),
            repr(sorted(grades[folder.name(source)])),
            [*folder.files.values(), *(file for file in folder.others if _may_be_segmentation(file))],
        )
        for folder in folders
    ]
    task = {
        (True, True): "brats",
        (True, False): "brats_slices",
        (False, False): "brats_regions",
    }.get((by_grade, options.slices is None))
    return Contents(items, GRADES if by_grade else tuple(REGIONS), None, problems, task)


def patient_of(case: str) -> str:
    """The patient: a case's name without the number of its time point, where names have one (2018, 2019, 2023)."""
    match = _TIME_POINT.fullmatch(case)
    return case if match is None else match["patient"] or match["patient2"]


def _folders(source: Path) -> Iterator[_Folder]:
    for place, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from _cases(Path(place), [name for name in sorted(names) if not name.startswith(".")], source)


def _cases(place: Path, names: Iterable[str], source: Path) -> Iterable[_Folder]:
    """The cases of one folder: the one of its name alone if there is such a one, else all."""
    cases: dict[str, _Folder] = {}
    others = []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            others.append(place / name)
            continue
        case = cases.setdefault(match["case"].casefold(), _Folder(place, match["case"]))
        case.files[match["what"].lower()] = place / name
    own = cases.pop(place.name.casefold(), None)
    if own is None and len(cases) == 1 and place != source:
        own = cases.popitem()[1]
    if own is None:
        for case in cases.values():
            case.flat = True
        return cases.values()
    own.others = others
    own.foreign = sorted(file for case in cases.values() for file in case.files.values())
    return [own]


def _read_mapping(source: Path) -> tuple[dict[str, set[str]], list[Problem]]:
    """Case, in lower case → the grades that lists give it. A list that says no grades is named, and no more."""
    mapping: dict[str, set[str]] = {}
    problems = []
    for file in sorted(source.rglob(_MAPPING)):
        try:
            lines = list(read_table(file, ("grade",)))
        except BadInput as error:
            problems.append(Problem(file.relative_to(source).as_posix(), str(error)))
            continue
        for line in lines:
            grade = line["grade"].upper()
            names = [cell for column, cell in line.items() if "subject_id" in column and cell not in ("", "NA")]
            if grade in GRADES:
                for name in names:
                    mapping.setdefault(name.lower(), set()).add(grade)
            else:
                problems.append(Problem(names[-1] if names else _MAPPING, f"{_MAPPING} gives it grade {grade!r}", True))
    return mapping, problems


def _grades(folder: _Folder, source: Path, mapping: Mapping[str, set[str]]) -> set[str]:
    """All that is said of a case: by the folders it lies in, and by lists."""
    parts = {part.upper() for part in folder.path.relative_to(source).parts}
    return (
        (parts & set(GRADES)) | mapping.get(folder.case.lower(), set()) | mapping.get(folder.path.name.lower(), set())
    )


def _read(source: Path, folder: _Folder, grades: set[str] | None, slices: str | int | None) -> Iterator[Case | Problem]:
    grade = None
    if grades is not None:
        if len(grades) != 1:
            said = (
                f"is said to be {' and '.join(sorted(grades))}" if grades else f"is not known: no {_MAPPING} lists it"
            )
            raise BadInput(f"its grade {said}")
        grade = next(iter(grades))
    for file in folder.foreign:
        yield Problem(folder.name(source), f"{file.name} is of another case and is not used", kept=True)
    segmentation, note = _segmentation(folder)
    if note is not None:
        yield note
    files = [_channel(folder, channel) for channel in CHANNELS]
    regions = _read_regions(segmentation, ENHANCING[folder.files.keys().isdisjoint(_SINCE_2023)])
    image = _read_channels(files, regions)
    labels = regions.pixels[0].astype(np.uint8)
    provenance = {"source": folder.name(source), "roi": segmentation.name}
    group = patient_of(folder.case)
    if slices is None:
        finding, roi = _finding(grade, labels)
        yield Case(folder.case, image, finding, group, roi, provenance)
        return
    cut = 0
    for number in _chosen(labels, slices):
        finding, roi = _finding(grade, labels[:, :, [number]])
        if roi.sum() >= LEAST_VOXELS:
            cut += 1
            name = f"{folder.case}_slice_{number:03d}"
            yield Case(name, _slice(image, number), finding, group, roi, {**provenance, "slice": str(number)})
    if cut == 0:
        raise BadInput(f"none of its slices shows {LEAST_VOXELS} voxels of the finding")


def _segmentation(folder: _Folder) -> tuple[Path, Problem | None]:
    """The segmentation; in 2020 that of case 355 kept the name it had before the data was made anonymous."""
    if _SEGMENTATION in folder.files:
        return folder.files[_SEGMENTATION], None
    others = [file for file in folder.others if _may_be_segmentation(file)]
    if len(others) != 1:
        raise BadInput("it has no segmentation (a file that ends in _seg or -seg)")
    return others[0], Problem(folder.case, f"{others[0].name} is taken for its segmentation", kept=True)


def _may_be_segmentation(file: Path) -> bool:
    return _SEGMENTATION in file.name.lower() and ".nii" in file.name.lower()


def _channel(folder: _Folder, channel: str) -> Path:
    found = [folder.files[ending] for ending in CHANNELS[channel] if ending in folder.files]
    if len(found) != 1:
        what = "no" if not found else "more than one"
        raise BadInput(f"it has {what} {channel} scan (a file that ends in {' or '.join(CHANNELS[channel])})")
    return found[0]


def _read_regions(file: Path, enhancing: int) -> Volume:
    volume = read_image(file)
    values = set(np.unique(volume.pixels).tolist())
    known = {0.0, 1.0, 2.0, float(enhancing)}
    if len(volume.pixels) != 1 or not values <= known:
        strange = ", ".join(f"{value:g}" for value in sorted(values - known)[:5])
        raise BadInput(
            f"{file.name} is no BraTS segmentation with these scans, which has 1, 2 and {enhancing}: it has the "
            f"value(s) {strange or 'of several layers'}"
        )
    if values == {0.0}:
        raise BadInput(f"{file.name} outlines nothing")
    return volume


def _read_channels(files: Sequence[Path], regions: Volume) -> Volume:
    pixels: npt.NDArray[np.float32] | None = None
    for number, file in enumerate(files):
        volume = read_image(file)
        if len(volume.pixels) != 1 or volume.shape != regions.shape:
            has, wanted = (" × ".join(map(str, shape)) for shape in (volume.pixels.shape, (1, *regions.shape)))
            raise BadInput(f"{file.name} has {has} voxels, its segmentation {wanted}")
        if not same_place(volume.affine, regions.affine):
            raise BadInput(f"{file.name} lies elsewhere in space than its segmentation")
        if pixels is None:
            pixels = np.empty((len(files), *volume.shape), np.float32)
        pixels[number] = volume.pixels[0]
    assert pixels is not None
    return Volume(pixels, regions.affine)


def _chosen(labels: npt.NDArray[np.uint8], slices: str | int) -> Iterable[int]:
    if isinstance(slices, int):
        return range(slices // 2, labels.shape[2], slices)
    return [int(np.argmax((labels > 0).sum(axis=(0, 1))))]


def _finding(grade: str | None, labels: npt.NDArray[np.uint8]) -> tuple[str, BoolArray]:
    """The grade and the whole tumour, or the sub-region with most voxels and where it is."""
    if grade is not None:
        return grade, labels > 0
    masks = {name: np.isin(labels, values) for name, values in REGIONS.items()}
    name = dominant(masks)
    return name, masks[name]


def _slice(image: Volume, number: int) -> Volume:
    """One axial slice, where it lies in the volume."""
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 2] * number
    return Volume(image.pixels[:, :, :, [number]], affine)
