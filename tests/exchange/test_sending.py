"""Which annotations are not sent, and that everybody can see why."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.local import Local

from xal.exchange.sending import Sending
from xal.sources.address import Address
from xal.sources.archive import DicomWebSource
from xal.sources.client import Archive
from xal.system.disk_space import Space


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 2)


@pytest.fixture
def sending(local: Local, tmp_path: Path) -> Sending:
    """To an archive where nobody is."""
    (tmp_path / "state").mkdir()
    archive = Archive(Address.parse("http://127.0.0.1:9/dicom-web", {}), tries=0)
    return Sending(local.project, DicomWebSource(archive, ("DX",), tmp_path / "state", 1 << 20, Space(tmp_path, 0)))


def exclude(local: Local, image: str) -> None:
    local.project.store.images.exclude(image, "boss", "wrong side")


def lose(local: Local, image: str) -> None:
    local.project.store.images.mark_gone([image])


def damage(local: Local, image: str) -> None:
    row = local.project.store.images.get(image)
    local.project.store.images.set_facts(image, size=row.size, mtime_ns=row.mtime_ns, problem="cut off")


@pytest.mark.parametrize(
    ("happens", "why"), [(exclude, "is excluded"), (lose, "not in the archive any more"), (damage, "cannot be read")]
)
def test_an_image_that_is_not_to_be_read_any_more_says_why_its_annotation_waits(
    local: Local, sending: Sending, happens, why: str
):
    local.hand_in(local.ids[0])
    happens(local, local.ids[0])
    assert sending.send(5) == 0
    assert why in str(local.project.store.deliveries.last_problem())
    assert local.project.store.deliveries.counts() == {"waiting": 1}


def test_what_is_included_again_is_sent_like_any_other(local: Local, sending: Sending):
    local.hand_in(local.ids[0])
    exclude(local, local.ids[0])
    sending.send(5)
    local.project.store.images.include(local.ids[0], "boss")
    (waiting,) = local.project.store.deliveries.due(9, now=float("inf"))
    local.project.store.deliveries.put_off(waiting[0].annotation, 0.0, waiting[0].problem, tried=False)
    sending.send(5)
    assert "excluded" not in str(local.project.store.deliveries.last_problem()), "it is tried: here nobody answers"


def test_of_an_image_that_was_taken_out_for_good_nothing_waits(local: Local, sending: Sending):
    local.hand_in(local.ids[0])
    local.project.store.images.delete(local.ids[0], by="boss")
    assert sending.send(5) == 0
    assert local.project.store.deliveries.counts() == {"dropped": 1}
