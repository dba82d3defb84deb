"""One image: what it is, what a browser shows of it, and what the model made of it."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from xal.errors import Conflict, Forbidden, NotFound, Unreadable
from xal.imaging.images import Header
from xal.imaging.nifti import FAST, nifti
from xal.loop.blind import BLIND, may_see, score_alone
from xal.loop.origins import ORIGINS, Origin, origin_of
from xal.loop.outlining import wants_outline
from xal.loop.reader import Reader
from xal.loop.shown import Shown, mask_of, note, shown_region
from xal.loop.why import Explanation, explain, standing_prediction
from xal.pool.label_check import checked_label
from xal.pool.project import Project
from xal.pool.views import attention_nifti, display_file, header_of, thumbnail_file
from xal.server.api.common import (
    AnnotationReply,
    Asker,
    LeaseReply,
    Number,
    Reply,
    annotation_reply,
    lease_reply,
    rounded,
)
from xal.server.files import A_WHILE, ASK_AGAIN, FOR_GOOD, GZIP, PNG, send_file, send_made
from xal.store.rows import AnnotationRow, ImageRow, ImageStatus
from xal.store.settling import same_pixels
from xal.system.turns import one_request
from xal.task import REGION

OF_THIS_FILE = "the image's checksum: then the file may be kept for good, and the volume of another file is refused"
Version = Annotated[str | None, Query(description=OF_THIS_FILE)]


class Said(AnnotationReply):
    """What somebody handed in."""

    active: bool
    """It is that reader's latest one that was not withdrawn."""
    own: bool
    origin: Origin
    """With what it was drawn, or what it was taken over from."""
    of_these_pixels: bool
    """It was drawn on the pixels that the image has now."""


class DrawerReply(Reply):
    """Who drew an outline that is shown."""

    reader: str | None
    """Null: whoever drew what the archive has."""
    origin: Origin


class ShownRegion(Reply):
    """What others outlined without a finding: `region.nii.gz`."""

    drawers: list[DrawerReply]


class ImageView(Reply):
    """An image, without what the model or other readers made of it as long as the asker reads blind."""

    id: str
    status: ImageStatus
    finding: str | None
    """The settled one."""
    excluded: str | None
    excluded_by: str | None
    problem: str | None
    score: float | None
    uncertainty: float | None
    misalignment: float | None
    roi_source: str | None
    alpha: float
    model_version: int | None
    lease: LeaseReply | None
    outline_wanted: bool
    """Of who reads it; else the finding alone is asked for, and an outline is welcome."""
    may_see: bool
    own: AnnotationReply | None
    """What the asker has handed in, as it stands."""
    own_region: Said | None
    """What the asker outlined without naming a finding."""
    shown_region: ShownRegion | None
    """What the asker is shown to be corrected; null unless the task says `show_regions`."""
    checksum: str | None
    """Of the bytes of `/datastore/image`; as `?v=` it makes the image's files ones to keep for good."""
    fingerprint: str | None
    """Of the pixels, once they were read: two files with the same one show the same."""
    shape: tuple[int, int, int] | None
    """Voxels along the image's own axes; None where it cannot be read."""
    spacing: tuple[float, float, float] | None
    """Millimetres."""


class Thought(Reply):
    """What the model thought of an image."""

    sentence: str
    chosen: bool
    chosen_by: str | None
    """The method by which Next Sample gave it to its reader; null where it did not, or did not say."""
    finding: str
    """The predicted one."""
    probabilities: dict[str, float]
    uncertainty: float
    misalignment: float | None
    overlap: float | None
    energy: float | None
    roi_source: str
    roi_origin: list[Origin] | None
    """Where the ROI was drawn, each origin once; null where it was not drawn, or where that is not known."""
    roi_confidence: float | None
    alpha: float
    score: float | None
    model_version: int
    attention_version: int | None
    """Whose attention `attention.nii.gz` is: another one's than `model_version`, once the image was read again."""


