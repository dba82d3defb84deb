"""What readers have and are given next stays at hand, however small the cache and whatever the archive does."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import nibabel
import numpy as np
import pytest
from harness.faults import FaultyProxy
from harness.hospital import LOGIN, of_x_rays, quick_task
from harness.orthanc import Orthanc

from xal.errors import Unavailable
from xal.loop.submission import Submission, submit
from xal.pool.project import FETCHED, ArchiveOptions, Project
from xal.server import prefetch as ready
from xal.server.datastore import XalDatastore
from xal.server.prefetch import Prefetch
from xal.sources import client
from xal.system.bounded_folder import used
from xal.task import load_task

pytestmark = pytest.mark.e2e

IMAGES = 16
PICTURE = r"/studies/[^/]+/series/[^/]+/instances/[^/?]+$"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with of_x_rays(tmp_path_factory.mktemp("orthanc"), IMAGES) as archive:
        yield archive


@pytest.fixture
def on_archive(proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Project]:
    """Open the project on the archive behind the proxy, with room for so many of its images."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", LOGIN[0])
    monkeypatch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", LOGIN[1])
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(ready, "READY_SECONDS", 60.0)

    def opened(room: float) -> Project:
        task = load_task(quick_task(tmp_path))
        probe = Project.open(task, proxy.dicom_web, archive=ArchiveOptions(("DX",)))
        probe.sync()
        sizes = []
        for row in probe.store.images.find():
            path = probe.source.path(row)
            sizes.append(path.stat().st_size)
            path.unlink()
        proxy.requests.clear()
        options = ArchiveOptions(("DX",), room * max(sizes) / FETCHED / 1e9)
        project = Project.open(task, proxy.dicom_web, archive=options)
        project.sync()
        return project

    return opened


def fetched(proxy: FaultyProxy, image: str) -> int:
    return proxy.count(f"/series/{image}/instances/[^/?]+$")


def kept(project: Project) -> list[Path]:
    return list((project.workspace.state / "archive").rglob("*.nii.gz"))


@pytest.mark.parametrize(("given", "lease"), [(1, 3600.0), (3, 0.0)], ids=["being read", "lease over"])
def test_the_head_and_what_is_being_read_stay_while_the_whole_archive_goes_by(
    on_archive,
    proxy: FaultyProxy,
    orthanc: Orthanc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: int,
    lease: float,
):
    monkeypatch.setattr("xal.sources.series_cache.IN_USE_SECONDS", 0)
    monkeypatch.setattr(ready, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ready, "HEAD", 2)
    project = on_archive(room=6)
    keeping = Prefetch(project)
    for _ in range(given):  # of which only the last is not at the head
        offer = project.store.queue.next_sample("ada", "queue", lease)
    keeping.keep()
    important = [offer.image.id, *(row.id for row in project.store.queue.head(2))]
    for row in project.store.images.find():  # as reading ahead and scoring do
        if row.id not in important:
            time.sleep(0.01)  # a file system's clock is coarse
            project.volume(row)
            keeping.keep()
    assert len(kept(project)) <= 7
    assert [fetched(proxy, image) for image in important] == [1, 1, 1]
    orthanc.kill()
    try:
        path, _ = project.served(project.store.images.get(important[0]))
        image = nibabel.load(path)
        label = tmp_path / "label.nii.gz"
        nibabel.save(nibabel.Nifti1Image(np.ones(image.shape, np.uint8), image.affine), label)
        finding = project.task.roi_findings[0]
        receipt = submit(project, Submission(important[0], "ada", label, [{"name": finding, "idx": 1}]))
        assert receipt.created
        with pytest.raises(Unavailable):
            project.served(
                project.store.images.get(next(i.id for i in project.store.images.find() if i.id not in important))
            )
    finally:
        orthanc.start()


def test_a_data_set_that_would_be_a_part_is_refused_or_says_what_is_missing(
    on_archive, proxy: FaultyProxy, orthanc: Orthanc, tmp_path: Path
):
    project = on_archive(room=IMAGES)
    rows = project.store.images.find()[:2]
    for row in rows:
        image = nibabel.load(project.served(row)[0])
        label = tmp_path / "label.nii.gz"
        nibabel.save(nibabel.Nifti1Image(np.ones(image.shape, np.uint8), image.affine), label)
        submit(project, Submission(row.id, "ada", label, [{"name": project.task.roi_findings[0], "idx": 1}]))
    project.source.path(rows[0]).unlink()
    datastore = XalDatastore(project)
    orthanc.kill()
    try:
        with pytest.raises(Unavailable):
            datastore.get_dataset_archive(None)
    finally:
        orthanc.start()
    project.volume(project.store.images.find()[2])  # it answers again
    proxy.fail(f"/series/{rows[0].id}", 500)
    with zipfile.ZipFile(datastore.get_dataset_archive(None)) as content:
        assert content.read("missing.txt").decode() == f"{rows[0].id}: the archive answers 500\n"
        assert {f"label/{row.id}.nii.gz" for row in rows} < set(content.namelist())


def test_a_cache_that_is_smaller_than_the_head_does_not_fetch_it_again_and_again(
    on_archive, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ready, "LOOK_SECONDS", 0.0)
    project = on_archive(room=2)
    keeping = Prefetch(project)
    for _ in range(5):
        keeping.keep()
    assert proxy.count(PICTURE) == ready.HEAD
    assert len(kept(project)) == ready.HEAD


def test_what_is_not_here_is_got_again_before_it_is_asked_for(on_archive, proxy: FaultyProxy):
    project = on_archive(room=IMAGES)
    for row in project.store.images.find():
        project.volume(row)
    first = project.store.queue.head(1)[0]
    path, checksum = project.served(first)
    path.unlink()
    Prefetch(project).keep()
    assert used(path)
    assert project.served(project.store.images.get(first.id)) == (path, checksum)
    assert fetched(proxy, first.id) == 2


def test_an_archive_that_is_away_is_asked_a_few_times_and_what_is_here_stays_in_use(
    on_archive, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ready, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ready, "HEAD", 1)
    project = on_archive(room=IMAGES)
    keeping = Prefetch(project)
    keeping.keep()
    (here,) = kept(project)
    for row in project.store.queue.head(6)[1:]:
        project.store.queue.lease(row.id, "ada", 3600)
    fault = proxy.fail(PICTURE, 404)  # an answer that is not tried again
    proxy.fail(r"/dicom-web/series\?", 404)
    for asked, said in ((3, pytest.raises(Unavailable)), (5, nullcontext()), (5, nullcontext())):
        before = here.stat().st_atime_ns
        with said:
            keeping.keep()
        assert here.stat().st_atime_ns > before
        assert fault.hits == asked, "nothing is asked for again at once"
    proxy.heal()
    monkeypatch.setattr(ready.time, "monotonic", lambda: time.perf_counter() + 1e9)
    keeping.keep()
    assert len(kept(project)) == 6
