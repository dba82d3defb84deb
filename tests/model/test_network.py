import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import DOT, make_task

from xal.errors import BadInput, Conflict, NotFound, TaskError, Unreadable
from xal.model.backbones import build_backbone
from xal.model.network import build, load, pick_device, predict, save

CPU = torch.device("cpu")


def with_weights(task, path):
    return task.model_copy(update={"network": task.network.model_copy(update={"weights": path})})


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("backbone", ["resnet10", "resnet18", "resnet50", "densenet121", "efficientnet-b0"])
def test_each_stride_of_one_doubles_the_attention_grid(backbone, dimensions):
    def grid(first, last):
        task = make_task(backbone, dimensions, size=64, first_stride=first, last_stride=last)
        return build(task).feature_grid

    assert grid(2, 2) == (2,) * dimensions
    assert grid(2, 1) == grid(1, 2) == (4,) * dimensions
    assert grid(1, 1) == (8,) * dimensions


@pytest.mark.parametrize("backbone", ["resnet10", "densenet121", "efficientnet-b1"])
def test_the_stated_grid_is_the_real_one_for_odd_sizes_and_several_channels(backbone):
    network = build(make_task(backbone, size=75, channels=3)).eval()
    output = network(torch.randn(2, 3, 75, 75))
    assert tuple(output.features.shape[2:]) == tuple(output.roi_logits.shape[1:]) == network.feature_grid
    assert output.logits.shape == (2, 3)


@pytest.mark.parametrize("backbone", ["resnet10", "resnet50", "densenet121", "efficientnet-b0"])
def test_a_cell_of_the_grid_sees_the_area_that_its_roi_is_averaged_over(backbone):
    torch.manual_seed(0)
    size = 96
    network = build(make_task(backbone, size=size, width=0.25)).eval()
    cell = size / network.feature_grid[0]
    centres = torch.arange(network.feature_grid[0]) * cell + cell / 2
    positions = range(40, 56)
    points = torch.zeros(len(positions), 1, size, size)
    for i, position in enumerate(positions):
        points[i, 0, position, position] = 5
    with torch.no_grad():
        response = (network.features(points) - network.features(torch.zeros(1, 1, size, size))).abs().sum((1, 3)) ** 2
    seen_at = (response * centres).sum(1) / response.sum(1)
    error = float((seen_at - torch.tensor(positions) - 0.5).mean())
    assert abs(error) < cell / 4


def test_one_forward_pass_gives_a_complete_reading():
    torch.manual_seed(0)
    task = make_task(size=32)
    network = build(task)
    passes = []
    network.backbone.register_forward_hook(lambda *_: passes.append(1))
    predictions = predict(network, torch.randn(3, 1, 32, 32), task)
    assert len(predictions) == 3
    assert passes == [1]
    for prediction in predictions:
        assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-6)
        assert prediction.finding == task.finding_names[prediction.probabilities.argmax()]
        assert prediction.attention.shape == network.feature_grid
        assert prediction.attention.dtype == np.float32
        assert 0 <= prediction.attention.min() <= prediction.attention.max() <= 1
        assert prediction.embedding.shape == (network.finding_head.in_features,)
        assert 0 <= prediction.uncertainty <= 1


def test_a_batch_reads_like_its_images_one_by_one_whatever_mode_the_network_was_in():
    torch.manual_seed(0)
    task = make_task("densenet121", size=32)
    network = build(task).train()
    images = torch.randn(4, 1, 32, 32)
    together = predict(network, images, task)
    for i, prediction in enumerate(together):
        (alone,) = predict(network, images[i : i + 1], task)
        assert np.abs(alone.attention - prediction.attention).max() <= 1e-5
        assert np.abs(alone.probabilities - prediction.probabilities).max() <= 1e-5


