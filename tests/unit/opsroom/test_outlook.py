# SPDX-License-Identifier: AGPL-3.0-or-later
"""The outlook's figure."""

from __future__ import annotations

from opsroom.theme import CYBERSYN
from opsroom.views.outlook import HISTORY_POINTS_MAX, Outlook, Past, figure
from opsroom.words import catalogue

TIMES = ["2026-11-23T10:00:00.000Z", "2026-11-23T10:01:00.000Z"]
OUTLOOK = Outlook(
    "cell/mk4", "pace_ratio", "1", TIMES, [1.0, 1.1], [0.9, 0.8], [1.1, 1.4], 0.8, "constant", "hours", Past(0)
)


def test_the_interval_is_a_band_between_low_and_high() -> None:
    high, low = figure(OUTLOOK, [], "Ritmo", catalogue("es"), CYBERSYN)["data"][:2]
    assert (high["y"], low["y"], low["fill"], low["fillcolor"]) == (OUTLOOK.hi, OUTLOOK.lo, "tonexty", CYBERSYN.band)
    assert low["name"] == "intervalo del 80 %"


def test_numbers_are_separated_as_the_language_does() -> None:
    told = {name: figure(OUTLOOK, [], "x", catalogue(name), CYBERSYN)["layout"]["separators"] for name in ("en", "es")}
    assert told == {"en": ".,", "es": ",."}


def test_the_measured_past_is_bounded() -> None:
    measured = [(TIMES[0], 1.0)] * (HISTORY_POINTS_MAX + 1)
    drawn = figure(OUTLOOK, measured, "x", catalogue("en"), CYBERSYN)["data"][2]
    assert len(drawn["x"]) == HISTORY_POINTS_MAX


def test_nothing_is_drawn_where_nothing_was_measured() -> None:
    minutes = (0, 1, 2, 3, 30, 31)
    measured = [(f"2026-11-23T09:{minute:02}:00.000Z", float(minute)) for minute in minutes]
    drawn = figure(OUTLOOK, measured, "x", catalogue("en"), CYBERSYN)["data"][2]
    assert drawn["y"] == [0.0, 1.0, 2.0, 3.0, None, 30.0, 31.0]
