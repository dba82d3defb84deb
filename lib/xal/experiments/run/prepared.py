"""A whole set, prepared once: every image and ROI as the network sees them, in files that all processes map.

Preparing is `geometry.prepare` and `geometry.roi_to_grid`, as in the server. A set larger than the memory works, too:
what is not looked at stays on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.format import open_memmap
from tqdm import tqdm

from xal.arrays import IntArray
from xal.datasets.truth import MASKS, TRUTH, TRUTH_FOLDER, Known, read_truth
from xal.errors import XalError
from xal.experiments.run.patterns import Patterns
from xal.imaging.geometry import prepare, roi_to_grid
from xal.imaging.images import read_image
from xal.model.judging import Case
from xal.model.training import Outlined
from xal.sources.folder import FolderSource
from xal.task import Task

_PREPARED = "prepared"


@dataclass(frozen=True)
class Prepared:
    """Images in the order of their ids."""

    ids: tuple[str, ...]
    findings: npt.NDArray[np.int64]
    groups: npt.NDArray[np.str_]
    images: npt.NDArray[np.float32]
    """(n, C, *size)."""
    rois: npt.NDArray[np.float32]
    """(n, *size): coverage; empty where nobody outlined anything."""
    task: Task
    digest: str
    """Of the truth and of how images are prepared."""
    patterns: Patterns | None = None
    """What is drawn into the images."""

    def inputs(self, positions: IntArray) -> npt.NDArray[np.float32]:
        """(n, C, *size): these images, as the network sees them."""
        images = self.images[positions]
        return images if self.patterns is None else self.patterns.drawn(images, positions)

    def case(self, position: int) -> Case:
        """One image with its truth."""
        roi = torch.from_numpy(self.rois[position])
        finding = self.task.finding_names[self.findings[position]]
        image = torch.from_numpy(self.inputs(np.array([position]))[0])
        return Case(self.ids[position], image, finding, roi if roi.any() else None)

    def cases(self, positions: IntArray, drawn: IntArray | None = None) -> Sequence[Case]:
        """Some of the images, each read when it is asked for; with the ROIs of those in `drawn`, or with all."""
        return _Cases(self, positions, None if drawn is None else frozenset(drawn.tolist()))

    def outlined(self, positions: IntArray) -> Sequence[Outlined]:
        """Some of the images with their ROIs alone, each read when it is asked for."""
        return _Outlined(self, positions)

    @cached_property
    def areas(self) -> npt.NDArray[np.float64]:
        """(n,): the share of the image that is ROI."""
        return np.array([roi.mean(dtype=np.float64) for roi in self.rois])


class _Cases(Sequence[Case]):
    def __init__(self, prepared: Prepared, positions: IntArray, drawn: frozenset[int] | None) -> None:
        self._prepared, self._positions, self._drawn = prepared, positions, drawn

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Case: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Case]: ...
    def __getitem__(self, index: int | slice) -> Case | Sequence[Case]:
        if isinstance(index, slice):
            return _Cases(self._prepared, self._positions[index], self._drawn)
        position = int(self._positions[index])
        case = self._prepared.case(position)
        return case if self._drawn is None or position in self._drawn else replace(case, roi=None)


class _Outlined(Sequence[Outlined]):
    def __init__(self, prepared: Prepared, positions: IntArray) -> None:
        self._prepared, self._positions = prepared, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Outlined: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outlined]: ...
    def __getitem__(self, index: int | slice) -> Outlined | Sequence[Outlined]:
        if isinstance(index, slice):
            return _Outlined(self._prepared, self._positions[index])
        case = self._prepared.case(int(self._positions[index]))
        assert case.roi is not None
        return Outlined(case.image_id, case.tensor, case.roi)


def list_set(studies: Path, task: Task) -> list[Known]:
    """What is known of the images of a folder that `xal import` filled, in the order of their ids."""
    folder = studies / TRUTH_FOLDER
    truth = read_truth(folder)
    unknown = sorted({known.finding for known in truth.values()} - set(task.finding_names))
    if unknown:
        raise XalError(
            f"{folder / TRUTH} has finding {unknown[0]!r}; task {task.name} knows {', '.join(task.finding_names)}"
        )
    return [truth[image] for image in sorted(truth)]


def findings_and_groups(known: Sequence[Known], task: Task) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """Of each image: what it shows, as the network numbers it, and whose it is."""
    return np.array([task.index(one.finding) for one in known], np.int64), np.array([one.group for one in known])


def prepare_set(studies: Path, task: Task) -> Prepared:
    """Open the prepared set of a folder that `xal import` filled, making it first where needed."""
    known = list_set(studies, task)
    digest = set_digest(studies, task)
    target = studies / TRUTH_FOLDER / _PREPARED / digest
    if not (target / "rois.npy").is_file():
        _prepare(studies, known, task, target)
    findings, groups = findings_and_groups(known, task)
    return Prepared(
        ids=tuple(one.image for one in known),
        findings=findings,
        groups=groups,
        images=np.load(target / "images.npy", mmap_mode="c"),
        rois=np.load(target / "rois.npy", mmap_mode="c"),
        task=task,
        digest=digest,
    )


def _prepare(studies: Path, known: Sequence[Known], task: Task, target: Path) -> None:
    """Write images, then ROIs; a process that is killed leaves drafts, which nobody takes for the whole."""
    target.mkdir(parents=True, exist_ok=True)
    files = {file.id: studies / file.path for file in FolderSource(studies).scan()}
    missing = [one.image for one in known if one.image not in files]
    if missing:
        raise XalError(f"{len(missing)} images of the truth are not in {studies}: {', '.join(missing[:5])} …")
    shape = (len(known), task.image.channels, *task.image.size)
    drafts = [target / f"{name}.{os.getpid()}.npy" for name in ("images", "rois")]
    images, rois = (
        _new_array(draft, size) for draft, size in zip(drafts, (shape, (shape[0], *shape[2:])), strict=True)
    )
    for position, one in enumerate(_with_bar(known)):
        volume = read_image(files[one.image])
        images[position] = prepare(volume, task).tensor.numpy()
        roi = one.roi()
        if roi is not None:
            rois[position] = roi_to_grid(roi, volume.affine, task)
    images.flush()
    rois.flush()
    drafts[0].replace(target / "images.npy")
    drafts[1].replace(target / "rois.npy")


def _new_array(file: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.float32]]:
    array: np.memmap[Any, np.dtype[np.float32]] = open_memmap(file, "w+", np.float32, shape)  # type: ignore[no-untyped-call]  # numpy's own
    return array


def _with_bar(known: Sequence[Known]) -> Iterator[Known]:
    yield from tqdm(known, desc="preparing images", unit="image", dynamic_ncols=True, disable=None)


def set_digest(studies: Path, task: Task) -> str:
    """Other truth, files of other sizes, or another way of preparing is another set."""
    truth = studies / TRUTH_FOLDER
    how = task.image.model_dump(mode="json", exclude={"display_channel"})
    images = [(file.path, file.size) for file in FolderSource(studies).scan()]
    masks = [(path.name, path.stat().st_size) for path in sorted((truth / MASKS).glob("*"))]
    content = json.dumps([how, task.finding_names, images, masks], sort_keys=True).encode()
    return hashlib.sha256((truth / TRUTH).read_bytes() + content).hexdigest()[:16]
