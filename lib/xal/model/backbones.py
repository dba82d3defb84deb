"""The MONAI networks without their heads: image in, activation that enters the global average pooling out.

Their parameters keep MONAI's names, so that published weights fit. Nothing here ever downloads.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets.densenet import DenseNet
from monai.networks.nets.efficientnet import EfficientNet, efficientnet_params
from monai.networks.nets.resnet import ResNet, get_inplanes, resnet_params
from torch import Tensor, nn
from torch.nn import functional

from xal.errors import TaskError
from xal.task import Task

logger = logging.getLogger(__name__)

_DENSENET_BLOCKS = {"densenet121": (6, 12, 24, 16), "densenet169": (6, 12, 32, 32)}
_EFFICIENTNET_BLOCKS = (
    "r1_k3_s11_e1_i32_o16_se0.25",
    "r2_k3_s22_e6_i16_o24_se0.25",
    "r2_k5_s22_e6_i24_o40_se0.25",
    "r3_k3_s22_e6_i40_o80_se0.25",
    "r3_k5_s11_e6_i80_o112_se0.25",
    "r4_k5_s22_e6_i112_o192_se0.25",
    "r1_k3_s11_e6_i192_o320_se0.25",
)
_EFFICIENTNET_LAST_STRIDED = 5
_HEADS = ("fc.", "classifier.", "class_layers.", "_fc.", "seg_layers.", "conv_seg.")


class _ResNet(ResNet):  # type: ignore[misc]  # MONAI is untyped here
    """Odd kernels with symmetric padding centre cell j of a grid with stride s at voxel s·j, its first corner.

    Half a cell of error would count as misalignment. Moving the input of the last strided stage by one voxel moves
    the centres by half a cell, to the middle of the area that the ROI is averaged over.
    """

    def __init__(self, task: Task) -> None:
        settings = task.network
        block, layers, _, _, _ = resnet_params[settings.backbone]
        super().__init__(
            block=block,
            layers=layers,
            block_inplanes=get_inplanes(),
            spatial_dims=task.image.dimensions,
            n_input_channels=task.image.channels,
            conv1_t_stride=2,
            no_max_pool=settings.first_stride == 1,
            # MONAI's shortcut "A" detaches the shortcut from the gradient; "B" without bias is torchvision's.
            shortcut_type="B",
            bias_downsample=False,
            widen_factor=settings.width,
            feed_forward=False,
        )
        self.last_strided = 4 if settings.last_stride == 2 else 3
        if settings.last_stride == 1:
            _unstride(self.layer4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        x = x if self.no_max_pool else self.maxpool(x)
        for number, stage in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), start=1):
            x = stage(_one_voxel_on(x) if number == self.last_strided else x)
        return x


class _DenseNet(DenseNet):  # type: ignore[misc]  # MONAI is untyped here
    """Its transitions pool pairs of voxels, which keeps cells centred without help."""

    def __init__(self, task: Task) -> None:
        settings = task.network
        super().__init__(
            spatial_dims=task.image.dimensions,
            in_channels=task.image.channels,
            out_channels=1,
            init_features=max(8, round(64 * settings.width)),
            growth_rate=max(4, round(32 * settings.width)),
            block_config=_DENSENET_BLOCKS[settings.backbone],
        )
        self.class_layers = nn.Sequential()
        if settings.first_stride == 1:
            self.features.pool0 = nn.Identity()
        if settings.last_stride == 1:
            self.features.transition3.pool = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.features(x))


class _EfficientNet(EfficientNet):  # type: ignore[misc]  # MONAI is untyped here
    """Its "same" padding centres cells at their last corner; mirrored in the last strided stage, near the middle."""

    def __init__(self, task: Task) -> None:
        settings = task.network
        width, depth, _, dropout, drop_connect = efficientnet_params[settings.backbone]
        blocks = list(_EFFICIENTNET_BLOCKS)
        last = _EFFICIENTNET_LAST_STRIDED
        if settings.last_stride == 1:
            blocks[last] = blocks[last].replace("_s22_", "_s11_")
            last = max(i for i, block in enumerate(blocks) if "_s22_" in block)
        super().__init__(
            blocks,
            spatial_dims=task.image.dimensions,
            in_channels=task.image.channels,
            num_classes=1,
            width_coefficient=width * settings.width,
            depth_coefficient=depth,
            dropout_rate=dropout,
            image_size=max(task.image.size) * 2 // settings.first_stride,
            norm=("batch", {"eps": 1e-3, "momentum": 0.1}),  # MONAI's 0.01 needs more steps than a short training has
            drop_connect_rate=drop_connect,
        )
        self._fc = nn.Identity()
        if settings.first_stride == 1:
            _unstride(self._conv_stem)
            self._conv_stem.padding = (1,) * task.image.dimensions
            self._conv_stem_padding = nn.Identity()
        padder = self._blocks[last][0]._depthwise_conv_padding
        padder.padding = tuple(reversed(padder.padding))

    def forward(self, x: Tensor) -> Tensor:
        x = self._swish(self._bn0(self._conv_stem(self._conv_stem_padding(x))))
        x = self._conv_head(self._conv_head_padding(self._blocks(x)))
        features: Tensor = self._swish(self._bn1(x))
        return features


def build_backbone(task: Task) -> nn.Module:
    """The task's backbone with random weights, or those of the file it names."""
    name = task.network.backbone
    kind = _ResNet if name.startswith("resnet") else _DenseNet if name.startswith("densenet") else _EfficientNet
    backbone = kind(task)
    if task.network.weights is not None:
        _load_weights(backbone, task.network.weights)
    return backbone


