"""The database connection, and the one way to read and to write through it.

All writers of a (pool, task) run one after the other: SQLite by `BEGIN IMMEDIATE`, PostgreSQL by an advisory lock taken
first. That makes "look, then write" safe everywhere above without a thought about isolation levels.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Table,
    and_,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from xal.errors import BadInput, Conflict, Full, StoreError, StoreLost, XalError
from xal.store import fork, migrations, schema
from xal.system.network_drive import network_filesystem

T = TypeVar("T")

BUSY_SECONDS = 30.0
ATTEMPTS = 3
BESIDE_BYTES = 100_000
"""What SQLite needs to open a file, for its log and what readers share."""
CHUNK = 500
"""Names per IN list: far below what either database takes."""
TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL: serialization failure, deadlock, lock not available."""


class Database:
    """One pool and task in a database: its transactions, and what statements about it have in common."""

    def __init__(self, url: URL, pool: str, task: str) -> None:
        """Nothing is opened before the first transaction."""
        self.pool = pool
        self.task = task
        self.url = url
        self.engine = _engine(url)
        self._file = _identity(url) if self.is_sqlite else None
        fork.watch(self.engine)
        # SQLite's writers in other processes poll for the lock; threads of this one need not.
        self._turn: AbstractContextManager[Any] = threading.Lock() if self.is_sqlite else nullcontext()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def where(self) -> str:
        """The database in words, without its password."""
        return str(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    def mine(self, table: FromClause) -> ColumnElement[bool]:
        """Rows of this pool and task."""
        return and_(table.c.pool == self.pool, table.c.task == self.task)

    @property
    def scope(self) -> dict[str, Any]:
        """What makes a new row one of this pool and task."""
        return {"pool": self.pool, "task": self.task}

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one consistent view of the database."""
        return self.attempt(lambda _: self._run(work, writes=False, outcome=[]))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` as one transaction, alone among the writers of this pool and task; it may be run again."""
        return self.attempt(lambda outcome: self._run(work, writes=True, outcome=outcome))

    def _run(self, work: Callable[[Connection], T], *, writes: bool, outcome: list[str]) -> T:
        self.check_in_place()
        with fork.in_use(), self._turn if writes else nullcontext(), self.engine.connect() as connection:
            if writes:
                connection = connection.execution_options(xal_writes=True)
            with connection.begin():
                if writes and not self.is_sqlite:
                    connection.execute(select(func.pg_advisory_xact_lock(_lock_number(self.pool, self.task))))
                result = work(connection)
                outcome.append("committing")
            return result

    def check_in_place(self) -> None:
        """SQLite goes on writing to a file that was removed, and begins a new one beside it: what is said is lost."""
        if self._file is not None and _identity(self.url) != self._file:
            raise StoreLost(f"{self.where} was removed or replaced while it was in use; nothing was changed")

    def attempt(self, run: Callable[[list[str]], T]) -> T:
        """Run it, again where nothing has happened yet and another try may go better, or say in words why not."""
        for attempt in range(1, ATTEMPTS + 1):
            outcome: list[str] = []
            try:
                return run(outcome)
            except StatementError as error:
                if attempt == ATTEMPTS or not _may_try_again(error, committing=bool(outcome)):
                    raise _in_words(error, self.where, committing=bool(outcome)) from error
                time.sleep(0.05 * attempt)
            except PoolTimeout as error:
                raise StoreError(f"{self.where} is busy: no connection has become free; nothing was changed") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def upsert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace those of the same key; all rows name the same columns."""
        dialect = sqlite if self.is_sqlite else postgresql
        statement = dialect.insert(table)
        keys = {column.name for column in table.primary_key}
        changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=sorted(keys), set_=changed), list(rows))

    def plan_anew(self) -> None:
        """After many new images: until its autovacuum has counted them, PostgreSQL reads the whole pool to find one."""
        if not self.is_sqlite:
            self.write(lambda connection: connection.execute(text(f"ANALYZE {schema.images.name}")))

    def insert(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
        """Insert a row into a table that numbers its rows; the number."""
        key: Any = connection.execute(table.insert(), {**self.scope, **row}).inserted_primary_key
        return int(key[0])

    def log(
        self,
        connection: Connection,
        kind: str,
        reader: str | None = None,
        image: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Note an event within the transaction it tells of."""
        row = {"at": time.time(), "kind": kind, "reader": reader, "image": image, "detail": dict(detail or {})}
        return self.insert(connection, schema.events, row)

    def close(self) -> None:
        """Close this process's connections."""
        self.engine.dispose()


class Part:
    """A part of the store; all of them share the database."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._db = database


def open_database(url: str) -> URL:
    """Check that the database can be used and bring its tables up to date."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        shown = url.rpartition("@")[2]
        raise StoreError(f"{shown!r} is not a database URL that can be used: {error}") from error
    if backend not in {"sqlite", "postgresql"}:
        raise StoreError(f"the store runs on sqlite or postgresql, not on {backend}")
    if backend == "sqlite":
        _check_file(parsed)
    database = Database(parsed, "", "")
    try:
        database.write(lambda connection: migrations.prepare(connection, database.where))
    finally:
        database.close()
    return parsed


def _check_file(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        raise StoreError("the store needs a file: sqlite:////path/store.sqlite")
    folder = Path(url.database).parent
    if not folder.is_dir():
        raise StoreError(f"{folder} is not a folder, so {Path(url.database).name} cannot be opened in it")
    kind = network_filesystem(folder)
    if kind is not None:
        raise StoreError(
            f"{folder} lies on a network file system ({kind}), where SQLite's locks do not hold and data is lost; "
            "keep the state in a local folder, or use PostgreSQL"
        )


def _identity(url: URL) -> tuple[int, int] | None:
    """Which file an SQLite database is; None if there is none."""
    try:
        status = Path(str(url.database)).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=4, max_overflow=28, pool_timeout=60, pool_pre_ping=True)
    arguments: dict[str, Any] = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments, pool_size=8, max_overflow=120, pool_timeout=60)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    for attempt in range(1, 101):  # switching to WAL does not wait for a busy file by itself
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            if attempt == 100 or not _is_busy(error):
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    """Python's own transaction handling would begin late and upgrade: a recipe for "database is locked"."""
    writes = connection.get_execution_options().get("xal_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _lock_number(pool: str, task: str) -> int:
    digest = hashlib.sha256(f"xal\0{pool}\0{task}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _is_busy(error: BaseException | None) -> bool:
    return str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _may_try_again(error: StatementError, *, committing: bool) -> bool:
    """Whether nothing has happened yet and another try may go better."""
    if _is_busy(error.orig) or getattr(error.orig, "sqlstate", None) in TRANSIENT_STATES:
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated and not committing


def _is_full(file: str) -> bool:
    """Whether a database may be lacking the space for the files that it keeps beside it."""
    try:
        return shutil.disk_usage(Path(file).parent).free < BESIDE_BYTES
    except OSError:
        return False


def _in_words(error: StatementError, where: str, *, committing: bool) -> XalError:
    """What the database meant, for a person."""
    cause = error.orig
    name = str(getattr(cause, "sqlite_errorname", ""))
    if isinstance(error, DataError) or isinstance(cause, ValueError | TypeError):
        return BadInput(f"this cannot be stored: {cause}")
    if isinstance(error, IntegrityError):
        return Conflict(f"this contradicts what is stored: {cause}")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StoreLost(f"{where} is damaged or no SQLite database ({cause}); nothing was changed")
    if name.startswith("SQLITE_FULL") or (name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and _is_full(where)):
        return Full(f"the disk that holds {where} is full; nothing was changed")
    if _is_busy(cause):
        return StoreError(f"{where} is kept locked by another process; nothing was changed")
    doubt = "whether the last change was made is unknown" if committing else "nothing was changed"
    return StoreError(f"{where}: {cause}; {doubt}")
