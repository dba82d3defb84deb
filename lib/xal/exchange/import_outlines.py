"""Outlines that people drew elsewhere, taken over as regions: outlines without a finding.

A folder holds masks, each named like its image, and lists of boxes and polygons. Files are taken one at a time. What
was taken over before stays the annotation that it became, also if that was withdrawn, so that a command that was cut
off goes on where it was.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from xal.arrays import BoolArray
from xal.datasets.cases import painted_channels
from xal.datasets.outline_lists import SUFFIXES, Listed, painted, read_list
from xal.errors import BadInput, Conflict, Full, NoAnswer, NotFound, Refused, Unreadable
from xal.imaging.display import Screen, screen_of
from xal.imaging.images import Volume, fingerprint, image_id, label_as_nrrd, read_image, suffix_of
from xal.imaging.integrity import Kind, sniff
from xal.imaging.label_map import as_region
from xal.loop.reader import LONGEST_NAME
from xal.loop.submission import Submission, submit
from xal.pool.project import Project
from xal.store.rows import ImageRow
from xal.system.durable import is_full
from xal.task import REGION

PICTURE, SEGMENTATION = ".png", ".seg.nrrd"
VOLUMES = (".nii.gz", ".nii", ".nrrd")
IMAGE_ITSELF = "it is the image itself, not a mask of it"
Watch = Callable[[Sequence[Any]], Iterator[Any]]


@dataclass
class Imported:
    """What came of an import."""

    outlines: int = 0
    """Taken over now."""
    known: int = 0
    """Taken over earlier."""
    unusable: list[tuple[str, str]] = field(default_factory=list)
    """File, or image of a list → why it is not taken over."""

    def lines(self) -> list[str]:
        """For a person: what could not be used, by name, and how many could."""
        said = [f"{name}: {' '.join(reason.split())}" for name, reason in self.unusable]
        outlines = f"{self.outlines} outline{'' if self.outlines == 1 else 's'} imported"
        return [
            *said,
            f"{outlines}, {self.known} {'was' if self.known == 1 else 'were'} there before, "
            f"{len(self.unusable)} could not be used",
        ]


def import_outlines(project: Project, folder: Path, reader: str, watch: Watch = iter) -> Imported:
    """Take over what is outlined in a folder, in the name of a reader; the project's list of images is up to date."""
    check_takes_regions(project)
    if not reader.strip() or not reader.isprintable() or len(reader) > LONGEST_NAME:
        raise BadInput(f"--reader is a name of at most {LONGEST_NAME} printable characters, not {reader!r}")
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder")
    if folder.resolve() == Path(project.workspace.studies).resolve():
        raise BadInput(f"{folder} holds the images: put the outlines into a folder of their own")
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    if not files:
        raise BadInput(f"{folder} is empty")
    with tempfile.TemporaryDirectory(prefix="outlines-") as drafts:
        run = _Import(project, reader.strip(), Path(drafts) / "label.nrrd")
        lists = [file for file in files if file.suffix.lower() in SUFFIXES]
        for file in watch([file for file in files if file not in lists]):
            run.take_mask(file)
        for file in lists:
            run.take_list(file, watch)
    return run.imported


def check_takes_regions(project: Project) -> None:
    """Refuse where the task takes no outline without a finding."""
    if not project.task.regions:
        raise BadInput(f"task {project.task.name!r} takes no outline without a finding: it says regions: false")


