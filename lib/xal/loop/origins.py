"""Where an outline comes from: the one place that answers, for what readers hand in and for the ROIs of a score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from xal.errors import BadInput
from xal.pool.project import Project
from xal.store.listing import Point
from xal.store.rows import AnnotationRow, ImageRow
from xal.store.settling import annotations_in, is_of_archive
from xal.task import ATTENTION_BANDS

Origin = Literal["slicer", "page", "rest", "archive", "file"]
"""3D Slicer; the page; another program that speaks REST; an object of the archive; a file that was taken over."""
ORIGIN = "origin"
"""What a client says it with, and what it is kept under in an annotation's `params`."""
ORIGINS: tuple[Origin, ...] = get_args(Origin)


def said_origin(params: Mapping[str, Any]) -> Origin:
    """Of a label that a client hands in. The page says it; Slicer's module does not, and is known by its segments."""
    said = params.get(ORIGIN)
    if said is None:
        return "slicer" if _is_slicers(params.get("label_info") or ()) else "rest"
    if said not in ORIGINS:
        raise BadInput(f"{ORIGIN} must be one of {', '.join(ORIGINS)}, not {said!r}")
    return next(origin for origin in ORIGINS if origin == said)


def origin_of(annotation: AnnotationRow) -> Origin:
    """Of an annotation; of one that an earlier version stored, by what else it kept."""
    said = annotation.params.get(ORIGIN)
    for origin in ORIGINS:
        if said == origin:
            return origin
    if annotation.source == "import":
        return "file"
    if _is_slicers(annotation.label_info):
        return "slicer"
    return "page" if annotation.submission_id else "rest"  # of the stock clients, the page alone numbers what it sends


def roi_origins(project: Project, roi_keys: Mapping[str, str | None]) -> dict[str, list[Origin]]:
    """Image → origins of the drawn ROIs that its score is made of, by the key that names these; each origin once."""
    numbers = {image: annotations_in(key) for image, key in roi_keys.items() if key}
    rows = project.store.listing.annotations(sorted({number for some in numbers.values() for number in some}))
    of_annotation = {row.id: origin_of(row) for row in rows}
    found: dict[str, list[Origin]] = {}
    for image, some in numbers.items():
        known = {of_annotation[number] for number in some if number in of_annotation}
        if is_of_archive(roi_keys[image]):
            known.add("archive")
        found[image] = [origin for origin in ORIGINS if origin in known]
    return found


def score_origins(project: Project, images: Iterable[ImageRow | Point]) -> dict[str, list[Origin]]:
    """The same of those of the images whose score has a drawn ROI, as the model has read them."""
    drawn = [image.id for image in images if image.roi_source == "drawn"]
    said = project.store.listing.predictions(drawn)
    return roi_origins(project, {image: prediction.roi_key for image, prediction in said.items()})


def roi_origin(project: Project, roi_source: str | None, roi_key: str | None) -> list[Origin] | None:
    """The same of one score; None where its ROI was not drawn."""
    return roi_origins(project, {"": roi_key}).get("") if roi_source == "drawn" else None


def _is_slicers(label_info: Sequence[Mapping[str, Any]]) -> bool:
    """Slicer's module hands in every segment that it has, and has those of the attention: nobody else paints there."""
    return any(entry.get("name") in ATTENTION_BANDS for entry in label_info)
