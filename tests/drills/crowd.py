"""Fifty readers at once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from harness.room import open_room

from drills.outcome import Outcome, in_words
from drills.readers import acknowledged, at_work, lost

READERS = 50
SLOW_SECONDS = 10.0


def run(folder: Path, seconds: float) -> Outcome:
    """Let them all ask and hand in for as long as there is time."""
    room = open_room(folder, 20_000 if seconds > 120 else 6_000)
    with room.server, at_work(room, READERS, pause=0.3) as readers:
        time.sleep(seconds)
    failures = lost(room, readers)
    times = Counter(image for reader in readers for image in reader.given)
    failures += [f"{image} was given to {count} readers" for image, count in times.items() if count > 1]
    answers = sum((reader.answers for reader in readers), start=Counter())
    failures += [f"{count} answers of {status}" for status, count in answers.items() if status >= 400]
    durations = [second for reader in readers for second in reader.seconds]
    if durations and max(durations) > SLOW_SECONDS:
        failures.append(f"an answer took {max(durations):.1f} s")
    return Outcome(
        f"{READERS} readers who ask and hand in for {seconds:.0f} s",
        f"{acknowledged(readers)} labels acknowledged, {len([n for n in times.values() if n > 1])} images given twice; "
        f"{in_words(durations)}",
        failures,
    )
