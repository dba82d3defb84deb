"""docs/how-to/library.md as a notebook with its outputs: docs/notebooks/library.ipynb.

    .venv/bin/python scripts/notebook.py

The page is the source, and nothing in the notebook is written by hand. Its cells run here one after another, as in
Jupyter: what is printed, the value of a last expression, and the pictures that matplotlib has open are kept. This needs
no kernel: Jupyter and what shows its notebooks in a site would be 200 MB. A test runs all cells again and compares.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "how-to" / "library.md"
NOTEBOOK = ROOT / "docs" / "notebooks" / "library.ipynb"
CODE = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
FOLDER = """\
import os
from pathlib import Path

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "sample_data").is_dir()))
"""
"""The page says where to begin; Jupyter begins in the notebook's folder."""
LINK = re.compile(r"\]\((?!\w+:|#|\.\./)")

Cell = dict[str, Any]


def made(page: str) -> dict[str, Any]:
    """The notebook of a page, executed in the working directory."""
    names: dict[str, Any] = {}
    cells = [_code(FOLDER, names)]
    for number, part in enumerate(CODE.split(page)):
        if part.strip():
            cells.append(_code(part, names) if number % 2 else _prose(part))
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)],
        "metadata": {"kernelspec": python, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _prose(text: str) -> Cell:
    """Links lead from the notebook's folder to where they led from the page's."""
    return {"cell_type": "markdown", "metadata": {}, "source": LINK.sub("](../how-to/", text.strip())}


def _code(text: str, names: dict[str, Any]) -> Cell:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "source": text.strip(),
        "outputs": list(_outputs(text, names)),
    }


def _outputs(text: str, names: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run a cell; what it shows."""
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, PAGE.name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), PAGE.name, "eval"), names)
    if printed.getvalue():
        yield {"output_type": "stream", "name": "stdout", "text": printed.getvalue()}
    for number in plt.get_fignums():
        yield {"output_type": "display_data", "metadata": {}, "data": {"image/png": _png(number)}}
    if value is not None:
        yield {
            "output_type": "execute_result",
            "execution_count": None,
            "metadata": {},
            "data": {"text/plain": repr(value)},
        }


def _png(number: int) -> str:
    """A figure that pyplot has open, which is closed then."""
    drawn, small = io.BytesIO(), io.BytesIO()
    plt.figure(number).savefig(drawn, dpi=72)
    plt.close(number)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")


def main() -> None:
    """Write the notebook."""
    with contextlib.chdir(ROOT):
        notebook = made(PAGE.read_text(encoding="utf-8"))
    NOTEBOOK.parent.mkdir(exist_ok=True)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
