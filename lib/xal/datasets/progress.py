"""What is shown while a set is imported or exported: a bar, or a line now and then where nobody watches a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_SECONDS = 10.0


def track(items: Sequence[T], done_before: int = 0, doing: str = "importing") -> Iterator[T]:
    """The items, one by one; `done_before` were done by an earlier run."""
    total = done_before + len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, initial=done_before, desc=doing, dynamic_ncols=True, leave=False)
        return
    said = time.monotonic()
    for number, item in enumerate(items, start=done_before + 1):
        yield item
        if time.monotonic() - said >= LINE_SECONDS:
            said = time.monotonic()
            sys.stderr.write(f"{doing}: {number} of {total}\n")
            sys.stderr.flush()
