"""Where things lie: which pool the studies are, and the folder that keeps its state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Workspace:
    """The folders of one task on one pool, all of them existing."""

    studies: str
    """The folder's absolute path, or the DICOMweb URL without credentials."""
    pool: str
    """Short hash of the studies' URI; a folder keeps its first one when it moves."""
    task: str
    state: Path
    """`<studies>/.xal`, or a folder in the user's data folder for a URL."""

    @classmethod
    def open(cls, studies: str, task: str, state: Path | None = None) -> Self:
        """Find the pool and its state folder and make the folders that are missing; StoreError where that cannot be."""
        raise NotImplementedError

    @property
    def labels(self) -> Path:
        """Label files as handed in."""
        return self.state / self.task / "labels"

    @property
    def models(self) -> Path:
        """Weights of the model versions."""
        return self.state / self.task / "models"

    @property
    def cache(self) -> Path:
        """What can be computed again."""
        return self.state / self.task / "cache"

    def database(self, url: str | None = None) -> str:
        """The store's URL: the one given, else a SQLite file in the state folder; StoreError on a network file system."""
        raise NotImplementedError
