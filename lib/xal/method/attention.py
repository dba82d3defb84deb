"""Where the network looks, and how well that matches an outlined region.

The networks end in global average pooling and a linear layer, so the gradient of a finding's logit with respect to
the features is the finding's row of that layer, divided by a constant: Grad-CAM needs no backward pass.
Maps of a batch are tensors (B, *grid); overlaps are computed on one map at a time, as plain floats.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from xal.arrays import FloatArray
from xal.rounding import at_least, largest
from xal.task import ATTENTION_LEVELS, AcquisitionSettings

_FLAT = 1e-5
"""A map whose range is below this part of its maximum is flat: what is left is rounding."""


def class_map(features: Tensor, weight: Tensor, findings: Tensor) -> Tensor:
    """The evidence for one finding per image and cell: M[b] = Σ_k weight[findings[b], k] · features[b, k]."""
    return torch.einsum("bk...,bk->b...", features, weight[findings])


def all_maps(features: Tensor, head: nn.Linear) -> Tensor:
    """The evidence for every finding, with the bias: (B, F, *grid), whose mean over the cells are the logits."""
    maps = torch.einsum("bk...,fk->bf...", features, head.weight)
    return maps + head.bias.view(1, -1, *(1 for _ in features.shape[2:]))


def gradcam(features: Tensor, weight: Tensor, findings: Tensor) -> Tensor:
    """Grad-CAM in closed form: features (B, K, *grid), linear weight (F, K), findings (B,) → (B, *grid) in [0, 1]."""
    return normalise(class_map(features, weight, findings))


def normalise(cam: Tensor) -> Tensor:
    """ReLU, then min–max per image; a flat map becomes all zeros."""
    positive = cam.relu().flatten(1)
    low, high = positive.amin(1, keepdim=True), positive.amax(1, keepdim=True)
    span = high - low
    varies = span > _FLAT * high
    scaled = (positive - low) / torch.where(varies, span, torch.ones_like(span))
    return torch.where(varies, scaled, torch.zeros_like(scaled)).view_as(cam)


def area_average(rois: Tensor, grid: Sequence[int]) -> Tensor:
    """Coverage of each cell of `grid`: (B, *size) → (B, *grid), averaged over the cell's area, not sampled."""
    pool = (nn.AdaptiveAvgPool2d if len(grid) == 2 else nn.AdaptiveAvgPool3d)(tuple(grid))
    coverage: Tensor = pool(rois[:, None])
    return coverage[:, 0]


def upsample(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Linear interpolation of maps (B, *grid) → (B, *size), cell centres kept in place."""
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return functional.interpolate(maps[:, None], tuple(size), mode=mode, align_corners=False)[:, 0]


def soft_dice(attention: FloatArray, roi: FloatArray) -> float:
    """2·Σ a·r / (Σ a + Σ r); both empty: 1, one empty: 0."""
    total = float(attention.sum()) + float(roi.sum())
    return 2 * float((attention * roi).sum()) / total if total > 0 else 1.0


def binary_dice(attention: FloatArray, roi: FloatArray, threshold: float) -> float:
    """Dice of the regions at or above `threshold` (attention) and one half (ROI), both on the same, fine grid.

    An ROI too small to cover half a cell anywhere is its fullest cells: it must not vanish.
    """
    outlined = at_least(roi, min(0.5, float(roi.max()))) & (roi > 0)
    seen = at_least(attention, threshold) & (attention > 0)
    return soft_dice(seen.astype(np.float64), outlined.astype(np.float64))


def best_dice(roi: FloatArray) -> float:
    """The best soft Dice any map of this grid can reach: max over k of 2·S_k / (k + Σ r), S_k the k largest cells' sum.

    Soft Dice is linear-fractional in every cell of the map, so a best map consists of zeros and ones.
    """
    cells = np.sort(roi, axis=None)[::-1].astype(np.float64)
    return float(np.max(2 * np.cumsum(cells) / (np.arange(1, cells.size + 1) + cells.sum()))) if cells.any() else 1.0


def relative_dice(attention: FloatArray, roi: FloatArray) -> float:
    """Soft Dice divided by the best one possible, so that small lesions on a coarse grid can be found, too."""
    return min(soft_dice(attention, roi) / best_dice(roi), 1.0)


def overlap(attention: FloatArray, roi: FloatArray, settings: AcquisitionSettings) -> float:
    """The Dice that the task asks for, of attention on the feature grid and an ROI on that or the network's grid.

    `soft` and `relative` average the ROI onto the attention's grid; `binary` upsamples the attention to the ROI's.
    """
    if settings.dice == "binary":
        fine = attention if attention.shape == roi.shape else upsample(_batch(attention), roi.shape)[0].numpy()
        return binary_dice(fine, roi, settings.threshold)
    coarse = roi if attention.shape == roi.shape else area_average(_batch(roi), attention.shape)[0].numpy()
    return soft_dice(attention, coarse) if settings.dice == "soft" else relative_dice(attention, coarse)


def support(evidence: FloatArray, roi: FloatArray) -> float:
    """Probability of the predicted finding if only the ROI counted: softmax over findings of Σ r·e / Σ r.

    `evidence` (F, *grid) are the class maps of all findings, with bias and temperature: averaged over all cells they
    are the logits, so the finding predicted is the one with the largest mean.
    """
    coarse = roi if evidence.shape[1:] == roi.shape else area_average(_batch(roi), evidence.shape[1:])[0].numpy()
    inside = (evidence * coarse).reshape(len(evidence), -1).sum(1) / coarse.sum()
    predicted = int(largest(evidence.reshape(len(evidence), -1).mean(1)))
    weights = np.exp(inside - inside.max())
    return float(weights[predicted] / weights.sum())


def energy_in_roi(attention: FloatArray, roi: FloatArray) -> float:
    """Σ a·r / Σ a: the share of the attention that lies in the ROI; 0 where there is no attention."""
    total = float(attention.sum())
    return float((attention * roi).sum()) / total if total > 0 else 0.0


def pointing_game(attention: FloatArray, roi: FloatArray) -> float:
    """1 if the strongest cell touches the ROI, else 0; of several strongest ones the share; 0 without attention."""
    strongest = attention.max()
    return float((roi[at_least(attention, strongest)] > 0).mean()) if strongest > 0 else 0.0


def bands(attention: FloatArray) -> npt.NDArray[np.uint8]:
    """Attention as iso-bands: 0 below the first level, k from the k-th level on."""
    result = np.zeros(attention.shape, np.uint8)
    for level in ATTENTION_LEVELS:
        result += attention >= level
    return result


def _batch(array: FloatArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[None]
