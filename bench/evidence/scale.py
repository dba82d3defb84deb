"""Whether misalignments with drawn and with proposed ROIs are on one scale, and whether they depend on lesion size.

    .venv/bin/python bench/evidence/scale.py

Trains models of the committed arm `uniform` again (brain MRI with 195 labels, breast ultrasound with 146), and compares
their attention with both ROIs of every image left in the pool: the true one, as if somebody had drawn it, and the one
that the model proposes. Only images count that have a lesion and in which the model sees something: to see nothing
there has misalignment 1 by rule. Then half of these images, drawn at random, count as outlined, and the others have
what stands in; a form is on one scale if outlined images have no more than their half of the queue's first tenth.

Rows go to `bench/evidence/scale.jsonl`, and what is there already is not done again. Prints the tables of
docs/EVIDENCE.md, means over the seeds, and draws `docs/evidence/scale.png`; `--out` says where else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
from again import HERE, Again, Rows
from matplotlib.figure import Figure
from scipy.stats import rankdata, spearmanr

from xal.experiments.report.style import ACCENT, INK, LINE, OTHERS, SOFT, STYLE, new_figure, plain, save
from xal.method.acquisition import neutral, score
from xal.model.network import BATCH, Network, Prediction, misalignment_of, predict
from xal.task import AcquisitionSettings

Floats = npt.NDArray[np.float64]

SETS = {"brain": ("brain MRI", 1), "busi": ("breast ultrasound", 2)}
"""The name, and after how many batches the model is trained."""
BINS = 20
HALVES = 200
"""So many times half of the pool is drawn at random."""
FIRST = 10
"""One in so many images is in the first part of the queue."""
KINDS: Mapping[str, AcquisitionSettings] = {
    "soft": AcquisitionSettings(misalignment="dice", dice="soft", stand_in=("proposed",)),
    "relative": AcquisitionSettings(misalignment="dice", dice="relative", stand_in=("proposed",)),
    "evidence": AcquisitionSettings(misalignment="evidence", stand_in=("proposed",)),
}
PICTURED = {
    "soft": "1 − soft Dice",
    "relative": "1 − relative Dice",
    "quantile": "quantile of 1 − relative Dice",
    "evidence": "evidence",
}
MIXED = {
    "soft Dice": ("soft", "soft"),
    "relative Dice": ("relative", "relative"),
    "`evidence`": ("evidence", "evidence"),
    "relative Dice, proposed ROIs by `evidence`": ("relative", "evidence"),
}
"""How outlined images are compared, and how those are whose ROI is proposed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "docs" / "evidence" / "scale.png")
    chosen = parser.parse_args(arguments)
    rows = Rows(HERE / "scale.jsonl")
    for name, (_, number) in SETS.items():
        missing = [seed for seed in range(chosen.seeds) if not rows.of({"set": name, "seed": seed})]
        again = Again(name, "uniform") if missing else None
        for seed in missing:
            assert again is not None
            network = again.network(seed, number, 1000 * seed + number)
            rows.add({"set": name, "seed": seed, **measured(again, seed, number, network)})
    found = {name: rows.of({"set": name}) for name in SETS}
    print("\n".join([*values_table(found), "", *queue_table(found)]))
    with matplotlib.rc_context(STYLE):
        save(histograms(found), chosen.out, 130)


