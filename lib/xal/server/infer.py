"""The models `attention` and `classifier`: what the published network says of one image, to those who may know."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from xal.arrays import BoolArray
from xal.errors import BadInput, Forbidden, NotFound, Oversized, Unreadable
from xal.imaging.geometry import grid_to_image, prepare
from xal.imaging.images import LabelArray, Volume, fingerprint, read_image, write_label
from xal.loop.blind import BLIND, may_see
from xal.loop.reader import Reader
from xal.loop.shown import mask_of, note, shown_region
from xal.method.attention import bands, energy_in_roi, overlap
from xal.model.network import Prediction, predict
from xal.pool.project import Model, Project
from xal.pool.rois import coarse, known_roi
from xal.store.rows import ImageRow
from xal.task import ATTENTION_BANDS, REGION

UNTRAINED = "no model has been trained yet: hand in annotations, then train"


@dataclass(frozen=True)
class Subject:
    """The image a request is about: one of the pool, or a file that a client brought along."""

    row: ImageRow | None
    file: Path | None

    def volume(self, project: Project) -> Volume:
        """Its pixels; BadInput if a client's file is no image."""
        if self.row is not None:
            return project.volume(self.row)
        try:
            return read_image(Path(str(self.file)))
        except Oversized:
            raise
        except Unreadable as error:
            raise BadInput(str(error)) from error


class _XalInfer(InferTask):  # type: ignore[misc]  # monailabel has no types
    """What both models share: who may see what, and the forward pass."""

    def __init__(self, project: Project, kind: InferType, labels: list[str], description: str) -> None:
        super().__init__(type=kind, labels=labels, dimension=project.task.image.dimensions, description=description)
        self._project = project

    def is_valid(self) -> bool:
        """Listed before a model is trained too: then it says so."""
        return True

    def _may_see(self, reader: Reader, subject: Subject, volume: Volume | None = None) -> bool:
        """Blind reading, also of a file that the reader brought along: a copy of an image of the pool is that image."""
        if subject.row is not None:
            return may_see(self._project, reader, subject.row.id)
        if self._project.task.reveal == "always" or reader.reviewer:
            return True
        store = self._project.store
        if store.images.unread(1):  # it might be a copy of one of these
            return False
        same = store.images.by_fingerprint(fingerprint(volume or subject.volume(self._project)))
        return all(may_see(self._project, reader, image) for image in same)

    def _read(self, model: Model, volume: Volume, finding: str | None) -> Prediction:
        task = self._project.task
        if finding is not None and finding not in task.roi_findings:
            raise BadInput(f"no attention for {finding!r}; findings with an ROI: {', '.join(task.roi_findings)}")
        tensor: torch.Tensor = prepare(volume, task).tensor[None]
        return predict(model.network, tensor, task, None if finding is None else [finding])[0]


