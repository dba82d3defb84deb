"""What is shown while a set is imported: a bar, or a line now and then where nobody watches a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_SECONDS = 10.0


def track(items: Sequence[T], done_before: int) -> Iterator[T]:
    """The items, one by one; `done_before` were done by an earlier run."""
    total = done_before + len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, initial=done_before, desc="importing", dynamic_ncols=True, leave=False)
        return
    said = time.monotonic()
    for number, item in enumerate(items, start=done_before + 1):
        yield item
        if time.monotonic() - said >= LINE_SECONDS:
            said = time.monotonic()
            sys.stderr.write(f"importing: {number} of {total}\n")
            sys.stderr.flush()
