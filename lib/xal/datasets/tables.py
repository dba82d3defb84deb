"""CSV files as people make them: with a byte order mark, columns in any case, and cells that say nothing."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from xal.errors import BadInput

Line = Mapping[str, str]
"""Column, in lower case → cell, without spaces around it."""

_NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a"})


def read_table(file: Path, needed: Collection[str]) -> Iterator[Line]:
    """The lines of a CSV file; BadInput names the columns that it lacks."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            table = csv.reader(text)
            columns = [name.strip().lower() for name in next(table, [])]
            lacking = [name for name in needed if name not in columns]
            if lacking:
                raise BadInput(
                    f"{file.name} has no column {', '.join(map(repr, lacking))}; its columns are {', '.join(columns)}"
                )
            for cells in table:
                if any(cell.strip() for cell in cells):
                    padded = [*cells, *[""] * (len(columns) - len(cells))]
                    yield {name: cell.strip() for name, cell in zip(columns, padded, strict=False)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{file.name} cannot be read: {error}") from error


def says_nothing(cell: str) -> bool:
    """Whether a cell is empty, or a program's word for that."""
    return cell.lower() in _NOTHING


def number(cell: str) -> float:
    """A finite number; BadInput says what stands there instead."""
    try:
        value = float(cell)
    except ValueError as error:
        raise BadInput(f"{cell!r} is no number") from error
    if not math.isfinite(value):
        raise BadInput(f"{cell!r} is no number")
    return value
