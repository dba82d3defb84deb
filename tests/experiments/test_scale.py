"""Whether drawn and proposed ROIs are on one scale: what docs/EVIDENCE.md says is what the committed rows say."""

import importlib.util
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from xal.experiments.report.style import STYLE

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench" / "evidence"
PAGE = ROOT / "docs" / "EVIDENCE.md"

sys.path.insert(0, str(BENCH))  # scripts there begin with `again`
try:
    spec = importlib.util.spec_from_file_location("scale", BENCH / "scale.py")
    assert spec is not None
    assert spec.loader is not None
    scale = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scale)
finally:
    sys.path.remove(str(BENCH))


@pytest.fixture(scope="module")
def found():
    rows = scale.Rows(BENCH / "scale.jsonl")
    return {name: rows.of({"set": name}) for name in scale.SETS}


@pytest.mark.parametrize("table", [scale.values_table, scale.queue_table])
def test_the_tables_of_the_page_are_those_of_the_rows(found, table):
    assert "\n".join(table(found)) in PAGE.read_text(encoding="utf-8"), "run bench/evidence/scale.py"


def test_every_image_with_an_roi_is_in_the_histograms(found):
    for row in (row for rows in found.values() for row in rows):
        for of in row["values"].values():
            assert sum(of["drawn"]["counts"]) == row["images"]
            assert sum(of["proposed"]["counts"]) == row["proposing"] <= row["images"]


def test_a_quantile_is_the_share_that_is_lower_and_equal_values_have_the_same():
    assert scale.quantile(np.array([0.3, np.nan, 0.1, 0.2, 0.2]))[[0, 2, 3, 4]].tolist() == [0.875, 0.125, 0.5, 0.5]
    assert np.isnan(scale.quantile(np.array([np.nan, 1.0]))).tolist() == [True, False]


def queue_of(drawn: np.ndarray, other: np.ndarray, on_scale=scale.quantile) -> dict[str, float]:
    """Of a pool whose uncertainty is the same everywhere."""
    rng = np.random.default_rng(0)
    count = len(drawn)
    halves = [rng.permutation(count) < count // 2 for _ in range(50)]
    return scale._queue(drawn, other, on_scale, np.full(count, 0.5), np.arange(count) / count, halves)


def test_sources_of_one_distribution_share_the_first_tenth_and_a_source_with_higher_values_has_it_all():
    rng = np.random.default_rng(1)
    one, other = rng.random(400), rng.random(400)
    assert queue_of(one, other, scale._plain)["first"] == pytest.approx(0.5, abs=0.06)
    higher = queue_of(1 + one, other, scale._plain)
    assert (higher["first"], higher["rank"]) == (1.0, pytest.approx(0.75, abs=0.01))
    assert queue_of(1 + one, other)["first"] == pytest.approx(0.5, abs=0.06)
    assert queue_of(1 + one, other)["rank"] == pytest.approx(0.5, abs=0.01)


def test_what_is_unknown_counts_as_the_median_so_that_the_first_tenth_is_outlined_but_not_the_mean_place():
    nothing = queue_of(np.random.default_rng(1).random(400), np.full(400, np.nan), scale._plain)
    assert (nothing["first"], nothing["rank"]) == (1.0, pytest.approx(0.5, abs=0.01))


def test_the_picture_has_a_panel_for_each_form_and_set(found):
    with matplotlib.rc_context(STYLE):
        figure = scale.histograms(found)
    assert len(figure.axes) == len(scale.SETS) * len(scale.PICTURED)
