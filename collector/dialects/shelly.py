# SPDX-License-Identifier: AGPL-3.0-or-later
"""Shelly plugs, meters and smoke sensors, first and second generation: power, energy, and whether they are there.

The second generation tells only what changed, so the last word of each channel is remembered and a device's power is
the sum of its channels. The first counts watt-minutes since it was switched on. Times are arrivals; the stamp of the
second generation tells old words from new ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from collector.contract.codec import decode_object
from collector.contract.errors import Refusal
from collector.contract.event import State
from collector.contract.limits import CLOCK_SET_S_MIN, NUMBER_ABS_MAX, TOPIC_BYTES_MAX
from collector.dialects.dialect import Dialect, Found, Heard, Quality, Said, below
from collector.dialects.figures import Values, measured, number_of, put
from collector.dialects.plugs import Plug, absent, present, smoke

CHANNELS_MAX: Final = 16
_number: Final = partial(number_of, most=NUMBER_ABS_MAX)
WATT_MINUTES_PER_KWH: Final = 60_000.0
_FIRST: Final = re.compile(r"(shellies/[^/+#]+)/(online|announce|info|(?:relay|emeter|meter|sensor|status)(?:/.+)?)")
_SECOND: Final = re.compile(
    r"([^$+#][^+#]*?)/(online|events/rpc|status/(?:switch|pm1|em|em1|emdata|em1data|smoke|plugs_ui|sys|wifi|mqtt):?\d*)"
)
_METERED: Final = re.compile(r"(?:switch|pm1|em|em1):\d{1,2}")
_COUNTED: Final = re.compile(r"(?:emdata|em1data):\d{1,2}")
_METER: Final = re.compile(r"(relay|emeter|meter)/(\d{1,2})/(power|energy|total|voltage|current)")
_POWERS: Final = ("apower", "total_act_power", "act_power")
_TOTALS: Final = ("total_act", "total_act_energy")


class Channel(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last word of one channel: W, kWh, V, A.

    `base_kwh` is where the counter of a channel stood that was first heard after another one: it would be a jump.
    """

    base_kwh: float = 0.0
    power_w: float | None = None
    energy_kwh: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None


class Shelly(Plug, frozen=True):
    """What is remembered of one; `stamp` is the newest of its own clock (s)."""

    channels: dict[str, Channel] = msgspec.field(default_factory=dict)
    stamp: float | None = None


def decode(was: Shelly, heard: Heard) -> tuple[Shelly, Said]:
    """Return the memory and what the message says; topics that it does not know say nothing."""
    if heard.topic == "online":
        return _online(was, heard)
    if heard.retained:
        return was, ()
    if heard.topic == "events/rpc":
        return _notified(was, heard)
    if heard.topic.startswith("status/"):
        body = decode_object(heard.payload)
        return _parts(was, heard.at, {heard.topic.removeprefix("status/"): body})
    if heard.topic in {"sensor/smoke", "sensor/gas"}:
        now, facts = present(was, heard.at)
        now, cry = smoke(now, heard.at, cries=_word(heard) in {"true", "1", "mild", "heavy"})
        return now, (*facts, *cry)
    metered = _METER.fullmatch(heard.topic)
    return _first_generation(was, heard, metered) if metered is not None else (was, ())


def _word(heard: Heard) -> str:
    return heard.payload[:64].decode(errors="replace").strip().lower()


def _online(was: Shelly, heard: Heard) -> tuple[Shelly, Said]:
    word = _word(heard)
    if word == "true":
        return present(was, heard.at)
    if word != "false":
        raise Refusal("wrong_shape", f"online says {word!r}, not true or false")
    return absent(was, heard.at)


def _notified(was: Shelly, heard: Heard) -> tuple[Shelly, Said]:
    body = decode_object(heard.payload)
    params = body.get("params")
    if not str(body.get("method")).startswith("Notify") or not isinstance(params, dict):
        return was, ()
    stamp = _number(params.get("ts"))
    if stamp is not None and stamp < CLOCK_SET_S_MIN:  # its clock was not set since it was switched on
        stamp = None
    if stamp is not None and was.stamp is not None and stamp < was.stamp <= heard.at:
        return was, ()
    return _parts(replace(was, stamp=stamp if stamp is not None else was.stamp), heard.at, params)