class Why(Reply):
    """What the model and the readers made of an image."""

    thought: Thought | None
    """None: no model had read it."""
    annotations: list[Said]


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/images/{image}", summary="What is known of an image, as far as the asker may know it")
    def view(image: str, reader: Asker) -> ImageView:
        return _image_view(project, reader, image)

    @router.get("/images/{image}/volume.nii.gz", summary="The display channel", **_file(GZIP))
    def volume(request: Request, image: str, reader: Asker, v: Version = None) -> Response:
        before = _readable(project, image)
        with one_request():
            file = display_file(project, before)
        now = store.images.get(image)
        if v is not None and not _is(now, v) and not (_is(before, v) and before.fingerprint == now.fingerprint):
            # else it would be drawn on as the old one
            raise Conflict(f"image {image!r} was replaced just now: open it again")
        return send_file(request, file, GZIP, _keep(now, v, ASK_AGAIN))

    @router.get("/images/{image}/thumbnail.png", summary="The middle slice of the display channel, small", **_file(PNG))
    def thumbnail(request: Request, image: str, reader: Asker, v: Version = None) -> Response:
        with one_request():
            file = thumbnail_file(project, _readable(project, image))
        return send_file(request, file, PNG, _keep(store.images.get(image), v, A_WHILE))

    @router.get("/images/{image}/attention.nii.gz", summary="Where the model looks, 0 to 1", **_file(GZIP))
    def attention(request: Request, image: str, reader: Asker) -> Response:
        row = _seen_by(project, reader, image)
        prediction = standing_prediction(project, row)
        if prediction is None:
            raise NotFound(f"no model has read image {image!r} as it is now")
        made_of = (prediction.version, prediction.fingerprint, prediction.finding, prediction.created_at)

        def make() -> bytes:
            return attention_nifti(prediction.attention, header_of(project, row), project.task)

        return send_made(request, made_of, make, GZIP, ASK_AGAIN)

    @router.get("/images/{image}/why", summary="What the model thought of an image, and why it was chosen")
    def why(image: str, reader: Asker) -> Why:
        row = _seen_by(project, reader, image)
        found = explain(project, reader, row)
        known = store.annotations.find(image, active_only=False, regions=True)
        annotations = [_said(said, reader, row) for said in known]
        return Why(thought=None if found is None else _thought(project, found), annotations=annotations)

    @router.get(
        "/images/{image}/region.nii.gz",
        summary="What others outlined without a finding, where the task shows it to be corrected",
        **_file(GZIP),
    )
    def region(request: Request, image: str, reader: Asker) -> Response:
        row = store.images.get(image)
        if not project.task.shows_regions:
            raise Forbidden(BLIND)
        shown = shown_region(project, reader.name, image)
        mask = None if shown is None else mask_of(project, shown)
        if shown is None or mask is None:
            raise NotFound(f"nobody else has outlined image {image!r} without a finding")
        note(project, reader.name, image, shown)
        voxels, affine = mask
        made_of = (store.pool, row.fingerprint, shown)
        return send_made(request, made_of, lambda: nifti(voxels.astype(np.uint8), affine, FAST), GZIP, ASK_AGAIN)

    @router.get("/annotations/{annotation}/mask.nii.gz", summary="What a reader outlined", **_file(GZIP))
    def mask(request: Request, annotation: Number, reader: Asker) -> Response:
        row = store.annotations.get(annotation)
        if row.reader != reader.name and not may_see(project, reader, row.image):
            raise Forbidden(BLIND)
        path = checked_label(project, row)
        # the number alone names nothing for good: another pool, or a restored backup, gives it to another annotation
        return send_file(request, path, GZIP, ASK_AGAIN, content=(store.pool, row.id, row.digest))


