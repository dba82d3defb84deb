"""OHIF as MONAI Label ships it, in a real Chromium, on a real archive: its readers see what the images and we say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813 - its usual name
from harness.hospital import Hospital, quick_task
from harness.ohif import in_frame, overlay, viewers  # noqa: F401
from harness.server import Server

from phantoms import Case

pytestmark = pytest.mark.e2e
PER_KIND = 5


def trained(folder: Path, task: str, kinds: tuple[str, ...]) -> Iterator[Hospital]:
    """A hospital where everything but the last two lesions of each kind is handed in, and a model looked at all."""
    hospital = Hospital.build(folder, quick_task(folder, task), send="seg,sr,attention")
    with hospital.archive:
        for kind in kinds:
            for number in range(PER_KIND):
                hospital.admit(kind, number)
        with hospital.server:
            hospital.server.wait(lambda: hospital.server.status()["open"] == len(hospital.cases), 60, "the pool")
            left = {case.series for kind in kinds for case in lesions(hospital, kind)[-2:]}
            for case in hospital.cases.values():
                if case.series not in left:
                    hospital.hand_in(case)
            hospital.server.train()
            hospital.server.wait_scored()
            yield hospital


def lesions(hospital: Hospital, kind: str) -> list[Case]:
    return [case for case in hospital.cases.values() if case.kind == kind and case.roi.any()]


def unread(hospital: Hospital, kind: str) -> Case:
    """A lesion that nobody has handed in."""
    return next(
        case
        for case in lesions(hospital, kind)
        if hospital.server.get("/xal/api/annotations", image=case.series).json()["items"] == []
    )


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory):
    yield from trained(tmp_path_factory.mktemp("volumes"), "phantom_3d", ("ct", "mr"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory):
    yield from trained(tmp_path_factory.mktemp("films"), "phantom_2d", ("dx", "cr", "mg", "us"))


def arrived(hospital: Hospital) -> None:
    """Wait until what was handed in is in the archive."""
    hospital.server.wait(lambda: not hospital.server.status()["archive"]["waiting"], 60, "the objects to arrive")


def panel(viewers, server: Server, case: Case):  # noqa: F811
    """OHIF's MONAI Label mode on a study."""
    return viewers(server).open(f"monai-label?StudyInstanceUIDs={case.study}", canvases=3)


def basic(viewers, server: Server, case: Case):  # noqa: F811
    """OHIF's basic viewer on a study."""
    return viewers(server).open(f"viewer?StudyInstanceUIDs={case.study}", canvases=1)


def test_the_study_list_is_the_archives(volumes: Hospital, viewers):  # noqa: F811
    viewer = viewers(volumes.server).open()
    assert viewer.studies() == len(volumes.cases)
    assert viewer.page.get_by_text("xal phantom mr").count()
    assert all(asked.startswith("GET ") for asked in viewer.asked)


def test_a_search_reaches_the_archive(volumes: Hospital, viewers):  # noqa: F811
    patient = next(iter(volumes.cases.values())).instances[0].PatientID
    studies = [case for case in volumes.cases.values() if case.instances[0].PatientID == patient]
    assert len(studies) < len(volumes.cases)
    viewer = viewers(volumes.server).open(f"?mrn={patient}")
    assert viewer.studies() == len(studies)


@pytest.mark.parametrize("kind", ["ct", "mr"])
def test_a_volume_is_drawn_from_its_own_voxels(volumes: Hospital, viewers, kind: str):  # noqa: F811
    case = lesions(volumes, kind)[0]
    viewer = panel(viewers, volumes.server, case)
    np.testing.assert_allclose(viewer.voxels(), case.pixels[0], atol=0.5)


def test_the_panel_shows_attention_once_its_image_is_handed_in(volumes: Hospital, viewers):  # noqa: F811
    case = unread(volumes, "ct")
    viewer = panel(viewers, volumes.server, case)
    viewer.connect()
    assert viewer.page.locator(".monaiLabelPanel select").locator("option", has_text="attention").count() >= 1
    viewer.run()
    assert not viewer.labels().any()
    assert not overlay(viewer.picture()).any()
    volumes.hand_in(case)
    viewer.run()
    bands = viewer.labels()
    assert set(np.unique(bands)) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(bands, bands_of(volumes, case), "each voxel of the image has its own")
    assert overlay(viewer.picture()).sum() > 100


