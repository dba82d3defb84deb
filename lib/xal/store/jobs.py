"""Jobs: who trains or scores right now, decided here so that two processes never do the same work."""

from __future__ import annotations

from typing import Any, Literal

from xal.store.engine import Base
from xal.store.rows import JobKind, JobRow


class Jobs(Base):
    """The part of the store that keeps jobs."""

    def start_job(self, kind: JobKind, pid: int, request: dict[str, Any]) -> int | None:
        """Register a running job; None if a live peer runs one of this kind already.

        A peer on this host lives if its process does (same number and same start time); one on another host, if its
        heartbeat is younger than a minute. Dead peers are marked lost first.
        """
        raise NotImplementedError

    def heartbeat(self, job: int, progress: dict[str, Any]) -> bool:
        """Say that the job is alive and how far it is; False if it is not running any more for the store."""
        raise NotImplementedError

    def finish_job(
        self, job: int, state: Literal["done", "failed", "stopped", "lost"], message: str | None = None
    ) -> None:
        """End a job; one that has ended already keeps its first end, unless it was merely thought lost."""
        raise NotImplementedError

    def jobs(self, kind: JobKind | None = None, limit: int = 20) -> list[JobRow]:
        """The latest jobs, newest first."""
        raise NotImplementedError

    def running(self, kind: JobKind) -> JobRow | None:
        """The live job of this kind."""
        raise NotImplementedError

    def live_orphans(self) -> list[JobRow]:
        """Mark jobs of dead processes lost; give those running on this host in a process other than this one.

        A server asks this when it starts: whatever runs then was started by a server that is no more.
        """
        raise NotImplementedError
