import numpy as np
import pytest

from xal.model.gate import draw_validation, gate, lacks_validation, training_images, wanted
from xal.model.judging import Evaluation
from xal.task import GateSettings

SETTINGS = GateSettings()


def evaluation(correct, confidence=0.8, findings=4):
    """A model on len(correct) cases of alternating findings, right where `correct` says so."""
    truth = np.arange(len(correct)) % findings
    probabilities = np.full((len(correct), findings), (1 - confidence) / (findings - 1))
    named = np.where(correct, truth, (truth + 1) % findings)
    probabilities[np.arange(len(correct)), named] = confidence
    nothing = (None,) * len(correct)
    ids = tuple(f"i{i}" for i in range(len(correct)))
    return Evaluation(ids, tuple("abcd")[:findings], truth, np.log(probabilities), 1.0, nothing, nothing, nothing)


def judge(candidate, current, settings=SETTINGS):
    return gate(candidate, current, settings, np.random.default_rng(0))


def first_wrong(n, wrong):
    return np.arange(n) >= wrong


def test_the_first_model_is_published():
    verdict = judge(evaluation(first_wrong(20, 18)), None)
    assert verdict.publish
    assert verdict.current is None


def test_a_better_model_is_published_and_a_worse_one_refused():
    good, bad = evaluation(first_wrong(80, 4)), evaluation(first_wrong(80, 24))
    assert judge(good, bad).publish
    verdict = judge(bad, good)
    assert not verdict.publish
    assert "falls by more than 0.020" in verdict.reason
    assert "0.950 → 0.700" in verdict.reason
    assert (verdict.candidate, verdict.current) == (pytest.approx(0.7), pytest.approx(0.95))


def test_the_same_model_again_is_published():
    model = evaluation(first_wrong(80, 10))
    assert judge(model, model).publish


def test_the_same_model_read_with_other_rounding_is_published():
    model, again = evaluation(first_wrong(80, 10)), evaluation(first_wrong(80, 10))
    named = model.truth[model.correct]
    again.logits[model.correct, named] -= 1e-6  # every loss is larger, by rounding alone
    verdict = judge(again, model)
    assert verdict.publish
    assert verdict.worse == 0


def test_a_small_fall_that_may_be_chance_is_accepted():
    current, candidate = first_wrong(400, 40), first_wrong(400, 40)
    candidate[60:68], candidate[30:34] = False, True
    verdict = judge(evaluation(candidate), evaluation(current), SETTINGS.model_copy(update={"confidence": 0.95}))
    assert verdict.publish
    assert verdict.worse > 0.5


def test_a_small_fall_that_is_sure_is_refused():
    current, candidate = first_wrong(400, 40), first_wrong(400, 40)
    candidate[60:66] = False
    verdict = judge(evaluation(candidate), evaluation(current))
    assert not verdict.publish
    assert "probably worse" in verdict.reason
    assert verdict.current - verdict.candidate < SETTINGS.max_fall
    assert verdict.worse >= 0.8


def test_log_loss_decides_between_models_that_name_the_same_findings():
    right = first_wrong(80, 0)
    assert judge(evaluation(right, 0.9), evaluation(right, 0.7)).publish
    verdict = judge(evaluation(right, 0.7), evaluation(right, 0.9))
    assert not verdict.publish
    assert "log loss 0.105 → 0.357" in verdict.reason


def test_predictions_that_are_not_numbers_are_refused_even_for_a_first_model():
    broken = evaluation(first_wrong(8, 0))
    broken.logits[0, 0] = np.nan
    assert not judge(broken, None).publish


def test_without_validation_images_nothing_replaces_a_model():
    empty = evaluation(np.zeros(0, bool))
    assert judge(empty, None).publish
    verdict = judge(empty, empty)
    assert not verdict.publish
    assert "no validation images" in verdict.reason


def test_models_judged_on_different_cases_cannot_be_compared():
    with pytest.raises(ValueError, match="same cases"):
        judge(evaluation(first_wrong(8, 0)), evaluation(first_wrong(12, 0)))


