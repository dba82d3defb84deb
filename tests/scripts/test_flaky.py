"""Running the tests again and again: in another order, on other machines, and what is finished only once."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
from harness.warm import WarmProcess

ROOT = Path(__file__).resolve().parents[2]
SOME = ["tests/test_rounding.py", "tests/loop/test_location.py", "tests/method/test_agreement.py"]

spec = importlib.util.spec_from_file_location("flaky", ROOT / "scripts" / "flaky.py")
flaky = importlib.util.module_from_spec(spec)
spec.loader.exec_module(flaky)


def order(log: Path, *options: str) -> list[str]:
    command = ["pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *SOME, *options]
    assert WarmProcess(command, os.environ, log).wait(240) == 0
    return [line for line in log.read_text().splitlines() if "::" in line]


def run_warm(command: Sequence[str], stdout: IO[bytes], env: Mapping[str, str], **_: object) -> SimpleNamespace:
    """A run as the script begins it, but with its imports done."""
    return SimpleNamespace(returncode=WarmProcess(command[2:], env, Path(stdout.name)).wait(240))


def test_a_seed_shuffles_modules_and_tests_within_them_and_is_an_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    first, again = (order(tmp_path / f"{number}.log", "--shuffle", "1") for number in (1, 2))
    assert len(first) > 50
    assert first == again != sorted(first)
    assert len([module for module, _ in groupby(first, key=lambda test: test.partition("::")[0])]) == len(SOME)


def test_ten_runs_meet_every_machine_setting_and_a_neighbour():
    machines = [flaky.MACHINES[number * flaky.STRIDE % len(flaky.MACHINES)] for number in range(10)]
    assert len(set(machines)) == 10
    assert [set(values) for values in zip(*machines, strict=True)] == [
        {"1", "2"},
        {None, "default", "avx2"},
        {None, "SSE41"},
    ]


def test_what_is_finished_is_not_run_again_and_a_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(flaky, "FOLDER", tmp_path)
    monkeypatch.setattr(flaky, "RUNS", tmp_path / "runs.jsonl")
    monkeypatch.setattr(flaky, "subprocess", SimpleNamespace(run=run_warm))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")  # it is one test: pytest needs no second process

    def go(*options: str) -> tuple[int, int]:
        monkeypatch.setattr(sys, "argv", ["flaky.py", *options])
        return flaky.main(), len(flaky.finished())

    only = ["--only", "tests/test_rounding.py", "largest"]
    assert go("--runs", "1", *only) == (0, 1)
    assert go("--runs", "1", *only) == (0, 1)
    assert go("--runs", "9", "--minutes", "0", *only) == (0, 1)
    assert "1 of 9 runs, 0 failures" in capsys.readouterr().out
    assert go("--runs", "1", "--only", "tests/test_rounding.py", "no_such_test") == (1, 2)
    assert "1 × pytest ended with 5" in capsys.readouterr().out
