"""SIIM-FISABIO-RSNA COVID-19: chest X-rays in DICOM, with a class for every study and boxes of opacities for images.

Layout: `train/STUDY/SERIES/IMAGE.dcm`, `train_image_level.csv`, `train_study_level.csv`. The finding of an image is the
class of its study, the ROI the image's boxes. Some studies have several images, of which usually only one has boxes:
every image is a case of its own; those of a negative study are all imported, and of other studies only images with
boxes, because what an image of them without boxes shows is not known. The group is the patient that the DICOM file
names, else the study.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from xal.datasets.cases import Box, Case, Contents, Item, Problem
from xal.datasets.tables import Line, number, read_table, says_nothing
from xal.errors import BadInput
from xal.imaging.images import read_header

NEGATIVE = "Negative for Pneumonia"
FINDINGS = ("Typical Appearance", "Indeterminate Appearance", "Atypical Appearance", NEGATIVE)

_IMAGES, _STUDIES = "train_image_level.csv", "train_study_level.csv"
_PATIENT = "0010|0020"
_OPACITY = re.compile(r"opacity\s+\S+\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)")


def read_siim(source: Path) -> Contents:
    """The images of the training part."""
    studies: dict[str, list[Line]] = defaultdict(list)
    for line in _lines(source / _STUDIES, ("id", *FINDINGS)):
        studies[line["id"].removesuffix("_study")].append(line)
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted((source / "train").rglob("*.dcm")):
        files[path.stem].append(path)
    lines: dict[str, list[Line]] = defaultdict(list)
    for line in _lines(source / _IMAGES, ("id", "StudyInstanceUID")):
        lines[line["id"].removesuffix("_image")].append(line)
    items = [
        Item(
            image,
            partial(_read, source, image, listed, files.get(image, ()), studies),
            repr((listed, [studies.get(line["studyinstanceuid"]) for line in listed])),
            files.get(image, ()),
        )
        for image, listed in sorted(lines.items())
    ]
    problems = [Problem(image, f"{_IMAGES} does not list it") for image in files if image not in lines]
    seen = {line["studyinstanceuid"] for listed in lines.values() for line in listed}
    problems += [Problem(study, f"{_IMAGES} lists no image of this study") for study in studies if study not in seen]
    return Contents(items, FINDINGS, NEGATIVE, problems, "siim_covid")


def _lines(file: Path, columns: Iterable[str]) -> Iterable[Line]:
    return read_table(file, [column.lower() for column in columns])


def _read(
    source: Path, image: str, listed: Collection[Line], files: Collection[Path], studies: Mapping[str, Sequence[Line]]
) -> list[Case]:
    if len(listed) > 1:
        raise BadInput(f"{_IMAGES} lists it {len(listed)} times")
    if len(files) != 1:
        raise BadInput(f"it is listed, and train/ has {len(files) or 'no'} files of it")
    line, file = next(iter(listed)), next(iter(files))
    study = line["studyinstanceuid"]
    finding = _finding(study, studies)
    boxes = _boxes(line)
    if finding != NEGATIVE and not boxes:
        raise BadInput(f"its study is {finding!r}, and it has no boxes: what this image of it shows is not known")
    patient = read_header(file).fields.get(_PATIENT, "").strip()
    provenance = {
        "source": file.relative_to(source).as_posix(),
        "roi": f"{len(boxes)} boxes" if boxes else "",
        "study": study,
    }
    return [Case(image, file, finding, patient or study, boxes or None, provenance)]


def _finding(study: str, studies: Mapping[str, Sequence[Line]]) -> str:
    lines = studies.get(study, ())
    if not lines:
        raise BadInput(f"{_STUDIES} does not list its study {study}")
    found = [
        name
        for name in FINDINGS
        if any(not says_nothing(line[name.lower()]) and number(line[name.lower()]) == 1 for line in lines)
    ]
    if len(found) != 1:
        raise BadInput(f"{_STUDIES} gives its study {' and '.join(map(repr, found)) or 'no class'}, not one class")
    return found[0]


def _boxes(line: Line) -> list[Box]:
    """The boxes of the column `boxes`; where that says nothing, those of the column `label`."""
    text = line.get("boxes", "")
    if says_nothing(text):
        corners = [tuple(map(number, match)) for match in _OPACITY.findall(line.get("label", ""))]
        return [Box(left, top, right - left, bottom - top) for left, top, right, bottom in corners]
    try:
        return [Box(*(float(box[side]) for side in ("x", "y", "width", "height"))) for box in ast.literal_eval(text)]
    except (ValueError, SyntaxError, TypeError, KeyError) as error:
        raise BadInput(f"its boxes cannot be read: {text[:60]!r} is no list of x, y, width and height") from error