def pool(counts, per_group=1):
    cases = {f: [f"{f}{i}" for i in range(n)] for f, n in counts.items()}
    groups = {image: f"{f}-patient{i // per_group}" for f, images in cases.items() for i, image in enumerate(images)}
    return cases, groups


def count(drawn, cases):
    return {f: len(set(drawn) & set(images)) for f, images in cases.items()}


def test_a_fifth_and_at_least_five_of_each_finding_are_set_aside():
    cases, groups = pool({"a": 10, "b": 25, "c": 100})
    drawn = draw_validation(cases, groups, SETTINGS, seed=0)
    assert count(drawn, cases) == {"a": 5, "b": 5, "c": 20}
    assert drawn == draw_validation(cases, groups, SETTINGS, seed=0)
    assert drawn != draw_validation(cases, groups, SETTINGS, seed=1)


def test_with_few_annotations_at_least_half_stay_for_training():
    cases, groups = pool({"a": 1, "b": 3, "c": 8, "d": 0})
    assert count(draw_validation(cases, groups, SETTINGS, seed=0), cases) == {"a": 0, "b": 1, "c": 4, "d": 0}


def test_groups_are_never_split():
    cases, groups = pool({"a": 40, "b": 40}, per_group=4)
    cases["a"].append("shared")
    groups["shared"] = "b-patient0"
    for seed in range(20):
        drawn = set(draw_validation(cases, groups, SETTINGS, seed))
        for group in set(groups.values()):
            inside = {image in drawn for image, own in groups.items() if own == group}
            assert len(inside) == 1
        assert all(n >= 8 for n in count(drawn, cases).values())
        assert not drawn & set(training_images(groups, groups, drawn))


def test_a_group_that_holds_most_of_a_finding_stays_in_training():
    cases, groups = pool({"a": 12, "b": 20})
    groups |= dict.fromkeys(cases["a"][:9], "big")
    for seed in range(10):
        drawn = draw_validation(cases, groups, SETTINGS, seed)
        assert not set(drawn) & set(cases["a"][:9])
        assert count(drawn, cases) == {"a": 3, "b": 5}


def test_a_later_draw_keeps_the_images_set_aside_and_prefers_unseen_ones():
    cases, groups = pool({"a": 20, "b": 20})
    first = draw_validation({"a": cases["a"]}, groups, SETTINGS, seed=0)
    seen = cases["b"][:12]
    second = draw_validation(cases, groups, SETTINGS, seed=1, keep=first, seen=seen)
    assert set(first) < set(second)
    assert count(second, cases) == {"a": 5, "b": 5}
    assert not set(second) & set(seen)


def test_a_new_draw_is_due_when_a_finding_can_have_validation_images_and_lacks_them():
    cases, _ = pool({"a": 20, "b": 1, "c": 10})
    assert lacks_validation(cases, [], SETTINGS) == ["a", "c"]
    assert lacks_validation(cases, cases["a"][:5] + cases["c"][:3], SETTINGS) == ["c"]
    assert lacks_validation(cases, cases["a"][:5] + cases["c"][:5], SETTINGS) == []


def test_validation_grows_once_it_is_half_of_what_it_should_be():
    few = {"a": [f"a{i}" for i in range(50)]}
    many = {"a": [f"a{i}" for i in range(51)]}
    validation = few["a"][:5]
    assert lacks_validation(few, validation, SETTINGS) == []
    assert lacks_validation(many, validation, SETTINGS) == ["a"]
    grown = draw_validation(many, {}, SETTINGS, 0, keep=validation, seen=few["a"])
    assert set(validation) < set(grown)
    assert len(grown) == 11
    assert "a50" in grown  # what the model in use has not seen comes first


def test_images_of_a_validation_group_are_not_trained_on():
    groups = {"scan1": "patient1", "scan2": "patient1", "scan3": "patient2"}
    assert training_images(["scan1", "scan2", "scan3", "alone"], groups, ["scan1"]) == ["scan3", "alone"]


def test_wanted_never_exceeds_half():
    assert [wanted(n, SETTINGS) for n in (0, 1, 2, 5, 9, 10, 25, 26, 100)] == [0, 0, 1, 2, 4, 5, 5, 6, 20]
