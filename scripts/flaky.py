"""Run the quick tests again and again, each time in another order and on what looks like another processor.

What fails once in ten runs, or on one processor of three, fails for somebody at the first `make test`. Every run has an
order of its own (modules shuffled, tests shuffled within them), another combination of threads and of the instructions
that torch may use, and every third one a neighbour that burns all cores. A finished run is a line of
var/flaky/runs.jsonl and is not repeated while the code is the same; its whole output lies beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var" / "flaky"
RUNS = FOLDER / "runs.jsonl"
QUICK = "not e2e and not soak"
LONGEST = 1200
"""Seconds a test may take, which on an idle machine are 300: here a neighbour may have most of it."""
VARIABLES = ("OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")
MACHINES = list(product(("1", "2"), (None, "default", "avx2"), (None, "SSE41")))
"""Values of these variables; None: not set."""
STRIDE = 5
"""From one run to the next in that list: it shares no divisor with the length, so every one has its turn."""
BURN = """
import os
parent = os.getppid()
while os.getppid() == parent:
    pass
"""

Row = dict[str, Any]


def main() -> int:
    """Do what is not done yet, then say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="how many runs in all (default 10)")
    parser.add_argument("--only", nargs="+", default=[], metavar="TESTS", help="files and tests, or words as for -k")
    parser.add_argument("--minutes", type=float, default=float("inf"), metavar="M", help="begin no run after so many")
    parser.add_argument("--again", action="store_true", help="repeat what is finished, too")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    FOLDER.mkdir(parents=True, exist_ok=True)
    what = {"tests": given.only, "code": digest()}
    rows = {} if given.again else {row["run"]: row for row in finished() if all(row[k] == what[k] for k in what)}
    for number in range(given.runs):
        if number not in rows and time.monotonic() < until:
            rows[number] = run(number, what)
            with RUNS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[number]) + "\n")
    return tell([rows[number] for number in range(given.runs) if number in rows], given.runs)


def digest() -> str:
    """Of all that a run depends on here."""
    files = [ROOT / "pyproject.toml", ROOT / "requirements.lock"]
    files += [file for folder in ("lib", "apps", "tests") for file in (ROOT / folder).rglob("*.py")]
    content = hashlib.sha256()
    for file in sorted(files):
        content.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return content.hexdigest()[:12]


def finished() -> list[Row]:
    """What was run before, the latest last."""
    return [json.loads(line) for line in RUNS.read_text(encoding="utf-8").splitlines()] if RUNS.exists() else []


def run(number: int, what: Row) -> Row:
    """One run of the tests."""
    seed, burning = secrets.randbelow(10**6), number % 3 == 1
    machine = dict(zip(VARIABLES, MACHINES[number * STRIDE % len(MACHINES)], strict=True))
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {name: value for name, value in machine.items() if value is not None}
    environment["PYTHONHASHSEED"] = str(seed)
    print(f"run {number}: seed {seed}, {told(machine, burning)} ...", flush=True)
    log, began = FOLDER / f"{what['code']}-{number}-{seed}.log", time.monotonic()
    with log.open("wb") as output, neighbour(burning):
        command = [sys.executable, "-m", "pytest", *chosen(what["tests"]), "--shuffle", str(seed)]
        command += ["-m", QUICK, "-q", "-rfE", f"--timeout={LONGEST}", "-p", "no:cacheprovider"]
        command += ["-n", "auto", "--dist", "loadfile"]
        code = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=False).returncode
    said = log.read_text(encoding="utf-8", errors="replace")
    failures = re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    if code != 0 and not failures:
        failures = [f"pytest ended with {code}"]
    passed = re.search(r"(\d+) passed", said)
    result = {"failures": failures, "passed": int(passed[1]) if passed else 0, "log": log.name}
    print("\n".join(["  " + failure for failure in failures] or ["  no failure"]), flush=True)
    seconds = round(time.monotonic() - began)
    return {**what, "run": number, "seed": seed, "machine": machine, "burning": burning, "seconds": seconds, **result}


def chosen(only: list[str]) -> list[str]:
    """What pytest is told to run: the paths among these, and tests that fit any of the words among them."""
    paths = [one for one in only if (ROOT / one.partition("::")[0]).exists()]
    words = [one for one in only if one not in paths]
    return [*paths, *(["-k", " or ".join(words)] if words else [])]


@contextmanager
def neighbour(burning: bool) -> Iterator[None]:
    """Somebody who keeps every core busy meanwhile."""
    count = (os.cpu_count() or 1) if burning else 0
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def told(machine: Row, burning: bool) -> str:
    """Which machine it looked like."""
    said = [f"{name}={value}" for name, value in machine.items() if value is not None]
    return ", ".join([*said, *(["a burning neighbour"] if burning else [])])


def tell(rows: list[Row], wanted: int) -> int:
    """The table, and every failure with how to see it again; 1 if there is one, or nothing was run."""
    line = "{:>3}  {:>6}  {:>3}  {:<7}  {:<5}  {:<9}  {:>6}  {:>6}  {:>7}"
    print("\n" + line.format("run", "seed", "OMP", "ATEN", "ISA", "neighbour", "passed", "failed", "minutes"))
    for row in rows:
        threads, aten, isa = (row["machine"][name] or "-" for name in VARIABLES)
        burning, failed, minutes = (
            "burns" if row["burning"] else "-",
            len(row["failures"]),
            f"{row['seconds'] / 60:.1f}",
        )
        print(line.format(row["run"], row["seed"], threads, aten, isa, burning, row["passed"], failed, minutes))
    failed = Counter(failure for row in rows for failure in row["failures"])
    print(f"\n{len(rows)} of {wanted} runs, {failed.total()} failures")
    for failure, count in failed.most_common():
        logs = [row["log"] for row in rows if failure in row["failures"]]
        print(f"  {count} × {failure}: {', '.join(logs)}")
    if failed:
        print(f"The logs are in {FOLDER}; the same order again: pytest --shuffle SEED")
    return int(bool(failed) or not rows)


if __name__ == "__main__":
    sys.exit(main())
