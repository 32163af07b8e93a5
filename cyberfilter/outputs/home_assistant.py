# SPDX-License-Identifier: AGPL-3.0-or-later
"""Home Assistant's MQTT discovery: one device for each machine, announced whole, and one retained state for it.

Indices are read where we publish them already (`index/<place>/_<index>`). Source of the fields: Home Assistant's pages
"MQTT" (device discovery payload), "MQTT sensor", "MQTT binary sensor" and "Sensor" (device and state classes).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from collector.contract.codec import encode, format_time
from collector.contract.event import State
from collector.contract.indicator import known, unit_of
from collector.contract.topics import Kind, Topic, format_topic
from cyberfilter.contract.alert import Alert
from cyberfilter.contract.index import IndexValue
from cyberfilter.outputs.machine import Machine, View
from cyberfilter.outputs.words import device_word, title

COMPONENTS_MAX: Final = 64
"""Entities of one device; state, alert and indices come first, then the indicators that came first."""
ALERTS_MAX: Final = 10
"""Open alerts that the attributes of one device name."""
_CLASSES: Final = {"°C": "temperature", "W": "power", "s": "duration"}
"""Device classes by unit. None for shares of 1: a device class would ask for another unit."""
_DIFFERENCES: Final = ("deviation", "difference")
"""A difference of temperatures is no temperature: the class would let Home Assistant convert 2 °C into 35.6 °F."""


class Home(NamedTuple):
    """Where Home Assistant listens (its discovery prefix), the first level of our own topics, and our version."""

    prefix: str
    root: str
    version: str

    @property
    def availability(self) -> str:
        """Return the topic that says whether we are there: `online`, or `offline`, also as our last will."""
        return f"{self.prefix}/{self.root}/availability"

    @property
    def topics(self) -> str:
        """Return the topic filter of the states."""
        return f"{self.prefix}/{self.root}/#"

    @property
    def birth(self) -> str:
        """Return the topic on which Home Assistant says `online` when it has started."""
        return f"{self.prefix}/status"


def postings(view: View, home: Home) -> dict[str, bytes]:
    """Return the device's retained messages by topic: its announcement and its state; a unit has none."""
    if view.machine is None:
        return {}
    word = device_word(view.device)
    topic = f"{home.prefix}/{home.root}/{word}/state"
    return {
        topic: encode(_state(view.machine, view.alerts)),
        f"{home.prefix}/device/{home.root}_{word}/config": encode(_config(view, view.machine, home, topic)),
    }


def _state(machine: Machine, alerts: tuple[Alert, ...]) -> dict[str, Any]:
    """Return what the device's state topic holds; the values of a machine that is offline are not known."""
    is_lost = machine.state is State.OFFLINE
    named = [
        {"class": alert.alert_class.value, "kind": alert.kind, "why": alert.why, "since": format_time(alert.raised_at)}
        for alert in alerts[:ALERTS_MAX]
    ]
    return {
        "state": machine.state.value,
        "about": {
            "why": machine.why,
            "since": format_time(machine.state_at) if machine.state_at else None,
            "file": machine.file,
            "parts_good_count": machine.good_count if machine.parts_at is not None else None,
            "parts_scrap_count": machine.scrap_count if machine.parts_at is not None else None,
        },
        "alerts": {"count": len(alerts), "open": named},
        "m": {name: None if is_lost else newest.value for name, newest in machine.values.items()},
    }


def _config(view: View, machine: Machine, home: Home, topic: str) -> dict[str, Any]:
    device = f"{home.root}_{device_word(view.device)}"
    components = {"state": _state_sensor(topic), "alert": _alert_sensor(topic)}
    components |= {f"index_{value.index}": _index_sensor(value, home.root) for value in view.indices}
    components |= {name: _indicator_sensor(name) for name in machine.values}
    return {
        "dev": {
            "ids": [device],
            "name": view.place.rpartition("/")[2] if view.is_alone else view.device,
            "mdl": view.dialect,
            "sa": view.area,
            "sn": view.device,
        },
        "o": {"name": "Cybersyn", "sw": home.version},
        "availability_topic": home.availability,
        "state_topic": topic,
        "qos": 1,
        "cmps": {
            f"{device}_{name}": {"unique_id": f"{device}_{name}", **component}
            for name, component in list(components.items())[:COMPONENTS_MAX]
        },
    }


def _state_sensor(topic: str) -> dict[str, Any]:
    return {
        "p": "sensor",
        "name": "State",
        "device_class": "enum",
        "options": [state.value for state in State],
        "value_template": "{{ value_json.state }}",
        "json_attributes_topic": topic,
        "json_attributes_template": "{{ value_json.about | tojson }}",
    }


def _alert_sensor(topic: str) -> dict[str, Any]:
    return {
        "p": "binary_sensor",
        "name": "Alert",
        "device_class": "problem",
        "value_template": "{{ 'ON' if value_json.alerts.count else 'OFF' }}",
        "json_attributes_topic": topic,
        "json_attributes_template": "{{ value_json.alerts | tojson }}",
    }


def _index_sensor(value: IndexValue, root: str) -> dict[str, Any]:
    """Return the sensor of an index: the forecast, the triple and the verdict are its attributes."""
    topic = format_topic(Topic(Kind.INDEX, place=value.place, id=value.index), root=root)
    return {
        "p": "sensor",
        "name": f"{title(value.index)} (index)",
        "state_topic": topic,
        "value_template": "{{ value_json.actuality }}",
        "json_attributes_topic": topic,
        **_measure(value.index, value.unit),
    }


def _indicator_sensor(name: str) -> dict[str, Any]:
    return {
        "p": "sensor",
        "name": title(name),
        "value_template": f"{{{{ value_json.m.{name} }}}}",
        **_measure(name, unit_of(name)),
    }


def _measure(name: str, unit: str) -> dict[str, Any]:
    """Return unit, device class and state class; a share of 1 has no unit."""
    row = known(name)
    is_counter = row is not None and row.is_counter
    device_class = "energy" if is_counter and unit == "kWh" else _CLASSES.get(unit)
    found: dict[str, Any] = {"state_class": "total_increasing" if is_counter else "measurement"}
    if unit != "1":
        found["unit_of_measurement"] = unit
    if device_class is not None and not any(word in name for word in _DIFFERENCES):
        found["device_class"] = device_class
    return found
