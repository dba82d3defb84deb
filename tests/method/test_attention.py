import itertools

import numpy as np
import pytest
import torch
from synthetic import make_task

from xal.method.attention import (
    area_average,
    bands,
    best_dice,
    binary_dice,
    energy_in_roi,
    gradcam,
    normalise,
    overlap,
    pointing_game,
    relative_dice,
    soft_dice,
    support,
    upsample,
)
from xal.model.network import build
from xal.task import AcquisitionSettings


def gradcam_autograd(head, features, findings):
    """Grad-CAM by its definition, for any head (features → logits): gradients through the head only.

    M = Σ_k mean_cells(∂ logit / ∂ features_k) · features_k. The head must treat images independently (eval mode).
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = features.detach().clone().requires_grad_()
        chosen = head(leaf).gather(1, findings.clone()[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, leaf)
    return normalise(torch.einsum("bk...,bk->b...", features, gradient.flatten(2).mean(2)))


NETWORKS = [
    *itertools.product(("resnet10", "resnet50", "densenet121", "efficientnet-b0"), (2, 3)),
]


def features_of(backbone, dimensions):
    torch.manual_seed(0)
    network = build(make_task(backbone, dimensions, size=64 if dimensions == 2 else 32, width=0.25)).eval()
    size = (64, 64) if dimensions == 2 else (32, 32, 32)
    with torch.no_grad():
        return network, network.features(torch.randn(5, 1, *size))


@pytest.mark.parametrize(("backbone", "dimensions"), NETWORKS)
def test_closed_form_equals_gradients_for_a_batch_of_mixed_findings(backbone, dimensions):
    network, features = features_of(backbone, dimensions)
    findings = torch.tensor([0, 1, 2, 1, 0])

    closed = gradcam(features, network.finding_head.weight, findings)
    true = gradcam_autograd(lambda x: network.finding_head(x.flatten(2).mean(2)), features, findings)

    assert closed.shape == (5, *network.feature_grid)
    assert (closed - true).abs().max() <= 1e-5
    assert closed.amax() > 0.99
    one_by_one = [gradcam(features[i : i + 1], network.finding_head.weight, findings[i : i + 1]) for i in range(5)]
    assert (closed - torch.cat(one_by_one)).abs().max() <= 1e-5


def test_gradients_through_the_whole_network_give_the_same_map():
    torch.manual_seed(1)
    network = build(make_task("densenet121", size=64, width=0.25)).eval()
    image = torch.randn(1, 1, 64, 64)
    kept = {}

    def keep(_module, _inputs, output):
        output.retain_grad()
        kept["features"] = output

    network.backbone.register_forward_hook(keep)
    network(image).logits[0, 1].backward()
    features = kept["features"]
    cam = (features * features.grad.mean((2, 3), keepdim=True)).sum(1)
    closed = gradcam(features, network.finding_head.weight, torch.tensor([1]))
    assert (closed - normalise(cam)).abs().max() <= 1e-5


def test_autograd_works_inside_inference_mode():
    with torch.inference_mode():
        maps = gradcam_autograd(lambda x: x.flatten(2).mean(2), torch.rand(2, 3, 4, 4), torch.tensor([0, 2]))
    assert maps.shape == (2, 4, 4)


def test_normalise_is_per_image_and_a_flat_map_is_all_zeros():
    cam = torch.stack([torch.tensor([[-1.0, 1.0], [2.0, 5.0]]), torch.full((2, 2), 3.0), torch.full((2, 2), -3.0)])
    scaled = normalise(cam)
    assert torch.allclose(scaled[0], torch.tensor([[0.0, 0.2], [0.4, 1.0]]))
    assert not scaled[1:].any()


def test_rounding_in_a_flat_map_is_not_blown_up():
    cam = torch.full((1, 4, 4), 0.7)
    cam[0, 1, 1] += 1e-7
    assert not normalise(cam).any()


def test_area_average_keeps_the_area():
    roi = torch.zeros(1, 8, 8)
    roi[0, :3, :2] = 1
    coverage = area_average(roi, (2, 2))
    assert torch.equal(coverage, torch.tensor([[[6 / 16, 0.0], [0.0, 0.0]]]))


def test_soft_dice_at_the_edges():
    empty, full = np.zeros((3, 3), np.float32), np.ones((3, 3), np.float32)
    assert soft_dice(empty, empty) == 1
    assert soft_dice(empty, full) == soft_dice(full, empty) == 0
    assert soft_dice(full, full) == 1
    assert soft_dice(full * 0.5, full) == pytest.approx(2 * 4.5 / 13.5)


def test_soft_and_binary_dice_agree_on_maps_of_zeros_and_ones():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, r = (rng.random((2, 6, 6)) > 0.6).astype(np.float32)
        assert binary_dice(a, r, 0.5) == pytest.approx(soft_dice(a, r))
        fine_a, fine_r = (np.kron(m, np.ones((4, 4), np.float32)) for m in (a, r))
        assert binary_dice(fine_a, fine_r, 0.5) == pytest.approx(soft_dice(a, r))


def test_soft_and_binary_dice_part_where_attention_is_weak_or_the_lesion_small():
    roi = np.zeros((16, 16), np.float32)
    roi[4:12, 4:12] = 1
    assert binary_dice(roi * 0.6, roi, 0.5) == 1 > soft_dice(roi * 0.6, roi)
    assert binary_dice(roi * 0.4, roi, 0.5) == 0 < soft_dice(roi * 0.4, roi)


def test_binary_overlap_upsamples_the_attention_and_soft_averages_the_roi():
    fine = np.zeros((16, 16), np.float32)
    fine[4:12, 4:12] = 1
    coarse = np.zeros((4, 4), np.float32)
    coarse[1:3, 1:3] = 1
    assert overlap(coarse, fine, AcquisitionSettings(dice="soft")) == 1
    assert overlap(coarse, fine, AcquisitionSettings(dice="relative")) == 1
    binary = overlap(coarse, fine, AcquisitionSettings(dice="binary"))
    up = upsample(torch.from_numpy(coarse)[None], (16, 16))[0].numpy()
    assert binary == binary_dice(up, fine, 0.5) > 0.85


def test_binary_overlap_does_not_lose_a_lesion_smaller_than_a_cell():
    roi = np.zeros((4, 4), np.float32)
    roi[1, 1] = 0.1
    attention_ = np.zeros((4, 4), np.float32)
    attention_[1, 1] = 1
    assert binary_dice(attention_, roi, 0.5) == 1


def test_best_dice_is_the_best_of_all_maps():
    rng = np.random.default_rng(3)
    for _ in range(10):
        roi = (rng.random((3, 3)) * (rng.random((3, 3)) > 0.5)).astype(np.float32)
        roi[0, 0] = 0.3
        best = max(soft_dice(np.array(m, np.float32).reshape(3, 3), roi) for m in itertools.product((0, 1), repeat=9))
        assert best_dice(roi) == pytest.approx(best)
        assert all(soft_dice(rng.random((3, 3)), roi) <= best + 1e-9 for _ in range(50))


def test_relative_dice_lets_a_small_lesion_reach_one():
    roi = np.zeros((6, 6), np.float32)
    roi[2, 2] = 0.1
    seen = np.zeros((6, 6), np.float32)
    seen[2, 2] = 1
    assert soft_dice(seen, roi) < 0.2
    assert relative_dice(seen, roi) == 1
    assert relative_dice(1 - seen, roi) == 0
    assert relative_dice(np.zeros_like(roi), np.zeros_like(roi)) == 1


def test_energy_and_pointing():
    roi = np.zeros((4, 4), np.float32)
    roi[0, 0] = 1
    attention_ = np.zeros((4, 4), np.float32)
    attention_[0, 0], attention_[3, 3] = 1.0, 0.25
    assert energy_in_roi(attention_, roi) == 0.8
    assert pointing_game(attention_, roi) == 1
    assert pointing_game(np.flip(attention_).copy(), roi) == 0
    nothing = np.zeros((4, 4), np.float32)
    assert energy_in_roi(nothing, roi) == pointing_game(nothing, roi) == 0


NOISE = [-1e-7, 0.0, 1e-7]
"""What another processor may add to a float32."""


@pytest.mark.parametrize("noise", NOISE)
def test_of_two_strongest_cells_each_counts_half_whatever_rounding_says(noise: float):
    attention_ = np.array([[1.0, 0.2], [0.2, 1.0 + noise]], np.float32)
    assert pointing_game(attention_, np.array([[1, 0], [0, 0]], np.float32)) == 0.5


@pytest.mark.parametrize("noise", NOISE)
def test_binary_dice_keeps_what_lies_on_the_threshold_whatever_rounding_says(noise: float):
    half = np.array([[0.5 + noise, 0.0], [0.0, 1.0]], np.float32)
    assert binary_dice(half, np.array([[1, 0], [0, 1]], np.float32), 0.5) == 1
    assert binary_dice(np.array([[1, 0], [0, 1]], np.float32), half, 0.5) == 1


@pytest.mark.parametrize("noise", NOISE)
def test_of_two_findings_that_tie_support_is_the_first_ones_as_it_is_the_one_named(noise: float):
    evidence = np.array([[[2.0, 0.0]], [[0.0, 2.0 + 5 * noise]]], np.float32)
    first = support(evidence, np.array([[1, 0]], np.float32))
    assert first == pytest.approx(np.exp(2) / (np.exp(2) + 1))


def test_bands_begin_at_their_levels():
    maps = np.array([[0.0, 0.19, 0.2, 0.5], [0.6, 0.79, 0.8, 1.0]], np.float64)
    assert bands(maps).tolist() == [[0, 0, 1, 2], [3, 3, 4, 4]]
    assert bands(maps).dtype == np.uint8
