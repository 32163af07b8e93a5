# SPDX-License-Identifier: AGPL-3.0-or-later
"""A machine at work, as state words and part counters tell it, where no event says that a job began or ended.

A job is a stretch of work: it begins with the first word of work after rest, and ends with rest. How it ended, the
word says (completed, stopped), else the parts: one that was counted since the start, or within LAST_WORD_S after the
end, makes it done. Times are arrivals.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from collector.contract.event import Outcome, PartCounted, State, StateSeen
from collector.contract.reading import Fact
from collector.dialects.state_words import Sense, Word
from collector.signs import Began, Broke, Ended, Held, Lost, Resumed, Running, Sign, Stopped

LAST_WORD_S: Final = 10.0
"""How long the count of a part may come after the word that the machine rests."""
WHOLE_RATIO: Final = 0.995
"""Progress from which a job that rests was done."""
PARTS_STEP_MAX: Final = 10_000
"""A part counter that grows by more at once was set, and counts nothing."""
MACHINE_ERROR: Final = "machine error"
SCRAPPED: Final = "part scrapped"
SAYS_OFFLINE: Final = "machine says that it is offline"
_INTERRUPTED: Final = frozenset({State.HELD, State.WAITING_PERSON, State.STARVED, State.MAINTENANCE})
_NOT_HEARD: Final = frozenset({None, State.UNKNOWN, State.OFFLINE})
Said = tuple[Fact | Sign, ...]


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a machine's work; `state` is None before anything was heard.

    `before` is the state when the machine was lost; `busy`: a job runs, which seemed to end at `rested_at`, or broke at
    `broke_at`; `good`, `scrap` and `count` are its counters, `made` and `spoiled` what they grew by in this job.
    """

    state: State | None = None
    state_at: float = 0.0
    why: str | None = None
    before: State | None = None
    lost: bool = False
    busy: bool = False
    rested_at: float | None = None
    broke_at: float | None = None
    file: str | None = None
    progress: float | None = None
    good: int | None = None
    scrap: int | None = None
    count: int | None = None
    made: int = 0
    spoiled: int = 0


Step = tuple[Work, Said]


def lost(was: Work, at: float, why: str) -> Step:
    """Return the memory after nobody can speak for the machine any more."""
    if was.lost:
        return was, ()
    now, facts = _to(was, at, State.OFFLINE, why)
    signs = (Lost(at, why),) if was.busy else ()
    return replace(now, before=was.state, lost=True), (*facts, *signs)


def heard(was: Work, at: float) -> Step:
    """Return the memory after the machine was heard without a word of its state: lost, it is again what it was."""
    if not was.lost and was.state is not None:
        return was, ()
    back = was.before or State.UNKNOWN
    now, facts = _to(was, at, back, None)
    signs = (Running(at, was.file),) if was.busy and back is State.RUNNING else ()
    return now, (*facts, *signs)


def told(was: Work, at: float, word: Word) -> Step:
    """Return the memory after the machine named its state, and what that says of its job."""
    now, facts = _to(was, at, word.state, word.why)
    if word.state is was.state and not was.lost:
        in_words = was.busy and word.state is State.FAULT and word.why not in {None, was.why}
        return now, (*facts, Broke(at, MACHINE_ERROR, word.why)) if in_words else facts
    if word.sense is Sense.WORK:
        now, signs = _works(was, now, at)
    elif now.busy:
        now, signs = _rests(was, now, at, word)
    else:
        signs = ()
    return now, (*facts, *signs)


def shown(was: Work, at: float, state: State, why: str | None) -> Step:
    """Return the memory in that state, which says nothing of the job."""
    return _to(was, at, state, why)


def broken(was: Work, at: float, why: str | None) -> Step:
    """Return the memory after a fault that ends the job; also where the machine showed it while the job went on."""
    if was.state is State.FAULT and was.busy and was.broke_at is None and not was.lost:
        return _rests(was, was, at, Word(State.FAULT, why=why))
    return told(was, at, Word(State.FAULT, why=why))


