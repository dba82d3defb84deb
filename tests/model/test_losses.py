import pytest
import torch
from synthetic import make_cases, make_task

from xal.method.attention import area_average, gradcam
from xal.model.losses import (
    Target,
    episode,
    guidance_loss,
    guidance_share,
    objective,
    prototype_head,
    roi_loss,
    softened,
    surrogate_attention,
)
from xal.model.network import Output, build
from xal.task import TrainingSettings

KINDS = ["dice", "energy", "outside"]


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_has_the_right_gradient(kind):
    torch.manual_seed(0)
    features = torch.randn(3, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    rois = torch.rand(3, 3, 3, dtype=torch.float64)
    findings = torch.tensor([0, 1, 1])
    assert torch.autograd.gradcheck(lambda f, w: guidance_loss(f, w, findings, rois, kind), (features, weight))


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_lifts_the_roi_out_of_a_map_that_is_negative_everywhere(kind):
    torch.manual_seed(0)
    features = torch.rand(1, 4, 5, 5).requires_grad_()
    weight = -torch.ones(2, 4)
    findings = torch.tensor([0])
    rois = torch.zeros(1, 5, 5)
    rois[0, 1:3, 1:3] = 1
    assert not gradcam(features, weight, findings).any()
    guidance_loss(features, weight, findings, rois, kind).backward()
    assert features.grad.abs().max() > 1e-4
    step = -features.grad.sum(1) * weight[0, 0]  # what a step downhill does to the map
    assert step[rois > 0].mean() > step[rois == 0].mean()


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_of_a_flat_map_or_a_full_roi_is_finite(kind):
    features = torch.ones(1, 4, 5, 5, requires_grad=True)
    guidance_loss(features, torch.ones(2, 4), torch.tensor([0]), torch.ones(1, 5, 5), kind).backward()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_is_lowest_where_attention_and_roi_agree(kind):
    rois = torch.zeros(1, 6, 6)
    rois[0, 2:4, 2:4] = 1
    weight = torch.ones(1, 1)

    def loss(cam):
        return float(guidance_loss(cam[:, None], weight, torch.tensor([0]), rois, kind))

    assert loss(rois) < loss(torch.roll(rois, 1, 2)) < loss(torch.roll(rois, 2, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_does_not_see_the_scale_of_a_map(kind):
    torch.manual_seed(0)
    features, rois = torch.randn(2, 4, 6, 6), torch.rand(2, 6, 6)
    weight, findings = torch.randn(2, 4), torch.tensor([0, 1])
    small, large = (guidance_loss(features, scale * weight, findings, rois, kind) for scale in (1, 20))
    assert float(large) == pytest.approx(float(small), rel=1e-4)


def test_the_surrogate_ignores_an_offset_and_the_softened_map_does_not():
    cam = torch.zeros(1, 6, 6)
    cam[0, 2:4, 2:4] = 1
    assert torch.allclose(surrogate_attention(cam * 7 - 3), surrogate_attention(cam), atol=1e-4)
    lifted, sunk = (softened(cam + offset)[0] for offset in (1.0, -0.3))
    assert sunk[0, 0] / sunk[2, 2] < 0.1 < lifted[0, 0] / lifted[2, 2]


@pytest.mark.parametrize(
    ("schedule", "shares"), [("constant", [1, 1, 1]), ("rise", [0, 0.5, 1]), ("fall", [1, 0.5, 0])]
)
def test_the_share_of_guidance_follows_its_schedule(schedule, shares):
    settings = TrainingSettings(guidance_schedule=schedule)
    assert [guidance_share(settings, progress) for progress in (0, 0.5, 1)] == pytest.approx(shares)


@pytest.fixture
def loss():
    """The objective of one batch of four outlined images, for settings and progress."""
    torch.manual_seed(0)
    task = make_task()
    network = build(task).eval()
    cases = [case for case in make_cases(6) if case.roi is not None]
    target = Target(
        torch.tensor([task.index(case.finding) for case in cases]),
        torch.stack([torch.as_tensor(case.roi) for case in cases]),
        torch.ones(len(cases), dtype=torch.bool),
    )
    output = network(torch.stack([case.tensor for case in cases]))

    def of(progress=None, **settings):
        return objective(
            network.finding_head.weight, output, target, TrainingSettings(roi=0, **settings), progress
        ).item()

    return of


def test_the_objective_counts_the_scheduled_share_of_guidance_and_all_of_it_to_compare_epochs(loss):
    assert loss(0.0, guidance=2, guidance_schedule="rise") == pytest.approx(loss(0.5, guidance=0))
    assert loss(0.5, guidance=2, guidance_schedule="rise") == pytest.approx(loss(0.5, guidance=1))
    assert loss(guidance=2, guidance_schedule="rise") == pytest.approx(loss(1.0, guidance=2))
    assert loss(guidance=2) != pytest.approx(loss(guidance=1))


def test_labels_are_smoothed_in_training_and_not_to_compare_epochs(loss):
    smoothed, uniform = (loss(0.5, guidance=0, label_smoothing=part) for part in (0.2, 1 - 1e-9))
    assert smoothed == pytest.approx(0.8 * loss(guidance=0) + 0.2 * uniform)
    assert loss(guidance=0, label_smoothing=0.2) == pytest.approx(loss(guidance=0)) != pytest.approx(smoothed)


def mean_of(embeddings, findings, finding):
    return embeddings[findings == finding].mean(0)


def test_the_head_of_prototypes_gives_the_probabilities_of_the_distances_to_the_means():
    torch.manual_seed(0)
    embeddings, findings = torch.randn(9, 5), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 1])
    weight, bias = prototype_head(embeddings, findings, 3)
    fresh = torch.randn(4, 5)
    means = torch.stack([mean_of(embeddings, findings, k) for k in range(3)])
    expected = (-torch.cdist(fresh, means).square()).softmax(1)
    assert torch.allclose((fresh @ weight.T + bias).softmax(1), expected, atol=1e-5)
    assert torch.allclose(weight.sum(0), torch.zeros(5), atol=1e-5)


def test_a_finding_without_a_prototype_is_never_named():
    weight, bias = prototype_head(torch.rand(4, 5), torch.tensor([0, 2, 0, 2]), 3)
    assert (torch.rand(50, 5) @ weight.T + bias)[:, 1].max() < -20


def test_an_episode_judges_each_image_by_the_prototypes_of_the_others():
    torch.manual_seed(0)
    features, findings = torch.randn(7, 4, 2, 2), torch.tensor([0, 1, 0, 1, 1, 0, 0])
    judged, _ = episode(Output(torch.zeros(7, 2), features, torch.zeros(7, 2, 2)), findings)
    embeddings = features.mean((2, 3))
    for i in range(7):
        others = torch.arange(7) != i
        means = torch.stack([mean_of(embeddings[others], findings[others], k) for k in range(2)])
        expected = (-(embeddings[i] - means).square().sum(1)).softmax(0)
        assert torch.allclose(judged.logits[i].softmax(0), expected, atol=1e-5)


def test_an_episode_with_one_image_of_a_finding_and_none_of_another_has_a_finite_gradient():
    features = torch.rand(3, 4, 2, 2).requires_grad_()
    judged, weight = episode(Output(torch.zeros(3, 3), features, torch.zeros(3, 2, 2)), torch.tensor([0, 0, 2]))
    (torch.nn.functional.cross_entropy(judged.logits, torch.tensor([0, 0, 2])) + weight.sum()).backward()
    assert features.grad.isfinite().all()
    assert judged.logits[2].argmax() == 2


def test_the_roi_loss_takes_absent_images_too():
    logits = torch.full((2, 4, 4), -8.0)
    assert float(roi_loss(logits, torch.zeros(2, 4, 4))) < 0.01
    assert float(roi_loss(logits, torch.ones(2, 4, 4))) > 1


@pytest.mark.parametrize("head", ["linear", "prototype"])
def test_an_image_without_a_finding_enters_the_loss_of_the_roi_head_and_no_other(head):
    torch.manual_seed(0)
    settings = TrainingSettings(guidance=0.5, guidance_kind="energy")
    features = torch.randn(5, 8, 4, 4)
    network = torch.nn.Linear(8, 2)
    rois = torch.zeros(5, 8, 8)
    rois[:, 2:5, 2:5] = 1
    known = torch.tensor([True, True, False, True, True])

    def losses(count, roi):
        """Of three images with a finding and `count` - 3 without one."""
        network.zero_grad()
        part = features[:count]
        output = Output(network(part.flatten(2).mean(2)), part, part.mean(1))
        target, weight = Target(torch.tensor([0, 1, 1]), rois[:count], known[:count]), network.weight
        if head == "prototype":
            output, weight = episode(output, target.findings)
        loss = objective(weight, output, target, settings.model_copy(update={"roi": roi}))
        if head == "linear":
            loss.backward()
        return loss.item(), network.weight.grad

    (three, gradient), (five, same) = losses(3, 0.0), losses(5, 0.0)
    assert three == five
    assert head == "prototype" or torch.equal(gradient, same)
    expected = roi_loss(features.mean(1)[known], area_average(rois, (4, 4))[known])
    assert losses(5, 2.0)[0] - five == pytest.approx(2 * float(expected), rel=1e-5)


def test_images_without_a_finding_do_not_teach_that_there_is_an_roi_in_every_image():
    torch.manual_seed(0)
    logits, findings = torch.randn(12, 4, 4), torch.tensor([0, 1, 2, 2])
    rois = torch.zeros(12, 4, 4)
    rois[[0, 1, *range(4, 12)], 1:3, 1:3] = 1
    target = Target(findings, rois, torch.ones(12, dtype=torch.bool))
    output = Output(torch.zeros(12, 3), torch.zeros(12, 5, 4, 4), logits)
    settings = TrainingSettings(guidance=0)

    def of_roi(target, output):
        weight = torch.zeros(3, 5)
        both, without = (objective(weight, output, target, settings.model_copy(update={"roi": r})) for r in (1, 0))
        return float(both - without)

    cells = torch.nn.functional.binary_cross_entropy_with_logits(logits, rois, reduction="none").mean((1, 2))
    lesions = rois.flatten(1).any(1)
    dice = roi_loss(logits[lesions], rois[lesions]) - cells[lesions].mean()
    assert of_roi(target, output) == pytest.approx(float((cells[lesions].mean() + cells[2:4].mean()) / 2 + dice))
    four = Target(findings, rois[:4], target.known[:4]), Output(*(part[:4] for part in output))
    assert of_roi(*four) == pytest.approx(float(roi_loss(logits[:4], rois[:4]))), "as they are, without any"