@pytest.mark.parametrize("noise", [-1e-7, 0.0, 1e-7])
def test_of_findings_that_tie_within_rounding_the_first_is_named(noise: float):
    torch.manual_seed(0)
    task = make_task()
    network = build(task)
    with torch.no_grad():
        network.finding_head.weight.zero_()
        network.finding_head.bias.copy_(torch.tensor([0.5, 0.5 + noise, 0.5 - noise]))
    assert {prediction.finding for prediction in predict(network, torch.rand(3, 1, 32, 32), task)} == {DOT}


def test_attention_of_another_finding_can_be_asked_for():
    torch.manual_seed(0)
    task = make_task(size=32)
    network = build(task)
    image = torch.randn(1, 1, 32, 32)
    maps = [predict(network, image, task, [name])[0] for name in task.finding_names]
    assert len({prediction.finding for prediction in maps}) == 1
    assert not np.allclose(maps[0].attention, maps[1].attention)


def test_a_temperature_makes_less_sure_and_changes_neither_finding_nor_attention():
    torch.manual_seed(0)
    task = make_task(size=32)
    network = build(task)
    images = torch.randn(4, 1, 32, 32)
    before = predict(network, images, task)
    network.temperature.fill_(5.0)
    for cold, warm in zip(before, predict(network, images, task), strict=True):
        assert warm.uncertainty > cold.uncertainty
        assert warm.finding == cold.finding
        assert np.array_equal(warm.logits, cold.logits)
        assert np.array_equal(warm.attention, cold.attention)
        assert np.allclose(warm.probabilities, torch.tensor(cold.logits / 5).softmax(0), atol=1e-6)


def test_the_mean_of_the_evidence_is_what_the_softmax_takes():
    task = make_task(size=32)
    network = build(task)
    network.temperature.fill_(2.0)
    for prediction in predict(network, torch.randn(3, 1, 32, 32), task):
        assert prediction.evidence.shape == (3, *prediction.attention.shape)
        np.testing.assert_allclose(prediction.evidence.mean((1, 2)), prediction.logits / 2, atol=1e-5)


def test_proposed_rois_appear_once_enough_drawn_ones_were_learnt_from():
    task = make_task(size=32)
    network = build(task)
    image = torch.randn(1, 1, 32, 32)
    network.rois_seen.fill_(task.acquisition.min_rois - 1)
    assert predict(network, image, task)[0].proposed is None
    network.rois_seen.fill_(task.acquisition.min_rois)
    torch.nn.init.constant_(network.roi_head.bias, -9.0)
    torch.nn.init.zeros_(network.roi_head.weight)
    assert not predict(network, image, task)[0].proposed.any()
    torch.nn.init.constant_(network.roi_head.bias, 2.0)
    assert predict(network, image, task)[0].proposed.min() > 0.8


def test_a_saved_network_reads_the_same_after_loading(tmp_path):
    task = make_task("efficientnet-b0", size=32)
    network = build(task)
    network.rois_seen.fill_(12)
    network.temperature.fill_(1.7)
    image = torch.randn(2, 1, 32, 32)
    save(tmp_path / "models" / "v1.pt", network, task, {"version": 1, "metrics": {"best_metric": 0.5}})
    loaded = load(tmp_path / "models" / "v1.pt", task, CPU)
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["v1.pt"]
    assert not loaded.training
    for before, after in zip(predict(network, image, task), predict(loaded, image, task), strict=True):
        assert np.array_equal(before.probabilities, after.probabilities)
        assert np.array_equal(before.attention, after.attention)
        assert np.array_equal(before.proposed, after.proposed)


def test_a_failed_save_leaves_the_old_model(tmp_path):
    task = make_task(size=32)
    path = tmp_path / "v1.pt"
    save(path, build(task), task, {})
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        save(path, build(task), task, {"unpicklable": lambda: None})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_of_another_task_is_refused(tmp_path):
    save(tmp_path / "v1.pt", build(make_task(size=32)), make_task(size=32), {})
    with pytest.raises(Conflict, match=r"v1\.pt was trained for network .*resnet10.*but the task says .*resnet18"):
        load(tmp_path / "v1.pt", make_task("resnet18", size=32), CPU)
    with pytest.raises(Conflict, match="trained for image"):
        load(tmp_path / "v1.pt", make_task(size=48), CPU)


