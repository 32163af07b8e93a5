# SPDX-License-Identifier: AGPL-3.0-or-later
"""The jobs of a Bambu printer: signs made of how its reports change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from collector.contract.event import Outcome, State
from collector.contract.indicator import known
from collector.contract.reading import Fact, Samples
from collector.dialects.bambu_codes import CANCELLED
from collector.dialects.bambu_state import (
    ACTIVE,
    NO_REASON,
    Bambu,
    Job,
    health_of,
    key_of,
    number,
    reason_of,
    standing,
    text,
    whole,
)
from collector.signs import Began, Broke, Ended, Held, Resumed, Running, Sign, Stopped

Said = tuple[Fact | Sign, ...]
Decoded = tuple[Bambu, Said]

REASON_S: Final = 5.0
"""How long after a failure its reason may still come; a cancel shows its code for about two seconds."""
CANCEL_S: Final = 30.0
"""How long before the end a cancel's code may have been seen."""
NAME_S: Final = 10.0
"""Within this time a job that has begun says its name; after it the name that we know is the one."""
GAP_S: Final = 60.0
"""After such a silence another job may run: we missed an end and a start."""
_EARLY_PERCENT: Final = 1.0
_MINUTE_S: Final = 60.0


def job_signs(was: Bambu, now: Bambu, report: Mapping[str, Any], at: float) -> Decoded:
    """Return the memory and what this report says of a job; `was` is the memory before it."""
    if now.error == CANCELLED:
        now = replace(now, cancelled_at=at)
    if now.gcode != "FAILED":
        now = replace(now, failure=None)
    job = now.job
    if job is not None and job.failed_at is not None and now.gcode != "FAILED":
        now, job = _over(now, job), None
    if job is None:
        return _begun(was, now, report, at) if now.is_at_job else (now, ())
    if now.gcode in ACTIVE:
        return _goes_on(was, now, job, report, at)
    if job.told and at - was.heard_at >= GAP_S and _is_another(was, now, job, key_of(report)):
        return _over(now, job), (Stopped(at),)  # the end is another job's, which came and went unheard
    if now.gcode == "FAILED":
        return _with_start(now, job, _failed(now, job, at))
    if now.gcode == "FINISH":
        return _with_start(now, job, (_over(now, job), (Ended(at, Outcome.DONE, job.file or now.file),)))
    return (now, ()) if standing(now) is None else _with_start(now, job, (_over(now, job), (Stopped(at),)))


def _begun(was: Bambu, now: Bambu, report: Mapping[str, Any], at: float) -> Decoded:
    """Return a job that begins, or one that we came late to."""
    late = not was.gcode or was.is_at_job
    if late and now.file is None:
        return now, ()
    begun = replace(
        now,
        remaining_min=number(report.get("mc_remaining_time")),
        reason=now.reason if "fail_reason" in report else 0,
        paused_by=_paused_by(now),
        cancelled_at=None,
    )
    held: Said = (Held(at),) if now.gcode == "PAUSE" else ()
    if late:
        return replace(begun, job=Job(at, now.file, key_of(report))), (Running(at, now.file), *held)
    job = Job(at, None, key_of(report), _id_of(was, report), told=False)
    # The name may be the last job's still: reports tell what changed, and not all at once.
    if held or _names(report) or now.file not in {None, was.last_file}:
        return replace(begun, job=_named(begun, job)), (_start(begun, job), *held)
    return replace(begun, job=job), ()


def _start(now: Bambu, job: Job) -> Began:
    return Began(job.since, job.file or now.file, job=job.id)


def _named(now: Bambu, job: Job) -> Job:
    return replace(job, file=job.file or now.file, told=True)


def _with_start(now: Bambu, job: Job, ended: Decoded) -> Decoded:
    """Return what ends the job, its start before it where that has not been said yet."""
    after, signs = ended
    if job.told:
        return ended
    return replace(after, job=after.job and _named(now, after.job)), (_start(now, job), *signs)


def _names(report: Mapping[str, Any]) -> bool:
    return any(text(report.get(name)) for name in ("subtask_name", "gcode_file"))


