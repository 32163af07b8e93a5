# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where the simulator's faults show in the Cyberfilter's indices: what each would be if it were found.

`silence`, `state` and `call` are no indices: they stand for the alerts of that name, of a fault's state, and the calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cyberfilter.backtest.faults import Due
from firmware_sim.faults import Kind

SILENCE: Final = "silence"
STATE: Final = "state"
CALL: Final = "call"
_EFFORT, _ENERGY, _PACE, _LOST = "heater_effort_w", "energy_w", "pace_ratio", "availability_ratio"
_NOZZLE: Final = "nozzle_deviation_degc"


@dataclass(frozen=True)
class Trace:
    """The true type of what is seen, the index that shows it, all others of which an alarm would be right.

    Where `due` is never nothing is seen, or all is well, and an alarm would be wrong.
    """

    shape: str
    index: str
    touches: tuple[str, ...] = ()
    due: Due = "must"


_HOT: Final = Trace("stop", STATE, (_NOZZLE, _EFFORT, _ENERGY, _PACE, _LOST, CALL))
_STOP: Final = Trace("stop", STATE, (_LOST, _PACE, CALL))
_LINK: Final = Trace("link", SILENCE, (_LOST, CALL, STATE))
_CALLS: Final = Trace("wait", CALL, (_LOST, _PACE))
_QUIET: Final = Trace("none", "", due="never")
TRACES: Final = {
    Kind.HEATER_WEAK: Trace("step", _EFFORT, (_ENERGY,)),
    Kind.CLOG: Trace("step", _EFFORT, (_ENERGY, STATE, CALL, _LOST)),
    Kind.SILENCE: _LINK,
    Kind.HEATER_WEARS: Trace("slope", _EFFORT, (_ENERGY, STATE, CALL, _LOST)),
    Kind.HEATER_DEAD: _HOT,
    Kind.THERMISTOR_OPEN: _HOT,
    Kind.THERMISTOR_SHORT: _HOT,
    Kind.THERMAL_RUNAWAY: _HOT,
    Kind.SPAGHETTI: _QUIET,
    Kind.LAYER_SHIFT: _QUIET,
    Kind.RUN_OUT: _CALLS,
    Kind.TOOL_BREAK: _STOP,
    Kind.ALARM: _STOP,
    Kind.DOOR: _QUIET,
    Kind.FEED_HOLD: _QUIET,
    Kind.LENS_DIRT: Trace("slope", _ENERGY, (_PACE,)),
    Kind.TUBE_LOSS: Trace("slope", _PACE, (_ENERGY,)),
    Kind.AIR_ASSIST: _QUIET,
    Kind.CHILLER: Trace("step", _ENERGY, (STATE, CALL, _LOST)),
    Kind.MISPICKS: Trace("step", _PACE),
    Kind.NOZZLE_CLOG: Trace("step", _PACE, (STATE, CALL, _LOST)),
    Kind.FEEDER_EMPTY: _CALLS,
    Kind.POWER_LOSS: _LINK,
    Kind.WIFI_DROP: _LINK,
    Kind.AGENT_CRASH: _LINK,
    Kind.CLOCK_SKEW: _QUIET,
    Kind.DUPLICATES: _QUIET,
    Kind.REORDERING: _QUIET,
    Kind.COUNTER_RESET: _QUIET,
    Kind.UNKNOWN_WORD: _QUIET,
}