def bands_of(hospital: Hospital, case: Case) -> np.ndarray:
    """The attention on the voxels of a case, as the server says it to who asks as OHIF does."""
    said = {"params": json.dumps({"restore_label_idx": False})}
    address = f"{hospital.server.url}/infer/attention?image={case.series}&output=image"
    reply = requests.post(address, data=said, timeout=120)
    assert reply.ok, reply.text
    file = hospital.folder / "attention.nrrd"
    file.write_bytes(reply.content)
    return sitk.GetArrayFromImage(sitk.ReadImage(file)).T


def test_next_sample_goes_to_the_study_that_the_strategy_gave(volumes: Hospital, viewers):  # noqa: F811
    viewer = panel(viewers, volumes.server, lesions(volumes, "ct")[0])
    viewer.connect()
    viewer.page.get_by_text("Active Learning", exact=True).click()
    with viewer.page.expect_response(re.compile("/activelearning/")) as answer:
        viewer.page.get_by_role("button", name="Next Sample").click()
    assert answer.value.url.endswith("/activelearning/random")
    given = volumes.cases[answer.value.json()["id"]]
    viewer.page.locator(".nextSampleForm").get_by_text(given.study).wait_for()
    viewer.page.get_by_role("button", name="OK").click()
    viewer.page.wait_for_url(f"**/ohif/monai-label?StudyInstanceUIDs={given.study}", wait_until="commit")
    viewer.drawn(3)
    assert viewer.confirmed
    np.testing.assert_allclose(viewer.voxels(), given.pixels[0], atol=0.5)


@pytest.mark.parametrize("kind", ["dx", "cr", "mg", "us"])
def test_a_film_is_the_right_way_round_and_its_outline_lies_on_the_lesion(films: Hospital, viewers, kind: str):  # noqa: F811
    case = unread(films, kind)
    films.hand_in(case)
    arrived(films)
    viewer = basic(viewers, films.server, case)
    bare = viewer.picture()
    lies_as(bare, case)
    viewer.lay_over(re.compile(f"^xal: {case.finding} by dr_smith"))
    lesion = case.roi[:, :, 0]
    outlined = in_frame(bare, overlay(viewer.picture()), lesion.shape) > 0.5
    assert 2 * (outlined & lesion).sum() / (outlined.sum() + lesion.sum()) > 0.9
    viewer.lay_over(re.compile("^xal: attention of model v1"))
    assert viewer.segments()[1] == [f"attention {band}" for band in (1, 2, 3, 4)]
    assert overlay(viewer.picture()).sum() > overlay(bare).sum()


def test_a_cine_loop_is_the_right_way_round(tmp_path: Path, viewers, serving):  # noqa: F811
    hospital = Hospital.build(tmp_path, quick_task(tmp_path, "phantom_3d"), modalities="US")
    serving(hospital.archive)
    case = hospital.admit("us_cine")
    serving(hospital.server)
    lies_as(basic(viewers, hospital.server, case).picture(), case)


def lies_as(picture, case: Case) -> None:
    """Of all eight ways to lay the first plane of a case, the picture is most like the one it has."""
    truth = case.pixels[0, :, :, 0]
    shown = in_frame(picture, picture[..., 0], truth.shape)
    ways = [np.rot90(way, quarter) for way in (truth, truth.T) for quarter in range(4)]
    likeness = [np.corrcoef(shown.ravel(), way.ravel())[0, 1] for way in ways]
    assert np.argmax(likeness) == 0
    assert likeness[0] > 0.95


def test_an_outline_in_a_volume_lies_on_the_lesion(volumes: Hospital, viewers):  # noqa: F811
    case = lesions(volumes, "mr")[0]
    arrived(volumes)
    viewer = basic(viewers, volumes.server, case)
    assert not overlay(viewer.picture()).any()
    viewer.lay_over(re.compile(f"^xal: {case.finding} by dr_smith"))
    for _ in range(int(np.argmax(case.roi.any(axis=(0, 1))))):
        assert not overlay(viewer.picture()).any()
        viewer.next_plane()
    assert overlay(viewer.picture()).any()
    np.testing.assert_array_equal(viewer.loaded(case), case.roi)
