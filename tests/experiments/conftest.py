"""What several files of experiments share."""

from __future__ import annotations

import pytest

from xal.experiments.report import report


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report's pictures have few dots, for tests of what it says: drawing is most of the time that it takes."""
    monkeypatch.setattr(report, "_DPI", 20)
