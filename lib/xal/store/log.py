"""Settings that outlive a server, and the log of everything that was done."""

from __future__ import annotations

from typing import Any

from xal.store.engine import Base
from xal.store.rows import Event


class Log(Base):
    """The part of the store that keeps settings and events."""

    def get_setting(self, key: str, default: Any = None) -> Any:
        """A setting's value, or `default` if it was never set."""
        raise NotImplementedError

    def set_setting(self, key: str, value: Any, by: str) -> None:
        """Set a setting (any JSON value)."""
        raise NotImplementedError

    def log_event(
        self, kind: str, reader: str | None = None, image: str | None = None, detail: dict[str, Any] | None = None
    ) -> int:
        """Note that something was done; the event's number. The store's own writers note theirs themselves."""
        raise NotImplementedError

    def events(self, limit: int = 100, after: int | None = None) -> list[Event]:
        """Oldest first: the last `limit` events, or the first `limit` after event number `after`."""
        raise NotImplementedError
