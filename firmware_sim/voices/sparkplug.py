# SPDX-License-Identifier: AGPL-3.0-or-later
"""A Sparkplug B 3.0 edge node with one device, to the letter: births before data, data by alias alone, seq 0..255.

It buffers nothing: what was measured while the host was away comes as the value of the next birth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.machines.printer import Printer
from firmware_sim.truth import Happening
from firmware_sim.voices import protobuf_bytes as pb
from firmware_sim.voices.voice import Publication

Value = str | float | int | bool | None
OUTBOX_MAX: Final = 200
GAP_S_MIN: Final = 0.25
"""Real seconds between two reports of measured values at a fast clock; a state does not wait."""
DEADBAND_DEGC: Final = 0.1
DEADBAND_W: Final = 0.5
SEQ_COUNT: Final = 256
COMPLETE: Final = "COMPLETE"
"""PackML's word for a job that is done and not yet taken off."""
REBIRTH: Final = "Node Control/Rebirth"
INT64, UINT32, FLOAT, DOUBLE, BOOLEAN, STRING = 4, 7, 9, 10, 11, 12
_VALUE_FIELD: Final = {INT64: 11, UINT32: 10, FLOAT: 12, DOUBLE: 13, BOOLEAN: 14, STRING: 15}


class Metric(NamedTuple):
    """A device's metric; `deadband` is the change below which nothing is said, `unit` of its value or empty."""

    name: str
    datatype: int
    unit: str = ""
    deadband: float = 0.0


METRICS: Final = (
    Metric("State", STRING),
    Metric("State/Cause", STRING),
    Metric("Job/Id", STRING),
    Metric("Job/File", STRING),
    Metric("Job/Progress", DOUBLE),
    Metric("Job/Estimate", DOUBLE, "s"),
    Metric("Job/Outcome", STRING),
    Metric("Parts/Good", UINT32),
    Metric("Parts/Scrap", UINT32),
    Metric("Temperature/Nozzle", FLOAT, "°C", DEADBAND_DEGC),
    Metric("Temperature/NozzleTarget", FLOAT, "°C"),
    Metric("Temperature/Bed", FLOAT, "°C", DEADBAND_DEGC),
    Metric("Temperature/BedTarget", FLOAT, "°C"),
    Metric("Power", FLOAT, "W", DEADBAND_W),
    Metric("Energy/Total", DOUBLE, "Wh"),
)
ALIAS: Final = {metric.name: number for number, metric in enumerate(METRICS, start=1)}


class _Due(NamedTuple):
    word: Literal["NBIRTH", "DBIRTH", "DDATA", "DDEATH"]
    ts: float
    values: Mapping[str, Value]


