# SPDX-License-Identifier: AGPL-3.0-or-later
"""Bambu Lab printers as they speak in the local network: whole reports, or only what changed.

Times are arrivals: the printer's counter and clock tell old words from new ones, and nothing else. A printer prints on
when nobody listens, so a lost connection ends no job; an end that fell into the gap is dated by when we heard of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from collector.contract.codec import decode_object
from collector.contract.event import Noted, State
from collector.dialects.bambu_jobs import Decoded, Said, job_signs
from collector.dialects.bambu_state import Bambu, merged, number, standing, to, whole
from collector.dialects.dialect import Dialect, Heard, Quality, below, by_form
from collector.dialects.figures import Values, measured, put
from collector.dialects.link import lost_by

TOLD_AGAIN_S: Final = 120.0
TOLD_AGAIN_COUNT: Final = 100
TOLD_AGAIN_MS: Final = 120_000
"""Words this little behind the newest, this soon, were told again; others come from a printer that started anew."""
NO_SENSOR_DEGC: Final = 5.0
"""What a printer without a sensor in its chamber always says."""
AMS_MAX: Final = 8
_FORM: Final = re.compile(r"(device/[A-Za-z0-9_-]+)/(report|link)")
_TEMPERATURES: Final = (
    ("nozzle_temper", "nozzle_degc"),
    ("nozzle_target_temper", "nozzle_target_degc"),
    ("bed_temper", "bed_degc"),
    ("bed_target_temper", "bed_target_degc"),
    ("chamber_temper", "chamber_degc"),
)
_TRAYS_PER_AMS: Final = 4
_FIRST_SINGLE_AMS: Final = 128


def decode(was: Bambu, heard: Heard) -> Decoded:
    """Return the memory and what the message says; answers to commands, and what it does not know, say nothing."""
    if heard.retained:  # a printer retains nothing: somebody else did
        return was, ()
    if heard.topic == "link":
        return _link(was, heard)
    if heard.topic != "report":
        return was, ()
    report = decode_object(heard.payload).get("print")
    if not isinstance(report, dict) or report.get("command", "push_status") != "push_status":
        return was, ()
    if _is_told_again(was, report, heard.at):
        return was, ()
    now = merged(was, report, heard.at)
    now, samples = _samples(now, report, heard.at)
    now, signs = job_signs(was, now, report, heard.at)
    now, facts = _state(now, heard.at)
    return now, (*samples, *_door(was, now, heard.at), *signs, *facts)


def _link(was: Bambu, heard: Heard) -> Decoded:
    """Return the memory after the word of who dials the printer."""
    why = lost_by(heard.payload)
    if why is not None:
        return to(was, heard.at, State.OFFLINE, why)
    now = replace(was, sequence=None, clock_ms=None)
    return to(now, heard.at, State.UNKNOWN) if was.state in {None, State.OFFLINE} else (now, ())


def _is_told_again(was: Bambu, report: Mapping[str, Any], at: float) -> bool:
    if at - was.heard_at >= TOLD_AGAIN_S:
        return False
    rows = ((was.sequence, "sequence_id", TOLD_AGAIN_COUNT), (was.clock_ms, "t_utc", TOLD_AGAIN_MS))
    for newest, name, most in rows:
        count = whole(report.get(name))
        if newest is not None and count is not None and 0 < newest - count <= most:
            return True
    return False


def _state(now: Bambu, at: float) -> tuple[Bambu, Said]:
    if now.job is not None and now.job.failed_at is not None and not now.serious:
        return now, ()  # why it stopped may still come
    found = standing(now)
    if found is not None:
        return to(now, at, *found)
    return to(now, at, State.UNKNOWN) if now.state is State.OFFLINE else (now, ())


def _samples(now: Bambu, report: Mapping[str, Any], at: float) -> Decoded:
    values: Values = {}
    for field, name in _TEMPERATURES:
        value = number(report.get(field))
        if not (name == "chamber_degc" and value == NO_SENSOR_DEGC):
            put(values, name, value)
    if now.is_at_job and "mc_percent" in report and now.percent is not None:
        put(values, "progress_ratio", now.percent / 100)
    ams = report.get("ams")
    if isinstance(ams, dict):
        now = _spools(now, ams, values)
    return now, measured(at, values)


def _spools(now: Bambu, ams: Mapping[str, Any], values: Values) -> Bambu:
    """Put what the filament changers say among the values: climate of each, and what is left on the spool in use."""
    tray = whole(ams.get("tray_now"))
    now = now if tray is None else replace(now, tray=tray)
    units = ams.get("ams")
    for unit in units[:AMS_MAX] if isinstance(units, list) else ():
        if not isinstance(unit, dict) or (which := whole(unit.get("id"))) is None or not 0 <= which < 1000:  # noqa: PLR2004 - three digits
            continue
        name = f"ams{which or ''}"
        degc = number(unit.get("temp"))
        put(values, f"{name}_degc", degc or None)
        put(values, f"{name}_humidity_pct", number(unit.get("humidity_raw")))
        put(values, f"{name}_dryness_grade", number(unit.get("humidity")))
        first = which if which >= _FIRST_SINGLE_AMS else which * _TRAYS_PER_AMS
        trays = unit.get("tray")
        for spool in trays[:_TRAYS_PER_AMS] if isinstance(trays, list) else ():
            slot = whole(spool.get("id")) if isinstance(spool, dict) else None
            if slot is not None and now.tray == first + slot:
                put(values, "spool_left_pct", number(spool.get("remain")))
    return now


def _door(was: Bambu, now: Bambu, at: float) -> Said:
    if was.door is None or was.door is now.door:
        return ()
    return (Noted(at, "door", {"open": now.door}),)


DIALECT: Final = Dialect(
    "bambu",
    "Bambu Lab",
    below,
    Bambu,
    decode,
    by_form(_FORM),
    ("device/+/report", "device/+/link"),
    # Even idle it tells its temperatures, and its signal's strength, every few seconds.
    frozenset(State) - {State.OFFLINE},
    Quality(
        states="direct",
        jobs="derived",
        parts="derived",
        cycle="derived",
        estimate="direct",
        material="derived",
        temperature="direct",
        clock="a counter, on some models a clock in ms, used for order alone",
        silence="the word of who dials it: lost after 60 s without a report",
        loses="grams of filament; the time of an end while nobody was connected; a second nozzle's temperatures",
    ),
    usual_prefix="device/{device}",
)
