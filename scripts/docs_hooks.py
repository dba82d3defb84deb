"""What mkdocs does with our pages, which are written to be read in the repository, too.

It runs in the environment of `make docs`, which has mkdocs and nothing of the app.
"""

from __future__ import annotations

import json
import logging
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>\.\.[^)\s#]*)(#[^)\s]*)?\)")
INDENT = re.compile(r"^ {2,3}(?=\S)")
FENCE = re.compile(r"^\s*(```|~~~)")
CODE = re.compile(r"^```python\n.*?^```\n", re.MULTILINE | re.DOTALL)
EXECUTED = "how-to/library.md"
NOTEBOOK = ROOT / "docs" / "notebooks" / "library.ipynb"

logger = logging.getLogger("mkdocs.plugins.xal")
"""A warning here fails a strict build, as one of mkdocs does."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """A page as Python-Markdown wants it, with links to the repository's other files as plain text."""
    if page.file.src_uri == EXECUTED:
        markdown = with_outputs(markdown, json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    lines, fenced = [], False
    for line in markdown.split("\n"):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            line = LINK.sub(lambda found: outside(found, page.file.src_uri), line)
            # What belongs to an item of a list stands below its text on GitHub, and four spaces in here.
            line = INDENT.sub("    ", line)
        lines.append(line)
    return "\n".join(lines)


def with_outputs(markdown: str, notebook: dict[str, Any]) -> str:
    """What the notebook of a page returned, below each step of the page."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if len(cells) != 1 + len(CODE.findall(markdown)):  # the first one goes to the repository's folder
        logger.warning("%s is not the notebook of %s: run scripts/notebook.py", NOTEBOOK.name, EXECUTED)
        return markdown
    outputs = iter(cells[1:])
    return CODE.sub(lambda step: step[0] + "".join(map(shown, next(outputs)["outputs"])), markdown)


def shown(output: dict[str, Any]) -> str:
    """An output of a cell in Markdown."""
    data = output.get("data", {})
    if "image/png" in data:
        return f"\n![What the step above draws](data:image/png;base64,{data['image/png']})\n"
    text = output.get("text") or data["text/plain"]
    return f"\n```text\n{text.rstrip()}\n```\n"


def outside(found: re.Match[str], page: str) -> str:
    """A link that leaves the folder of the pages, as its text: the site has no such file. Others stay as they are."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), found["target"]))
    if path == "docs" or path.startswith("docs/"):
        return found[0]
    if not (ROOT / path).exists():
        logger.warning("%s links to %s, which does not exist", page, path)
    return found["text"]
