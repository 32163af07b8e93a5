# SPDX-License-Identifier: AGPL-3.0-or-later
"""Alerts as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from collector.contract.codec import format_time
from cyberfilter.contract.alert import AlertClass
from opsroom.picture import Picture
from opsroom.views.alerts import ROWS_MAX, AlertRow, closed_rows, open_rows, urgency

NOW = 1_000.0


def alert(alert_id: str, alert_class: str = "algedonic", state: str = "raised", **more: Any) -> dict[str, Any]:
    known = {"id": alert_id, "class": alert_class, "kind": "heater_effort_step", "place": "cell/mk4", "state": state}
    return {**known, "index": "heater_effort_w", "raised_at": format_time(NOW - 60), "raised_to": "cell/mk4", **more}


def rows(*alerts: dict[str, Any]) -> list[AlertRow]:
    picture = Picture()
    picture.seed({"machines": [{"device": "mk4", "place": "cell/mk4", "name": "MK4"}], "alerts": list(alerts)})
    return open_rows(picture, NOW)


def test_the_most_pressing_comes_first() -> None:
    soon, late = format_time(NOW + 10), format_time(NOW + 99)
    given = [
        alert("call", "call"),
        alert("seen", state="acknowledged", deadline_at=soon),
        alert("late", deadline_at=late),
        alert("soon", deadline_at=soon),
        alert("danger", "hazard"),
    ]
    assert [row.id for row in rows(*given)] == ["danger", "soon", "late", "seen", "call"]


def test_a_change_is_told_by_its_kind_its_shape_or_its_class() -> None:
    assert rows(alert("a"))[0].says == ("alert.kind.heater_effort_step", "alert.shape.step", "alert.class.algedonic")


def test_the_size_is_told_in_the_unit_and_in_sigmas() -> None:
    row = rows(alert("a", facts={"size": 6.1, "sigma": 7.5, "unit": "W", "sign": "pain"}))[0]
    assert (row.size, row.unit, row.sigmas, row.pleases, row.name) == (6.1, "W", 7.5, False, "MK4")


def test_facts_that_are_no_figures_do_not_reach_the_screen() -> None:
    assert rows(alert("a", facts={"size": "big", "list": [1]}))[0].size is None


@pytest.mark.parametrize(
    ("alert_class", "sigmas", "deadline_at", "told"),
    [
        (AlertClass.HAZARD, None, None, 1.0),
        (AlertClass.ALGEDONIC, 10.0, NOW + 60, 0.5),
        (AlertClass.ALGEDONIC, 5.0, NOW - 1, 0.5),
        (AlertClass.ALGEDONIC, None, NOW, 0.5),
        (AlertClass.CALL, 10.0, None, 0.0),
    ],
)
def test_urgency_is_severity_times_the_spent_clock(
    alert_class: AlertClass, sigmas: float | None, deadline_at: float | None, told: float
) -> None:
    assert urgency(alert_class, sigmas, NOW - 60, deadline_at, NOW) == told


def test_a_flood_is_bounded() -> None:
    assert len(rows(*(alert(f"a{n}") for n in range(ROWS_MAX + 1)))) == ROWS_MAX


def test_the_last_closed_comes_first() -> None:
    picture = Picture()
    closed = [alert(name, state="closed", closed_at=format_time(at)) for name, at in (("old", 10.0), ("new", 20.0))]
    picture.seed({"alerts": closed})
    assert [row.id for row in closed_rows(picture, NOW)] == ["new", "old"]
