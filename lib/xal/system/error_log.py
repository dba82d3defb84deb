"""What a log says of errors that nobody foresaw.

What a library says of a damaged DICOM file can quote its header, and so the patient. Where images come from an archive
the text of such an error is told to nobody; its type, and the lines of code that it came by, are enough to find it.
"""

from __future__ import annotations

import logging
import traceback


def tell(logger: logging.Logger, error: Exception, message: str, *values: object) -> None:
    """Log a message with where the error came from, and what it says."""
    logger.error(message, *values, exc_info=error)


def tell_unquoted(logger: logging.Logger, error: Exception, message: str, *values: object) -> None:
    """Log a message with where the error came from, and not what it says."""
    logger.error(f"{message}: %s", *values, origin(error))


def origin(error: BaseException) -> str:
    """The type of an error and its frames, without its text; of the operating system's errors with their reason."""
    reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{type(error).__name__}{reason}\n{frames}"