def output_shape(backbone: nn.Module, task: Task) -> tuple[int, ...]:
    """(channels, *feature grid) of the backbone's output, computed without computing anything."""
    training = backbone.training
    state = {name: value.to("meta") for name, value in backbone.state_dict().items()}
    image = torch.empty((1, task.image.channels, *task.image.size), device="meta")
    with torch.no_grad():
        output = torch.func.functional_call(backbone.eval(), state, (image,))
    backbone.train(training)
    return tuple(output.shape[1:])


def _unstride(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            part.stride = (1,) * len(part.stride)


def _one_voxel_on(x: Tensor) -> Tensor:
    """Drop the first and add an empty last slice along every axis of even length (odd ones are centred as they are)."""
    sides = [(-1, 1) if length % 2 == 0 else (0, 0) for length in reversed(x.shape[2:])]
    return functional.pad(x, [side for pair in sides for side in pair])


def _load_weights(backbone: nn.Module, path: Path) -> None:
    """Copy what fits by name and shape; say what did not, and refuse a file of which nothing fits."""
    own = backbone.state_dict()
    fitting: dict[str, Tensor] = {}
    unused: list[str] = []
    for key, value in _read_weights(path).items():
        if key.startswith(_HEADS):
            continue
        adapted = _to_channels(value, own[key]) if key in own else value
        if key in own and adapted.shape == own[key].shape:
            fitting[key] = adapted
        else:
            unused.append(key)
    learned = {name for name, _ in backbone.named_parameters()}
    if not learned & fitting.keys():
        raise TaskError(f"network.weights: nothing in {path} fits this backbone; its first names: {unused[:3]}")
    backbone.load_state_dict(fitting, strict=False)
    logger.info("%s: loaded %d of %d tensors", path.name, len(fitting), len(own))
    missing = sorted(learned - fitting.keys())
    if unused or missing:
        logger.warning("%s: not used: %s; left at random: %s", path.name, unused or "none", missing or "none")


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler stumbles over
        raise TaskError(f"network.weights: {path} is not a file of weights: {error}") from error
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise TaskError(f"network.weights: {path} holds no state_dict (names and tensors)")
    return {_monai_name(str(key)): value for key, value in content.items()}


def _monai_name(key: str) -> str:
    """Undo DataParallel's prefix, and torchvision's older names for the layers of a DenseNet."""
    return re.sub(r"(denselayer\d+)\.(norm|relu|conv)\.?([12])\.", r"\1.layers.\2\3.", key.removeprefix("module."))


def _to_channels(value: Tensor, own: Tensor) -> Tensor:
    """A first convolution for other channels (RGB) becomes one for ours with the same response to grey images."""
    if value.dim() < 4 or value.shape[1] != 3 or own.shape[1] == 3:
        return value
    return value.mean(1, keepdim=True).repeat_interleave(own.shape[1], 1) * (value.shape[1] / own.shape[1])
