"""A report as one HTML page that needs nothing else, or as Markdown; `templates` has its layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True)
class Table:
    """Cells as text: `words` columns of words first, the first of which names the row, then numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    words: int = 1


def render(form: Literal["html", "markdown"], values: Mapping[str, object]) -> str:
    """`templates/report.j2` with its values, written with the macros of `html.j2` or `markdown.j2`."""
    templates = Environment(
        loader=PackageLoader(__package__),
        autoescape=form == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("report.j2").render(values, form=form)
