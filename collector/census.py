# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who publishes: when a device was last heard, what it last said of itself, who fell silent, who is new.

Pure: the service keeps a Presence for each device, calls `hear` for every message and `silent` about once a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from collector.contract.errors import Refusal
from collector.contract.event import State, StateSeen
from collector.contract.reading import Fact, Samples
from collector.rhythm import Rhythm, learn, silent_after_s

SILENT_CADENCES: Final = 3.0
"""A device that missed this many of its messages is silent: one may be lost, two may be late."""
SILENT_S_MIN: Final = 30.0
"""Nothing counts as silence before this: gaps in Wi-Fi last 30 s on average (seconds of the plant's clock)."""
NEWCOMERS_MAX: Final = 1_000
"""Devices without a place that are kept; the next one is refused until some are placed or forgotten."""
TALKS_ALWAYS: Final = frozenset(State) - {State.OFFLINE}
"""The states in which a device that speaks our own format keeps its cadence."""


class Presence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one device's talking; bounded, and JSON as it stands.

    `state` and `why` are its own last words; `silent` says that the collector has since declared it offline.
    `lag_s` is arrival minus the sender's own time, of its newest message that had one. Where no `cadence_s` is stated
    its `rhythm` is learned.
    """

    heard_at: float
    state: State = State.UNKNOWN
    why: str | None = None
    cadence_s: float | None = None
    talks_in: frozenset[State] = TALKS_ALWAYS
    lag_s: float | None = None
    silent: bool = False
    rhythm: Rhythm | None = None


class Silence(NamedTuple):
    """A device that has fallen silent: its presence to keep, and the fact to record."""

    device: str
    presence: Presence
    fact: StateSeen


class Hearing(NamedTuple):
    """How a device is listened to: how often it speaks when all is well, in the states `talks_in`, and since when.

    `cadence_s` 0: its silence means nothing; None: nobody stated it, so it is learned. `since` (Unix s) is when our
    own connection to the broker was made: a gap that began before is ours.
    """

    cadence_s: float | None
    talks_in: frozenset[State] = TALKS_ALWAYS
    since: float = 0.0


def as_before(presence: Presence, since: float) -> Hearing:
    """Return how the device was listened to the last time."""
    return Hearing(presence.cadence_s, presence.talks_in, since)


def noted(before: Presence, hearing: Hearing, *, at: float) -> Presence:
    """Return the presence of a device that was heard at `at` (Unix s), whatever it said."""
    cadence_s, talks_in, since = hearing
    rhythm = before.rhythm
    if cadence_s is not None:
        rhythm = None
    elif before.heard_at > since:
        rhythm = learn(rhythm or Rhythm(), before.state, at - before.heard_at, told=before.silent)
    return replace(before, heard_at=at, cadence_s=cadence_s, talks_in=talks_in, rhythm=rhythm)


def hear(
    before: Presence, facts: Iterable[Fact], hearing: Hearing, *, at: float, sent_at: float | None = None
) -> tuple[Presence, tuple[StateSeen, ...]]:
    """Return the presence after a message, and the state to restate if the device was silent and says none itself.

    `at` is the arrival, `sent_at` the sender's own time (Unix s; None: what the facts tell).
    """
    told = tuple(facts)
    now = noted(before, hearing, at=at)
    own_time = _own_time(told) if sent_at is None else sent_at
    if own_time is not None:
        now = replace(now, lag_s=at - own_time)
    states = [fact for fact in told if isinstance(fact, StateSeen)]
    if states:
        return replace(now, state=states[-1].state, why=states[-1].why, silent=False), ()
    if not now.silent:
        return now, ()
    return replace(now, silent=False), (StateSeen(at, now.state, now.why),)


def silent(census: Mapping[str, Presence], now: float, *, listening_since: float) -> tuple[Silence, ...]:
    """Return the devices that have newly fallen silent by `now`, each with an OFFLINE that bears the time it was due.

    `listening_since` (Unix s) is when our own connection to the broker was made: a device has its full time from
    then on, so that our own deafness is nobody's silence; while there is no connection, don't ask. The fact's time
    does not depend on when somebody looks, so a replay finds the same.
    """
    found: list[Silence] = []
    for device, presence in census.items():
        limit_s = silence_s(presence)
        due = max(min(presence.heard_at, now), listening_since) + (limit_s or 0.0)
        if limit_s is not None and now >= due:
            why = f"nothing heard for {limit_s:.0f} s ({_usual(presence)})"
            fact = StateSeen(due, State.OFFLINE, why, missed=True)
            found.append(Silence(device, replace(presence, silent=True), fact))
    return tuple(found)


def _usual(presence: Presence) -> str:
    if presence.cadence_s is None and presence.rhythm is not None:
        return f"it was never silent for more than {max(presence.rhythm.longest_s, 1.0):.0f} s of late"
    return f"it speaks every {presence.cadence_s:g} s"


def silence_s(presence: Presence) -> float | None:
    """Return after how many seconds the device counts as silent; None where that means nothing, or is told already."""
    if presence.silent or presence.state not in presence.talks_in:
        return None
    if presence.cadence_s is None:
        return None if presence.rhythm is None else silent_after_s(presence.rhythm, presence.state)
    if presence.cadence_s <= 0:
        return None
    return max(SILENT_CADENCES * presence.cadence_s, SILENT_S_MIN)


def check_newcomer(device: str, newcomer_count: int) -> None:
    """Refuse one device without a place more than are kept; `newcomer_count` are there, without this one."""
    if newcomer_count >= NEWCOMERS_MAX:
        raise Refusal(
            "too_many_newcomers",
            f"{newcomer_count} devices without a place, at most {NEWCOMERS_MAX} are kept (device: {device[:80]})",
        )


def _own_time(facts: Iterable[Fact]) -> float | None:
    """Return the newest time that the sender itself gave its samples, or None."""
    samples = (fact for fact in facts if isinstance(fact, Samples) and not fact.assigned)
    return max((ts for fact in samples for ts in fact.times), default=None)
