# SPDX-License-Identifier: AGPL-3.0-or-later
"""A value beyond its limit is stated once, and again only after it was well inside."""

from __future__ import annotations

import pytest

from collector.contract.event import Noted, Trouble
from collector.contract.reading import Samples
from collector.contract.tree import Limits
from collector.excursions import Judged, look

LIMITS = {"nozzle_degc": Limits(low=10.0, high=260.0)}


def sides(*values: float | None, limits: dict[str, Limits] | None = None, name: str = "nozzle_degc") -> list[float]:
    """Return the values that were stated, one message a value."""
    judged: dict[str, Judged] = {}
    told: list[float] = []
    for at, value in enumerate(values):
        facts = (Samples((float(at),), {name: (value,)}),)
        judged, troubles = look(judged, facts, LIMITS if limits is None else limits)  # type: ignore[assignment]
        told += [trouble.value for trouble in troubles if trouble.value is not None]
    return told


@pytest.mark.parametrize(
    ("values", "stated"),
    [
        ((260.0, 10.0), []),
        ((260.1, 261.0, 259.0, 262.0), [260.1]),
        ((260.1, 254.0, 261.0), [260.1, 261.0]),
        ((9.9, 12.0, 9.0, 15.1, 8.0), [9.9, 8.0]),
        ((300.0, 5.0), [300.0, 5.0]),
        ((None, 300.0, None, 300.0), [300.0]),
    ],
)
def test_an_excursion_is_stated_once(values: tuple[float | None, ...], stated: list[float]) -> None:
    assert sides(*values) == stated


def test_the_statement_names_indicator_value_and_bound() -> None:
    found = look({}, (Samples((5.0,), {"nozzle_degc": (271.5,)}),), LIMITS)
    why = "nozzle_degc = 271.5 °C is above 260 °C"
    assert found.troubles == (Trouble(5.0, "limit", why, "nozzle_degc", 271.5, 260.0),)


def test_samples_count_in_their_own_order_and_old_ones_not_at_all() -> None:
    first = look({}, (Samples((3.0, 1.0, 2.0), {"nozzle_degc": (20.0, 300.0, 20.0)}),), LIMITS)
    assert [trouble.ts for trouble in first.troubles] == [1.0]
    assert look(first.judged, (Samples((2.5,), {"nozzle_degc": (300.0,)}),), LIMITS).troubles == ()


def test_smoke_needs_no_agreement_and_takes_one() -> None:
    assert sides(0.4, 0.6, 0.9, name="smoke_ratio", limits={}) == [0.6]
    assert sides(0.2, 0.4, name="smoke_ratio", limits={"smoke_ratio": Limits(high=0.3)}) == [0.4]
    assert look({}, (Samples((1.0,), {"smoke_ratio": (1.0,)}),), {}).troubles[0].kind == "smoke"


def test_an_event_of_smoke_is_smoke() -> None:
    found = look({}, (Noted(1.0, "smoke", {"why": "input 3 is on"}), Noted(2.0, "material")), {})
    assert found.troubles == (Trouble(1.0, "smoke", "input 3 is on"),)


def test_what_nobody_limited_is_not_remembered() -> None:
    before: dict[str, Judged] = {}
    assert look(before, (Samples((1.0,), {"power_w": (1e9,)}),), LIMITS).judged is before
