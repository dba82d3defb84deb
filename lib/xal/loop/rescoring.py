"""An image whose ROI was drawn since the model read it: scored by what is stored, without the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xal.method.acquisition import neutral
from xal.method.attention import energy_in_roi
from xal.method.misalignment import misalignment
from xal.pool.project import Project
from xal.pool.rois import coarse, known_roi


def rescore(project: Project, image: str) -> bool:
    """Compare the stored attention with the ROI that is known by now, and move the image in the queue, at once.

    False where that takes the network: the stored prediction is of another model or of other pixels, was made by a
    program that kept less of it, or nobody has an outline of the image any more. A scoring run then sees to it.
    """
    store, task = project.store, project.task
    row, prediction, version = store.images.get(image), store.predictions.get(image), store.versions.current()
    if prediction is None or version is None or prediction.evidence is None:
        return False
    if (prediction.version, prediction.fingerprint) != (version.version, row.fingerprint):
        return False
    roi_key, drawn = store.images.roi_key(image), known_roi(project, image)
    if drawn is None:
        return False
    attention = prediction.attention.astype(np.float32)
    found = misalignment(
        attention,
        prediction.evidence.astype(np.float32),
        drawn,
        None,
        predicts_absent=prediction.finding == task.absent,
        settings=task.acquisition,
    )
    compared = replace(
        prediction,
        roi_key=roi_key,
        misalignment=found.value,
        overlap=found.overlap,
        roi_source=found.source,
        energy=energy_in_roi(attention, coarse(drawn, attention.shape)),
    )
    middle = neutral(store.predictions.misalignments(version.version))
    store.predictions.save([compared], project.alpha(), middle)
    store.predictions.move(image)
    return True
