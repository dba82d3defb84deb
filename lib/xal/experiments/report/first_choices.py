"""The first images that an arm asked for, and where its model looked. These pictures stay with the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from xal.datasets.truth import TRUTH_FOLDER, Known, read_truth
from xal.errors import XalError
from xal.experiments.report.style import OUTLINE, RIGHT, SOFT, WRONG, band_colours, bare, new_figure, picture
from xal.imaging.geometry import grid_to_image
from xal.imaging.images import read_image
from xal.method.attention import bands
from xal.sources.folder import FolderSource
from xal.task import ATTENTION_LEVELS, Task

_COLUMNS = 7


@dataclass(frozen=True)
class Gallery:
    """The images of a set, by their position among its sorted ids."""

    known: tuple[Known, ...]
    files: Mapping[str, Path]
    task: Task


def open_gallery(studies: Path, task: Task) -> Gallery | None:
    """The set's images; None where they are not on this machine."""
    try:
        truth = read_truth(studies / TRUTH_FOLDER)
        files = {file.id: studies / file.path for file in FolderSource(studies).scan()}
    except (XalError, OSError):
        return None
    if not truth.keys() <= files.keys():
        return None
    return Gallery(tuple(truth[image] for image in sorted(truth)), files, task)


def first_picks(look: Path, gallery: Gallery) -> Figure:
    """The images in the order of choice, attention over them, their ROIs outlined."""
    with np.load(look) as saved:
        looks = {name: saved[name] for name in saved.files}
    count = len(looks["picked"])
    rows = -(-(count + 1) // _COLUMNS)
    figure = new_figure(12, 2.05 * rows)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    figure.subplots_adjust(left=0.005, right=0.995, top=0.995, bottom=0.055 * 3 / rows, hspace=0.24, wspace=0.05)
    for place, (axes, position) in enumerate(zip(grid, looks["picked"], strict=False)):
        known = gallery.known[int(position)]
        _show(axes, known, gallery, looks["attention"][place].astype(np.float32))
        right = str(looks["predicted"][place]) == known.finding
        misaligned = float(looks["misalignment"][place])
        said = "–" if np.isnan(misaligned) else f"{misaligned:.2f}"
        axes.set_xlabel(
            f"{'✓' if right else '✗'} {known.finding}\nu {float(looks['uncertainty'][place]):.2f}  m {said}",
            size=8.5,
            color=RIGHT if right else WRONG,
            labelpad=3,
        )
    _legend(grid[count])
    for axes in grid[count + 1 :]:
        axes.set_visible(False)
    return figure


def _show(axes: Axes, known: Known, gallery: Gallery, attention: npt.NDArray[np.float32]) -> None:
    """One image; of a volume the slice with most of the ROI."""
    volume = read_image(gallery.files[known.image])
    roi = known.roi()
    spread = bands(grid_to_image(attention, volume, gallery.task))
    middle = volume.shape[2] // 2
    cut = middle if roi is None or not roi.any() else int(roi.sum(axis=(0, 1)).argmax())
    shown = volume.pixels[gallery.task.image.display_channel if len(volume.pixels) > 1 else 0]
    picture(axes, shown[:, :, cut], None if roi is None else roi[:, :, cut], spread[:, :, cut])


def _legend(axes: Axes) -> None:
    bare(axes)
    colours = band_colours()
    patches = [Patch(fc="none", ec=OUTLINE, lw=1.4, label="ROI of the truth")]
    patches += [
        Patch(fc=colour, label=f"attention from {level:.0%}")
        for level, colour in zip(ATTENTION_LEVELS, colours, strict=True)
    ]
    legend = axes.legend(handles=patches, loc="center", frameon=False, fontsize=8, handlelength=1.2, labelcolor=SOFT)
    legend.set_in_layout(False)
