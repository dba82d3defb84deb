"""What a browser is shown of one image: its display channel and a thumbnail, kept in the cache, and the attention.

A browser opens NIfTI only, and places it in space by simpler rules than ITK. So it is sent the file that other clients
are sent where both read the same in it, and else a copy that leaves no choice.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from xal.arrays import AnyArray, FloatArray
from xal.errors import NotFound
from xal.imaging.display import thumbnail
from xal.imaging.geometry import grid_to_image
from xal.imaging.images import Header, Volume, read_header, read_image
from xal.imaging.integrity import Kind, sniff
from xal.imaging.nifti import FAST, compact, nifti
from xal.pool.copies import NIFTI, PNG
from xal.pool.project import Project
from xal.store.rows import ImageRow
from xal.task import Task

THUMBNAIL_SIDE = 96
FINEST = {2: 256, 3: 128}
"""Voxels per axis that an attention map is spread over at most: several to a cell, and still made in milliseconds."""


def header_of(project: Project, row: ImageRow) -> Header:
    """The geometry of an image as clients are sent it."""
    return read_header(project.served(row)[0])


def display_file(project: Project, row: ImageRow) -> Path:
    """The display channel as NIfTI, in the image's own voxels and affine."""
    served, _ = project.served(row)
    if _leaves_no_choice(served):
        return served

    def make() -> bytes:
        shown = _shown(project, row, served)
        return nifti(compact(shown.pixels[0]), shown.affine)

    return project.copy(row, "display", NIFTI, make)


def thumbnail_file(project: Project, row: ImageRow) -> Path:
    """The middle slice of the display channel as a small PNG."""

    def make() -> bytes:
        shown = _shown(project, row, project.served(row)[0])
        picture = io.BytesIO()
        thumbnail(shown.pixels[0], shown.affine, THUMBNAIL_SIDE).save(picture, "PNG")
        return picture.getvalue()

    return project.copy(row, "thumbnails", PNG, make)


def attention_nifti(attention: AnyArray, header: Header, task: Task) -> bytes:
    """A map of the feature grid in the image's space, over the whole of the image, in voxels of float32."""
    field = coarser(header.shape, header.affine, FINEST[task.image.dimensions])
    spread = grid_to_image(attention.astype(np.float32), field, task, "linear")
    return nifti(np.clip(spread, 0, 1).astype(np.float32), field.affine, FAST)


def coarser(shape: tuple[int, int, int], affine: FloatArray, finest: int) -> Volume:
    """An empty volume of the same field with at most `finest` voxels per axis; the centres of its voxels shift."""
    x, y, z = (min(count, finest) for count in shape)
    scale = np.array(shape) / (x, y, z)
    onto = np.diag([*scale, 1.0])
    onto[:3, 3] = (scale - 1) / 2
    return Volume(np.broadcast_to(np.float32(0), (1, x, y, z)), affine @ onto)


def _shown(project: Project, row: ImageRow, served: Path) -> Volume:
    shown = read_image(served)
    if not project.source.still_is(row):
        raise NotFound(f"the file of image {row.id!r} was replaced just now: ask again in some seconds")
    return shown


def _leaves_no_choice(path: Path) -> bool:
    """Whether this is NIfTI whose affine is ITK's by the rules of browsers, too: they go by the sform first."""
    if sniff(path) is not Kind.NIFTI:
        return False
    header = read_header(path)
    sform, qform = (int(header.fields.get(f"{name}_code", "0")) for name in ("sform", "qform"))
    if sform < 1 or qform > sform:
        return False
    stated = [[float(number) for number in header.fields[f"srow_{axis}"].split()] for axis in "xyz"]
    return np.allclose(stated, header.affine[:3], rtol=1e-4, atol=1e-3)
