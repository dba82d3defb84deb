"""A server that cannot start says why, once: uvicorn would print every traceback on the way there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from xal.errors import XalError


@contextmanager
def in_words() -> Iterator[None]:
    """Let what is refused in here be logged as its text; what nobody foresaw keeps its traceback."""
    try:
        yield
    except XalError as error:
        logging.getLogger("uvicorn.error").addFilter(_Words(error))
        raise


class _Words(logging.Filter):
    """Puts an error's text in the place of its traceback."""

    def __init__(self, error: XalError) -> None:
        super().__init__()
        self._text = f"The server does not start: {error}"

    def filter(self, record: logging.LogRecord) -> bool:
        if str(record.msg).startswith("Traceback"):
            record.msg, record.args = self._text, ()
        return True
