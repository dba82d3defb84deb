"""Who may import whom: what the contracts list by hand is complete."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_room_but_the_server_is_kept_from_monai_label():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_name = {contract["id"]: contract for contract in contracts}
    rooms = {f"xal.{room.strip()}" for layer in by_name["wings"]["layers"] for room in layer.split("|")}
    assert set(by_name["monailabel"]["source_modules"]) == rooms - {"xal.server"}
