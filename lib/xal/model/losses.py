"""What training minimises: cross entropy + λ · guidance + the loss of the head that proposes ROIs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from xal.method.attention import area_average, class_map
from xal.model.network import Output
from xal.task import GuidanceKind, TrainingSettings

_SHARPNESS, _MIDDLE = 2.0, 1.0
"""The surrogate is one half, and steepest, one standard deviation above the mean of the map."""
_STEADY = 1e-6
"""Keeps the variance of a flat map, and its gradient, finite."""
_NEVER = -30.0
"""The logit of a finding without a prototype."""
_SOFTNESS = 4.0
"""How close the softened positive part is to ReLU, in units of 1 / root mean square of the map."""


class Target(NamedTuple):
    """What is known of a batch of B images, and of R more behind them that have an outline and no finding.

    Findings (B,), ROIs (B + R, *size), and whose ROI is known (B + R,), be it an empty one.
    """

    findings: Tensor
    rois: Tensor
    known: Tensor


def surrogate_attention(cam: Tensor) -> Tensor:
    """A smooth stand-in for attention: sigmoid of the standardised map (B, *grid), the same for M and a·M + b.

    ReLU and min–max would give an all-negative map a gradient of exactly zero, where guidance is needed most.
    """
    flat = cam.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    standardised = centred / (centred.square().mean(1, keepdim=True) + _STEADY).sqrt()
    return torch.sigmoid(_SHARPNESS * (standardised - _MIDDLE)).view_as(cam)


def softened(cam: Tensor) -> Tensor:
    """A smooth stand-in for the positive part of a map (B, *grid): softplus(4 M / rms M), the same for M and a·M.

    Zero keeps its place, unlike in `surrogate_attention`: what is below it has no energy.
    """
    flat = cam.flatten(1)
    scaled = flat / (flat.square().mean(1, keepdim=True) + _STEADY).sqrt()
    return functional.softplus(_SOFTNESS * scaled).view_as(cam)


def dice_guidance(cam: Tensor, rois: Tensor) -> Tensor:
    """1 − 2·Σ a·r / (Σ a + Σ r) of each map, a its surrogate attention."""
    return 1 - _dice(surrogate_attention(cam), rois)


def energy_guidance(cam: Tensor, rois: Tensor) -> Tensor:
    """−log(Σ a·r / Σ a) of each map, a its softened positive part.

    The logarithm, because of a share near zero 1 − share has almost no gradient.
    """
    a, r = softened(cam).flatten(1), rois.flatten(1)
    return a.sum(1).log() - (a * r).sum(1).log()


def outside_guidance(cam: Tensor, rois: Tensor) -> Tensor:
    """Σ a·(1 − r) / Σ (1 − r) of each map, a its surrogate attention: the mean of what lies outside the ROI.

    The surrogate is standardised: a map that is pushed down everywhere, for the bias to make up for it, gains nothing.
    """
    a, outside = surrogate_attention(cam).flatten(1), 1 - rois.flatten(1)
    return (a * outside).sum(1) / (outside.sum(1) + _STEADY)


_GUIDANCE: Mapping[GuidanceKind, Callable[[Tensor, Tensor], Tensor]] = {
    "dice": dice_guidance,
    "energy": energy_guidance,
    "outside": outside_guidance,
}


def guidance_loss(features: Tensor, weight: Tensor, findings: Tensor, rois: Tensor, kind: GuidanceKind) -> Tensor:
    """How far the maps of the findings are from their ROIs (B, *grid), averaged over the batch."""
    return _GUIDANCE[kind](class_map(features, weight, findings), rois).mean()


def guidance_share(settings: TrainingSettings, progress: float) -> float:
    """The part of λ that counts at `progress` (0 to 1) of a training: 1, or half a cosine up to it or down from it."""
    falling = 0.5 * (1 + math.cos(math.pi * progress))
    return {"constant": 1.0, "rise": 1 - falling, "fall": falling}[settings.guidance_schedule]


def roi_loss(roi_logits: Tensor, rois: Tensor, empty: Tensor | None = None) -> Tensor:
    """Cross entropy with the coverage of each cell, and 1 − soft Dice where there is an ROI.

    In the cross entropy, images with an empty ROI count together with the weight `empty`, and those with an ROI with
    the rest; without it every image counts alike.
    """
    outlined = rois.flatten(1).sum(1) > 0
    if empty is None or outlined.all() or not outlined.any():
        loss = functional.binary_cross_entropy_with_logits(roi_logits, rois)
    else:
        cells = functional.binary_cross_entropy_with_logits(roi_logits, rois, reduction="none").flatten(1).mean(1)
        loss = empty * cells[~outlined].mean() + (1 - empty) * cells[outlined].mean()
    if not outlined.any():
        return loss
    return loss + (1 - _dice(roi_logits.sigmoid()[outlined], rois[outlined])).mean()


def prototype_head(embeddings: Tensor, findings: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Weight (F, K) and bias (F,) of the linear head that names the nearest prototype p_k, a finding's mean embedding.

    ‖e − c‖² − ‖e − p_k‖² = 2 (p_k − c)·e + ‖c‖² − ‖p_k‖², c the mean of the prototypes. The first term is the same for
    all findings, so probabilities are those of −‖e − p_k‖²; but without it the class map of every finding would be
    positive wherever anything is.
    """
    prototypes, seen = _prototypes(embeddings, findings, count)
    centre = prototypes[seen].mean(0)
    weight = torch.where(seen[:, None], 2 * (prototypes - centre), 0.0)
    bias = torch.where(seen, centre.square().sum() - prototypes.square().sum(1), _NEVER)
    return weight, bias


