"""Another machine: a network namespace of its own, with a cable to this one and private addresses at both ends."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

HERE, THERE = "10.231.77.1", "10.231.77.2"


@dataclass(frozen=True)
class Elsewhere:
    """A machine beside this one, which knows it as `here`."""

    name: str
    here: str = HERE

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        inside = ["ip", "netns", "exec", self.name, *command]
        return subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """That machine, for a while; skips where there may be none."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("another machine needs a network namespace: root, and iproute2")
    name = f"xal{os.getpid()}"
    near, far = f"{name}a", f"{name}b"

    def ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")

    try:
        ip("netns", "add", name)
        ip("link", "add", near, "type", "veth", "peer", "name", far)
        ip("link", "set", far, "netns", name)
        ip("addr", "add", f"{HERE}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", name, "addr", "add", f"{THERE}/30", "dev", far)
        ip("-n", name, "link", "set", far, "up")
        yield Elsewhere(name)
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", near], capture_output=True, check=False)
