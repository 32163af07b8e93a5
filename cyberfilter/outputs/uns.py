# SPDX-License-Identifier: AGPL-3.0-or-later
"""A mirror in a Unified Namespace as United Manufacturing Hub lays it out: one value a topic, two keys a payload.

`<root>/<levels of the place>/_cybersyn/<name>`. A place's segments are enterprise, site, area, line, cell in this
order; what a place does not have is left out, what it has beyond stays behind.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from collector.contract.codec import encode
from cyberfilter.outputs.machine import Machine, View
from cyberfilter.outputs.words import device_word

CONTRACT: Final = "_cybersyn"
"""The data contract under which the values stand (an underscore marks one in that layout)."""
PROGRESS: Final = "progress_ratio"


class Namespace(NamedTuple):
    """Where the mirror hangs: `above` are levels that stand in front of every place, empty for none."""

    root: str
    above: str = ""

    @property
    def topics(self) -> str:
        """Return the topic filter of the whole namespace: the data contract stands at any depth."""
        return f"{self.root}/#"


def postings(view: View, namespace: Namespace) -> dict[str, bytes]:
    """Return every retained message of the machine or unit, by topic; a value that is not known has none."""
    above = [namespace.above] if namespace.above else []
    place = "/".join([namespace.root, *above, view.place])
    found = {
        f"{place}/{CONTRACT}/{value.index}": _value(value.at, value.actuality)
        for value in view.indices
        if value.actuality is not None
    }
    if view.machine is not None:
        where = place if view.is_alone else f"{place}/{device_word(view.device)}"
        for name, (ts, value) in _of_machine(view.machine).items():
            found[f"{where}/{CONTRACT}/{name}"] = _value(ts, value)
    return found


def _of_machine(machine: Machine) -> dict[str, tuple[float, float | str]]:
    found: dict[str, tuple[float, float | str]] = {}
    if machine.state_at:
        found["state"] = machine.state_at, machine.state.value
    if machine.parts_at is not None:
        found["parts_good_count"] = machine.parts_at, machine.good_count
        found["parts_scrap_count"] = machine.parts_at, machine.scrap_count
    if PROGRESS in machine.values:
        found[PROGRESS] = machine.values[PROGRESS]
    return found


def _value(ts: float, value: float | str) -> bytes:
    return encode({"timestamp_ms": round(1000 * ts), "value": value})
