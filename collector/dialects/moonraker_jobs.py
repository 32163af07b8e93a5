# SPDX-License-Identifier: AGPL-3.0-or-later
"""What Klipper's words say of a job: signs, found by comparing what was known before with what is known now.

Its clock is fine (contract 4): a start is total_duration before the word that tells it, placed by the least delay
that was seen, and the end total_duration after the start, at most its arrival; Moonraker's own record knows better.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec.structs import replace

from collector.contract.event import Outcome
from collector.dialects.moonraker_state import ALERT_S, AT_WORK, BROKEN, DOWN, LATENESS_S_MAX, Moonraker
from collector.signs import Began, Broke, Ended, Held, Lost, Resumed, Running, Sign

TICK_S: Final = 0.25
"""Klipper tells what changed at this interval: Moonraker's own record begins at the tick that told it."""
LATE_S: Final = 5.0
"""A job that is older when we hear of it may have been held meanwhile: nobody knows how long."""
RECORD_S: Final = 10.0
"""How long Moonraker has for its record of a job: it is asked at the end, and takes milliseconds."""
KNOWN_MAX: Final = 16
KLIPPER_SHUT_DOWN: Final = "Klipper shutdown"
END_NOT_HEARD: Final = "the end of the job was not heard"
KLIPPER_RESTARTED: Final = "Klipper started anew in the middle of the job"
_ENDS: Final = {"complete": Outcome.DONE, "cancelled": Outcome.CANCELLED, "error": Outcome.FAILED}

Followed = tuple[Moonraker, tuple[Sign, ...]]


def followed(was: Moonraker, now: Moonraker, at: float, *, gap: str | None = None) -> Followed:
    """Return the memory and the signs; `gap` says why words may be missing before these."""
    if now.host in DOWN:
        return _shut_down(was, now, at)
    if now.host == "startup":
        # No job outlives a start; print_stats tells its rest later, which then looks like a cancel.
        now, gap = replace(now, job=None, total_s=None) if now.job in AT_WORK else now, KLIPPER_RESTARTED
    if was.job in AT_WORK and now.job not in AT_WORK:
        return _over(was, now, at, gap)
    if now.job not in AT_WORK:
        return now, ()
    return _at_work(was, now, at)


def _shut_down(was: Moonraker, now: Moonraker, at: float) -> Followed:
    broken = replace(now, job=BROKEN, told=False)
    if was.job not in AT_WORK and was.job != BROKEN:
        return broken, ()
    if (was.host, was.host_words) == (now.host, now.host_words):
        return broken, ()
    broke = Broke(at, KLIPPER_SHUT_DOWN, now.host_words)
    if was.job == BROKEN:
        return broken, (broke,)
    # It happened between the tick that told it and the arrival.
    ended = _ended(now, at, Outcome.FAILED, ended_at=at - waited_s(now) / 2)
    return broken, (broke, ended)


def _over(was: Moonraker, now: Moonraker, at: float, gap: str | None) -> Followed:
    outcome = _ENDS.get(now.job or "")
    done = replace(now, told=False)
    if gap is None and at - was.heard_at >= LATE_S:
        gap = END_NOT_HEARD
    if outcome is None and gap is not None:
        return replace(done, lost_why=gap), (Lost(at, gap),)
    # A job that was reset without a word was cancelled: so Moonraker reads it too.
    outcome = outcome or Outcome.CANCELLED
    ended_at = _ended_at(was, now.total_s, begun_at(now), at)
    return done, (_ended(replace(now, file=was.file), at, outcome, cause=_cause(now, at, outcome), ended_at=ended_at),)


def _ended(now: Moonraker, at: float, outcome: Outcome, *, ended_at: float | None, cause: str | None = None) -> Ended:
    return Ended(
        at,
        outcome,
        now.file,
        cause=cause,
        print_duration_s=now.print_s,
        total_duration_s=now.total_s,
        material_mm=now.filament_mm,
        estimate_s=now.estimate_s,
        started_at=begun_at(now),
        ended_at=ended_at,
        record_due_s=RECORD_S,
    )


