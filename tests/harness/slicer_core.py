"""3D Slicer's own code as a reader: `slicer_agent.py`, run in the environment of slicer-core."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

AGENT = Path(__file__).with_name("slicer_agent.py")
PYTHON = Path(__file__).resolve().parents[2] / ".venv-slicer" / "bin" / "python"


def read_with_slicer(url: str, folder: Path, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Let reader "dr_slicer" go through these images of a server; what Slicer saw. It works in `folder`."""
    assert PYTHON.exists(), "3D Slicer's core is missing: make .venv-slicer/.installed"
    work, job, report = (folder / name for name in ("slicer", "job.json", "report.json"))
    work.mkdir()
    said = {"url": url, "client_id": "dr_slicer", "folder": str(work), "report": str(report), "cases": cases}
    job.write_text(json.dumps(said))
    command = [str(PYTHON), "-P", str(AGENT), str(job)]  # -P: no file beside the agent hides a package
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return dict(json.loads(report.read_text()))
