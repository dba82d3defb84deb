"""Whether shapes and devices are right on a GPU, tried without one.

Under PyTorch's fake tensors nothing is computed: every operation says what shape its result has and where it lies, and
mixing devices is an error. What a mask holds is not known then; `Fake` says it.

The tests marked `gpu` are left with what fake tensors cannot show: numbers, CUDA's random state, its kernels, and what
leaves for NumPy on its way (validation, files).
"""

import math

import numpy as np
import pytest
import torch
from synthetic import BAR, DOT, NONE, make_cases, make_task
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

from xal.method.attention import all_maps, area_average, class_map, gradcam, normalise, upsample
from xal.model import augmentation, backbones, training
from xal.model import network as network_module
from xal.model.judging import Case
from xal.model.losses import Target, episode, guidance_loss, objective, prototype_head, roi_loss
from xal.model.network import Network, Output, load, predict, save
from xal.model.training import Outlined

CPU, CUDA, META = torch.device("cpu"), torch.device("cuda:0"), torch.device("meta")
NETWORKS = [(name, dimensions) for name in ("resnet10", "densenet121", "efficientnet-b0") for dimensions in (2, 3)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor"),  # torch does, to copy one
]
CHOSEN = 2
"""Every mask is said to choose so many images."""

aten = torch.ops.aten
MOVES = {aten._to_copy.default, aten.copy_.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}


class Fake(FakeTensorMode):
    """Fake tensors on `cuda`, stricter about devices than PyTorch's, which let a convolution mix them.

    `answers` says what is read from the device, by type; to read anything else is an error.

    A PyTorch for CPUs cannot index, or take gradients, on `cuda`. So its inner parts are told `meta`, where it can; all
    that is written in Python, and the check of devices, see `cuda`.
    """

    def __init__(self, answers=None):
        super().__init__(allow_non_fake_inputs=True)
        self.answers = {torch.bool: True} if answers is None else answers

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default and args[0].fake_device == CUDA:
            return META
        if kwargs.get("device") == META:
            kwargs = {**kwargs, "device": CUDA}
        if func is aten._local_scalar_dense.default and args[0].dtype in self.answers:
            return self.answers[args[0].dtype]
        if func is aten.nonzero.default:
            with self:
                return torch.zeros((CHOSEN, args[0].dim()), dtype=torch.int64, device=args[0].device)
        if func not in MOVES:
            tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, FakeTensor) and x.dim() > 0]
            devices = {x.fake_device for x in tensors}
            indexed_from_the_cpu = func in INDEXING and tensors[0].fake_device != CPU
            if len(devices) > 1 and not indexed_from_the_cpu:
                raise RuntimeError(f"{func} mixes devices: {[str(x.fake_device) for x in tensors]}")
        return super().__torch_dispatch__(func, types, args, kwargs)


@pytest.fixture(autouse=True)
def short_densenet(monkeypatch):
    """Its blocks repeat the same layers dozens of times."""
    monkeypatch.setitem(backbones._DENSENET_BLOCKS, "densenet121", (2, 2, 2, 2))


def small_task(backbone="resnet10", dimensions=2, **settings):
    return make_task(backbone, dimensions, size=32 if dimensions == 2 else 16, channels=2, **settings)


def five_cases(task):
    """With ROIs as tensor and as array, and without."""
    roi = torch.zeros(task.image.size)
    roi[4:9, 4:9] = 1
    named = [(DOT, roi), (BAR, roi.numpy()), (DOT, None), (NONE, None), (BAR, roi)]
    return [Case(f"i{i}", torch.zeros(2, *task.image.size), name, drawn) for i, (name, drawn) in enumerate(named)]


@pytest.fixture
def start(monkeypatch):
    """A training that is about to begin; call it under `Fake`."""

    def started(task, cases, outlined=()):
        with torch.utils._python_dispatch._disable_current_modes():
            network = Network(task)
        monkeypatch.setattr(training, "Network", lambda _: network)
        return training._Run(task, cases, [], task.training, CUDA, None, outlined)

    return started


def on_gpu(tensor, *shape):
    return tensor.device == CUDA and tuple(tensor.shape) == shape


# --- without gradients ---


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_batch_is_prepared_and_augmented_on_the_device(dimensions, start):
    task = small_task(dimensions=dimensions)
    cases, size = five_cases(task), task.image.size
    with Fake(), torch.no_grad():
        run = start(task, cases, [Outlined("o", case.tensor, case.roi) for case in cases[:2]])
        images, target = run._stack(cases)
        both, known = run._with_outlined(images, target)
        added = run.added
        assert on_gpu(both, 5 + added, 2, *size)
        assert on_gpu(known.rois, 5 + added, *size)
        assert on_gpu(known.known, 5 + added)
        moved, rois = augmentation.augment(images, target.rois, run.generator, flip=True)
        assert on_gpu(images, 5, 2, *size)
        assert on_gpu(target.findings, 5)
        assert on_gpu(target.known, 5)
        assert on_gpu(target.rois, 5, *size)
        assert on_gpu(moved, 5, 2, *size)
        assert on_gpu(rois, 5, *size)
        assert {value.device for value in run.network.state_dict().values()} == {CUDA}
        assert {value.device for value in (*run.means, *run.currents, *run.best.values())} == {CUDA}


