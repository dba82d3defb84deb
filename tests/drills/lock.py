"""Another program that keeps the store locked."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from harness.room import open_room

from drills.outcome import Outcome, in_words
from drills.readers import acknowledged, at_work, lost

LONGEST = 40.0
"""Longer than the server waits."""


def run(folder: Path, seconds: float) -> Outcome:
    """Lock it for a moment, for some seconds, and for longer than the server waits, by turns."""
    room = open_room(folder, 2000)
    until, turns, longest = time.monotonic() + seconds, 0, 0.0
    with room.server:
        with at_work(room, 4) as readers:
            while time.monotonic() < until:
                hold = min((0.5, 5.0, LONGEST)[turns % 3], max(0.5, until - time.monotonic()))
                longest = max(longest, hold)
                with sqlite3.connect(Path(room.server.studies) / ".xal/store.sqlite", isolation_level=None) as other:
                    other.execute("PRAGMA busy_timeout = 30000")
                    other.execute("BEGIN IMMEDIATE")
                    time.sleep(hold)
                    other.execute("ROLLBACK")
                other.close()
                time.sleep(1)
                turns += 1
        answers = sum((reader.answers for reader in readers), start=type(readers[0].answers)())
    return Outcome(
        f"the store locked by another program {turns} times, for 0.5 to {longest:.0f} s, 4 readers handing in",
        f"{acknowledged(readers)} labels acknowledged; {answers[503]} answers of 503 in plain words, sent again later; "
        f"{in_words([second for reader in readers for second in reader.seconds])}",
        lost(room, readers),
    )
