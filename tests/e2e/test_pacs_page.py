"""The page on a real archive: what is drawn in the browser is the outline that the archive gets, pixel for pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness.browser import place_of
from harness.hospital import Hospital, quick_task

pytestmark = pytest.mark.e2e


def test_a_box_drawn_on_an_x_ray_is_the_segmentation_in_the_archive(tmp_path: Path, tabs, serving):
    hospital = Hospital.build(tmp_path, quick_task(tmp_path), show_patient="true", modalities="DX")
    serving(hospital.archive)
    case = hospital.admit("dx", 1)
    serving(hospital.server)
    tab = tabs(hospital.server, "dr_box").open()
    assert tab.next() == case.series
    header = case.instances[0]
    told = tab.page.locator(".patient")
    told.get_by_text(str(header.PatientID)).wait_for()
    assert str(header.PatientName) in told.inner_text()
    tab.tool("Box")
    size = (int(header.Columns), int(header.Rows))
    tab.drag(place_of(tab, (20, 30), size), place_of(tab, (39, 34), size))
    tab.choose("solid")
    assert tab.outlined() == 20 * 5
    tab.hand_in()
    (outline,) = hospital.wait_for_objects("SEG", 1)
    expected = np.zeros(size[::-1], bool)
    expected[30:35, 20:40] = True
    np.testing.assert_array_equal(outline.pixel_array.squeeze().astype(bool), expected)
    assert outline.SegmentSequence[0].SegmentLabel == "solid"
    tab.page.get_by_role("link", name="Progress").click()
    tab.page.get_by_text("1 annotation is in the archive.").wait_for()
    hospital.archive.kill()
    tab.page.get_by_text("does not answer").first.wait_for(timeout=120_000)
    tab.sound()
