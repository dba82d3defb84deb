"""Small files that stand for large ones are refused before they are decoded, whoever reads them."""

from __future__ import annotations

import io
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import PIL.Image
import psutil
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from fastapi import APIRouter, FastAPI, File, UploadFile
from fastapi.testclient import TestClient
from harness import bombs
from harness.local import Local
from monailabel.utils.sessions import Sessions
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from xal.errors import BadInput, Oversized, Refused, TooLarge, Unavailable, Unreadable
from xal.imaging import dicom_nesting as nesting
from xal.imaging.images import Volume, read_header, read_image, write_label
from xal.imaging.label_map import Decoded, decode_label
from xal.loop.decisions import keep_conf_limits
from xal.loop.submission import _digest as label_digest
from xal.pool.project import Project
from xal.pool.project import _digest as project_digest
from xal.server.conf import parse_conf
from xal.server.http import XalRoute, parse_params
from xal.server.sessions import create
from xal.settings import validated
from xal.system import turns
from xal.system.limits import Limits, enforce, in_force
from xal.system.turns import SMALL, Turns, decoding, one_request
from xal.system.waiting import for_somebody
from xal.task import TrainingSettings

PICTURE = Volume(np.zeros((1, 32, 32, 1), np.float32), np.diag([-1.0, -1.0, 1.0, 1.0]))


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.fixture
def quickly():
    """What happens here takes next to no time and memory."""
    process = psutil.Process()
    began, before = time.process_time(), process.memory_info().rss
    yield
    assert time.process_time() - began < 5
    assert process.memory_info().rss - before < 200e6


@pytest.mark.parametrize("bomb", bombs.IMAGES)
def test_an_image_that_stands_for_a_larger_one_is_refused_at_once(tmp_path: Path, bomb: str, request):
    name, make = bombs.IMAGES[bomb]
    file = written(tmp_path, name, make())
    request.getfixturevalue("quickly")
    with pytest.raises(Unreadable, match=r"^i\."):
        read_image(file)


@pytest.mark.parametrize("bomb", bombs.LABELS)
def test_a_label_that_stands_for_a_larger_one_is_refused_at_once(tmp_path: Path, task, bomb: str, request):
    name, make = bombs.LABELS[bomb]
    file = written(tmp_path, name, make())
    request.getfixturevalue("quickly")
    with pytest.raises(Refused):
        decode_label(file, [{"name": "disc"}], PICTURE, task)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory):
    return Local(tmp_path_factory.mktemp("task"), 1).task


