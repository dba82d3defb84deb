import numpy as np
import pytest

from xal.loop.location import NOWHERE
from xal.loop.sentences import Gaze, reason, sentence
from xal.method.acquisition import neutral, roi_confidence, score, telling, uncertainty
from xal.method.misalignment import Misalignment, misalignment, proposed_roi
from xal.task import AcquisitionSettings

EVIDENCE = np.zeros((2, 4, 4), np.float32)
SETTINGS = AcquisitionSettings(misalignment="dice", stand_in=("proposed",))


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


def test_no_roi_stands_in_unless_the_task_says_so_and_a_drawn_one_is_compared_by_its_own_rule():
    said = {"predicts_absent": False, "settings": AcquisitionSettings(stand_in_by="evidence")}
    assert misalignment(corner(0, 0), EVIDENCE, None, corner(3, 3), **said) == Misalignment(None, "none", None)
    assert misalignment(corner(0, 0), EVIDENCE, corner(0, 0), None, **said) == Misalignment(0.0, "drawn", 1.0)


@pytest.mark.parametrize(("written", "read"), [("none", ()), (None, ()), ("proposed", ("proposed",)), ([], ())])
def test_who_may_stand_in_is_a_list_a_name_or_none(written, read):
    assert AcquisitionSettings(stand_in=written).stand_in == read
    assert AcquisitionSettings(misalignment="overlap", stand_in_by="overlap").misalignment == "dice", "the former name"


def test_the_confidence_in_a_proposed_roi_is_the_coverage_of_a_cell_it_points_at():
    assert roi_confidence(corner(1, 2)) == 1
    assert roi_confidence(0.4 * corner(1, 2)) == pytest.approx(0.4)
    mixed = proposed_roi(np.array([[0.9, 0.3], [0.1, 0.0]], np.float32))
    assert roi_confidence(mixed) == pytest.approx((0.9**2 + 0.3**2) / (0.9 + 0.3))