def measured(again: Again, seed: int, number: int, network: Network) -> dict[str, Any]:
    """The misalignments of the images left, by form and source, and what a queue of both sources begins with."""
    parts, labelled = again.parts(seed), again.labelled(seed, number)
    left = np.setdiff1d(np.union1d(parts.start, parts.pool), labelled)
    left = left[again.data.areas[left] > 0]
    predictions: list[Prediction] = []
    for start in range(0, len(left), BATCH):
        images = torch.from_numpy(again.data.inputs(left[start : start + BATCH]))
        predictions += predict(network, images, again.task)
    seen = np.array([prediction.finding != again.task.absent for prediction in predictions], bool)
    kept = [prediction for prediction, sees in zip(predictions, seen, strict=True) if sees]
    values: dict[str, dict[str, Floats]] = {
        kind: {
            "drawn": _values(again, kept, settings, [again.data.rois[position] for position in left[seen]]),
            "proposed": _values(again, kept, settings, None),
        }
        for kind, settings in KINDS.items()
    }
    areas = again.data.areas[left[seen]]
    uncertainty = np.array([prediction.uncertainty for prediction in kept])
    whole = {"quantile": {source: quantile(some) for source, some in values["relative"].items()}}
    return {
        "labels": len(labelled),
        "images": len(kept),
        "blind": int((~seen).sum()),
        "proposing": int((~np.isnan(values["soft"]["proposed"])).sum()),
        "values": {
            form: {source: _summary(some, areas) for source, some in of.items()}
            for form, of in (values | whole).items()
        },
        "queues": _queues(values, uncertainty, areas, np.random.default_rng(seed)),
    }


def quantile(values: Floats) -> Floats:
    """The share of the values that are lower, half of the equal ones among them; NaN where there is none."""
    known = ~np.isnan(values)
    result = np.full(len(values), np.nan)
    result[known] = (rankdata(values[known]) - 0.5) / known.sum()
    return result


def _plain(values: Floats) -> Floats:
    return values


def _values(
    again: Again, predictions: Sequence[Prediction], settings: AcquisitionSettings, rois: Sequence[Any] | None
) -> Floats:
    """With these ROIs, or with the proposed ones; NaN where none is proposed."""
    found = []
    for place, one in enumerate(predictions):
        alone = one if rois is None else replace(one, coverage=None)
        value = misalignment_of(alone, None if rois is None else rois[place], again.task, settings).value
        found.append(np.nan if value is None else value)
    return np.array(found)


def _summary(values: Floats, areas: Floats) -> dict[str, Any]:
    known = ~np.isnan(values)
    quartiles = np.percentile(values[known], [25, 50, 75])
    return {
        "quartiles": [round(float(value), 4) for value in quartiles],
        "area": round(float(spearmanr(values[known], areas[known]).statistic), 4),
        "counts": np.histogram(values[known], BINS, (0, 1))[0].tolist(),
    }


