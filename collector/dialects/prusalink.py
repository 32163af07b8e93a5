# SPDX-License-Identifier: AGPL-3.0-or-later
"""PrusaLink, as our own poller puts its answers onto the broker: states, temperatures, jobs by their number.

`status`, `job` and `info` bear the bodies of the paths of that name; Prusa Connect's flat words are read too. Times are
arrivals, as coarse as the polling; only what began while nobody polled is dated by the printer's own print time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from collector.contract.codec import decode_object
from collector.contract.event import Outcome, State, StateSeen
from collector.contract.indicator import known
from collector.contract.limits import JOB_TEXT_CHARS_MAX
from collector.contract.reading import Fact, Samples
from collector.dialects.dialect import Dialect, Heard, Quality, below, by_form
from collector.dialects.figures import Values, measured, number_of, put
from collector.dialects.link import lost_by
from collector.signs import Began, Ended, Held, Resumed, Running, Sign, Stopped

Said = tuple[Fact | Sign, ...]

STATES: Final = {
    "IDLE": State.IDLE,
    "READY": State.IDLE,
    "BUSY": State.SETUP,
    "PRINTING": State.RUNNING,
    "PAUSED": State.HELD,
    "FINISHED": State.WAITING_PERSON,
    "STOPPED": State.WAITING_PERSON,
    "ATTENTION": State.WAITING_PERSON,
    "ERROR": State.FAULT,
    "FIN_OK": State.WAITING_PERSON,
    "FIN_STOPPED": State.WAITING_PERSON,
    "FIN_ERROR": State.FAULT,
    "FIN_HARVESTED": State.IDLE,
}
"""The printer's words (dialects.md 2), and Connect's for a job that is over: harvested is taken off the bed."""
AT_WORK: Final = frozenset({"PRINTING", "PAUSED"})
PAUSES: Final = frozenset({"PAUSED", "ATTENTION"})
OUTCOMES: Final = {
    "FINISHED": Outcome.DONE,
    "FIN_OK": Outcome.DONE,
    "FIN_HARVESTED": Outcome.DONE,
    "STOPPED": Outcome.CANCELLED,
    "FIN_STOPPED": Outcome.CANCELLED,
    "ERROR": Outcome.FAILED,
    "FIN_ERROR": Outcome.FAILED,
}
_WHY: Final = {"ATTENTION": "the printer asks for attention", "STOPPED": "stopped", "FIN_STOPPED": "stopped"}
ERROR: Final = "printer error"
GAP_S: Final = 30.0
"""What began within such a gap of the polling is dated by the printer's print time."""
NAME_S: Final = 10.0
"""How long the start of a job waits for the name of its file."""
_NUMBER_MAX: Final = 2**53 - 1
EARLY_S: Final = 60.0
"""What is left so early is the estimate that the job began with."""
_FORM: Final = re.compile(r"(prusalink/[A-Za-z0-9_.:-]+)/(status|job|info|link)")
_TEMPERATURES: Final = (
    ("temp_nozzle", "nozzle_degc"),
    ("target_nozzle", "nozzle_target_degc"),
    ("temp_bed", "bed_degc"),
    ("target_bed", "bed_target_degc"),
)


class PrusaLink(msgspec.Struct, frozen=True):
    """One printer: its newest word, and the job that runs (`at_job`), by the printer's number where it gives one.

    `since` is when it began; `told`: its start has been said, which waits a moment for the name of the file.
    """

    state: State | None = None
    why: str | None = None
    word: str = ""
    at_job: bool = False
    since: float = 0.0
    told: bool = True
    held: bool = False
    job: int | None = None
    file: str | None = None
    estimated: bool = False
    heard_at: float = 0.0


class _Told(NamedTuple):
    """What a body says of the job, whichever body it is."""

    at: float
    word: str
    job: int | None
    file: str | None
    printing_s: float | None
    remaining_s: float | None
    words: str | None


Decoded = tuple[PrusaLink, Said]


def decode(was: PrusaLink, heard: Heard) -> Decoded:
    """Return the memory and what the message says; what it does not know says nothing."""
    if heard.retained:
        return was, ()
    if heard.topic == "link":
        why = lost_by(heard.payload)
        if why is not None:
            return _to(was, heard.at, State.OFFLINE, why)
        return _to(was, heard.at, State.UNKNOWN) if was.state in {None, State.OFFLINE} else (was, ())
    if heard.topic == "status":
        return _status(was, decode_object(heard.payload), heard.at)
    if heard.topic == "job":
        body = decode_object(heard.payload)
        return _job(was, _told(body, body, heard.at))
    return was, ()


def _status(was: PrusaLink, body: Mapping[str, Any], at: float) -> Decoded:
    printer, job = _part(body, "printer") or body, _part(body, "job")
    told = _told(printer, job or body, at)
    values: Values = {}
    for field, name in _TEMPERATURES:
        put(values, name, number_of(printer.get(field), _NUMBER_MAX))
    if told.word in AT_WORK:
        percent = number_of((job or body).get("progress"), _NUMBER_MAX)
        put(values, "progress_ratio", None if percent is None else percent / 100)
    now, signs = _job(was, told)
    facts: Said = ()
    state = STATES.get(told.word)
    if state is not None:
        now, facts = _to(now, at, state, _why(was, told, state))
    return now, (*measured(at, values), *signs, *facts)