class SparkplugVoice:
    """The voice of one edge node, by `group/node`, with the printer as its device."""

    def __init__(self, group_and_node: str, *, device: str = "printer") -> None:
        self._group, _, self._node = group_and_node.partition("/")
        self._device = device
        self._outbox: deque[_Due] = deque(maxlen=OUTBOX_MAX)
        self._values: dict[str, Value] = {metric.name: None for metric in METRICS}
        self._values |= {"State": "UNKNOWN", "Parts/Good": 0, "Parts/Scrap": 0}
        self._said: dict[str, Value] = {}
        self._bd_seq = -1
        self._seq = 0
        self._ts = 0.0
        self._real_told_at = 0.0

    @property
    def will(self) -> Publication:
        """Return the death of the session that is about to begin; each call counts one attempt to connect.

        Source: [tck-id-payloads-ndeath-bdseq]: the number grows with every CONNECT packet.
        """
        self._bd_seq = (self._bd_seq + 1) % SEQ_COUNT
        payload = pb.delimited(2, _metric("bdSeq", None, INT64, self._bd_seq, None))
        return Publication(self._topic("NDEATH"), payload, 1, False)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topics of commands to the node and to its device."""
        return (self._topic("NCMD"), self._topic("DCMD", self._device))

    def connected(self, printer: Printer, real_s: float) -> None:
        """Be born: the node, then the device with everything it has."""
        del real_s
        self._ts = printer.now
        self._birth()

    def happened(self, happening: Happening, printer: Printer, real_s: float) -> None:
        """Say a state, or a job's start or end, at once."""
        del real_s
        values, self._ts = self._values, printer.now
        if isinstance(happening, JobStarted):
            job = {"Job/Id": happening.job, "Job/File": happening.file, "Job/Estimate": happening.estimate_s}
            values |= {**job, "Job/Progress": 0.0, "Job/Outcome": None}
        elif isinstance(happening, JobEnded):
            values["Job/Outcome"] = str(happening.outcome).upper()
            values["State/Cause"] = happening.cause
            counter = {Outcome.DONE: "Parts/Good", Outcome.FAILED: "Parts/Scrap"}.get(happening.outcome)
            if counter is not None:
                values[counter] = int(values[counter] or 0) + 1
        elif isinstance(happening, StateSeen):
            self._state_changed(happening)
        self._tell()

    def sampled(self, printer: Printer, real_s: float) -> None:
        """Say by exception what moved by more than its deadband."""
        sensed, self._ts = printer.sense(), printer.now
        values = self._values
        values |= {"Temperature/Nozzle": sensed.nozzle_degc, "Temperature/NozzleTarget": sensed.nozzle_target_degc}
        values |= {"Temperature/Bed": sensed.bed_degc, "Temperature/BedTarget": sensed.bed_target_degc}
        values |= {"Power": sensed.power_w, "Energy/Total": round(sensed.energy_kwh * 1000, 2)}
        if sensed.progress_ratio is not None:
            values["Job/Progress"] = sensed.progress_ratio
        if real_s - self._real_told_at >= GAP_S_MIN:
            self._tell()
            self._real_told_at = real_s

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Be born again when a host asks for it; commands to the device change nothing."""
        del real_s
        if topic == self._topic("NCMD") and _asks_for_rebirth(payload):
            self._birth()

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return what is due; a message gets its number when it goes, so that none is missing."""
        del real_s
        return [self._publication(self._outbox.popleft()) for _ in range(min(room, len(self._outbox)))]

    def _state_changed(self, seen: StateSeen) -> None:
        before, now = self._values["State"], str(seen.state).upper()
        if seen.state is State.WAITING_PERSON and self._values["Job/Outcome"] is not None:
            now = COMPLETE
        self._values |= {"State": now, "State/Cause": seen.why}
        lost = str(State.OFFLINE).upper()
        if now == lost and before != lost:
            self._outbox.append(_Due("DDEATH", self._ts, {}))
        elif before == lost and now != lost:
            self._outbox.append(_Due("DBIRTH", self._ts, dict(self._values)))
            self._said = dict(self._values)

    def _birth(self) -> None:
        self._outbox.clear()
        self._outbox.append(_Due("NBIRTH", self._ts, {}))
        if self._values["State"] != str(State.OFFLINE).upper():
            self._outbox.append(_Due("DBIRTH", self._ts, dict(self._values)))
        self._said = dict(self._values)

    def _tell(self) -> None:
        if not self._said or self._values["State"] == str(State.OFFLINE).upper():
            return  # not born yet, or dead: there is no alias that anybody could know
        moved = {metric.name: self._values[metric.name] for metric in METRICS if self._moved(metric)}
        if moved:
            self._outbox.append(_Due("DDATA", self._ts, moved))
            self._said |= moved

    def _moved(self, metric: Metric) -> bool:
        before, after = self._said[metric.name], self._values[metric.name]
        if metric.deadband and isinstance(before, float) and isinstance(after, float):
            return abs(after - before) >= metric.deadband
        return before != after

    def _publication(self, due: _Due) -> Publication:
        self._seq = 0 if due.word == "NBIRTH" else (self._seq + 1) % SEQ_COUNT
        ts_ms = round(due.ts * 1000)
        metrics = b"".join(
            pb.delimited(2, _device_metric(metric, due.values[metric.name], ts_ms, named=due.word == "DBIRTH"))
            for metric in METRICS
            if metric.name in due.values
        )
        if due.word == "NBIRTH":
            node = (("bdSeq", INT64, self._bd_seq), (REBIRTH, BOOLEAN, False), ("Properties/Software", STRING, "sim"))
            metrics = b"".join(pb.delimited(2, _metric(name, None, kind, value, ts_ms)) for name, kind, value in node)
        payload = pb.integer(1, ts_ms) + metrics + pb.integer(3, self._seq)
        device = None if due.word == "NBIRTH" else self._device
        return Publication(self._topic(due.word, device), payload, 0, False)

    def _topic(self, word: str, device: str | None = None) -> str:
        base = f"spBv1.0/{self._group}/{word}/{self._node}"
        return base if device is None else f"{base}/{device}"


def _device_metric(metric: Metric, value: Value, ts_ms: int, *, named: bool) -> bytes:
    alias = ALIAS[metric.name]
    if not named:
        return _metric(None, alias, metric.datatype, value, ts_ms)
    raw = _metric(metric.name, alias, metric.datatype, value, ts_ms)
    if metric.unit:
        unit = pb.integer(1, STRING) + pb.delimited(8, metric.unit)
        raw += pb.delimited(9, pb.delimited(1, "engUnit") + pb.delimited(2, unit))
    return raw


def _metric(name: str | None, alias: int | None, datatype: int, value: Value, ts_ms: int | None) -> bytes:
    """Return one metric; without a name it is data, which carries no datatype either."""
    raw = pb.delimited(1, name) if name is not None else b""
    raw += pb.integer(2, alias) if alias is not None else b""
    raw += pb.integer(3, ts_ms) if ts_ms is not None else b""
    raw += pb.integer(4, datatype) if name is not None else b""
    field = _VALUE_FIELD[datatype]
    if value is None:
        return raw + pb.integer(7, True)
    if isinstance(value, str):
        return raw + pb.delimited(field, value)
    if datatype == FLOAT:
        return raw + pb.single(field, value)
    if datatype == DOUBLE:
        return raw + pb.double(field, value)
    return raw + pb.integer(field, int(value))


def _asks_for_rebirth(payload: bytes) -> bool:
    try:
        metrics = [dict(pb.fields(raw)) for field, raw in pb.fields(payload) if field == 2 and isinstance(raw, bytes)]  # noqa: PLR2004 - `metrics` of the payload
    except ValueError:
        return False
    return any(metric.get(1) == REBIRTH.encode() and metric.get(_VALUE_FIELD[BOOLEAN]) == 1 for metric in metrics)