def test_training_settings_and_names_for_people_may_change_after_saving(tmp_path):
    save(tmp_path / "v1.pt", build(make_task(size=32)), make_task(size=32), {})
    assert load(tmp_path / "v1.pt", make_task(size=32, max_epochs=3).model_copy(update={"title": "new"}), CPU)


def test_a_file_of_an_older_format_is_refused(tmp_path):
    task = make_task(size=32)
    torch.save({"format": 1, "task": {}, "state": {}}, tmp_path / "old.pt")
    with pytest.raises(Unreadable, match=r"old\.pt has format 1; this program reads format 2"):
        load(tmp_path / "old.pt", task, CPU)


def test_missing_and_broken_model_files_say_so(tmp_path):
    task = make_task(size=32)
    with pytest.raises(NotFound, match=r"none\.pt"):
        load(tmp_path / "none.pt", task, CPU)
    save(tmp_path / "cut.pt", build(task), task, {})
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:5000])
    with pytest.raises(Unreadable, match=r"cut\.pt"):
        load(tmp_path / "cut.pt", task, CPU)
    torch.save({"something": "else"}, tmp_path / "other.pt")
    with pytest.raises(Unreadable, match=r"other\.pt"):
        load(tmp_path / "other.pt", task, CPU)


def test_a_model_file_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch.save({"format": 1, "task": Evil(), "state": {}}, tmp_path / "evil.pt")
    with pytest.raises(Unreadable):
        load(tmp_path / "evil.pt", make_task(size=32), CPU)
    assert not (tmp_path / "ran").exists()


def test_backbone_weights_are_taken_from_a_local_file_without_its_head(tmp_path, caplog):
    task = make_task("resnet18", size=32)
    state = {f"module.{k}": torch.full_like(v, 0.25) for k, v in build_backbone(task).state_dict().items()}
    del state["module.layer4.1.bn2.weight"]
    torch.save({"state_dict": state | {"module.fc.weight": torch.zeros(7, 3), "extra": torch.zeros(1)}}, tmp_path / "w")
    with caplog.at_level("INFO"):
        network = build(with_weights(task, tmp_path / "w"))
    assert network.backbone.layer1[0].conv1.weight.unique().tolist() == [0.25]
    assert "not used: ['extra']" in caplog.text
    assert "layer4.1.bn2.weight" in caplog.text
    assert "fc.weight" not in caplog.text


def test_colour_weights_respond_to_grey_images_as_before(tmp_path):
    task = make_task(size=32)
    coloured = build_backbone(make_task(size=32, channels=3)).eval()
    torch.save(coloured.state_dict(), tmp_path / "w")
    grey = build_backbone(with_weights(task, tmp_path / "w")).eval()
    image = torch.randn(1, 1, 32, 32)
    assert torch.allclose(grey(image), coloured(image.repeat(1, 3, 1, 1)), atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(build_backbone(make_task("densenet121", size=32)).state_dict(), tmp_path / "w")
    with pytest.raises(TaskError, match=r"network\.weights: nothing in .* fits"):
        build(with_weights(make_task(size=32), tmp_path / "w"))
    (tmp_path / "garbage").write_bytes(b"not weights")
    with pytest.raises(TaskError, match="not a file of weights"):
        build(with_weights(make_task(size=32), tmp_path / "garbage"))


def test_devices_are_checked():
    assert pick_device("cpu") == CPU
    assert pick_device(None).type in {"cpu", "cuda"}
    with pytest.raises(BadInput, match="no kind of device 'gpu9'"):
        pick_device("gpu9")
    with pytest.raises(BadInput, match="CUDA devices"):
        pick_device("cuda:99")


def test_building_never_opens_a_connection(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for backbone in ("resnet18", "densenet121", "efficientnet-b0"):
        build(make_task(backbone, size=32))