def _why(was: PrusaLink, told: _Told, state: State) -> str | None:
    if state is State.FAULT:
        return told.words or (was.why if was.state is state else ERROR)
    if told.word == "ATTENTION":
        return told.words or _WHY["ATTENTION"]
    return _WHY.get(told.word)


def _told(of_printer: Mapping[str, Any], of_job: Mapping[str, Any], at: float) -> _Told:
    file = _part(of_job, "file") or _part(of_job, "data") or of_job
    words = _part(of_printer, "status_printer")
    return _Told(
        at,
        _text(_part(of_job, "data").get("state")) or _text(of_printer.get("state")) or "",
        _id(of_job.get("id", of_job.get("job_id"))),
        _text(file.get("display_name")) or _text(file.get("name")) or _text(file.get("path")),
        number_of(of_job.get("time_printing"), _NUMBER_MAX),
        number_of(of_job.get("time_remaining"), _NUMBER_MAX),
        None if words.get("ok") is True else _text(words.get("message")),
    )


def _job(was: PrusaLink, told: _Told) -> Decoded:
    """Return the memory and the signs of the job."""
    now = replace(was, word=told.word if told.word in STATES else was.word, heard_at=told.at)
    if was.at_job and told.job is not None and was.job not in {None, told.job}:
        return _missed(was, now, told)
    if not now.at_job:
        return _begun(was, now, told) if told.word in AT_WORK else (now, ())
    now = replace(now, file=now.file or told.file)
    over = told.word in OUTCOMES or told.word in {"IDLE", "READY"}
    signs: list[Fact | Sign] = []
    if not now.told and (over or now.file or told.word in PAUSES or told.at - now.since >= NAME_S):
        now, begin = _start(now)
        signs.append(begin)
    if over:
        end = _ended(now, told, OUTCOMES[told.word]) if told.word in OUTCOMES else Stopped(told.at)
        return replace(now, at_job=False), (*signs, end)
    if told.word in AT_WORK | PAUSES and now.held is not (told.word in PAUSES):
        now = replace(now, held=not now.held)
        signs.append(Held(told.at) if now.held else Resumed(told.at))
    now, said = _estimate(now, told)
    return now, (*signs, *said)


def _missed(was: PrusaLink, now: PrusaLink, told: _Told) -> Decoded:
    """Return what follows where another job is there: the end of the first we did not hear."""
    now = replace(now, at_job=False)
    if told.word not in AT_WORK:
        return now, (Stopped(told.at),)
    return _begun(was, now, told)


def _begun(was: PrusaLink, now: PrusaLink, told: _Told) -> Decoded:
    """Return the job that begins; where nobody polled before, the printer's print time says since when."""
    at = told.at
    if told.printing_s is not None and at - was.heard_at > GAP_S:
        at = max(was.heard_at, at - told.printing_s)
    now = replace(
        now, at_job=True, since=at, told=False, held=told.word in PAUSES, job=told.job, file=told.file, estimated=False
    )
    if now.file is None and not now.held:
        return now, ()
    now, begin = _start(now)
    held: Said = (Held(told.at),) if now.held else ()
    now, said = _estimate(now, told)
    return now, (begin, *held, *said)


def _start(now: PrusaLink) -> tuple[PrusaLink, Began]:
    return replace(now, told=True), Began(now.since, now.file, job=None if now.job is None else str(now.job))


def _estimate(now: PrusaLink, told: _Told) -> Decoded:
    """Return the printer's own estimate, once a job: what it took so far and what is left, while that is early."""
    if now.estimated or not now.told or told.printing_s is None or told.remaining_s is None:
        return now, ()
    estimate_s, row = told.printing_s + told.remaining_s, known("estimate_s")
    assert row is not None
    if not 0 <= told.printing_s <= EARLY_S or told.remaining_s <= 0 or estimate_s > row.high:
        return now, ()
    samples = Samples((told.at,), {"estimate_s": (estimate_s,)}, assigned=True)
    return replace(now, estimated=True), (Running(told.at, estimate_s=estimate_s), samples)


def _ended(now: PrusaLink, told: _Told, outcome: Outcome) -> Ended:
    cause = (told.words or ERROR) if outcome is Outcome.FAILED else None
    job = None if now.job is None else str(now.job)
    file = now.file or told.file
    return Ended(told.at, outcome, file, cause=cause, duration_s=told.printing_s, job=job)


def _to(was: PrusaLink, at: float, state: State, why: str | None = None) -> tuple[PrusaLink, tuple[StateSeen, ...]]:
    if (state, why) == (was.state, was.why):
        return was, ()
    return replace(was, state=state, why=why), (StateSeen(at, state, why),)


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str | None:
    return found.strip()[:JOB_TEXT_CHARS_MAX] or None if isinstance(found, str) else None


def _id(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**53 else None


DIALECT: Final = Dialect(
    "prusalink",
    "PrusaLink",
    below,
    PrusaLink,
    decode,
    by_form(_FORM),
    ("prusalink/+/status", "prusalink/+/job", "prusalink/+/link"),
    # It is asked every few seconds, whatever it does.
    frozenset(State) - {State.OFFLINE},
    Quality(
        states="direct",
        jobs="direct",
        parts="derived",
        cycle="direct",
        estimate="direct",
        temperature="direct",
        clock="none: what is asked is dated by the answer's arrival",
        silence="the word of who polls it: no answer",
        loses="what passes between two polls; the cause of an error, where it gives no message",
    ),
    usual_prefix="prusalink/{device}",
)
