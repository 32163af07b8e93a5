# SPDX-License-Identifier: AGPL-3.0-or-later
"""Capability revisions: proposed after three values in a row beyond what was agreed, never set."""

from __future__ import annotations

from cyberfilter.contract.index import Revision
from cyberfilter.indices.catalogue import ENERGY, NOZZLE_DEVIATION, PACE, Index
from cyberfilter.indices.revision import STANDS_S, Beyond, note


def run(values: list[float], row: Index = PACE, capability: float | None = 1.0, beyond: Beyond | None = None):
    beyond = beyond or Beyond()
    return [note(beyond, row, value, capability, 60.0 * n) for n, value in enumerate(values)][-1]


def test_two_values_above_are_chance_three_are_a_proposal() -> None:
    assert run([1.2, 1.3]) is None
    assert run([1.2, 1.3, 1.4]) == Revision(1.3, 0.0, 120.0, 3)


def test_a_value_at_or_below_ends_the_run() -> None:
    assert run([1.2, 1.3, 1.0, 1.4, 1.5]) is None


def test_a_longer_run_makes_the_proposal_better_founded() -> None:
    assert run([1.2, 1.3, 1.4, 1.1234]) == Revision(1.26, 0.0, 180.0, 4)


def test_where_less_is_better_below_is_beyond() -> None:
    assert run([110.0, 120.0, 130.0], ENERGY, 100.0) is None
    assert run([90.0, 80.0, 70.0], ENERGY, 100.0) == Revision(80.0, 0.0, 120.0, 3)


def test_a_proposal_stands_for_a_day_and_falls_with_the_agreement_that_it_was_about() -> None:
    beyond = Beyond()
    run([2.0, 2.0, 2.0], beyond=beyond)
    assert note(beyond, PACE, 0.5, 1.0, 120.0 + STANDS_S) == Revision(2.0, 0.0, 120.0, 3)
    assert note(beyond, PACE, 0.5, 2.0, 121.0 + STANDS_S) is None
    run([2.0, 2.0, 2.0], beyond=beyond)
    assert note(beyond, PACE, 0.5, 1.0, 121.0 + STANDS_S) is None


def test_without_a_capability_or_a_good_direction_there_is_nothing_to_propose() -> None:
    assert run([9.0, 9.0, 9.0], capability=None) is None
    assert run([9.0, 9.0, 9.0], NOZZLE_DEVIATION, 1.0) is None
