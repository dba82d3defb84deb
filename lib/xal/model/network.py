"""The network: a backbone, a head that names the finding, a head that proposes an ROI, and what it says of an image."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from xal.arrays import Float32Array, FloatArray
from xal.errors import BadInput, Conflict, NotFound, Unreadable
from xal.method import acquisition, misalignment
from xal.method.acquisition import uncertainty
from xal.method.attention import all_maps, gradcam
from xal.model.backbones import build_backbone, output_shape
from xal.rounding import largest
from xal.system.durable import write_atomically
from xal.task import AcquisitionSettings, Task

BATCH = 32
"""So many images go through the network at a time."""
_FORMAT = 2
_RARE = -3.0
"""Where the ROI head's logits start: most cells of most images are background."""


class Output(NamedTuple):
    """One forward pass of a batch: (B, F), (B, K, *grid), (B, *grid)."""

    logits: Tensor
    features: Tensor
    roi_logits: Tensor


class Network(nn.Module):
    """Backbone + finding head (linear after global average pooling) + ROI head (1×1 convolution), on one activation."""

    rois_seen: Tensor
    temperature: Tensor
    """Logits are divided by it before they become probabilities; see `model/calibration.py`."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.backbone = build_backbone(task)
        channels, *grid = output_shape(self.backbone, task)
        self.feature_grid: tuple[int, ...] = tuple(grid)
        self.dropout = nn.Dropout(task.network.dropout)
        self.finding_head = nn.Linear(channels, len(task.findings))
        self.roi_head = (nn.Conv2d if len(grid) == 2 else nn.Conv3d)(channels, 1, kernel_size=1)
        assert self.roi_head.bias is not None
        nn.init.constant_(self.roi_head.bias, _RARE)
        self.register_buffer("rois_seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("temperature", torch.ones(()))
        if len(grid) == 2:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter less time per training step on a CPU

    def features(self, x: Tensor) -> Tensor:
        """The activation that enters the pooling, (B, K, *feature_grid)."""
        result: Tensor = self.backbone(x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x)
        return result

    def forward(self, x: Tensor) -> Output:
        """Findings, features and proposed ROI of a batch (B, C, *size)."""
        features = self.features(x)
        logits = self.finding_head(self.dropout(features.flatten(2).mean(2)))
        return Output(logits, features, self.roi_head(features)[:, 0])


@dataclass(frozen=True)
class Prediction:
    """What one forward pass says of one image."""

    logits: Float32Array
    """Of the findings, before the temperature."""
    probabilities: Float32Array
    finding: str
    """The predicted finding."""
    attention: Float32Array
    """Grad-CAM on the feature grid, of the predicted finding unless another was asked for."""
    evidence: Float32Array
    """(F, *feature grid): what each cell says for each finding; the mean over the cells is what the softmax takes."""
    coverage: Float32Array | None
    """How much of each cell of the feature grid is ROI, it thinks; None until it learnt enough drawn ROIs."""
    embedding: Float32Array
    uncertainty: float

    @property
    def proposed(self) -> Float32Array | None:
        """The proposed ROI, empty where the network sees none."""
        return None if self.coverage is None else misalignment.proposed_roi(self.coverage)

    @property
    def roi_confidence(self) -> float | None:
        """How sure the network is of the ROI it proposes."""
        return None if self.proposed is None else acquisition.roi_confidence(self.proposed)


def predict(network: Network, batch: Tensor, task: Task, findings: Sequence[str] | None = None) -> list[Prediction]:
    """Read a batch (B, C, *size) in one forward pass; `findings` asks for other attention than the predicted one's."""
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        output = network(batch.to(device))
        probabilities = (output.logits / network.temperature).softmax(1)
        predicted = torch.from_numpy(largest(_numpy(output.logits))).to(device)
        shown = predicted if findings is None else torch.tensor([task.index(f) for f in findings], device=device)
        attention = gradcam(output.features, network.finding_head.weight, shown)
        evidence = all_maps(output.features, network.finding_head) / network.temperature
        coverage = output.roi_logits.sigmoid()
        embedding = output.features.flatten(2).mean(2)
    usable = int(network.rois_seen) >= task.acquisition.min_rois
    names = task.finding_names
    z, p, a, m, r, e = map(_numpy, (output.logits, probabilities, attention, evidence, coverage, embedding))
    return [
        Prediction(z[i], p[i], names[k], a[i], m[i], r[i] if usable else None, e[i], float(uncertainty(p[i])))
        for i, k in enumerate(predicted.tolist())
    ]


def misalignment_of(
    prediction: Prediction, drawn: FloatArray | None, task: Task, settings: AcquisitionSettings | None = None
) -> misalignment.Misalignment:
    """How far what the network sees is from the ROI that somebody drew, on the network's grid, or else from its own.

    They are compared as the task says, or as `settings` do.
    """
    return misalignment.misalignment(
        prediction.attention,
        prediction.evidence,
        drawn,
        prediction.coverage,
        predicts_absent=prediction.finding == task.absent,
        settings=settings or task.acquisition,
    )


def build(task: Task) -> Network:
    """A network that was not trained yet."""
    return Network(task)


def save(path: Path, network: Network, task: Task, meta: Mapping[str, Any]) -> None:
    """Write the weights with what they were trained for; complete under `path`, or not there at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content = {"format": _FORMAT, "task": _identity(task), "state": state, "meta": dict(meta)}
    whole = io.BytesIO()
    torch.save(content, whole)
    write_atomically(path, whole.getvalue())


def load(path: Path, task: Task, device: torch.device) -> Network:
    """Read a network that `save` wrote, ready to read images; a model of another task is refused."""
    if not path.is_file():
        raise NotFound(f"the model file {path.name} does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        written, state = content["task"], content["state"]
    except Exception as error:  # torch raises whatever its unpickler stumbles over
        raise Unreadable(f"{path.name} is not a model of this program: {error}") from error
    if content.get("format") != _FORMAT:
        raise Unreadable(f"{path.name} has format {content.get('format')}; this program reads format {_FORMAT}")
    for key, ours in _identity(task).items():
        if written.get(key) != ours:
            raise Conflict(f"{path.name} was trained for {key} {written.get(key)}, but the task says {ours}")
    # The file holds every weight, so the ones the task would start a training from are not needed.
    network = Network(task.model_copy(update={"network": task.network.model_copy(update={"weights": None})}))
    network.load_state_dict(state)
    return network.to(device).eval()


def pick_device(name: str | None) -> torch.device:
    """The device asked for; without a wish, CUDA if there is one."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"there is no kind of device {name!r}; use 'cpu', 'cuda' or 'cuda:0'") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadInput(f"device {name!r} was asked for, but this machine has {torch.cuda.device_count()} CUDA devices")
    return device


def _identity(task: Task) -> dict[str, Any]:
    """What weights depend on: findings in order, prepared images, and the network's shape."""
    return {
        "findings": list(task.finding_names),
        "image": task.image.model_dump(mode="json", exclude={"display_channel"}),
        "network": task.network.model_dump(mode="json", exclude={"weights"}),
    }


def _numpy(tensor: Tensor) -> Float32Array:
    array: Float32Array = tensor.float().cpu().numpy()
    return array
