"""The server's watch goes on whatever goes wrong, and says what it is."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from harness.local import Local

from xal.errors import BadInput, StoreLost
from xal.server import watch
from xal.server.watch import Watch
from xal.store.rows import ImageRow
from xal.system import pace
from xal.system.pace import Pace


class _EnoughError(BaseException):
    """Ends the watch, which otherwise never ends."""


@pytest.mark.parametrize(
    ("error", "problem"),
    [(ValueError("Planted^Patricia"), r"cannot be looked at \(ValueError\)"), (BadInput("no id"), "no id")],
)
def test_a_scan_that_fails_as_nobody_foresaw_is_told_of_and_tried_at_growing_distances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, problem: str
):
    local, now, scans = Local(tmp_path, 1), [1000.0], []

    def scan(known: object) -> list:
        scans.append(now[0])
        raise error

    def wait(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 1020:
            raise _EnoughError

    monkeypatch.setattr(local.project.source, "scan", scan)
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watch.ending, "wait", wait)
    watching = Watch(local.project, None, lambda: None, scan_seconds=1)
    with pytest.raises(_EnoughError):
        watching._run([watching.scan], "source")
    assert scans == [1000, 1001, 1003, 1007, 1015]
    assert local.project.source_problem is not None
    assert re.search(problem, local.project.source_problem)
    assert "Planted" not in local.project.source_problem


def test_where_a_scan_takes_long_the_pause_is_longer(monkeypatch: pytest.MonkeyPatch):
    now, scans = [0.0], []

    def work() -> None:
        scans.append(now[0])
        now[0] += 1 if now[0] < 20 else 50
        if len(scans) == 2:
            raise BadInput("not this time")

    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    paced = Pace(10)
    while now[0] < 600:
        with suppress(BadInput):
            paced.run(work)
        now[0] += 1
    assert scans == [0, 11, 13, 24, 274, 524], "every 10 s; at once where it failed; a fifth of the time at most"


def test_a_store_that_is_lost_between_two_images_is_said_once_and_blamed_on_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    local, asked = Local(tmp_path, 3), []
    watching = Watch(local.project, None, lambda: None, scan_seconds=1)

    def lost(row: ImageRow) -> None:
        asked.append(row.id)
        raise StoreLost("the store is damaged")

    monkeypatch.setattr(local.project, "volume", lost)
    monkeypatch.setattr(local.project, "served", lost)
    for duty in (watching._read_ahead, watching._ready.keep):
        assert watching._done(duty) == "the store is damaged"
        assert len(asked) == 1, "the others would meet it, too"
        asked.clear()
    (said,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert said.startswith("the store is damaged. Stop the server")