def _ended_at(was: Moonraker, total_s: float | None, begun: float | None, at: float) -> float | None:
    """Return the end by the machine's own figures; None where they don't fit what we heard."""
    if begun is None or total_s is None:
        return None
    ended = min(at, begun + total_s)
    return ended if at - ended < LATE_S or at - was.heard_at >= LATE_S else None


def _cause(now: Moonraker, at: float, outcome: Outcome) -> str | None:
    if outcome is Outcome.DONE:
        return None
    alert = now.alert if at - now.alert_at <= ALERT_S else None
    return (now.message if outcome is Outcome.FAILED else None) or alert


def _at_work(was: Moonraker, now: Moonraker, at: float) -> Followed:
    signs: list[Sign] = []
    if _is_another(was, now):
        if was.job is not None and now.print_s == was.print_s:  # not told, so as at every start
            now = replace(now, print_s=0.0, filament_mm=0.0)
        now = _begun(replace(now, told=False, lost_why=None, alert=None, estimate_s=None))
        counted = now.total_at is not None and now.total_at == now.eventtime
        if now.begun_at is not None and at - now.begun_at < LATE_S and (was.job is not None or counted):
            now = _told(now)
            signs.append(Began(now.begun_at or at, now.file))
    elif now.begun_eventtime is None:
        now = _begun(now)
    if now.file is not None and (not now.told or was.file is None):
        now = _told(now)
        age_s = None if now.begun_at is None else max(0.0, at - now.begun_at)
        signs.append(Running(at, now.file, print_time_s=age_s, estimate_s=now.estimate_s))
    if now.job == "paused" and was.job != "paused":
        now = now if at - now.alert_at <= ALERT_S else replace(now, alert=None)
        signs.append(Held(at))
    elif now.job == "printing" and was.job == "paused":
        now = replace(now, alert=None)
        signs.append(Resumed(at))
    return now, tuple(signs)


def _told(now: Moonraker) -> Moonraker:
    begun = (now.begun_at,) if now.begun_at is not None and now.begun_at not in now.known else ()
    return replace(now, told=True, known=(*now.known, *begun)[-KNOWN_MAX:])


def _is_another(was: Moonraker, now: Moonraker) -> bool:
    """Tell whether this job is not the one that was known: none was, its file changed, or its seconds fell."""
    if was.job not in AT_WORK:
        return True
    if was.file is not None and now.file != was.file:
        return True
    return was.total_s is not None and now.total_s is not None and now.total_s < was.total_s - 1.0


def _begun(now: Moonraker) -> Moonraker:
    """Return the memory with the start, counted back in ticks from the word that told total_duration."""
    if now.eventtime is None:
        return now
    age_s = now.total_s if now.total_s is not None and now.total_at == now.eventtime else None
    if age_s is None and now.job == "paused":
        return now
    eventtime = now.eventtime - _in_ticks(max(age_s or 0.0, 0.0))
    now = replace(now, begun_eventtime=eventtime, begun_at=None)
    return replace(now, begun_at=begun_at(now))


def _in_ticks(age_s: float) -> float:
    """Return how long ago the first tick of a job was; of an old one the likeliest, for ticks are not exact."""
    return math.floor(age_s / TICK_S) * TICK_S if age_s < LATE_S else age_s - TICK_S / 2


def begun_at(now: Moonraker) -> float | None:
    """Return when the job began (Unix s), by what is known by now of how late the words come."""
    if now.begun_eventtime is None or now.eventtime is None:
        return now.begun_at
    begun = now.heard_at - waited_s(now) - (now.eventtime - now.begun_eventtime)
    moved = now.begun_at is not None and abs(begun - now.begun_at) > LATENESS_S_MAX
    return now.begun_at if moved else begun


def waited_s(now: Moonraker) -> float:
    """Return how long the newest word had waited when it came, compared with the fastest."""
    if now.eventtime is None:
        return 0.0
    return min(max(now.heard_at - now.eventtime - now.lead_s, 0.0), LATENESS_S_MAX)
