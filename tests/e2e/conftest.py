"""What the tests on a real archive share; each file says in `orthanc` what its archive has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.faults import FaultyProxy
from harness.orthanc import Orthanc


@pytest.fixture
def proxy(orthanc: Orthanc) -> Iterator[FaultyProxy]:
    """A way to the archive that can be made to fail."""
    with FaultyProxy(orthanc.dicom_web) as made:
        yield made
