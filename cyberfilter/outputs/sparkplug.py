# SPDX-License-Identifier: AGPL-3.0-or-later
"""We as one edge node of Sparkplug B 3.0, and each machine as one of its devices: what is to be published when.

The node decides, `cyberfilter.outputs.service` sends. Sources: Sparkplug specification 3.0, chapters 5 and 6. Every
message after a connection's NBIRTH has the next `seq`; data goes by alias alone; a machine that is offline is dead.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from collector.contract.event import State
from collector.contract.ports import Posting
from collector.contract.sparkplug_b import payload_class
from cyberfilter.outputs.machine import View

NAMESPACE: Final = "spBv1.0"
REBIRTH: Final = "Node Control/Rebirth"
BD_SEQ: Final = "bdSeq"
INT64, DOUBLE, BOOLEAN, STRING = 4, 10, 11, 12
"""Numbers of the data types (specification 6.4.16)."""
_FIELDS: Final = {DOUBLE: "double_value", BOOLEAN: "boolean_value", STRING: "string_value"}
_ROUND: Final = 256
"""seq and bdSeq run from 0 to 255 and begin again."""


class Metric(NamedTuple):
    """A metric's newest value; None is not known. `ts` in Unix s."""

    kind: int
    value: float | bool | str | None
    ts: float


class _Device:
    """What a host knows of a device: the metrics that were born, and whether it lives."""

    def __init__(self, metrics: dict[str, Metric]) -> None:
        self.metrics = metrics
        self.lives = True


class Node:
    """The edge node. It is born with a connection; what it is shown before or after that is said with the birth."""

    def __init__(self, group: str, name: str) -> None:
        self._group, self._name = group, name
        self._bd_seq: int | None = None
        self._seq = 0
        self._aliases: dict[str, dict[str, int]] = {}
        self._last_alias = 0
        self._devices: dict[str, _Device] = {}

    @property
    def commands(self) -> str:
        """Return the topic on which hosts ask for a rebirth."""
        return self._topic("NCMD")

    @property
    def topics(self) -> str:
        """Return the topic filter of the node and its devices."""
        return f"{self._topic('+')}/#"

    def will(self, bd_seq: int) -> Posting:
        """Return the death certificate of the connection with this number: the number and nothing else."""
        payload = payload_class()()
        _add(payload, BD_SEQ, datatype=INT64, long_value=bd_seq % _ROUND)
        return Posting(self._topic("NDEATH"), payload.SerializeToString())

    def born(self, bd_seq: int, now: float) -> list[Posting]:
        """Return the node's birth and that of every device that lives; `bd_seq` is that of the connection's will."""
        self._bd_seq, self._seq = bd_seq, 0
        birth = self._payload(now)
        _add(birth, BD_SEQ, timestamp=_ms(now), datatype=INT64, long_value=bd_seq % _ROUND)
        _add(birth, REBIRTH, timestamp=_ms(now), datatype=BOOLEAN, boolean_value=False)
        found = [Posting(self._topic("NBIRTH"), birth.SerializeToString())]
        return found + [self._device_birth(name, now) for name, device in self._devices.items() if device.lives]

    def reborn(self, now: float) -> list[Posting]:
        """Return the births again, with the connection's own number, as a host may ask; none without a connection."""
        return [] if self._bd_seq is None else self.born(self._bd_seq, now)

    def lost(self) -> None:
        """Note that the connection is gone: nothing is said until the next birth."""
        self._bd_seq = None

    def shown(self, view: View, now: float) -> list[Posting]:
        """Return what a host should hear of the machine: a birth, a death, what changed, or nothing."""
        if view.machine is None or not (view.machine.state_at or view.machine.values):
            return []  # a unit, or a machine that never spoke
        metrics = metrics_of(view)
        known = self._devices.setdefault(view.device, _Device({}))
        before, lived = known.metrics, known.lives and bool(known.metrics)
        known.metrics, known.lives = {**before, **metrics}, view.machine.state is not State.OFFLINE
        if self._bd_seq is None or not (lived or known.lives):
            return []
        if not known.lives:
            return [self._device_death(view.device, now)]
        if not lived or metrics.keys() - before.keys():
            return [self._device_birth(view.device, now)]
        changed = {name: metric for name, metric in metrics.items() if metric.value != before[name].value}
        return [self._data(view.device, changed, now)] if changed else []

    def gone(self, device: str, now: float) -> list[Posting]:
        """Return the death of a device that is no longer ours, and forget it."""
        known = self._devices.pop(device, None)
        self._aliases.pop(device, None)
        return [self._device_death(device, now)] if known and known.lives and self._bd_seq is not None else []

    def _device_birth(self, device: str, now: float) -> Posting:
        payload = self._payload(now)
        for name, metric in self._devices[device].metrics.items():
            _put(payload, metric, name=name, alias=self._alias(device, name), datatype=metric.kind)
        return Posting(self._topic("DBIRTH", device), payload.SerializeToString())

    def _data(self, device: str, metrics: dict[str, Metric], now: float) -> Posting:
        payload = self._payload(now)
        for name, metric in metrics.items():
            _put(payload, metric, alias=self._alias(device, name))
        return Posting(self._topic("DDATA", device), payload.SerializeToString())

    def _device_death(self, device: str, now: float) -> Posting:
        return Posting(self._topic("DDEATH", device), self._payload(now).SerializeToString())

    def _payload(self, now: float) -> Any:
        payload = payload_class()(timestamp=_ms(now), seq=self._seq)
        self._seq = (self._seq + 1) % _ROUND
        return payload

    def _alias(self, device: str, name: str) -> int:
        """Return the metric's number, one for the whole node (specification 6.4.6)."""
        known = self._aliases.setdefault(device, {})
        if name not in known:
            self._last_alias = known[name] = self._last_alias + 1
        return known[name]

    def _topic(self, kind: str, device: str | None = None) -> str:
        return "/".join([NAMESPACE, self._group, kind, self._name, *([device] if device else [])])