def episode(output: Output, findings: Tensor) -> tuple[Output, Tensor]:
    """A batch judged by its own prototypes, each image by those of the others; and the weight of that head.

    Without e itself the mean of its n fellows is n/(n − 1) as far from e. An image without fellows is at its prototype.
    Images behind those of the findings have none, and get no logits.
    """
    embeddings, count = output.features[: len(findings)].flatten(2).mean(2), output.logits.shape[1]
    weight, bias = prototype_head(embeddings, findings, count)
    prototypes, _ = _prototypes(embeddings, findings, count)
    own = functional.one_hot(findings, count).to(embeddings.dtype)
    n = own.sum(0)[findings]
    further = (n / (n - 1).clamp(min=1)).square() - 1
    to_own = (embeddings - prototypes[findings]).square().sum(1)
    logits = functional.linear(embeddings, weight, bias) - own * (further * (n > 1) * to_own)[:, None]
    return output._replace(logits=logits), weight


def objective(
    weight: Tensor, output: Output, target: Target, settings: TrainingSettings, progress: float | None = None
) -> Tensor:
    """The loss of one batch at `progress` of a training; without it, to compare epochs, unsmoothed and with all of λ.

    `weight` is that of the head that gave the logits. Only images with a non-empty ROI are guided. Images without a
    finding enter the loss of the ROI head, whose weight stays as it is, and no other. There, images with an ROI and
    images without one then count as often as they are among those with a finding.
    """
    smoothing = 0.0 if progress is None else settings.label_smoothing
    named = len(target.findings)
    loss = functional.cross_entropy(output.logits[:named], target.findings, label_smoothing=smoothing)
    rois = area_average(target.rois, output.features.shape[2:])
    guided = target.known[:named] & (rois[:named].flatten(1).sum(1) > 0)
    if settings.guidance > 0 and guided.any():
        findings, kind = target.findings[guided], settings.guidance_kind
        guidance = guidance_loss(output.features[:named][guided], weight, findings, rois[:named][guided], kind)
        share = 1.0 if progress is None else guidance_share(settings, progress)
        # Images without an outline keep their say: guidance counts by the share of the batch that has one.
        loss = loss + settings.guidance * share * guidance * guided.float().mean()
    if settings.roi > 0 and target.known.any():
        # Images without a finding all have an ROI: they must not teach that there is one in every image.
        empty = _share_empty(target, rois) if len(rois) > named else None
        loss = loss + settings.roi * roi_loss(output.roi_logits[target.known], rois[target.known], empty)
    return loss


def _share_empty(target: Target, rois: Tensor) -> Tensor:
    """The share of the images with a finding of which it is known that they have no ROI."""
    named = len(target.findings)
    return (target.known[:named] & (rois[:named].flatten(1).sum(1) == 0)).float().mean()


def _prototypes(embeddings: Tensor, findings: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The mean embedding of each finding (F, K), and which findings have one (F,)."""
    members = functional.one_hot(findings, count).to(embeddings.dtype)
    n = members.sum(0)
    return members.T @ embeddings / n.clamp(min=1)[:, None], n > 0


def _dice(maps: Tensor, rois: Tensor) -> Tensor:
    a, r = maps.flatten(1), rois.flatten(1)
    return 2 * (a * r).sum(1) / (a.sum(1) + r.sum(1))
