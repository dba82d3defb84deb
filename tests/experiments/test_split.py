"""Which images judge, and which may be learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from xal.errors import XalError
from xal.experiments.run.config import Simulation
from xal.experiments.run.split import Split, split

FINDINGS = np.array(([0] * 6 + [1] * 3 + [2] * 1) * 40)
GROUPS = np.array([f"patient {i // 10}" for i in range(400)])


def plan(**changes) -> Simulation:
    settings = {"start": 30, "query": 10, "budget": 100, "validation": 20, "test_share": 0.3}
    return Simulation(
        title="t", studies="s", task="t", arms={"uniform": {"method": "uniform"}}, **{**settings, **changes}
    )


def parts(divided: Split) -> list[np.ndarray]:
    return [divided.test, divided.validation, divided.start, divided.pool]


def test_no_image_is_in_two_parts_and_the_sizes_are_those_asked_for():
    divided = split(FINDINGS, GROUPS, plan(), 0)
    together = np.concatenate(parts(divided))
    assert len(np.unique(together)) == len(together)
    assert (len(divided.start), len(divided.validation)) == (30, 20)
    assert len(divided.test) == pytest.approx(0.3 * 400, abs=10)


def test_nobody_who_judges_is_learnt_from():
    divided = split(FINDINGS, GROUPS, plan(), 1)
    learnt = set(GROUPS[np.concatenate([divided.start, divided.pool])])
    assert not learnt & set(GROUPS[divided.test])
    assert not learnt & set(GROUPS[divided.validation])


def test_the_test_set_is_the_same_for_all_seeds_and_the_rest_is_not():
    one, other = split(FINDINGS, GROUPS, plan(), 0), split(FINDINGS, GROUPS, plan(), 1)
    assert one.test.tolist() == other.test.tolist()
    assert one.start.tolist() != other.start.tolist()
    assert one.start.tolist() == split(FINDINGS, GROUPS, plan(), 0).start.tolist()


def test_findings_keep_their_proportions():
    divided = split(FINDINGS, GROUPS, plan(), 0)
    for part, size in ((divided.start, 30), (divided.validation, 20), (divided.test, 120)):
        np.testing.assert_allclose(np.bincount(FINDINGS[part]), np.array([0.6, 0.3, 0.1]) * size, atol=2)


def test_a_rare_finding_is_there_at_least_twice_at_the_start():
    rare = FINDINGS.copy()
    rare[rare == 2] = 0
    rare[::57] = 2
    assert np.bincount(rare[split(rare, GROUPS, plan(start=12), 0).start])[2] == 2


def test_without_validation_no_group_is_closed():
    divided = split(FINDINGS, GROUPS, plan(validation=0), 0)
    assert len(divided.validation) == 0
    assert len(divided.start) + len(divided.pool) + len(divided.test) == 400


@pytest.mark.parametrize(("changes", "key"), [({"budget": 399}, "budget"), ({"validation": 90}, "validation")])
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, int], key: str):
    with pytest.raises(XalError, match=key):
        split(FINDINGS, GROUPS, plan(**changes), 0)
