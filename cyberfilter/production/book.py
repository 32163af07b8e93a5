# SPDX-License-Identifier: AGPL-3.0-or-later
"""The production book: facts by their number become records of states, minutes, jobs, parts and notes.

A fact is taken once, by its number; what it says is joined to what is there, so the order of facts is irrelevant.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

import msgspec

from collector.contract.errors import Unavailable
from collector.contract.event import JobEnded, JobStarted, Noted, PartCounted, State, StateSeen
from collector.contract.ports import Chronicle, Record
from collector.contract.reading import Batch, Numbered, Samples
from cyberfilter.production.calendar import HOUR_S
from cyberfilter.production.facts import DEVIATION, MINUTE_S, QUEUE, VOC, Job, Meter, Minute

STATE: Final = "state"
HOUR: Final = "hour"
JOB: Final = "job"
PART: Final = "part"
NOTE: Final = "note"
NOTED: Final = frozenset({"material", "maintenance", "plate"})
"""Events that the indicators need; others are not kept here."""
HOURS_HELD_MAX: Final = 4_096
"""Hours in memory, written ones included: beyond, written ones are read again when they are needed."""
_UNHEARD: Final = frozenset({State.OFFLINE, State.UNKNOWN})
Hour = dict[int, Minute]
"""Minutes by their number since 1970."""
_HOUR: Final = msgspec.msgpack.Decoder(Hour)
_JOB: Final = msgspec.msgpack.Decoder(Job)
_ENCODER: Final = msgspec.msgpack.Encoder()


class Book:
    """Takes facts in memory and writes them together; one thread alone."""

    def __init__(self, chronicle: Chronicle) -> None:
        self._chronicle = chronicle
        self._n = self.saved_n = chronicle.n()
        self._hours: dict[tuple[str, int], Hour] = {}
        self._changed: set[tuple[str, int]] = set()
        self._jobs: dict[tuple[str, str], Job] = {}
        self._records: list[Record] = []

    @property
    def n(self) -> int:
        """The number of the last fact that was taken."""
        return self._n

    def take(self, numbered: Iterable[Numbered]) -> None:
        """Take facts whose number is new; what was taken is kept by `save`.

        Raises Unavailable where the chronicle can't be read: then all since the last `save` must be taken again.
        """
        try:
            for n, batch in numbered:
                if n > self._n:
                    self._learn(batch, f"{n}")
                    self._n = n
        except Unavailable:
            self._n = self.saved_n
            self._hours.clear()
            self._drop_taken()
            raise

    def rehearse(self, batches: Iterable[Batch]) -> None:
        """Take old batches that have no number, each given once, and keep them."""
        for batch in batches:
            self._learn(batch, f"@{batch.at}")
        self.save()

    def save(self) -> None:
        """Write what was taken, with the number of the last fact. Raises Unavailable: then it stays for the next."""
        hours = [_hour_record(device, hour, self._hours[device, hour]) for device, hour in sorted(self._changed)]
        jobs = [_job_record(device, job) for (device, _), job in self._jobs.items()]
        self._chronicle.keep([*self._records, *jobs, *hours], n=self._n)
        self.saved_n = self._n
        self._drop_taken()
        if len(self._hours) > HOURS_HELD_MAX:
            self._hours.clear()

    def _drop_taken(self) -> None:
        self._records.clear()
        self._jobs.clear()
        self._changed.clear()

    def _learn(self, batch: Batch, number: str) -> None:
        device = batch.device
        for position, fact in enumerate(batch.facts):
            key = f"#{number}.{position}"
            if isinstance(fact, Samples):
                self._samples(device, fact)
            elif isinstance(fact, StateSeen):
                self._records.append(
                    Record(STATE, device, f"{fact.ts:.6f}", fact.ts, fact.ts, fact.state.value.encode())
                )
                if fact.state not in _UNHEARD:
                    self._minute(device, fact.ts)
            elif isinstance(fact, JobStarted | JobEnded):
                self._job(batch, fact)
            elif isinstance(fact, PartCounted):
                self._records.append(Record(PART, device, fact.id or key, fact.ts, fact.ts, _ENCODER.encode(fact)))
            elif isinstance(fact, Noted) and fact.event in NOTED:
                self._records.append(Record(NOTE, device, fact.id or key, fact.ts, fact.ts, _ENCODER.encode(fact)))

    def _samples(self, device: str, samples: Samples) -> None:
        values = samples.values
        energy, queue, voc = values.get("energy_kwh"), values.get(QUEUE), values.get(VOC)
        actual, target = values.get("nozzle_degc"), values.get("nozzle_target_degc")
        for n, ts in enumerate(samples.times):
            minute = self._minute(device, ts)
            if energy is not None and (kwh := energy[n]) is not None:
                if minute.meter is None:
                    minute.meter = Meter(ts, kwh, ts, kwh, kwh, kwh)
                else:
                    minute.meter.read(ts, kwh)
            if actual is not None and target is not None:
                degc, wanted = actual[n], target[n]
                if degc is not None and wanted is not None and wanted > 0.0:
                    minute.average(DEVIATION, abs(degc - wanted))
            for name, column in ((QUEUE, queue), (VOC, voc)):
                if column is not None and (value := column[n]) is not None:
                    minute.average(name, value)

    def _minute(self, device: str, ts: float) -> Minute:
        """Return the minute of a moment, which counts as heard, and note that its hour changed."""
        place = device, int(ts // HOUR_S)
        hour = self._hours.get(place)
        if hour is None:
            found = self._chronicle.get(HOUR, device, str(place[1]))
            hour = self._hours[place] = read_hour(found) if found is not None else {}
        self._changed.add(place)
        number = int(ts // MINUTE_S)
        minute = hour.get(number)
        if minute is None:
            minute = hour[number] = Minute(ts, ts)
        else:
            minute.hear(ts)
        return minute

    def _job(self, batch: Batch, fact: JobStarted | JobEnded) -> None:
        name = batch.device, fact.job
        job = self._jobs.get(name)
        if job is None:
            found = self._chronicle.get(JOB, *name)
            job = self._jobs[name] = read_job(found) if found is not None else Job(batch.at)
        job.at = min(job.at, batch.at)
        if isinstance(fact, JobStarted):
            job.started = fact
        else:
            job.ended = fact


def read_hour(record: Record) -> Hour:
    """Return the minutes of an hour's record."""
    return _HOUR.decode(zlib.decompress(record.body))


def read_job(record: Record) -> Job:
    """Return the job of a job's record."""
    return _JOB.decode(record.body)


def _hour_record(device: str, hour: int, minutes: Hour) -> Record:
    body = zlib.compress(_ENCODER.encode(minutes), 1)
    return Record(HOUR, device, str(hour), hour * HOUR_S, (hour + 1) * HOUR_S, body)


def _job_record(device: str, job: Job) -> Record:
    return Record(JOB, device, job.key, job.start, job.end, _ENCODER.encode(job))
