"""Rows of a simulation: what is written is read, and a kill costs at most the line being written."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.evidence import header, round_row

from xal.errors import XalError
from xal.experiments.run.rows import End, append, read_run, read_runs, run_file


def written(folder: Path, rounds: int = 2, end: bool = True, arm: str = "xal", seed: int = 0) -> Path:
    path = run_file(folder, arm, seed)
    append(path, header(arm, seed))
    for number in range(rounds):
        append(path, round_row(number, 0.7))
    if end:
        append(path, End(seconds=12.5))
    return path


def test_what_is_appended_is_read(tmp_path: Path):
    run = read_run(written(tmp_path))
    assert run is not None
    assert run.header == header("xal", 0)
    assert run.rounds == (round_row(0, 0.7), round_row(1, 0.7))
    assert run.end == End(seconds=12.5)
    assert run.complete


def test_without_an_end_a_run_is_not_complete(tmp_path: Path):
    run = read_run(written(tmp_path, end=False))
    assert run is not None
    assert not run.complete


@pytest.mark.parametrize("cut", [1, 2, 40, 400])
def test_a_cut_last_line_is_ignored_and_the_next_append_removes_it(tmp_path: Path, cut: int):
    path = written(tmp_path, rounds=2, end=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    run = read_run(path)
    assert run is not None
    assert run.rounds == (round_row(0, 0.7),)
    append(path, round_row(1, 0.7))
    assert path.read_bytes() == whole


def test_a_file_cut_within_its_header_is_no_run_yet(tmp_path: Path):
    path = run_file(tmp_path, "xal", 0)
    path.write_bytes(b'{"kind":"run","arm')
    assert read_run(path) is None
    assert read_runs(tmp_path) == []


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"labels":60', b'"labels":"many"'))
    with pytest.raises(XalError, match=r"xal-0\.jsonl, line 2: .*labels"):
        read_run(path)


def test_a_missing_round_is_named(tmp_path: Path):
    path = written(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[2], lines[3]]))
    with pytest.raises(XalError, match="line 2: round 0 should follow, not round 1"):
        read_run(path)


def test_a_file_without_a_header_is_named(tmp_path: Path):
    path = run_file(tmp_path, "xal", 0)
    append(path, round_row(0, 0.7))
    with pytest.raises(XalError, match="begins with its header"):
        read_run(path)


def test_a_copied_file_does_not_count_twice(tmp_path: Path):
    path = written(tmp_path)
    (tmp_path / "xal-1.jsonl").write_bytes(path.read_bytes())
    with pytest.raises(XalError, match=r"xal-1\.jsonl holds the rows of xal-0\.jsonl"):
        read_runs(tmp_path)


def test_runs_come_by_arm_and_seed(tmp_path: Path):
    for arm, seed in (("xal", 10), ("xal", 2), ("uniform", 0)):
        written(tmp_path, arm=arm, seed=seed)
    assert [(run.header.arm, run.header.seed) for run in read_runs(tmp_path)] == [
        ("uniform", 0), ("xal", 2), ("xal", 10)
    ]  # fmt: skip


def test_rows_that_hold_more_than_is_known_are_read(tmp_path: Path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"labels":60', b'"labels":60,"cost":180.0'))
    run = read_run(path)
    assert run is not None
    assert run.rounds[0] == round_row(0, 0.7)


def test_a_round_tells_what_it_was_made_with_where_the_header_does_not(tmp_path: Path):
    path = written(tmp_path, rounds=1, end=False)
    append(path, round_row(1, 0.7).model_copy(update={"commit": "def5678"}))
    run = read_run(path)
    assert run is not None
    assert run.made_with("commit") == {"abc1234", "def5678"}
    assert run.made_with("device") == {"cpu"}