@pytest.mark.parametrize(("backbone", "dimensions"), NETWORKS)
def test_a_network_reads_on_the_device(backbone, dimensions):
    task = small_task(backbone, dimensions)
    network = Network(task)
    grid, channels = network.feature_grid, network.finding_head.in_features
    with Fake(), torch.no_grad():
        output = network.to(CUDA)(torch.zeros(5, 2, *task.image.size, device=CUDA))
        assert on_gpu(output.logits, 5, 3)
        assert on_gpu(output.features, 5, channels, *grid)
        assert on_gpu(output.roi_logits, 5, *grid)


@pytest.mark.parametrize("grid", [(4, 6), (2, 3, 4)])
def test_attention_stays_on_the_device(grid):
    head = torch.nn.Linear(8, 3)
    size = tuple(4 * n for n in grid)
    with Fake(), torch.no_grad():
        head.to(CUDA)
        features, findings = torch.zeros(5, 8, *grid, device=CUDA), torch.zeros(5, dtype=torch.int64, device=CUDA)
        maps = class_map(features, head.weight, findings)
        assert on_gpu(maps, 5, *grid)
        assert on_gpu(all_maps(features, head), 5, 3, *grid)
        assert on_gpu(gradcam(features, head.weight, findings), 5, *grid)
        assert on_gpu(normalise(maps), 5, *grid)
        assert on_gpu(upsample(maps, size), 5, *size)
        assert on_gpu(area_average(upsample(maps, size), grid), 5, *grid)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("asked", [None, [DOT, BAR, NONE]])
def test_a_reading_is_on_the_device_until_it_leaves_for_numpy(dimensions, asked, monkeypatch):
    task = small_task(dimensions=dimensions)
    task = task.model_copy(update={"acquisition": task.acquisition.model_copy(update={"min_rois": 1})})
    network = Network(task)
    grid, channels, left = network.feature_grid, network.finding_head.in_features, []

    def leave(tensor):
        left.append(tensor)
        return np.zeros(tensor.float().cpu().shape, np.float32)

    monkeypatch.setattr(network_module, "_numpy", leave)
    with Fake({torch.int64: 1}):  # as many ROIs were seen, and so is the finding numbered
        first, *others = predict(network.to(CUDA), torch.zeros(3, 2, *task.image.size), task, asked)
        assert {tensor.device for tensor in left} == {CUDA}
    assert len(others) == 2
    assert first.finding == BAR
    assert first.attention.shape == first.coverage.shape == first.proposed.shape == grid
    assert first.evidence.shape == (3, *grid)
    assert first.embedding.shape == (channels,)


# --- with gradients ---


def outputs(grid):
    """An output and the weight of its head, which take gradients, and a target."""
    size = tuple(4 * n for n in grid)
    findings, known = torch.zeros(5, dtype=torch.int64, device=CUDA), torch.zeros(5, dtype=torch.bool, device=CUDA)
    shapes = ((5, 3), (5, 8, *grid), (5, *grid), (3, 8))
    floats = [torch.zeros(shape, device=CUDA, requires_grad=True) for shape in shapes]
    return Output(*floats[:3]), floats[3], Target(findings, torch.zeros(5, *size, device=CUDA), known)


@pytest.mark.parametrize("grid", [(4, 6), (2, 3, 4)])
@pytest.mark.parametrize("some", [True, False])
@pytest.mark.parametrize("kind", ["dice", "energy", "outside"])
def test_the_losses_stay_on_the_device(kind, some, grid):
    settings = make_task(guidance_kind=kind, guidance_schedule="rise", label_smoothing=0.1).training
    with Fake({torch.bool: some}):
        output, weight, target = outputs(grid)
        rois = area_average(target.rois, grid)
        losses = [objective(weight, output, target, settings, progress) for progress in (0.5, None)]
        losses += [
            guidance_loss(output.features, weight, target.findings, rois, kind),
            roi_loss(output.roi_logits, rois),
        ]
        assert all(on_gpu(loss) for loss in losses)
        torch.autograd.backward(losses)
        assert all(on_gpu(leaf.grad, *leaf.shape) for leaf in (*output, weight))


@pytest.mark.parametrize("grid", [(4, 6), (2, 3, 4)])
def test_an_episode_of_prototypes_stays_on_the_device(grid):
    with Fake():
        output, _, target = outputs(grid)
        judged, weight = episode(output, target.findings)
        head, bias = prototype_head(output.features.flatten(2).mean(2), target.findings, 3)
        assert on_gpu(judged.logits, 5, 3)
        assert on_gpu(weight, 3, 8)
        assert on_gpu(head, 3, 8)
        assert on_gpu(bias, 3)
        torch.autograd.backward(objective(weight, judged, target, make_task().training))
        assert on_gpu(output.features.grad, 5, 8, *grid)


