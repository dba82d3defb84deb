"""Jobs: who trains or scores right now, decided here so that two processes never do the same work."""

from __future__ import annotations

import os
import socket
import time
from typing import Any, Literal

import psutil
from sqlalchemy import ColumnElement, Connection, select

from xal.errors import NotFound
from xal.store.engine import Part
from xal.store.rows import JobKind, JobRow
from xal.store.schema import jobs

FRESH_SECONDS = 60.0
"""How old the heartbeat of a job on another host may be."""
CLOCK_SECONDS = 2.0
"""How much a process's start time may seem to move when the clock is set."""


def process_start(pid: int) -> float | None:
    """When the process with this number was started; None if it is dead (or a zombie nobody has waited for)."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(job: JobRow, now: float) -> bool:
    """Whether a running job's process still lives: by its number and start time here, by its heartbeat elsewhere."""
    if job.host != socket.gethostname():
        return now - job.heartbeat < FRESH_SECONDS
    start = process_start(job.pid)
    return start is not None and abs(start - job.process_start) < CLOCK_SECONDS


class Jobs(Part):
    """The part of the store that keeps jobs."""

    def start(self, kind: JobKind, pid: int, request: dict[str, Any]) -> int | None:
        """Register a running job; None if a live peer runs one of this kind already.

        A peer on this host lives if its process does (same number and same start time); one on another host, if its
        heartbeat is younger than a minute. Dead peers are marked lost first.
        """
        started = process_start(pid)
        if started is None:
            raise NotFound(f"there is no process {pid} to run a job")

        def work(connection: Connection) -> int | None:
            if self._bury(connection, jobs.c.kind == kind):
                return None
            now = time.time()
            row = {
                "kind": kind,
                "state": "running",
                "pid": pid,
                "host": socket.gethostname(),
                "process_start": started,
                "request": request,
                "started_at": now,
                "heartbeat": now,
                "progress": {},
            }
            number = self._db.insert(connection, jobs, row)
            self._db.log(connection, f"{kind} started", detail={"job": number})
            return number

        return self._db.write(work)

    def heartbeat(self, job: int, progress: dict[str, Any]) -> bool:
        """Say that the job is alive and how far it is; False if it is not running any more for the store."""
        own = self._db.mine(jobs) & (jobs.c.id == job) & (jobs.c.state == "running")
        beat = {"heartbeat": time.time(), "progress": progress}
        return self._db.write(lambda c: c.execute(jobs.update().where(own).values(beat)).rowcount > 0)

    def finish(self, job: int, state: Literal["done", "failed", "stopped", "lost"], message: str | None = None) -> None:
        """End a job; one that has ended already keeps its first end, unless it was merely thought lost."""
        own = self._db.mine(jobs) & (jobs.c.id == job) & jobs.c.state.in_(("running", "lost"))

        def work(connection: Connection) -> None:
            end = {"state": state, "message": message, "finished_at": time.time()}
            if connection.execute(jobs.update().where(own).values(end)).rowcount:
                kind = connection.execute(select(jobs.c.kind).where(jobs.c.id == job)).scalar()
                self._db.log(connection, f"{kind} {state}", detail={"job": job, "message": message})

        self._db.write(work)

    def latest(self, kind: JobKind | None = None, limit: int = 20, before: int | None = None) -> list[JobRow]:
        """The latest jobs, newest first; those `before` a number."""
        query = select(jobs).where(self._db.mine(jobs)).order_by(jobs.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        if before is not None:
            query = query.where(jobs.c.id < before)
        return [_row(row) for row in self._db.read(lambda c: c.execute(query).mappings().all())]

    def running(self, kind: JobKind) -> JobRow | None:
        """The live job of this kind."""
        rows = self._db.read(lambda c: self._running(c, jobs.c.kind == kind))
        return next((row for row in rows if is_alive(row, time.time())), None)

    def live_orphans(self) -> list[JobRow]:
        """Mark jobs of dead processes lost; give those running on this host in a process other than this one.

        A server asks this when it starts: whatever runs then was started by a server that is no more.
        """
        living = self._db.write(lambda c: self._bury(c, jobs.c.kind.is_not(None)))
        return [job for job in living if job.host == socket.gethostname() and job.pid != os.getpid()]

    def _running(self, connection: Connection, which: ColumnElement[bool]) -> list[JobRow]:
        query = select(jobs).where(self._db.mine(jobs), jobs.c.state == "running", which).order_by(jobs.c.id)
        return [_row(row) for row in connection.execute(query).mappings()]

    def _bury(self, connection: Connection, which: ColumnElement[bool]) -> list[JobRow]:
        """Mark running jobs whose process is dead as lost; give the living."""
        now = time.time()
        living = []
        for job in self._running(connection, which):
            if is_alive(job, now):
                living.append(job)
                continue
            end = {"state": "lost", "message": "its process ended without a word", "finished_at": now}
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(end))
            self._db.log(connection, f"{job.kind} lost", detail={"job": job.id})
        return living


def _row(row: Any) -> JobRow:
    return JobRow(**{name: row[name] for name in JobRow.__dataclass_fields__})
