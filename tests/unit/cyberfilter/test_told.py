# SPDX-License-Identifier: AGPL-3.0-or-later
"""An alert's facts say by name what its sentence says: size and its give, since when, how sure, against what."""

import pytest

from cyberfilter.alerts.clocks import Beyond
from cyberfilter.alerts.home import Home
from cyberfilter.alerts.told import Departure, Seen, facts_of
from cyberfilter.contract.index import Change, Verdict
from cyberfilter.indices.catalogue import ENERGY

HOME = Home(240, 100.0, 4.0)
NAN = float("nan")


def told(change: Change | None, level: float = 130.0, sort: Verdict = Verdict.STEP) -> dict[str, float | str]:
    departure = Departure(sort, Beyond(3, 2.0), 1.1, 5, 15.0)
    return facts_of(ENERGY, HOME, Seen(1_795_399_200.0, 131.0, level, 0.98), change, departure)


def test_a_step_is_told_from_home_with_the_filters_give_and_time() -> None:
    facts = told(Change("step", 1_795_399_080.0, 29.5, 0.8, 0.98, 100.4))
    assert (facts["size"], facts["sd"], facts["probability"], facts["before"]) == (30.0, 0.8, 0.98, 100.4)
    assert facts["since"] == "2026-11-23T01:58:00.000Z"
    assert (facts["lo"], facts["hi"], facts["clock_s"], facts["block_s"]) == (83.5, 116.5, 300.0, 180.0)
    assert (facts["sign"], facts["sigma"], facts["learned"]) == ("pain", 15.0, 240)


def test_a_slope_has_come_so_far_without_a_give_for_its_own_is_of_its_rise_a_value() -> None:
    facts = told(Change("slope", 1_795_399_080.0, 0.2, 0.04, 0.98, 0.0), sort=Verdict.SLOPE)
    assert ("sd" in facts, facts["size"]) == (False, 30.0)


@pytest.mark.parametrize("level", [NAN, 90.0, 101.0])
def test_a_level_that_does_not_agree_gives_way_to_the_blocks_mean(level: float) -> None:
    assert told(None, level)["level"] == 130.0


def test_noise_is_told_by_its_spread() -> None:
    facts = told(None, sort=Verdict.NOISE)
    assert (facts["level"], facts["expected"], facts["hi"], facts["sign"]) == (30.0, 2.0, 16.5, "pain")