class AttentionInfer(_XalInfer):
    """Iso-bands of the attention, in the image's own geometry."""

    def __init__(self, project: Project) -> None:
        """Show where the model of `project` looks."""
        super().__init__(
            project, InferType.SEGMENTATION, list(ATTENTION_BANDS), "Where the model looks, shown after handing in"
        )

    def config(self) -> dict[str, Any]:
        """The option of the model: a finding other than the predicted one."""
        return {"finding": ["predicted", *self._project.task.roi_findings]}

    def __call__(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """A label map of the bands; at once one without any for a reader who must stay blind.

        Where the task shows what others outlined without a finding, that is in it until the reader has handed in.
        """
        subject: Subject = request["subject"]
        volume = subject.volume(self._project)
        region, as_listed = self._region(request["reader"], subject), _as_listed(request)
        nothing = np.zeros(volume.shape, np.uint8)
        if not self._may_see(request["reader"], subject, volume):
            return self._result(nothing, region, volume, {"message": BLIND}, as_listed)
        model = self._project.model()
        if model is None:
            return self._result(nothing, region, volume, {"message": UNTRAINED}, as_listed)
        prediction = self._read(model, volume, _stated(request))
        on_image = grid_to_image(prediction.attention, volume, self._project.task, "linear")
        said = {"finding": prediction.finding, "model_version": model.version.version}
        return self._result(bands(on_image), region, volume, said, as_listed)

    def _region(self, reader: Reader, subject: Subject) -> BoolArray | None:
        """What this reader is to correct: nothing where nothing can be handed in, or was already."""
        if subject.row is None or reader.never_submits:
            return None
        image = subject.row.id
        shown = shown_region(self._project, reader.name, image)
        if shown is None or self._project.store.annotations.handed_in(image, reader.name):
            return None
        mask = mask_of(self._project, shown)
        if mask is None:
            return None
        note(self._project, reader.name, image, shown)
        return mask[0]

    def _result(
        self,
        levels: LabelArray,
        region: BoolArray | None,
        volume: Volume,
        said: dict[str, Any],
        as_listed: bool,
    ) -> tuple[str, dict[str, Any]]:
        """The region is whole, as it is to be corrected: the bands lie around it."""
        listed = ATTENTION_BANDS
        if region is not None:
            listed = (*ATTENTION_BANDS, REGION)
            levels = np.where(region, np.uint8(len(listed)), levels)
        if as_listed:
            names = {name: level for level, name in enumerate(listed, start=1)}
        else:
            levels, names = _contiguous(levels, listed)
        with tempfile.NamedTemporaryFile(prefix="attention-", suffix=".nrrd", delete=False) as file:
            path = Path(file.name)
        write_label(path, levels, volume.affine)
        return str(path), {"label_names": names, **said}


class ClassifierInfer(_XalInfer):
    """The finding and all that belongs to it, as JSON."""

    def __init__(self, project: Project) -> None:
        """Say what the model of `project` finds."""
        super().__init__(
            project, InferType.CLASSIFICATION, list(project.task.finding_names), "The finding, shown after handing in"
        )

    def __call__(self, request: dict[str, Any]) -> tuple[None, dict[str, Any]]:
        """Finding, probabilities, uncertainty and overlap; Forbidden for a reader who must stay blind."""
        subject: Subject = request["subject"]
        volume = subject.volume(self._project)
        if not self._may_see(request["reader"], subject, volume):
            raise Forbidden(BLIND)
        model = self._project.model()
        if model is None:
            return None, {"finding": None, "message": UNTRAINED}
        prediction = self._read(model, volume, None)
        said: dict[str, Any] = {
            "finding": prediction.finding,
            "probabilities": {
                name: round(float(value), 4)
                for name, value in zip(self._project.task.finding_names, prediction.probabilities, strict=True)
            },
            "uncertainty": round(prediction.uncertainty, 4),
            "model_version": model.version.version,
        }
        return None, said | self._against_roi(subject.row, prediction)

    def _against_roi(self, row: ImageRow | None, prediction: Prediction) -> dict[str, Any]:
        """How attention lies to the outlined ROI, where there is one."""
        if row is None or prediction.finding == self._project.task.absent:
            return {}
        drawn = known_roi(self._project, row.id)
        if drawn is None:
            return {}
        energy = energy_in_roi(prediction.attention, coarse(drawn, prediction.attention.shape))
        return {
            "overlap": round(overlap(prediction.attention, drawn, self._project.task.acquisition), 4),
            "energy_in_roi": round(energy, 4),
        }


def _stated(request: dict[str, Any]) -> str | None:
    """The finding asked for; Slicer sends a list of all choices if the user never touched the option."""
    finding = request.get("finding")
    if isinstance(finding, list):
        finding = finding[0] if finding else None
    if finding in (None, "", "predicted"):
        return None
    if not isinstance(finding, str):
        raise BadInput(f"finding must be the name of a finding, not {finding!r}")
    return finding


def _as_listed(request: dict[str, Any]) -> bool:
    """Whether value n has to be the n-th label of `/info/`: OHIF says so, and reads no names from the reply."""
    return request.get("restore_label_idx") is False


def _contiguous(levels: LabelArray, listed: Sequence[str]) -> tuple[LabelArray, dict[str, int]]:
    """The listed segments with values 1..n and no gap, and which segment each value is.

    Slicer gives the n-th value that occurs to the n-th name, so one that is empty on this image's voxels
    must not leave a hole. Empty ones come last: they are listed, so that an older picture of them is cleared.
    """
    present = [level for level in range(1, len(listed) + 1) if (levels == level).any()]
    order = present + [level for level in range(1, len(listed) + 1) if level not in present]
    values = np.zeros(len(listed) + 1, np.uint8)
    values[order] = np.arange(1, len(order) + 1)
    return values[levels], {listed[level - 1]: value for value, level in enumerate(order, start=1)}


def checked_request(model: str, known: dict[str, Any], params: dict[str, Any]) -> None:
    """Refuse what parameters may not decide: which image is read, and whether a label is stored."""
    if model not in known:
        raise NotFound(f"no model {model!r}; there are: {', '.join(known)}")
    forbidden = sorted({"image", "session_id", "session", "save_label", "label_tag"} & set(params))
    if forbidden:
        raise BadInput(f"{forbidden[0]!r} cannot be set through params")
