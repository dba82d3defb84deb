"""The sets that `xal import` knows. A new one is a module that reads its layout, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xal.datasets.brain_tumours import read_brain_tumours
from xal.datasets.brats import BratsOptions, read_brats
from xal.datasets.busi import read_busi
from xal.datasets.cases import Contents
from xal.datasets.coco import read_coco
from xal.datasets.folder import read_folder
from xal.datasets.msd import read_msd
from xal.datasets.options import Options
from xal.datasets.siim_covid import read_siim
from xal.datasets.vindr_cxr import VindrOptions, read_vindr
from xal.errors import BadInput
from xal.task import Task


@dataclass(frozen=True)
class Adapter:
    """One layout."""

    title: str
    read: Callable[[Path, Any, Task | None], Contents]
    """Given the source, the options and the task that the user named, what lies there; no image is read yet."""
    options: type[Options] = Options


ADAPTERS: Mapping[str, Adapter] = {
    "brats": Adapter(
        "BraTS 2018 to 2021 and 2023", lambda source, options, _: read_brats(source, options), BratsOptions
    ),
    "vindr_cxr": Adapter("VinDr-CXR, from PhysioNet or Kaggle", read_vindr, VindrOptions),
    "siim_covid": Adapter("SIIM-FISABIO-RSNA COVID-19", lambda source, *_: read_siim(source)),
    "busi": Adapter("breast ultrasound (Al-Dhabyani 2020)", lambda source, *_: read_busi(source)),
    "brain_tumours": Adapter(
        "brain tumours in contrast-enhanced T1 MRI (Cheng, figshare 1512427)",
        lambda source, *_: read_brain_tumours(source),
    ),
    "msd": Adapter("Medical Segmentation Decathlon", lambda source, *_: read_msd(source)),
    "coco": Adapter("boxes as COCO lists them", lambda source, *_: read_coco(source)),
    "folder": Adapter("any images with a labels.csv", lambda source, *_: read_folder(source)),
}


def known_options() -> dict[str, str]:
    """Option → whose it is and what it takes, of all sets together."""
    return {
        option: f"{name}: {field.description}"
        for name, adapter in ADAPTERS.items()
        for option, field in adapter.options.model_fields.items()
    }


def read_options(name: str, given: Mapping[str, str]) -> Options:
    """The options of a set; BadInput names the one that is wrong and what would be right."""
    adapter = ADAPTERS[name]
    has = [f"--{option}" for option in adapter.options.model_fields]
    for option in given:
        if f"--{option}" not in has:
            raise BadInput(f"--{option}: {name!r} has no such option; it has {', '.join(has) or 'none of its own'}")
    try:
        return adapter.options.model_validate(dict(given))
    except ValidationError as error:
        option = str(error.errors()[0]["loc"][0])
        text = adapter.options.model_fields[option].description
        raise BadInput(f"--{option} {given[option]}: it takes {text}") from error


def read_source(name: str, source: Path, options: Options, task: Task | None) -> Contents:
    """What lies in a source."""
    if not source.is_dir():
        raise BadInput(f"the source {source} is no folder")
    contents = ADAPTERS[name].read(source, options, task)
    if not contents.items:
        raise BadInput(f"{source} holds nothing of {name!r} ({ADAPTERS[name].title})")
    if task is not None and not set(contents.findings) & set(task.finding_names):
        own = f": {contents.task!r} does" if contents.task is not None else ""
        raise BadInput(
            f"{source} is of {', '.join(map(repr, contents.findings))}, and task {task.name!r} knows none of them{own}"
        )
    return contents
