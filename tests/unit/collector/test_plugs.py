# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tasmota and Shelly: what they say becomes power, energy, presence and smoke, whatever is left out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from collector.contract.errors import Refusal
from collector.contract.event import State, StateSeen, Trouble
from collector.contract.reading import Samples
from collector.dialects import DIALECTS, Heard, recognise

NOW = 1_795_400_000.0
TASMOTA, SHELLY = DIALECTS["tasmota"], DIALECTS["shelly"]


def told(dialect: Any, *rows: tuple[str, object], retained: bool = False, start: float = 100.0) -> list[Any]:
    state, found = dialect.state(), []
    for number, (topic, body) in enumerate(rows):
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        state, said = dialect.decode(state, Heard(topic, payload, retained, start + number))
        found += said
    return found


def series(said: Iterable[Any], name: str) -> list[float]:
    return [fact.values[name][0] for fact in said if isinstance(fact, Samples) and name in fact.values]


def notified(stamp: float, **parts: object) -> tuple[str, object]:
    named = {key.replace("_", ":"): part for key, part in parts.items()}
    return "events/rpc", {"method": "NotifyStatus", "params": {"ts": stamp, **named}}


@pytest.mark.parametrize(
    ("topic", "dialect", "prefix", "rest"),
    [
        ("tele/pow1/SENSOR", "tasmota", "tele/pow1", "tele/SENSOR"),
        ("stat/pow1/STATUS8", "tasmota", "tele/pow1", "stat/STATUS8"),
        ("hall/east/pow1/tele/SENSOR", "tasmota", "hall/east/pow1/tele", "tele/SENSOR"),
        ("hall/east/pow1/stat/POWER2", "tasmota", "hall/east/pow1/tele", "stat/POWER2"),
        ("shellies/plug-1/relay/0/power", "shelly", "shellies/plug-1", "relay/0/power"),
        ("shellies/plug-1/online", "shelly", "shellies/plug-1", "online"),
        ("plus-1/events/rpc", "shelly", "plus-1", "events/rpc"),
        ("hall/plus-1/status/em:0", "shelly", "hall/plus-1", "status/em:0"),
    ],
)
def test_topic_tells_whose_it_is(topic: str, dialect: str, prefix: str, rest: str) -> None:
    found = recognise(topic)
    assert found is not None
    assert (found[0].name, *found[1]) == (dialect, prefix, rest)


@pytest.mark.parametrize("topic", ["tele/SENSOR", "tele//SENSOR", "tele/+/SENSOR", "$SYS/x/online", "cmnd/pow1/POWER"])
def test_topic_of_another_form_is_nobodys(topic: str) -> None:
    assert recognise(topic) is None


def test_filters_of_a_tasmota_reach_both_its_branches() -> None:
    assert TASMOTA.filters("tele/pow1") == ("tele/pow1/#", "stat/pow1/#")
    assert TASMOTA.filters("hall/pow1/tele") == ("hall/pow1/tele/#", "hall/pow1/stat/#")


def test_tasmota_counts_total_and_never_today() -> None:
    energy = {"Total": 6.5, "Today": 0.9, "Yesterday": 5.0, "Power": 2600, "Voltage": 226, "Current": 11.5}
    said = told(TASMOTA, ("tele/SENSOR", {"Time": "2018-02-15T17:37:10", "ENERGY": energy}))
    assert said[0] == Samples(
        (100.0,),
        {"power_w": (2600.0,), "voltage_v": (226.0,), "current_a": (11.5,), "energy_kwh": (6.5,)},
        assigned=True,
    )


def test_channels_of_a_tasmota_are_summed_and_half_told_ones_left_out() -> None:
    energy = {"Total": [1.5, 2.25], "Power": [300, None], "Voltage": 230}
    said = told(TASMOTA, ("tele/SENSOR", {"ENERGY": energy}))
    assert series(said, "energy_kwh") == [3.75]
    assert series(said, "power_w") == []


def test_plug_is_unknown_while_it_is_there_and_offline_after_its_will() -> None:
    said = told(TASMOTA, ("tele/LWT", "Online"), ("tele/LWT", "Online"), ("tele/LWT", "Offline"), retained=True)
    assert [(fact.ts, fact.state) for fact in said] == [(100.0, State.UNKNOWN), (102.0, State.OFFLINE)]
    with pytest.raises(Refusal, match="Online or Offline"):
        told(TASMOTA, ("tele/LWT", "gone"))


