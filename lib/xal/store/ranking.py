"""How the pool is sorted: by an index where it can be, and by any rule from what is kept of each image."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, func, literal

from xal.store.rows import Order, Rule
from xal.store.schema import UNSCORED, images

ORDERS: dict[Order, tuple[ColumnElement[float], ...]] = {
    "queue": (images.c.place, images.c.score.desc(), images.c.shuffle),
    "uncertainty": (images.c.uncertainty.desc(), images.c.shuffle),
    "uniform": (images.c.shuffle,),
    "telling": (images.c.telling.desc(), images.c.shuffle),
}
"""Each is the order of an index, so that the first row of the answer is the first row that is read."""


def ranked(rule: Rule) -> ColumnElement[float]:
    """What a rule ranks images by, from what is kept of each; UNSCORED before it was read."""
    wrong = {"score": images.c.misalignment, "other_score": images.c.other_misalignment}.get(rule.by)
    if wrong is not None:
        found = rule.alpha * images.c.uncertainty + (1 - rule.alpha) * func.coalesce(wrong, rule.neutral)
    else:
        found = {"uncertainty": images.c.uncertainty, "margin": images.c.margin}.get(rule.by, literal(0.0))
    return case((images.c.uncertainty == UNSCORED, UNSCORED), else_=found)


def ordered(rule: Rule | Order) -> tuple[ColumnElement[float], ...]:
    """How the pool is sorted by an order that has an index, or by a rule, for which all of it is looked at."""
    return (ranked(rule).desc(), images.c.shuffle) if isinstance(rule, Rule) else ORDERS[rule]