@pytest.mark.slow
@pytest.mark.parametrize("bomb", bombs.ZIPS)
def test_a_zip_that_stands_for_more_is_refused_and_nothing_of_it_stays(tmp_path: Path, bomb: str):
    name, make = bombs.ZIPS[bomb]
    sessions = Sessions(str(tmp_path), 3600)
    with pytest.raises(Refused):
        create(sessions, [UploadFile(io.BytesIO(make()), filename=name)], True, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_zip_holds_what_its_list_says_and_no_more(tmp_path: Path):
    content = bytearray(bombs.zipped([1 << 20]))
    at = content.index(b"PK\1\2")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    with pytest.raises(BadInput):
        create(Sessions(str(tmp_path), 3600), [UploadFile(io.BytesIO(bytes(content)), filename="s.zip")], True, 0)


@pytest.mark.parametrize("comment", [0, 65_516, 65_517, 65_535])
def test_a_zip64_is_refused_however_long_its_comment(tmp_path: Path, comment: int):
    upload = UploadFile(io.BytesIO(bombs.zip64(comment)), filename="s.zip")
    with pytest.raises(TooLarge, match="max_zip_entries"):
        create(Sessions(str(tmp_path), 3600), [upload], True, 0)


def test_a_session_of_many_files_is_refused(tmp_path: Path, limited):
    limited(max_session_files=2)
    files = [UploadFile(io.BytesIO(b"x"), filename=f"{n}.dcm") for n in range(3)]
    with pytest.raises(TooLarge, match=r"3 files .* 2 at most \(max_session_files\)"):
        create(Sessions(str(tmp_path), 3600), files, False, 0)


@pytest.mark.parametrize(
    ("limit", "setting"),
    [({"max_voxels": 1000}, "max_voxels"), ({"max_layers": 2}, "max_layers"), ({}, "max_unpacked")],
)
def test_an_administrator_decides_how_large_images_may_be(tmp_path: Path, limited, limit, setting):
    image = sitk.GetImageFromArray(np.zeros((40, 30, 3), np.uint8), isVector=True)
    if setting == "max_unpacked":
        image = sitk.Image([600, 600, 1], sitk.sitkFloat64)
        limit = {"max_unpacked_mb": 2}
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    assert read_image(tmp_path / "a.nrrd").pixels.size in (3600, 360_000)
    limited(**limit)
    with pytest.raises(Oversized, match=setting):
        read_image(tmp_path / "a.nrrd")


def test_some_bytes_behind_the_voxels_are_fine(tmp_path: Path, limited):
    for name, content in (("a.nii.gz", bombs.nifti((1024, 1024, 1), trailing=0)), ("b.nii", None)):
        if content is None:
            content = bombs.nifti_header(8, 8, 1) + bytes(64 + 60_000)
        assert read_image(written(tmp_path, name, content)).pixels.max() == 0
    limited(max_trailing_kb=10)
    with pytest.raises(Oversized, match="max_trailing_kb"):
        read_image(tmp_path / "b.nii")


def test_a_png_has_little_behind_its_end(tmp_path: Path):
    sitk.WriteImage(sitk.Image([40, 30], sitk.sitkUInt8), str(tmp_path / "a.png"))
    picture = (tmp_path / "a.png").read_bytes()
    for behind in (b"", bytes(60_000)):
        assert read_image(written(tmp_path, "a.png", picture + behind)).pixels.size == 1200
    with pytest.raises(Oversized, match="max_trailing_kb"):
        read_image(written(tmp_path, "a.png", picture + bytes(70_000)))


def test_what_cameras_put_behind_a_jpeg_does_not_matter(tmp_path: Path):
    sitk.WriteImage(sitk.Image([40, 30], sitk.sitkUInt8), str(tmp_path / "a.jpg"))
    picture = (tmp_path / "a.jpg").read_bytes()
    for behind in (b"", bytes(70_000), b"\xff\xda\xff\xd9" * 20_000):
        assert read_image(written(tmp_path, "a.jpg", picture + behind)).pixels.size == 1200


@pytest.mark.parametrize(("side", "tile"), [(16, 256), (300, 512), (1024, 1024), (100, 0)])
def test_tiles_may_be_larger_than_a_small_picture(tmp_path: Path, side: int, tile: int):
    assert read_image(written(tmp_path, "a.tif", bombs.tiff(side, 1, tile))).shape == (side, side, 1)


def said(finding: str) -> Decoded:
    """What was handed in with a finding alone."""
    nothing = np.zeros((1, 1, 1), np.uint8)
    return Decoded(finding, nothing, nothing > 0, 0, 0.0, None)


def test_a_file_is_not_kept_in_memory_for_its_checksum(tmp_path: Path):
    with (tmp_path / "a.nii").open("wb") as file:
        file.truncate(1 << 25)
    tracemalloc.start()
    try:
        of_nothing = label_digest(tmp_path / "a.nii", said(""))
        assert project_digest(tmp_path / "a.nii") == of_nothing.partition(".")[0]
        assert label_digest(tmp_path / "a.nii", said("x")) != of_nothing
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_more_segments_than_there_may_be_layers_are_refused(tmp_path: Path, task, limited):
    file = written(tmp_path, "a.seg.nrrd", bombs.seg_nrrd(1, 1024, segments=3))
    limited(max_layers=2)
    picture = Volume(np.zeros((1, 1024, 1024, 1), np.float32), PICTURE.affine)
    with pytest.raises(TooLarge, match="3 segments"):
        decode_label(file, None, picture, task)
    write_label(tmp_path / "l.nii.gz", np.arange(1024, dtype=np.uint8).reshape(32, 32, 1) % 9, PICTURE.affine)
    with pytest.raises(TooLarge, match="8 values"):
        decode_label(tmp_path / "l.nii.gz", [{"name": "disc"}] * 9, PICTURE, task)


def test_files_that_arrive_lie_on_disk_and_are_few_where_one_is_expected():
    router = APIRouter(route_class=XalRoute)

    @router.put("/datastore/image")
    @router.put("/session/")
    def on_disk(files: Annotated[list[UploadFile], File()]) -> int:
        return sum(bool(getattr(one.file, "_rolled")) for one in files)  # noqa: B009 - no name of theirs says it

    app = FastAPI()
    app.include_router(router, prefix="/api")
    sent = [("files", (f"{n}.dcm", bytes(100_000))) for n in range(40)]
    with TestClient(app) as client:
        assert client.put("/api/session/", files=sent).json() == 40
        assert client.put("/api/datastore/image", files=sent[:1]).json() == 1
        reply = client.put("/api/datastore/image", files=sent[:2])
    assert reply.status_code == 400
    assert "Too many files" in reply.text


def test_segments_that_overlap_on_a_large_image_are_taken(tmp_path: Path, task, limited):
    limited(max_voxels=1 << 20)
    picture = Volume(np.zeros((1, 1024, 1024, 1), np.float32), PICTURE.affine)
    file = written(tmp_path, "a.seg.nrrd", bombs.seg_nrrd(3, 1024))
    assert decode_label(file, None, picture, task, "disc").finding == "disc"
    with pytest.raises(Oversized, match="max_voxels"):
        read_image(file)
    limited(max_unpacked_mb=2)
    with pytest.raises(Oversized, match="max_unpacked_mb"):
        decode_label(file, None, picture, task, "disc")


@pytest.mark.parametrize("depth", [0, 1, 60, 65, 5000])
def test_the_depth_of_sequences_is_known_without_following_them(tmp_path: Path, depth: int):
    for deflate in (0, 1 << 20):
        file = written(tmp_path, "a.dcm", bombs.dicom(8, 8, 1, inside=bombs.nested(depth), deflate=deflate))
        with file.open("rb") as opened:
            assert nesting.nesting_of(opened).depth == min(depth, nesting.DEEPEST + 1)


def test_a_folder_with_a_deeply_nested_file_is_not_given_to_gdcm(tmp_path: Path):
    written(tmp_path, "1.dcm", bombs.dicom(8, 8, 1))
    written(tmp_path, "2", bombs.dicom(8, 8, 1, inside=bombs.nested(50_000)))
    with pytest.raises(Unreadable, match="sequences in each other"):
        read_image(tmp_path)


def test_a_folder_of_files_with_many_elements_each_is_not_given_to_gdcm(tmp_path: Path):
    for number in range(6):
        written(tmp_path, f"{number}.dcm", bombs.dicom(8, 8, 1, inside=bombs.items(180_000)))
    with pytest.raises(Unreadable, match="1,000,000 elements"):
        read_image(tmp_path)


def test_a_deflated_file_is_small_and_unpacked_when_it_is_its_turn(tmp_path: Path):
    packed = pydicom.dcmread(io.BytesIO(bombs.dicom(4096, 4096, 1, content=bytes(1 << 24))))
    packed.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    packed.save_as(tmp_path / "a.dcm")
    with one_request():
        assert read_header(tmp_path / "a.dcm").shape == (4096, 4096, 1)
        assert turns._large._used >= (1 << 24) // 4
    assert turns._large._used == 0
    written(tmp_path, "b.dcm", bombs.dicom(8, 8, 1, deflate=100 << 20))
    with pytest.raises(Oversized, match="64 MB"):
        read_image(tmp_path / "b.dcm")


def jpeg_slice(side: int, number: int) -> Dataset:
    """One that says it has 10 × 10 pixels, whatever its JPEG has."""
    one = pydicom.dcmread(io.BytesIO(bombs.dicom(10, 10, 1, content=bytes(100))))
    del one.NumberOfFrames
    one.SOPInstanceUID, one.SeriesInstanceUID = f"2.25.{number + 1}", "2.25.9"
    one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    one.PixelSpacing = [1, 1]
    picture = io.BytesIO()
    PIL.Image.new("L", (side, side)).save(picture, "JPEG")
    one.PixelData = encapsulate([picture.getvalue()])
    one["PixelData"].is_undefined_length = True
    one.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return one


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_series_is_as_large_as_what_is_compressed_in_it(tmp_path: Path, limited, kind: str):
    for number in range(3):
        one = jpeg_slice(64, number)
        one.PhotometricInterpretation = kind
        one.save_as(tmp_path / f"{number}.dcm")
    limited(max_voxels=5000)
    with pytest.raises(Oversized, match=r"12,288 pixels or voxels.*max_voxels"):
        read_image(tmp_path)
    limited()
    jpeg_slice(32, 2).save_as(tmp_path / "2.dcm")
    with pytest.raises(Unreadable, match="3 files are not slices of the same size"):
        read_image(tmp_path)


def test_an_image_of_the_folder_becomes_a_problem_by_name(tmp_path: Path):
    local = Local(tmp_path, 2)
    written(local.studies, "bomb.png", bombs.png(20_000))
    local.project.sync()
    with pytest.raises(Unreadable, match="max_voxels"):
        local.project.served(local.project.store.images.get("bomb"))
    assert "400,000,000 pixels" in str(local.project.store.images.get("bomb").problem)


def test_commands_beside_the_server_keep_to_its_limits(tmp_path: Path, limited):
    local = Local(tmp_path, 2)
    enforce(parse_conf({"max_voxels": "1000"}).limits)
    keep_conf_limits(local.project)
    limited()
    assert in_force() == Limits()
    project = Project.open(local.task, str(local.studies))
    assert in_force().max_voxels == 1000
    with pytest.raises(Unreadable, match="1,024 pixels"):
        project.volume(project.store.images.get(local.ids[0]))


# turns


def test_large_images_are_decoded_one_after_the_other_and_small_ones_do_not_wait(limited):
    limited(max_voxels=2 * SMALL)
    begun, small = threading.Event(), threading.Event()

    def large() -> None:
        with decoding(2 * SMALL - 1):
            begun.set()
            assert small.wait(10), "a small image waits for a large one"

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(large)
        assert begun.wait(10)
        order: list[str] = []

        def second() -> None:
            with decoding(2 * SMALL - 1):
                order.append("second")

        waiting = threads.submit(second)
        with decoding(SMALL):
            assert order == []
            small.set()
        first.result(10)
        waiting.result(10)
        assert order == ["second"]


def test_few_clients_wait_for_a_turn_and_the_next_one_is_told_at_once():
    line = Turns(in_line=1)
    line.take(10, 10)
    with ThreadPoolExecutor(1) as threads:

        def wait() -> None:
            with for_somebody():
                line.take(10, 10)

        waiting = threads.submit(wait)
        while not line._clients:
            time.sleep(0.01)
        with for_somebody(), pytest.raises(Unavailable, match="busy"):
            line.take(1, 10)
        line.give_back(10)
        waiting.result(10)


def test_what_is_handed_in_comes_ahead_of_pictures_and_is_never_sent_away():
    line = Turns(in_line=1)
    line.take(10, 10)
    order: list[str] = []

    def wait(what: str, ahead: bool) -> None:
        with for_somebody():
            line.take(10, 10, ahead=ahead)
            order.append(what)
            line.give_back(10)

    with ThreadPoolExecutor(3) as threads:
        waiting = []
        for what, ahead in (("picture", False), ("label", True), ("another label", True)):
            waiting.append(threads.submit(wait, what, ahead))
            while len(line._waiting) < len(waiting):
                time.sleep(0.01)
        line.give_back(10)
        for one in waiting:
            one.result(10)
    assert order == ["label", "another label", "picture"]


def test_a_label_is_handed_in_while_many_wait_for_pictures(tmp_path: Path, monkeypatch):
    local = Local(tmp_path, 1)
    monkeypatch.setattr(turns, "SMALL", 10)
    monkeypatch.setattr(turns, "_large", Turns(in_line=0))
    turns._large.take(in_force().max_voxels, in_force().max_voxels)

    def hand_in() -> bool:
        with for_somebody(), one_request():
            return local.hand_in(local.ids[0]).created

    with ThreadPoolExecutor(1) as threads:
        handed_in = threads.submit(hand_in)
        while not turns._large._waiting and not handed_in.done():
            time.sleep(0.01)
        turns._large.give_back(in_force().max_voxels)
        assert handed_in.result(20)


def test_a_request_keeps_its_turn_until_it_is_answered_and_never_waits_for_itself(limited):
    limited(max_voxels=2 * SMALL)

    def other() -> None:
        with for_somebody(), decoding(SMALL + 1):
            pass

    with ThreadPoolExecutor(1) as threads:
        with one_request():
            for values in (SMALL + 1, 2 * SMALL, 10):
                with decoding(values), decoding(2 * SMALL):
                    pass
            waiting = threads.submit(other)
            time.sleep(0.1)
            assert not waiting.done()
        waiting.result(10)


# what clients say


@pytest.mark.parametrize(
    "text", [r'{"k": "\ud800"}', r'{"\udfff": 1}', r'{"a": [{"b": ["x\udc00"]}]}', '{"a":' + "[" * 40 + "]" * 40 + "}"]
)
def test_what_no_reply_could_hold_is_refused(text: str):
    with pytest.raises(BadInput):
        parse_params(text)


def test_whole_characters_are_taken():
    assert parse_params(r'{"k": "\ud83d\ude00"}') == {"k": "\U0001f600"}


def test_half_characters_that_were_taken_earlier_are_healed_when_they_are_read(tmp_path: Path):
    store = Local(tmp_path, 1).project.store
    image = store.images.find()[0].id
    store.images.update_info(image, {"k\ud800": ["\udfff", "\U0001f600"]})
    assert store.images.get(image).info == {"k?": ["?", "\U0001f600"]}


@pytest.mark.parametrize("key", ["max_epochs", "guidance"])
def test_true_is_no_number(key: str):
    with pytest.raises(Exception, match="number, not true"):
        validated({key: True}, TrainingSettings, "task")
