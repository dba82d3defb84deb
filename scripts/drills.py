"""`make drills`: do to a server what must not lose anything, for minutes, and say what was lost and how it answered.

python scripts/drills.py [--minutes 20] [--only kills,full_disk] [--write]
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "tests")]

from drills.outcome import Outcome  # noqa: E402 - the path comes first

SHARES = {"kills": 8, "full_disk": 4, "lock": 3, "damage": 5, "bombs": 2, "crowd": 3}
"""Each drill's share of the time."""
TABLE = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- drills -->", "<!-- end of drills -->"


def main() -> int:
    """Run them; the exit status is 1 where one found something that should not have been."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--only", default=",".join(SHARES), help="drills by name, separated by commas")
    parser.add_argument("--write", action="store_true", help=f"put the table into {TABLE.relative_to(ROOT)}")
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if name]
    unknown = sorted(set(names) - set(SHARES))
    if unknown:
        parser.error(f"no drill {unknown[0]!r}; there are: {', '.join(SHARES)}")
    seconds = 60 * given.minutes / sum(SHARES[name] for name in names)
    outcomes = {name: drill(name, seconds * SHARES[name]) for name in names}
    table = as_table(outcomes, given.minutes)
    print(f"\n{table}")
    if given.write:
        put_into(TABLE, table)
    failed = [name for name, outcome in outcomes.items() if outcome.failures]
    print(f"\n{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def drill(name: str, seconds: float) -> Outcome:
    """Run one drill in a folder of its own; what it stumbles over is a failure of it."""
    print(f"{name} ({seconds:.0f} s) ...", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"drill-{name}-", ignore_cleanup_errors=True) as folder:
        try:
            outcome = importlib.import_module(f"drills.{name}").run(Path(folder), seconds)
        except pytest.skip.Exception as reason:
            outcome = Outcome("not run", str(reason))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the other drills are run all the same
            traceback.print_exc()
            outcome = Outcome("did not come to its end", "", [f"{type(error).__name__}: {error}"])
    for failure in outcome.failures[:20]:
        print(f"  FAILED: {failure}")
    print(f"  {outcome.seen} ({time.monotonic() - began:.0f} s)", flush=True)
    return outcome


def as_table(outcomes: dict[str, Outcome], minutes: float) -> str:
    """The rows, and what made them."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [
        f"`python scripts/drills.py --minutes {minutes:g}`, commit {commit.stdout.strip() or 'unknown'}:",
        "",
        "| drill | what was done | what was seen | what should not have been |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name.replace('_', ' ')} | {outcome.done} | {outcome.seen} | {len(outcome.failures) or 'nothing'} |"
        for name, outcome in outcomes.items()
    ]
    return "\n".join(lines)


def put_into(file: Path, table: str) -> None:
    """Replace what stands between the two marks."""
    before, _, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