def test_smoke_is_trouble_once_until_it_is_over() -> None:
    rows = [("tele/SENSOR", {"MQ2": {"Smoke": word}}) for word in ("OFF", "ON", "ON", "OFF", "ON")]
    assert [fact.ts for fact in told(TASMOTA, *rows) if isinstance(fact, Trouble)] == [101.0, 104.0]
    shelly = [notified(float(n), smoke_0={"alarm": cries}) for n, cries in enumerate((True, True, False, True))]
    assert [fact.ts for fact in told(SHELLY, *shelly) if isinstance(fact, Trouble)] == [100.0, 103.0]


def test_shelly_remembers_what_a_partial_word_leaves_out() -> None:
    said = told(
        SHELLY,
        notified(1.0, switch_0={"apower": 40.0, "aenergy": {"total": 1500.0}}),
        notified(2.0, switch_1={"apower": 10.0}),
        notified(3.0, switch_0={"apower": 20.0}),
        notified(4.0, switch_0={"voltage": 230.0}),
    )
    assert series(said, "power_w") == [40.0, 50.0, 30.0]
    assert series(said, "energy_kwh") == [1.5]
    assert series(said, "voltage_v") == [230.0]


def test_second_channel_that_is_heard_later_is_no_jump_of_energy() -> None:
    said = told(
        SHELLY,
        notified(1.0, switch_0={"aenergy": {"total": 1000.0}}),
        notified(2.0, switch_1={"aenergy": {"total": 7000.0}}),
        notified(3.0, switch_1={"aenergy": {"total": 7500.0}}),
    )
    assert series(said, "energy_kwh") == [1.0, 1.0, 1.5]


def test_older_word_of_a_shelly_changes_nothing() -> None:
    newer, older = notified(NOW - 1, switch_0={"apower": 40.0}), notified(NOW - 2, switch_0={"apower": 99.0})
    said = told(SHELLY, newer, older, start=NOW)
    assert series(said, "power_w") == [40.0]


def test_first_generation_counts_watt_minutes_and_emeters_watt_hours() -> None:
    said = told(SHELLY, ("relay/0/power", "45.30"), ("relay/0/energy", "60000"), ("emeter/0/total", "2500"))
    assert series(said, "power_w") == [45.3]
    assert series(said, "energy_kwh")[0] == 1.0
    with pytest.raises(Refusal, match="not a number"):
        told(SHELLY, ("relay/0/power", "many"))
    with pytest.raises(Refusal, match="not within"):
        told(SHELLY, ("relay/0/power", "nan"))


def test_retained_figures_measure_nothing() -> None:
    assert told(SHELLY, ("relay/0/power", "45.30"), ("status/switch:0", {"apower": 3.0}), retained=True) == []


def test_impossible_figure_is_left_out() -> None:
    said = told(TASMOTA, ("tele/SENSOR", {"ENERGY": {"Power": -4, "Voltage": 5e9, "Total": 1.0}}))
    assert [sorted(fact.values) for fact in said if isinstance(fact, Samples)] == [["energy_kwh"]]
    assert [fact.state for fact in said if isinstance(fact, StateSeen)] == [State.UNKNOWN]


@pytest.mark.parametrize("told_w", [1.7e308, -1.7e308])
def test_figures_that_no_meter_has_say_nothing_and_break_no_sum(told_w: float) -> None:
    assert series(told(TASMOTA, ("tele/SENSOR", {"ENERGY": {"Power": [told_w, told_w]}})), "power_w") == []
    odd = ("events/rpc", {"method": "NotifyStatus", "params": {f"switch:{n}": {"apower": told_w} for n in (0, 1)}})
    assert series(told(SHELLY, odd, notified(NOW, switch_0={"apower": 5.0})), "power_w") == [5.0]


def test_shelly_whose_clock_was_never_set_is_heard_after_its_restart() -> None:
    before, after = notified(50_000.1, switch_0={"apower": 10.0}), notified(3.2, switch_0={"apower": 20.0})
    assert series(told(SHELLY, before, after, start=NOW), "power_w") == [10.0, 20.0]
