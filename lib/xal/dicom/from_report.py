"""What people outlined in a structured report, on the voxels of an image.

Closed shapes of SCOORD and SCOORD3D content items. Those of one measurement group are one region, as in TID 1410 and
1411; any other is a region of its own. SCOORD counts from the top left corner of the top left pixel, so the centre of
pixel (i, j) is at i + 0.5, j + 0.5 (PS3.3 C.18.6); SCOORD3D is in patient coordinates (C.18.9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from xal.arrays import FloatArray
from xal.dicom.drawing import Drawing, Drawn, Effort
from xal.dicom.series import Series
from xal.dicom.values import items, name, numbers, required_text, text
from xal.errors import BadInput

_Code = tuple[str | None, str | None]
_OBSERVER_TYPE: _Code = ("121005", "DCM")
_PERSON: _Code = ("121006", "DCM")
_MEASUREMENT_GROUP: _Code = ("125007", "DCM")
_FINDING: _Code = ("121071", "DCM")
_TRACKING: _Code = ("112039", "DCM")
_ALGORITHM: frozenset[_Code] = frozenset({("111000", "DCM"), ("111001", "DCM"), ("111003", "DCM")})
"""Algorithm family, name and version: TID 4019."""
_OUTSIDE = 1.0
"""How far a point may lie outside of the image, in pixels."""
_SAME_POINT = 1e-3
"""Pixels between two corners that are one."""
_SAME_CENTRE = 0.1
"""How far apart the centres of an ellipse's axes may lie, as a share of the longer one."""
_POINTS = {"CIRCLE": 2, "ELLIPSE": 4}
_NO_AREA = {"POINT", "MULTIPOINT"}


@dataclass(frozen=True)
class _Shape:
    """A content item with coordinates, and the measurement group or item it is a region of."""

    item: Dataset
    whole: Dataset


def regions_of_report(dataset: Dataset, series: Series) -> Drawn:
    """One region for each measurement group with a closed shape in the image, unless a device or algorithm drew it."""
    evidence = _evidence(dataset)
    drawn, effort, origin = Drawn(), Effort(), required_text(dataset, "SOPInstanceUID")
    for whole, shapes in _wholes(dataset):
        label = _label(whole)
        with drawn.roi(label):
            drawing = Drawing(series.shape, effort)
            for shape in shapes:
                if required_text(shape, "ValueType") == "SCOORD":
                    _draw_on_images(shape, series, drawing)
                else:
                    _draw_in_space(shape, series, evidence, drawing)
            region = drawing.region(label, origin)
            if region is not None:
                drawn.regions.append(region)
    return drawn


def _evidence(dataset: Dataset) -> set[str]:
    """The series that the report says it is about."""
    return {
        required_text(named, "SeriesInstanceUID")
        for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in items(dataset, keyword)
        for named in items(study, "ReferencedSeriesSequence")
    }


def _wholes(dataset: Dataset) -> list[tuple[Dataset, list[Dataset]]]:
    """Measurement groups, and items of none, with the shapes that people drew of them, in the order of the report."""
    wholes: dict[int, tuple[Dataset, list[Dataset]]] = {}
    for shape in _shapes(dataset):
        wholes.setdefault(id(shape.whole), (shape.whole, []))[1].append(shape.item)
    return list(wholes.values())


def _shapes(dataset: Dataset) -> Iterator[_Shape]:
    """The coordinates that people drew, in the order of the report."""
    waiting: list[tuple[Dataset, Dataset | None, bool]] = [(dataset, None, True)]
    while waiting:
        item, group, by_person = waiting.pop()
        children = items(item, "ContentSequence")
        named = [(_name(child), child) for child in children]
        # An algorithm under a NUM only measured what somebody drew.
        if text(item, "ValueType") != "NUM" and any(concept in _ALGORITHM for concept, _ in named):
            continue
        observers = [_code(child, "ConceptCodeSequence") for concept, child in named if concept == _OBSERVER_TYPE]
        by_person = _PERSON in observers if observers else by_person
        if _name(item) == _MEASUREMENT_GROUP:
            group = item
        if by_person and text(item, "ValueType") in ("SCOORD", "SCOORD3D"):
            yield _Shape(item, item if group is None else group)
        waiting.extend((child, group, by_person) for child in reversed(children))


def _draw_on_images(item: Dataset, series: Series, drawing: Drawing) -> None:
    references = [
        reference
        for child in items(item, "ContentSequence")
        if text(child, "ValueType") == "IMAGE"
        for reference in items(child, "ReferencedSOPSequence")
    ]
    named = set().union(*(series.named(reference) for reference in references))
    kind = required_text(item, "GraphicType")
    if not named or kind in _NO_AREA:
        return
    if text(item, "PixelOriginInterpretation") == "VOLUME":
        raise BadInput("a shape is drawn on the total pixel matrix of a tiled image")
    points = _points(item, 2)
    if (points < -_OUTSIDE).any() or (points > np.array(series.shape[:2]) + _OUTSIDE).any():
        raise BadInput("a shape reaches beyond the image")
    for k in sorted(named):
        _draw(kind, points - 0.5, k, drawing)


