"""A set whose truth is known, with the pictures of `pools`, and simulations on it that take seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from harness.pools import write_pool, write_task
from xal.datasets.truth import TRUTH_FOLDER, TruthRow, write_mask, write_truth
from xal.task import TASKS

SETTINGS = {
    "title": "Discs and squares",
    "studies": "studies",
    "task": "tiny.yaml",
    "start": 9,
    "query": 6,
    "budget": 21,
    "validation": 6,
    "validation_share": 0.15,
    "test_share": 0.3,
    "seeds": 1,
    "arms": {"uniform": {"method": "uniform"}, "xal": {"method": "xal"}},
    "headline": ["uniform", "xal"],
}


def write_set(folder: Path, count: int = 60, per_group: int = 2) -> Path:
    """`count` pictures with their truth, in groups of neighbours; the studies folder."""
    studies = folder / "studies"
    pictures = write_pool(studies, count)
    truth = studies / TRUTH_FOLDER
    for picture in pictures:
        if picture.roi.any():
            write_mask(truth, picture.id, picture.roi.T[:, :, None], np.eye(4))
    rows = [TruthRow(one.id, one.finding, f"patient {i // per_group}") for i, one in enumerate(pictures)]
    write_truth(truth, rows)
    return studies


def write_simulation(folder: Path, **changes: object) -> Path:
    """A simulation on the set that `write_set` wrote into the same folder."""
    task = write_task(folder)
    task.write_text(task.read_text().replace("training:\n", "training:\n  min_steps: 4\n"))
    path = folder / "tiny_simulation.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, **changes}))
    return path


def shrink(shipped: Path, folder: Path, **changes: object) -> Path:
    """A simulation that is shipped, with its own arms on its own task, but in seconds on a few small images."""
    config = yaml.safe_load(shipped.read_text())
    config.update(studies="studies", start=10, query=4, budget=14, validation=4, validation_share=0.15, seeds=1)
    config.update(changes)
    beside = shipped.parent / config["task"]
    file = beside if beside.suffix == ".yaml" else TASKS / f"{config['task']}.yaml"
    task = yaml.safe_load(file.read_text())
    task["image"]["size"] = [32, 32] if task["image"]["dimensions"] == 2 else [16, 16, 16]
    task["image"].pop("spacing", None)
    task["network"].update(backbone="resnet10", width=0.25)
    task["training"].update(max_epochs=1, patience=1, min_steps=2, batch_size=4)
    config["task"] = file.name
    (folder / file.name).write_text(yaml.safe_dump(task))
    path = folder / "paper.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