def named(was: Work, at: float, file: str | None) -> Step:
    """Return the memory after the machine named its program; a job keeps the name that it had first."""
    if file is None or file == was.file:
        return was, ()
    signs = (Running(at, file),) if was.busy and was.file is None else ()
    return replace(was, file=file), signs


def counted(was: Work, at: float, counter: Literal["good", "scrap", "count"], value: float) -> Step:
    """Return the memory after a counter of parts was told: what it grew by is made, from 0 where it began anew.

    A counter of all parts counts good ones, unless the machine counts these by themselves.
    """
    new, before = int(value), getattr(was, counter)
    if not 0 <= value <= 2**53 or new != value or new == before:
        return was, ()
    now = replace(was, **{counter: new})
    grown = 0 if before is None else new - before if new > before else new
    if not 0 < grown <= PARTS_STEP_MAX or (counter == "count" and was.good is not None):
        return now, ()
    good, scrap = (0, grown) if counter == "scrap" else (grown, 0)
    part = PartCounted(at, good, scrap, id=f"{counter}-{new}-{round(at * 1000)}")
    if was.busy:
        return replace(now, made=was.made + good, spoiled=was.spoiled + scrap), (part,)
    if was.rested_at is not None and at - was.rested_at <= LAST_WORD_S:
        return replace(now, rested_at=None), (part, _ended(was, at, good))
    return now, (part,)


def _ended(was: Work, at: float, good: int) -> Ended:
    if good:
        return Ended(at, Outcome.DONE, was.file)
    return Ended(at, Outcome.FAILED, was.file, cause=SCRAPPED)


def _to(was: Work, at: float, state: State, why: str | None) -> Step:
    now = replace(was, lost=False, before=None)
    if state is was.state and why == was.why:
        return now, ()
    return replace(now, state=state, state_at=at, why=why), (StateSeen(at, state, why),)


def _works(was: Work, now: Work, at: float) -> Step:
    if not was.busy:
        now = replace(now, busy=True, rested_at=None, broke_at=None, progress=None, made=0, spoiled=0)
        first_heard = was.lost or was.state in _NOT_HEARD
        return now, (Running(at, now.file, opens=True) if first_heard else Began(at, now.file),)
    if was.lost or was.state is State.OFFLINE:
        return now, (Running(at, now.file, opens=True),)
    if was.broke_at is not None:
        now = replace(now, broke_at=None)
        return now, (Began(at, now.file) if at - was.broke_at >= LAST_WORD_S else Running(at),)
    if was.state in _INTERRUPTED:
        return now, (Running(at), Resumed(at))
    return now, (Running(at),)


def _rests(was: Work, now: Work, at: float, word: Word) -> Step:
    if word.state is State.FAULT:
        now = replace(now, broke_at=at, progress=None, made=0, spoiled=0)
        return now, (Broke(at, MACHINE_ERROR, word.why),)
    if word.state is State.OFFLINE:
        return now, (Lost(at, SAYS_OFFLINE),)
    if word.sense is Sense.DONE:
        return replace(now, busy=False), (Ended(at, Outcome.DONE, now.file),)
    if word.state is State.IDLE:
        rested = replace(now, busy=False)
        return (rested, (Stopped(at),)) if was.lost else _ends(rested, at, word)
    return now, (Held(at),) if word.state in _INTERRUPTED else ()


def _ends(now: Work, at: float, word: Word) -> Step:
    """Return the memory after rest, where the word does not say how the job ended: by parts, then by progress."""
    if now.broke_at is not None:
        return now, (Stopped(at),)
    if now.made or (now.progress or 0.0) >= WHOLE_RATIO:
        return now, (Ended(at, Outcome.DONE, now.file),)
    if now.spoiled:
        return now, (_ended(now, at, 0),)
    if word.sense is Sense.CANCELLED:
        return now, (Ended(at, Outcome.CANCELLED, now.file),)
    return replace(now, rested_at=at), (Ended(at, Outcome.UNKNOWN, now.file),)
