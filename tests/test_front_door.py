"""What a scientist imports: it is all there, costs nothing until it is used, and is enough for a round."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import xal
from xal.datasets.truth import read_truth

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"


def imported_for_types() -> set[str]:
    tree = ast.parse(Path(xal.__file__).read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    return {alias.asname for node in guarded.body for alias in node.names}


def test_every_public_name_is_there_and_has_its_type():
    assert set(xal.__all__) == imported_for_types()
    for name in xal.__all__:
        assert getattr(xal, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = xal.nonsense


def test_the_import_alone_loads_neither_torch_nor_itk():
    code = "import sys, xal; dir(xal); print([name for name in ('torch', 'SimpleITK', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_round_without_server_or_store():
    task = xal.load_task("phantom_2d")
    truth = read_truth(SAMPLE / "truth" / "phantom_2d")
    known = [truth[image] for image in sorted(truth)]
    by_finding = {name: [one for one in known if one.finding == name] for name in task.finding_names}
    start = [one for group in by_finding.values() for one in group[:3]]
    pool = [one for group in by_finding.values() for one in group[3:5]]

    def case(one: object) -> xal.Case:
        volume = xal.read_image(SAMPLE / "phantom_2d" / f"{one.image}.png")
        roi = one.roi()
        on_grid = None if roi is None else torch.from_numpy(xal.roi_to_grid(roi, volume, task).astype(np.float32))
        return xal.Case(one.image, xal.prepare(volume, task).tensor, one.finding, on_grid)

    settings = task.training.model_copy(update={"max_epochs": 1})
    network = xal.train(task, [case(one) for one in start], [], settings).network
    cases = [case(one) for one in pool]
    predictions = xal.predict(network, torch.stack([one.tensor for one in cases]), task)
    wrong = [
        xal.misalignment(said, None if one.roi is None else one.roi.numpy(), task)
        for said, one in zip(predictions, cases, strict=True)
    ]
    values = xal.score([said.uncertainty for said in predictions], [one.value for one in wrong], alpha=0.5)
    assert values.shape == (len(pool),)
    assert {one.source for one in wrong} >= {"drawn"}
    batch = xal.choose(
        xal.Pool(
            values,
            np.stack([said.embedding for said in predictions]),
            np.array([task.index(said.finding) for said in predictions]),
            np.empty((0, predictions[0].embedding.size)),
            np.empty(0, np.int64),
        ),
        3,
        task.acquisition.batch,
        np.random.default_rng(0),
    )
    assert len(set(batch.tolist())) == 3