class _Import:
    """One run."""

    def __init__(self, project: Project, reader: str, draft: Path) -> None:
        self.imported = Imported()
        self._project = project
        self._reader = reader
        self._draft = draft
        self._taken: dict[str, str] = {}
        """Image → the file that outlines it."""

    def take_mask(self, file: Path) -> None:
        """Take over a mask of one image."""
        with self._named(file.name):
            make = self._made_of(file)
            row = self._row(file.name[: -len(SEGMENTATION)] if _is_segmentation(file) else image_id(file.name) or "")
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            if digest == row.checksum:
                raise BadInput(IMAGE_ITSELF)
            self._take(row, file.name, digest, partial(make, file, row))

    def take_list(self, file: Path, watch: Watch) -> None:
        """Take over what a list outlines, image by image."""
        with self._named(file.name):
            if self._project.task.image.dimensions != 2:
                raise BadInput(
                    "boxes and polygons outline pictures, and the images of this task are volumes: they take masks "
                    "as .nii.gz, .nrrd or .seg.nrrd"
                )
            found = read_list(file)
            if not found:
                raise BadInput("it outlines nothing")
            for name, listed in watch(list(found.items())):
                with self._named(f"{file.name}: {name}".removesuffix(": ")):
                    if listed.trouble is not None:
                        raise BadInput(listed.trouble)
                    last = PurePosixPath(name.replace("\\", "/")).name
                    row = self._row(name, last, image_id(last))
                    self._take(row, file.name, listed.said(), partial(self._of_shapes, listed, row))

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """What is wrong with one must not keep the others from being taken over; what stops all of them, does."""
        try:
            yield
        except (Full, NoAnswer):
            raise
        except (Refused, Unreadable) as error:
            self.imported.unusable.append((name, str(error).removeprefix(f"{name}: ")))
        except OSError as error:
            if is_full(error):
                raise Full("there is no space left: what was imported stays, and the same command goes on") from error
            self.imported.unusable.append((name, error.strerror or str(error)))

    def _made_of(self, file: Path) -> Callable[[Path, ImageRow], bytes]:
        """How a file of this name becomes a label file."""
        if file.is_dir():
            raise BadInput("is a folder: put its files beside the others, or import it by itself")
        if _is_segmentation(file) or suffix_of(file.name) in VOLUMES:
            return lambda path, _: as_region(path)
        if suffix_of(file.name) == PICTURE:
            return self._of_picture
        raise BadInput("is no outline: masks are .png, .nii, .nii.gz, .nrrd or .seg.nrrd, lists are .csv or .json")

    def _row(self, *names: str | None) -> ImageRow:
        """The image that one of these is the id of, once its pixels are known."""
        rows = (self._found(name) for name in names if name)
        row = next((row for row in rows if row is not None), None)
        if row is None:
            raise NotFound(f"there is no image {(names[-1] or names[0])!r}")
        if row.state == "ok" and row.checksum is None:
            with suppress(Unreadable):  # its state tells
                self._project.learn(row)
            row = self._project.store.images.get(row.id)
        return row

    def _found(self, name: str) -> ImageRow | None:
        with suppress(NotFound):
            return self._project.store.images.get(name)
        return None

    def _take(self, row: ImageRow, file: str, content: str, make: Callable[[], bytes]) -> None:
        """Hand in what is outlined on an image, unless that was done before."""
        other = self._taken.get(row.id)
        if other is not None:
            raise Conflict(f"{other} outlines image {row.id!r}, too, and counts: put both outlines into one file")
        number = hashlib.sha256(repr(("outline", row.id, content)).encode()).hexdigest()
        annotations = self._project.store.annotations
        before = annotations.sent_before(row.id, self._reader, number)
        if before is None or before.file_problem is not None:
            if row.excluded:
                raise Conflict(f"image {row.id!r} is excluded: {row.excluded}")
            if row.state != "ok":
                raise Conflict(f"image {row.id!r} is {row.state}{f': {row.problem}' if row.problem else ''}")
            own = annotations.find(row.id, reader=self._reader, regions=True)
            if before is None and any(known.finding == REGION and known.source == "reader" for known in own):
                raise Conflict(f"{self._reader} has outlined image {row.id!r} here, and that counts")
            self._draft.write_bytes(make())
        submission = Submission(
            image=row.id,
            reader=self._reader,
            file=self._draft,
            finding=REGION,
            submission_id=number,
            source="import",
            origin="file",
            params={"file": file},
        )
        created = submit(self._project, submission).created
        self._taken[row.id] = file
        self.imported.outlines += created
        self.imported.known += not created

    def _of_picture(self, file: Path, row: ImageRow) -> bytes:
        """The label file of a mask that is a picture."""
        if sniff(file) is not Kind.PNG:
            raise BadInput("is called .png and is none: other pictures blur the edges of a mask")
        image, mask = self._project.volume(row), read_image(file)
        if fingerprint(mask) == fingerprint(image):
            raise BadInput(IMAGE_ITSELF)
        screen, width, height = _shown(image)
        if mask.shape != (width, height, 1):
            has = " × ".join(map(str, mask.shape[:2]))
            raise BadInput(f"it has {has} pixels, the image has {width} × {height}")
        drawn = np.any(painted_channels(mask.pixels) != 0, axis=0)[:, :, 0].T
        if not drawn.any():
            raise BadInput("nothing is painted")
        return _label(drawn, screen, image)

    def _of_shapes(self, listed: Listed, row: ImageRow) -> bytes:
        """The label file of boxes and polygons."""
        image = self._project.volume(row)
        screen, width, height = _shown(image)
        return _label(painted(listed, width, height), screen, image)


def _is_segmentation(file: Path) -> bool:
    return file.name.lower().endswith(SEGMENTATION)


def _shown(image: Volume) -> tuple[Screen, int, int]:
    """How a picture is shown, and its width and height there."""
    screen = screen_of(image.shape, image.affine)
    if image.shape[screen.through] != 1:
        slices = image.shape[screen.through]
        raise BadInput(f"the image is a volume of {slices} slices: it takes a mask as .nii.gz, .nrrd or .seg.nrrd")
    return screen, image.shape[screen.across], image.shape[screen.down]


def _label(drawn: BoolArray, screen: Screen, image: Volume) -> bytes:
    """What is drawn on the picture (rows, columns), as a label file that lies where the image does."""
    mask = np.expand_dims(screen.as_stored(drawn), screen.through)
    return label_as_nrrd(mask.astype(np.uint8), image.affine)