def _id_of(was: Bambu, report: Mapping[str, Any]) -> str | None:
    """Return an id of the printer's own counts, so that the same words told again give the same.

    Its number of the job alone is none: it is 0 for what was sent over the local network.
    """
    key, clock_ms, sequence = key_of(report), whole(report.get("t_utc")), whole(report.get("sequence_id"))
    if clock_ms is not None and clock_ms != was.clock_ms:
        return f"{key or 0}-{clock_ms}"
    if sequence is not None and sequence != was.sequence:
        return f"{key or 0}-{sequence}"
    return key or None


def _goes_on(was: Bambu, now: Bambu, job: Job, report: Mapping[str, Any], at: float) -> Decoded:
    key = key_of(report)
    if at - was.heard_at >= GAP_S and _is_another(was, now, job, key):
        return _begun(replace(was, gcode="IDLE"), replace(now, job=None), report, at)
    job = replace(job, key=key or job.key)
    signs: list[Fact | Sign] = []
    if not job.told and (_names(report) or now.gcode == "PAUSE" or at - job.since >= NAME_S):
        signs.append(_start(now, job))
        job = _named(now, job)
    if job.told and not job.estimated and now.gcode == "RUNNING":
        job, said = _estimate(now, job, report, at)
        signs += said
    if was.gcode != now.gcode and "PAUSE" in {was.gcode, now.gcode}:
        signs.append(Held(at) if now.gcode == "PAUSE" else Resumed(at))
    paused_by = (_paused_by(now) or now.paused_by) if now.gcode == "PAUSE" else None
    return replace(now, job=job, paused_by=paused_by), tuple(signs)


def _is_another(was: Bambu, now: Bambu, job: Job, key: str) -> bool:
    """Tell whether what runs after a gap is another job: by number, by name, or because less is done than before."""
    if key and job.key:
        return key != job.key
    if job.file != now.file:
        return True
    return was.percent is not None and now.percent is not None and now.percent < was.percent - _EARLY_PERCENT


def _estimate(now: Bambu, job: Job, report: Mapping[str, Any], at: float) -> tuple[Job, Said]:
    """Return the printer's own estimate: what it says is left while next to nothing is done."""
    row, left_min = known("estimate_s"), now.remaining_min
    assert row is not None
    if now.percent is None or now.percent > _EARLY_PERCENT:
        return replace(job, estimated="mc_percent" in report), ()
    if left_min is None or not 0 < left_min * _MINUTE_S <= row.high:
        return job, ()
    estimate_s = left_min * _MINUTE_S
    samples = Samples((at,), {"estimate_s": (estimate_s,)}, assigned=True)
    return replace(job, estimated=True), (Running(at, estimate_s=estimate_s), samples)


def _paused_by(now: Bambu) -> str | None:
    """Return why the printer has paused by itself."""
    found = standing(now) if now.gcode == "PAUSE" else None
    return found[1] if found is not None and found[0] in {State.WAITING_PERSON, State.FAULT} else None


def _failed(now: Bambu, job: Job, at: float) -> Decoded:
    """Return how a job ended that is FAILED: cancelled by a person, or failed, once that is certain."""
    failed_at = at if job.failed_at is None else job.failed_at
    file = job.file or now.file
    cancelled = now.cancelled_at is not None and failed_at - now.cancelled_at <= CANCEL_S
    if now.error == CANCELLED or (not now.error and (cancelled or now.reason == CANCELLED)):
        return _over(now, job), (Ended(failed_at, Outcome.CANCELLED, file, cause=now.paused_by),)
    why = reason_of(now, now.error, now.reason)
    if why is not None:
        return replace(_over(now, job), failure=why), (Ended(failed_at, Outcome.FAILED, file, cause=why),)
    why = health_of(now) or now.paused_by or NO_REASON
    if job.failed_at is None:
        return replace(now, job=replace(job, failed_at=at)), (Broke(at, why),)
    return (replace(_over(now, job), failure=why), ()) if at - failed_at >= REASON_S else (now, ())


def _over(now: Bambu, job: Job) -> Bambu:
    return replace(now, job=None, last_file=job.file or now.file, remaining_min=None, cancelled_at=None, paused_by=None)
