"""Model versions, the one in use, and the images set aside to judge them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from xal.store.engine import Base
from xal.store.rows import VersionRow


class Versions(Base):
    """The part of the store that keeps model versions."""

    def add_version(
        self,
        *,
        path: str | None = None,
        sha256: str | None = None,
        metrics: dict[str, Any] | None = None,
        verdict: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        parent: int | None = None,
        validation: int | None = None,
    ) -> int:
        """Take the next version number for a candidate; its path may follow with `set_version`."""
        raise NotImplementedError

    def set_version(
        self,
        version: int,
        *,
        state: Literal["candidate", "refused", "withdrawn"] | None = None,
        path: str | None = None,
        sha256: str | None = None,
        metrics: dict[str, Any] | None = None,
        verdict: dict[str, Any] | None = None,
        by: str | None = None,
    ) -> VersionRow:
        """Change what is given. `publish` alone publishes; Conflict if the version in use would be refused or withdrawn."""
        raise NotImplementedError

    def publish(self, version: int, by: str) -> VersionRow:
        """Make this the version in use, at once and for every process; an earlier one is thereby brought back."""
        raise NotImplementedError

    def current_version(self) -> VersionRow | None:
        """The version in use."""
        raise NotImplementedError

    def version(self, version: int) -> VersionRow:
        """One version by number; NotFound if there is none."""
        raise NotImplementedError

    def versions(self) -> list[VersionRow]:
        """All versions, oldest first."""
        raise NotImplementedError

    def validation(self) -> tuple[int, list[str]] | None:
        """Number and image ids of the newest validation set."""
        raise NotImplementedError

    def set_validation(self, ids: Iterable[str]) -> int:
        """Keep a new validation set; its number."""
        raise NotImplementedError