def _file(media_type: str) -> dict[str, Any]:
    """What the OpenAPI document says of a route that sends a file."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"response_class": Response, "responses": {200: {"content": content}}}


def _readable(project: Project, image: str) -> ImageRow:
    row = project.store.images.get(image)
    if row.state == "unreadable":
        raise Conflict(f"image {image!r} cannot be read: {row.problem}")
    return row


def _seen_by(project: Project, reader: Reader, image: str) -> ImageRow:
    """The image, for a reader who may know what was made of it."""
    row = project.store.images.get(image)
    if not may_see(project, reader, image):
        raise Forbidden(BLIND)
    return row


def _keep(now: ImageRow, version: str | None, otherwise: str) -> str:
    """How long a client may keep a file, by the image's row once it was made."""
    return FOR_GOOD if _is(now, version) else otherwise


def _is(row: ImageRow, version: str | None) -> bool:
    """Whether the image's file is of this checksum."""
    return version is not None and version.removeprefix("SHA256:") == row.checksum


def _geometry(project: Project, row: ImageRow) -> Header | None:
    """Shape and place; None where the file cannot be read, as the image's row says from then on."""
    if row.state != "ok":
        return None
    try:
        return header_of(project, row)
    except (Unreadable, NotFound):
        return None


def _spacing(geometry: Header) -> tuple[float, float, float]:
    x, y, z = np.linalg.norm(geometry.affine[:3, :3], axis=0).tolist()
    return x, y, z


def _image_view(project: Project, reader: Reader, image: str) -> ImageView:
    geometry = _geometry(project, project.store.images.get(image))
    row = project.store.images.get(image)
    lease = project.store.listing.leases_of([image]).get(image)
    mine = project.store.annotations.find(image, reader=reader.name, regions=True)
    own = next((row for row in reversed(mine) if row.finding != REGION), None)
    region = next((row for row in reversed(mine) if row.finding == REGION), None)
    seen = may_see(project, reader, image)
    outline_wanted = wants_outline(project, row)
    row = row if seen else score_alone(project, row)
    shown = shown_region(project, reader.name, image)
    if shown is not None:
        note(project, reader.name, image, shown)
    return ImageView(
        id=row.id,
        status=row.status,
        finding=row.finding if seen else None,
        excluded=row.excluded,
        excluded_by=row.excluded_by,
        problem=row.problem,
        score=rounded(row.score),
        uncertainty=rounded(row.uncertainty),
        misalignment=rounded(row.misalignment),
        roi_source=row.roi_source,
        alpha=project.alpha(),
        model_version=row.version,
        lease=lease_reply(lease) if lease else None,
        outline_wanted=outline_wanted,
        may_see=seen,
        own=annotation_reply(own, seen=True) if own else None,
        own_region=_said(region, reader, row) if region else None,
        shown_region=_shown(shown),
        checksum=row.checksum,
        fingerprint=row.fingerprint,
        shape=None if geometry is None else geometry.shape,
        spacing=None if geometry is None else _spacing(geometry),
    )


def _shown(shown: Shown | None) -> ShownRegion | None:
    if shown is None:
        return None
    return ShownRegion(drawers=[DrawerReply(reader=one.reader, origin=one.origin) for one in shown.drawers])


def _said(row: AnnotationRow, reader: Reader, image: ImageRow) -> Said:
    return Said(
        **dict(annotation_reply(row, seen=True)),
        active=row.active,
        own=row.reader == reader.name,
        origin=origin_of(row),
        of_these_pixels=same_pixels(row.fingerprint, image.fingerprint),
    )


def _thought(project: Project, found: Explanation) -> Thought:
    thought = found.thought
    said = thought.probabilities
    return Thought(
        sentence=found.sentence,
        chosen=thought.chosen,
        chosen_by=thought.chosen_by,
        finding=thought.finding,
        probabilities={name: rounded(said[name]) for name in project.task.finding_names if name in said},
        uncertainty=rounded(thought.uncertainty),
        misalignment=rounded(thought.misalignment),
        overlap=rounded(thought.overlap),
        energy=rounded(thought.energy),
        roi_source=thought.roi_source,
        roi_origin=None if thought.roi_origin is None else [one for one in ORIGINS if one in thought.roi_origin],
        roi_confidence=rounded(thought.roi_confidence),
        alpha=project.alpha(),
        score=rounded(found.score),
        model_version=thought.model_version,
        attention_version=found.attention_version,
    )
