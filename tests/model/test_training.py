import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import BAR, DOT, NONE, make_cases, make_task

from xal.datasets.truth import read_truth
from xal.errors import BadInput
from xal.experiments.demo.pool import as_case
from xal.method.attention import area_average, soft_dice
from xal.model import losses, training
from xal.model.augmentation import augment, move, random_motion
from xal.model.judging import Case
from xal.model.network import predict
from xal.model.training import Outlined, balanced_epochs, evaluate, outlined_per_step, train
from xal.task import load_task

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]


def run(task, cases, validation, *, on_epoch=lambda _: None, stop=lambda: False, start_from=None, outlined=()):
    return train(task, cases, validation, task.training, CPU, on_epoch, stop, start_from, outlined)


def only_outlined(count, size=32, seed=5):
    """Images of which the ROI is known, and nobody has named the finding."""
    return [Outlined(c.image_id, c.tensor, c.roi) for c in make_cases(count, size, seed=seed) if c.roi is not None]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- augmentation ---


@pytest.mark.parametrize("size", [(40, 40), (48, 32), (20, 24, 16)])
def test_augmentation_moves_image_and_roi_together(size):
    generator = torch.Generator().manual_seed(0)
    rois = torch.zeros(16, *size)
    rois[(slice(None), *(slice(n // 2 - 3, n // 2 + 2) for n in size))] = 1
    images = rois[:, None] * 5
    moved, moved_rois = augment(images, rois, generator, flip=True)
    inside = (moved[:, 0] * moved_rois).flatten(1).sum(1) / moved_rois.flatten(1).sum(1)
    outside = (moved[:, 0] * (1 - moved_rois)).flatten(1).sum(1) / (1 - moved_rois).flatten(1).sum(1)
    assert (inside - outside > 2).all()
    assert (moved_rois - rois).abs().flatten(1).amax(1).gt(0.5).float().mean() > 0.8
    exact, followed = move(images, rois, random_motion(16, torch.Size(size), generator, flip=True))
    assert torch.allclose(exact[:, 0], followed * 5, atol=1e-4)


def test_a_rotation_does_not_shear_an_oblong_image():
    generator = torch.Generator().manual_seed(1)
    rois = torch.zeros(8, 64, 32)
    rois[:, 26:38, 10:22] = 1
    _, moved = move(rois[:, None], rois, random_motion(8, torch.Size((64, 32)), generator, flip=False))
    x, y = torch.meshgrid(torch.arange(64.0), torch.arange(32.0), indexing="ij")
    for roi in moved:
        mass = roi.sum()
        cx, cy = (roi * x).sum() / mass, (roi * y).sum() / mass
        xx, yy, xy = ((roi * a * b).sum() / mass for a, b in ((x - cx, x - cx), (y - cy, y - cy), (x - cx, y - cy)))
        assert abs(float(xx / yy) - 1) < 0.06
        assert abs(float(xy / yy)) < 0.06


def test_augmentation_is_reproducible_and_mirrors_only_on_request():
    cases = make_cases(8)
    images = torch.stack([case.tensor for case in cases])
    rois = torch.rand(8, 32, 32)
    first = augment(images, rois, torch.Generator().manual_seed(3), flip=False)
    again = augment(images, rois, torch.Generator().manual_seed(3), flip=False)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    generator = torch.Generator().manual_seed(0)
    turned = [torch.linalg.det(random_motion(64, torch.Size((32, 32)), generator, flip=f)[:, :, :2]) for f in (0, 1)]
    assert (turned[0] > 0).all()
    assert (turned[1] < 0).any()


# --- sampling ---


def test_epochs_are_balanced_and_use_every_image():
    labels = np.array([0] * 40 + [1] * 5 + [2] * 3)
    epochs = balanced_epochs(labels, 60, seed=0)
    drawn = np.concatenate([next(epochs) for _ in range(4)])
    assert np.bincount(labels[drawn]).tolist() == [80, 80, 80]
    uses = np.bincount(drawn, minlength=48)
    assert uses[:40].tolist() == [2] * 40
    assert uses[40:45].tolist() == [16] * 5
    assert uses[45:].ptp() <= 1


# --- the loop ---


def test_guidance_moves_attention_from_the_shortcut_to_the_roi_without_losing_accuracy():
    cases = make_cases(60, 40, shortcut=0.95)
    validation = make_cases(24, 40, shortcut=0.95, seed=1)
    fair = make_cases(60, 40, shortcut=0.0, seed=2)
    energy, accuracy = {}, {}
    for guidance in (0.0, 1.0):
        task = make_task(size=40, guidance=guidance, roi=0.0, max_epochs=6, min_steps=10, learning_rate=3e-3)
        result = evaluate(run(task, cases, validation).network, task, fair, CPU).metrics()
        energy[guidance], accuracy[guidance] = result["energy_in_roi"], result["balanced_accuracy"]
    assert energy[1.0] > energy[0.0] + 0.1
    assert accuracy[1.0] >= accuracy[0.0] - 0.02
    assert accuracy[1.0] > 0.8


def test_metrics_are_complete_finite_and_json(tmp_path):
    task = make_task(max_epochs=2, min_steps=4)
    seen = []
    trained = run(task, make_cases(12), make_cases(6, seed=1), on_epoch=seen.append)
    metrics = json.loads(json.dumps(trained.metrics, allow_nan=False))
    for key in ("best_metric", "balanced_accuracy", "log_loss", "energy_in_roi", "pointing", "dice", "auroc", "ece"):
        assert math.isfinite(metrics[key])
    assert metrics["counts"] == {"cases": 6, "with_roi": 4, "findings": {DOT: 2, BAR: 2, NONE: 2}}
    assert metrics["trained_on"] == {"cases": 12, "with_roi": 8, "only_outlined": 0}
    assert metrics["judged_on"] == "validation"
    assert [progress.epoch for progress in seen] == [1, 2]
    assert json.loads(json.dumps(trained.history, allow_nan=False))[-1]["epoch"] == 2
    assert int(trained.network.rois_seen) == 8


def test_without_any_roi_the_attention_metrics_are_none():
    task = make_task(max_epochs=1, min_steps=2)
    blind = [Case(case.image_id, case.tensor, case.finding, None) for case in make_cases(9)]
    metrics = run(task, blind, blind).metrics
    assert metrics["energy_in_roi"] is metrics["pointing"] is metrics["dice"] is None
    assert metrics["counts"]["with_roi"] == 0
    assert evaluate(run(task, blind, []).network, task, [], CPU).metrics()["best_metric"] == 0


def test_without_validation_the_schedule_runs_to_its_end_and_the_metrics_say_so():
    task = make_task(max_epochs=4, patience=1, min_steps=2)
    trained = run(task, make_cases(9), [])
    assert trained.metrics["judged_on"] == "training"
    assert trained.metrics["epochs"] == trained.metrics["best_epoch"] == 4
    assert math.isfinite(trained.metrics["best_metric"])
    assert trained.history[0]["validation_loss"] is None


def test_the_temperature_is_fitted_on_validation_images_and_lowers_their_log_loss():
    task = make_task(max_epochs=4, learning_rate=0.01, roi=0.0)
    misnamed = [
        Case(case.image_id, case.tensor, wrong, None)
        for case, wrong in zip(make_cases(18, seed=1), [BAR, NONE, DOT] * 6, strict=True)
    ]
    trained = run(task, make_cases(18), misnamed)
    assert float(trained.network.temperature) == pytest.approx(trained.metrics["temperature"])
    assert trained.metrics["temperature"] > 1
    assert trained.metrics["log_loss"] < trained.metrics["log_loss_raw"]
    once = make_task(max_epochs=1, min_steps=1)
    assert run(once, make_cases(18), [], start_from=trained.network).metrics["temperature"] == 1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    def weights(seed, noise):
        torch.manual_seed(noise)
        task = make_task("efficientnet-b0", max_epochs=1, min_steps=3, batch_size=4, seed=seed)
        return run(task, make_cases(8), make_cases(4, seed=1)).network.state_dict()

    first, again, other = weights(0, noise=1), weights(0, noise=2), weights(1, noise=1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


# --- images that have an outline and no finding ---


def test_the_roi_head_learns_from_outlines_without_a_finding():
    task = make_task(max_epochs=8, min_steps=12, learning_rate=3e-3, guidance=0.0)
    named = [replace(case, roi=None) for case in make_cases(12) if case.finding != NONE]
    taught = run(task, named, [], outlined=only_outlined(30))
    assert taught.metrics["trained_on"] == {"cases": 8, "with_roi": 0, "only_outlined": 20}
    assert int(taught.network.rois_seen) == 20
    fresh = [case for case in make_cases(30, seed=9) if case.roi is not None]

    def meets(network):
        said = predict(network, torch.stack([case.tensor for case in fresh]), task)
        grid = network.feature_grid
        rois = [area_average(case.roi[None], grid)[0].numpy() for case in fresh]
        return [None if one.proposed is None else soft_dice(one.proposed, r) for one, r in zip(said, rois, strict=True)]

    assert np.mean(meets(taught.network)) > 0.4
    assert set(meets(run(task, named, []).network)) == {None}, "nobody taught it"


def test_steps_and_what_they_see_of_the_findings_are_the_same_with_outlines_beside_them(monkeypatch):
    seen = {}

    def told(kept):
        def objective(weight, output, target, settings, progress=None):
            kept.append((target.findings.tolist(), target.rois[: len(target.findings)].clone(), len(target.rois)))
            return losses.objective(weight, output, target, settings, progress)

        return objective

    task = make_task(max_epochs=2, min_steps=5, batch_size=6, flip=True)
    for name, outlined in (("with", only_outlined(12)), ("without", [])):
        monkeypatch.setattr(training, "objective", told(seen.setdefault(name, [])))
        run(task, make_cases(12), [], outlined=outlined)
    assert len(seen["with"]) == len(seen["without"]) == 10
    for ours, theirs in zip(seen["with"], seen["without"], strict=True):
        assert ours[0] == theirs[0]
        assert torch.equal(ours[1], theirs[1])
        assert (ours[2], theirs[2]) == (6 + 4, 6)


def test_each_is_seen_as_often_as_the_others_and_they_are_never_the_greater_part_of_a_batch():
    assert [outlined_per_step(outlined, 40, 8) for outlined in (0, 1, 5, 20, 40, 2000)] == [0, 1, 1, 4, 8, 8]


def test_without_any_or_without_an_roi_head_the_weights_are_the_very_same():
    for roi, outlined in ((1.0, []), (0.0, only_outlined(9))):
        task = make_task(max_epochs=2, min_steps=4, roi=roi, seed=7)
        plain = run(task, make_cases(9), make_cases(6, seed=1))
        other = run(task, make_cases(9), make_cases(6, seed=1), outlined=outlined)
        weights = plain.network.state_dict()
        assert all(torch.equal(value, weights[name]) for name, value in other.network.state_dict().items())
        assert other.metrics["trained_on"] == plain.metrics["trained_on"]
    task = make_task(max_epochs=2, min_steps=4, seed=7)
    head, taught = (
        run(task, make_cases(9), [], outlined=outlined).network.roi_head.weight for outlined in ([], only_outlined(9))
    )
    assert not torch.equal(head, taught)


def test_prototypes_are_made_of_images_with_a_finding_alone():
    task = make_task(max_epochs=1, min_steps=4, batch_size=6, head="prototype")
    cases = make_cases(12)
    network = run(task, cases, [], outlined=only_outlined(9)).network
    embeddings = np.stack([r.embedding for r in predict(network, torch.stack([c.tensor for c in cases]), task)])
    means = np.stack([embeddings[[c.finding == name for c in cases]].mean(0) for name in task.finding_names])
    distances = np.square(embeddings[0] - means).sum(1)
    (prediction,) = predict(network, cases[0].tensor[None], task)
    assert prediction.logits - prediction.logits[0] == pytest.approx(distances[0] - distances, abs=1e-3)


# --- chance, and where it stops ---


def test_training_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(make_task(max_epochs=1), make_cases(6), [])
    assert torch.equal(torch.rand(3), expected)


def test_it_stops_within_a_step_and_keeps_the_best_state_so_far():
    task = make_task(max_epochs=50)
    steps = []

    def stop():
        steps.append(1)
        return len(steps) > 25

    trained = run(task, make_cases(9), make_cases(6, seed=1), stop=stop)
    assert len(steps) == 26
    assert trained.metrics["stopped"]
    assert trained.metrics["epochs"] == 1
    assert math.isfinite(trained.metrics["best_metric"])


def misnamed_cases():
    """Each named after another finding than it shows: the more is learnt, the worse a model is on them."""
    shown = zip(make_cases(9, seed=1), [BAR, NONE, DOT] * 3, strict=True)
    return [Case(case.image_id, case.tensor, wrong, None) for case, wrong in shown]


def test_it_stops_early_and_restores_the_best_state():
    task = make_task(max_epochs=40, patience=2, learning_rate=0.002, roi=0.0)
    trained = run(task, make_cases(30), misnamed_cases())
    losses = [epoch["validation_loss"] for epoch in trained.history]
    assert len(losses) < 40
    assert trained.metrics["best_epoch"] == int(np.argmin(losses)) + 1 < len(losses)
    assert trained.metrics["log_loss_raw"] == pytest.approx(min(losses), rel=1e-4)


def test_a_schedule_that_runs_to_its_end_keeps_its_end():
    task = make_task(max_epochs=8, patience=8, learning_rate=0.002, roi=0.0)
    trained = run(task, make_cases(30), misnamed_cases())
    losses = [epoch["validation_loss"] for epoch in trained.history]
    assert int(np.argmin(losses)) + 1 < len(losses) == trained.metrics["best_epoch"]


def test_prototypes_learn_from_five_images_of_each_finding_of_the_sample_data():
    task = load_task("phantom_2d")
    by_finding = {}
    for known in read_truth(ROOT / "sample_data" / "truth" / "phantom_2d").values():
        by_finding.setdefault(known.finding, []).append(known)
    learning, others = (
        [
            as_case(ROOT / "sample_data" / "phantom_2d", known, task)
            for group in by_finding.values()
            for known in group[part]
        ]
        for part in (slice(0, 5), slice(5, 20))
    )
    options = {"head": "prototype", "batch_size": 16, "learning_rate": 0.002, "max_epochs": 8}
    settings = task.training.model_copy(update=options)
    trained = train(task, learning, [], settings, CPU, lambda _: None, lambda: False)
    metrics = evaluate(trained.network, task, others, CPU).metrics()
    assert metrics["balanced_accuracy"] > 0.45  # guessing is right in a quarter
    assert metrics["energy_in_roi"] > 0.1  # even attention has 0.02


def test_the_head_of_prototypes_names_the_nearest_mean_of_the_training_images():
    task = make_task(max_epochs=2, min_steps=5, head="prototype")
    cases = make_cases(12)
    network = run(task, cases, make_cases(6, seed=1)).network
    embeddings = np.stack([r.embedding for r in predict(network, torch.stack([c.tensor for c in cases]), task)])
    means = np.stack([embeddings[[c.finding == name for c in cases]].mean(0) for name in task.finding_names])
    for prediction in predict(network, torch.stack([c.tensor for c in make_cases(9, seed=3)]), task):
        distances = np.square(prediction.embedding - means).sum(1)
        assert prediction.logits - prediction.logits[0] == pytest.approx(distances[0] - distances, abs=1e-3)


def test_it_can_start_from_a_network_that_stays_untouched():
    task = make_task(max_epochs=3, min_steps=4)
    first = run(task, make_cases(12), []).network
    before = {name: value.clone() for name, value in first.state_dict().items()}
    gentle = make_task(max_epochs=1, min_steps=4, learning_rate=1e-9)
    second = run(gentle, make_cases(12), [], start_from=first).network
    assert all(torch.equal(value, before[name]) for name, value in first.state_dict().items())
    moved = (second.finding_head.weight - first.finding_head.weight).abs().max()
    assert moved < 1e-4


def test_three_dimensions_and_several_channels_train_too():
    task = make_task("resnet10", dimensions=3, size=16, channels=2, max_epochs=1, batch_size=2, flip=True)
    roi = torch.zeros(16, 16, 16)
    roi[4:9, 4:9, 4:9] = 1
    cases = [Case(f"i{i}", torch.randn(2, 16, 16, 16), (DOT, BAR)[i % 2], roi.numpy()) for i in range(4)]
    assert run(task, cases, cases).metrics["energy_in_roi"] > 0


def test_one_finding_is_not_enough():
    with pytest.raises(BadInput, match="at least two findings"):
        run(make_task(), [case for case in make_cases(9) if case.finding == DOT], [])


def test_a_diverging_training_says_so():
    task = make_task(max_epochs=2, augment=False)
    broken = [Case(case.image_id, case.tensor * float("inf"), case.finding, case.roi) for case in make_cases(6)]
    with pytest.raises(BadInput, match="diverged"):
        run(task, broken, [])
