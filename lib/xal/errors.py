"""What can go wrong, in one tree.

XalError
├── Refused        the caller asked for something that cannot be done; nothing was changed
│   ├── BadInput   what was sent cannot be used                          (HTTP 400)
│   ├── Forbidden  it exists, but this reader may not see or do it       (HTTP 403)
│   ├── NotFound   no such image, label, finding, model, version         (HTTP 404)
│   ├── Conflict   it contradicts what is stored                         (HTTP 409)
│   ├── TooLarge   it is larger than this server takes                   (HTTP 413)
│   └── Unavailable  where images come from cannot give them now: try later  (HTTP 503)
│       ├── NoAnswer  it does not answer at all
│       └── Full      there is no space left here                        (HTTP 507)
├── TaskError      the task file is wrong: names file, key, value and what would be right
├── Unreadable     an image or label file that cannot be decoded
│   └── Oversized  it is not decoded, because it would be too large: TooLarge, too
└── StoreError     the store cannot be opened or is not what we expect
    └── StoreLost  it is missing or damaged, though it was there before
"""

from __future__ import annotations


class XalError(Exception):
    """Any error this package raises on purpose; its text is meant for a person."""


class Refused(XalError):  # noqa: N818 - what happened, said as a reader would
    """A request that is turned down with the state unchanged."""

    status = 400


class BadInput(Refused):
    """What was sent cannot be used."""


class Forbidden(Refused):
    """It exists, but this reader may not see or do it."""

    status = 403


class NotFound(Refused):
    """There is no such thing."""

    status = 404


class Conflict(Refused):
    """It contradicts what is stored."""

    status = 409


class TooLarge(Refused):
    """It is larger than this server takes: the text names the setting."""

    status = 413


class Unavailable(Refused):
    """Where images come from does not answer, or not as it should; later it may."""

    status = 503


class NoAnswer(Unavailable):
    """Where images come from does not answer at all, or stopped in the middle."""


class Full(Unavailable):
    """There is no space left on the server's disk, or none that is not reserved for labels."""

    status = 507


class TaskError(XalError):
    """A task file that cannot be used."""


class Unreadable(XalError):  # noqa: N818 - as above
    """A file that cannot be decoded; ``str()`` names the file and the reason."""


class Oversized(Unreadable, TooLarge):
    """A file that would take more memory than this server gives to one; known before it is decoded."""


class StoreError(XalError):
    """The store cannot be opened, or holds something this version cannot use."""


class StoreLost(StoreError):  # noqa: N818 - as above
    """The store, or a part of it, is missing or damaged, though it was there before; it can be restored or rebuilt."""
