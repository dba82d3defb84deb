"""A PostgreSQL cluster of the tests' own: unprivileged, on a socket, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest


def _binaries() -> Path:
    found = shutil.which("initdb")
    folders = (
        [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    )
    usable = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    if not usable:
        pytest.fail(
            "PostgreSQL's initdb and postgres are neither on PATH nor in /usr/lib/postgresql/*/bin; "
            "install them: apt-get install -y --no-install-recommends postgresql"
        )
    return usable[0]


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The socket folder of a PostgreSQL cluster that lives as long as the tests."""
    binaries = _binaries()
    who = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="xal-pg-"))
    folder.chmod(0o755)
    if who:
        os.chown(folder, who["user"], who["group"])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": "/", **who}
    data = folder / "data"
    initdb = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "xal", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, **quiet)
    options = [f"-c{setting}" for setting in ("listen_addresses=", "max_connections=200", "fsync=off")]
    with (folder / "log").open("wb") as log:
        quiet["stderr"] = log
        server = subprocess.Popen([binaries / "postgres", "-D", data, "-k", folder, *options], **quiet)
    try:
        _wait(folder, server)
        yield str(folder)
    finally:
        server.send_signal(signal.SIGINT)  # "fast": does not wait for clients
        server.wait(30)
        shutil.rmtree(folder)


def _wait(folder: Path, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            psycopg.connect(f"host={folder} user=xal dbname=postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None:
                pytest.fail(f"postgres did not start: {(folder / 'log').read_text()}")
            time.sleep(0.1)
        else:
            return
    pytest.fail("postgres did not answer within 30 s")


def new_database(socket: str) -> str:
    """The URL of an empty database."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"host={socket} user=xal dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://xal@/{name}?host={socket}"
