"""What the demo shows while it works: a bar per arm, and a line per finished round."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

_TRAINING, _SCORING = 30.0, 12.0
"""How long these take, counted in labels handed in."""


class ArmBar:
    """The bar of one arm. Where nobody watches a terminal only the lines are written."""

    def __init__(self, name: str, rounds: int, labels: int, position: int) -> None:
        """A bar for a start and `rounds` rounds of `labels` labels."""
        self._name = name
        self._labels = labels
        self._done = 0.0
        self._read = 0
        self._bar: tqdm[None] = tqdm(
            total=(rounds + 1) * (_TRAINING + _SCORING) + rounds * labels,
            desc=f"{name:<8}",
            position=position,
            leave=False,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
            bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}{postfix}",
        )
        self._show(0, "starting")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def read_one(self) -> None:
        """One image was handed in."""
        self._read += 1
        self._done += 1
        self._show(self._done, f"reading, {self._read} of {self._labels}")

    def training(self, share: float, text: str) -> None:
        """So far has training come."""
        self._show(self._done + _TRAINING * share, text)

    def scoring(self, share: float, text: str) -> None:
        """So far has scoring come."""
        self._show(self._done + _TRAINING + _SCORING * share, text)

    def end_round(self, number: int, text: str) -> None:
        """A round is over."""
        self._done += _TRAINING + _SCORING
        self._read = 0
        tqdm.write(f"{self._name:<8} {f'round {number}' if number else 'start'}: {text}", file=sys.stderr)
        self._show(self._done, "")

    def _show(self, done: float, text: str) -> None:
        self._bar.n = done
        self._bar.set_postfix_str(text)
