"""Who is asking: the one rule that turns a request into a reader."""

from __future__ import annotations

from dataclasses import dataclass

from xal.errors import BadInput

SLICER_DEFAULT_CLIENT_ID = "user-xyz"
"""What 3D Slicer's module sends while nobody has set a client id: it names no one."""
LONGEST_NAME = 128
IMPORTED = "imported"
"""The reader of labels and outlines that were taken over and said nothing of one."""


@dataclass(frozen=True)
class Reader:
    """A person at a client."""

    name: str
    never_submits: bool = False
    """A client that gave no id at all, such as OHIF, whose panel cannot hand in labels."""
    reviewer: bool = False
    """Sees everything, and decides where readings disagree."""
    outliner: bool = False
    """Is asked for outlines alone: is given the images first on which they would tell most."""


def readers_in(names: str) -> frozenset[str]:
    """The readers that `--conf reviewers` or `outliners` names, separated by commas."""
    return frozenset(name.strip() for name in names.split(",") if name.strip())


def reader_of(client_id: object, address: str | None, user: str | None = None) -> Reader:
    """The authenticated user; else the client id, unless it names nobody; else the address."""
    if user:
        return Reader(user)
    name = client_id.strip() if isinstance(client_id, str) else ""
    if name in ("", SLICER_DEFAULT_CLIENT_ID):
        return Reader(f"anon:{address or 'local'}", never_submits=not name)
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise BadInput(f"client_id must be a name of at most {LONGEST_NAME} printable characters")
    return Reader(name)
