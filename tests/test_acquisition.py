import numpy as np
import pytest

from xal.acquisition import (
    Misalignment,
    misalignment,
    neutral,
    proposed_roi,
    reason,
    roi_confidence,
    score,
    sentence,
    uncertainty,
)
from xal.task import AcquisitionSettings

EVIDENCE = np.zeros((2, 4, 4), np.float32)
SETTINGS = AcquisitionSettings()


def corner(*index):
    grid = np.zeros((4, 4), np.float32)
    grid[index] = 1
    return grid


def test_uncertainty_runs_from_certain_to_no_idea_for_any_number_of_findings():
    for findings in (2, 3, 14):
        assert uncertainty(np.full(findings, 1 / findings)) == pytest.approx(1)
        assert uncertainty(np.eye(findings)[0]) == 0
    assert uncertainty([[0.5, 0.5], [1.0, 0.0]]).tolist() == pytest.approx([1, 0])


def test_uncertainty_is_the_entropy_over_the_logarithm_of_the_number_of_findings():
    p = np.array([0.7, 0.2, 0.1])
    assert uncertainty(p) == pytest.approx(-(p * np.log(p)).sum() / np.log(3))


def test_a_drawn_roi_is_preferred_to_a_proposed_one():
    found = misalignment(corner(0, 0), EVIDENCE, corner(0, 0), corner(3, 3), predicts_absent=False, settings=SETTINGS)
    assert found == Misalignment(0.0, "drawn", 1.0)


def test_a_proposed_roi_stands_in_where_none_is_drawn():
    found = misalignment(corner(0, 0), EVIDENCE, None, corner(3, 3), predicts_absent=False, settings=SETTINGS)
    assert found == Misalignment(1.0, "proposed", 0.0)


def test_the_confidence_in_a_proposed_roi_is_the_coverage_of_a_cell_it_points_at():
    assert roi_confidence(corner(1, 2)) == 1
    assert roi_confidence(0.4 * corner(1, 2)) == pytest.approx(0.4)
    mixed = proposed_roi(np.array([[0.9, 0.3], [0.1, 0.0]], np.float32))
    assert roi_confidence(mixed) == pytest.approx((0.9**2 + 0.3**2) / (0.9 + 0.3))


def test_nothing_proposed_is_nothing_to_be_confident_of():
    assert roi_confidence(np.zeros((4, 4), np.float32)) == 0


@pytest.mark.parametrize("predicts_absent", [False, True])
@pytest.mark.parametrize("nothing", [None, np.zeros((4, 4), np.float32)])
def test_without_a_usable_roi_there_is_no_misalignment(nothing, predicts_absent):
    found = misalignment(corner(0, 0), EVIDENCE, nothing, nothing, predicts_absent=predicts_absent, settings=SETTINGS)
    assert found == Misalignment(None, "none", None)


def test_absent_predicted_against_an_roi_is_as_wrong_as_can_be():
    found = misalignment(corner(0, 0), EVIDENCE, corner(0, 0), None, predicts_absent=True, settings=SETTINGS)
    assert found.value == 1


def test_the_roi_may_be_on_the_networks_grid():
    fine = np.kron(corner(1, 2), np.ones((8, 8), np.float32))
    for dice in ("soft", "relative"):
        settings = AcquisitionSettings(dice=dice)
        assert misalignment(corner(1, 2), EVIDENCE, fine, None, predicts_absent=False, settings=settings).value == 0
    binary = misalignment(
        corner(1, 2), EVIDENCE, fine, None, predicts_absent=False, settings=AcquisitionSettings(dice="binary")
    )
    assert 0 <= binary.value < 0.4


def evidence(**cells) -> np.ndarray:
    """Class maps of two findings on 4 x 4 cells: what single cells say for each."""
    maps = np.zeros((2, 4, 4), np.float32)
    for (x, y), said in cells.values():
        maps[:, x, y] = said
    return maps


def test_evidence_asks_what_the_roi_alone_says_for_the_predicted_finding():
    settings = AcquisitionSettings(misalignment="evidence")
    maps = evidence(marker=((0, 0), (9.0, 0.0)), lesion=((3, 3), (0.0, 2.0)))  # a marker makes it the first finding
    at_marker, at_lesion = (
        misalignment(corner(0, 0), maps, roi, None, predicts_absent=False, settings=settings)
        for roi in (corner(0, 0), corner(3, 3))
    )
    assert at_marker.value == pytest.approx(1 - 1 / (1 + np.exp(-9)), rel=1e-3)
    assert at_lesion.value == pytest.approx(1 - 1 / (1 + np.exp(2)))
    assert (at_marker.overlap, at_lesion.overlap) == (1.0, 0.0)


def test_evidence_does_not_depend_on_the_size_of_the_roi():
    settings = AcquisitionSettings(misalignment="evidence")
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0] = 1.0
    large, small = np.ones((4, 4), np.float32), corner(2, 2)
    values = [
        misalignment(corner(0, 0), maps, roi, None, predicts_absent=False, settings=settings).value
        for roi in (large, small)
    ]
    assert values[0] == pytest.approx(values[1])


def test_evidence_weighs_a_proposal_by_its_whole_coverage_and_needs_one():
    settings = AcquisitionSettings(misalignment="evidence")
    maps = evidence(marker=((0, 0), (9.0, 0.0)), lesion=((3, 3), (0.0, 2.0)))
    coverage = np.full((4, 4), 0.1, np.float32)
    assert misalignment(corner(0, 0), maps, None, coverage, predicts_absent=False, settings=settings).value is None
    coverage[3, 3] = 0.9
    inside = (maps * coverage).reshape(2, -1).sum(1) / coverage.sum()
    expected = 1 - np.exp(inside[0]) / np.exp(inside).sum()
    found = misalignment(corner(0, 0), maps, None, coverage, predicts_absent=False, settings=settings)
    assert found.value == pytest.approx(expected)
    assert found.source == "proposed"


def test_score_weighs_by_alpha_and_takes_the_neutral_value_for_a_missing_misalignment():
    assert score(0.8, 0.4, 0.25) == pytest.approx(0.25 * 0.8 + 0.75 * 0.4)
    assert score(0.8, None, 0.5, neutral=0.6) == pytest.approx(0.7)
    assert score(0.8, None, 0.5) == pytest.approx(0.65)
    assert score(0.8, 0.1, 1.0) == 0.8


def test_neutral_is_the_median_once_twenty_images_have_a_misalignment():
    values = np.linspace(0.8, 1.0, 21)
    assert neutral(values) == pytest.approx(0.9)
    assert neutral(values[:19]) == neutral(np.array([])) == 0.5


def test_the_reply_to_a_submit_says_what_the_model_had_thought():
    assert sentence("glioma", "glioma", 0.81, 0.07) == (
        "The model had also said glioma (0.81) but looked mostly elsewhere: "
        "overlap of its attention with your outline 0.07."
    )
    assert sentence("glioma", "cyst", 0.6, 0.7) == (
        "The model had said cyst (0.60) and looked at the same place: overlap of its attention with your outline 0.70."
    )
    assert sentence("normal", "normal", 0.99, None) == "The model had also said normal (0.99)."


def test_the_queue_says_why_an_image_was_chosen():
    assert reason(0.81, 0.93, "drawn") == (
        "Chosen because the model was unsure (0.81) and looked mostly away from the outlined region (overlap 0.07)."
    )
    assert reason(0.1, 0.9, "proposed") == (
        "Chosen because the model was sure (0.10) but looked mostly away from where it expects the lesion "
        "(overlap 0.10)."
    )
    assert "no region yet" in reason(0.5, None, "none")