def _draw_in_space(item: Dataset, series: Series, evidence: set[str], drawing: Drawing) -> None:
    space = required_text(item, "ReferencedFrameOfReferenceUID")
    kind = required_text(item, "GraphicType")
    if space != series.frame_of_reference or (evidence and series.uid not in evidence) or kind in _NO_AREA:
        return
    voxels = series.voxels(_points(item, 3))
    k = series.plane_of(voxels)
    if k is not None:
        _draw(kind, voxels[:, :2], k, drawing)
    elif len(evidence) <= 1 and not (kind == "POLYLINE" and not _is_closed(voxels)):
        raise BadInput("a shape lies on no plane of the image: between them, beyond them or across them")


def _draw(kind: str, points: FloatArray, k: int, drawing: Drawing) -> None:
    """Fill a closed shape, given in voxel coordinates (n, 2); an open line has nothing to fill."""
    if kind in _POINTS and len(points) != _POINTS[kind]:
        raise BadInput(f"{kind} has {len(points)} points, not {_POINTS[kind]}")
    if kind == "CIRCLE":
        radius = float(np.linalg.norm(points[1] - points[0]))
        drawing.ellipse(k, points[0], np.array([radius, 0.0]), np.array([0.0, radius]))
    elif kind == "ELLIPSE":
        half = (points[1] - points[0]) / 2, (points[3] - points[2]) / 2
        centres = (points[0] + points[1]) / 2, (points[2] + points[3]) / 2
        if np.linalg.norm(centres[0] - centres[1]) > _SAME_CENTRE * 2 * max(np.linalg.norm(axis) for axis in half):
            raise BadInput("the axes of an ELLIPSE do not cross in their middle")
        drawing.ellipse(k, centres[0], *half)
    elif kind == "POLYGON" or (kind == "POLYLINE" and _is_closed(points)):
        if len(points) < 3 + _is_closed(points):
            raise BadInput(f"a closed {kind} has {len(points)} points")
        drawing.polygons(k, [points])
    elif kind == "POLYLINE":
        corners = _rectangle(points)
        if corners is not None:
            drawing.polygons(k, [corners])
    else:
        raise BadInput("GraphicType is not POLYLINE, POLYGON, CIRCLE, ELLIPSE, POINT or MULTIPOINT")


def _points(item: Dataset, dimensions: int) -> FloatArray:
    values = numbers(item, "GraphicData")
    if values is None or values.size % dimensions:
        raise BadInput(f"a shape has {0 if values is None else values.size} coordinates, not {dimensions} a point")
    return values.reshape(-1, dimensions)


def _is_closed(points: FloatArray) -> bool:
    return len(points) > 2 and bool(np.abs(points[0] - points[-1]).max() <= _SAME_POINT)


def _rectangle(points: FloatArray) -> FloatArray | None:
    """Four points as the corners of a rectangle, in order round it; None if they are not. Viewers leave it open."""
    if len(points) != 4:
        return None
    arms = points - points.mean(axis=0)
    arms = arms[np.argsort(np.arctan2(arms[:, 1], arms[:, 0]))]
    length = np.linalg.norm(arms, axis=1)
    off = max(float(np.ptp(length)), float(np.abs(arms[:2] + arms[2:]).max()))
    return arms + points.mean(axis=0) if off <= 0.01 * float(length.max()) else None


def _label(whole: Dataset) -> str | None:
    """What its author called a region, as far as that can be read."""
    try:
        return _stated_label(whole)
    except BadInput:
        return None


def _stated_label(whole: Dataset) -> str | None:
    """Its finding, else its tracking identifier, else what the shape is said to be."""
    children = items(whole, "ContentSequence")
    for child in children:
        if _name(child) == _FINDING:
            codes = items(child, "ConceptCodeSequence")
            return name(codes[0], "CodeMeaning") if codes else None
    for child in children:
        if _name(child) == _TRACKING:
            return name(child, "TextValue")
    names = items(whole, "ConceptNameCodeSequence")
    return name(names[0], "CodeMeaning") if names else None


def _name(item: Dataset) -> _Code:
    return _code(item, "ConceptNameCodeSequence")


def _code(item: Dataset, sequence: str) -> _Code:
    codes = items(item, sequence)
    return (text(codes[0], "CodeValue"), text(codes[0], "CodingSchemeDesignator")) if codes else (None, None)
