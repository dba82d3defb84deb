"""How much one request, one file or one reader may ask for, so that nobody can starve the others.

One set of limits is in force in a process: whatever reads a file, however deep below, is held to it. A server's are
said with `--conf`; its children are started with the same, and commands beside it find them in the store.
"""

from __future__ import annotations

from pydantic import Field

from xal.settings import Settings


class Limits(Settings):
    """Bounds that an administrator may set with `--conf`; the defaults fit a 512 × 512 × 600 CT and any radiograph.

    An image of `max_voxels` takes a server to 2 GB at most while it is read and prepared.
    """

    max_body_mb: int = Field(1024, ge=1)
    """The largest request: an image, or the files of a session."""
    max_label_mb: int = Field(256, ge=1)
    """The largest request that hands in a label."""
    max_voxels: int = Field(160_000_000, ge=1)
    """Pixels or voxels of an image, its channels included; or of a label, its layers not."""
    max_layers: int = Field(64, ge=1)
    """Layers or segments of a segmentation, or channels of an image."""
    max_unpacked_mb: int = Field(640, ge=1)
    """What a file or a ZIP may hold once it is unpacked."""
    max_trailing_kb: int = Field(64, ge=0)
    """Bytes behind the voxels of a file."""
    max_zip_entries: int = Field(2000, ge=1)
    """Files in a ZIP that a session is made of."""
    max_session_files: int = Field(1000, ge=1, le=1000)
    """Files that a session is made of; a form holds no more than a thousand."""
    max_trainings: int = Field(4, ge=1)
    """Trainings that run or wait."""
    max_leases: int = Field(20, ge=1)
    """Images that one reader may hold at once."""

    @property
    def max_unpacked(self) -> int:
        """Bytes."""
        return self.max_unpacked_mb << 20


_limits = Limits()


def in_force() -> Limits:
    """The limits that this process keeps to."""
    return _limits


def enforce(limits: Limits) -> None:
    """Keep to these from now on."""
    global _limits
    _limits = limits
