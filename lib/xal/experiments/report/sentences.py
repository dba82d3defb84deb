"""What the rows of a simulation say, in computed sentences: a loss as plainly as a win."""

from __future__ import annotations

import math

from xal.experiments.report.numbers import estimate, p_value, percent, points, share_of, signed, span
from xal.experiments.report.results import Arm, Results, shared_seeds
from xal.experiments.report.statistics import Difference, Kept, Reach


def lead(results: Results) -> str:
    """What the numbers are, in a sentence or two."""
    low, high = results.span([results.base])
    return (
        f"Balanced accuracy on images that no arm ever sees, from {low:.0f} to {high:.0f} labels. Differences are of "
        "the area under that curve (AUBC: a mean accuracy, here in points), paired by seed, with 95 % t intervals "
        "over seeds. A seed is another start set, other first weights and other chance; the images that judge are the "
        "same for all, so the intervals do not say how other images would judge."
    )


def summary(results: Results) -> list[str]:
    """The sentences that decide, computed."""
    rivals = [arm for arm in results.headline if arm is not results.base and arm.rounds > 1]
    said = seeds_sentences(results)
    said += [difference_sentence(arm.name, results.baseline, results.gain(arm)) for arm in rivals]
    said += [
        difference_sentence(
            arm.name, f"{chance.name} (by chance, with the same batch rule)", results.gain(arm, over=chance)
        )
        for arm in rivals
        if (chance := results.chance(arm)) is not None and chance not in results.headline
    ]
    said += [
        difference_sentence(second.name, first.name, results.gain(second, over=first))
        for k, first in enumerate(rivals)
        for second in rivals[k + 1 :]
    ]
    if results.matrix:
        said.append(pairs_sentence(results))
    said += [reach_sentence(arm, results.base, results.reach(arm)) for arm in rivals]
    own = results.reach(results.base) if rivals else None
    if own is not None and own.share < 0.995:
        said.append(
            f"By the same measure {results.baseline} itself gets there at {percent(own.share)} of the labels: "
            "a noisy curve crosses early."
        )
    said += [kept_sentence(arm.name, oracle.name, results.baseline, kept) for arm, oracle, kept in results.kept()]
    said += _guidance_sentences(results)
    said += [sentence for arm in rivals if (sentence := area_sentence(arm)) is not None]
    if results.base.rounds == 1:
        said.append("There is only one round, that of the start set: there are no curves to compare.")
    elif not rivals:
        said.append(f"Only {results.baseline} has complete runs: nothing can be compared.")
    return said


def seeds_sentences(results: Results) -> list[str]:
    """That headline arms have fewer complete seeds than were planned; nothing where they have all."""
    plans = [plan for plan in results.plans if plan.role == "headline"]
    wanted = [len(plan.seeds) for plan in plans]
    done = [len(results.arms[plan.name].runs) if plan.name in results.arms else 0 for plan in plans]
    if done == wanted:
        return []
    return [
        f"Of the {span(wanted)} seeds that the config asks for, the headline arms have {span(done)}. Until all are "
        "there, all that follows is provisional."
    ]


def difference_sentence(first: str, second: str, difference: Difference | None) -> str:
    """Such as: xal − uniform: −0.4 points [−1.1, +0.3], 10 seeds: no difference shown."""
    if difference is None:
        return f"{first} − {second}: no seed was run to the end with both, so nothing can be said."
    begin = f"{first} − {second}: {signed(difference.mean)} points"
    if difference.t is None:
        return f"{begin}, 1 seed: a single pair shows nothing."
    return f"{begin} {points(difference.t)}, {len(difference.seeds)} seeds: {verdict(difference)}."


def verdict(difference: Difference) -> str:
    """By the t interval."""
    return "higher" if difference.above else "lower" if difference.below else "no difference shown"


def pairs_sentence(results: Results) -> str:
    """What is left of the differences between headline arms once all pairs are counted."""
    pairs = results.matrix
    different = [
        f"{a} above {b}"
        for pair in pairs
        if pair.p < 0.05
        for a, b in [(pair.first, pair.second) if pair.difference.mean > 0 else (pair.second, pair.first)]
    ]
    if len(pairs) == 1:
        return f"Paired t-test of the one pair of headline arms: p = {p_value(pairs[0].p)}."
    found = f"{len(different)} differ: {', '.join(different)}" if different else "none differs"
    return f"Of the {len(pairs)} pairs of headline arms, corrected for their number (Holm, 5 %), {found}."


def reach_sentence(arm: Arm, base: Arm, reach: Reach | None) -> str:
    """With how many labels the arm is where the baseline ends."""
    if reach is None:
        return f"{arm.name} and {base.name} share no seed, so labels to the target cannot be counted."
    budget = base.end("labels")
    goal = f"what {base.name} reaches with {budget:.0f} ({percent(reach.target, 1)})"
    seeds = f"{reach.reached} of {reach.seeds} seeds do so on their own"
    if math.isinf(reach.share):
        return f"{arm.name} never reaches {goal}; {seeds}."
    interval = f" [{share_of(reach.interval.low)}, {share_of(reach.interval.high)}]" if reach.interval else ""
    return f"{arm.name} needs {reach.at:.0f} labels for {goal}: {percent(reach.share)} of them{interval}; {seeds}."


def kept_sentence(proposed: str, oracle: str, baseline: str, kept: Kept) -> str:
    """How much of the oracle's gain is there without an oracle."""
    if kept.share is None or kept.interval is None:
        return (
            f"{oracle} gains {estimate(kept.oracle)} over {baseline}, not above 0 with its whole interval: "
            f"there is nothing of which {proposed} could keep a share."
        )
    interval = f"[{percent(kept.interval.low)}, {percent(kept.interval.high)}]"
    gained = f"what {oracle} gains over {baseline} ({estimate(kept.oracle)})"
    return f"{proposed} keeps {percent(kept.share)} {interval} of {gained}."


def area_sentence(arm: Arm) -> str | None:
    """Whether the arm's score prefers lesions of some size."""
    known = arm.mean("pool.score_area").dropna()
    if arm.plan.roi == "none" or known.empty:
        return None
    numbers = f"{known.iloc[0]:+.2f} at the start and {known.iloc[-1]:+.2f} at the end".replace("-", "−")
    return f"{arm.name}: its score's rank correlation with the ROI's area is {numbers} (0: no preference)."


def _guidance_sentences(results: Results) -> list[str]:
    """What guidance does without any acquisition."""
    pair = results.guidance()
    if pair is None:
        return []
    guided, plain = pair
    shared = shared_seeds(guided, plain)
    if not shared:
        return []
    energy = [arm.series("attention.energy").loc[shared].iloc[:, -1].mean() for arm in pair]
    times = f", {energy[0] / energy[1]:.1f} times as much" if energy[1] > 0 else ""
    return [
        f"Guidance alone: energy in the ROI at the end {percent(energy[0], 1)} for {guided.name}, "
        f"{percent(energy[1], 1)} for {plain.name}{times}.",
        difference_sentence(guided.name, plain.name, results.gain(guided, over=plain)),
    ]
