"""Active learning that looks where the radiologist looks: a MONAI Label app and the library below it.

What a scientist imports, without a server or a store (docs/how-to/library.md goes through it):

    task = xal.load_task("phantom_2d")
    prepared = xal.prepare(xal.read_image(path), task)
    network = xal.build_network(task).eval()
    (prediction,) = xal.predict(network, prepared.tensor[None], task)
    wrong = xal.misalignment(prediction, roi, task)
    value = xal.score(prediction.uncertainty, wrong.value, task.acquisition.alpha)

Nothing is loaded before it is used: `import xal` alone takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xal.errors import XalError as XalError
    from xal.imaging.geometry import Prepared as Prepared
    from xal.imaging.geometry import grid_to_image as grid_to_image
    from xal.imaging.geometry import prepare as prepare
    from xal.imaging.geometry import roi_to_grid as roi_to_grid
    from xal.imaging.images import Volume as Volume
    from xal.imaging.images import read_image as read_image
    from xal.imaging.images import read_label as read_label
    from xal.method.acquisition import neutral as neutral
    from xal.method.acquisition import score as score
    from xal.method.acquisition import uncertainty as uncertainty
    from xal.method.attention import overlap as overlap
    from xal.method.batches import Pool as Pool
    from xal.method.batches import choose as choose
    from xal.method.misalignment import Misalignment as Misalignment
    from xal.model.judging import Case as Case
    from xal.model.judging import Evaluation as Evaluation
    from xal.model.judging import evaluate as evaluate
    from xal.model.network import Network as Network
    from xal.model.network import Prediction as Prediction
    from xal.model.network import build as build_network
    from xal.model.network import load as load_network
    from xal.model.network import misalignment_of as misalignment
    from xal.model.network import predict as predict
    from xal.model.network import save as save_network
    from xal.model.training import Trained as Trained
    from xal.model.training import train as train
    from xal.task import Task as Task
    from xal.task import load_task as load_task

_HOME = {
    "errors": ("XalError",),
    "imaging.geometry": ("Prepared", "grid_to_image", "prepare", "roi_to_grid"),
    "imaging.images": ("Volume", "read_image", "read_label"),
    "method.acquisition": ("neutral", "score", "uncertainty"),
    "method.attention": ("overlap",),
    "method.batches": ("Pool", "choose"),
    "method.misalignment": ("Misalignment",),
    "model.judging": ("Case", "Evaluation", "evaluate"),
    "model.network": ("Network", "Prediction", "build", "load", "misalignment_of", "predict", "save"),
    "model.training": ("Trained", "train"),
    "task": ("Task", "load_task"),
}
_NAMED = {
    "build": "build_network", "load": "load_network", "save": "save_network", "misalignment_of": "misalignment",
}  # fmt: skip
"""What is called otherwise here, where its module does not stand before it."""
_WHERE = {_NAMED.get(name, name): (module, name) for module, names in _HOME.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'xal' has no attribute {name!r}")
    module, own = _WHERE[name]
    return getattr(import_module(f"xal.{module}"), own)


def __dir__() -> list[str]:
    return __all__