def test_an_outline_tells_most_where_a_sure_model_proposes_no_sure_roi():
    assert telling(0.0, 0.0) == 1.0
    assert telling(0.25, 0.5) == pytest.approx(0.75 * 0.5)
    assert telling(1.0, 0.0) == telling(0.0, 1.0) == 0.0


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
        settings = AcquisitionSettings(misalignment="dice", dice=dice)
        assert misalignment(corner(1, 2), EVIDENCE, fine, None, predicts_absent=False, settings=settings).value == 0
    binary = misalignment(
        corner(1, 2),
        EVIDENCE,
        fine,
        None,
        predicts_absent=False,
        settings=AcquisitionSettings(misalignment="dice", dice="binary"),
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


@pytest.mark.parametrize("said", [{"misalignment": "evidence"}, {"misalignment": "dice", "stand_in_by": "evidence"}])
def test_evidence_weighs_a_proposal_by_its_whole_coverage_and_needs_one(said):
    settings = AcquisitionSettings(stand_in=("proposed",), **said)
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


LOWER_LEFT = "at the lower left"


@pytest.mark.parametrize(
    ("uncertainty", "gaze", "said"),
    [
        (  # an outline somewhere else
            0.81,
            Gaze(LOWER_LEFT, "outline", 0.07, reached=False),
            "Chosen because the model was unsure (0.81) and looked at the lower left, where you outlined nothing "
            "(overlap 0.07).",
        ),
        (  # a small lesion within a wide map, or a wide outline around a small one
            0.81,
            Gaze(LOWER_LEFT, "outline", 0.12),
            "Chosen because the model was unsure (0.81) and looked at the lower left, which shares little with what "
            "you outlined (overlap 0.12).",
        ),
        (
            0.45,
            Gaze(LOWER_LEFT, "outline", 0.3),
            "Chosen because the model was somewhat unsure (0.45) and looked at the lower left, partly at what you "
            "outlined (overlap 0.30).",
        ),
        (
            0.3,
            Gaze(LOWER_LEFT, "outline", 0.2, reached=False),
            "Chosen because the model was somewhat unsure (0.30) and looked at the lower left, partly at what you "
            "outlined (overlap 0.20).",
        ),
        (
            0.6,
            Gaze(LOWER_LEFT, "outline", 0.5),
            "Chosen because the model was unsure (0.60), though it looked at what you outlined (overlap 0.50).",
        ),
        (  # a certain model
            0.1,
            Gaze(LOWER_LEFT, "outline", 0.0, reached=False),
            "Chosen because the model was sure (0.10) but looked at the lower left, where you outlined nothing "
            "(overlap 0.00).",
        ),
        (
            0.1,
            Gaze(LOWER_LEFT, "outline", 0.7),
            "Chosen although the model was sure (0.10) and looked at what you outlined (overlap 0.70).",
        ),
        (  # a flat map
            0.81,
            Gaze(NOWHERE, "outline", 0.0, reached=False),
            "Chosen because the model was unsure (0.81) and looked nowhere in particular (overlap 0.00).",
        ),
        (  # another model has read the image since
            0.81,
            Gaze(None, "outline", 0.07, reached=False),
            "Chosen because the model was unsure (0.81) and looked mostly away from what you outlined (overlap 0.07).",
        ),
        (
            0.81,
            Gaze(None, "outline", 0.3),
            "Chosen because the model was unsure (0.81) and looked partly at what you outlined (overlap 0.30).",
        ),
        (0.81, Gaze(None, "no outline", finding="glioma"), "Chosen because the model was unsure (0.81)."),
        (  # to a reviewer
            0.81,
            Gaze(LOWER_LEFT, "outline", 0.07, reached=False, who="ada"),
            "Chosen because the model was unsure (0.81) and looked at the lower left, where ada outlined nothing "
            "(overlap 0.07).",
        ),
        (  # no ROI drawn
            0.81,
            Gaze(LOWER_LEFT, "no outline", finding="glioma"),
            "Chosen because the model was unsure (0.81) and looked at the lower left; you said glioma without an "
            "outline to compare that with.",
        ),
        (
            0.1,
            Gaze(LOWER_LEFT),
            "Chosen although the model was sure (0.10) and looked at the lower left; there is not yet an outline to "
            "compare that with.",
        ),
        (  # nobody has annotated it
            0.81,
            Gaze(LOWER_LEFT, "proposal", 0.07, reached=False),
            "Chosen because the model was unsure (0.81) and looked at the lower left, where it expects no lesion "
            "(overlap 0.07).",
        ),
        (
            0.1,
            Gaze(LOWER_LEFT, "proposal", 0.6),
            "Chosen although the model was sure (0.10) and looked at the place where it expects the lesion "
            "(overlap 0.60).",
        ),
        (  # the absent finding annotated
            0.1,
            Gaze(LOWER_LEFT, "absent", finding="nothing"),
            "Chosen because the model was sure (0.10) but looked at the lower left, while you saw nothing.",
        ),
        (
            0.81,
            Gaze(None, "absent", finding="nothing"),
            "Chosen because the model was unsure (0.81) and looked at something, while you saw nothing.",
        ),
        (  # the absent finding predicted
            0.1,
            Gaze(None, "outline", finding="glioma", blank=True),
            "Chosen because the model was sure (0.10) but saw nothing where you outlined glioma.",
        ),
        (
            0.81,
            Gaze(None, "no outline", finding="glioma", blank=True),
            "Chosen because the model was unsure (0.81) and saw nothing where you said glioma.",
        ),
        (
            0.81,
            Gaze(None, "absent", blank=True),
            "Chosen because the model was unsure (0.81), though it saw nothing, as you did.",
        ),
        (
            0.1,
            Gaze(None, "proposal", 0.0, blank=True),
            "Chosen because the model was sure (0.10) but saw nothing, though its own proposal outlines something.",
        ),
        (0.1, Gaze(None, blank=True), "Chosen although the model was sure (0.10) and saw nothing."),
    ],
)
def test_one_sentence_says_why_an_image_was_chosen(uncertainty: float, gaze: Gaze, said: str):
    assert reason(uncertainty, gaze, chosen=True) == said


def test_an_image_that_was_opened_by_hand_was_not_chosen():
    assert reason(0.1, Gaze(LOWER_LEFT, "outline", 0.07, reached=False), chosen=False) == (
        "The model was sure (0.10) but looked at the lower left, where you outlined nothing (overlap 0.07)."
    )
    assert reason(0.1, Gaze(None, "absent", blank=True), chosen=False) == (
        "The model was sure (0.10) and saw nothing, as you did."
    )