def _parts(was: Shelly, at: float, parts: Mapping[str, Any]) -> tuple[Shelly, Said]:
    now, facts = present(was, at)
    channels, names = dict(was.channels), set[str]()
    for key, part in parts.items():
        if not isinstance(part, dict):
            continue
        if key.startswith("smoke:") and isinstance(part.get("alarm"), bool):
            now, cry = smoke(now, at, cries=part["alarm"])
            facts = (*facts, *cry)
        told = _told(key, part)
        name = key.replace("data:", ":")
        if told and (name in channels or len(channels) < CHANNELS_MAX):
            channels[name] = _heard(channels, name, told)
            names.update(told)
    now = replace(now, channels=channels)
    return now, (*_samples(now, at, names), *facts)


def _heard(channels: Mapping[str, Channel], name: str, told: Mapping[str, float]) -> Channel:
    before = channels.get(name, Channel())
    if before.energy_kwh is None and any(other.energy_kwh is not None for other in channels.values()):
        before = replace(before, base_kwh=told.get("energy_kwh", 0.0))
    return replace(before, **told)


def _told(key: str, part: Mapping[str, Any]) -> dict[str, float]:
    """Return what one component says of its channel, in our units."""
    found: dict[str, float | None] = {}
    if _METERED.fullmatch(key):
        found["power_w"] = next((n for n in map(_number, map(part.get, _POWERS)) if n is not None), None)
        found["voltage_v"], found["current_a"] = _number(part.get("voltage")), _number(part.get("current"))
        counter = part.get("aenergy")
        if isinstance(counter, dict):
            found["energy_kwh"] = _kwh(_number(counter.get("total")))
    elif _COUNTED.fullmatch(key):
        found["energy_kwh"] = _kwh(next((n for n in map(_number, map(part.get, _TOTALS)) if n is not None), None))
    return {name: value for name, value in found.items() if value is not None}


def _kwh(watt_hours: float | None) -> float | None:
    return None if watt_hours is None else watt_hours / 1000.0


def _first_generation(was: Shelly, heard: Heard, metered: re.Match[str]) -> tuple[Shelly, Said]:
    kind, number, what = metered.groups()
    try:
        value = float(_word(heard))
    except ValueError:
        raise Refusal("wrong_shape", f"{heard.topic} says {_word(heard)!r}, not a number") from None
    if not abs(value) <= NUMBER_ABS_MAX:
        raise Refusal("wrong_shape", f"{heard.topic} = {value} is not within ±{NUMBER_ABS_MAX:g}")
    told = {
        "power": ("power_w", value),
        "energy": ("energy_kwh", value / WATT_MINUTES_PER_KWH),
        "total": ("energy_kwh", value / 1000.0),  # an emeter counts Wh
        "voltage": ("voltage_v", value),
        "current": ("current_a", value),
    }
    now, facts = present(was, heard.at)
    if (kind == "emeter" and what == "energy") or not (number in was.channels or len(was.channels) < CHANNELS_MAX):
        return now, facts
    name, figure = told[what]
    now = replace(now, channels={**was.channels, number: _heard(was.channels, number, {name: figure})})
    return now, (*_samples(now, heard.at, {name}), *facts)


def _samples(now: Shelly, at: float, names: set[str]) -> Said:
    """Return the device's sums of what was told: its power and energy are those of all channels heard so far."""
    values: Values = {}
    for name in sorted(names):
        told = [(getattr(channel, name), channel.base_kwh) for channel in now.channels.values()]
        numbers = [n - base if name == "energy_kwh" else n for n, base in told if n is not None]
        value = max(numbers) if name == "voltage_v" else math.fsum(numbers)
        put(values, name, value)
    return measured(at, values)


def _recognise(topic: str) -> Found | None:
    if len(topic) > TOPIC_BYTES_MAX:
        return None
    found = _FIRST.fullmatch(topic) or _SECOND.fullmatch(topic)
    if found is None or (found.re is _SECOND and found.group(1).startswith("shellies/")):
        return None
    return Found(found.group(1), found.group(2))


DIALECT: Final = Dialect(
    "shelly",
    "Shelly",
    below,
    Shelly,
    decode,
    _recognise,
    ("shellies/+/online", "shellies/+/relay/#", "+/online", "+/events/rpc", "+/status/switch:0"),
    frozenset({State.UNKNOWN}),
    Quality(
        energy="direct",
        clock="Unix seconds in the second generation, used for order alone",
        silence="last will",
        loses="the first generation's counter at every power cut",
    ),
    usual_prefix="{device}",
)
