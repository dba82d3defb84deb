"""ROIs found in an archive: they are scored by, until a reader draws."""

from __future__ import annotations

import pytest
from store_helpers import files, know, prediction, submit

from xal.errors import NotFound
from xal.store.rows import OutlineRow, Rule
from xal.task import REGION


def outline(image: str, origin: str = "1.2.3#0", fingerprint: str | None = None) -> OutlineRow:
    return OutlineRow(image, origin, "series", f"found/{image}/1.nii.gz", 12, fingerprint, 1.0)


def stale(store) -> dict[str, str | None]:
    return {row.id: key for row, key in store.predictions.stale(1, 10)}


@pytest.fixture
def scored(store):
    """Two images with predictions of version 1."""
    store.images.put(files(["a", "b"]))
    know(store, "a", "b")
    store.predictions.save([prediction("a"), prediction("b")], Rule())
    assert stale(store) == {}
    return store


def test_a_found_outline_makes_its_image_stale_and_no_other(scored):
    scored.outlines.put("series", "1", [outline("a")])
    assert stale(scored) == {"a": "1.2.3#0"}
    assert [row.origin for row in scored.outlines.of("a")] == ["1.2.3#0"]
    scored.predictions.save([prediction("a", roi_key="1.2.3#0")], Rule())
    assert stale(scored) == {}


def test_what_a_reader_draws_goes_before_what_was_found_and_back_again(scored):
    scored.outlines.put("series", "1", [outline("a")])
    drawn = submit(scored, "a")
    assert scored.images.get("a").finding == "glioma"
    scored.annotations.withdraw(drawn.id, by="ann")
    assert stale(scored) == {"a": "1.2.3#0"}


def test_an_outline_says_nothing_of_the_finding_and_leaves_the_image_in_the_pool(scored):
    scored.outlines.put("series", "1", [outline("a")])
    row = scored.images.get("a")
    assert (row.finding, row.labelled, row.status) == (None, False, "waiting")


def test_what_is_outlined_is_listed_as_that_until_somebody_names_a_finding(scored):
    def listed():
        return [row.id for row in scored.annotations.only_outlined()]

    assert listed() == []
    scored.outlines.put("series", "1", [outline("b")])
    region = submit(scored, "a", reader="technologist", finding=REGION)
    assert listed() == ["a", "b"]
    assert scored.annotations.outlined_by(region.created_at) == {"a"}
    assert scored.annotations.outlined_by(region.created_at - 1) == set()
    scored.images.exclude("b", "ann", "blurred")
    named = submit(scored, "a")
    assert listed() == []
    scored.annotations.withdraw(named.id, by="ann")
    assert listed() == ["a"]
    scored.annotations.withdraw(region.id, by="technologist")
    scored.images.include("b", "ann")
    assert listed() == ["b"]
    assert scored.annotations.outlined_by(region.created_at) == {"a"}, "a model may have learnt it"


def test_an_outline_on_other_pixels_does_not_count(scored):
    scored.outlines.put("series", "1", [outline("a", fingerprint="other pixels")])
    assert scored.outlines.of("a") == []
    assert stale(scored) == {}


def test_the_same_object_found_again_is_one_outline(scored):
    for instances in ("1", "2"):
        scored.outlines.put("series", instances, [outline("a")])
    assert len(scored.outlines.of("a")) == 1
    assert scored.outlines.searched() == {"series": "2"}


def test_a_series_without_outlines_is_not_searched_again(store):
    store.outlines.put("series", "3", [], "a reason")
    assert store.outlines.searched() == {"series": "3"}


def test_outlines_of_an_image_that_is_not_there_are_refused_whole(store):
    with pytest.raises(NotFound):
        store.outlines.put("series", "1", [outline("nobody")])
    assert store.outlines.searched() == {}


def test_what_a_series_holds_now_replaces_what_it_held(scored):
    scored.outlines.put("series", "1", [outline("a"), outline("b")])
    scored.outlines.put("series", "2", [outline("b", "1.2.3#1")])
    assert scored.outlines.of("a") == []
    assert [row.origin for row in scored.outlines.of("b")] == ["1.2.3#1"]
    assert stale(scored) == {"b": "1.2.3#1"}


def test_what_is_gone_from_the_archive_is_not_scored_by(scored):
    scored.outlines.put("series", "1", [outline("a")])
    scored.outlines.forget("series")
    assert (scored.outlines.of("a"), scored.outlines.searched(), stale(scored)) == ([], {}, {})
