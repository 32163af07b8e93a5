# SPDX-License-Identifier: AGPL-3.0-or-later
"""How a machine speaks whose cadence nobody stated: after how long its silence means something (pure).

Its own gaps teach it, one at a time: the longest one while it worked, or, of a machine that never tells a state, the
longest one at all, nights and weekends with it. So who is switched off now and then is never missed. An alert of
silence must be rare: three times the longest gap is more than three median ones and beyond their 99.9 % quantile
(filter.md 2.2), which by its own meaning a machine that speaks each second passes every quarter of an hour.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from collector.contract.event import State

AT_WORK: Final = frozenset({State.RUNNING, State.SETUP})
"""Whoever tells states is missed in these alone: at rest it may be switched off, and a pause is a person's."""
GAPS_LONGER: Final = 3.0
"""A silence is so many times as long as the longest gap: one message may be lost, two may be late."""
LEARNED_S_MIN: Final = 300.0
"""Nothing that was only learned counts as silence before this: Wi-Fi comes back within a minute or two."""
GAP_S_MAX: Final = 3_600.0
"""Who was silent for longer, and nothing was wrong, is switched off now and then."""
HEARD_GAPS_MIN: Final = 300.0
"""For so many of its longest gaps a machine must have been heard before it is missed, and at least as long as here:"""
WORKED_S_MIN: Final = 8 * 3_600.0
HEARD_S_MIN: Final = 14 * 86_400.0
"""Of a machine that never tells a state: two weekends are in that."""
HALF_LIFE_S: Final = 14 * 86_400.0
"""In so long a time (s of the plant) what is known of the longest gap is worth half."""
TOLD_TIMES: Final = 4.0
"""A silence that was told counts as so many of its limits at most: one long outage shall not deafen us for months."""


class Rhythm(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a machine's gaps: `heard_s` for how long it was listened to, `longest_s` fades.

    Both count at work alone where it `tells` its state.
    """

    tells: bool = False
    heard_s: float = 0.0
    longest_s: float = 0.0


def learn(before: Rhythm, state: State, gap_s: float, *, told: bool) -> Rhythm:
    """Return what is known after a gap (s) that began in a state; `told`: it was stated as a silence."""
    if state is State.OFFLINE or gap_s <= 0.0:
        return before
    if state is not State.UNKNOWN and not before.tells:
        before = Rhythm(tells=True)
    faded_s = before.longest_s * 0.5 ** (gap_s / HALF_LIFE_S)
    if not _counts(before, state):
        return replace(before, longest_s=faded_s)
    limit_s = silent_after_s(before, state) if told else None
    counted_s = gap_s if limit_s is None else min(gap_s, TOLD_TIMES * limit_s)
    return replace(before, heard_s=before.heard_s + gap_s, longest_s=max(faded_s, counted_s))


def silent_after_s(rhythm: Rhythm, state: State) -> float | None:
    """Return after how many seconds the machine is missed in a state; None while its silence means nothing."""
    longest_s = rhythm.longest_s
    heard_s_min = max(WORKED_S_MIN if rhythm.tells else HEARD_S_MIN, HEARD_GAPS_MIN * longest_s)
    if not _counts(rhythm, state) or longest_s > GAP_S_MAX or rhythm.heard_s < heard_s_min:
        return None
    return max(GAPS_LONGER * longest_s, LEARNED_S_MIN)


def _counts(rhythm: Rhythm, state: State) -> bool:
    return state in AT_WORK if rhythm.tells else state is State.UNKNOWN
