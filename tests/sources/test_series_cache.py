"""What was fetched: kept once, read back the same, within its limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import phantoms
from xal.errors import Unavailable, Unreadable
from xal.imaging.images import read_image
from xal.sources import series_cache as cache
from xal.sources.series_cache import SeriesCache
from xal.system.waiting import for_somebody

ROOMY = 1 << 30


@pytest.mark.parametrize("kind", sorted(phantoms.KINDS))
def test_a_series_comes_back_as_its_files_are_read(kind: str, tmp_path: Path):
    case = phantoms.case(kind)
    cache = SeriesCache(tmp_path / "cache", ROOMY)
    path = cache.get(case.series, "study/series", len(case.instances), lambda: case.instances)
    kept, read = read_image(path), read_image(phantoms.write(case, tmp_path / "files"))
    np.testing.assert_array_equal(kept.pixels, read.pixels)
    np.testing.assert_allclose(kept.affine, read.affine, atol=1e-4)
    assert (kept.window is None) == (read.window is None)
    if kept.window is not None:
        np.testing.assert_allclose(kept.window, read.window, rtol=1e-6)


def test_a_client_does_not_wait_for_ever_for_who_has_more_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "READ_SECONDS", 0.2)
    case, began, hang = phantoms.case("dx"), threading.Event(), threading.Event()

    def fetch():
        began.set()
        hang.wait(60)
        return case.instances

    kept = SeriesCache(tmp_path / "cache", ROOMY)
    background = threading.Thread(target=kept.get, args=(case.series, "study/series", 1, fetch))
    background.start()
    assert began.wait(60)
    with pytest.raises(Unavailable, match="is being fetched"), for_somebody():
        kept.get(case.series, "study/series", 1, fetch)
    hang.set()
    background.join()
    with for_somebody():
        assert kept.get(case.series, "study/series", 1, fetch).is_file()


def test_a_series_is_fetched_once_however_many_ask(tmp_path: Path):
    case, fetched = phantoms.case("dx"), []

    def fetch():
        fetched.append(1)
        time.sleep(0.2)
        return case.instances

    caches = [SeriesCache(tmp_path, ROOMY) for _ in range(2)]  # as two processes have
    threads = [threading.Thread(target=cache.get, args=(case.series, "study/series", 1, fetch)) for cache in caches * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1


def test_the_longest_unused_series_makes_room(tmp_path: Path):
    cases = [phantoms.case("dx", number) for number in range(3)]
    sizes = [
        SeriesCache(tmp_path / "probe", ROOMY).get(c.series, "study/series", 1, lambda c=c: c.instances).stat().st_size
        for c in cases
    ]
    cache = SeriesCache(tmp_path / "small", sizes[0] + sizes[1] + sizes[2] - 1)
    paths = []
    for age, case in zip((3000, 2000, 0), cases, strict=True):
        paths.append(cache.get(case.series, "study/series", 1, lambda case=case: case.instances))
        if age:
            os.utime(paths[-1], (time.time() - age,) * 2)
    assert [path.exists() for path in paths] == [False, True, True]


def test_what_was_used_a_moment_ago_stays_whatever_the_limit(tmp_path: Path):
    cache = SeriesCache(tmp_path, 1)
    case = phantoms.case("dx")
    assert cache.get(case.series, "study/series", 1, lambda: case.instances).exists()


def test_a_series_that_is_still_arriving_is_asked_for_later(tmp_path: Path):
    case = phantoms.case("ct")
    cache = SeriesCache(tmp_path, ROOMY)
    with pytest.raises(Unavailable, match=f"5 of {len(case.instances)} instances"):
        cache.get(case.series, "study/series", len(case.instances), lambda: case.instances[:5])
    assert cache.get(case.series, "study/series", len(case.instances), lambda: case.instances).exists()


def test_what_has_no_pixels_is_unreadable_and_leaves_nothing(tmp_path: Path):
    case = phantoms.case("dx")
    empty = case.instances[0].copy()
    del empty.PixelData
    with pytest.raises(Unreadable, match="no pixels"):
        SeriesCache(tmp_path, ROOMY).get(case.series, "study/series", 1, lambda: [empty])
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "locks"] == []


KILLED = """
import sys, os, signal
from pathlib import Path
import phantoms
from xal.sources.series_cache import SeriesCache

def fetch():
    yield phantoms.case("ct").instances[0]
    os.kill(os.getpid(), signal.SIGKILL)

SeriesCache(Path(sys.argv[1]), 1 << 30).get("1.2", "study/series", 9, fetch)
"""


def test_what_a_killed_process_had_begun_is_cleared_at_the_next_start(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.glob(".incoming-*/1.2/*")] == ["1.dcm"]
    SeriesCache(tmp_path, ROOMY)
    assert list(tmp_path.glob(".incoming-*")) == []


def test_what_a_living_one_has_begun_stays(tmp_path: Path):
    case = phantoms.case("ct")

    def fetch():
        for instance in case.instances:
            SeriesCache(tmp_path, ROOMY)  # as another process that starts
            yield instance

    path = SeriesCache(tmp_path, ROOMY).get(case.series, "study/series", len(case.instances), fetch)
    np.testing.assert_array_equal(read_image(path).pixels, case.pixels)
    assert list(tmp_path.glob(".incoming-*")) == []
