"""What a model saw in the first images that an arm chose: kept beside the rows for the report's picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from xal.experiments.run.predictions import PoolPredictions
from xal.task import Task

LOOKS = "looks"
_SHOWN = 20


def write_look(
    folder: Path,
    arm: str,
    chosen: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    pool: PoolPredictions,
    task: Task,
) -> None:
    """Write `looks/<arm>-0.npz` for the first twenty images chosen from `left`, of which `pool` has the predictions."""
    where = {int(position): i for i, position in enumerate(left)}
    rows = [where[int(position)] for position in chosen[:_SHOWN]]
    predictions = [pool.predictions[i] for i in rows]
    (folder / LOOKS).mkdir(parents=True, exist_ok=True)
    draft, file = folder / LOOKS / f"{arm}-0.draft.npz", folder / LOOKS / f"{arm}-0.npz"
    np.savez_compressed(
        draft,
        picked=left[rows],
        attention=np.array([prediction.attention for prediction in predictions], np.float16),
        score=pool.scores(task.acquisition.alpha)[rows],
        uncertainty=pool.uncertainty[rows],
        misalignment=pool.misalignment[rows],
        predicted=np.array([prediction.finding for prediction in predictions]),
    )
    draft.replace(file)
