"""What several files share; those on a real archive each say in `orthanc` what theirs has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.faults import FaultyProxy
from harness.orthanc import Orthanc
from harness.viewing import tab, volumes, window  # noqa: F401


@pytest.fixture
def proxy(orthanc: Orthanc) -> Iterator[FaultyProxy]:
    """A way to the archive that can be made to fail."""
    with FaultyProxy(orthanc.dicom_web) as made:
        yield made
