"""How far readers agree: on the finding beyond chance, and on where it lies. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Together:
    """How often two readers said this, the one that and the other that, of the same images."""

    one: str
    other: str
    said: tuple[str, str]
    """The finding of the one and of the other."""
    images: int
    outlined: int
    """Those of the images whose two ROIs were compared."""
    dice: float
    """The sum over these."""


@dataclass(frozen=True)
class Pair:
    """How far two readers agree on the images that both have read."""

    one: str
    other: str
    images: int
    kappa: float
    outlined: int
    """Those of the images whose two ROIs were compared."""
    dice: float | None
    """The mean over these; None without any."""


def cohens_kappa(said: Mapping[tuple[str, str], int]) -> float | None:
    """κ = (p_o − p_e) / (1 − p_e), of how often two readers said which two findings of the same images.

    p_o is the share of images on which they agree, p_e = Σ_f p_one(f) · p_other(f) the share on which they would by
    chance. None without an image. Where both always say one and the same finding κ is 0/0; it counts as 1 here, since
    they never disagreed, and a reader would take any other number for a quarrel.
    """
    total = sum(said.values())
    if total == 0:
        return None
    one: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for (first, second), count in said.items():
        one[first] += count
        other[second] += count
    observed = sum(count for (first, second), count in said.items() if first == second) / total
    expected = sum(one[finding] * other[finding] for finding in one) / total**2
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)


def dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """2 · |A ∩ B| / (|A| + |B|) of two masks of one image; both empty: 1."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def pairs(rows: Iterable[Together]) -> list[Pair]:
    """The agreement of every two readers, by name; who of the two comes first in a row makes no difference."""
    of_pair: dict[tuple[str, str], list[Together]] = {}
    for row in map(_in_order, rows):
        of_pair.setdefault((row.one, row.other), []).append(row)
    return [_pair(one, other, rows) for (one, other), rows in sorted(of_pair.items())]


def overall(found: Iterable[Pair]) -> tuple[float | None, float | None]:
    """κ and Dice of all pairs of readers: their means, weighted by the images that stand behind each."""
    known = list(found)
    kappa = _weighted([(pair.kappa, pair.images) for pair in known])
    return kappa, _weighted([(pair.dice, pair.outlined) for pair in known if pair.dice is not None])


def _in_order(row: Together) -> Together:
    if row.one <= row.other:
        return row
    return Together(row.other, row.one, (row.said[1], row.said[0]), row.images, row.outlined, row.dice)


def _pair(one: str, other: str, rows: list[Together]) -> Pair:
    said: Counter[tuple[str, str]] = Counter()
    for row in rows:
        said[row.said] += row.images
    kappa = cohens_kappa(said)
    assert kappa is not None  # a row stands for at least one image
    outlined = sum(row.outlined for row in rows)
    mean = sum(row.dice for row in rows) / outlined if outlined else None
    return Pair(one, other, sum(said.values()), kappa, outlined, mean)


def _weighted(values: list[tuple[float, int]]) -> float | None:
    weight = sum(count for _, count in values)
    return sum(value * count for value, count in values) / weight if weight else None
