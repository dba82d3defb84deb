"""A note that rejects objects is what the standard and IHE's profile ask for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import highdicom
import pytest
from dicom.objects import KINDS, faults, reread

from xal.dicom.derived import Stamp
from xal.dicom.rejection import Stored, rejection
from xal.dicom.report import COMPREHENSIVE_SR
from xal.dicom.segmentation import SEGMENTATION

STAMP = Stamp("2.25.1", "2.25.2", datetime(2026, 3, 4, 5, 6, 7), 904)
SENT = [Stored(SEGMENTATION, "2.25.10", "2.25.11"), Stored(COMPREHENSIVE_SR, "2.25.20", "2.25.21")]


def made(kind: str):
    return rejection(KINDS[kind]().headers[0], SENT, by="dr_wrong", stamp=STAMP)


@pytest.mark.e2e
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_standard_asks_for(kind: str, tmp_path: Path):
    assert faults(made(kind), tmp_path) == []


def test_it_names_the_objects_and_why_and_who():
    read = reread(made(next(iter(KINDS))))
    note = highdicom.ko.KeyObjectSelectionDocument.from_dataset(read)
    (title,) = read.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113001", "DCM")
    referred = {one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in note.content.get_references()}
    assert referred == {"2.25.11", "2.25.21"}
    assert note.resolve_reference("2.25.21")[1] == "2.25.20"
    person, _ = note.content.get_observer_contexts()
    assert str(person.observer_identifying_attributes.name) == "dr_wrong^"
