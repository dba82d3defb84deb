"""Write requirements.lock: what requirements.txt resolves to today, less what is never imported.

pip resolves everything (nothing is installed), then we walk from the direct dependencies and leave out the
packages in UNUSED together with all that only they need. `make env` installs the result with --no-deps.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent

UNUSED = (
    "sam2",  # the stand-in in packaging/ is only for plain pip
    "itk",  # `make env` installs the stand-in in packaging/ by its folder
    "xal",  # installed from this folder
    "nvidia-*", "cuda-*", "triton",  # torch's CUDA build asks for them; `make env` adds them where it must
    "torchvision",  # MONAI's extra; imported only by MONAI Label modules that we do not load
    "mlflow", "tensorboard", "fire", "gdown", "lmdb", "openslide-*",  # MONAI's extras
    "numpymaxflow", "shapely", "ninja", "scikit-learn", "einops",  # scribbles, whole slides, bundles
)  # fmt: skip

HEADER = """\
# Everything `make env` installs, at the versions it was tested with. Written by `make lock`; do not edit.
# No local version tags: 2.13.0 also means 2.13.0+cpu where the package index offers that.
"""


def resolve(requirements: Path) -> list[dict[str, Any]]:
    """What pip would install into an empty environment, as its report lists it."""
    lines = [line for line in requirements.read_text(encoding="utf-8").splitlines() if not line.startswith("-c ")]
    with tempfile.TemporaryDirectory() as folder:
        free, report = Path(folder, "requirements.txt"), Path(folder, "report.json")
        free.write_text("\n".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), "--requirement", str(free)], check=True, cwd=ROOT)
        return list(json.loads(report.read_text(encoding="utf-8"))["install"])


def keep(installs: Iterable[Mapping[str, Any]], unused: Iterable[str] = UNUSED) -> dict[str, str]:
    """Name → version of the packages reached from the direct dependencies without passing an unused one."""
    packages = {canonicalize_name(item["metadata"]["name"]): item for item in installs}
    patterns = tuple(unused)
    waiting = [(name, extra) for name, item in packages.items() if item["requested"]
               for extra in ("", *item.get("requested_extras", ()))]  # fmt: skip
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen or name not in packages or any(fnmatch.fnmatch(name, p) for p in patterns):
            continue
        seen.add((name, extra))
        for text in packages[name]["metadata"].get("requires_dist", ()):
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(needed.name), wanted) for wanted in ("", *needed.extras)]
    return {name: Version(packages[name]["metadata"]["version"]).public for name in sorted({name for name, _ in seen})}


def main() -> None:
    """Resolve requirements.txt and write the lock beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "requirements.lock")
    output: Path = parser.parse_args().output
    if sys.version_info[:2] != (3, 11):
        raise SystemExit("Python 3.11 makes the lock: some packages want more there than under a later one")
    locked = keep(resolve(ROOT / "requirements.txt"))
    output.write_text(HEADER + "".join(f"{n}=={v}\n" for n, v in locked.items()), encoding="utf-8")
    print(f"{output.name}: {len(locked)} packages")


if __name__ == "__main__":
    main()
