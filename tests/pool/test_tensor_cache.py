import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from xal.imaging.geometry import Prepared
from xal.pool.tensor_cache import TensorCache

BIG = 10**9


def prepared(fill: float = 1.0) -> Prepared:
    return Prepared(torch.full((1, 32, 32), float(fill)), np.diag([2.0, 3, 1, 1]))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_was_put_comes_back_bit_for_bit(tmp_path: Path):
    cache = TensorCache(tmp_path / "new" / "folder", BIG)
    entry = Prepared(torch.randn(2, 5, 6, 7), np.random.default_rng(0).random((4, 4)))
    cache.put("case_1/v3 ü", entry)
    again = cache.get("case_1/v3 ü")
    assert again is not None
    assert torch.equal(again.tensor, entry.tensor)
    assert again.tensor.dtype == torch.float32
    assert np.array_equal(again.grid, entry.grid)


def test_an_unknown_key_is_none(tmp_path: Path):
    assert TensorCache(tmp_path, BIG).get("nothing") is None


def test_another_process_sees_what_was_put(tmp_path: Path):
    TensorCache(tmp_path, BIG).put("a", prepared())
    assert TensorCache(tmp_path, BIG).get("a") is not None


def test_a_second_put_replaces_the_first(tmp_path: Path):
    cache = TensorCache(tmp_path, BIG)
    cache.put("a", prepared(1))
    cache.put("a", prepared(2))
    again = cache.get("a")
    assert again is not None
    assert float(again.tensor.mean()) == 2
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "garbage", "pickled", "other"])
def test_a_damaged_entry_is_forgotten(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture):
    cache = TensorCache(tmp_path, BIG)
    cache.put("a", prepared())
    (path,) = files(tmp_path)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 0xFF
    if harm == "pickled":
        with path.open("wb") as file:
            np.savez(file, tensor=np.array([{"a": 1}], dtype=object), grid=np.eye(4))
    elif harm == "other":
        with path.open("wb") as file:
            np.savez(file, something=np.eye(4))
    else:
        path.write_bytes({"empty": b"", "cut": content[:-200], "flipped": bytes(flipped), "garbage": b"x" * 99}[harm])
    assert cache.get("a") is None
    assert "damaged" in caplog.text
    assert files(tmp_path) == []
    cache.put("a", prepared())
    assert cache.get("a") is not None


def test_the_longest_unused_entries_make_room(tmp_path: Path):
    TensorCache(tmp_path, BIG).put("probe", prepared())
    size = files(tmp_path)[0].stat().st_size
    files(tmp_path)[0].unlink()
    cache = TensorCache(tmp_path, 5 * size)
    for index in range(5):
        cache.put(str(index), prepared(index))
        for path in files(tmp_path):  # a second older, so that the order of use is sure
            os.utime(path, (path.stat().st_atime - 1, path.stat().st_mtime))
    assert cache.get("0") is not None
    cache.put("5", prepared(5))
    kept = {str(index) for index in range(6) if cache.get(str(index)) is not None}
    assert kept == {"0", "3", "4", "5"}
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 5 * size


def test_a_folder_that_is_too_large_is_trimmed_when_opened(tmp_path: Path):
    cache = TensorCache(tmp_path, BIG)
    for index in range(6):
        cache.put(str(index), prepared(index))
    size = files(tmp_path)[0].stat().st_size
    TensorCache(tmp_path, 3 * size)
    assert len(files(tmp_path)) == 2


def test_what_a_killed_process_left_is_cleared_and_what_is_being_written_is_not(tmp_path: Path):
    folder = tmp_path / "ab"
    folder.mkdir()
    (folder / "dead.tmp").write_bytes(b"x")
    (folder / "alive.tmp").write_bytes(b"x")
    old = time.time() - 7200
    os.utime(folder / "dead.tmp", (old, old))
    TensorCache(tmp_path, BIG)
    assert [path.name for path in files(tmp_path)] == ["alive.tmp"]


def test_a_disk_that_does_not_take_it_costs_only_the_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    cache = TensorCache(tmp_path, BIG)
    name = cache._path("a").parent.name
    (tmp_path / name).write_bytes(b"a file where the folder should be")
    cache.put("a", prepared())
    assert "was not kept" in caplog.text
    assert cache.get("a") is None


def test_threads_share_one_cache(tmp_path: Path):
    cache = TensorCache(tmp_path, 20_000)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for index in range(30):
                key = str((seed + index) % 7)
                found = cache.get(key)
                assert found is None or float(found.tensor.mean()) == float(key)
                cache.put(key, prepared(float(key)))
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 20_000
