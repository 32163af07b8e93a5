# SPDX-License-Identifier: AGPL-3.0-or-later
"""The words by which machines name their state, in the states of the contract: one table (dialects.md 2).

They are those of PackML (ISA-TR88), MTConnect's EXECUTION, and what controllers of printers and mills say in plain
English.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from collector.contract.event import State

TEXT_CHARS_MAX: Final = 128
"""How much of a machine's own words is remembered."""


class Sense(Enum):
    """What a word says of the job, beside the state: it is at work, it ended well or was given up, or no more."""

    WORK = "work"
    DONE = "done"
    CANCELLED = "cancelled"
    NOTHING = "nothing"


class Word(NamedTuple):
    """A machine's state, what that says of its job, and its own words where it gave any."""

    state: State
    sense: Sense = Sense.NOTHING
    why: str | None = None


_ROWS: Final = (
    (
        State.RUNNING,
        Sense.WORK,
        """running run active printing producing production execute executing processing working machining cutting
        milling drilling engraving in_cycle incycle busy unholding unsuspending completing resuming finishing""",
    ),
    (
        State.SETUP,
        Sense.WORK,
        "starting preheat preheating heating heat_up warmup warm_up warming_up preparing prepare",
    ),
    (
        State.SETUP,
        Sense.NOTHING,
        """setup set_up homing home calibrating calibration changeover clearing resetting cooldown cooling cooling_down
        init initializing initialising connecting jog jogging""",
    ),
    (
        State.HELD,
        Sense.NOTHING,
        "held hold holding paused pause pausing interrupted feed_hold feedhold optional_stop door",
    ),
    (State.WAITING_PERSON, Sense.DONE, "completed complete program_completed finished finish done"),
    (
        State.WAITING_PERSON,
        Sense.NOTHING,
        "waiting_person waiting wait program_stopped attention paused_for_user operator needs_operator",
    ),
    (State.STARVED, Sense.NOTHING, "starved starving blocked suspended suspending no_material out_of_material"),
    (State.MAINTENANCE, Sense.NOTHING, "maintenance service servicing"),
    (State.IDLE, Sense.NOTHING, "idle ready standby operational free available"),
    (State.IDLE, Sense.CANCELLED, "stopped stopping stop cancelled canceled cancelling"),
    (
        State.FAULT,
        Sense.NOTHING,
        """fault faulted error alarm aborted aborting emergency emergency_stop estop e_stop failed failure halted
        triggered crashed""",
    ),
    (State.OFFLINE, Sense.NOTHING, "offline unavailable off disconnected"),
    (State.UNKNOWN, Sense.NOTHING, "unknown undefined"),
)
_WORDS: Final = {word: Word(state, sense) for state, sense, words in _ROWS for word in words.split()}
_PACKML_CODES: Final = """undefined clearing stopped starting idle suspended execute stopping aborting aborted
    holding held unholding suspending unsuspending resetting completing completed"""
_PACKML: Final = tuple(_PACKML_CODES.split())
_BETWEEN: Final = re.compile(r"[^a-z0-9]+")


def clean(text: str) -> str | None:
    """Return what can be read of a machine's words, cut to what is remembered; None where that is nothing.

    >>> clean(" thermistor" + chr(0) + " open "), clean(chr(10))
    ('thermistor open', None)
    """
    return "".join(sign for sign in text[: 2 * TEXT_CHARS_MAX] if sign.isprintable()).strip()[:TEXT_CHARS_MAX] or None


def read_word(text: str) -> Word | None:
    """Return what the word says, and what follows its colon as the machine's own words; None for a word unheard of.

    >>> read_word("ERROR: thermistor open (E0)")
    Word(state=<State.FAULT: 'fault'>, sense=<Sense.NOTHING: 'nothing'>, why='thermistor open (E0)')
    """
    head, _, after = text[: 2 * TEXT_CHARS_MAX].partition(":")
    word = _BETWEEN.sub("_", head.strip().lower()).strip("_")
    found = _WORDS.get(word) or _WORDS.get(word.partition("_")[0])
    return found._replace(why=clean(after)) if found is not None else None


def read_packml(code: float) -> Word | None:
    """Return what a PackML state number says (StateCurrent, 0 to 17); None for another.

    >>> read_packml(6).state, read_packml(99)
    (<State.RUNNING: 'running'>, None)
    """
    number = int(code)
    return _WORDS[_PACKML[number]] if 0 <= number < len(_PACKML) and number == code else None