@pytest.mark.parametrize(
    ("backbone", "dimensions"), [("resnet10", 2), ("resnet10", 3), ("densenet121", 2), ("efficientnet-b0", 3)]
)
def test_a_training_step_stays_on_the_device(backbone, dimensions, start):
    task = small_task(backbone, dimensions, flip=True)
    cases = five_cases(task)
    with Fake():
        run = start(task, cases)
        assert on_gpu(run._step(cases))
        for parameter in run.network.parameters():
            assert on_gpu(parameter.grad, *parameter.shape)
            state = run.optimizer.state[parameter]
            assert {value.device for value in state.values()} == {CUDA}
        for value, mean in zip(run.network.state_dict().values(), run.averaged.state_dict().values(), strict=True):
            assert on_gpu(mean, *value.shape)
        assert {value.device for value in run.means} == {CUDA}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_an_epoch_with_prototypes_stays_on_the_device(dimensions, start):
    task = small_task(dimensions=dimensions, head="prototype", min_steps=1, batch_size=5)
    cases = five_cases(task)
    with Fake({torch.bool: True, torch.float32: 0.5}):  # the latter is the loss, read once an epoch
        run = start(task, cases)
        assert run.epoch(np.arange(5), lambda: False)
        assert run.progress[0].loss == 0.5
        assert {value.device for value in run.best.values()} == {CUDA}
        assert on_gpu(run.averaged.finding_head.weight, *run.network.finding_head.weight.shape)


# --- the checks can fail ---


@pytest.mark.parametrize("left_behind", ["images", "findings", "rois", "known"])
def test_what_is_left_on_the_cpu_fails_a_step(left_behind, start, monkeypatch):
    task = small_task(augment=False)
    cases, stack = five_cases(task), training._Run._stack

    def forgetful(run, batch):
        images, target = stack(run, batch)
        if left_behind == "images":
            return images.cpu(), target
        return images, target._replace(**{left_behind: getattr(target, left_behind).cpu()})

    monkeypatch.setattr(training._Run, "_stack", forgetful)
    with Fake():
        run = start(task, cases)
        with pytest.raises(RuntimeError, match=r"mixes devices|same device"):
            run._step(cases)


def test_a_motion_left_on_the_cpu_fails(monkeypatch):
    move = augmentation.move
    monkeypatch.setattr(augmentation, "move", lambda images, rois, motion: move(images, rois, motion.cpu()))
    with Fake():
        images, rois = torch.zeros(5, 1, 32, 32, device=CUDA), torch.zeros(5, 32, 32, device=CUDA)
        with pytest.raises(RuntimeError, match=r"grid_sampler_2d.* mixes devices"):
            augmentation.augment(images, rois, torch.Generator(), flip=False)


def test_a_number_that_nobody_expects_to_be_read_fails():
    with Fake(), pytest.raises(DataDependentOutputException):
        float(torch.zeros((), device=CUDA))


# --- on a real one ---


def on_a_real_gpu(test):
    """Marked, and skipped where there is none."""
    return pytest.mark.gpu(pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")(test))


@on_a_real_gpu
@pytest.mark.parametrize("head", ["linear", "prototype"])
def test_training_runs_on_a_gpu_and_leaves_its_random_state_alone(head):
    task = make_task(max_epochs=2, min_steps=3, head=head)
    before = torch.cuda.get_rng_state()
    trained = training.train(task, make_cases(12), make_cases(6, seed=1), device=torch.device("cuda"))
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert all(value.is_cuda for value in trained.network.state_dict().values())
    assert math.isfinite(trained.metrics["log_loss"])
    assert math.isfinite(trained.metrics["energy_in_roi"])


@on_a_real_gpu
@pytest.mark.parametrize(("backbone", "dimensions"), NETWORKS)
def test_a_gpu_reads_as_the_cpu_does(backbone, dimensions, tmp_path):
    task = small_task(backbone, dimensions)
    network, images = Network(task), torch.randn(3, 2, *task.image.size)
    expected = predict(network, images, task)
    save(tmp_path / "model.pt", network.to("cuda"), task, {})
    for device in ("cuda", "cpu"):
        loaded = load(tmp_path / "model.pt", task, torch.device(device))
        for ours, theirs in zip(expected, predict(loaded, images, task), strict=True):
            np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=0.01)
            np.testing.assert_allclose(theirs.evidence, ours.evidence, atol=0.01)


@on_a_real_gpu
@pytest.mark.parametrize("kind", ["dice", "energy", "outside"])
def test_a_gpu_has_the_losses_of_the_cpu(kind):
    task = make_task(guidance_kind=kind, augment=False)
    network, cases, losses = Network(task), make_cases(6), []
    for device in ("cpu", "cuda"):
        run = training._Run(task, cases, [], task.training, torch.device(device), network)
        losses.append(float(run._step(cases)))
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