def asks_for_rebirth(payload: bytes) -> bool:
    """Tell whether a command asks for a rebirth; every other command is passed over, we control nothing."""
    found = payload_class()()
    try:
        found.ParseFromString(payload)
    except DecodeError:
        return False
    return any(metric.name == REBIRTH and metric.boolean_value for metric in found.metrics)


def metrics_of(view: View) -> dict[str, Metric]:
    """Return the machine's metrics by name: its state, whether an alert is open, parts, indicators, indices."""
    machine = view.machine
    if machine is None:
        return {}
    found = {"state": Metric(STRING, machine.state.value, machine.state_at)}
    newest = max((alert.raised_at for alert in view.alerts), default=machine.state_at)
    found["alert"] = Metric(BOOLEAN, bool(view.alerts), newest)
    if machine.parts_at is not None:
        found["parts_good_count"] = Metric(DOUBLE, machine.good_count, machine.parts_at)
        found["parts_scrap_count"] = Metric(DOUBLE, machine.scrap_count, machine.parts_at)
    found |= {f"indicator/{name}": Metric(DOUBLE, newest.value, newest.ts) for name, newest in machine.values.items()}
    return found | {f"index/{value.index}": Metric(DOUBLE, value.actuality, value.at) for value in view.indices}


def _put(payload: Any, metric: Metric, **fields: Any) -> None:
    """Add a metric with its value, or the word that there is none."""
    worth = {"is_null": True} if metric.value is None else {_FIELDS[metric.kind]: metric.value}
    payload.metrics.add(timestamp=_ms(metric.ts), **fields, **worth)


def _add(payload: Any, name: str, **fields: Any) -> None:
    payload.metrics.add(name=name, **fields)


def _ms(ts: float) -> int:
    return round(1000 * ts)
