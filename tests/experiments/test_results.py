"""Runs put together into arms, and the sentences that are computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from harness.evidence import LABELS, TASK, Made, header, round_row, write_rows, write_run

from xal.errors import XalError
from xal.experiments.report.curves import price_curves
from xal.experiments.report.figures import colours_of
from xal.experiments.report.gather import gather
from xal.experiments.report.page import Table
from xal.experiments.report.results import Plan, Results, Role
from xal.experiments.report.sentences import summary
from xal.experiments.report.tables import grid_table, outlines_table, price_table
from xal.experiments.run.rows import append, read_run, read_runs, run_file
from xal.task import Task

# how it chooses, with whose ROIs, with how much guidance, by which batch rule
KINDS = {
    "uniform": ("uniform", "none", 1.0, "top"),
    "entropy": ("entropy", "none", 1.0, "top"),
    "xal": ("xal", "proposed", 1.0, "top"),
    "oracle": ("xal", "oracle", 1.0, "top"),
    "unguided": ("uniform", "none", 0.0, "top"),
    "by_chance": ("uniform", "none", 1.0, "cover"),
    "entropy_cover": ("entropy", "none", 1.0, "cover"),
    "entropy_top": ("entropy", "none", 1.0, "top"),
    "entropy_unguided": ("entropy", "none", 0.0, "cover"),
    "entropy_power": ("entropy", "none", 1.0, "power"),
    "entropy_power_unguided": ("entropy", "none", 0.0, "power"),
    "xal_cover": ("xal", "proposed", 1.0, "cover"),
}
HEADLINE = ("uniform", "entropy", "xal", "oracle", "entropy_cover", "xal_cover")


def plan(name: str, seeds: int, roi_cost: float = 2.0) -> Plan:
    method, roi, guidance, rule = KINDS[name.removesuffix("_plain")]
    training = {"guidance": 0.0, "roi": 0.0} if name.endswith("_plain") else {"guidance": guidance}
    settings = {**yaml.safe_load(TASK), "training": training, "acquisition": {"batch": {"rule": rule}}}
    role: Role = "headline" if name in HEADLINE else "exploratory"
    return Plan(name, role, method, roi, Task.model_validate(settings), tuple(range(seeds)), roi_cost)


def gathered(folder: Path, seeds: int, arms: tuple[str, ...] = ("uniform", "xal")) -> Results:
    plans = [plan(name, seeds) for name in arms]
    return gather("Made up", plans, "uniform", read_runs(folder))


def said(folder: Path, arms: Mapping[str, Made], seeds: int) -> list[str]:
    write_rows(folder, {"uniform": Made(scores=False), **arms}, range(seeds))
    return summary(gathered(folder, seeds, ("uniform", *arms)))


def test_a_gain_is_said_with_its_interval(tmp_path: Path):
    # by hand: t(9) · 1.0 / √10 = 2.262 / 3.162 = 0.72 points to either side
    sentences = said(tmp_path, {"xal": Made(gain=0.012, spread=0.01)}, 10)
    assert sentences[0] == "xal − uniform: +1.2 points [+0.5, +1.9], 10 seeds: higher."


def test_an_interval_that_holds_zero_shows_no_difference(tmp_path: Path):
    sentences = said(tmp_path, {"xal": Made(gain=-0.004, spread=0.01)}, 10)
    assert sentences[0] == "xal − uniform: −0.4 points [−1.1, +0.3], 10 seeds: no difference shown."


def test_a_loss_is_said_as_plainly(tmp_path: Path):
    # t(4) · 1.0 / √5 = 2.776 / 2.236 = 1.24
    sentences = said(tmp_path, {"xal": Made(gain=-0.02, spread=0.01)}, 5)
    assert sentences[0] == "xal − uniform: −2.0 points [−3.2, −0.8], 5 seeds: lower."


def test_one_seed_shows_nothing(tmp_path: Path):
    sentences = said(tmp_path, {"xal": Made(gain=0.3)}, 1)
    assert sentences[0] == "xal − uniform: +30.0 points, 1 seed: a single pair shows nothing."


def test_only_pairs_count(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made()}, [0, 1, 2])
    write_rows(tmp_path, {"xal": Made(gain=0.01)}, [1, 2, 3])
    sentences = summary(gathered(tmp_path, 4))
    assert sentences[0].startswith("Of the 4 seeds that the config asks for, the headline arms have 3.")
    assert sentences[1] == "xal − uniform: +1.0 points [+1.0, +1.0], 2 seeds: higher."


def test_arms_without_a_common_seed_are_not_compared(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made()}, [0])
    write_rows(tmp_path, {"xal": Made(gain=0.01)}, [1])
    sentences = summary(gathered(tmp_path, 2))
    assert sentences[1] == "xal − uniform: no seed was run to the end with both, so nothing can be said."
    assert "xal and uniform share no seed, so labels to the target cannot be counted." in sentences


def test_the_baseline_alone_says_so(tmp_path: Path):
    assert said(tmp_path, {}, 3) == ["Only uniform has complete runs: nothing can be compared."]


def test_labels_to_target_are_said(tmp_path: Path):
    for seed in (0, 1):
        write_run(tmp_path, "uniform", seed, (100, 200, 300), (0.5, 0.6, 0.7))
        write_run(tmp_path, "xal", seed, (100, 200, 300), (0.5, 0.65, 0.75))  # 0.7 is half way from 200 to 300
        write_run(tmp_path, "entropy", seed, (100, 200, 300), (0.5, 0.6, 0.69))
    sentences = summary(gathered(tmp_path, 2, ("uniform", "entropy", "xal")))
    assert (
        "xal needs 250 labels for what uniform reaches with 300 (70.0 %): 83 % of them [83 %, 83 %]; "
        "2 of 2 seeds do so on their own."
    ) in sentences
    assert (
        "entropy never reaches what uniform reaches with 300 (70.0 %); 0 of 2 seeds do so on their own."
    ) in sentences


def test_a_baseline_that_crosses_early_itself_is_said(tmp_path: Path):
    for arm in ("uniform", "xal"):
        write_run(tmp_path, arm, 0, (100, 200, 300), (0.5, 0.9, 0.7))  # 0.7 is half way from 100 to 200
    assert (
        "By the same measure uniform itself gets there at 50 % of the labels: a noisy curve crosses early."
    ) in summary(gathered(tmp_path, 1))


def test_what_proposed_rois_keep_of_the_oracles_gain_is_said(tmp_path: Path):
    sentences = said(tmp_path, {"xal": Made(gain=0.016), "oracle": Made(gain=0.02)}, 4)
    assert "xal keeps 80 % [80 %, 80 %] of what oracle gains over uniform (+2.0 points [+2.0, +2.0])." in sentences


def test_without_a_gain_of_the_oracle_nothing_can_be_kept(tmp_path: Path):
    sentences = said(tmp_path, {"xal": Made(gain=0.016), "oracle": Made(gain=0.002, spread=0.01)}, 10)
    assert (
        "oracle gains +0.2 points [−0.5, +0.9] over uniform, not above 0 with its whole interval: "
        "there is nothing of which xal could keep a share."
    ) in sentences


def test_guidance_alone_is_said(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made(energy=0.2)}, range(10))
    write_rows(tmp_path, {"unguided": Made(gain=-0.02, energy=0.025)}, range(5))
    sentences = summary(gathered(tmp_path, 10, ("uniform", "unguided")))
    assert (
        "Guidance alone: energy in the ROI at the end 20.0 % for uniform, 2.5 % for unguided, 8.0 times as much."
    ) in sentences
    assert "uniform − unguided: +2.0 points [+2.0, +2.0], 5 seeds: higher." in sentences


def test_a_score_that_prefers_a_size_is_said(tmp_path: Path):
    sentences = said(tmp_path, {"entropy": Made(), "xal": Made()}, 2)
    found = [sentence for sentence in sentences if "rank correlation" in sentence]
    assert found == [
        "xal: its score's rank correlation with the ROI's area is −0.35 at the start and −0.15 at the end "
        "(0: no preference)."
    ], "entropy looks at no ROI"


def test_pairs_are_corrected_for_their_number(tmp_path: Path):
    # t = 0.82 / (1.0 / √10) = 2.58, of which p is 0.03, and 0.09 where it is the smallest of three
    arms = {name: Made(gain=0.00815, spread=0.01) for name in ("entropy", "xal")}
    sentences = said(tmp_path, arms, 10)
    assert "entropy − uniform: +0.8 points [+0.1, +1.5], 10 seeds: higher." in sentences
    assert "Of the 3 pairs of headline arms, corrected for their number (Holm, 5 %), none differs." in sentences


def test_pairs_that_differ_are_named_with_the_better_one_first(tmp_path: Path):
    sentences = said(tmp_path, {"entropy": Made(), "xal": Made(gain=-0.1, spread=0.01)}, 10)
    assert (
        "Of the 3 pairs of headline arms, corrected for their number (Holm, 5 %), 2 differ: "
        "uniform above xal, entropy above xal."
    ) in sentences


def test_missing_and_unfinished_runs_are_named(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made()}, range(3))
    write_rows(tmp_path, {"xal": Made()}, [0])
    append(run_file(tmp_path, "xal", 2), header("xal", 2))
    append(run_file(tmp_path, "xal", 2), round_row(0, 0.6))
    results = gathered(tmp_path, 4)
    assert results.problems == (
        "uniform: seed 3 not run.",
        "xal: seeds 1, 3 not run.",
        "xal: not finished and left out: seed 2 (rounds so far: 1).",
    )
    assert list(results.arms["xal"].by_seed) == [0]


def test_rows_that_nobody_asked_for_are_left_out_and_named(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made(), "older": Made()}, [0])
    results = gathered(tmp_path, 1, ("uniform",))
    assert list(results.arms) == ["uniform"]
    assert results.problems == ("Left out, because the config does not ask for them: older 0.",)


def test_runs_of_different_settings_are_named(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made()}, [0, 1])
    path = run_file(tmp_path, "uniform", 1)
    path.write_bytes(path.read_bytes().replace(b"digest-of-uniform", b"digest-of-another"))
    problems = gathered(tmp_path, 2, ("uniform",)).problems
    assert problems == ("uniform: its runs were made with 2 different settings or data sets.",)


def test_other_numbers_of_images_are_named_where_arms_of_a_seed_differ_in_them(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made(), "xal": Made()}, [0, 1])
    for arm in ("uniform", "xal"):
        path = run_file(tmp_path, arm, 1)
        path.write_bytes(path.read_bytes().replace(b'"pool":2000', b'"pool":1990'))
    assert gathered(tmp_path, 2, ("uniform", "xal")).problems == ()
    path.write_bytes(path.read_bytes().replace(b'"pool":1990', b'"pool":1991'))
    problems = gathered(tmp_path, 2, ("uniform", "xal")).problems
    assert problems == ("The runs of a seed were not all made on the same numbers of images.",)


def test_seeds_that_do_not_begin_alike_are_named(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made(), "xal": Made()}, [0, 1])
    path = run_file(tmp_path, "xal", 1)
    path.write_bytes(path.read_bytes().replace(b'"picked":[1,7,30]', b'"picked":[2,7,30]'))
    problems = gathered(tmp_path, 2).problems
    assert problems == ("xal: seed 1 did not begin with the start set of uniform: not truly paired.",)


def test_without_the_baseline_there_is_nothing_to_report(tmp_path: Path):
    write_rows(tmp_path, {"xal": Made()}, [0])
    with pytest.raises(XalError, match="no run of the baseline 'uniform' is complete"):
        gathered(tmp_path, 1)


def test_an_arm_that_stops_earlier_is_compared_where_both_have_a_curve(tmp_path: Path):
    write_run(tmp_path, "uniform", 0, (100, 200, 300), (0.5, 0.7, 0.1))
    write_run(tmp_path, "xal", 0, (100, 200), (0.6, 0.8))
    gain = gathered(tmp_path, 1).gain(gathered(tmp_path, 1).arms["xal"])
    assert gain is not None
    assert gain.mean == pytest.approx(0.1)


def test_rounds_are_labels_long(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made()}, [0, 1])
    results = gathered(tmp_path, 2, ("uniform",))
    assert results.base.mean("labels").tolist() == list(LABELS)
    assert results.base.series("attention.energy").shape == (2, len(LABELS))
    assert results.base.mean("recall.pituitary").tolist() == pytest.approx([0.9] * len(LABELS))
    assert results.base.end("recall.pituitary") == pytest.approx(0.9)


def test_what_only_some_seeds_have_is_averaged_over_these(tmp_path: Path):
    write_run(tmp_path, "uniform", 0, (100, 200), (0.5, 0.6), Made(scores=False))
    write_run(tmp_path, "uniform", 1, (100, 200), (0.5, 0.6))
    arm = gathered(tmp_path, 2, ("uniform",)).base
    assert np.isnan(arm.series("pool.roi_dice").loc[0]).all()
    assert arm.mean("pool.roi_dice").tolist() == arm.series("pool.roi_dice").loc[1].tolist()
    assert np.isnan(arm.end("recall.nobody"))


def grid(folder: Path, arms: Mapping[str, Made]) -> tuple[dict[str, list[str]], str]:
    """The rows of the table acquisition × loss, and what is said below it."""
    write_rows(folder, arms, range(3))
    table = grid_table(gathered(folder, 3, tuple(arms)))
    assert isinstance(table, Table)
    return {row[0]: list(row[1:]) for row in table.rows}, table.caption


GRID = {
    "uniform": Made(),
    "unguided": Made(gain=-0.05),
    "entropy_top": Made(gain=0.1),
    "entropy_cover": Made(gain=0.03),
    "entropy_unguided": Made(gain=-0.01),
}


def test_the_table_sets_only_twins_side_by_side(tmp_path: Path):
    # entropy_top has the batch rule of the baseline, but without guidance entropy was run with the other rule
    rows, caption = grid(tmp_path, GRID)
    assert rows["uncertainty"][2] == "+4.0 [+4.0, +4.0]"
    assert "entropy_cover" in caption
    assert "entropy_top" not in caption


def test_an_arm_without_a_twin_stands_beside_a_dash(tmp_path: Path):
    rows, _ = grid(tmp_path, {name: made for name, made in GRID.items() if name != "entropy_cover"})
    assert rows["uncertainty"][0] == "–"
    assert rows["uncertainty"][2] == "–"


def test_headline_twins_come_before_others(tmp_path: Path):
    _, caption = grid(tmp_path, {"entropy_power": Made(), "entropy_power_unguided": Made(), **GRID})
    assert "entropy_cover" in caption
    assert "entropy_power" not in caption


def test_the_table_subtracts_chance_with_the_same_batch_rule(tmp_path: Path):
    rows, caption = grid(tmp_path, {**GRID, "by_chance": Made(gain=0.02)})
    assert rows["uncertainty − uniform"] == [
        "+4.0 [+4.0, +4.0] (unguided*)",
        "+1.0 [+1.0, +1.0] (by_chance)",
        "",
    ]
    assert "* there is none" in caption


def test_training_from_findings_alone_is_set_beside_its_twin_that_learns_from_outlines(tmp_path: Path):
    made = {"uniform": Made(energy=0.2), "uniform_plain": Made(gain=-0.03, energy=0.02), "unguided": Made(gain=-0.01)}
    entropy = {"entropy_cover": Made(gain=0.01), "entropy_cover_plain": Made(), "entropy_power_plain": Made()}
    write_rows(tmp_path, {**made, **entropy}, range(3))
    results = gathered(tmp_path, 3, (*made, *entropy))
    table = outlines_table(results)
    assert table is not None
    assert [list(row) for row in table.rows] == [
        ["uniform_plain", "uniform", "2.0 %", "20.0 %", "+3.0 [+3.0, +3.0]"],
        ["entropy_cover_plain", "entropy_cover", "20.0 %", "20.0 %", "+1.0 [+1.0, +1.0]"],
    ], "entropy_power_plain has no twin, and unguided learns from outlines by its head"
    grid = grid_table(results)
    assert isinstance(grid, Table)
    assert "plain" not in grid.caption
    assert outlines_table(gathered(tmp_path, 3, ("uniform", "unguided"))) is None


def test_what_outlines_save_is_counted_in_labels_and_in_what_they_cost(tmp_path: Path):
    # plain ends at 0.6 with 200 labels; uniform is there with 100, which cost 300 with their ROIs; a third of the ROIs
    # gets halfway from 0.55 to 0.65 with 150, which cost 150 + 2 · 50 = 250
    curves = {
        "uniform": ((0.6, 0.7), Made()),
        "uniform_plain": ((0.5, 0.6), Made(outlined=0.0)),
        "third": ((0.55, 0.65), Made(outlined=1 / 3)),
        "entropy_top": ((0.6, 0.7), Made()),
    }
    for name, (accuracies, made) in curves.items():
        for seed in (0, 1):
            write_run(tmp_path, name, seed, (100, 200), accuracies, made)
    plans = [plan(name, 2) for name in ("uniform", "uniform_plain", "entropy_top")]
    third = replace(plans[0], name="third", role="exploratory", outlined=1 / 3)
    results = gather("Made up", [*plans, third], "uniform", read_runs(tmp_path))
    table = price_table(results)
    assert table is not None
    assert [list(row) for row in table.rows] == [
        ["third", "33 %", "+5.0 [+5.0, +5.0]", "75 % [75 %, 75 %]", "125 % [125 %, 125 %]"],
        ["uniform", "100 %", "+10.0 [+10.0, +10.0]", "50 % [50 %, 50 %]", "150 % [150 %, 150 %]"],
    ], "exploratory arms with all ROIs are left out"
    assert "2 labels more" in table.caption
    figure = price_curves(results, colours_of(results))
    assert figure is not None
    by_labels, by_cost = ([line.get_xdata().tolist() for line in axes.lines] for axes in figure.axes)
    assert by_labels == [[100, 200]] * 3
    assert by_cost == [[100, 200], [pytest.approx(166), pytest.approx(334)], [300, 600]], "plain, third, uniform"
    assert price_table(gathered(tmp_path, 2, ("uniform", "entropy_top"))) is None


def test_an_arm_with_fewer_rois_is_nobodys_twin_or_chance(tmp_path: Path):
    made = {"uniform": Made(), "unguided": Made(gain=-0.02), "third": Made(gain=-0.01), "third_plain": Made(gain=-0.05)}
    write_rows(tmp_path, {**made, "xal": Made(gain=0.01)}, range(2))
    plans = [plan(name, 2) for name in ("uniform", "unguided", "xal")]
    fewer = [replace(plans[0], name="third", outlined=0.3), replace(plan("uniform_plain", 2), name="third_plain")]
    results = gather("Made up", [fewer[0], *plans, replace(fewer[1], outlined=0.3)], "uniform", read_runs(tmp_path))
    assert results.cells("uniform") == {True: results.base, False: results.arms["unguided"]}
    assert results.chance(results.arms["xal"]) is results.base
    assert results.taught(results.arms["third_plain"]) is results.arms["third"]
    assert results.conventional is None


def test_chance_with_the_same_batch_rule_is_said_beside_headline_arms(tmp_path: Path):
    arms = {"entropy": Made(), "by_chance": Made(gain=0.01), "xal_cover": Made(gain=0.012)}
    about = [sentence for sentence in said(tmp_path, arms, 3) if "by_chance" in sentence]
    assert about == [
        "xal_cover − by_chance (by chance, with the same batch rule): +0.2 points [+0.2, +0.2], 3 seeds: higher."
    ], "entropy has the batch rule of the baseline, whose sentence stands above"


@pytest.mark.parametrize("other", [{"guidance": 0.5}, {"max_epochs": 7}])
def test_chance_that_trains_otherwise_is_not_set_against_an_arm(tmp_path: Path, other: dict[str, float]):
    write_rows(tmp_path, {"uniform": Made(), "by_chance": Made(), "xal_cover": Made()}, [0])
    plans = [plan(name, 1) for name in ("uniform", "by_chance", "xal_cover")]
    task = plans[1].task
    changed = task.model_copy(update={"training": task.training.model_copy(update=other)})
    results = gather("Made up", [plans[0], replace(plans[1], task=changed), plans[2]], "uniform", read_runs(tmp_path))
    assert results.chance(results.arms["xal_cover"]) is None


def test_cost_is_counted_from_labels_and_outlines(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made()}, [0], (100, 200))
    (run,) = read_runs(tmp_path)
    assert run.rounds[1].outlines == 200
    results = gather("Made up", [plan("uniform", 1, roi_cost=0.5)], "uniform", [run])
    assert results.base.series("cost").to_numpy().tolist() == [[150.0, 300.0]]


def continued(folder: Path, arm: str, seed: int, after: int, **made: str) -> None:
    """The rounds after one of a run made with something else than its header says."""
    path = run_file(folder, arm, seed)
    run = read_run(path)
    assert run is not None
    assert run.end is not None
    path.unlink()
    append(path, run.header)
    for row in run.rounds:
        append(path, row.model_copy(update=made) if row.round > after else row)
    append(path, run.end)


def test_a_run_continued_with_other_code_is_named(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made(), "xal": Made()}, [0, 1])
    continued(tmp_path, "xal", 1, 3, commit="def5678", device="cuda:0")
    assert gathered(tmp_path, 2).problems == (
        "xal: made with 2 commits (abc1234, def5678), seed 1 within the run.",
        "xal: made with 2 devices (cpu, cuda:0), seed 1 within the run.",
    )


def test_runs_of_an_arm_made_with_different_torches_are_named(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made()}, [0, 1])
    continued(tmp_path, "uniform", 1, -1, torch="2.14.0")
    assert gathered(tmp_path, 2, ("uniform",)).problems == ("uniform: made with 2 versions of torch (2.13.0, 2.14.0).",)


def test_a_single_round_is_said_to_be_one(tmp_path: Path):
    write_rows(tmp_path, {"uniform": Made(), "xal": Made()}, [0, 1], (60,))
    assert summary(gathered(tmp_path, 2)) == [
        "There is only one round, that of the start set: there are no curves to compare."
    ]


def test_arms_whose_costs_never_meet_are_not_compared_by_cost(tmp_path: Path):
    write_run(tmp_path, "uniform", 0, (100, 200), (0.5, 0.6))
    write_run(tmp_path, "unguided", 0, (100, 200), (0.5, 0.6))
    plans = [plan("uniform", 1, roi_cost=2.0), plan("unguided", 1, roi_cost=0.0)]  # from 300 on, and up to 200
    results = gather("Made up", plans, "uniform", read_runs(tmp_path))
    assert results.gain(results.arms["unguided"], "cost") is None
    assert results.gain(results.arms["unguided"]) is not None
