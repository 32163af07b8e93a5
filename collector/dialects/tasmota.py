# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tasmota plugs and sensors: power, energy, and whether they are there.

Their clock is local time without a zone, so times are arrivals. `Total` grows for ever; `Today` is reset at midnight
and not read. A plug meters a machine and says nothing of its state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from collector.contract.codec import decode_object
from collector.contract.errors import Refusal
from collector.contract.event import State
from collector.contract.limits import NUMBER_ABS_MAX, TOPIC_BYTES_MAX
from collector.dialects.dialect import Dialect, Found, Heard, Quality, Said
from collector.dialects.figures import Values, measured, put
from collector.dialects.plugs import Plug, absent, present, smoke

_WORDS: Final = r"tele/(?:SENSOR|STATE|LWT|UPTIME|INFO\d|POWER_LOW|WAKEUP)|stat/(?:STATUS\d{0,2}|POWER\d{0,2}|RESULT)"
_USUAL: Final = re.compile(r"(tele|stat)/((?:[^/$+#][^/+#]*/)*?[^/$+#][^/+#]*)/([A-Z]+\d{0,2}|POWER_LOW)")
_TURNED: Final = re.compile(r"((?:[^/$+#][^/+#]*/)*?[^/$+#][^/+#]*)/(tele|stat)/([A-Z]+\d{0,2}|POWER_LOW)")
_KNOWN: Final = re.compile(_WORDS)
_ENERGY: Final = (("Power", "power_w"), ("Voltage", "voltage_v"), ("Current", "current_a"), ("Total", "energy_kwh"))
_SUMMED: Final = frozenset(("power_w", "current_a", "energy_kwh"))
_SMOKE: Final = ("Smoke", "SmokeAlarm")
_CHANNELS_MAX: Final = 8


def decode(was: Plug, heard: Heard) -> tuple[Plug, Said]:
    """Return the memory and what the message says; topics that it does not know say nothing."""
    if heard.topic == "tele/LWT":
        return _will(was, heard)
    if heard.topic not in {"tele/SENSOR", "stat/STATUS8", "stat/STATUS10"} or heard.retained:
        return was, ()
    body = decode_object(heard.payload)
    inner = body.get("StatusSNS")
    told = inner if isinstance(inner, dict) else body
    now, facts = present(was, heard.at)
    now, cry = _smoke(now, heard.at, told)
    energy = told.get("ENERGY")
    values = _values(energy) if isinstance(energy, dict) else {}
    return now, (*measured(heard.at, values), *facts, *cry)


def _will(was: Plug, heard: Heard) -> tuple[Plug, Said]:
    word = heard.payload[:32].strip().lower()
    if word == b"online":
        return present(was, heard.at)
    if word != b"offline":
        raise Refusal("wrong_shape", f"LWT says {word!r}, not Online or Offline")
    return absent(was, heard.at)


def _smoke(was: Plug, at: float, told: Mapping[str, Any]) -> tuple[Plug, Said]:
    """Return the memory and the trouble that a smoke sensor states: once until it has said that it is over."""
    words = [part.get(name) for part in told.values() if isinstance(part, dict) for name in _SMOKE]
    words += [told.get(name) for name in _SMOKE]
    said = [word for word in words if isinstance(word, bool | int | str)]
    if not said:
        return was, ()
    cries = any(word is True or word == 1 or str(word).upper() in {"ON", "ALARM", "TRUE"} for word in said)
    return smoke(was, at, cries=cries)


def _values(energy: Mapping[str, Any]) -> Values:
    found: Values = {}
    for field, name in _ENERGY:
        put(found, name, _of_channels(energy.get(field), summed=name in _SUMMED))
    return found


def _of_channels(told: object, *, summed: bool) -> float | None:
    """Return a number, or of several channels their sum (of voltages the first); None for all else."""
    channels = told[:_CHANNELS_MAX] if isinstance(told, list) else [told]
    numbers = [float(n) for n in channels if isinstance(n, int | float) and not isinstance(n, bool)]
    if not numbers or len(numbers) < len(channels) or not all(abs(n) <= NUMBER_ABS_MAX for n in numbers):
        return None
    return math.fsum(numbers) if summed else numbers[0]


def _filters(prefix: str) -> tuple[str, ...]:
    if prefix.startswith("tele/"):
        return f"{prefix}/#", f"stat/{prefix.removeprefix('tele/')}/#"
    return f"{prefix}/#", f"{prefix.removesuffix('tele')}stat/#"


def _recognise(topic: str) -> Found | None:
    """Return whose it is under either order of `%prefix%` and `%topic%`; the prefix is that of its tele topics."""
    if len(topic) > TOPIC_BYTES_MAX:
        return None
    for form in (_USUAL, _TURNED):
        found = form.fullmatch(topic)
        if found is None:
            continue
        usual = form is _USUAL
        (kind, own) = found.group(1, 2) if usual else found.group(2, 1)
        rest = f"{kind}/{found.group(3)}"
        if _KNOWN.fullmatch(rest):
            return Found(f"tele/{own}" if usual else f"{own}/tele", rest)
    return None


DIALECT: Final = Dialect(
    "tasmota",
    "Tasmota",
    _filters,
    Plug,
    decode,
    _recognise,
    ("tele/+/LWT", "tele/+/SENSOR", "tele/+/STATE", "+/tele/LWT", "+/tele/SENSOR"),
    frozenset({State.UNKNOWN}),
    Quality(
        energy="direct",
        clock="local time without a zone, not used",
        silence="last will; silence after 15 min, or three TelePeriods where that is its cadence",
        loses="everything between two reports: 300 s unless TelePeriod says less",
    ),
    usual_prefix="tele/{device}",
    scattered=True,
    cadence_s=300.0,
)
