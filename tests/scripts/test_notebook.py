"""The notebook is the page for scientists, and what it shows is what running it gives."""

import base64
import importlib.util
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
IMAGE = re.compile(r"phantom_\d+")
"""Which images are chosen may differ between processors: this network has learnt nothing, and scores them all alike."""
NUMBER = re.compile(r"\d+(?:\.\d*)?")
CLOSE = 0.25
"""Eight epochs later, another processor's rounding may show in an accuracy over sixteen images."""

spec = importlib.util.spec_from_file_location("notebook", ROOT / "scripts" / "notebook.py")
assert spec is not None
assert spec.loader is not None
notebook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebook)


@pytest.fixture(scope="module")
def stored():
    return json.loads(notebook.NOTEBOOK.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return notebook.made(notebook.PAGE.read_text(encoding="utf-8"))


def without_outputs(found):
    return [{key: value for key, value in cell.items() if key != "outputs"} for cell in found["cells"]]


def outputs(found):
    return [output for cell in found["cells"] for output in cell.get("outputs", [])]


def text_of(output):
    return IMAGE.sub("image", output.get("text") or output.get("data", {}).get("text/plain") or "")


def pixels_of(output):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))).convert("L"), float)


def test_the_notebook_is_the_page(stored, made):
    assert without_outputs(stored) == without_outputs(made), "run scripts/notebook.py"
    assert {**stored, "cells": []} == {**made, "cells": []}


def test_what_the_notebook_shows_comes_from_running_it(stored, made):
    assert [output["output_type"] for output in outputs(stored)] == [output["output_type"] for output in outputs(made)]
    for before, now in zip(outputs(stored), outputs(made), strict=True):
        if "image/png" in before.get("data", {}):
            assert pixels_of(before).shape == pixels_of(now).shape
            assert np.abs(pixels_of(before) - pixels_of(now)).mean() < 12
        else:
            assert NUMBER.sub("#", text_of(before)).split() == NUMBER.sub("#", text_of(now)).split()
            numbers = [[float(found) for found in NUMBER.findall(text_of(output))] for output in (before, now)]
            assert numbers[0] == pytest.approx(numbers[1], abs=CLOSE)


def test_the_notebook_shows_a_picture_of_attention(stored):
    pictures = [output for output in outputs(stored) if output["output_type"] == "display_data"]
    assert len(pictures) == 1
    assert pixels_of(pictures[0]).std() > 10


def test_values_and_prints_are_kept(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = "# Page\n\n[a](b.md) [c](../d.md)\n\n```python\nprint(1)\n2\n```\n\n```python\nx = 3\n```\n"
    _, prose, first, second = notebook.made(page)["cells"]
    assert prose["source"] == "# Page\n\n[a](../how-to/b.md) [c](../d.md)"
    assert [text_of(output) for output in first["outputs"]] == ["1\n", "2"]
    assert second["outputs"] == []
