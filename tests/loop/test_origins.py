"""Where an outline comes from: said by the client, seen from what it sends, or known from what it was taken over."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.local import INFO, Local
from harness.pools import write_label

from xal.errors import BadInput
from xal.exchange.rebuild import rebuild
from xal.loop.origins import ORIGINS, origin_of, roi_origin, roi_origins, said_origin, score_origins
from xal.loop.submission import Submission, parse_submission, submit
from xal.store.rows import OutlineRow
from xal.task import ATTENTION_BANDS

SLICER_INFO = [{"name": name, "idx": n} for n, name in enumerate((*ATTENTION_BANDS, "region", "disc"), start=1)]
REGION_INFO = [{"name": "region", "idx": 1}]


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path, 6)


def outlined(local: Local, image: str, reader: str, **more: object) -> int:
    """The number of a region that was handed in."""
    picture = local.pictures[image]
    label = write_label(local.folder / "region.nii.gz", picture, (picture.finding,))
    return submit(local.project, Submission(image, reader, label, REGION_INFO, **more)).annotation.id


def found_in_archive(local: Local, image: str) -> None:
    row = local.project.store.images.get(image)
    found = OutlineRow(image, "1.2.840.7#0", "series", "found/x.nii.gz", 9, row.fingerprint, 0.0)
    local.project.store.outlines.put("series", "1", [found])


@pytest.mark.parametrize(
    ("params", "origin"),
    [
        ({"origin": "page", "label_info": INFO}, "page"),
        ({"origin": "file"}, "file"),
        ({"label_info": SLICER_INFO, "client_id": "ada"}, "slicer"),
        ({"label_info": INFO}, "rest"),
        ({"label_info": INFO, "submission_id": "a script that tries again"}, "rest"),
        ({}, "rest"),
    ],
)
def test_a_client_says_it_and_slicer_is_known_by_its_segments(params: dict, origin: str):
    assert said_origin(params) == origin


@pytest.mark.parametrize(("said", "origin"), [({"origin": "page"}, "page"), ({}, "rest")])
def test_it_is_kept_with_what_else_was_said(local: Local, said: dict, origin: str):
    image = local.ids[0]
    file = write_label(local.folder / "label.nii.gz", local.pictures[image])
    params = {"label_info": INFO, "submission_id": "1", "model": "attention", "shown": "nonsense", **said}
    kept = submit(local.project, parse_submission(image, "ada", file, None, params)).annotation
    assert origin_of(kept) == origin
    assert kept.params == {"model": "attention", "origin": origin}


@pytest.mark.parametrize("said", ["ohif", "", 3, ["page"]])
def test_no_other_word_is_taken(said: object):
    with pytest.raises(BadInput, match="slicer, page, rest, archive, file"):
        said_origin({"origin": said})


@pytest.mark.parametrize(
    ("of_earlier", "origin"),
    [
        ({"source": "import"}, "file"),
        ({"label_info": SLICER_INFO}, "slicer"),
        ({"submission_id": "0f" * 16}, "page"),
        ({"label_info": INFO}, "rest"),
        ({"params": {"origin": "elsewhere", "client_id": "ada"}}, "rest"),
    ],
)
def test_of_what_an_earlier_version_stored_the_rest_of_it_tells(local: Local, of_earlier: dict, origin: str):
    row = local.hand_in(local.ids[0]).annotation
    earlier = {"params": {}, "label_info": [], "submission_id": None, "source": "reader", **of_earlier}
    assert origin_of(type(row)(**{**vars(row), **earlier})) == origin


def test_the_rois_of_a_score_tell_where_each_of_them_was_drawn(local: Local):
    both, archive, none = local.ids[:3]
    for reader, origin in (("ada", "slicer"), ("bob", "page"), ("cid", "page")):
        outlined(local, both, reader, origin=origin)
    local.project.volume(local.project.store.images.get(archive))
    found_in_archive(local, archive)
    keys = {image: local.project.store.images.roi_key(image) for image in (both, archive, none)}
    assert roi_origins(local.project, keys) == {both: ["slicer", "page"], archive: ["archive"]}
    assert roi_origin(local.project, "drawn", keys[archive]) == ["archive"]
    assert roi_origin(local.project, "proposed", None) is None


def test_of_many_images_only_those_with_a_drawn_roi_in_their_score_have_origins(local: Local):
    drawn, proposed = local.ids[:2]
    for image in (drawn, proposed):
        outlined(local, image, "ada", origin="slicer")
    local.model_read(drawn, roi_source="drawn", roi_key=local.project.store.images.roi_key(drawn))
    local.model_read(proposed)
    rows = [local.project.store.images.get(image) for image in local.ids]
    assert score_origins(local.project, rows) == {drawn: ["slicer"]}


def test_the_story_keeps_where_the_outline_before_was_drawn(local: Local):
    image = next(one for one in local.ids if local.pictures[one].finding == "disc")
    outlined(local, image, "ada", origin="slicer")
    key = local.project.store.images.roi_key(image)
    local.model_read(image, roi_source="drawn", roi_key=key)
    story = local.hand_in(image, "bob").annotation.story
    assert story is not None
    assert (story.roi_source, story.roi_origin) == ("drawn", ["slicer"])
    other = next(one for one in local.ids if local.pictures[one].finding == "square")
    local.model_read(other)
    story = local.hand_in(other, "bob").annotation.story
    assert story is not None
    assert (story.roi_source, story.roi_origin) == ("proposed", None)


def test_a_store_made_anew_knows_it_from_the_label_files(local: Local):
    number = outlined(local, local.ids[0], "ada", origin="slicer")
    project = local.project
    project.store.close()
    project.workspace.close()
    (local.studies / ".xal" / "store.sqlite").unlink()
    rebuild(local.task, str(local.studies))
    local._open()
    assert origin_of(local.project.store.annotations.get(number)) == "slicer"
    assert set(ORIGINS) == {"slicer", "page", "rest", "archive", "file"}