def _queues(
    values: Mapping[str, Mapping[str, Floats]], uncertainty: Floats, areas: Floats, rng: np.random.Generator
) -> dict[str, Any]:
    """By what stands in, form and scale: `first`, `rank` and `area` of a queue of which half is outlined, with α = 0.5.

    `first`: the share of outlined images in its first tenth; `rank`: their mean place, 1 first; `area`: Spearman's
    correlation of the misalignment, of all images, with the area of the lesion.
    """
    halves = [rng.permutation(len(areas)) < len(areas) // 2 for _ in range(HALVES)]
    scales: dict[str, Callable[[Floats], Floats]] = {"": _plain, ", quantiles": quantile}
    nothing = np.full(len(areas), np.nan)
    found: dict[str, Any] = {}
    for text, (of_drawn, of_proposed) in MIXED.items():
        for scale, on_scale in scales.items():
            found[f"{text}{scale}"] = _queue(
                values[of_drawn]["drawn"], values[of_proposed]["proposed"], on_scale, uncertainty, areas, halves
            )
        if of_drawn == of_proposed:
            found[f"{text}, nothing stands in"] = _queue(
                values[of_drawn]["drawn"], nothing, _plain, uncertainty, areas, halves
            )
    return found


def _queue(
    drawn: Floats,
    other: Floats,
    on_scale: Callable[[Floats], Floats],
    uncertainty: Floats,
    areas: Floats,
    halves: Sequence[npt.NDArray[np.bool_]],
) -> dict[str, float]:
    results = []
    for half in halves:
        wrong = np.empty(len(areas))
        wrong[half], wrong[~half] = on_scale(drawn[half]), on_scale(other[~half])
        middle = neutral(wrong[~np.isnan(wrong)])
        places = rankdata(score(uncertainty, wrong, 0.5, middle)) / len(areas)
        first = half[np.argsort(-places, kind="stable")[: len(areas) // FIRST]]
        area = spearmanr(np.where(np.isnan(wrong), middle, wrong), areas).statistic
        results.append((first.mean(), places[half].mean(), area))
    return {
        name: round(float(value), 4)
        for name, value in zip(("first", "rank", "area"), np.mean(results, axis=0), strict=True)
    }


def values_table(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """In Markdown: median, quartiles and the correlation with lesion area, by form and source."""
    sources = ("drawn", "proposed")
    head = ["misalignment", "set", "drawn: median (quartiles)", "proposed", "area, drawn", "area, proposed"]
    lines = [f"| {' | '.join(head)} |", "| --- | --- | --- | --- | ---: | ---: |"]
    for form, text in PICTURED.items():
        for name, rows in found.items():
            cells = []
            for source in sources:
                low, middle, high = np.mean([row["values"][form][source]["quartiles"] for row in rows], axis=0)
                cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
            cells += [signed(np.mean([row["values"][form][source]["area"] for row in rows])) for source in sources]
            lines.append(f"| {text} | {SETS[name][0]} | {' | '.join(cells)} |")
    return lines


def queue_table(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """In Markdown: how much of the queue's first tenth is outlined, where half of the pool is."""
    heads = [f"{SETS[name][0]}: {part}" for name in found for part in ("first tenth", "mean place", "area")]
    lines = [f"| half outlined, compared by | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for key in next(iter(found.values()))[0]["queues"]:
        cells = []
        for rows in found.values():
            of = {part: [row["queues"][key][part] for row in rows] for part in ("first", "rank", "area")}
            cells += [
                f"{100 * np.mean(of['first']):.0f} % ({100 * min(of['first']):.0f} to {100 * max(of['first']):.0f})",
                f"{np.mean(of['rank']):.2f}",
                signed(np.mean(of["area"])),
            ]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    return lines


def signed(value: np.floating[Any] | float) -> str:
    """A correlation: +.12."""
    return f"{value:+.2f}".replace("-", "−").replace("0.", ".")


def histograms(found: Mapping[str, list[dict[str, Any]]]) -> Figure:
    """A row for each set: the misalignments with drawn and with proposed ROIs, all seeds together, by form."""
    figure = new_figure(12, 5.6)
    panels = figure.subplots(len(SETS), len(PICTURED), sharex=True)
    figure.subplots_adjust(left=0.06, right=0.985, top=0.84, bottom=0.1, hspace=0.5, wspace=0.16)
    edges = np.linspace(0, 1, BINS + 1)
    sources = (("drawn", ACCENT), ("proposed", OTHERS[0]))
    for line, (name, rows) in zip(panels, found.items(), strict=True):
        for axes, (form, text) in zip(line, PICTURED.items(), strict=True):
            for source, colour in sources:
                counts = np.sum([row["values"][form][source]["counts"] for row in rows], axis=0)
                axes.stairs(100 * counts / counts.sum(), edges, color=colour, fill=True, alpha=0.16)
                axes.stairs(100 * counts / counts.sum(), edges, color=colour, lw=1.8)
                middle = np.mean([row["values"][form][source]["quartiles"][1] for row in rows])
                axes.axvline(middle, color=colour, lw=1.4, ls=(0, (3, 2)))
            plain(axes)
            axes.set_title(text, size=10.5)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
            axes.set_xticks([0, 0.5, 1])
            axes.grid(axis="x", color=LINE, lw=0.8)
        images = ", ".join(str(row["images"]) for row in rows)
        line[0].annotate(f"{SETS[name][0]}: {images} images", (0, 1.21), xycoords="axes fraction", size=11, color=INK)
    for axes in panels[-1]:
        axes.set_xlabel("misalignment", size=9.5, color=SOFT)
    figure.text(0.06, 0.955, "Misalignment of the same images with the ROI that was drawn and with the one proposed",
                size=13, weight="bold", color=INK)  # fmt: skip
    figure.text(0.985, 0.9, "■ proposed", size=10, color=OTHERS[0], ha="right", weight="bold")
    figure.text(0.905, 0.9, "■ drawn", size=10, color=ACCENT, ha="right", weight="bold")
    return figure


if __name__ == "__main__":
    main()
