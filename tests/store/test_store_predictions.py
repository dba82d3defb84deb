"""Predictions and scores: told whole, ranked at once, and known to be out of date."""

from __future__ import annotations

import numpy as np
import pytest
from store_helpers import assert_consistent, files, know, names, prediction, submit

from xal.errors import BadInput
from xal.store.rows import Rule


def test_a_reading_comes_back_with_its_arrays_in_half_precision(store):
    store.images.put(files(["a"]))
    attention = np.linspace(0, 1, 27, dtype=np.float32).reshape(3, 3, 3)
    written = prediction("a", attention=attention, proposed=attention > 0.5, embedding=np.arange(5.0), roi_key="1.1")
    assert store.predictions.save([written], Rule()) == 1
    row = store.predictions.get("a")
    assert row.attention.dtype == np.float16
    np.testing.assert_array_equal(row.attention, attention.astype(np.float16))
    np.testing.assert_array_equal(row.proposed, (attention > 0.5).astype(np.float16))
    np.testing.assert_array_equal(row.embedding, np.arange(5))
    same = [name for name in vars(written) if name not in ("attention", "proposed", "embedding", "created_at")]
    assert {name: getattr(row, name) for name in same} == {name: getattr(written, name) for name in same}
    assert row.created_at > 0
    assert store.predictions.get("b") is None


def test_the_score_mixes_uncertainty_and_misalignment_or_the_neutral_value(store):
    store.images.put(files(["a", "b"]))
    rows = [prediction("a", uncertainty=0.4, misalignment=0.9), prediction("b", uncertainty=0.4, misalignment=None)]
    store.predictions.save(rows, Rule(alpha=0.25, neutral=0.6))
    assert store.images.get("a").score == pytest.approx(0.25 * 0.4 + 0.75 * 0.9)
    assert store.images.get("b").score == pytest.approx(0.25 * 0.4 + 0.75 * 0.6)
    assert store.images.get("b").misalignment is None
    assert (store.images.get("a").version, store.images.get("a").roi_source) == (1, "proposed")


def test_another_alpha_reranks_every_scored_image(store):
    store.images.put(files(["a", "b", "c"]))
    rows = [prediction("a", uncertainty=1.0, misalignment=0.0), prediction("b", uncertainty=0.0, misalignment=None)]
    store.predictions.save(rows, Rule())
    assert store.predictions.rerank(Rule(alpha=1.0, neutral=0.3)) == 2
    assert [row.score for row in store.images.find()] == [1.0, 0.0, None]
    store.predictions.rerank(Rule(alpha=0.0, neutral=0.3))
    assert [row.score for row in store.images.find()] == [0.0, pytest.approx(0.3), None]
    assert store.predictions.rerank(Rule(alpha=0.0, neutral=0.3)) == 0
    assert store.queue.next_sample("ann", "queue", 60).image.id == "b"


def test_stale_images_come_in_pages_by_id(store):
    ids = names(10)
    store.images.put(files(ids))
    know(store, *ids)
    store.predictions.save([prediction(name, version=1) for name in ids[:6]], Rule())
    store.predictions.save([prediction(name, version=2) for name in ids[2:4]], Rule())
    expected = [name for name in ids if name not in ids[2:4]]
    first = [row.id for row, _ in store.predictions.stale(2, 5)]
    rest = [row.id for row, _ in store.predictions.stale(2, 5, after=first[-1])]
    assert first + rest == expected
    assert store.predictions.stale_count(2) == 8
    assert [row.id for row, _ in store.predictions.stale(1, 100)] == ids[2:4] + ids[6:]
    assert store.predictions.stale_count(3) == 10


def test_only_images_that_wait_for_a_reader_are_stale(store):
    store.images.put(files(["a", "b", "c", "d"]))
    submit(store, "a")
    store.images.exclude("b", "ann", "blurred")
    store.images.mark_gone(["c"])
    assert [row.id for row, _ in store.predictions.stale(1, 10)] == ["d"]


def test_a_reading_of_other_pixels_leaves_the_image_stale(store):
    store.images.put(files(["a"]))
    know(store, "a")
    store.predictions.save([prediction("a", fingerprint="older pixels")], Rule())
    assert store.predictions.stale_count(1) == 1
    assert_consistent(store)


def test_a_job_that_outlived_a_publish_does_not_undo_newer_readings(store):
    store.images.put(files(["a", "b"]))
    for _ in range(2):
        store.versions.add(path="weights")
    store.versions.publish(2, "training")
    store.predictions.save([prediction("a", version=2, uncertainty=0.9)], Rule())
    assert store.predictions.save([prediction("a", version=1), prediction("b", version=1)], Rule()) == 1
    assert store.predictions.get("a").version == 2
    assert store.predictions.get("b").version == 1
    store.versions.publish(1, "ann")
    assert store.predictions.save([prediction("a", version=1)], Rule()) == 1, "rolled back: version 1 is in use again"


def test_readings_of_deleted_and_unknown_images_are_skipped(store):
    store.images.put(files(["a", "b"]))
    store.images.delete("b", "ann")
    assert store.predictions.save([prediction("a"), prediction("b"), prediction("c")], Rule()) == 1
    assert store.predictions.save([], Rule()) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"uncertainty": float("nan")},
        {"misalignment": float("inf")},
        {"probabilities": {"glioma": float("nan")}},
        {"energy": float("nan")},
        {"attention": np.array([np.nan])},
    ],
)
def test_a_reading_that_is_not_finite_is_refused_and_none_of_its_batch_is_kept(store, wrong):
    store.images.put(files(["a", "b"]))
    with pytest.raises(BadInput, match=r"not finite|has .* (nan|inf)"):
        store.predictions.save([prediction("a"), prediction("b", **wrong)], Rule())
    assert store.predictions.get("a") is None
    assert store.images.get("a").score is None


def test_misalignments_are_those_of_the_open_pool_that_have_a_meaning(store):
    store.images.put(files(["a", "b", "c", "d"]))
    rows = [prediction("a", misalignment=0.25), prediction("b", misalignment=None), prediction("c", misalignment=0.75)]
    store.predictions.save([*rows, prediction("d", version=2)], Rule())
    submit(store, "c")
    values = store.predictions.misalignments(1)
    assert values.dtype == np.float64
    assert values.tolist() == [0.25]
    assert store.predictions.misalignments(9).shape == (0,)
