"""What training minimises: cross entropy + λ · guidance + the loss of the head that proposes ROIs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from xal.attention import area_average, class_map
from xal.network import Network, Output
from xal.task import TrainingSettings

_SHARPNESS, _MIDDLE = 2.0, 1.0
"""The surrogate is one half, and steepest, one standard deviation above the mean of the map."""
_STEADY = 1e-6
"""Keeps the variance of a flat map, and its gradient, finite."""


class Target(NamedTuple):
    """What is known of a batch: findings (B,), ROIs (B, *size), and whose ROI is known (B,), be it an empty one."""

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


def guidance_loss(features: Tensor, weight: Tensor, findings: Tensor, rois: Tensor) -> Tensor:
    """1 − soft Dice of the findings' (surrogate) attention and their ROIs (B, *grid), averaged over the batch."""
    return (1 - _dice(surrogate_attention(class_map(features, weight, findings)), rois)).mean()


def roi_loss(roi_logits: Tensor, rois: Tensor) -> Tensor:
    """Cross entropy with the coverage of each cell, and 1 − soft Dice where there is an ROI."""
    loss = functional.binary_cross_entropy_with_logits(roi_logits, rois)
    outlined = rois.flatten(1).sum(1) > 0
    if not outlined.any():
        return loss
    return loss + (1 - _dice(roi_logits.sigmoid()[outlined], rois[outlined])).mean()


def objective(network: Network, output: Output, target: Target, settings: TrainingSettings) -> Tensor:
    """The training loss of one batch. Only images with a non-empty ROI are guided."""
    loss = functional.cross_entropy(output.logits, target.findings)
    rois = area_average(target.rois, output.features.shape[2:])
    guided = target.known & (rois.flatten(1).sum(1) > 0)
    if settings.guidance > 0 and guided.any():
        weight = network.finding_head.weight
        guidance = guidance_loss(output.features[guided], weight, target.findings[guided], rois[guided])
        # Images without an outline keep their say: guidance counts by the share of the batch that has one.
        loss = loss + settings.guidance * guidance * guided.float().mean()
    if settings.roi > 0 and target.known.any():
        loss = loss + settings.roi * roi_loss(output.roi_logits[target.known], rois[target.known])
    return loss


def _dice(maps: Tensor, rois: Tensor) -> Tensor:
    a, r = maps.flatten(1), rois.flatten(1)
    return 2 * (a * r).sum(1) / (a.sum(1) + r.sum(1))
